//! `trust key import FILE…`

use std::path::PathBuf;

use crate::actions::keys::import::{ImportOptions, import};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Import exported private keys
///
/// An exported key that is encrypted and names itself is stored as it is. Any other is opened and
/// stored under a passphrase.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with one or more private keys (PEM)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Role of keys whose file names none [default: delegation]
    #[arg(long, short = 'r')]
    pub role: Option<String>,

    /// Repository of keys whose file names none
    #[arg(long, short = 'g')]
    pub gun: Option<String>,
}

impl Args {
    /// Imports every file, the others too if one fails; the first failure is the outcome.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let options = ImportOptions { role: self.role, gun: self.gun };
        let mut outcome = Ok(());
        for file in &self.files {
            match import(&context, file, &options) {
                Ok(keys) => {
                    for key in keys {
                        session.ui.status(format!("Imported the {} key {}", key.role, key.id));
                    }
                }
                Err(error) => {
                    let name = printable(&file.to_string_lossy());
                    let error = CliError::from(error).context(format!("cannot import `{name}`"));
                    match outcome {
                        Ok(()) => outcome = Err(error),
                        Err(_) => session.ui.error(&error),
                    }
                }
            }
        }
        outcome
    }
}
