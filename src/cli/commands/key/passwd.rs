//! `trust key passwd ID`

use std::path::PathBuf;

use crate::actions::keys::passwd::change_passphrase;
use crate::cli::error::CliError;
use crate::cli::passphrases::origin;
use crate::cli::run::Session;

/// Change the passphrase of a key
///
/// The old passphrase is looked for as always; the new one is asked for on the terminal, or read
/// from --new-passphrase-file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key id (its first 7 digits will do)
    pub id: String,

    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    pub new_passphrase_file: Option<PathBuf>,

    /// Read the new passphrase from this open file descriptor
    #[arg(long, value_name = "N")]
    pub new_passphrase_fd: Option<u32>,
}

impl Args {
    /// Changes it, in notary's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let passphrases = session.passphrases();
        let context = session.settings.context(passphrases.clone())?;
        let place = origin(self.new_passphrase_file.as_ref(), self.new_passphrase_fd);
        let key = change_passphrase(&context, &self.id, |request| {
            passphrases.replacement(request, place.as_ref())
        })?;
        session.ui.status(format!("Successfully updated passphrase for key ID: {}", key.id));
        Ok(())
    }
}
