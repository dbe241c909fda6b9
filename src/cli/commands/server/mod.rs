//! `trust server …`: what belongs to a server and is done beside it.

pub mod account;
pub mod backup;
pub mod bump;
pub mod import;
pub mod import_notary;
pub mod import_registry;
pub mod rekey;
pub mod restore;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Look after what a server of `trust serve` needs
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to look after.
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
    /// What to look after.
    pub enum Verb {
        Account(account::Command),
        Backup(backup::Args),
        Restore(restore::Args),
        Bump(bump::Args),
        Rekey(rekey::Args),
        Import(import::Args),
        ImportNotary(import_notary::Args),
        ImportRegistry(import_registry::Args),
    }
}
