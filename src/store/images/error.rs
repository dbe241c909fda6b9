//! What can be wrong with an image layout.

use crate::oci::{Digest, LayoutIndexError};
use crate::store::StoreError;

/// Why something could not be read from, or written to, an image layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageLayoutError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `oci-layout` is missing, or says another version.
    #[error("{folder} is not an OCI image layout of version 1: {problem}")]
    NotALayout {
        /// The folder.
        folder: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// `index.json` cannot be read.
    #[error("the index of {folder} cannot be used")]
    Index {
        /// The folder.
        folder: String,
        /// What is wrong with it.
        #[source]
        cause: LayoutIndexError,
    },
    /// Content that should be there is not.
    #[error("{digest} is not in the image layout")]
    Missing {
        /// What was looked for.
        digest: Digest,
    },
    /// Content is not what its name says: the disk changed it, or somebody.
    #[error("the content of {digest} is damaged: it is {actual}")]
    Damaged {
        /// The name.
        digest: Digest,
        /// What was found.
        actual: Digest,
    },
    /// Content does not have the length that it should have.
    #[error("{digest} has {actual} bytes, not {expected}")]
    WrongSize {
        /// The content.
        digest: Digest,
        /// What its descriptor says, in bytes.
        expected: u64,
        /// What was found, in bytes.
        actual: u64,
    },
    /// What was to be written has another digest than was said.
    #[error("the content is {actual}, not {expected}")]
    Mismatch {
        /// What was said.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// More bytes than may be held.
    #[error("{digest} is larger than {limit} bytes")]
    TooLarge {
        /// The content.
        digest: Digest,
        /// Most bytes.
        limit: u64,
    },
}
