//! Opening private keys to sign with, the one place where that is done.

use crate::actions::context::{ConnectionError, Context, is_loopback};
use crate::crypto::{KeyId, PrivateKey};
use crate::oci::reference::is_loopback_host;
use crate::store::{KeyStore, StoreError};
use crate::tuf::Gun;

/// Why a key is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// Everybody has this key.
    #[error("{id} is an example key that everybody has: a signature by it is worth nothing")]
    ExampleKey {
        /// The key.
        id: KeyId,
    },
    /// The key store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trust server's address, which decides about example keys, is wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Opens a key to sign for a repository. The keys of `keys-example/` are only used where registry
/// and trust server are on this machine, unless that is allowed expressly.
pub fn unlock(
    context: &Context,
    keys: &KeyStore,
    id: &KeyId,
    gun: &Gun,
) -> Result<PrivateKey, UnlockError> {
    if is_example(id) && !context.example_keys_allowed && !is_on_this_machine(context, gun)? {
        return Err(UnlockError::ExampleKey { id: id.clone() });
    }
    Ok(keys.unlock(id, context.passphrases.as_ref())?)
}

/// Whether this is one of the keys of `keys-example/`.
pub fn is_example(id: &KeyId) -> bool {
    EXAMPLE_KEYS.lines().any(|line| line == id.as_str())
}

fn is_on_this_machine(context: &Context, gun: &Gun) -> Result<bool, ConnectionError> {
    let registry = gun.segments().next().unwrap_or_default();
    if !is_loopback(registry) {
        return Ok(false);
    }
    let server = context.connections.server.for_registry(registry, true)?;
    Ok(server.host_str().is_some_and(is_loopback_host))
}

const EXAMPLE_KEYS: &str = include_str!("../../keys-example/key-ids");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_keys_are_known() {
        assert!(EXAMPLE_KEYS.lines().count() >= 3);
        for line in EXAMPLE_KEYS.lines() {
            assert!(is_example(&KeyId::parse(line).unwrap()), "{line}");
        }
        assert!(!is_example(&KeyId::parse(&"0".repeat(64)).unwrap()));
    }
}
