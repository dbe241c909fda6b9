//! What can go wrong with the database.

use std::io;
use std::path::PathBuf;

use sqlx::sqlite::SqliteError;

/// Why the database did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// It does not answer: gone, restarting, or too busy.
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// Another writer was in the way; the same again may succeed.
    #[error("another writer was in the way")]
    Contended(#[source] sqlx::Error),
    /// There is no space left.
    #[error("no space left for the database")]
    Full(#[source] sqlx::Error),
    /// It cannot hold a value: too long, or with characters that it does not know. What was asked
    /// for was wrong, not the database.
    #[error("the database cannot hold a value")]
    Value(#[source] sqlx::Error),
    /// It does not let us in.
    #[error("the database refuses the login")]
    Login(#[source] sqlx::Error),
    /// It is damaged.
    #[error("the database is damaged")]
    Damaged(#[source] sqlx::Error),
    /// It is damaged, by its own account.
    #[error("the database `{path}` is damaged: {finding}")]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What SQLite says about it.
        finding: String,
    },
    /// The file is something else.
    #[error("`{path}` is not a database")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file ends early.
    #[error("the database `{path}` ends early")]
    Cut {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no database at `{path}`")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file was there, and is gone or empty.
    #[error("the database `{path}` is gone or empty")]
    Gone {
        /// The file.
        path: PathBuf,
        /// What tells that it was there.
        lock: PathBuf,
    },
    /// The last changes were in a file that is gone: the database was in use when its process ended.
    #[error("the write-ahead log of the database `{path}` is gone, and with it the last changes")]
    LogGone {
        /// The file of the database.
        path: PathBuf,
        /// What tells that there was a log.
        lock: PathBuf,
    },
    /// Another process has it open.
    #[error("another process uses the database `{path}`{}", number(*process))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process, as far as is known.
        process: Option<u32>,
    },
    /// SQLite is not safe there.
    #[error("the folder `{folder}` is on a network file system ({name})")]
    NetworkFileSystem {
        /// The folder.
        folder: PathBuf,
        /// The kind of file system.
        name: &'static str,
    },
    /// The disk refuses.
    #[error("cannot use `{path}`")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was made by a newer program.
    #[error("the database has schema {found}, and this program knows {known}")]
    TooNew {
        /// The schema it has.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// Something is stored that this program never writes.
    #[error("the database holds a wrong {what}")]
    Corrupt {
        /// What it is.
        what: &'static str,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The address is not one.
    #[error("`{url}` is no address of a database")]
    Address {
        /// The address, without a password.
        url: String,
    },
    /// Anything else.
    #[error("the database refuses")]
    Other(#[source] sqlx::Error),
}

impl MetaError {
    /// Whether the same again may succeed at once.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}

impl From<sqlx::Error> for MetaError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(cause) => {
                let code = cause.code().unwrap_or_default().into_owned();
                if cause.try_downcast_ref::<SqliteError>().is_some() {
                    of_sqlite(&code, error)
                } else {
                    of_postgres(&code, error)
                }
            }
            _ => Self::Other(error),
        }
    }
}

/// By SQLite's result codes: the low byte is the primary one, the rest says more.
fn of_sqlite(code: &str, error: sqlx::Error) -> MetaError {
    /// An I/O error while the shared memory of the log grows, which a full disk is.
    const IOERR_SHMSIZE: i32 = 4874;
    let code = code.parse::<i32>().unwrap_or_default();
    match code & 0xff {
        _ if code == IOERR_SHMSIZE => MetaError::Full(error),
        // BUSY, LOCKED.
        5 | 6 => MetaError::Contended(error),
        // FULL.
        13 => MetaError::Full(error),
        // NOMEM, READONLY, INTERRUPT, IOERR, CANTOPEN, PROTOCOL: of the machine, and may pass.
        7 | 8 | 9 | 10 | 14 | 15 => MetaError::Unavailable(error),
        // CORRUPT, NOTADB.
        11 | 26 => MetaError::Damaged(error),
        // TOOBIG, MISMATCH.
        18 | 20 => MetaError::Value(error),
        _ => MetaError::Other(error),
    }
}

/// By PostgreSQL's SQLSTATE (its manual, appendix A).
fn of_postgres(code: &str, error: sqlx::Error) -> MetaError {
    match code {
        // Serialization failure, deadlock, lock not available; and rows that another writer made or
        // removed between our look and our change.
        "40001" | "40P01" | "55P03" | "23505" | "23503" => MetaError::Contended(error),
        // Out of disk.
        "53100" => MetaError::Full(error),
        // Shutdown, crash, starting up, a statement that took too long, an idle transaction, a
        // standby.
        "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "25P03" | "25P04" | "25006" => {
            MetaError::Unavailable(error)
        }
        // The program's limits: such as a name too long for an index.
        "54000" => MetaError::Value(error),
        // Wrong user, wrong password, no such database.
        "28000" | "28P01" | "3D000" | "42501" => MetaError::Login(error),
        "XX001" | "XX002" => MetaError::Damaged(error),
        // Connection exceptions, and too little of something.
        _ if code.starts_with("08") || code.starts_with("53") => MetaError::Unavailable(error),
        // Data exceptions: text that is not UTF-8 or has a NUL, numbers out of range.
        _ if code.starts_with("22") => MetaError::Value(error),
        _ => MetaError::Other(error),
    }
}

fn number(process: Option<u32>) -> String {
    process.map(|id| format!(" (process {id})")).unwrap_or_default()
}
