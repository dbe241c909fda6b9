//! `trust key …`, one file per verb.

pub mod backup;
pub mod export;
pub mod forget;
pub mod generate;
pub mod import;
pub mod inspect;
pub mod load;
pub mod ls;
pub mod passwd;
pub mod remember;
pub mod restore;
pub mod rm;
pub mod rotate;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage private keys
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with a key.
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
    /// What to do with a key.
    pub enum Verb {
        Generate(generate::Args),
        Load(load::Args),
        #[command(visible_alias = "list")]
        Ls(ls::Args),
        Inspect(inspect::Args),
        Import(import::Args),
        Export(export::Args),
        Passwd(passwd::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        Rotate(rotate::Args),
        Backup(backup::Args),
        Restore(restore::Args),
        Remember(remember::Args),
        Forget(forget::Args),
    }
}
