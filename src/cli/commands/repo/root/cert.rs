//! `trust repo root cert GUN -o FILE`

use std::path::PathBuf;

use crate::actions::keys::KeyActionError;
use crate::actions::repo::root::cert::certify;
use crate::cli::commands::repo::root::is_stdout;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::store::StoreError;
use crate::store::files::{PUBLIC_MODE, create_file};
use crate::tuf::Gun;

/// Make the certificate of a root key for a repository
///
/// A root key counts in a repository through a certificate that names it. The key is the one
/// with the lowest id of those that are here, or a new one. No network is needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository, by its full name
    pub gun: String,

    /// This root key (its first 7 digits will do)
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,

    /// Write to this new file; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: PathBuf,
}

impl Args {
    /// Writes the certificate.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let made = certify(&session.context()?, &gun, self.key.as_deref())?;
        if is_stdout(&self.output) {
            session.ui.data(&made.pem)?;
        } else {
            create_file(&self.output, &made.pem, PUBLIC_MODE).map_err(|error| match error {
                StoreError::Exists { path } => KeyActionError::OutputExists { path },
                other => other.into(),
            })?;
        }
        let word = if made.is_new { "new root key" } else { "root key" };
        session.ui.status(format!("Certificate {} for the {word} {}", made.id, made.key));
        if made.is_new {
            session.ui.warn("keep a copy of the root key (`trust key backup`)");
        }
        Ok(())
    }
}
