//! What can be wrong with the user's disk, keys and credentials.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::crypto::KeyFileError;
use crate::crypto::secret::PassphraseError;

/// Why something could not be read from, or written to, the user's disk or keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused; [`StoreError::io_kind`] tells a full disk from a read-only one.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted, such as `read` or `rename`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// A name or a symbolic link leads out of the folder it belongs in.
    #[error("{} would leave {}", path.display(), base.display())]
    Escape {
        /// The path that leads out.
        path: PathBuf,
        /// The folder it should stay in.
        base: PathBuf,
    },
    /// Another process held the lock for the whole wait.
    #[error("another process is working on {what}")]
    Locked {
        /// What is locked: a repository's name, for one.
        what: String,
    },
    /// A folder, pipe or device where a file should be.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// A file that must be text is not.
    #[error("{} is not text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The file exists and is never overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is not any more what was read from it.
    #[error("{} was changed by somebody else in the meantime", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file exceeds what is read of its kind.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// No file holds this key.
    #[error("no key {0}")]
    NoSuchKey(String),
    /// The file does not hold a private key that can be used.
    #[error("{} is not a usable key file", path.display())]
    BadKeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: KeyFileError,
    },
    /// The key inside a file is not the one its name promises.
    #[error("{} holds the key {found}", path.display())]
    ForeignKey {
        /// The file.
        path: PathBuf,
        /// The id of the key in it.
        found: String,
    },
    /// The record of a key rotation cannot be read, or was written by a newer version of us.
    #[error("{} is no record of a key rotation", path.display())]
    BadRotation {
        /// The file.
        path: PathBuf,
    },
    /// No passphrase, or none that is right.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A configuration file is not JSON.
    #[error("{} is not valid JSON", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// A member of a configuration file does not have the form it must have.
    #[error("{}: {member} {problem}", path.display())]
    ConfigMember {
        /// The file.
        path: PathBuf,
        /// The member, such as `auths."example.com".auth`.
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name of a credential helper is not a plain program name.
    #[error("`{}` is not the name of a credential helper", name.escape_debug())]
    HelperName {
        /// The name as configured.
        name: String,
    },
    /// A credential helper could not be run.
    #[error("cannot run docker-credential-{name}")]
    HelperStart {
        /// The helper.
        name: String,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// A credential helper did not answer in time, and was ended.
    #[error("docker-credential-{name} did not answer within {} s", wait.as_secs())]
    HelperTimeout {
        /// The helper.
        name: String,
        /// How long it was given.
        wait: Duration,
    },
    /// A credential helper failed, or its answer makes no sense.
    #[error("docker-credential-{name}: {message}")]
    Helper {
        /// The helper.
        name: String,
        /// Its own message, or what is wrong with its answer.
        message: String,
    },
    /// A client certificate without its key, or a key without its certificate.
    #[error("{} is of no use without {}", present.display(), missing.display())]
    HalfPair {
        /// The half that is there.
        present: PathBuf,
        /// The half that is not.
        missing: PathBuf,
    },
    /// The text is not the name of a host.
    #[error("`{}` is not the name of a host", host.escape_debug())]
    HostName {
        /// The text.
        host: String,
    },
    /// The operating system offers no keyring here.
    #[error("there is no keyring service")]
    KeyringAbsent,
    /// The keyring service exists and does not answer.
    #[error("the keyring service did not answer within {} s", wait.as_secs())]
    KeyringTimeout {
        /// How long it was given.
        wait: Duration,
    },
    /// The keyring service refused.
    #[error("the keyring service failed")]
    Keyring {
        /// Why, without the secret.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Returns what kind of refusal by the operating system this is, if it is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { cause, .. } => Some(cause.kind()),
            _ => None,
        }
    }

    /// Whether the place can be read but not written to: full, read-only, or not ours.
    pub fn is_unwritable(&self) -> bool {
        matches!(
            self.io_kind(),
            Some(
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::PermissionDenied
            )
        )
    }
}
