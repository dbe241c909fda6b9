//! stub
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    #[error("not lower-case hexadecimal")]
    Hex,
    #[error("not padded standard base64")]
    Base64,
}
/// Lower-case hex.
pub fn to_hex(_bytes: &[u8]) -> String {
    unimplemented!()
}
/// Lower case only, even length.
pub fn from_hex(_text: &str) -> Result<Vec<u8>, TextError> {
    unimplemented!()
}
pub fn to_base64(_bytes: &[u8]) -> String {
    unimplemented!()
}
/// Standard alphabet, padded, canonical.
pub fn from_base64(_text: &str) -> Result<Vec<u8>, TextError> {
    unimplemented!()
}
