//! The server's own keys: it signs timestamps, and snapshots where their owners leave that to it
//! (`spec/server-keys.md`).
//!
//! Private keys leave this module sealed only. Nothing leaves it that does not verify: tokens,
//! memory and networks make mistakes, and a wrong signature that is published stops every reader.

pub mod error;
pub mod local;
pub mod master;
pub mod remote;
pub mod reseal;
pub mod source;
pub mod token;
mod wire;

pub use error::SignerError;
pub use local::LocalSigner;
pub use master::{MasterKey, MasterKeyId};
pub use remote::{RemoteOptions, RemoteSigner};
pub use reseal::{Resealed, reseal};
pub use source::MasterSource;

use crate::crypto::{KeyType, PublicKey, Signature};
use crate::limits::MAX_INLINE_MESSAGE_BYTES;
use crate::tuf::{Gun, RoleName};

/// Which keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Ed25519, as notary-server's own signer.
    #[default]
    Ed25519,
    /// ECDSA on P-256, as notary-signer.
    Ecdsa,
}

/// What makes keys and signs with them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signer {
    /// This process; keys are kept in the database, sealed.
    Local(LocalSigner),
    /// A `notary-signer`, which keeps them itself.
    Remote(RemoteSigner),
}

/// A key as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// The public key.
    pub public: PublicKey,
    /// The private key, sealed; `None` if another process has it.
    pub sealed: Option<Vec<u8>>,
}

impl Signer {
    /// Makes a key for a role of a collection.
    pub async fn create(&self, gun: &Gun, role: &RoleName) -> Result<ServerKey, SignerError> {
        let key = match self {
            Self::Local(local) => local.create(gun, role).await?,
            Self::Remote(remote) => remote.create(gun, role).await?,
        };
        key.public.check().map_err(SignerError::Key)?;
        Ok(key)
    }

    /// Signs a message, and verifies the signature.
    pub async fn sign(
        &self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        message: &[u8],
    ) -> Result<Signature, SignerError> {
        let (method, bytes) = match self {
            Self::Local(local) => local.sign(gun, role, key, message).await?,
            Self::Remote(remote) => remote.sign(key, message).await?,
        };
        let signature = Signature { key_id: key.public.id(), method, bytes };
        verify(&key.public, message, &signature).await?;
        Ok(signature)
    }

    /// Forgets a key that is not needed any more. The database's row is not looked at.
    pub async fn delete(&self, key: &ServerKey) -> Result<(), SignerError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(remote) => remote.delete(key).await,
        }
    }

    /// Tells whether a key could be made and used now.
    pub async fn check(&self) -> Result<(), SignerError> {
        match self {
            Self::Local(local) => local.check().await,
            Self::Remote(remote) => remote.check().await,
        }
    }
}

impl Algorithm {
    /// The name of the algorithm, as metadata and signers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
        }
    }

    fn key_type(self) -> KeyType {
        match self {
            Self::Ed25519 => KeyType::Ed25519,
            Self::Ecdsa => KeyType::Ecdsa,
        }
    }
}

async fn verify(
    public: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), SignerError> {
    if message.len() <= MAX_INLINE_MESSAGE_BYTES {
        let verified = public.verify(&signature.method, message, &signature.bytes);
        return verified.map_err(SignerError::BadSignature);
    }
    let (public, message, signature) = (public.clone(), message.to_vec(), signature.clone());
    let verifying = tokio::task::spawn_blocking(move || {
        public.verify(&signature.method, &message, &signature.bytes)
    });
    let verified = verifying.await.map_err(|error| SignerError::Unavailable(error.into()))?;
    verified.map_err(SignerError::BadSignature)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use test_case::test_case;

    use super::*;

    fn signer(byte: u8, algorithm: Algorithm) -> Signer {
        Signer::Local(LocalSigner::new(MasterKey::new(&[byte; 32]).unwrap(), algorithm))
    }

    fn names() -> (Gun, RoleName) {
        (Gun::parse("localhost/app").unwrap(), RoleName::Timestamp)
    }

    #[test_case(Algorithm::Ed25519; "ed25519")]
    #[test_case(Algorithm::Ecdsa; "ecdsa")]
    #[tokio::test]
    async fn messages_of_every_size_are_signed(algorithm: Algorithm) {
        let (gun, role) = names();
        let signer = signer(7, algorithm);
        signer.check().await.unwrap();
        let key = signer.create(&gun, &role).await.unwrap();
        assert_eq!(key.public.key_type().as_str(), algorithm.as_str());
        for length in [0, 1, MAX_INLINE_MESSAGE_BYTES, MAX_INLINE_MESSAGE_BYTES + 1] {
            let message = vec![b'm'; length];
            let signature = signer.sign(&gun, &role, &key, &message).await.unwrap();
            assert_eq!(signature.bytes.len(), 64);
            assert_eq!(key.public.verify(&signature.method, &message, &signature.bytes), Ok(()));
        }
        let start = Instant::now();
        for _ in 0..200 {
            signer.sign(&gun, &role, &key, b"message").await.unwrap();
        }
        println!("{algorithm:?}: {:?} a signature", start.elapsed() / 200);
    }

    #[tokio::test]
    async fn a_row_moved_elsewhere_does_not_sign() {
        let (gun, role) = names();
        let signer = signer(7, Algorithm::Ed25519);
        let key = signer.create(&gun, &role).await.unwrap();
        let other = Gun::parse("localhost/other").unwrap();
        let moved = signer.sign(&other, &role, &key, b"m").await;
        assert!(matches!(moved, Err(SignerError::Sealed)));
        let moved = signer.sign(&gun, &RoleName::Snapshot, &key, b"m").await;
        assert!(matches!(moved, Err(SignerError::Sealed)));
    }

    #[tokio::test]
    async fn what_the_private_key_of_another_row_signs_does_not_leave() {
        let (gun, role) = names();
        let signer = signer(7, Algorithm::Ed25519);
        let one = signer.create(&gun, &role).await.unwrap();
        let two = signer.create(&gun, &role).await.unwrap();
        let mixed = ServerKey { public: one.public, sealed: two.sealed };
        let refused = signer.sign(&gun, &role, &mixed, b"m").await;
        assert!(matches!(refused, Err(SignerError::BadSignature(_))));
    }

    #[tokio::test]
    async fn a_previous_master_key_still_opens() {
        let (gun, role) = names();
        let old = signer(7, Algorithm::Ed25519).create(&gun, &role).await.unwrap();
        let new = signer(8, Algorithm::Ed25519);
        let refused = new.sign(&gun, &role, &old, b"m").await;
        assert!(matches!(refused, Err(SignerError::WrongMaster { .. })));
        let master = MasterKey::new(&[8; 32]).unwrap();
        let previous = vec![MasterKey::new(&[6; 32]).unwrap(), MasterKey::new(&[7; 32]).unwrap()];
        let both =
            Signer::Local(LocalSigner::new(master, Algorithm::Ed25519).with_previous(previous));
        both.sign(&gun, &role, &old, b"m").await.unwrap();
        let made = both.create(&gun, &role).await.unwrap();
        new.sign(&gun, &role, &made, b"m").await.unwrap();
    }
}
