//! Trust metadata in Notary's dialect of TUF: bytes, keys and a time go in; a verdict or new bytes
//! come out. No file, socket, clock or environment is known here.
//!
//! Reading order: [`names`], [`metadata`] (the documents), [`verify`] (the one function that counts
//! signatures), [`pinning`] and [`root_trust`] (which root keys count at all), [`trusted`] (the chain
//! from a root to a target, with every rule on the way), [`delegation`] (paths and search order),
//! [`proposal`] (files that wait for more signatures), [`changelist`] and [`editor`] (what to publish
//! next). `spec/trust-metadata.md` is the contract.

pub mod ceremony;
pub mod changelist;
pub mod delegation;
pub mod editor;
pub mod health;
pub mod history;
pub mod metadata;
pub mod names;
pub mod pinning;
pub mod proposal;
pub mod root_trust;
pub mod rules;
#[cfg(test)]
pub(crate) mod testing;
pub mod trusted;
#[cfg(test)]
mod vectors;
pub mod verify;

pub use metadata::{MetadataError, Root, Signed, Snapshot, Target, Targets, TimestampFile};
pub use names::{Gun, NameError, RoleName, TargetName};
pub use pinning::{Pin, Pinning};
pub use rules::Rules;
pub use trusted::{TrustedSet, UpdateError};
pub use verify::{RoleKeys, Verified, VerifyError};
