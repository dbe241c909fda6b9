//! `trust key export`

use std::path::{Path, PathBuf};

use crate::actions::keys::KeyActionError;
use crate::actions::keys::export::{Selection, export};
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::store::StoreError;
use crate::store::files::{PRIVATE_MODE, create_file};

/// Export private keys as one PEM file
///
/// Encrypted keys stay encrypted under their passphrase. `trust key import` and
/// `notary key import` read the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the keys of this repository; may be given again
    #[arg(long, value_name = "GUN")]
    pub gun: Vec<String>,

    /// Only this key (its first 7 digits will do); may be given again
    #[arg(long, value_name = "ID")]
    pub key: Vec<String>,

    /// Write to this new file; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: PathBuf,
}

impl Args {
    /// Writes the keys.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let selection = Selection { guns: self.gun, ids: self.key };
        let exported = export(&session.context()?, &selection)?;
        for key in exported.keys.iter().filter(|key| !key.encrypted) {
            session
                .ui
                .warn(format!("the key {} is exported as it is stored: not encrypted", key.id));
        }
        if self.output == Path::new("-") {
            return Ok(session.ui.data(&*exported.pem)?);
        }
        create_file(&self.output, &exported.pem, PRIVATE_MODE).map_err(|error| match error {
            StoreError::Exists { path } => KeyActionError::OutputExists { path },
            other => other.into(),
        })?;
        let file = printable(&self.output.to_string_lossy());
        session.ui.status(format!("Exported {} to {file}", count(exported.keys.len())));
        Ok(())
    }
}

/// `1 key`, `2 keys`.
pub(super) fn count(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}
