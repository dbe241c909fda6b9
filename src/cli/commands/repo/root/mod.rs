//! `trust repo root …`, one file per verb.

pub mod cert;
pub mod export;
pub mod merge;
pub mod sign;

use std::path::Path;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::limits::MAX_CEREMONY_BYTES;
use crate::store::files::read_user_file;
use crate::tuf::ceremony::{Ceremony, Tally};

/// Change root keys with the signatures of several people
///
/// `cert` makes the certificate of a new root key, `export` writes what is to be signed, `sign`
/// signs it on a machine without network, `merge` collects the signatures and publishes.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with the root.
    #[command(subcommand)]
    pub verb: Verb,
}

impl Command {
    /// Runs the verb that was typed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        self.verb.run(session)
    }
}

commands! {
    /// What to do with the root.
    pub enum Verb {
        Cert(cert::Args),
        Export(export::Args),
        Sign(sign::Args),
        Merge(merge::Args),
    }
}

/// Reads a ceremony file that somebody named.
fn read(path: &Path) -> Result<Ceremony, CliError> {
    let bytes = read_user_file(path, MAX_CEREMONY_BYTES)?;
    Ceremony::parse(&bytes).map_err(|error| {
        let words = format!("cannot use the ceremony file {}", path.display());
        CliError::from(error).context(words)
    })
}

/// Says how far the signing is.
fn say_tallies(session: &Session, tallies: &[Tally]) -> Result<(), CliError> {
    for tally in tallies {
        let Tally { group, have, need, missing } = tally;
        let missing: Vec<&str> = missing.iter().map(|id| id.short(12)).collect();
        let missing = if have >= need || missing.is_empty() {
            String::new()
        } else {
            format!(", waiting for one of {}", missing.join(", "))
        };
        session.ui.line(format!("{have} of {need} signatures by {group}{missing}"))?;
    }
    Ok(())
}

/// Whether a path is stdout.
fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}
