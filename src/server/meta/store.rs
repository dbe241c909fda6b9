//! Opens the database, and hands out snapshots and transactions.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Transaction};

use crate::server::hot::{Hot, Scopes, Written};
use crate::server::kill;
use crate::server::meta::content::ManifestRow;
use crate::server::meta::file::DatabaseFile;
use crate::server::meta::trust::StoredFile;
use crate::server::meta::{MetaError, schema};

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Options {
    /// SQLite in this file, which is made if it is not there.
    Sqlite(PathBuf),
    /// PostgreSQL at this address, `postgres://user:password@host/database`.
    Postgres(String),
}

/// Which kind of database it is, where their languages differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite: one writer at a time, in this process alone.
    Sqlite,
    /// PostgreSQL: writers wait for each other row by row, in any number of processes.
    Postgres,
}

/// The database.
#[derive(Debug, Clone)]
pub struct MetaStore {
    /// SQLite's file, which is this process's alone. It is let go of before the connections are.
    file: Option<Arc<DatabaseFile>>,
    dialect: Dialect,
    readers: AnyPool,
    writer: AnyPool,
    /// Keys of the server that were read once, by their names.
    pub(super) secrets: Arc<Mutex<Secrets>>,
    scopes: Arc<Scopes>,
    /// Answers kept in memory, where this process alone writes.
    hot: Option<Arc<HotAnswers>>,
}

/// What was answered a moment ago.
#[derive(Debug)]
pub struct HotAnswers {
    /// Current files of roles.
    pub files: Hot<StoredFile>,
    /// Manifests, and what the gate made of those who ask for them.
    pub manifests: Hot<ManifestRow>,
}

/// Random keys by what they are for.
pub(super) type Secrets = BTreeMap<&'static str, Arc<[u8]>>;

/// One snapshot: all that is asked of it is of the same instant.
#[derive(Debug)]
pub struct Reading {
    pub(super) tx: Asked,
}

/// A connection that questions are sent to.
#[derive(Debug)]
pub(super) enum Asked {
    /// All of them of one instant.
    Snapshot(Transaction<'static, Any>),
    /// Each of its own.
    Connection(PoolConnection<Any>),
}

impl Deref for Asked {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Snapshot(transaction) => transaction,
            Self::Connection(connection) => connection,
        }
    }
}

impl DerefMut for Asked {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Snapshot(transaction) => transaction,
            Self::Connection(connection) => connection,
        }
    }
}

/// Changes that happen together or not at all. Dropped without [`Writing::commit`], nothing has
/// happened.
#[derive(Debug)]
pub struct Writing {
    pub(super) tx: Changes,
    pub(super) dialect: Dialect,
    scopes: Arc<Scopes>,
    written: Vec<Written>,
}

/// A transaction that writes. Each statement is a step at which a test may end the process.
#[derive(Debug)]
pub(super) struct Changes(Transaction<'static, Any>);

/// The right to do what one replica at a time does. With SQLite there is but one process, which has
/// it.
#[derive(Debug)]
pub struct Leadership {
    connection: Option<PoolConnection<Any>>,
    job: Job,
}

/// What one replica at a time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Removing what nobody needs.
    Collection,
    /// Signing ahead of time what is about to expire.
    Renewal,
}

impl MetaStore {
    /// Opens the database and brings its schema up to date. A file that is damaged, in use, or not
    /// what it was, is refused before anything is written.
    pub async fn open(options: &Options) -> Result<Self, MetaError> {
        sqlx::any::install_default_drivers();
        let (scopes, secrets) = (Arc::new(Scopes::default()), Arc::default());
        match options {
            Options::Sqlite(path) => {
                let path = path.clone();
                let file = tokio::task::spawn_blocking(move || DatabaseFile::claim(&path));
                let file = Arc::new(file.await.map_err(|_| sqlx::Error::WorkerCrashed)??);
                let url = sqlite_address(file.path())?;
                inspect(&url, file.path()).await?;
                let readers = pool(&url, READERS, Dialect::Sqlite).await?;
                let writer = pool(&url, 1, Dialect::Sqlite).await?;
                let dialect = Dialect::Sqlite;
                let own = Some(Arc::clone(&file));
                let store =
                    Self { dialect, readers, writer, scopes, secrets, hot: None, file: own };
                schema::migrate(&store).await?;
                file.opened()?;
                Ok(store)
            }
            Options::Postgres(url) => {
                reach(url).await?;
                let readers = pool(url, CONNECTIONS, Dialect::Postgres).await?;
                let dialect = Dialect::Postgres;
                let writer = readers.clone();
                let store =
                    Self { dialect, readers, writer, scopes, secrets, hot: None, file: None };
                schema::migrate(&store).await?;
                Ok(store)
            }
        }
    }

