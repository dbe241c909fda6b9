//! Why a ceremony stops.

use crate::actions::context::ConnectionError;
use crate::actions::keys::KeyActionError;
use crate::actions::publish::PublishError;
use crate::actions::unlock::UnlockError;
use crate::actions::update::RefreshError;
use crate::client::NotaryError;
use crate::crypto::{KeyError, KeyId};
use crate::store::StoreError;
use crate::tuf::ceremony::CeremonyError;
use crate::tuf::editor::EditError;
use crate::tuf::{Gun, VerifyError};

/// Why a step of a ceremony was not done. Nothing was published, but for a network failure during
/// the upload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyFailure {
    /// The file.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// What is published now could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The change cannot be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// A key cannot be opened, or is not to be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// A key, by its name.
    #[error(transparent)]
    KeyAction(#[from] KeyActionError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Keys or files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing the snapshot.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The file is built on what is no longer, or not yet, published.
    #[error(
        "the ceremony follows {part} version {based_on} of {gun}, but the present one is {present}"
    )]
    Stale {
        /// The repository.
        gun: Gun,
        /// `root` or `targets`.
        part: &'static str,
        /// Version that the file follows.
        based_on: u64,
        /// Version that is published, or known here.
        present: u64,
    },
    /// The file's present root is not the one that is known here under its version.
    #[error("the ceremony follows another root version {version} of {gun} than the one known here")]
    OtherRoot {
        /// The repository.
        gun: Gun,
        /// The version.
        version: u64,
    },
    /// The cached root does not verify.
    #[error("the targets file that is published does not suit the next root of {gun}")]
    Targets {
        /// The repository.
        gun: Gun,
        /// What it lacks.
        #[source]
        cause: VerifyError,
    },
    /// None of the keys that count is here.
    #[error("none of the keys that can sign this is here")]
    NoKeyHere {
        /// Canonical ids of the keys that can.
        candidates: Vec<KeyId>,
    },
    /// A key was asked for that is of no use.
    #[error("the key {key} is of no use in this ceremony")]
    UselessKey {
        /// The key.
        key: KeyId,
        /// Canonical ids of the keys that are.
        candidates: Vec<KeyId>,
    },
    /// Somebody published while the ceremony was.
    #[error("somebody published to {gun} at the same time")]
    Overtaken {
        /// The repository.
        gun: Gun,
    },
    /// There is no file to merge.
    #[error("there is no ceremony file")]
    NoFile,
}
