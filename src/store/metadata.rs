//! stub
use crate::store::StoreError;
use crate::tuf::RoleName;
use std::collections::BTreeMap;
/// `<base>/tuf/<gun>/metadata`: bytes as received, one file a role.
#[derive(Debug, Clone)]
pub struct MetadataCache {
    _dir: std::path::PathBuf,
}
impl MetadataCache {
    /// All cached roles (each within its limit of `limits`); finishes or undoes an interrupted commit first.
    pub fn read(&self) -> Result<BTreeMap<RoleName, Vec<u8>>, StoreError> {
        unimplemented!()
    }
    /// Replaces and removes files so that a crash leaves all of the old or all of the new.
    pub fn commit(
        &self,
        _put: &BTreeMap<RoleName, Vec<u8>>,
        _remove: &[RoleName],
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Forgets the repository's metadata (keys stay).
    pub fn clear(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
