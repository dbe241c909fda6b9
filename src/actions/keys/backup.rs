//! `trust key backup`: private keys in one file, sealed under a passphrase (`spec/key-backup.md`).

use std::collections::BTreeSet;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::import::UNKNOWN_KEY_ID;
use crate::actions::keys::lookup::find_key;
use crate::crypto::sealed::{SealedError, seal};
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::crypto::{KeyBlock, KeyError, KeyFileError, KeyId, Sha256Hash};
use crate::limits::MAX_BACKUP_BYTES;
use crate::store::{KeyInfo, StoreError};

/// A sealed backup.
#[derive(Debug)]
pub struct Backup {
    /// The file's bytes.
    pub file: Vec<u8>,
    /// The keys in it.
    pub keys: Vec<KeyInfo>,
    /// Files in the store that hold no usable key and are not in it, and why.
    pub left_out: Vec<(PathBuf, String)>,
}

/// Why there is no backup, or why it is not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The store is empty.
    #[error("there are no private keys to back up")]
    NoKeys,
    /// More than a backup may hold.
    #[error("the keys have more than {limit} bytes")]
    TooLarge {
        /// The most that is read again, in bytes.
        limit: u64,
    },
    /// The file is there already.
    #[error("{} exists already", path.display())]
    OutputExists {
        /// The file.
        path: PathBuf,
    },
    /// Nothing says which passphrase, and nobody can be asked.
    #[error("no passphrase given for the backup and there is no terminal to ask on")]
    NoPassphrase,
    /// None of the passphrases opens it.
    #[error("wrong passphrase for the backup, from {source_name}")]
    WrongPassphrase {
        /// Where the answers came from.
        source_name: String,
    },
    /// No passphrase.
    #[error(transparent)]
    Passphrase(PassphraseError),
    /// The file cannot be opened at all.
    #[error("{} cannot be opened", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: SealedError,
    },
    /// It cannot be sealed.
    #[error("the keys cannot be sealed")]
    Unsealable(#[source] SealedError),
    /// It was opened, and what is in it is not a backup, or not a whole one.
    #[error("{} is no backup of keys: {problem}", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A backup of a later version of its format.
    #[error("{} has the version {version} of the format, which is not known here", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version.
        version: String,
    },
    /// A key that is not protected is not the one it is said to be.
    #[error("the key {listed} in the backup is {found} in truth")]
    ForeignKey {
        /// The id in the list.
        listed: KeyId,
        /// The id that the key has.
        found: KeyId,
    },
    /// A key in it cannot be read.
    #[error("the key {id} in the backup is not usable")]
    BadKey {
        /// The key.
        id: KeyId,
        /// What is wrong with it.
        #[source]
        cause: KeyFileError,
    },
    /// A key was not found.
    #[error(transparent)]
    Lookup(#[from] KeyActionError),
    /// A key id.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PassphraseError> for BackupError {
    fn from(error: PassphraseError) -> Self {
        match error {
            PassphraseError::NoSource { .. } => Self::NoPassphrase,
            PassphraseError::Wrong { source_name, .. } => Self::WrongPassphrase { source_name },
            PassphraseError::TooManyAttempts { .. } => {
                Self::WrongPassphrase { source_name: "the terminal".to_owned() }
            }
            other => Self::Passphrase(other),
        }
    }
}

/// Seals the keys named, or every key, each as it is stored: what a passphrase protects there is
/// protected by it in the backup as well.
pub fn backup(context: &Context, ids: &[String]) -> Result<Backup, BackupError> {
    let store = context.trust_dir.keys()?;
    let list = store.list()?;
    let (mut keys, mut left_out) = (list.keys, Vec::new());
    if ids.is_empty() {
        left_out = list.unusable;
    } else {
        let mut wanted = BTreeSet::new();
        for id in ids {
            wanted.insert(find_key(&store, id)?.id);
        }
        keys.retain(|key| wanted.contains(&key.id));
    }
    if keys.is_empty() {
        return Err(BackupError::NoKeys);
    }
    let mut blocks = Vec::new();
    for key in &keys {
        blocks.push((key.id.clone(), store.export(&key.id)?));
    }
    let made = context.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let contents = write(&made, &blocks);
    if contents.len() as u64 > MAX_BACKUP_BYTES / 2 {
        return Err(BackupError::TooLarge { limit: MAX_BACKUP_BYTES / 2 });
    }
    let passphrase = context.passphrases.passphrase(&request(true, 1)?)?;
    let file = seal(&contents, &passphrase).map_err(BackupError::Unsealable)?;
    Ok(Backup { file, keys, left_out })
}

/// What is sealed: a list, an empty line, and the keys (`spec/key-backup.md` §3).
pub(super) fn write(made: &str, blocks: &[(KeyId, KeyBlock)]) -> Zeroizing<Vec<u8>> {
    let size = blocks.iter().map(|(_, block)| block.to_pem().len()).sum();
    let mut keys = Zeroizing::new(Vec::with_capacity(size));
    for (_, block) in blocks {
        keys.extend_from_slice(&block.to_pem());
    }
    let mut head = format!("{FIRST_WORDS} {VERSION}\nmade {made}\nkeys {}\n", blocks.len());
    for (id, _) in blocks {
        head.extend(["key ", id.as_str(), "\n"]);
    }
    head.extend(["sha256 ", &Sha256Hash::of(&keys).to_hex(), "\n\n"]);
    let mut contents = Zeroizing::new(Vec::with_capacity(head.len().saturating_add(keys.len())));
    contents.extend_from_slice(head.as_bytes());
    contents.extend_from_slice(&keys);
    contents
}

/// How the passphrase of a backup is asked for.
pub fn request(new: bool, attempt: u32) -> Result<PassphraseRequest, KeyError> {
    let key_id = KeyId::parse(UNKNOWN_KEY_ID)?;
    Ok(PassphraseRequest { role: BACKUP_ROLE.to_owned(), key_id, gun: None, new, attempt })
}

/// Stands for the role of a key where the passphrase of a backup is asked for: no key has it.
pub const BACKUP_ROLE: &str = "(backup)";
/// How the list in a backup begins.
pub(super) const FIRST_WORDS: &str = "trust key backup";
/// The version of the form of what is sealed.
pub(super) const VERSION: &str = "1";
