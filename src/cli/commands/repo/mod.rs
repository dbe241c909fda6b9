//! `trust repo …`, one file per verb.

pub mod root;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage repositories of trust data
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with a repository.
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
    /// What to do with a repository.
    pub enum Verb {
        Root(root::Command),
    }
}
