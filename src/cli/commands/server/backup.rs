//! `trust server backup`

use std::path::PathBuf;

use crate::cli::commands::key::backup::BackupPassphraseArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::cli::server_data::{ServerDataArgs, new_passphrase, shown};
use crate::clock::{Clock as _, SystemClock};
use crate::server::files;
use crate::server::meta::MetaStore;
use crate::server::signer::MasterSource;
use crate::server::upkeep::backup::{
    BackupError, CONTENT_FOLDER, Extras, SmallFile, backup, small_files,
};

/// Back a server's database up into one encrypted file
///
/// The server may run meanwhile. Content of images is in it with --with-content only, and the master
/// key that the server's keys are sealed under with --with-master-key. `age -d` opens the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which server's data.
    #[command(flatten)]
    pub data: ServerDataArgs,

    /// Write to this new file
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: PathBuf,

    /// Also back up the small files of the folder: master key, certificates, accounts
    #[arg(long)]
    pub with_master_key: bool,

    /// Also back up the content of images, which may be large
    #[arg(long)]
    pub with_content: bool,

    /// Where the master key is, if it is not in the folder: `file:PATH` or `env:NAME`
    #[arg(long, value_name = "SOURCE", requires = "with_master_key")]
    pub master_key: Option<String>,

    /// Where the backup's passphrase is read from.
    #[command(flatten)]
    pub passphrase: BackupPassphraseArgs,
}

impl Args {
    /// Writes the file.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let database = self.data.existing()?;
        if files::exists(&self.output) {
            return Err(BackupError::NotEmpty { what: shown(&self.output) }.into());
        }
        let small = if self.with_master_key { self.small_files(session)? } else { Vec::new() };
        let content = self.with_content.then(|| self.data.data.join(CONTENT_FOLDER));
        let extras = Extras { small, content };
        let passphrase = new_passphrase(session, &self.passphrase)?;
        let now = SystemClock.now();
        let made = session.block_on_transfer(async {
            let meta = MetaStore::open_beside(&database).await?;
            let made = backup(&meta, now, extras, &passphrase, &self.output).await;
            meta.close().await;
            made
        })?;
        for (table, rows) in &made.rows {
            session.ui.detail(format!("{table}: {rows}"));
        }
        for file in &made.files {
            session.ui.detail(format!("file {file}"));
        }
        let rows: u64 = made.rows.values().sum();
        let file = shown(&self.output);
        let count = made.content + made.files.len() as u64;
        session.ui.status(format!("Backed up {rows} rows and {count} files to {file}"));
        session.ui.status("Keep the passphrase apart from the file; without it the file is lost.");
        Ok(())
    }

    fn small_files(&self, session: &Session) -> Result<Vec<SmallFile>, CliError> {
        let mut small = small_files(&self.data.data)?;
        let Some(source) = &self.master_key else { return Ok(small) };
        let variable = |name: &str| session.settings.environment.secret(name);
        let key = MasterSource::parse(source)?.bytes(&variable)?;
        let key = key.ok_or_else(|| {
            CliError::new(ErrorKind::Key, "a token does not give its master key away")
        })?;
        if small.iter().all(|file| file.path != MASTER_KEY_FILE) {
            small.push(SmallFile { path: MASTER_KEY_FILE.to_owned(), bytes: key.to_vec().into() });
        }
        Ok(small)
    }
}

/// Where a master key goes that was elsewhere.
const MASTER_KEY_FILE: &str = "master.key";
