//! `trust repo …`, one file per verb.

pub mod doctor;
pub mod renew;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Look after the trust data of repositories
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with repositories.
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
    /// What to do with repositories.
    pub enum Verb {
        Doctor(doctor::Args),
        Renew(renew::Args),
    }
}
