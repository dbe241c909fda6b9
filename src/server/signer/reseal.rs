//! A new master key in the place of the old one (`spec/server-keys.md` §4).

use crate::limits::MAX_RESEAL_ROUNDS;
use crate::server::meta::sealed_keys::SealedKey;
use crate::server::meta::{MetaError, MetaStore};
use crate::server::signer::local::context;
use crate::server::signer::master::MasterKeyId;
use crate::server::signer::{MasterKey, SignerError};

/// What became of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// How many were sealed again.
    pub resealed: usize,
    /// How many were sealed under the new master key before.
    pub unchanged: usize,
    /// The id of the new master key.
    pub master: MasterKeyId,
}

/// Why keys are not sealed again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// One of them cannot be opened, or a master key does not answer.
    #[error("cannot seal the key of the {role} of {gun} again")]
    Key {
        /// The collection.
        gun: String,
        /// The role.
        role: String,
        /// Why.
        #[source]
        cause: SignerError,
    },
    /// A master key does not answer.
    #[error("the new master key cannot be used")]
    Master(#[source] SignerError),
    /// The database does not do as it is told.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// New keys are made faster than old ones are sealed again.
    #[error("keys were made all the time; nothing was changed")]
    Restless,
}

/// Seals all keys under a new master key, in one transaction. All of them are opened before one is
/// changed, and each is opened again under the new master key. A server that runs meanwhile must
/// know both.
pub async fn reseal(
    meta: &MetaStore,
    old: &MasterKey,
    new: &MasterKey,
) -> Result<Resealed, ResealError> {
    let master = new.id().await.map_err(ResealError::Master)?;
    for _ in 0..MAX_RESEAL_ROUNDS {
        let mut reading = meta.read().await?;
        let keys = reading.sealed_keys().await?;
        drop(reading);
        // Tokens are slow: nobody waits for the database's writer meanwhile.
        let mut sealed = Vec::with_capacity(keys.len());
        for key in &keys {
            sealed.push(again(key, old, new, master).await.map_err(|cause| ResealError::Key {
                gun: key.gun.to_string(),
                role: key.role.to_string(),
                cause,
            })?);
        }
        let resealed = sealed.iter().flatten().count();
        if replace(meta, &keys, &sealed).await? {
            return Ok(Resealed { resealed, unchanged: keys.len() - resealed, master });
        }
    }
    Err(ResealError::Restless)
}

async fn again(
    key: &SealedKey,
    old: &MasterKey,
    new: &MasterKey,
    master: MasterKeyId,
) -> Result<Option<Vec<u8>>, SignerError> {
    let context = context(&key.gun, &key.role);
    if MasterKeyId::of_sealed(&key.sealed)? == master {
        new.open(&context, &key.sealed).await?;
        return Ok(None);
    }
    let secret = old.open(&context, &key.sealed).await?;
    let sealed = new.seal(&context, &secret).await?;
    if new.open(&context, &sealed).await? == secret {
        Ok(Some(sealed))
    } else {
        Err(SignerError::Sealed)
    }
}

/// Writes all or none; none if the keys are not those that were read.
async fn replace(
    meta: &MetaStore,
    keys: &[SealedKey],
    sealed: &[Option<Vec<u8>>],
) -> Result<bool, MetaError> {
    let mut writing = meta.write().await?;
    for (key, sealed) in keys.iter().zip(sealed) {
        if let Some(sealed) = sealed
            && !writing.replace_sealed(key, sealed).await?
        {
            return Ok(false);
        }
    }
    if writing.count_sealed_keys().await? != u64::try_from(keys.len()).unwrap_or(u64::MAX) {
        return Ok(false);
    }
    writing.commit().await?;
    Ok(true)
}
