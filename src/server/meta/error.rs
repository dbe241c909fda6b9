//! What can go wrong with the database.

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
                match code.as_str() {
                    // PostgreSQL: serialization failure, deadlock, lock not available. SQLite: busy,
                    // locked, and their extended forms.
                    "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "262" | "517" | "773" => {
                        Self::Contended(error)
                    }
                    // PostgreSQL: out of disk, of memory. SQLite: full, and I/O errors of which most
                    // are that.
                    "53100" | "13" => Self::Full(error),
                    // PostgreSQL: connection exceptions, shutdown, starting up, read only.
                    "57P01" | "57P02" | "57P03" | "25006" => Self::Unavailable(error),
                    class if class.starts_with("08") || class.starts_with("53") => {
                        Self::Unavailable(error)
                    }
                    _ => Self::Other(error),
                }
            }
            _ => Self::Other(error),
        }
    }
}
