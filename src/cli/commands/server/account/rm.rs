//! `trust server account rm NAME…`

use super::file::{FileArgs, account};
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Remove accounts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names
    #[arg(required = true)]
    pub names: Vec<String>,

    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

impl Args {
    /// Removes all of them, or none if one is not there.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        self.file.change(|accounts| {
            for name in &self.names {
                account(accounts, name)?;
                accounts.accounts.remove(name);
            }
            Ok(())
        })?;
        for name in &self.names {
            session.ui.status(format!("Removed the account {name}"));
        }
        Ok(())
    }
}