    /// Opens a database that is there already.
    pub async fn open_existing(options: &Options) -> Result<Self, MetaError> {
        match options {
            Options::Sqlite(path) if !DatabaseFile::is_at(path) => {
                Err(MetaError::Missing { path: path.clone() })
            }
            options => Self::open(options).await,
        }
    }

    /// Opens a database to read it while a server may have it open; an error says that it is not
    /// there, or has another schema. Nothing may be written.
    pub async fn open_beside(options: &Options) -> Result<Self, MetaError> {
        let Options::Sqlite(path) = options else { return Self::open(options).await };
        if !DatabaseFile::is_at(path) {
            return Err(MetaError::Missing { path: path.clone() });
        }
        sqlx::any::install_default_drivers();
        let path = std::path::absolute(path)
            .map_err(|_| MetaError::Address { url: path.display().to_string() })?;
        let readers = pool(&sqlite_address(&path)?, 1, Dialect::Sqlite).await?;
        let (scopes, secrets) = (Arc::new(Scopes::default()), Arc::default());
        let (dialect, writer) = (Dialect::Sqlite, readers.clone());
        let store = Self { dialect, readers, writer, scopes, secrets, hot: None, file: None };
        let found: i64 = sqlx::query_scalar("SELECT version FROM schema_version")
            .fetch_one(&store.readers)
            .await?;
        let known = schema::version();
        if found == known { Ok(store) } else { Err(MetaError::TooNew { found, known }) }
    }

    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins a snapshot.
    pub async fn read(&self) -> Result<Reading, MetaError> {
        let statement = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Reading { tx: Asked::Snapshot(begin(&self.readers, statement).await?) })
    }

    /// A connection for one question: it costs a third of a snapshot, and is none. Whoever asks a
    /// second question asks it of another instant.
    pub async fn glance(&self) -> Result<Reading, MetaError> {
        Ok(Reading { tx: Asked::Connection(self.readers.acquire().await?) })
    }

    /// Keeps answers in memory from now on, if nobody else can write to the database.
    #[must_use]
    pub fn with_answers_in_memory(mut self) -> Self {
        if self.dialect == Dialect::Sqlite {
            self.hot = Some(Arc::new(HotAnswers {
                files: Hot::new(self.scopes()),
                manifests: Hot::new(self.scopes()),
            }));
        }
        self
    }

    /// Answers kept in memory; `None` where others may write to the database.
    pub fn hot(&self) -> Option<&HotAnswers> {
        self.hot.as_deref()
    }

    /// Who is being written to, by this process.
    pub fn scopes(&self) -> Arc<Scopes> {
        Arc::clone(&self.scopes)
    }

    /// Begins to write. With SQLite everybody else who writes waits; with PostgreSQL nobody does
    /// until rows are locked.
    pub async fn write(&self) -> Result<Writing, MetaError> {
        let statement = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        let tx = Changes(begin(&self.writer, statement).await?);
        let scopes = Arc::clone(&self.scopes);
        Ok(Writing { tx, dialect: self.dialect, scopes, written: Vec::new() })
    }

    /// Tells whether the database answers.
    pub async fn ping(&self) -> Result<(), MetaError> {
        let mut reading = self.read().await?;
        let _: i64 = sqlx::query_scalar("SELECT version FROM schema_version")
            .fetch_one(&mut *reading.tx)
            .await?;
        Ok(())
    }

    /// Asks for a job that one replica at a time does; `None` if another one is at it. It ends when
    /// the value is dropped, or the process or its connection is gone.
    pub async fn lead(&self, job: Job) -> Result<Option<Leadership>, MetaError> {
        if self.dialect == Dialect::Sqlite {
            return Ok(Some(Leadership { connection: None, job }));
        }
        let mut connection = self.readers.acquire().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(job.number())
            .fetch_one(&mut *connection)
            .await?;
        Ok(taken.then_some(Leadership { connection: Some(connection), job }))
    }

    /// Keeps the database quick and small: statistics for the planner, and the log merged into the
    /// file. PostgreSQL does that by itself.
    pub async fn tend(&self) -> Result<(), MetaError> {
        if self.dialect == Dialect::Sqlite {
            let mut connection = self.writer.acquire().await?;
            connection.execute("PRAGMA optimize").await?;
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    /// Lets the database check itself, every page and every index; what it finds, one line each.
    /// Takes as long as reading all of it.
    pub async fn check(&self) -> Result<Vec<String>, MetaError> {
        if self.dialect == Dialect::Postgres {
            return Ok(Vec::new());
        }
        let mut connection = self.readers.acquire().await?;
        let mut found: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check(100)").fetch_all(&mut *connection).await?;
        found.retain(|line| line != "ok");
        let strays = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?;
        if !strays.is_empty() {
            found.push(format!("{} rows refer to rows that are not there", strays.len()));
        }
        Ok(found)
    }

    /// Ends all connections; what is running is waited for.
    pub async fn close(&self) {
        if let Some(file) = &self.file
            && let Err(error) = file.closing()
        {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "the end of this process is not noted");
        }
        self.readers.close().await;
        self.writer.close().await;
        if let Some(file) = &self.file {
            file.release();
        }
    }
}

