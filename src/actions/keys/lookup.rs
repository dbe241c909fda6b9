//! Finds a stored key by its id, or by the beginning of it.

use crate::actions::keys::KeyActionError;
use crate::store::{KeyInfo, KeyStore};

/// Fewest digits of an id that name a key: as many as docker shows.
pub const MIN_ID_DIGITS: usize = 7;

/// Returns the one stored key whose id begins with `id`.
pub fn find_key(store: &KeyStore, id: &str) -> Result<KeyInfo, KeyActionError> {
    pick(store.list()?.keys, id)
}

fn pick(keys: Vec<KeyInfo>, id: &str) -> Result<KeyInfo, KeyActionError> {
    let wanted = id.to_ascii_lowercase();
    if wanted.len() < MIN_ID_DIGITS || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(KeyActionError::ShortId { id: id.to_owned(), minimum: MIN_ID_DIGITS });
    }
    let mut found: Vec<KeyInfo> =
        keys.into_iter().filter(|key| key.id.as_str().starts_with(&wanted)).collect();
    found.dedup_by(|a, b| a.id == b.id);
    match (found.len(), found.pop()) {
        (1, Some(key)) => Ok(key),
        (0, _) | (_, None) => Err(KeyActionError::NoSuchKey { id: id.to_owned() }),
        (matches, _) => Err(KeyActionError::AmbiguousId { id: id.to_owned(), matches }),
    }
}
