//! `trust repo …`, one file per verb.

pub mod adopt;
pub mod delete;
pub mod doctor;
pub mod export;
pub mod import;
pub mod init;
pub mod ls;
pub mod pin;
pub mod publish;
pub mod renew;
pub mod reset;
pub mod root;
pub mod status;
pub mod witness;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage repositories and collections: set up, publish, check, renew, pin
///
/// `doctor`, `renew`, `pin` and `root` are for image repositories and collections alike; the others
/// do what the commands of notary do.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with collections.
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
    /// What to do with collections.
    pub enum Verb {
        Init(init::Args),
        #[command(visible_alias = "list")]
        Ls(ls::Args),
        Status(status::Args),
        Reset(reset::Args),
        Publish(publish::Args),
        Witness(witness::Args),
        Delete(delete::Args),
        Doctor(doctor::Args),
        Renew(renew::Args),
        Pin(pin::Args),
        Export(export::Args),
        Root(root::Command),
        Import(import::Args),
        Adopt(adopt::Args),
    }
}
