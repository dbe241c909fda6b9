//! Private keys, in the folder that docker and notary use.
//!
//! Every `*.key` below `<base>/private` is a key, whose id is its file's name; role and repository
//! stand in its PEM headers (spec: notary.md §2.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use crate::crypto::{KeyBlock, KeyFileError, KeyHeaders, KeyId, Passphrase, PrivateKey};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_PASSPHRASE_ATTEMPTS};
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE, is_open_to_others};
use crate::store::key_migration::{KeyFileName, migrate};

/// What is known of a key without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The canonical id: the name of its file.
    pub id: KeyId,
    /// The role as its file names it, "" if it names none. Docker's signer keys bear the bare
    /// signer's name.
    pub role: String,
    /// The repository of a targets, snapshot or timestamp key.
    pub gun: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Whether a passphrase is needed to use it.
    pub encrypted: bool,
    /// Whether others than the owner may read or write the file.
    pub mode_too_open: bool,
}

/// All keys of a store.
#[derive(Debug, Default)]
pub struct KeyList {
    /// Root keys first, then by repository, role and id: notary's order.
    pub keys: Vec<KeyInfo>,
    /// Files ending in `.key` that are no keys, and why.
    pub unusable: Vec<(PathBuf, String)>,
}

/// The private keys of a trust directory, `<base>/private`.
#[derive(Debug, Clone)]
pub struct KeyStore {
    base: Base,
    folder: PathBuf,
}

impl KeyStore {
    /// Opens the store and migrates old layouts, as far as the disk lets it.
    pub(crate) fn open(base: Base) -> Result<Self, StoreError> {
        let folder = base.path().join("private");
        migrate(&base, &folder)?;
        Ok(Self { base, folder })
    }

    /// Lists all keys. A file that is no key is reported, and stops nothing.
    pub fn list(&self) -> Result<KeyList, StoreError> {
        let mut keys = BTreeMap::new();
        let mut unusable = Vec::new();
        for path in self.files()? {
            match self.open_file(&path) {
                Ok(Some(stored)) => {
                    let depth = path.components().count();
                    // Half a migration leaves a key twice: the file in the new place counts.
                    keys.entry(stored.info.id.clone())
                        .and_modify(|known: &mut (usize, KeyInfo)| {
                            if depth < known.0 {
                                *known = (depth, stored.info.clone());
                            }
                        })
                        .or_insert((depth, stored.info));
                }
                Ok(None) => {}
                Err(error) => unusable.push((path, reason(&error))),
            }
        }
        let mut keys: Vec<KeyInfo> = keys.into_values().map(|(_, info)| info).collect();
        keys.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        Ok(KeyList { keys, unusable })
    }

