//! `trust key remember ID`

use crate::actions::keys::remember::remember;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Keep a key's passphrase in the system's keyring
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key id (its first 7 digits will do)
    pub id: String,
}

impl Args {
    /// Keeps the passphrase once it has opened the key.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let key = remember(&session.context()?, &self.id)?;
        session.ui.status(format!("The keyring keeps the passphrase of the key {}", key.id));
        Ok(())
    }
}
