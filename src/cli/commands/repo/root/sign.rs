//! `trust repo root sign FILE`

use std::path::PathBuf;

use crate::actions::keys::KeyActionError;
use crate::actions::repo::root::sign::{Anchor, check_anchor, sign};
use crate::cli::commands::repo::root::{is_stdout, read, say_tallies};
use crate::cli::error::CliError;
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::store::StoreError;
use crate::store::files::{PUBLIC_MODE, create_file, replace_file};

/// Sign the next root with the keys that are here
///
/// Shows what it changes, and asks. No network is needed: the file and the keys are all.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `export` wrote
    pub file: PathBuf,

    /// Sign with this key, by its id or in this file; may be given again [default: all that count]
    #[arg(long, value_name = "ID|FILE")]
    pub key: Vec<String>,

    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Write to this new file instead of FILE; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Args {
    /// Signs the file.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let ui = session.ui;
        let context = session.context()?;
        let now = context.clock.now();
        let mut ceremony = read(&self.file)?;
        let anchor = check_anchor(&context, &ceremony)?;
        ceremony.tallies()?;
        let mut lines = vec!["This is what you are asked to sign:".to_owned()];
        lines.extend(ceremony.summary(now).iter().map(|line| format!("  {line}")));
        if anchor != Anchor::Known {
            lines.push("These are all keys that count from then on:".to_owned());
            lines.extend(ceremony.inventory().iter().map(|line| format!("  {line}")));
        }
        // Whoever signs must see it, however quiet the program is asked to be.
        let to_stdout = self.output.as_deref().is_some_and(is_stdout);
        for line in lines.iter().map(|line| printable(line)) {
            if to_stdout { ui.status(line) } else { ui.line(line)? }
        }
        match anchor {
            Anchor::Known => ui.status("The root that it follows is the one known here."),
            Anchor::Newer { known } => ui.warn(format!(
                "this machine knows root version {known} only: it cannot tell whether the root \
                 that this one follows is the repository's"
            )),
            Anchor::Unknown => ui.warn(
                "this machine knows nothing of the repository: it cannot tell whether the root \
                 that this one follows is the repository's",
            ),
        }
        let question = format!("Sign root version {}?", ceremony.next().header.version);
        if !self.yes && !prompt::confirm(session.console().as_ref(), &question)? {
            ui.status("Nothing was signed.");
            return Ok(());
        }
        for id in sign(&context, &mut ceremony, &self.key)? {
            ui.status(format!("Signed with {id}"));
        }
        let bytes = ceremony.encode(now);
        let (tallies, _) = ceremony.tallies()?;
        match &self.output {
            None => replace_file(&self.file, &bytes, PUBLIC_MODE)?,
            Some(_) if to_stdout => return Ok(ui.data(bytes)?),
            Some(path) => create_file(path, &bytes, PUBLIC_MODE).map_err(|error| match error {
                StoreError::Exists { path } => KeyActionError::OutputExists { path },
                other => other.into(),
            })?,
        }
        say_tallies(session, &tallies)
    }
}
