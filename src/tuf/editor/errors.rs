//! Why a change cannot be made or signed.

use crate::crypto::{KeyError, KeyId};
use crate::tuf::metadata::MetadataError;
use crate::tuf::names::{Gun, RoleName, TargetName};

/// Why a draft cannot be changed or signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Nobody delegates to this role.
    #[error("there is no role {role}")]
    UnknownRole {
        /// The role.
        role: RoleName,
    },
    /// The role exists, but what it signed last cannot be verified, so nothing can be added to it.
    #[error("the role {role} cannot be changed, for its metadata does not verify")]
    UnusableRole {
        /// The role.
        role: RoleName,
    },
    /// The role may not sign this name.
    #[error("the role {role} may not sign `{name}`")]
    NotPermitted {
        /// The role.
        role: RoleName,
        /// The target.
        name: TargetName,
    },
    /// Custom data that the reference could not verify (notary.md §1.2).
    #[error("the custom data of `{name}` has {problem}")]
    Custom {
        /// The target.
        name: TargetName,
        /// What the reference cannot write.
        problem: &'static str,
    },
    /// A target that no reader would accept: without SHA-256 and SHA-512, or of impossible size.
    #[error("`{name}` cannot be signed as it is described")]
    Target {
        /// The target.
        name: TargetName,
        /// What readers would say.
        #[source]
        cause: Box<MetadataError>,
    },
    /// A path that the reference cannot write: it has a control character (notary.md §1.2).
    #[error("`{}` cannot be a path of {role}", path.escape_debug())]
    Path {
        /// The delegation.
        role: RoleName,
        /// The path.
        path: String,
    },
    /// What would be signed could not be read again. Something was received that cannot be written,
    /// such as an escaped control character (notary.md §1.2).
    #[error("the {role} metadata cannot be written")]
    Unwritable {
        /// The role.
        role: RoleName,
        /// What readers would say.
        #[source]
        cause: Box<MetadataError>,
    },
    /// Too few keys are at hand to sign a role.
    #[error("{have} of {need} keys needed to sign {role} are here")]
    NotEnoughKeys {
        /// The role.
        role: RoleName,
        /// Keys at hand.
        have: u32,
        /// Keys needed.
        need: u32,
        /// Canonical ids of all keys that may sign it.
        candidates: Vec<KeyId>,
    },
    /// A role would need more signatures than it has keys.
    #[error("{role} has {have} keys, so it cannot need {need} signatures")]
    ThresholdTooHigh {
        /// The role.
        role: RoleName,
        /// Different keys it would have.
        have: u32,
        /// Signatures it would need.
        need: u32,
    },
    /// The place for proposals is somebody's delegation.
    #[error("{role} is somebody's role, so there is no place for what waits for signatures")]
    CompanionTaken {
        /// The role.
        role: RoleName,
    },
    /// A key of the root role is no certificate, or one for another repository.
    #[error("a root key must be a certificate for `{gun}`")]
    NotARootKey {
        /// The repository.
        gun: Gun,
        /// What is wrong with it.
        #[source]
        cause: Option<KeyError>,
    },
    /// A key to be removed is not there.
    #[error("{role} has no key {key}")]
    NoSuchKey {
        /// The role.
        role: RoleName,
        /// The id as given.
        key: String,
    },
    /// No version is left to count up to.
    #[error("the {role} metadata has the last possible version")]
    VersionExhausted {
        /// The role.
        role: RoleName,
    },
    /// A key cannot sign.
    #[error("the key for {role} cannot sign")]
    Key {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        #[source]
        cause: KeyError,
    },
}
