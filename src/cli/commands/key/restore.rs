//! `trust key restore FILE`

use std::path::PathBuf;

use serde::Serialize;

use crate::actions::keys::restore::{BackedUp, State, restore};
use crate::cli::commands::key::backup::BackupPassphraseArgs;
use crate::cli::commands::key::export::count;
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Restore private keys from a backup
///
/// All of it is checked before anything is written. What is in the store is never overwritten.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File that `trust key backup` wrote
    pub file: PathBuf,

    /// Only check the backup, and say what is in it
    #[arg(long)]
    pub check: bool,

    /// How to print what became of the keys.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Where the backup's passphrase is read from.
    #[command(flatten)]
    pub passphrase: BackupPassphraseArgs,
}

/// A key as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    id: &'a str,
    role: &'a str,
    gun: Option<&'a str>,
    encrypted: bool,
    state: &'static str,
}

impl Args {
    /// Checks and restores, and says what became of each key.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row<'_>>()?;
        let keys = restore(&self.passphrase.apply(session).context()?, &self.file, self.check)?;
        for key in keys.iter().filter(|key| key.state == State::Differs) {
            session.ui.warn(format!(
                "the key {} is here with another passphrase, or damaged; what is here stays",
                key.id
            ));
        }
        let rows: Vec<Row<'_>> = keys.iter().map(|key| row(key, self.check)).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        for key in &keys {
            let role = if key.role.is_empty() { "unnamed" } else { &key.role };
            let state = match row(key, self.check).state {
                // What lacks it is this machine, not the backup.
                "missing" => "not here",
                state => state,
            };
            session.ui.line(format!("{} {} ({state})", key.id, printable(role)))?;
        }
        let file = printable(&self.file.to_string_lossy());
        if self.check {
            let count = count(keys.len());
            session.ui.status(format!("{file} is whole, and holds {count}"));
        } else {
            let restored = keys.iter().filter(|key| key.state == State::Missing).count();
            session.ui.status(format!("Restored {} from {file}", count(restored)));
        }
        Ok(())
    }
}

fn row(key: &BackedUp, check_only: bool) -> Row<'_> {
    let state = match key.state {
        State::Missing if check_only => "missing",
        State::Missing => "restored",
        State::Same => "here already",
        State::Differs => "kept as it is here",
    };
    let (id, gun) = (key.id.as_str(), key.gun.as_deref());
    Row { id, role: &key.role, gun, encrypted: key.encrypted, state }
}