    /// Returns what is known of a key; `None` if no usable file holds it.
    pub fn find(&self, id: &KeyId) -> Result<Option<KeyInfo>, StoreError> {
        match self.open_key(id) {
            Ok(stored) => Ok(Some(stored.info)),
            Err(StoreError::NoSuchKey(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a key encrypted under its canonical id; an empty passphrase stores it in the clear.
    ///
    /// The same key already there is kept as it is, and its info returned. Of the headers, `path`
    /// is dropped, and so is `gun` where notary has none.
    pub fn add(
        &self,
        key: &PrivateKey,
        headers: &KeyHeaders,
        passphrase: &Passphrase,
    ) -> Result<KeyInfo, StoreError> {
        let id = key.id();
        if let Some(known) = self.find(&id)? {
            return Ok(known);
        }
        let path = self.place(&id);
        let block = KeyBlock::encrypt(key, &stored_headers(headers), passphrase)
            .map_err(|cause| StoreError::BadKeyFile { path, cause })?;
        self.create(&id, &block)
    }

    /// Stores a block as it is under `id`, for keys imported in encrypted form; headers as in
    /// [`KeyStore::add`].
    ///
    /// A block that needs no passphrase must hold the key of this id.
    pub fn add_block(&self, id: &KeyId, block: &KeyBlock) -> Result<KeyInfo, StoreError> {
        if let Some(known) = self.find(id)? {
            return Ok(known);
        }
        if !block.is_encrypted() {
            let path = self.place(id);
            let key = block.decrypt(None);
            let key = key.map_err(|cause| StoreError::BadKeyFile { path: path.clone(), cause })?;
            check_id(&key, id, &path)?;
        }
        let mut block = block.clone();
        block.set_headers(&stored_headers(&block.headers()));
        self.create(id, &block)
    }

    /// Returns the block of a key as it is stored.
    pub fn read(&self, id: &KeyId) -> Result<KeyBlock, StoreError> {
        Ok(self.open_key(id)?.block)
    }

    /// Returns the block of a key with the `path` header that lets notary import it again.
    pub fn export(&self, id: &KeyId) -> Result<KeyBlock, StoreError> {
        let StoredKey { info, mut block } = self.open_key(id)?;
        let role = Some(info.role).filter(|role| !role.is_empty());
        block.set_headers(&KeyHeaders { role, gun: info.gun, path: Some(id.to_string()) });
        Ok(block)
    }

    /// Opens a key, asking for its passphrase up to [`MAX_PASSPHRASE_ATTEMPTS`] times, and checks
    /// that it has the id of its file's name.
    pub fn unlock(
        &self,
        id: &KeyId,
        source: &dyn PassphraseSource,
    ) -> Result<PrivateKey, StoreError> {
        self.open_key(id)?.unlock(source)
    }

    /// Encrypts a key anew and replaces its file in one step.
    pub fn change_passphrase(
        &self,
        id: &KeyId,
        old: &dyn PassphraseSource,
        new: &Passphrase,
    ) -> Result<(), StoreError> {
        let stored = self.open_key(id)?;
        let key = stored.unlock(old)?;
        let StoredKey { info, .. } = stored;
        let role = Some(info.role).filter(|role| !role.is_empty());
        let headers = stored_headers(&KeyHeaders { role, gun: info.gun, path: None });
        let block = KeyBlock::encrypt(&key, &headers, new)
            .map_err(|cause| StoreError::BadKeyFile { path: info.path.clone(), cause })?;
        self.base.write(&info.path, &block.to_pem(), PRIVATE_MODE)
    }

    /// Removes every file of a key.
    pub fn remove(&self, id: &KeyId) -> Result<(), StoreError> {
        let mut removed = false;
        for path in self.files_of(id)? {
            removed |= self.base.remove(&path)?;
            self.base.sync(path.parent().unwrap_or(&self.folder))?;
        }
        if removed { Ok(()) } else { Err(StoreError::NoSuchKey(id.to_string())) }
    }

    fn create(&self, id: &KeyId, block: &KeyBlock) -> Result<KeyInfo, StoreError> {
        let path = self.place(id);
        self.base.create(&path, &block.to_pem(), PRIVATE_MODE)?;
        let stored = self.open_file(&path)?;
        stored.map(|stored| stored.info).ok_or_else(|| StoreError::NoSuchKey(id.to_string()))
    }

    /// Opens the file of a key: where it should be, else wherever it is.
    fn open_key(&self, id: &KeyId) -> Result<StoredKey, StoreError> {
        if let Some(stored) = self.open_file(&self.place(id))? {
            return Ok(stored);
        }
        for path in self.files_of(id)? {
            if let Some(stored) = self.open_file(&path)? {
                return Ok(stored);
            }
        }
        Err(StoreError::NoSuchKey(id.to_string()))
    }

    fn open_file(&self, path: &Path) -> Result<Option<StoredKey>, StoreError> {
        let bad = |cause| StoreError::BadKeyFile { path: path.to_owned(), cause };
        let Some(name) = KeyFileName::parse(&self.folder, path) else {
            return Err(StoreError::NoSuchKey(path.display().to_string()));
        };
        let Some(file) = self.base.read(path, MAX_KEY_FILE_BYTES)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(file.bytes);
        let block = first_block(&bytes).map_err(bad)?;
        let headers = name.complete(block.headers());
        let info = KeyInfo {
            id: name.id,
            role: headers.role.unwrap_or_default(),
            gun: headers.gun,
            path: path.to_owned(),
            encrypted: block.is_encrypted(),
            mode_too_open: is_open_to_others(file.mode),
        };
        Ok(Some(StoredKey { info, block }))
    }

    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = self.base.list(&self.folder)?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
        Ok(files)
    }

    fn files_of(&self, id: &KeyId) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = self.files()?;
        files.retain(|path| {
            KeyFileName::parse(&self.folder, path).is_some_and(|name| name.id == *id)
        });
        Ok(files)
    }

    /// Where the file of a key belongs.
    fn place(&self, id: &KeyId) -> PathBuf {
        self.folder.join(format!("{id}.key"))
    }
}

/// A key file that was read.
struct StoredKey {
    info: KeyInfo,
    block: KeyBlock,
}

impl StoredKey {
    fn unlock(&self, source: &dyn PassphraseSource) -> Result<PrivateKey, StoreError> {
        let KeyInfo { id, role, gun, path, encrypted, .. } = &self.info;
        let bad = |cause| StoreError::BadKeyFile { path: path.clone(), cause };
        if !encrypted {
            let key = self.block.decrypt(None).map_err(bad)?;
            check_id(&key, id, path)?;
            return Ok(key);
        }
        for attempt in 1..=MAX_PASSPHRASE_ATTEMPTS {
            let request = PassphraseRequest {
                role: role.clone(),
                key_id: id.clone(),
                gun: gun.clone(),
                new: false,
                attempt,
            };
            let passphrase = source.passphrase(&request)?;
            match self.block.decrypt(Some(&passphrase)) {
                Ok(key) => {
                    check_id(&key, id, path)?;
                    source.accepted(&request, &passphrase);
                    return Ok(key);
                }
                Err(KeyFileError::WrongPassphrase) => {}
                Err(cause) => return Err(bad(cause)),
            }
        }
        Err(StoreError::Passphrase(PassphraseError::TooManyAttempts {
            role: role.clone(),
            key_id: id.to_string(),
            attempts: MAX_PASSPHRASE_ATTEMPTS,
        }))
    }
}

/// Returns the first private key of a file, as notary does.
pub(crate) fn first_block(text: &[u8]) -> Result<KeyBlock, KeyFileError> {
    // A file without any block is the parser's error to name.
    let blocks = KeyBlock::parse_all(text)?;
    blocks.into_iter().next().ok_or(KeyFileError::PassphraseNeeded)
}

fn check_id(key: &PrivateKey, id: &KeyId, path: &Path) -> Result<(), StoreError> {
    let found = key.id();
    if found == *id {
        return Ok(());
    }
    Err(StoreError::ForeignKey { path: path.to_owned(), found: found.to_string() })
}

/// Keeps the repository only for the roles that belong to one (spec: notary.md §2.2).
fn stored_headers(headers: &KeyHeaders) -> KeyHeaders {
    let has_gun = matches!(headers.role.as_deref(), Some("targets" | "snapshot" | "timestamp"));
    KeyHeaders {
        role: headers.role.clone(),
        gun: headers.gun.clone().filter(|_| has_gun),
        path: None,
    }
}

fn sort_key(key: &KeyInfo) -> (bool, Option<&str>, &str, &KeyId) {
    (key.role != "root", key.gun.as_deref(), &key.role, &key.id)
}

fn reason(error: &StoreError) -> String {
    match error {
        StoreError::NoSuchKey(_) => "its name is not a key id".to_owned(),
        StoreError::BadKeyFile { cause, .. } => cause.to_string(),
        StoreError::Io { cause, .. } => cause.to_string(),
        other => other.to_string(),
    }
}
