//! The master key, which seals the signing keys at rest (`spec/server-keys.md` §2).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::server::signer::SignerError;
use crate::server::signer::token::{Token, Wrapping};

/// A key of 256 bits that seals others (AES-256-GCM, NIST SP 800-38D): held here, or in a token
/// that never gives it away. What is sealed is bound to a context, and does not open in another.
pub struct MasterKey(Kind);

enum Kind {
    Held { key: LessSafeKey, id: MasterKeyId },
    Token(Token),
}

/// Tells master keys apart, and says nothing about them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKeyId([u8; 16]);

impl MasterKey {
    /// Takes the key's 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, SignerError> {
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), ID_LABEL);
        let id = code.as_ref().first_chunk().copied().ok_or(SignerError::Sealed)?;
        Ok(Self(Kind::Held { key: cipher(bytes)?, id: MasterKeyId(id) }))
    }

    /// Uses a key in a token, which is asked when it is first needed.
    pub fn in_token(token: Token) -> Self {
        Self(Kind::Token(token))
    }

    /// Which key it is; a token has to be asked once.
    pub async fn id(&self) -> Result<MasterKeyId, SignerError> {
        match &self.0 {
            Kind::Held { id, .. } => Ok(*id),
            Kind::Token(token) => token.id().await,
        }
    }

    /// Tells whether it could be used now.
    pub async fn check(&self) -> Result<(), SignerError> {
        match &self.0 {
            Kind::Held { .. } => Ok(()),
            Kind::Token(token) => token.check().await,
        }
    }

    /// Seals a secret for a context.
    pub async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.0 {
            Kind::Held { key, id } => {
                let head = [&[HELD][..], &id.0].concat();
                seal_after(key, &head, context, secret)
            }
            Kind::Token(token) => {
                let mut data_key = Zeroizing::new([0; 32]);
                random(&mut data_key[..])?;
                let wrapped = token.wrap(data_key.clone()).await?;
                let format = match wrapped.wrapping {
                    Wrapping::Gcm => TOKEN_GCM,
                    Wrapping::Cbc => TOKEN_CBC,
                };
                let head = [&[format][..], &wrapped.id.0, &wrapped.bytes].concat();
                seal_after(&cipher(&data_key)?, &head, context, secret)
            }
        }
    }

    /// Opens what was sealed for this context.
    pub async fn open(
        &self,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let (format, sealed_under) = head_of(sealed)?;
        let wrong = |master: MasterKeyId| SignerError::WrongMaster {
            sealed_under: sealed_under.to_string(),
            master: master.to_string(),
        };
        match &self.0 {
            Kind::Held { id, .. } if *id != sealed_under => Err(wrong(*id)),
            Kind::Held { key, .. } if format == HELD => open_after(key, HEAD, context, sealed),
            Kind::Held { .. } => Err(SignerError::Sealed),
            Kind::Token(token) => {
                let wrapping = match format {
                    TOKEN_GCM => Wrapping::Gcm,
                    TOKEN_CBC => Wrapping::Cbc,
                    _ => return Err(wrong(token.id().await?)),
                };
                let head = HEAD.saturating_add(wrapping.wrapped_bytes());
                let wrapped = sealed.get(HEAD..head).ok_or(SignerError::Sealed)?;
                let data_key = token.unwrap_key(wrapping, sealed_under, wrapped.to_vec()).await?;
                open_after(&cipher(&data_key)?, head, context, sealed)
            }
        }
    }
}

impl MasterKeyId {
    /// An id, from its bytes.
    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id of the master key that something is sealed under.
    pub fn of_sealed(sealed: &[u8]) -> Result<Self, SignerError> {
        head_of(sealed).map(|(_, id)| id)
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeyId({self})")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Held { id, .. } => write!(f, "MasterKey({id})"),
            Kind::Token(token) => write!(f, "MasterKey({token:?})"),
        }
    }
}

/// Fills with random numbers.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), SignerError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SignerError::Random)
}

