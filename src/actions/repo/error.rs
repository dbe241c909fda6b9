//! What can be wrong with a collection that is set up, changed or removed.

use std::path::PathBuf;

use crate::actions::context::ConnectionError;
use crate::actions::initialize::InitializeError;
use crate::actions::keys::KeyActionError;
use crate::actions::publish::PublishError;
use crate::actions::stage::StageError;
use crate::client::NotaryError;
use crate::crypto::{KeyError, KeyId};
use crate::store::StoreError;
use crate::tuf::{Gun, RoleName};

/// Why something was not done to a collection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError {
    /// The trust server has it already.
    #[error("{server} has trust data for {gun} already")]
    OnServer {
        /// Host of the trust server.
        server: String,
        /// The repository.
        gun: Gun,
    },
    /// This machine has it already.
    #[error("there is trust data for {gun} on this machine already")]
    OnThisMachine {
        /// The repository.
        gun: Gun,
    },
    /// A file with a key for something else.
    #[error("`{}` has a key for `{role}`, not a root key", file.display())]
    NotARootKey {
        /// The file.
        file: PathBuf,
        /// Whose key it is.
        role: String,
    },
    /// A file with no certificate for a root.
    #[error("`{}` is no certificate for the root of {gun}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The repository.
        gun: Gun,
        /// What is wrong with it; nothing if it is made for another name.
        #[source]
        cause: Option<KeyError>,
    },
    /// A certificate whose key is not one of the root keys.
    #[error("the certificate `{}` is for the key {id}, which is none of the root keys", file.display())]
    OtherKey {
        /// The file.
        file: PathBuf,
        /// Canonical id of the certificate's key.
        id: KeyId,
    },
    /// Only the signers of targets can be asked to sign again.
    #[error("the role {role} cannot be witnessed")]
    NotWitnessed {
        /// The role.
        role: RoleName,
    },
    /// There is no such staged change.
    #[error("{gun} has {count} staged changes, and none is #{number}")]
    NoSuchChange {
        /// The repository.
        gun: Gun,
        /// Asked for.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyActionError),
    /// The setting up.
    #[error(transparent)]
    Initialize(#[from] InitializeError),
    /// The changes.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The signing.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// Files or lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}
