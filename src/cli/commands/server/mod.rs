//! `trust server …`, one file per verb.

pub mod backup;
pub mod rekey;
pub mod restore;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Look after a server's data
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do.
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
    /// What to do with a server's data.
    pub enum Verb {
        Backup(backup::Args),
        Restore(restore::Args),
        Rekey(rekey::Args),
    }
}
