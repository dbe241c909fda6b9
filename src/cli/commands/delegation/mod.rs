//! `trust delegation …`, one file per verb.

pub mod add;
pub mod ls;
pub mod outlook;
pub mod purge;
pub mod rm;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage delegations: who may sign which targets of a collection
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with delegations.
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
    /// What to do with delegations.
    pub enum Verb {
        Add(add::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        Purge(purge::Args),
        #[command(visible_alias = "list")]
        Ls(ls::Args),
    }
}
