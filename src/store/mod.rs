//! The user's disk: keys, trust cache, changelists, credentials, TLS files, keyring.

pub mod changelist;
pub mod credentials;
pub mod files;
pub mod keyring;
pub mod keys;
pub mod metadata;
pub mod tls_files;
pub mod trust_dir;

pub use files::StoreError;
pub use keys::{KeyInfo, KeyList, KeyStore};
pub use metadata::MetadataCache;
pub use trust_dir::TrustDir;
