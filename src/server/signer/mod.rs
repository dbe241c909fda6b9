//! The server's own keys: it signs timestamps, and snapshots where their owners leave that to it.
//!
//! Private keys leave this module sealed only.

pub mod error;
pub mod local;
pub mod master;

pub use error::SignerError;
pub use local::LocalSigner;
pub use master::MasterKey;

use crate::crypto::{PublicKey, Signature};
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
    #[expect(clippy::unused_async, reason = "other signers are asked over the network")]
    pub async fn create(&self, gun: &Gun, role: &RoleName) -> Result<ServerKey, SignerError> {
        match self {
            Self::Local(local) => local.create(gun, role),
        }
    }

    /// Signs a message.
    #[expect(clippy::unused_async, reason = "other signers are asked over the network")]
    pub async fn sign(
        &self,
        gun: &Gun,
        role: &RoleName,
        key: &ServerKey,
        message: &[u8],
    ) -> Result<Signature, SignerError> {
        match self {
            Self::Local(local) => local.sign(gun, role, key, message),
        }
    }
}
