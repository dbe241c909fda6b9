//! What can go wrong with content.

use std::io;

/// Why content was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no space left.
    #[error("no space left for content")]
    Full(#[source] io::Error),
    /// The disk fails.
    #[error("cannot {what} content")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file elsewhere, of which content was to be made, cannot be read.
    #[error("the file cannot be read")]
    Source(#[source] io::Error),
    /// It is not there.
    #[error("content is missing")]
    Missing,
    /// What is stored is not what it should be.
    #[error("stored content is damaged")]
    Corrupt,
    /// Another request is writing to the same upload.
    #[error("another request is writing to the upload")]
    Busy,
    /// The work was given up because the server stops.
    #[error("the server stops")]
    Stopping,
}

impl BlobError {
    /// An error of the disk.
    pub(super) fn disk(what: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(source),
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Disk { what, source },
        }
    }
}