impl Writing {
    /// Makes the changes, durably.
    pub async fn commit(self) -> Result<(), MetaError> {
        let Self { tx, written, .. } = self;
        // Whoever asked may go away meanwhile, and this future with them; a commit that was begun
        // is waited for all the same.
        let committed = tokio::spawn(async move {
            kill::step();
            let outcome = tx.0.commit().await;
            kill::step();
            // Not before: answers kept in memory must not outlive what they were made of.
            drop(written);
            outcome
        });
        Ok(committed.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// Says what this will change, before it does: the name of a repository, or a GUN. Answers kept
    /// in memory are of no use from now on.
    pub fn changes(&mut self, scope: &str) {
        self.written.push(self.scopes.write(scope));
    }

    /// The next number of a series without gaps: whoever takes one holds the series until the
    /// commit, so that numbers become visible in their order.
    pub async fn next_number(&mut self, series: &'static str) -> Result<i64, MetaError> {
        let next = "UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value";
        Ok(sqlx::query_scalar(next).bind(series).fetch_one(&mut *self.tx).await?)
    }
}

impl Deref for Changes {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0
    }
}

impl DerefMut for Changes {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        kill::step();
        &mut self.0
    }
}

impl Leadership {
    /// Which job it is.
    pub fn job(&self) -> Job {
        self.job
    }

    /// Ends it, so that another replica, or the next run, may begin at once.
    pub async fn release(mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(self.job.number());
        if unlock.execute(&mut *connection).await.is_err() {
            // The lock is the connection's.
            connection.close_on_drop();
        }
    }

    /// Whether it is still ours; if not, what was begun may be going on elsewhere, too.
    pub async fn holds(&mut self) -> bool {
        match &mut self.connection {
            Some(connection) => connection.ping().await.is_ok(),
            None => true,
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            // The lock is the connection's.
            connection.close_on_drop();
        }
    }
}

impl Job {
    /// The number of its lock in PostgreSQL, which other programs on that database must not use.
    fn number(self) -> i64 {
        match self {
            Self::Collection => 7_382_916,
            Self::Renewal => 7_382_917,
        }
    }
}

/// Begins a transaction. Connections that died while nobody used them are passed over: nothing has
/// happened on them yet.
async fn begin(
    pool: &AnyPool,
    statement: &'static str,
) -> Result<Transaction<'static, Any>, MetaError> {
    let mut stale = pool.options().get_max_connections();
    loop {
        match pool.begin_with(statement).await {
            Err(error) if stale > 0 && is_dead_connection(&error) => stale -= 1,
            result => return Ok(result?),
        }
    }
}

fn is_dead_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(cause) => {
            matches!(cause.code().as_deref(), Some("57P01" | "57P02"))
        }
        _ => false,
    }
}

/// Opens the database by itself: a pool would try again and again, and not say why.
async fn inspect(url: &str, path: &Path) -> Result<(), MetaError> {
    let mut connection = options(url)?.connect().await?;
    connection.execute(settings(Dialect::Sqlite)).await?;
    let found: String =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    if found != "ok" {
        return Err(MetaError::Unsound { path: path.to_owned(), finding: found });
    }
    connection.close().await?;
    Ok(())
}

