//! `trust gc [CONFIG]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::clock::SystemClock;
use crate::limits::MIN_GC_GRACE_SECONDS;
use crate::server::blobs::BlobStore;
use crate::server::config::duration::parse;
use crate::server::config::{Config, Flags, Source, load};
use crate::server::meta::{Dialect, MetaStore, Options as Database};
use crate::server::upkeep::config::options;
use crate::server::upkeep::gc::{Item, Mode, Summary, collect};
use crate::server::upkeep::{Storage, UpkeepError};

/// Remove what nobody needs from a server's storage
///
/// A running server does this by itself, on a schedule. With SQLite, this command is for a server
/// that is stopped; with PostgreSQL it may run beside.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's storage
    #[command(flatten)]
    pub storage: StorageArgs,

    /// Only tell what would be removed
    #[arg(long)]
    pub dry_run: bool,

    /// Keep what somebody relied on in this time, such as 24h [default: the configuration's]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub grace: Option<Duration>,

    /// Remove manifests that no tag, index, subject or signature needs, this long after
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub untagged: Option<Duration>,

    /// No server uses the storage: nothing has to be waited for
    #[arg(long)]
    pub offline: bool,

    /// How to print what is removed
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which server's storage.
#[derive(Debug, clap::Args)]
pub struct StorageArgs {
    /// The server's configuration [default: `$REGISTRY_CONFIGURATION_PATH`, or none]
    #[arg(value_name = "CONFIG")]
    pub file: Option<PathBuf>,

    /// The server's folder [default: ~/.local/share/trust/server]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Args {
    /// Collects garbage once and prints what was removed.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let config = self.storage.config(session)?;
        let mut options = options(&config)?;
        let mode = if self.dry_run { Mode::Dry } else { Mode::Real };
        let mut items = Vec::new();
        let summary = session.block_on_transfer(async {
            let storage = open(&config).await?;
            // With SQLite the lock says that nobody else is there.
            let is_alone = self.offline || storage.meta.dialect() == Dialect::Sqlite;
            if is_alone {
                options.delay = Duration::ZERO;
            }
            if let Some(grace) = self.grace {
                if !is_alone && grace < Duration::from_secs(MIN_GC_GRACE_SECONDS) {
                    return Err(CliError::usage(
                        "--grace is shorter than 1h, and a server may run",
                    )
                    .hint("`--offline` says that none does"));
                }
                options.grace = grace;
            }
            options.untagged = self.untagged.or(options.untagged);
            let done = collect(&storage, &options, mode, &mut |item| items.push(item)).await;
            storage.meta.close().await;
            Ok::<_, CliError>(done?)
        })?;
        let rows: Vec<Row> = items.iter().map(Row::of).collect();
        if !output.print(session, &rows)? {
            for row in &rows {
                session.ui.line(row.text())?;
            }
        }
        session.ui.status(sentence(&summary, mode));
        Ok(())
    }
}

impl StorageArgs {
    /// What the configuration says.
    pub fn config(&self, session: &Session) -> Result<Config, CliError> {
        let settings = &session.settings;
        let source = Source {
            file: self.file.clone().or_else(|| settings.server_config.clone()),
            variables: settings.server_variables.0.clone(),
            flags: Flags { data: self.data.clone(), ..Flags::default() },
            default_data: settings.server_data.clone(),
        };
        Ok(load(&source)?)
    }
}

/// Opens the storage of a server.
pub async fn open(config: &Config) -> Result<Storage, UpkeepError> {
    let database = match &config.database {
        Some(url) => Database::Postgres(url.expose().to_owned()),
        None => Database::Sqlite(config.data.join(DATABASE)),
    };
    let meta = MetaStore::open_existing(&database).await?;
    Ok(Storage { meta, blobs: BlobStore::new(&config.content), clock: Arc::new(SystemClock) })
}

/// Something that was removed.
#[derive(Debug, Default, Serialize)]
struct Row {
    kind: &'static str,
    repository: String,
    name: String,
    size: u64,
}

impl Row {
    fn of(item: &Item) -> Self {
        let row = |kind, repository: String, name: String, size: u64| Self {
            kind,
            repository,
            name,
            size,
        };
        let none = String::new();
        match item {
            Item::Tag { repository, tag, .. } => {
                row("tag", repository.to_string(), tag.to_string(), 0)
            }
            Item::Manifest { repository, digest, size } => {
                row("manifest", repository.to_string(), digest.to_string(), *size)
            }
            Item::Condemned { digest, size } => row("condemned", none, digest.to_string(), *size),
            Item::Blob { digest, size } => row("blob", none, digest.to_string(), *size),
            Item::Upload { id, size } => row("upload", none, id.clone(), *size),
            Item::Orphan { object, size } => row("orphan", none, object.clone(), *size),
        }
    }

    fn text(&self) -> String {
        let Self { kind, repository, name, .. } = self;
        match *kind {
            "tag" => format!("tag {repository}:{name}"),
            "manifest" => format!("manifest {repository}@{name}"),
            _ => format!("{kind} {name}"),
        }
    }
}

fn sentence(done: &Summary, mode: Mode) -> String {
    let verb = match mode {
        Mode::Real => "removed",
        Mode::Dry => "would remove",
    };
    let Summary { tags, manifests, blobs, uploads, orphans, bytes, condemned } = done;
    let text = format!(
        "{verb} {tags} tags, {manifests} manifests, {blobs} blobs, {uploads} uploads, {orphans} \
         orphans; {bytes} bytes"
    );
    if *condemned == 0 { text } else { format!("{text}; {condemned} blobs are next") }
}

/// Reads a duration as the configuration has them.
fn time(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| "it is a time such as 30m, 24h or 7d".to_owned())
}

/// SQLite's file in the server's folder.
const DATABASE: &str = "trust.db";
