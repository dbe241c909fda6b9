//! stub: atomic writes, locks, modes, path containment. The only file that touches std::fs.
use std::path::PathBuf;
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{} would leave {}", path.display(), base.display())]
    Escape { path: PathBuf, base: PathBuf },
    #[error("another process is working on {what}")]
    Locked { what: String },
    #[error("{} must not be readable or writable by others", path.display())]
    TooOpen { path: PathBuf },
    #[error("no key {0}")]
    NoSuchKey(String),
    #[error("{} is not a usable key file", path.display())]
    BadKeyFile {
        path: PathBuf,
        #[source]
        cause: crate::crypto::KeyFileError,
    },
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error(transparent)]
    Passphrase(#[from] crate::crypto::secret::PassphraseError),
    /* Config{path, cause: serde_json::Error}, Helper{name, message}, Keyring{..} … */
}
