//! stub
use std::collections::BTreeMap;
/// One PEM block, headers included (RFC 1421 form).
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    pub label: String,
    pub headers: BTreeMap<String, String>,
    pub contents: zeroize::Zeroizing<Vec<u8>>,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    #[error("no PEM block found")]
    Missing,
}
impl Pem {
    /// Every block of a text; text between blocks is skipped as Go's decoder does.
    pub fn parse_all(_text: &[u8]) -> Result<Vec<Pem>, PemError> {
        unimplemented!()
    }
    /// 64 columns, sorted headers, blank line after headers, final newline: Go's form byte for byte.
    pub fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        unimplemented!()
    }
}
