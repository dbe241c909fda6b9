//! `trust server import-notary SOURCE`

use std::sync::Arc;

use crate::cli::commands::gc::StorageArgs;
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::server_import::{ImportRow, print};
use crate::cli::server_takeover::{Summary, notary_to};
use crate::clock::SystemClock;
use crate::server::start::open;

/// Take a notary server over: collections, changefeed and keys
///
/// From its PostgreSQL, or from dumps of PostgreSQL or MySQL. The same keys sign on: clients notice
/// nothing. What is here already is not taken in twice, and what contradicts it is refused. With
/// SQLite, for a server that is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The notary server's database: `postgres://…`, a dump, or its server-config.json
    #[arg(value_name = "URL|FILE")]
    pub source: String,

    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// The notary-signer's database, likewise; passphrases are in `NOTARY_SIGNER_…` as there
    #[arg(long, value_name = "URL|FILE")]
    pub signer: Option<String>,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Takes everything over; goes on after a collection that is refused.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<ImportRow>()?;
        let config = self.storage.config(session)?;
        let variables = |name: &str| session.settings.environment.secret(name);
        let (mut summary, mut rows) = (Summary::default(), Vec::new());
        let mut refused: Vec<(String, CliError)> = Vec::new();
        session.block_on_transfer(async {
            let opened = open(&config, Arc::new(SystemClock), &variables).await?;
            let mut told = |done| {
                rows.push(summary.note(done, &mut |gun, error| {
                    refused.push((gun.to_owned(), error));
                }));
            };
            let signer = self.signer.as_deref();
            let done = notary_to(session, opened.server(), &self.source, signer, &mut told).await;
            opened.close().await;
            done
        })?;
        rows.sort_by(|one, other| one.gun.cmp(&other.gun));
        let mut turns = InTurn::new(session, rows.len());
        for (gun, error) in refused {
            turns.take(&gun, || Err(error));
        }
        let printed = print(session, &output, &rows);
        session.ui.status(summary.text());
        verdict_first(session, turns.finish(), printed)
    }
}
