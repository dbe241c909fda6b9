//! Why something could not be done with a key.

use std::path::PathBuf;

use crate::crypto::secret::PassphraseError;
use crate::crypto::{KeyError, KeyFileError};
use crate::store::StoreError;

/// Why something could not be done with a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyActionError {
    /// Docker's rule for names of keys and signers (notary.md §2.4), in docker's words.
    #[error(
        "key name \"{}\" must start with lowercase alphanumeric characters and can include \"-\" \
         or \"_\" after the first character", name.escape_debug()
    )]
    BadName {
        /// The name as given.
        name: String,
    },
    /// No key has this id, or an id that begins so.
    #[error("there is no key {}", id.escape_debug())]
    NoSuchKey {
        /// The id as given.
        id: String,
    },
    /// Neither the id of a stored key nor the path of a file.
    #[error("`{}` is neither a key nor a file", text.escape_debug())]
    NeitherKeyNorFile {
        /// The text as given.
        text: String,
    },
    /// The beginning of an id fits several keys.
    #[error("{id} is the beginning of {matches} key ids")]
    AmbiguousId {
        /// The beginning as given.
        id: String,
        /// How many fit.
        matches: usize,
    },
    /// Not hexadecimal, or too few digits to name a key.
    #[error("`{}` is no key id: give at least {minimum} of its hexadecimal digits", id.escape_debug())]
    ShortId {
        /// The text as given.
        id: String,
        /// How many are needed.
        minimum: usize,
    },
    /// `NAME.pub` is there already; docker's words.
    #[error("public key file already exists: \"{}\"", path.display())]
    PublicFileExists {
        /// The file.
        path: PathBuf,
    },
    /// The file to export to is there already.
    #[error("{} exists already", path.display())]
    OutputExists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read or write the file; docker's words.
    #[error(
        "refusing to load key from {path}: private key file {path} must not be readable or \
         writable by others", path = path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
    },
    /// A public key where a private one is needed; docker's words, but for the advice.
    #[error(
        "provided file {} is not a supported private key - to add a signer's public key use \
         trust signer add", path.display()
    )]
    PublicKey {
        /// The file.
        path: PathBuf,
    },
    /// No private key in the file.
    #[error("{} holds no private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A key of this role belongs to a repository, and none is named.
    #[error("a {role} key belongs to a repository, and none is named")]
    MissingGun {
        /// The role.
        role: String,
    },
    /// A root key belongs to no repository.
    #[error("a {role} key belongs to no repository, but `{gun}` is named")]
    NeedlessGun {
        /// The role.
        role: String,
        /// The repository.
        gun: String,
    },
    /// No keys to export.
    #[error("there are no such keys to export")]
    NothingToExport,
    /// The key is not encrypted, so there is no passphrase to keep.
    #[error("the key is not encrypted, so it has no passphrase")]
    NotEncrypted,
    /// The key store or a file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text of a key.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
}
