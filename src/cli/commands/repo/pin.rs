//! `trust repo pin [GUN|PREFIX*]`

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::actions::repo::pin::{Current, PinName, Request, change, current};
use crate::cli::error::CliError;
use crate::cli::output::{FormatArgs, Output};
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::crypto::KeyId;
use crate::store::client_config::Pins;

/// Say which root keys a repository may have
///
/// Writes `trust_pinning` of the configuration file, which notary reads as well; all else in the
/// file stays as it is. Without arguments, lists what is pinned.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Repository, or the beginning of names with * at the end
    #[arg(value_name = "GUN|PREFIX*", requires = "what", conflicts_with = "format")]
    pub name: Option<String>,

    /// Pin this root key and no other; may be given again, and then each of them may sign
    #[arg(long = "key", value_name = "ID", group = "what", requires = "name")]
    pub keys: Vec<String>,

    /// Pin keys whose certificate leads to one of this file's, for all names that begin so (PEM)
    #[arg(long, value_name = "FILE", group = "what", requires = "name", conflicts_with = "keys")]
    pub ca: Option<PathBuf>,

    /// Pin the root keys that the repository has now, after showing them
    #[arg(long, group = "what", requires = "name", conflicts_with_all = ["keys", "ca"])]
    pub current: bool,

    /// Remove the pins of this name
    #[arg(long, group = "what", requires = "name", conflicts_with_all = ["keys", "ca", "current"])]
    pub rm: bool,

    /// Believe no root at first sight that nothing pins
    #[arg(long, conflicts_with_all = ["name", "allow_first_use", "format"])]
    pub forbid_first_use: bool,

    /// Believe and remember the first root that is seen of a repository, unless it is pinned
    #[arg(long, conflicts_with_all = ["name", "format"])]
    pub allow_first_use: bool,

    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Print the list as JSON
    #[arg(long, conflicts_with_all = ["name", "forbid_first_use", "allow_first_use", "format"])]
    pub json: bool,

    /// How to print the list.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What is pinned, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    file: &'a Path,
    first_use: &'static str,
    pins: &'a [Row<'a>],
}

/// A pin as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    name: &'a str,
    keys: Option<Vec<&'a str>>,
    ca: Option<&'a Path>,
}

impl Args {
    /// Lists or changes the pins.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let file = &session.settings.config_file;
        let request = match &self.name {
            Some(name) => {
                let Some(request) = self.request(session, PinName::parse(name)?)? else {
                    session.ui.status("Nothing was pinned.");
                    return Ok(());
                };
                request
            }
            None if self.forbid_first_use => Request::FirstUse { forbidden: true },
            None if self.allow_first_use => Request::FirstUse { forbidden: false },
            None => return self.list(session),
        };
        if *file == session.settings.config_dir.join("config.json") {
            return Err(CliError::usage(format!("{} is docker's", file.display()))
                .hint("`--config-file FILE` names another one"));
        }
        let changed = change(file, &request)?;
        let word = if changed { "Changed" } else { "There was nothing to change in" };
        session.ui.status(format!("{word} {}", file.display()));
        if let Request::Keys(..) = &request
            && let Some(name) = self.name.filter(|name| name.chars().any(char::is_uppercase))
        {
            session
                .ui
                .warn(format!("notary reads names in lower case: there, {name} is not pinned"));
        }
        Ok(())
    }

    /// What is to be done for a name; nothing if the person says no.
    fn request(&self, session: &Session, name: PinName) -> Result<Option<Request>, CliError> {
        if self.rm {
            return Ok(Some(Request::Remove(name)));
        }
        if let Some(ca) = &self.ca {
            // Notary takes it relative to the current folder, so that it has to be whole.
            let ca = std::path::absolute(ca)
                .map_err(|error| CliError::usage(format!("{}: {error}", ca.display())))?;
            return Ok(Some(Request::Authority(name, ca)));
        }
        if !self.current {
            let ids: Result<Vec<KeyId>, _> = self.keys.iter().map(|id| KeyId::parse(id)).collect();
            return Ok(Some(Request::Keys(name, ids?)));
        }
        let PinName::Exact(gun) = &name else {
            return Err(CliError::usage("`--current` is for one repository, not for a prefix"));
        };
        let context = session.context()?;
        let Current { root_keys, first_use } = session.block_on(current(&context, gun))?;
        let seen = if first_use { "seen just now for the first time" } else { "known before" };
        for key in &root_keys {
            session.ui.status(format!("root key {key} of {gun}, {seen}"));
        }
        let question = format!("Pin {gun} to what is shown?");
        if !self.yes && !prompt::confirm(session.console().as_ref(), &question)? {
            return Ok(None);
        }
        Ok(Some(Request::Keys(name, root_keys)))
    }

    fn list(&self, session: &Session) -> Result<(), CliError> {
        let settings = &session.settings;
        let pins = &settings.config.pins;
        let rows = rows(pins);
        let first_use = if pins.disable_tofu { "forbidden" } else { "allowed" };
        let output = if self.json { Output::Json } else { self.format.listing::<Row<'_>>()? };
        let file = &settings.config_file;
        if output.print_as(session, &Document { file, first_use, pins: &rows }, &rows)? {
            return Ok(());
        }
        session.ui.status(format!("First use is {first_use}."));
        if rows.is_empty() {
            session.ui.status(format!("Nothing is pinned in {}.", settings.config_file.display()));
            return Ok(());
        }
        let mut table = vec![["NAME", "PINNED TO"].map(str::to_owned).to_vec()];
        for row in rows {
            let to = match (&row.keys, row.ca) {
                (Some(keys), _) => keys.join(", "),
                (_, ca) => ca.unwrap_or(Path::new("")).display().to_string(),
            };
            table.push(vec![row.name.to_owned(), to]);
        }
        Ok(session.ui.data(columns(&table, 4, false))?)
    }
}

fn rows(pins: &Pins) -> Vec<Row<'_>> {
    let keys = pins.certs.iter().map(|(name, ids)| {
        let keys = ids.iter().map(KeyId::as_str).collect();
        Row { name, keys: Some(keys), ca: None }
    });
    let authorities = pins.ca.iter().map(|(name, ca)| Row { name, keys: None, ca: Some(ca) });
    keys.chain(authorities).collect()
}
