//! The user's disk: keys, trust cache, changelists, credentials, TLS files, keyring.
//!
//! * where things live under `~/.docker/trust`: [`trust_dir`]
//! * private keys: [`keys`]; the folders of notary before 0.6: `key_migration`
//! * cached trust metadata: [`metadata`]; staged changes: [`changelist`]
//! * images: [`images`]; their layers as folders: [`roots`]
//! * registry logins: [`credentials`], which may ask a helper program: [`credential_helper`];
//!   other places they are looked up in: [`login_sources`]
//! * key rotations under way: [`rotation`]
//! * what was rescued from trust servers: [`rescue`]; how far a mirror is: [`mirror`]
//! * mirrors, and registries without TLS: [`registry_rules`]
//! * certificates of hosts: [`tls_files`]; remembered passphrases: [`keyring`]
//!
//! Only [`files`], [`streams`] and [`folders`] touch the disk. After a crash at any moment a file is the old or the new one,
//! a repository's metadata is all of the old or all of the new, and no key is lost.

pub mod changelist;
pub mod client_config;
pub mod credential_helper;
pub mod credentials;
pub mod error;
pub mod export;
#[cfg(test)]
pub(crate) mod faults;
pub mod files;
pub mod folders;
pub mod images;
pub(crate) mod key_migration;
pub mod keyring;
pub mod keys;
#[cfg(debug_assertions)]
pub mod kill;
pub mod login_sources;
pub mod metadata;
pub mod mirror;
pub mod registry_rules;
pub mod rescue;
pub mod roots;
pub mod rotation;
pub mod streams;
pub mod tls_files;
pub mod trust_dir;

pub use changelist::ChangelistDir;
pub use error::StoreError;
pub use images::{ImageLayout, ImageLayoutError, Lease};
pub use keys::{KeyInfo, KeyList, KeyStore};
pub use metadata::MetadataCache;
pub use rotation::{Rotation, RotationFile, Stage};
pub use trust_dir::TrustDir;
