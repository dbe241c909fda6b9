//! What is stored, looked at again before anything new is signed on top of it: the timestamp binds
//! all other files, and only the server's key makes timestamps.

use std::collections::BTreeMap;

use crate::crypto::Sha256Hash;
use crate::server::meta::trust::{CollectionState, StoredFile};
use crate::server::notary::invalid::Invalid;
use crate::tuf::metadata::Document;
use crate::tuf::root_trust::{Dates, certified_keys};
use crate::tuf::verify::verify;
use crate::tuf::{Gun, RoleName, Root, Signed, Snapshot, Targets, TimestampFile, Verified};

/// The current files of a collection, parsed, and found to be what was published. Their age does
/// not matter.
#[derive(Debug, Default)]
pub struct Stored {
    /// The root; `None` if there is no collection.
    pub root: Option<Verified<Root>>,
    /// The timestamp.
    pub timestamp: Option<Verified<TimestampFile>>,
    /// The snapshot.
    pub snapshot: Option<Signed<Snapshot>>,
    /// Targets and delegations.
    pub targets: BTreeMap<RoleName, Signed<Targets>>,
}

impl Stored {
    /// Checks that the root vouches for itself and for the timestamp, the timestamp for the
    /// snapshot and the snapshot for everything: a row that somebody changed must not be signed
    /// over.
    pub fn check(gun: &Gun, state: &CollectionState) -> Result<Self, Invalid> {
        if state.files.is_empty() {
            return Ok(Self::default());
        }
        let root: Signed<Root> = read(state, &RoleName::Root)?;
        let own = certified_keys(root.unverified(), gun, Dates::Ignored)
            .map_err(|_| altered(&RoleName::Root))?;
        let root = verify(root, &own).map_err(|_| altered(&RoleName::Root))?;
        let timestamp: Signed<TimestampFile> = read(state, &RoleName::Timestamp)?;
        let keys = root.body().role_keys(&RoleName::Timestamp);
        let keys = keys.ok_or_else(|| altered(&RoleName::Root))?;
        let timestamp = verify(timestamp, &keys).map_err(|_| altered(&RoleName::Timestamp))?;
        let snapshot: Signed<Snapshot> = read(state, &RoleName::Snapshot)?;
        if !is(&timestamp.body().snapshot.sha256().ok(), snapshot.raw()) {
            return Err(altered(&RoleName::Snapshot));
        }
        let mut targets = BTreeMap::new();
        for role in state.files.keys() {
            if matches!(role, RoleName::Timestamp | RoleName::Snapshot) {
                continue;
            }
            let listed = snapshot.unverified().meta.get(role).and_then(|meta| meta.sha256().ok());
            if !is(&listed, &file(state, role)?.bytes) {
                return Err(altered(role));
            }
            if role.is_targets() {
                targets.insert(role.clone(), read(state, role)?);
            }
        }
        Ok(Self { root: Some(root), timestamp: Some(timestamp), snapshot: Some(snapshot), targets })
    }
}

fn file<'a>(state: &'a CollectionState, role: &RoleName) -> Result<&'a StoredFile, Invalid> {
    state.files.get(role).ok_or_else(|| altered(role))
}

fn read<T: Document>(state: &CollectionState, role: &RoleName) -> Result<Signed<T>, Invalid> {
    let file = file(state, role)?;
    let signed = Signed::<T>::parse(role, &file.bytes).map_err(|_| altered(role))?;
    // The columns say under which names a file is served.
    let named = signed.unverified().header().version == file.version;
    if named && is(&Some(file.sha256), &file.bytes) { Ok(signed) } else { Err(altered(role)) }
}

fn is(expected: &Option<Sha256Hash>, bytes: &[u8]) -> bool {
    *expected == Some(Sha256Hash::of(bytes))
}

fn altered(role: &RoleName) -> Invalid {
    Invalid::Altered { role: role.clone() }
}
