//! What can be wrong with a target.

use std::path::PathBuf;

use crate::actions::stage::StageError;
use crate::actions::update::RefreshError;
use crate::codec::canonical_json::JsonError;
use crate::crypto::hash::HashError;
use crate::store::StoreError;
use crate::tuf::TargetName;
use crate::tuf::editor::EditError;
use crate::tuf::trusted::LookupError;

/// Why a target was not staged, found or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A target needs a hash.
    #[error("`{name}` needs a hash: its SHA-256, its SHA-512, or both")]
    NoHash {
        /// The target.
        name: TargetName,
    },
    /// A hash that is none.
    #[error("`{given}` is no {algorithm} hash, which has {digits} hexadecimal digits")]
    BadHash {
        /// `sha256` or `sha512`.
        algorithm: &'static str,
        /// The text as given.
        given: String,
        /// How many there should be.
        digits: usize,
    },
    /// Custom data that metadata cannot hold.
    #[error("`{}` is not JSON that can be signed", file.display())]
    Custom {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: JsonError,
    },
    /// Data of another size than what is signed.
    #[error("data not present in the trusted collection: {name} has {expected} bytes, and this is {}", than(*longer))]
    Length {
        /// The target.
        name: TargetName,
        /// Signed, in bytes.
        expected: u64,
        /// Whether the data goes on beyond that.
        longer: bool,
    },
    /// Data that is not what is signed.
    #[error("data not present in the trusted collection: this is not {name}")]
    Mismatch {
        /// The target.
        name: TargetName,
        /// Which hash differs.
        #[source]
        cause: HashError,
    },
    /// Nobody vouches for it.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It cannot be signed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The changelist.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// What is known could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// A file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn than(longer: bool) -> &'static str {
    if longer { "longer" } else { "shorter" }
}
