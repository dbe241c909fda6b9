//! stub
use crate::crypto::{KeyError, KeyId, Method, PublicKey};
/// A private key. No Clone, no Display, redacted Debug, zeroized on drop.
pub struct PrivateKey {
    _private: (),
}
impl PrivateKey {
    /// ECDSA P-256, what docker and notary generate.
    pub fn generate_ecdsa() -> Result<Self, KeyError> {
        unimplemented!()
    }
    pub fn generate_ed25519() -> Result<Self, KeyError> {
        unimplemented!()
    }
    pub fn generate_rsa(_bits: usize) -> Result<Self, KeyError> {
        unimplemented!()
    }
    /// PrivateKeyInfo DER: the reference's form and RFC 5958/8410.
    pub fn from_pkcs8(_der: &[u8]) -> Result<Self, KeyError> {
        unimplemented!()
    }
    /// PrivateKeyInfo exactly as the reference writes it (notary.md §2.2).
    pub fn to_pkcs8(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, KeyError> {
        unimplemented!()
    }
    /// The bare public key (`ecdsa`, `rsa`, `ed25519`).
    pub fn public_key(&self) -> &PublicKey {
        unimplemented!()
    }
    /// Canonical key id.
    pub fn id(&self) -> KeyId {
        unimplemented!()
    }
    /// Signs canonical bytes: `ecdsa` r||s, `rsapss`, `eddsa`.
    pub fn sign(&self, _message: &[u8]) -> Result<(Method, Vec<u8>), KeyError> {
        unimplemented!()
    }
}
impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}
