//! stub
use crate::codec::pem::Pem;
use crate::crypto::{KeyId, Passphrase, PrivateKey};
/// `role`, `gun`, `path` headers of a private key block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyHeaders {
    pub role: Option<String>,
    pub gun: Option<String>,
    pub path: Option<String>,
}
/// One private key block of a file, perhaps encrypted.
#[derive(Clone)]
pub struct KeyBlock {
    pem: Pem,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    #[error("wrong passphrase")]
    WrongPassphrase,
    #[error("the key is encrypted")]
    PassphraseNeeded, /* NotAPrivateKey{label}, Pem(..), Key(..), Unsupported{what}, … */
}
impl KeyBlock {
    /// All private key blocks of a PEM text: `ENCRYPTED PRIVATE KEY`, `PRIVATE KEY`, `EC|RSA|ED25519 PRIVATE KEY` with or without DEK-Info.
    pub fn parse_all(_text: &[u8]) -> Result<Vec<KeyBlock>, KeyFileError> {
        unimplemented!()
    }
    pub fn headers(&self) -> KeyHeaders {
        let _ = &self.pem;
        unimplemented!()
    }
    pub fn set_headers(&mut self, _h: &KeyHeaders) {
        unimplemented!()
    }
    pub fn is_encrypted(&self) -> bool {
        unimplemented!()
    }
    pub fn decrypt(&self, _p: Option<&Passphrase>) -> Result<PrivateKey, KeyFileError> {
        unimplemented!()
    }
    /// Encrypts exactly as the reference does; an empty passphrase gives `PRIVATE KEY`.
    pub fn encrypt(
        _key: &PrivateKey,
        _headers: &KeyHeaders,
        _p: &Passphrase,
    ) -> Result<KeyBlock, KeyFileError> {
        unimplemented!()
    }
    /// PEM text.
    pub fn to_pem(&self) -> zeroize::Zeroizing<Vec<u8>> {
        unimplemented!()
    }
    /// The key id in the `path` header's basename, if any.
    pub fn path_key_id(&self) -> Option<KeyId> {
        unimplemented!()
    }
}
impl std::fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyBlock(..)")
    }
}
