//! stub
use crate::crypto::KeyId;
/// Signature methods (notary.md §1.9). Parsed lower-cased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    Ecdsa,
    Eddsa,
    RsaPss,
    RsaPkcs1v15,
    Unknown(String),
}
impl Method {
    pub fn parse(_t: &str) -> Self {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        unimplemented!()
    }
}
/// One entry of `signatures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub key_id: KeyId,
    pub method: Method,
    pub bytes: Vec<u8>,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    #[error("signature does not verify")]
    Invalid, /* WrongMethod, BadKey(KeyError), WrongLength, … */
}