/// Waits for PostgreSQL, which may have been started at the same time as we.
async fn reach(url: &str) -> Result<(), MetaError> {
    let options = options(url)?;
    let deadline = tokio::time::Instant::now() + ACQUIRE_TIMEOUT;
    loop {
        let error = match options.connect().await {
            Ok(connection) => return Ok(connection.close().await?),
            Err(error) => MetaError::from(error),
        };
        if !matches!(error, MetaError::Unavailable(_)) || tokio::time::Instant::now() > deadline {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn pool(url: &str, connections: u32, dialect: Dialect) -> Result<AnyPool, MetaError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Asked below, where there is reason to.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(settings(dialect)).await.map(|_| ()) })
        });
    let pool = match dialect {
        // A file does not go away; and with the last connection SQLite would remove its log.
        Dialect::Sqlite => pool
            .min_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            // Where SQLite itself has undone a transaction, as on a full disk, the driver believes
            // for ever that it is in one.
            .after_release(|connection, _| {
                Box::pin(async move {
                    // What was sent before is done when this is answered.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            }),
        Dialect::Postgres => pool.before_acquire(|connection, connections| {
            Box::pin(async move {
                if connections.idle_for > UNASKED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        }),
    };
    Ok(pool.connect_with(options(url)?).await?)
}

fn options(url: &str) -> Result<AnyConnectOptions, MetaError> {
    url.parse().map_err(|_| MetaError::Address { url: without_password(url) })
}

/// What every connection is told first.
fn settings(dialect: Dialect) -> &'static str {
    match dialect {
        // What was committed survives a power cut: FULL. The log is merged every 1000 pages, and
        // does not stay large after a burst.
        Dialect::Sqlite => {
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA busy_timeout = 10000; PRAGMA trusted_schema = OFF; \
             PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 67108864"
        }
        Dialect::Postgres => {
            "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
             SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning; \
             SET synchronous_commit = on"
        }
    }
}

/// The address of a file, whatever characters its name has.
fn sqlite_address(path: &Path) -> Result<String, MetaError> {
    let url = url::Url::from_file_path(path)
        .map_err(|()| MetaError::Address { url: path.display().to_string() })?;
    let rest = url.as_str().strip_prefix("file:").unwrap_or_default();
    Ok(format!("sqlite:{rest}?mode=rwc"))
}

/// An address as it may be shown.
fn without_password(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "(not an address)".to_owned() };
    if url.password().is_some() && url.set_password(Some("…")).is_err() {
        return "(not an address)".to_owned();
    }
    url.to_string()
}

/// Connections to SQLite that read: each is a thread.
const READERS: u32 = 4;
/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 16;
/// How long somebody waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may have lain idle and still be taken without asking it.
const UNASKED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::Gun;

    #[tokio::test]
    async fn what_is_not_committed_has_not_happened() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::Sqlite(folder.path().join("trust.db"));
        let store = MetaStore::open(&options).await.unwrap();
        let gun = Gun::parse("localhost/app").unwrap();
        let mut writing = store.write().await.unwrap();
        assert_eq!(writing.next_number("feed").await.unwrap(), 1);
        writing.lock_collection(&gun).await.unwrap();
        drop(writing);
        let mut writing = store.write().await.unwrap();
        assert_eq!(writing.next_number("feed").await.unwrap(), 1);
        writing.commit().await.unwrap();
        let mut writing = store.write().await.unwrap();
        assert_eq!(writing.next_number("feed").await.unwrap(), 2);
        drop(writing);
        store.close().await;
    }

    #[tokio::test]
    async fn sqlite_is_told_to_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // Characters that mean something in an address.
        let path = folder.path().join("a ?b#c%41.db");
        let store = MetaStore::open(&Options::Sqlite(path.clone())).await.unwrap();
        assert!(path.exists());
        for pool in [&store.readers, &store.writer] {
            for (pragma, value) in
                [("synchronous", 2_i64), ("foreign_keys", 1), ("journal_size_limit", 64 << 20)]
            {
                let query = format!("PRAGMA {pragma}");
                let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
                let found: i64 = query.fetch_one(pool).await.unwrap();
                assert_eq!(found, value, "{pragma}");
            }
            let query = sqlx::query_scalar("PRAGMA journal_mode");
            let mode: String = query.fetch_one(pool).await.unwrap();
            assert_eq!(mode, "wal");
        }
        store.tend().await.unwrap();
        assert!(store.check().await.unwrap().is_empty());
        store.close().await;
        MetaStore::open(&Options::Sqlite(path)).await.unwrap().close().await;
    }

    #[tokio::test]
    async fn whoever_gives_up_half_way_leaves_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::Sqlite(folder.path().join("trust.db"));
        let store = MetaStore::open(&options).await.unwrap();
        for patience in 0..60 {
            let change = async {
                let mut writing = store.write().await?;
                writing.next_number("feed").await?;
                writing.next_number("feed").await?;
                writing.commit().await
            };
            let patience = Duration::from_micros(patience * 20);
            drop(tokio::time::timeout(patience, change).await);
        }
        let mut writing = store.write().await.unwrap();
        let number = writing.next_number("feed").await.unwrap();
        assert_eq!(number % 2, 1, "half a change was made");
        writing.commit().await.unwrap();
        store.close().await;
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("postgres://a:b@h/d"), "postgres://a:%E2%80%A6@h/d");
        assert_eq!(without_password("nonsense"), "(not an address)");
    }
}
