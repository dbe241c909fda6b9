//! stub
/// `sha256:<64 hex>` (sha512 too), safe by construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    text: String,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: {problem}")]
pub struct DigestError {
    pub text: String,
    pub problem: &'static str,
}
impl Digest {
    pub fn parse(_t: &str) -> Result<Self, DigestError> {
        unimplemented!()
    }
    pub fn sha256_of(_bytes: &[u8]) -> Self {
        unimplemented!()
    }
    pub fn from_sha256(_raw: &crate::crypto::Sha256Hash) -> Self {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
    pub fn algorithm(&self) -> &str {
        unimplemented!()
    }
    pub fn hex(&self) -> &str {
        unimplemented!()
    }
    /// The raw digest if it is a sha256 one.
    pub fn sha256(&self) -> Option<crate::crypto::Sha256Hash> {
        unimplemented!()
    }
    /// Whether these bytes have this digest.
    pub fn matches(&self, _bytes: &[u8]) -> bool {
        unimplemented!()
    }
}
impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
