//! `trust key passwd`: another passphrase for a key.

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::lookup::find_key;
use crate::crypto::Passphrase;
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::store::KeyInfo;

/// Changes the passphrase of a key to what `new` returns; it is asked after the old one is known
/// to be right.
pub fn change_passphrase(
    context: &Context,
    id: &str,
    new: impl FnOnce(&PassphraseRequest) -> Result<Passphrase, PassphraseError>,
) -> Result<KeyInfo, KeyActionError> {
    let store = context.trust_dir.keys()?;
    let info = find_key(&store, id)?;
    if info.encrypted {
        store.unlock(&info.id, context.passphrases.as_ref())?;
    }
    let passphrase = new(&PassphraseRequest {
        role: info.role.clone(),
        key_id: info.id.clone(),
        gun: info.gun.clone(),
        new: true,
        attempt: 1,
    })?;
    store.change_passphrase(&info.id, context.passphrases.as_ref(), &passphrase)?;
    Ok(info)
}
