//! `trust server rekey`

use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::server_data::{ServerDataArgs, master_key};
use crate::server::meta::MetaStore;
use crate::server::signer::{MasterSource, reseal};

/// Seal a server's keys under a new master key
///
/// All of them, in one step. A server that runs meanwhile must know both master keys, the new one
/// first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which server's data.
    #[command(flatten)]
    pub data: ServerDataArgs,

    /// Where the master key is: `file:PATH`, `env:NAME` or `pkcs11:…`
    #[arg(long, value_name = "SOURCE")]
    pub master_key: String,

    /// Where the new master key is
    #[arg(long, value_name = "SOURCE")]
    pub new_master_key: String,

    /// Make the new master key if it is a file that is not there
    #[arg(long)]
    pub create: bool,
}

impl Args {
    /// Seals the keys again.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let database = self.data.existing()?;
        let old = master_key(session, &MasterSource::parse(&self.master_key)?)?;
        let new = MasterSource::parse(&self.new_master_key)?;
        if self.create && new.create_if_missing()? {
            session.ui.status("Made a new master key");
        }
        let new = master_key(session, &new)?;
        let done = session.block_on(async {
            let meta = MetaStore::open(&database).await?;
            let done = reseal(&meta, &old, &new).await;
            meta.close().await;
            done.map_err(CliError::from)
        })?;
        if done.unchanged > 0 {
            let count = done.unchanged;
            session.ui.status(format!("{count} keys were sealed under it before"));
        }
        let (count, master) = (done.resealed, done.master);
        session.ui.status(format!("Sealed {count} keys under the master key {master}"));
        Ok(())
    }
}
