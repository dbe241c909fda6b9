//! `trust tags …`, one file per verb.

pub mod ls;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Look at the tags of a repository in its registry
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with tags.
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
    /// What to do with tags.
    pub enum Verb {
        #[command(visible_alias = "list")]
        Ls(ls::Args),
    }
}
