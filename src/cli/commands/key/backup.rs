//! `trust key backup`

use std::path::{Path, PathBuf};

use crate::actions::keys::backup::{BackupError, backup};
use crate::cli::commands::key::export::count;
use crate::cli::error::CliError;
use crate::cli::passphrases::origin;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::store::StoreError;
use crate::store::files::{PRIVATE_MODE, create_file, exists, replace_file, sweep_user_folder};

/// Back private keys up into one encrypted file
///
/// Every key keeps its own passphrase, and a passphrase of the backup protects the whole.
/// `age -d` opens the file as well.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write to this new file; - is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: PathBuf,

    /// Only this key (its first 7 digits will do); may be given again
    #[arg(long, value_name = "ID")]
    pub key: Vec<String>,

    /// Overwrite the file if it exists
    #[arg(long, short = 'f')]
    pub force: bool,

    /// Where the backup's passphrase is read from.
    #[command(flatten)]
    pub passphrase: BackupPassphraseArgs,
}

/// Where the passphrase of a backup is read from, before the environment and the terminal.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BackupPassphraseArgs {
    /// Read the backup's passphrase from this file [also: `$TRUST_BACKUP_PASSPHRASE`]
    #[arg(long, value_name = "FILE", conflicts_with = "backup_passphrase_fd")]
    pub backup_passphrase_file: Option<PathBuf>,

    /// Read the backup's passphrase from this open file descriptor
    #[arg(long, value_name = "N")]
    pub backup_passphrase_fd: Option<u32>,
}

impl BackupPassphraseArgs {
    /// The session, with these as the first places to look for a backup's passphrase.
    pub(crate) fn apply(&self, session: &Session) -> Session {
        let mut session = session.clone();
        let given = origin(self.backup_passphrase_file.as_ref(), self.backup_passphrase_fd);
        session.settings.passphrases.prefer_for_backups(given);
        session
    }
}

impl Args {
    /// Writes the file.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let is_stdout = self.output == Path::new("-");
        if let Some(folder) = self.output.parent().filter(|_| !is_stdout) {
            sweep_user_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        }
        if !is_stdout && !self.force && exists(&self.output) {
            return Err(BackupError::OutputExists { path: self.output }.into());
        }
        let made = backup(&self.passphrase.apply(session).context()?, &self.key)?;
        for (path, problem) in &made.left_out {
            session.ui.warn(format!("{} is not in the backup: {problem}", path.display()));
        }
        if is_stdout {
            return Ok(session.ui.data(&made.file)?);
        }
        let written = if self.force {
            replace_file(&self.output, &made.file, PRIVATE_MODE)
        } else {
            create_file(&self.output, &made.file, PRIVATE_MODE)
        };
        written.map_err(|error| match error {
            StoreError::Exists { path } => BackupError::OutputExists { path },
            other => other.into(),
        })?;
        for key in &made.keys {
            session.ui.detail(format!("Backed up the {} key {}", key.role, key.id));
        }
        let file = printable(&self.output.to_string_lossy());
        session.ui.status(format!("Backed up {} to {file}", count(made.keys.len())));
        session.ui.status("Keep the passphrase apart from the file; without it the file is lost.");
        Ok(())
    }
}
