//! `trust server import DIR`

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::commands::gc::StorageArgs;
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::server_import::{ImportRow, print, take, wanted};
use crate::clock::SystemClock;
use crate::server::start::open;
use crate::store::rescue::RescueFolder;

/// Take rescued collections in, without serving them
///
/// Every file that verifies, of all versions. What is here already is not taken in twice; what goes
/// on from it is added; what contradicts it is refused. A collection whose timestamps this server
/// cannot sign is an archive. With SQLite, for a server that is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that collections were rescued into
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Only this collection; may be given again
    #[arg(long = "gun", value_name = "GUN")]
    pub guns: Vec<String>,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Takes them in, one after the other; goes on after one that is refused.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<ImportRow>()?;
        let config = self.storage.config(session)?;
        let folder = RescueFolder::open(&self.folder)?;
        let guns = wanted(&folder, &self.guns)?;
        let variables = |name: &str| session.settings.environment.secret(name);
        let outcomes = session.block_on_transfer(async {
            let opened = open(&config, Arc::new(SystemClock), &variables).await?;
            let mut outcomes = Vec::new();
            for gun in &guns {
                outcomes.push(take(session, opened.server(), &folder, gun).await);
            }
            opened.close().await;
            Ok::<_, CliError>(outcomes)
        })?;
        let mut turns = InTurn::new(session, guns.len());
        let mut rows = Vec::new();
        for (gun, outcome) in guns.iter().zip(outcomes) {
            turns.take(gun.as_str(), || match outcome {
                Ok(row) => {
                    rows.push(row);
                    Ok(())
                }
                Err(error) => {
                    rows.push(ImportRow::refused(gun, &error));
                    Err(error)
                }
            });
        }
        verdict_first(session, turns.finish(), print(session, &output, &rows))
    }
}
