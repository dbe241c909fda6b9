//! Keys that this process signs with.

use crate::crypto::{PrivateKey, Signature};
use crate::server::signer::{Algorithm, MasterKey, ServerKey, SignerError};
use crate::tuf::{Gun, RoleName};

/// Makes keys, seals them with a master key, and signs with them.
#[derive(Debug)]
pub struct LocalSigner {
    master: MasterKey,
    algorithm: Algorithm,
}

impl LocalSigner {
    /// Seals with this master key and makes keys of this kind.
    pub fn new(master: MasterKey, algorithm: Algorithm) -> Self {
        Self { master, algorithm }
    }

    pub(super) fn create(&self, gun: &Gun, role: &RoleName) -> Result<ServerKey, SignerError> {
        let key = match self.algorithm {
            Algorithm::Ed25519 => PrivateKey::generate_ed25519(),
            Algorithm::Ecdsa => PrivateKey::generate_ecdsa(),
        };
        let key = key.map_err(SignerError::Key)?;
        let secret = key.to_pkcs8().map_err(SignerError::Key)?;
        let sealed = self.master.seal(&context(gun, role), &secret)?;
        Ok(ServerKey { public: key.public_key().clone(), sealed: Some(sealed) })
    }

    pub(super) fn sign(
        &self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        message: &[u8],
    ) -> Result<Signature, SignerError> {
        let sealed = key.sealed.as_ref().ok_or(SignerError::Missing)?;
        let secret = self.master.open(&context(gun, role), sealed)?;
        let private = PrivateKey::from_pkcs8(&secret).map_err(SignerError::Key)?;
        let (method, bytes) = private.sign(message).map_err(SignerError::Key)?;
        Ok(Signature { key_id: key.public.id(), method, bytes })
    }
}

/// What a key is sealed for: a row moved to another collection or role does not open.
fn context(gun: &Gun, role: &RoleName) -> String {
    format!("trust server key v1\n{role}\n{gun}")
}
