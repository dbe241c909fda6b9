//! `trust manifest …`, one file per verb.

pub mod inspect;
pub mod referrers;
pub mod rm;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Look at manifests in registries, or delete them
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with manifests.
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
    /// What to do with manifests.
    pub enum Verb {
        Inspect(inspect::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        Referrers(referrers::Args),
    }
}
