//! `trust server account …`, one file per verb.

pub mod add;
pub mod ls;
pub mod passwd;
pub mod rm;
pub mod set;
pub mod token;

mod file;
mod password;
mod terms;

use crate::cli::commands::commands;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Manage who may use a server of `trust serve`
///
/// Accounts are kept in a file (spec/server-accounts.md). A running server reads it again on SIGHUP.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Command {
    /// What to do with accounts.
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
    /// What to do with accounts.
    pub enum Verb {
        Add(add::Args),
        Set(set::Args),
        #[command(visible_alias = "remove")]
        Rm(rm::Args),
        #[command(visible_alias = "list")]
        Ls(ls::Args),
        Passwd(passwd::Args),
        Token(token::Args),
    }
}
