//! `trust key restore`: keys come back from a backup, after all of it was checked.

use std::collections::BTreeSet;
use std::path::Path;

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::backup::{BackupError, FIRST_WORDS, VERSION, request};
use crate::crypto::sealed::{SealedError, check, open};
use crate::crypto::secret::PassphraseError;
use crate::crypto::{KeyBlock, KeyHeaders, KeyId, Sha256Hash};
use crate::limits::{MAX_BACKUP_BYTES, MAX_UNLOCK_ATTEMPTS};
use crate::store::files::read_user_file;
use crate::store::{KeyStore, StoreError};

/// A key of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its id.
    pub id: KeyId,
    /// Its role, "" if its file named none.
    pub role: String,
    /// Its repository, if it has one.
    pub gun: Option<String>,
    /// A passphrase of its own protects it.
    pub encrypted: bool,
    /// What the store has under this id.
    pub state: State,
}

/// What the store has of a key in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing: the key is restored.
    Missing,
    /// The very same.
    Same,
    /// A key file with other bytes, as after a change of its passphrase: it stays.
    Differs,
}

/// Checks a backup, and stores the keys that are not here yet unless `check_only`. Nothing is
/// written before all was checked; if the disk fails half way, what was written is removed.
pub fn restore(
    context: &Context,
    file: &Path,
    check_only: bool,
) -> Result<Vec<BackedUp>, BackupError> {
    let sealed = read_user_file(file, MAX_BACKUP_BYTES)?;
    let contents = open_sealed(context, file, &sealed)?;
    let blocks = read(file, &contents)?;
    let store = context.trust_dir.keys()?;
    let mut keys = Vec::new();
    for (id, block) in &blocks {
        keys.push(describe(&store, id, block)?);
    }
    if !check_only {
        let missing = keys.iter().zip(&blocks).filter(|(key, _)| key.state == State::Missing);
        let mut stored = Vec::new();
        for (key, (id, block)) in missing {
            if let Err(error) = store.add_block(id, block) {
                for id in stored {
                    store.remove(id)?;
                }
                return Err(error.into());
            }
            stored.push(&key.id);
        }
    }
    Ok(keys)
}

fn open_sealed(
    context: &Context,
    file: &Path,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let failed = |cause| BackupError::Sealed { path: file.to_owned(), cause };
    // What is no backup is told before anybody is asked for its passphrase.
    check(sealed).map_err(failed)?;
    for attempt in 1..=MAX_UNLOCK_ATTEMPTS {
        let request = request(false, attempt)?;
        let passphrase = context.passphrases.passphrase(&request)?;
        match open(sealed, &passphrase) {
            Err(SealedError::WrongPassphrase) => {}
            other => return other.map_err(failed),
        }
    }
    let (role, key_id) = (String::new(), String::new());
    Err(PassphraseError::TooManyAttempts { role, key_id, attempts: MAX_UNLOCK_ATTEMPTS }.into())
}

/// Reads what was sealed: every line of the list has to agree with the keys.
fn read(file: &Path, contents: &[u8]) -> Result<Vec<(KeyId, KeyBlock)>, BackupError> {
    let wrong = |problem| BackupError::NotABackup { path: file.to_owned(), problem };
    let end = contents.windows(2).position(|pair| pair == b"\n\n");
    let (list, keys) = end
        .and_then(|end| Some((contents.get(..end)?, contents.get(end.saturating_add(2)..)?)))
        .ok_or_else(|| wrong("it has no list of its keys"))?;
    let list = std::str::from_utf8(list).map_err(|_| wrong("its list is not text"))?;
    let mut lines = list.split('\n');
    let version = lines.next().and_then(|line| line.strip_prefix(FIRST_WORDS)?.strip_prefix(' '));
    match version {
        Some(VERSION) => {}
        Some(version) => {
            let (path, version) = (file.to_owned(), version.escape_debug().to_string());
            return Err(BackupError::UnknownVersion { path, version });
        }
        None => return Err(wrong("its list does not begin as one")),
    }
    let mut value =
        |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value("made").ok_or_else(|| wrong("it does not say when it was made"))?;
    let count: usize = value("keys")
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| wrong("it does not say how many keys it has"))?;
    let mut ids = BTreeSet::new();
    let mut listed = Vec::new();
    for _ in 0..count.min(contents.len()) {
        let id = value("key").and_then(|id| KeyId::parse(id).ok());
        let id = id.ok_or_else(|| wrong("its list lacks a key"))?;
        if !ids.insert(id.clone()) {
            return Err(wrong("its list names a key twice"));
        }
        listed.push(id);
    }
    let hash = value("sha256").ok_or_else(|| wrong("it has no hash of its keys"))?;
    if lines.next().is_some() {
        return Err(wrong("its list has lines that are not known"));
    }
    if hash != Sha256Hash::of(keys).to_hex() {
        return Err(wrong("its keys do not have the hash that it says"));
    }
    let blocks = KeyBlock::parse_all(keys).map_err(|_| wrong("its keys cannot be read"))?;
    if blocks.len() != listed.len() || count != listed.len() {
        return Err(wrong("it has more or fewer keys than it says"));
    }
    let mut found = Vec::new();
    for (id, block) in listed.into_iter().zip(blocks) {
        if block.path_key_id().as_ref() != Some(&id) {
            return Err(wrong("its keys are not those of its list"));
        }
        if !block.is_encrypted() {
            let key = block.decrypt(None);
            let key = key.map_err(|cause| BackupError::BadKey { id: id.clone(), cause })?;
            if key.id() != id {
                return Err(BackupError::ForeignKey { listed: id, found: key.id() });
            }
        }
        found.push((id, block));
    }
    Ok(found)
}

fn describe(store: &KeyStore, id: &KeyId, block: &KeyBlock) -> Result<BackedUp, StoreError> {
    let KeyHeaders { role, gun, .. } = block.headers();
    let state = match store.export(id) {
        Ok(known) if known.to_pem() == block.to_pem() => State::Same,
        // A file that is no key is not overwritten either.
        Ok(_) | Err(StoreError::BadKeyFile { .. }) => State::Differs,
        Err(StoreError::NoSuchKey(_)) => State::Missing,
        Err(error) => return Err(error),
    };
    let encrypted = block.is_encrypted();
    Ok(BackedUp { id: id.clone(), role: role.unwrap_or_default(), gun, encrypted, state })
}
