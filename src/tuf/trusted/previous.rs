//! What an earlier update accepted: the versions below which nothing is accepted now.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::KeyId;
use crate::tuf::metadata::{Document, Root, Signed, Snapshot, Targets, TimestampFile};
use crate::tuf::names::RoleName;
use crate::tuf::verify::{RoleKeys, Verified, verify};

/// Cached files that still verify under the cached root; their age does not matter. A cached file
/// that does not verify counts for nothing and is replaced.
#[derive(Debug, Default)]
pub(super) struct Previous {
    pub(super) timestamp: Option<Verified<TimestampFile>>,
    pub(super) snapshot: Option<Verified<Snapshot>>,
    pub(super) targets: BTreeMap<RoleName, Verified<Targets>>,
}

impl Previous {
    /// Reads the cached files under a trusted root.
    pub(super) fn load(root: &Root, cached: &BTreeMap<RoleName, Vec<u8>>) -> Self {
        let base = |role: &RoleName| root.role_keys(role);
        let mut previous = Self {
            timestamp: verified(cached, &RoleName::Timestamp, base(&RoleName::Timestamp)),
            snapshot: verified(cached, &RoleName::Snapshot, base(&RoleName::Snapshot)),
            targets: BTreeMap::new(),
        };
        let mut queue = vec![(RoleName::Targets, base(&RoleName::Targets))];
        while let Some((role, keys)) = queue.pop() {
            let Some(file) = verified::<Targets>(cached, &role, keys) else { continue };
            for child in &file.body().delegations.roles {
                queue.push((child.name.clone(), file.body().role_keys(&child.name)));
            }
            previous.targets.insert(role, file);
        }
        previous
    }

    /// Whether the snapshot of the earlier update listed this role.
    pub(super) fn lists(&self, role: &RoleName) -> bool {
        self.snapshot.as_ref().is_some_and(|file| file.body().meta.contains_key(role))
    }

    /// Forgets versions whose keys were rotated: after a theft of keys they may have been driven
    /// up on purpose (TUF 1.0 §5.3.11, fast-forward recovery).
    pub(super) fn forget_after_rotation(&mut self, old: &Root, new: &Root) {
        let changed = |role: &RoleName| key_ids(old, role) != key_ids(new, role);
        if changed(&RoleName::Timestamp) || changed(&RoleName::Snapshot) {
            self.timestamp = None;
            self.snapshot = None;
        }
        if changed(&RoleName::Targets) {
            self.targets.clear();
        }
    }
}

fn key_ids(root: &Root, role: &RoleName) -> BTreeSet<KeyId> {
    root.role_keys(role).map(|keys| keys.keys.into_keys().collect()).unwrap_or_default()
}

fn verified<T: Document>(
    cached: &BTreeMap<RoleName, Vec<u8>>,
    role: &RoleName,
    keys: Option<RoleKeys>,
) -> Option<Verified<T>> {
    let signed = Signed::parse(role, cached.get(role)?).ok()?;
    verify(signed, &keys?).ok()
}
