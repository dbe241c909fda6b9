//! `trust server restore FILE`

use std::path::PathBuf;

use crate::cli::commands::key::backup::BackupPassphraseArgs;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::server_data::{ServerDataArgs, shown, with_passphrase};
use crate::crypto::Passphrase;
use crate::server::upkeep::backup::{BackupError, Contents, check, restore};

/// Restore a server's database from a backup
///
/// All of it is checked before anything is written, and all of it is written or nothing. The
/// database must be new; nothing is overwritten.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File that `trust server backup` wrote
    pub file: PathBuf,

    /// Where it goes.
    #[command(flatten)]
    pub data: ServerDataArgs,

    /// Only check the backup, and say what is in it
    #[arg(long)]
    pub check: bool,

    /// Where the backup's passphrase is read from.
    #[command(flatten)]
    pub passphrase: BackupPassphraseArgs,
}

impl Args {
    /// Checks and restores, and says what was in it.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let contents = with_passphrase(session, &self.passphrase, |passphrase| {
            session.block_on_transfer(async { Ok::<_, CliError>(self.once(passphrase).await) })
        })?;
        for (table, rows) in &contents.rows {
            session.ui.detail(format!("{table}: {rows}"));
        }
        for file in &contents.files {
            session.ui.detail(format!("file {file}"));
        }
        let rows: u64 = contents.rows.values().sum();
        let (file, made, count) =
            (shown(&self.file), contents.made, contents.content + contents.files.len() as u64);
        if self.check {
            session.ui.status(format!("{file} of {made} is whole: {rows} rows, {count} files"));
            return Ok(());
        }
        session.ui.status(format!("Restored {rows} rows and {count} files of {made} from {file}"));
        session.ui.status(
            "Clients that saw newer trust data will refuse what the server has now, as a rollback.",
        );
        Ok(())
    }

    async fn once(&self, passphrase: &Passphrase) -> Result<Contents, BackupError> {
        if self.check {
            return check(&self.file, passphrase).await;
        }
        restore(&self.data.options(), &self.file, passphrase, &self.data.data).await
    }
}
