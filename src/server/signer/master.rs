//! The master key, which seals the signing keys at rest.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::server::signer::SignerError;

/// A key of 256 bits that seals others (AES-256-GCM, NIST SP 800-38D). What is sealed is bound to
/// a context, and does not open in another.
pub struct MasterKey(LessSafeKey);

impl MasterKey {
    /// Takes the key's 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, SignerError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SignerError::Sealed)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a secret: a random nonce, then the ciphertext and its tag.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SignerError::Random)?;
        let mut sealed = Zeroizing::new(secret.to_vec());
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut *sealed,
            )
            .map_err(|_| SignerError::Sealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed in this context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(SignerError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SignerError::Sealed)?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut secret)
            .map_err(|_| SignerError::Sealed)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_context_only() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("a", b"secret").unwrap();
        assert_eq!(*key.open("a", &sealed).unwrap(), b"secret");
        assert!(matches!(key.open("b", &sealed), Err(SignerError::Sealed)));
        assert!(matches!(
            MasterKey::new(&[8; 32]).unwrap().open("a", &sealed),
            Err(SignerError::Sealed)
        ));
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert!(matches!(key.open("a", &changed), Err(SignerError::Sealed)));
        assert!(matches!(key.open("a", &sealed[..5]), Err(SignerError::Sealed)));
        assert_ne!(key.seal("a", b"secret").unwrap(), sealed);
    }
}
