//! What upkeep works on, and what can stop it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::server::Server;
use crate::server::blobs::{BlobError, BlobStore};
use crate::server::meta::{MetaError, MetaStore};

/// What a server has stored; all that upkeep needs of it.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The database.
    pub meta: MetaStore,
    /// The content.
    pub blobs: BlobStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Why upkeep stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// The database did not do as it was told.
    #[error("cannot ask the database")]
    Meta(#[from] MetaError),
    /// The content could not be looked at or removed.
    #[error("cannot reach stored content")]
    Blob(#[from] BlobError),
    /// Another replica is collecting garbage.
    #[error("another process is collecting garbage of the same storage")]
    Elsewhere,
}

impl Storage {
    /// What this server has stored.
    pub fn of(server: &Server) -> Self {
        Self {
            meta: server.meta.clone(),
            blobs: server.blobs.clone(),
            clock: Arc::clone(&server.clock),
        }
    }

    /// The instant this long ago.
    pub(crate) fn ago(&self, age: Duration) -> Timestamp {
        before(self.clock.now(), age)
    }
}

/// The instant this long before another; the first there is if it is longer than time.
pub(crate) fn before(now: Timestamp, age: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(age)
        .ok()
        .and_then(|age| now.checked_sub(age).ok())
        .unwrap_or(Timestamp::MIN)
}
