//! `trust image …`, one file per verb.

pub mod canonicalize;
pub mod diff;
pub mod flatten;
pub mod history;
pub mod import;
pub mod inspect;
pub mod layers;
pub mod load;
pub mod ls;
pub mod prune;
pub mod rm;
pub mod save;
pub mod tag;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage the images on this machine
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with images.
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
    /// What to do with images.
    pub enum Verb {
        #[command(visible_alias = "list")]
        Ls(ls::Args),
        Inspect(inspect::Args),
        History(history::Args),
        Layers(layers::Args),
        Tag(tag::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        Prune(prune::Args),
        Save(save::Args),
        Load(load::Args),
        Import(import::Args),
        Flatten(flatten::Args),
        Canonicalize(canonicalize::Args),
        Diff(diff::Args),
    }
}
