//! stub
use crate::crypto::secret::PassphraseSource;
use crate::crypto::{KeyBlock, KeyHeaders, KeyId, Passphrase, PrivateKey};
use crate::store::StoreError;
use std::path::PathBuf;
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    pub id: KeyId,
    /** "" if the file names none */
    pub role: String,
    pub gun: Option<String>,
    pub path: PathBuf,
    pub encrypted: bool,
}
#[derive(Debug, Default)]
pub struct KeyList {
    /** roots first, then gun, role, id (notary's order) */
    pub keys: Vec<KeyInfo>,
    /** *.key files that are no keys, and why */
    pub unusable: Vec<(PathBuf, String)>,
}
/// `<base>/private`.
#[derive(Debug, Clone)]
pub struct KeyStore {
    _dir: PathBuf,
}
impl KeyStore {
    pub fn list(&self) -> Result<KeyList, StoreError> {
        unimplemented!()
    }
    pub fn find(&self, _id: &KeyId) -> Result<Option<KeyInfo>, StoreError> {
        unimplemented!()
    }
    /// Stores encrypted under the canonical id. The same key already there: kept as it is, its info returned.
    pub fn add(
        &self,
        _key: &PrivateKey,
        _h: &KeyHeaders,
        _p: &Passphrase,
    ) -> Result<KeyInfo, StoreError> {
        unimplemented!()
    }
    /// Stores a block verbatim under `id` (import of encrypted exports); `path` header dropped.
    pub fn add_block(&self, _id: &KeyId, _b: &KeyBlock) -> Result<KeyInfo, StoreError> {
        unimplemented!()
    }
    pub fn read(&self, _id: &KeyId) -> Result<KeyBlock, StoreError> {
        unimplemented!()
    }
    /// Decrypts, asking up to MAX_PASSPHRASE_ATTEMPTS times; checks that the key has the id of its file name.
    pub fn unlock(&self, _id: &KeyId, _s: &dyn PassphraseSource) -> Result<PrivateKey, StoreError> {
        unimplemented!()
    }
    /// Replaces the file atomically, re-encrypted.
    pub fn change_passphrase(
        &self,
        _id: &KeyId,
        _old: &dyn PassphraseSource,
        _new: &Passphrase,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn remove(&self, _id: &KeyId) -> Result<(), StoreError> {
        unimplemented!()
    }
}
