//! Keys that this process signs with.

use zeroize::Zeroizing;

use crate::crypto::{Method, PrivateKey};
use crate::limits::MAX_INLINE_MESSAGE_BYTES;
use crate::server::signer::master::MasterKeyId;
use crate::server::signer::{Algorithm, MasterKey, ServerKey, SignerError};
use crate::tuf::{Gun, RoleName};

/// Makes keys, seals them with a master key, and signs with them. A key is open for one signature
/// only: opening it takes a fraction of what signing does.
#[derive(Debug)]
pub struct LocalSigner {
    master: MasterKey,
    previous: Vec<MasterKey>,
    algorithm: Algorithm,
}

impl LocalSigner {
    /// Seals with this master key and makes keys of this kind.
    pub fn new(master: MasterKey, algorithm: Algorithm) -> Self {
        Self { master, previous: Vec::new(), algorithm }
    }

    /// Opens also what is sealed under these, as long as a new master key has not replaced them
    /// everywhere.
    #[must_use]
    pub fn with_previous(mut self, previous: Vec<MasterKey>) -> Self {
        self.previous = previous;
        self
    }

    pub(super) async fn check(&self) -> Result<(), SignerError> {
        self.master.check().await
    }

    pub(super) async fn create(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<ServerKey, SignerError> {
        let key = match self.algorithm {
            Algorithm::Ed25519 => PrivateKey::generate_ed25519(),
            Algorithm::Ecdsa => PrivateKey::generate_ecdsa(),
        };
        self.take(gun, role, &key.map_err(SignerError::Key)?).await
    }

    /// Seals a key that was made elsewhere, for a role of a collection.
    pub async fn take(
        &self,
        gun: &Gun,
        role: &RoleName,
        key: &PrivateKey,
    ) -> Result<ServerKey, SignerError> {
        let secret = key.to_pkcs8().map_err(SignerError::Key)?;
        let sealed = self.master.seal(&context(gun, role), &secret).await?;
        Ok(ServerKey { public: key.public_key().clone(), sealed: Some(sealed) })
    }

    pub(super) async fn sign(
        &self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        message: &[u8],
    ) -> Result<(Method, Vec<u8>), SignerError> {
        let sealed = key.sealed.as_ref().ok_or(SignerError::Missing)?;
        let secret = self.open(&context(gun, role), sealed).await?;
        if message.len() <= MAX_INLINE_MESSAGE_BYTES {
            return sign(&secret, message);
        }
        let message = message.to_vec();
        let signing = tokio::task::spawn_blocking(move || sign(&secret, &message));
        signing.await.map_err(|error| SignerError::Unavailable(error.into()))?
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let sealed_under = MasterKeyId::of_sealed(sealed)?;
        for previous in &self.previous {
            // One that does not answer may be a token that is not needed any more.
            if previous.id().await.is_ok_and(|id| id == sealed_under) {
                return previous.open(context, sealed).await;
            }
        }
        self.master.open(context, sealed).await
    }
}

fn sign(secret: &[u8], message: &[u8]) -> Result<(Method, Vec<u8>), SignerError> {
    let private = PrivateKey::from_pkcs8(secret).map_err(SignerError::Key)?;
    private.sign(message).map_err(SignerError::Key)
}

/// What a key is sealed for: a row moved to another collection or role does not open.
pub(super) fn context(gun: &Gun, role: &RoleName) -> String {
    format!("trust server key v1\n{role}\n{gun}")
}
