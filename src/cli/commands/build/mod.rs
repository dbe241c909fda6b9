//! `trust build …`: building itself, and looking after what builds keep.

pub mod prune;
pub mod run;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Build an image from a Dockerfile
///
/// The same Dockerfile, files and bases give the same digest on every machine. What a build does is
/// said on stderr; the image's digest goes to stdout. No daemon is needed, and without RUN no right
/// but to read the files.
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

    /// What to build.
    #[command(flatten)]
    pub build: run::Args,
}

impl Command {
    /// Builds, or runs the verb that was typed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        match self.verb {
            Some(verb) => verb.run(session),
            None => self.build.run(session),
        }
    }
}

commands! {
    /// What to do with what builds keep.
    pub enum Verb {
        Prune(prune::Args),
    }
}
