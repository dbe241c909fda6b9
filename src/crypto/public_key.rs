//! stub
use crate::codec::canonical_json::Value;
use std::fmt;
/// Lower-case hex SHA-256 of a key's canonical JSON (notary.md §1.8): 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("`{0}` is not a key id")]
    BadId(String), /* typed variants for each malformed key */
}
impl KeyId {
    pub fn parse(_t: &str) -> Result<Self, KeyError> {
        unimplemented!()
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /** first 7, 12 … characters */
    pub fn short(&self, _n: usize) -> &str {
        unimplemented!()
    }
}
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
/// What kind of bytes a public key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    Ecdsa,
    Ed25519,
    Rsa,
    EcdsaX509,
    RsaX509,
    /** kept, never verifies */
    Unknown(String),
}
/// A public key as metadata carries it. Never fails to construct: a malformed one verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key_type: KeyType,
    public: Vec<u8>,
}
impl PublicKey {
    pub fn new(_key_type: KeyType, _public: Vec<u8>) -> Self {
        unimplemented!()
    }
    pub fn key_type(&self) -> &KeyType {
        &self.key_type
    }
    /// The bytes behind the base64: DER SPKI, raw ed25519, or PEM certificates.
    pub fn public(&self) -> &[u8] {
        &self.public
    }
    /// TUF key id.
    pub fn id(&self) -> KeyId {
        unimplemented!()
    }
    /// The id of the bare key: of the leaf certificate's key for x509 types, else [`Self::id`].
    pub fn canonical_id(&self) -> Result<KeyId, KeyError> {
        unimplemented!()
    }
    /// For x509 types the bare `ecdsa`/`rsa` key of the leaf; else itself.
    pub fn bare(&self) -> Result<PublicKey, KeyError> {
        unimplemented!()
    }
    /// `{"keytype":…,"keyval":{"private":null,"public":…}}`
    pub fn to_json(&self) -> Value {
        unimplemented!()
    }
    pub fn from_json(_v: &Value) -> Result<Self, KeyError> {
        unimplemented!()
    }
    /// Reads a `PUBLIC KEY` or `CERTIFICATE` PEM (signer add, delegation add): RSA >= 2048, EC; role header returned by [`crate::codec::pem`].
    pub fn from_pem(_bytes: &[u8], _now: crate::clock::Timestamp) -> Result<Self, KeyError> {
        unimplemented!()
    }
    /// Verifies one signature over `message` (the canonical bytes).
    pub fn verify(
        &self,
        _method: &crate::crypto::Method,
        _message: &[u8],
        _signature: &[u8],
    ) -> Result<(), crate::crypto::SignatureError> {
        unimplemented!()
    }
}
