//! `trust key rm`: a key is gone.

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::store::{KeyInfo, keyring};

/// Removes a key found by [`find_key`](crate::actions::keys::lookup::find_key), and its passphrase
/// from the keyring.
pub fn remove(context: &Context, key: &KeyInfo) -> Result<(), KeyActionError> {
    context.trust_dir.keys()?.remove(&key.id)?;
    // What the keyring still knows opens nothing now; without a keyring there is nothing to forget.
    drop(keyring::forget(&context.keyring, &key.id));
    Ok(())
}
