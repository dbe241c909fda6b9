//! `trust server bump`

use std::sync::Arc;

use serde::Serialize;

use crate::cli::commands::gc::StorageArgs;
use crate::cli::error::CliError;
use crate::cli::outcome::InTurn;
use crate::cli::output::{Output, OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::clock::SystemClock;
use crate::limits::BUMP_VERSIONS;
use crate::server::notary::bump::{BumpError, Bumped, Jump, bump, collections};
use crate::server::start::open;
use crate::tuf::Gun;

/// Let a server that came back from an old copy be believed again
///
/// Clients that saw newer trust data than the copy has refuse it as a rollback. Timestamps, and the
/// snapshots that this server signs, are made anew with versions beyond those that were seen; what
/// they say stays as it is. An owner who published since the copy was made has to publish again.
/// With SQLite, for a server that is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Only this collection; may be given again
    #[arg(long = "gun", value_name = "GUN", required_unless_present = "all")]
    pub guns: Vec<String>,

    /// All collections but archives
    #[arg(long, conflicts_with = "guns")]
    pub all: bool,

    /// By how many versions
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = BUMP_VERSIONS,
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with = "above"
    )]
    pub by: u64,

    /// Beyond this version, the highest that a client has seen
    #[arg(long, value_name = "VERSION")]
    pub above: Option<u64>,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Makes them anew, one collection after the other; goes on after one that is refused.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<BumpRow>()?;
        let config = self.storage.config(session)?;
        let named: Vec<Gun> =
            self.guns.iter().map(|gun| Gun::parse(gun)).collect::<Result<_, _>>()?;
        let jump = self.above.map_or(Jump::By(self.by), Jump::Above);
        let variables = |name: &str| session.settings.environment.secret(name);
        let outcomes = session.block_on_transfer(async {
            let opened = open(&config, Arc::new(SystemClock), &variables).await?;
            let server = opened.server();
            let guns = if self.all { collections(server).await? } else { named };
            let mut outcomes = Vec::new();
            for gun in guns {
                let outcome = bump(server, &gun, jump).await;
                // Nobody asked for that archive by its name.
                if self.all && matches!(outcome, Err(BumpError::Archive { .. })) {
                    session.ui.status(format!("{gun} is an archive, and stays as it is"));
                    continue;
                }
                outcomes.push((gun, outcome));
            }
            opened.close().await;
            Ok::<_, CliError>(outcomes)
        })?;
        let mut turns = InTurn::new(session, outcomes.len());
        let mut rows = Vec::new();
        for (gun, outcome) in outcomes {
            turns.take(gun.as_str(), || {
                rows.push(BumpRow::of(&gun, outcome?));
                Ok(())
            });
        }
        let printed = print(session, &output, &rows);
        verdict_first(session, turns.finish(), printed)
    }
}

fn print(session: &Session, output: &Output, rows: &[BumpRow]) -> Result<bool, CliError> {
    if output.print(session, rows)? {
        return Ok(true);
    }
    for row in rows {
        session.ui.line(row.text())?;
    }
    if rows.iter().any(|row| row.owner_signs_snapshots) {
        session.ui.warn(
            "where owners sign snapshots, who saw a newer one refuses this one until its owner publishes again",
        );
    }
    Ok(false)
}

/// What became of a collection, as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
pub struct BumpRow {
    /// The collection.
    pub gun: String,
    /// The timestamp's version before.
    pub timestamp_before: u64,
    /// The timestamp's version now.
    pub timestamp: u64,
    /// The snapshot's version before.
    pub snapshot_before: u64,
    /// The snapshot's version now: the same if its owner signs it.
    pub snapshot: u64,
    /// Whether the owner signs snapshots.
    pub owner_signs_snapshots: bool,
}

impl BumpRow {
    fn of(gun: &Gun, bumped: Bumped) -> Self {
        Self {
            gun: gun.to_string(),
            timestamp_before: bumped.timestamp.0,
            timestamp: bumped.timestamp.1,
            snapshot_before: bumped.snapshot.0,
            snapshot: bumped.snapshot.1,
            owner_signs_snapshots: bumped.owner_signs_snapshots,
        }
    }

    fn text(&self) -> String {
        let Self { gun, timestamp_before, timestamp, snapshot_before, snapshot, .. } = self;
        let of_snapshot = if self.owner_signs_snapshots {
            format!("snapshot stays {snapshot}, its owner's")
        } else {
            format!("snapshot {snapshot_before} -> {snapshot}")
        };
        format!("{gun}: timestamp {timestamp_before} -> {timestamp}, {of_snapshot}")
    }
}
