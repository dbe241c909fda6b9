//! stub
use crate::store::{KeyStore, MetadataCache, StoreError};
use crate::tuf::Gun;
use std::path::{Path, PathBuf};
/// A trust directory in docker's layout (notary.md §2.1). Creates nothing until something is written.
#[derive(Debug, Clone)]
pub struct TrustDir {
    base: PathBuf,
}
/// Held while one process changes a repository; released on drop.
#[derive(Debug)]
pub struct RepositoryLock {
    _file: (),
}
impl TrustDir {
    pub fn new(_base: PathBuf) -> Self {
        unimplemented!()
    }
    pub fn path(&self) -> &Path {
        &self.base
    }
    /// Opens the key store; migrates the layout of notary before 0.6 (§2.2 Migration).
    pub fn keys(&self) -> Result<KeyStore, StoreError> {
        unimplemented!()
    }
    pub fn metadata(&self, _gun: &Gun) -> MetadataCache {
        unimplemented!()
    }
    pub fn changelist(&self, _gun: &Gun) -> crate::store::changelist::ChangelistDir {
        unimplemented!()
    }
    /// Waits up to `wait`, then StoreError::Locked.
    pub fn lock(
        &self,
        _gun: &Gun,
        _wait: std::time::Duration,
    ) -> Result<RepositoryLock, StoreError> {
        unimplemented!()
    }
}