fn cipher(bytes: &[u8; 32]) -> Result<LessSafeKey, SignerError> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SignerError::Sealed)?;
    Ok(LessSafeKey::new(key))
}

fn head_of(sealed: &[u8]) -> Result<(u8, MasterKeyId), SignerError> {
    let (head, _) = sealed.split_first_chunk::<HEAD>().ok_or(SignerError::Sealed)?;
    let (format, id) = head.split_first().ok_or(SignerError::Sealed)?;
    if !matches!(*format, HELD | TOKEN_GCM | TOKEN_CBC) {
        return Err(SignerError::Sealed);
    }
    let id = id.first_chunk().copied().ok_or(SignerError::Sealed)?;
    Ok((*format, MasterKeyId(id)))
}

/// Appends nonce, ciphertext and tag to the head, which is authenticated with the context.
fn seal_after(
    key: &LessSafeKey,
    head: &[u8],
    context: &str,
    secret: &[u8],
) -> Result<Vec<u8>, SignerError> {
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce)?;
    let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len().saturating_add(16)));
    sealed.extend_from_slice(secret);
    let aad = Aad::from([head, context.as_bytes()].concat());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *sealed)
        .map_err(|_| SignerError::Sealed)?;
    Ok([head, &nonce, &sealed].concat())
}

fn open_after(
    key: &LessSafeKey,
    head: usize,
    context: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    let (head, rest) = sealed.split_at_checked(head).ok_or(SignerError::Sealed)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SignerError::Sealed)?;
    let mut secret = Zeroizing::new(rest.to_vec());
    let aad = Aad::from([head, context.as_bytes()].concat());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut secret)
        .map_err(|_| SignerError::Sealed)?
        .len();
    secret.truncate(length);
    Ok(secret)
}

/// Sealed by the master key itself.
const HELD: u8 = 1;
/// Sealed by a key of its own, which the token sealed with AES-GCM.
const TOKEN_GCM: u8 = 2;
/// Sealed by a key of its own, which the token encrypted with AES-CBC.
const TOKEN_CBC: u8 = 3;
/// Bytes of the head: the format, and the id of the master key.
const HEAD: usize = 17;
/// What a master key's id is the code of.
const ID_LABEL: &[u8] = b"trust server master key id 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sealed_opens_in_its_context_only() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("a", b"secret").await.unwrap();
        assert_eq!(**key.open("a", &sealed).await.unwrap(), *b"secret");
        assert!(matches!(key.open("b", &sealed).await, Err(SignerError::Sealed)));
        assert_ne!(key.seal("a", b"secret").await.unwrap(), sealed);
        for length in 0..sealed.len() {
            assert!(matches!(key.open("a", &sealed[..length]).await, Err(SignerError::Sealed)));
        }
    }

    #[tokio::test]
    async fn no_bit_of_what_is_sealed_can_be_changed() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("a", b"secret").await.unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let refused = key.open("a", &changed).await;
            if (8..HEAD * 8).contains(&bit) {
                assert!(matches!(refused, Err(SignerError::WrongMaster { .. })), "{bit}");
            } else {
                assert!(matches!(refused, Err(SignerError::Sealed)), "{bit}");
            }
        }
    }

    #[tokio::test]
    async fn another_master_key_is_named() {
        let (one, two) = (MasterKey::new(&[7; 32]).unwrap(), MasterKey::new(&[8; 32]).unwrap());
        let sealed = one.seal("a", b"secret").await.unwrap();
        let Err(SignerError::WrongMaster { sealed_under, master }) = two.open("a", &sealed).await
        else {
            panic!("opened by another key")
        };
        assert_eq!(sealed_under, one.id().await.unwrap().to_string());
        assert_eq!(master, two.id().await.unwrap().to_string());
        assert_eq!(MasterKeyId::of_sealed(&sealed).unwrap(), one.id().await.unwrap());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = MasterKey::new(&[7; 32]).unwrap();
        assert!(!format!("{key:?}").contains("0707"));
    }
}
