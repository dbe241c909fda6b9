//! `trust server import-registry DIR`

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::commands::gc::StorageArgs;
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::server_takeover::{ProblemRow, RegistryRow, adopt, registry_to, totals_text};
use crate::clock::SystemClock;
use crate::server::start::open;

/// Take the folder of a distribution registry over, without serving it
///
/// All repositories with their blobs, manifests and tags. Every blob is hashed; it gets a second
/// name where both folders are on one file system, and is copied otherwise. The folder itself is
/// only read. With SQLite, for a server that is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the registry's configuration calls `rootdirectory`
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Copy blobs, even where a second name for each file would do
    #[arg(long)]
    pub copy: bool,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Takes everything over; goes on after what is not taken.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<RegistryRow>()?;
        let config = self.storage.config(session)?;
        let variables = |name: &str| session.settings.environment.secret(name);
        let mut refused: Vec<(String, CliError)> = Vec::new();
        let totals = session.block_on_transfer(async {
            let opened = open(&config, Arc::new(SystemClock), &variables).await?;
            let how = adopt(self.copy);
            let mut problem = |name: &str, problem| {
                refused.push((name.to_owned(), CliError::from(problem)));
            };
            let done = registry_to(session, opened.server(), &self.folder, how, &mut problem).await;
            opened.close().await;
            done
        })?;
        let problems = refused.iter().map(|(name, error)| ProblemRow {
            repository: name.clone(),
            problem: error.source.to_string(),
        });
        let row = RegistryRow::new(&totals, problems.collect());
        let mut turns = InTurn::new(session, refused.len().saturating_add(1));
        for (name, error) in refused {
            turns.take(&name, || Err(error));
        }
        let printed = output.print(session, &[row]);
        session.ui.status(totals_text(&totals));
        verdict_first(session, turns.finish(), printed)
    }
}
