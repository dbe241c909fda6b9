//! Why a rescue folder cannot be read, and what is wrong with one that can.

use std::path::PathBuf;

use crate::crypto::Sha256Hash;
use crate::store::StoreError;
use crate::tuf::Gun;

/// Why a rescue folder, or a collection in it, cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RescueFolderError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no `trust-rescue.json`.
    #[error("{} is not a rescue folder", path.display())]
    NotOne {
        /// The folder.
        path: PathBuf,
    },
    /// Its `trust-rescue.json` or a record is of a version that is not known here.
    #[error("{} has the version {version}, which is newer than is known here", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version.
        version: u64,
    },
    /// A file that says what there is cannot be read.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// The folder has something else in it.
    #[error("{} has other things in it", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// It has nothing of this collection.
    #[error("there is nothing of {gun} in the rescue folder")]
    NoCollection {
        /// The collection.
        gun: Gun,
    },
    /// A name that cannot be told from what a collection consists of.
    #[error("`{gun}` cannot be kept: `_trust` is part of its name")]
    Reserved {
        /// The collection.
        gun: Gun,
    },
    /// More collections than are listed.
    #[error("the rescue folder has more than {limit} collections")]
    TooMany {
        /// The most that are listed.
        limit: usize,
    },
    /// More bytes or files of one collection than are held at once.
    #[error("the files of {gun} are more than {limit} bytes")]
    TooLarge {
        /// The collection.
        gun: Gun,
        /// The most that are held, in bytes.
        limit: u64,
    },
}

/// Something in a rescue folder that is not as it should be. What is right is read all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderFinding {
    /// A file has other content than its name says. It is left out.
    #[error("{name} is not the file that its name says: it has the hash {found}")]
    Tampered {
        /// Its path below the collection's folder.
        name: String,
        /// The hash that it has.
        found: Sha256Hash,
    },
    /// A file has another length than the record says. It is left out.
    #[error("{name} has {found} bytes, and {recorded} by the record")]
    Length {
        /// Its path below the collection's folder.
        name: String,
        /// By the record, in bytes.
        recorded: u64,
        /// As it is, in bytes.
        found: u64,
    },
    /// A file is larger than any of its role. It is left out.
    #[error("{name} is larger than any file of its role")]
    TooLarge {
        /// Its path below the collection's folder.
        name: String,
    },
    /// A file that the record lists is not there.
    #[error("{name} is missing")]
    Missing {
        /// Its path below the collection's folder.
        name: String,
    },
    /// A file that the record does not list; its name is that of its content, so it is read.
    #[error("{name} is not in the record")]
    Unrecorded {
        /// Its path below the collection's folder.
        name: String,
    },
    /// Something that does not belong there, and is not read.
    #[error("{name} does not belong there")]
    Foreign {
        /// Its path below the collection's folder, or the rescue folder.
        name: String,
    },
    /// There is no record.
    #[error("there is no record of the collection")]
    NoRecord,
    /// The record is that of another collection.
    #[error("the record is that of {of}")]
    OtherRecord {
        /// The collection that it names.
        of: Gun,
    },
}
