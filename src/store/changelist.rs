//! stub
use crate::store::StoreError;
/// `<base>/tuf/<gun>/changelist`: raw change files in file-name order.
#[derive(Debug, Clone)]
pub struct ChangelistDir {
    _dir: std::path::PathBuf,
}
impl ChangelistDir {
    /// (file name, bytes), sorted.
    pub fn read(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        unimplemented!()
    }
    /// Appends `<20-digit UnixNano>_<uuid4>.change`.
    pub fn append(
        &self,
        _now: crate::clock::Timestamp,
        _change: &[u8],
    ) -> Result<String, StoreError> {
        unimplemented!()
    }
    pub fn remove(&self, _names: &[String]) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn clear(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
