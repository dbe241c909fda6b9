//! Signing in a root ceremony, where the keys are: no network is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::actions::context::Context;
use crate::actions::keys::KeyActionError;
use crate::actions::keys::import::open_block;
use crate::actions::keys::load::private_blocks;
use crate::actions::keys::lookup::find_key;
use crate::actions::repo::root::CeremonyFailure;
use crate::actions::unlock::unlock;
use crate::crypto::{KeyId, PrivateKey};
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::files::{exists, read_user_file};
use crate::tuf::RoleName;
use crate::tuf::ceremony::Ceremony;
use crate::tuf::metadata::{Root, Signed};

/// What this machine knows of the root that a ceremony follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It is the one known here.
    Known,
    /// The one known here is older.
    Newer {
        /// Its version.
        known: u64,
    },
    /// Nothing is known here of the repository.
    Unknown,
}

/// Compares the root that a ceremony follows with the one known here. An older one, or another one
/// of the same version, is an error: the file is old, or not of this repository.
pub fn check_anchor(context: &Context, ceremony: &Ceremony) -> Result<Anchor, CeremonyFailure> {
    let cached = context.trust_dir.metadata(ceremony.gun()).read()?;
    let known = cached
        .get(&RoleName::Root)
        .and_then(|raw| Signed::<Root>::parse(&RoleName::Root, raw).ok());
    let Some(known) = known else { return Ok(Anchor::Unknown) };
    let present = known.unverified().header.version;
    let based_on = ceremony.current().body().header.version;
    let gun = ceremony.gun().clone();
    if based_on < present {
        return Err(CeremonyFailure::Stale { gun, part: "root", based_on, present });
    }
    if based_on > present {
        ceremony.check_known(&known)?;
        return Ok(Anchor::Newer { known: present });
    }
    if known.raw() != ceremony.current().raw() {
        return Err(CeremonyFailure::OtherRoot { gun, version: present });
    }
    Ok(Anchor::Known)
}

/// Signs with the keys named (by id, or files with private keys), else with all that are here and
/// of use. Returns the canonical ids of those that signed.
pub fn sign(
    context: &Context,
    ceremony: &mut Ceremony,
    named: &[String],
) -> Result<BTreeSet<KeyId>, CeremonyFailure> {
    let candidates = ceremony.candidates();
    let keys = if named.is_empty() {
        stored(context, ceremony, &candidates)?
    } else {
        let mut keys = BTreeMap::new();
        for name in named {
            for key in open(context, ceremony, name)? {
                if !candidates.contains(&key.id()) {
                    let candidates = candidates.into_iter().collect();
                    return Err(CeremonyFailure::UselessKey { key: key.id(), candidates });
                }
                keys.insert(key.id(), key);
            }
        }
        keys
    };
    if keys.is_empty() {
        return Err(CeremonyFailure::NoKeyHere { candidates: candidates.into_iter().collect() });
    }
    Ok(ceremony.sign(&keys)?)
}

fn stored(
    context: &Context,
    ceremony: &Ceremony,
    candidates: &BTreeSet<KeyId>,
) -> Result<BTreeMap<KeyId, PrivateKey>, CeremonyFailure> {
    let store = context.trust_dir.keys()?;
    let mut keys = BTreeMap::new();
    for id in candidates {
        if store.find(id)?.is_some() {
            keys.insert(id.clone(), unlock(context, &store, id, ceremony.gun())?);
        }
    }
    Ok(keys)
}

fn open(
    context: &Context,
    ceremony: &Ceremony,
    name: &str,
) -> Result<Vec<PrivateKey>, CeremonyFailure> {
    let store = context.trust_dir.keys()?;
    match find_key(&store, name) {
        Ok(info) => Ok(vec![unlock(context, &store, &info.id, ceremony.gun())?]),
        Err(KeyActionError::NoSuchKey { .. } | KeyActionError::ShortId { .. })
            if exists(Path::new(name)) =>
        {
            let path = Path::new(name);
            let text = zeroize::Zeroizing::new(read_user_file(path, MAX_KEY_FILE_BYTES)?);
            let blocks = private_blocks(path, &text)?;
            let keys = blocks.iter().map(|block| open_block(context, block));
            Ok(keys.collect::<Result<_, _>>()?)
        }
        Err(error) => Err(error.into()),
    }
}
