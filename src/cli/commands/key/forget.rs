//! `trust key forget ID`

use crate::actions::keys::remember::forget;
use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Remove a key's passphrase from the system's keyring
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key id (its first 7 digits will do)
    pub id: String,
}

impl Args {
    /// Removes the passphrase.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let (key, was_there) = forget(&session.context()?, &self.id)?;
        session.ui.status(if was_there {
            format!("The keyring forgot the passphrase of the key {}", key.id)
        } else {
            format!("The keyring had no passphrase of the key {}", key.id)
        });
        Ok(())
    }
}
