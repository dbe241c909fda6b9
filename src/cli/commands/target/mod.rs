//! `trust target …`, one file per verb.

pub mod add;
pub mod add_hash;
pub mod lookup;
pub mod rm;
pub mod verify;

use crate::cli::commands::{commands, repo};
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage the targets of a collection
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with targets.
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
    /// What to do with targets.
    pub enum Verb {
        Add(add::Args),
        #[command(name = "add-hash", aliases = ["addhash", "add_hash"])]
        AddHash(add_hash::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        #[command(visible_alias = "list")]
        Ls(repo::ls::Args),
        Lookup(lookup::Args),
        Verify(verify::Args),
    }
}
