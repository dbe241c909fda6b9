//! `trust key remember` and `forget`: passphrases kept by the operating system's keyring.

use std::sync::Mutex;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::lookup::find_key;
use crate::crypto::Passphrase;
use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use crate::store::{KeyInfo, keyring};

/// Asks for a key's passphrase, checks it by opening the key, and keeps it in the keyring.
pub fn remember(context: &Context, id: &str) -> Result<KeyInfo, KeyActionError> {
    let store = context.trust_dir.keys()?;
    let info = find_key(&store, id)?;
    if !info.encrypted {
        return Err(KeyActionError::NotEncrypted);
    }
    let listener = Listener { source: context.passphrases.as_ref(), last: Mutex::new(None) };
    store.unlock(&info.id, &listener)?;
    let passphrase = listener.last.into_inner().unwrap_or_default();
    let passphrase = passphrase.ok_or(KeyActionError::NotEncrypted)?;
    keyring::remember(&context.keyring, &info.id, &passphrase)?;
    Ok(info)
}

/// Removes a key's passphrase from the keyring; whether one was there.
pub fn forget(context: &Context, id: &str) -> Result<(KeyInfo, bool), KeyActionError> {
    let info = find_key(&context.trust_dir.keys()?, id)?;
    let was_there = keyring::forget(&context.keyring, &info.id)?;
    Ok((info, was_there))
}

/// Hears which passphrase opened the key: the last one given.
struct Listener<'a> {
    source: &'a (dyn PassphraseSource + Send + Sync),
    last: Mutex<Option<Passphrase>>,
}

impl PassphraseSource for Listener<'_> {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let passphrase = self.source.passphrase(request)?;
        if let Ok(mut last) = self.last.lock() {
            *last = Some(passphrase.clone());
        }
        Ok(passphrase)
    }

    fn accepted(&self, request: &PassphraseRequest, passphrase: &Passphrase) {
        self.source.accepted(request, passphrase);
    }
}
