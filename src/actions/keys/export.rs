//! `trust key export`: keys as one PEM text, in notary's form.

use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::lookup::find_key;
use crate::store::KeyInfo;

/// Which keys to export; nothing named is all of them.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Keys of these repositories.
    pub guns: Vec<String>,
    /// These keys, by id or its beginning.
    pub ids: Vec<String>,
}

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// PEM blocks as stored, each with the `path` header that names the key.
    pub pem: Zeroizing<Vec<u8>>,
    /// The keys in it.
    pub keys: Vec<KeyInfo>,
}

/// Collects keys as they are stored: encrypted ones stay encrypted.
pub fn export(context: &Context, selection: &Selection) -> Result<Exported, KeyActionError> {
    let store = context.trust_dir.keys()?;
    let mut keys = Vec::new();
    for id in &selection.ids {
        keys.push(find_key(&store, id)?);
    }
    if selection.ids.is_empty() || !selection.guns.is_empty() {
        let wanted = |key: &KeyInfo| match &key.gun {
            _ if selection.guns.is_empty() => true,
            Some(gun) => selection.guns.contains(gun),
            None => false,
        };
        keys.extend(store.list()?.keys.into_iter().filter(wanted));
    }
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    keys.dedup_by(|a, b| a.id == b.id);
    if keys.is_empty() {
        return Err(KeyActionError::NothingToExport);
    }
    let mut pem = Zeroizing::new(Vec::new());
    for key in &keys {
        pem.extend_from_slice(&store.export(&key.id)?.to_pem());
    }
    Ok(Exported { pem, keys })
}
