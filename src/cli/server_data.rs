//! Where a server's data is, for the commands that look after it.

use std::path::{Path, PathBuf};

use crate::actions::keys::backup::{BackupError as KeyBackupError, request};
use crate::cli::commands::key::backup::BackupPassphraseArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::crypto::Passphrase;
use crate::crypto::sealed::SealedError;
use crate::crypto::secret::PassphraseSource as _;
use crate::server::files;
use crate::server::meta::Options;
use crate::server::signer::{MasterKey, MasterSource};
use crate::server::upkeep::backup::BackupError;

/// The file of the database in a server's folder.
pub const DATABASE_FILE: &str = "trust.db";

/// Which server's data.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerDataArgs {
    /// The server's folder
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// The database, if it is not in the folder: a postgres:// address, or a file of SQLite
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

impl ServerDataArgs {
    /// Where the database is.
    pub fn options(&self) -> Options {
        match self.database.as_deref() {
            None => Options::Sqlite(self.data.join(DATABASE_FILE)),
            Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
                Options::Postgres(url.to_owned())
            }
            Some(path) => Options::Sqlite(path.strip_prefix("sqlite:").unwrap_or(path).into()),
        }
    }

    /// Where the database is, which must be there.
    pub fn existing(&self) -> Result<Options, CliError> {
        let options = self.options();
        match &options {
            Options::Sqlite(path) if !files::exists(path) => {
                let words = format!("there is no database at {}", path.display());
                Err(CliError::new(ErrorKind::NotFound, words))
            }
            _ => Ok(options),
        }
    }
}

/// Opens a master key; variables are those of this process.
pub fn master_key(session: &Session, source: &MasterSource) -> Result<MasterKey, CliError> {
    Ok(source.load(&|name| session.settings.environment.secret(name))?)
}

/// The passphrase of a new backup.
pub fn new_passphrase(
    session: &Session,
    args: &BackupPassphraseArgs,
) -> Result<Passphrase, CliError> {
    let request = request(true, 1)?;
    let passphrases = args.apply(session).passphrases();
    Ok(passphrases.passphrase(&request).map_err(KeyBackupError::from)?)
}

/// Opens a backup with the passphrases there are, one after the other.
pub fn with_passphrase<T>(
    session: &Session,
    args: &BackupPassphraseArgs,
    mut open: impl FnMut(&Passphrase) -> Result<Result<T, BackupError>, CliError>,
) -> Result<T, CliError> {
    let passphrases = args.apply(session).passphrases();
    for attempt in 1.. {
        let request = request(false, attempt)?;
        let passphrase = passphrases.passphrase(&request).map_err(KeyBackupError::from)?;
        match open(&passphrase)? {
            Err(BackupError::Sealed(SealedError::WrongPassphrase)) => {}
            done => return Ok(done?),
        }
    }
    Err(CliError::usage("no passphrase is right"))
}

/// A path as it is told.
pub fn shown(path: &Path) -> String {
    crate::cli::ui::printable(&path.to_string_lossy())
}
