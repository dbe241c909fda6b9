//! stub
use std::collections::BTreeMap;
/// A SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash(pub [u8; 32]);
impl Sha256Hash {
    pub fn of(_bytes: &[u8]) -> Self {
        unimplemented!()
    }
    pub fn to_hex(&self) -> String {
        unimplemented!()
    }
    pub fn from_hex(_t: &str) -> Result<Self, crate::codec::text::TextError> {
        unimplemented!()
    }
}
/// Named hashes as metadata lists them: raw digests by algorithm name; unknown algorithms kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes(pub BTreeMap<String, Vec<u8>>);
/// One hash that is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    #[error("{algorithm} is {actual}, not {expected}")]
    Mismatch { algorithm: String, expected: String, actual: String },
    #[error("no hash by an algorithm known here")]
    NoneKnown,
    #[error("{algorithm} has {bytes} bytes")]
    WrongLength { algorithm: String, bytes: usize },
}
impl Hashes {
    /// sha256 and sha512 of these bytes.
    pub fn of(_bytes: &[u8]) -> Self {
        unimplemented!()
    }
    pub fn sha256(&self) -> Option<Sha256Hash> {
        unimplemented!()
    }
    /// Checks every known algorithm listed; at least one must be known.
    pub fn check(&self, _bytes: &[u8]) -> Result<(), HashError> {
        unimplemented!()
    }
}
