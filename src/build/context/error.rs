//! What can be wrong with a context.

use std::io;

use crate::build::unpack::UnpackError;
use crate::oci::archive::ArchiveError;
use crate::store::StoreError;

/// Why the files of a context cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A path that cannot be.
    #[error("the files of the context cannot be used")]
    Path(#[from] ArchiveError),
    /// The archive cannot be unpacked.
    #[error("the archive of the context cannot be unpacked")]
    Unpack(#[from] UnpackError),
    /// A file that cannot be held: it has too many bytes.
    #[error("`{path}` has more than {limit} bytes")]
    TooLarge {
        /// Where it is in the context.
        path: String,
        /// Most bytes.
        limit: u64,
    },
    /// The content of a file cannot be read.
    #[error("`{path}` cannot be read")]
    Content {
        /// Where it is in the context.
        path: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
}
