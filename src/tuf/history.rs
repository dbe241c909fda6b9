//! Everything that is kept of a collection, judged as a whole: which of many files, of all roles
//! and versions, are what the collection's owners published (`spec/rescue.md` §4).
//!
//! Unlike [`crate::tuf::trusted`], which asks what may be believed now, this asks what was ever
//! right: age does not matter, and every root that led to the newest one counts for the files of
//! its time.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::tuf::metadata::MetadataError;
use crate::tuf::trusted::UpdateError;
use crate::tuf::verify::VerifyError;
use crate::tuf::{Gun, RoleName};

/// A file as it was kept: whose it is said to be, and its bytes as they were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// The role it was asked for as, or kept as.
    pub role: RoleName,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is to be said of one file.
#[derive(Debug)]
pub struct Finding {
    /// The role it was kept as.
    pub role: RoleName,
    /// Its version, if it can be read.
    pub version: Option<u64>,
    /// Hash of its bytes.
    pub sha256: Sha256Hash,
    /// Number of its bytes.
    pub length: u64,
    /// When it expires or expired, if it can be read.
    pub expires: Option<Timestamp>,
    /// Why it is not what the owners published; `None` if it is.
    pub refused: Option<Fault>,
}

/// Why a file is not what the owners published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] MetadataError),
    /// Signatures are missing.
    #[error(transparent)]
    Signatures(#[from] VerifyError),
    /// No file that verifies says who signs this role.
    #[error("nothing that verifies says who signs {role}")]
    Unknown {
        /// The role.
        role: RoleName,
    },
    /// The chain of roots does not lead to it.
    #[error("root {version} does not follow from the ones before")]
    Root {
        /// Its version.
        version: u64,
        /// What is wrong.
        #[source]
        cause: UpdateError,
    },
    /// Another file of the role has the same version, and is the one that is referred to.
    #[error("there is another {role} with version {version}")]
    Twin {
        /// The role.
        role: RoleName,
        /// The version.
        version: u64,
    },
}

/// A collection's files, judged.
#[derive(Debug)]
pub struct History {
    /// What is to be said of each file, in the order in which they were given.
    pub findings: Vec<Finding>,
    /// The newest set of files that belong together, as places in [`Self::findings`]: the newest
    /// root, and timestamp, snapshot, targets and delegations that name each other by hash. Empty
    /// if there is no such set.
    pub current: BTreeMap<RoleName, usize>,
}

/// Judges all that is kept of a collection. The chain of roots begins with `anchor` if one is
/// given (the bytes of a root that is trusted for other reasons, such as one out of a user's
/// cache), and with the oldest root otherwise. The order of the files does not matter.
pub fn examine(gun: &Gun, files: &[KeptFile], anchor: Option<&[u8]>) -> History {
    let _ = (gun, files, anchor);
    History { findings: Vec::new(), current: BTreeMap::new() }
}
