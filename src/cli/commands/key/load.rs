//! `trust key load KEYFILE`

use std::path::PathBuf;

use crate::actions::keys::load::load;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Load a private key file for signing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with one or more private keys (PEM), which only you can read
    #[arg(value_name = "KEYFILE")]
    pub file: PathBuf,

    /// Name for the loaded key
    #[arg(long, default_value = "signer")]
    pub name: String,
}

impl Args {
    /// Loads the keys and says so, in docker's words.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let file = printable(&self.file.to_string_lossy());
        session.ui.line(format!("Loading key from \"{file}\"..."))?;
        let keys = load(&session.context()?, &self.file, &self.name)?;
        for key in keys {
            session.ui.detail(format!("Loaded the {} key {}", key.role, key.id));
        }
        Ok(session.ui.line(format!("Successfully imported key from {file}"))?)
    }
}
