//! `trust repo root merge FILE…`

use std::path::PathBuf;

use crate::actions::keys::KeyActionError;
use crate::actions::repo::root::merge::{merge, publish};
use crate::cli::commands::repo::root::{is_stdout, read, say_tallies};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::store::StoreError;
use crate::store::files::{PUBLIC_MODE, create_file};

/// Put signatures together, and publish the root if they are enough
///
/// All files must be of the same ceremony. Nothing is published while signatures are missing, or if
/// somebody published another root since.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files that were signed
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Publish nothing; write what was put together to this new file; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Args {
    /// Merges, and publishes.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let ui = session.ui;
        let context = session.context()?;
        let files = self.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        let ceremony = merge(files)?;
        let (tallies, strangers) = ceremony.tallies()?;
        if strangers > 0 {
            ui.warn(format!("{strangers} signatures are not by keys that count"));
        }
        if let Some(output) = &self.output {
            let bytes = ceremony.encode(context.clock.now());
            if is_stdout(output) {
                return Ok(ui.data(bytes)?);
            }
            create_file(output, &bytes, PUBLIC_MODE).map_err(|error| match error {
                StoreError::Exists { path } => KeyActionError::OutputExists { path },
                other => other.into(),
            })?;
            return say_tallies(session, &tallies);
        }
        session.block_on(publish(&context, &ceremony))?;
        say_tallies(session, &tallies)?;
        let version = ceremony.next().header.version;
        ui.line(format!("Published root version {version} of {}", ceremony.gun()))?;
        Ok(())
    }
}
