//! What can be wrong with a copy.

use std::io;

use crate::build::accounts::AccountError;
use crate::oci::archive::ArchiveError;
use crate::store::StoreError;

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// There is no such file to copy.
    #[error("there is no `{path}`")]
    NoSource {
        /// What was asked for.
        path: String,
        /// What it may have been meant to be.
        nearest: Option<String>,
        /// Whether `.dockerignore` leaves out what has this name.
        ignored: bool,
    },
    /// A pattern that is not well-formed.
    #[error("`{pattern}` is not a pattern")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// A folder cannot take the place of something else.
    #[error("a folder cannot be copied to `{path}`, which is not a folder")]
    NotAFolder {
        /// The destination.
        path: String,
    },
    /// A file cannot take the place of a folder.
    #[error("a file cannot take the place of the folder `{path}`")]
    IsAFolder {
        /// The destination.
        path: String,
    },
    /// A name that means something else in a layer.
    #[error("`{path}` cannot be in an image: layers say by such a name that a file is gone")]
    Whiteout {
        /// The name.
        path: String,
    },
    /// A mode that is none.
    #[error("`{mode}` is not a mode")]
    Mode {
        /// What was written.
        mode: String,
    },
    /// Who is to own it is not known.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A path cannot be followed.
    #[error(transparent)]
    Path(#[from] ArchiveError),
    /// An archive cannot be unpacked.
    #[error("the archive `{path}` cannot be unpacked")]
    Archive {
        /// The archive.
        path: String,
        /// What is wrong with it.
        #[source]
        cause: ArchiveError,
    },
    /// A content cannot be read.
    #[error("`{path}` cannot be read")]
    Content {
        /// Whose.
        path: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}
