//! `trust rescue …`: keeping what trust servers have when they go away.

pub mod check;
pub mod run;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Keep what a trust server has of repositories, for when it is gone
///
/// Fetches every root, the current files and all older ones that can be had, delegations and the
/// changefeed, verifies all of it, and keeps it in a folder from which `trust verify --from`
/// answers and which `trust serve --import` serves. May be interrupted and run again at any time:
/// what is there is not fetched again.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Command {
    /// What else to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// What to rescue.
    #[command(flatten)]
    pub rescue: run::Args,
}

impl Command {
    /// Rescues, or runs the verb that was typed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        match self.verb {
            Some(verb) => verb.run(session),
            None => self.rescue.run(session),
        }
    }
}

commands! {
    /// What to do with what was rescued.
    pub enum Verb {
        Check(check::Args),
    }
}
