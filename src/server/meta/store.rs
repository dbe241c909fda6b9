//! Opens the database, and hands out snapshots and transactions.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Executor, Transaction};

use crate::server::hot::{Scopes, Written};
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
    dialect: Dialect,
    readers: AnyPool,
    writer: AnyPool,
    /// Keys of the server that were read once, by their names.
    pub(super) secrets: Arc<Mutex<BTreeMap<&'static str, Arc<[u8]>>>>,
    scopes: Arc<Scopes>,
}

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
    pub(super) tx: Transaction<'static, Any>,
    pub(super) dialect: Dialect,
    scopes: Arc<Scopes>,
    written: Vec<Written>,
}

impl MetaStore {
    /// Opens the database and brings its schema up to date.
    pub async fn open(options: &Options) -> Result<Self, MetaError> {
        sqlx::any::install_default_drivers();
        let (scopes, secrets) = (Arc::new(Scopes::default()), Arc::default());
        let store = match options {
            Options::Sqlite(path) => {
                let url = format!("sqlite://{}?mode=rwc", path.display());
                let readers = pool(&url, READERS, Dialect::Sqlite).await?;
                let writer = pool(&url, 1, Dialect::Sqlite).await?;
                Self { dialect: Dialect::Sqlite, readers, writer, scopes, secrets }
            }
            Options::Postgres(url) => {
                let readers = pool(url, CONNECTIONS, Dialect::Postgres).await?;
                Self {
                    dialect: Dialect::Postgres,
                    writer: readers.clone(),
                    readers,
                    scopes,
                    secrets,
                }
            }
        };
        schema::migrate(&store).await?;
        Ok(store)
    }

    /// Which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins a snapshot.
    pub async fn read(&self) -> Result<Reading, MetaError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Reading { tx: Asked::Snapshot(self.readers.begin_with(begin).await?) })
    }

    /// A connection for one question: it costs a third of a snapshot, and is none. Whoever asks a
    /// second question asks it of another instant.
    pub async fn glance(&self) -> Result<Reading, MetaError> {
        Ok(Reading { tx: Asked::Connection(self.readers.acquire().await?) })
    }

    /// Who is being written to, by this process.
    pub fn scopes(&self) -> Arc<Scopes> {
        Arc::clone(&self.scopes)
    }

    /// Begins to write. With SQLite everybody else who writes waits; with PostgreSQL nobody does
    /// until rows are locked.
    pub async fn write(&self) -> Result<Writing, MetaError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        let tx = self.writer.begin_with(begin).await?;
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

    /// Ends all connections; what is running is waited for.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Writing {
    /// Makes the changes, durably.
    pub async fn commit(self) -> Result<(), MetaError> {
        let Self { tx, written, .. } = self;
        // Whoever asked may go away meanwhile, and this future with them; a commit that was begun
        // is waited for all the same.
        let committed = tokio::spawn(async move {
            let outcome = tx.commit().await;
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

async fn pool(url: &str, connections: u32, dialect: Dialect) -> Result<AnyPool, MetaError> {
    let options: AnyConnectOptions =
        url.parse().map_err(|_| MetaError::Address { url: without_password(url) })?;
    let prepare = match dialect {
        Dialect::Sqlite => {
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA busy_timeout = 10000; PRAGMA trusted_schema = OFF"
        }
        Dialect::Postgres => {
            "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
             SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning"
        }
    };
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(prepare).await.map(|_| ()) })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
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

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("postgres://a:b@h/d"), "postgres://a:%E2%80%A6@h/d");
        assert_eq!(without_password("nonsense"), "(not an address)");
    }
}
