//! Key files of notary before 0.6: where they were, and how they come to where they are now.
//!
//! `private/root_keys/<id>[_<role>].key` and `private/tuf_keys/<gun>/<id>[_<role>].key` become
//! `private/<id>.key` with `role` and `gun` headers (spec: notary.md §2.2, Migration). The key in
//! the file stays encrypted as it was. The new file is safely on disk before the old one goes, so
//! a crash leaves the key at one of the places or at both.

use std::path::{Component, Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::{KeyHeaders, KeyId};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE};
use crate::store::keys::first_block;
use crate::tuf::Gun;

/// What the place of a key file says, in the old layouts and the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyFileName {
    /// The canonical id of the key.
    pub(crate) id: KeyId,
    /// The role, where the name tells.
    role: Option<String>,
    /// The repository, where the folders tell.
    gun: Option<String>,
}

impl KeyFileName {
    /// Reads the path of a key file below the `private` folder; `None` if it does not name a key.
    pub(crate) fn parse(private: &Path, path: &Path) -> Option<Self> {
        let inner = path.strip_prefix(private).ok()?;
        let stem = inner.file_name()?.to_str()?.strip_suffix(".key")?;
        let (id, role) = match stem.split_once('_') {
            Some((id, role)) => (id, Some(role.to_owned())),
            None => (stem, None),
        };
        let id = KeyId::parse(id).ok()?;
        let folders: Option<Vec<&str>> = inner
            .parent()?
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        let (role, gun) = match folders?.as_slice() {
            [ROOT_KEYS, ..] => (role.or_else(|| Some("root".to_owned())), None),
            [TUF_KEYS, gun @ ..] => (role, Gun::parse(&gun.join("/")).ok()),
            _ => (role, None),
        };
        Some(Self { id, role, gun: gun.map(|gun| gun.to_string()) })
    }

    /// Adds what the place says to what the headers say; the headers know better.
    pub(crate) fn complete(&self, headers: KeyHeaders) -> KeyHeaders {
        KeyHeaders {
            role: headers.role.or_else(|| self.role.clone()),
            gun: headers.gun.or_else(|| self.gun.clone()),
            path: headers.path,
        }
    }
}

/// Moves the keys of old layouts to their new places.
///
/// Where the disk cannot be written to, all stays as it is: keys are found in the old places too.
pub(crate) fn migrate(base: &Base, private: &Path) -> Result<(), StoreError> {
    match move_all(base, private) {
        Err(StoreError::Io { .. }) => Ok(()),
        result => result,
    }
}

fn move_all(base: &Base, private: &Path) -> Result<(), StoreError> {
    for old in [ROOT_KEYS, TUF_KEYS].map(|name| private.join(name)) {
        if !base.has_folder(&old) {
            continue;
        }
        for file in base.list(&old)? {
            move_key(base, private, &file)?;
        }
        remove_empty_folders(base, &old)?;
    }
    let certificates = private.join(CERTIFICATES);
    if base.has_folder(&certificates) {
        for file in base.list(&certificates)? {
            if file.extension().is_some_and(|extension| extension == "crt") {
                base.remove(&file)?;
            }
        }
        remove_empty_folders(base, &certificates)?;
    }
    Ok(())
}

/// Moves one key; leaves a file that is none where it is.
fn move_key(base: &Base, private: &Path, old: &Path) -> Result<(), StoreError> {
    let Some(name) = KeyFileName::parse(private, old) else { return Ok(()) };
    let text = match base.read(old, MAX_KEY_FILE_BYTES) {
        Ok(Some(file)) => Zeroizing::new(file.bytes),
        Ok(None) | Err(StoreError::TooLarge { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Ok(mut block) = first_block(&text) else { return Ok(()) };
    block.set_headers(&name.complete(block.headers()));
    let text = block.to_pem();
    let new = private.join(format!("{}.key", name.id));
    match base.create(&new, &text, PRIVATE_MODE) {
        Ok(()) => {}
        // From an earlier, interrupted migration. A different file is not ours to judge.
        Err(StoreError::Exists { .. }) if holds(base, &new, &text) => {}
        Err(StoreError::Exists { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    base.remove(old)?;
    Ok(())
}

fn holds(base: &Base, path: &Path, text: &[u8]) -> bool {
    let file = base.read(path, MAX_KEY_FILE_BYTES);
    file.is_ok_and(|file| file.is_some_and(|file| Zeroizing::new(file.bytes).as_slice() == text))
}

fn remove_empty_folders(base: &Base, folder: &Path) -> Result<(), StoreError> {
    let folders: Vec<PathBuf> = base.list_folders(folder)?;
    for folder in folders {
        base.remove_empty(&folder)?;
    }
    Ok(())
}

const ROOT_KEYS: &str = "root_keys";
const TUF_KEYS: &str = "tuf_keys";
const CERTIFICATES: &str = "trusted_certificates";
