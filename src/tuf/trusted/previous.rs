//! What an earlier update accepted: the versions below which nothing is accepted now.

use std::collections::BTreeMap;

use crate::tuf::metadata::{Document, Root, Signed, Snapshot, Targets, TimestampFile};
use crate::tuf::names::RoleName;
use crate::tuf::verify::{RoleKeys, Verified, verify};

/// Cached files that still verify under the cached root; their age does not matter. A cached file
/// that does not verify is replaced, and of a delegation's only the version counts.
#[derive(Debug, Default)]
pub(super) struct Previous {
    pub(super) timestamp: Option<Verified<TimestampFile>>,
    pub(super) snapshot: Option<Verified<Snapshot>>,
    pub(super) targets: BTreeMap<RoleName, Verified<Targets>>,
    /// Versions of delegations' files that were accepted once, by keys that have been taken away
    /// from the role since: whose signature remains must not be able to bring older ones back.
    outgrown: BTreeMap<RoleName, u64>,
}

impl Previous {
    /// Reads the cached files under a trusted root.
    pub(super) fn load(root: &Root, cached: &BTreeMap<RoleName, Vec<u8>>) -> Self {
        let base = |role: &RoleName| root.role_keys(role);
        let mut previous = Self {
            timestamp: verified(cached, &RoleName::Timestamp, base(&RoleName::Timestamp)),
            snapshot: verified(cached, &RoleName::Snapshot, base(&RoleName::Snapshot)),
            targets: BTreeMap::new(),
            outgrown: BTreeMap::new(),
        };
        let mut queue = vec![(RoleName::Targets, base(&RoleName::Targets))];
        while let Some((role, keys)) = queue.pop() {
            let Some(raw) = cached.get(&role) else { continue };
            let Ok(signed) = Signed::<Targets>::parse(&role, raw) else { continue };
            let file = keys.and_then(|keys| verify(signed.clone(), &keys).ok());
            if file.is_none() && !role.is_delegation() {
                continue;
            }
            // Looked up only for files that are there: a document can list roles by the thousand.
            let children = signed.unverified().delegations.roles.iter();
            for child in children.filter(|child| cached.contains_key(&child.name)) {
                let keys = file.as_ref().and_then(|file| file.body().role_keys(&child.name));
                queue.push((child.name.clone(), keys));
            }
            match file {
                Some(file) => drop(previous.targets.insert(role, file)),
                None => drop(previous.outgrown.insert(role, signed.unverified().header.version)),
            }
        }
        previous
    }

    /// The version below which no file of a targets role is accepted.
    pub(super) fn floor(&self, role: &RoleName) -> Option<u64> {
        let file = self.targets.get(role).map(|file| file.body().header.version);
        file.or_else(|| self.outgrown.get(role).copied())
    }

    /// Whether the earlier update had a file of this role, or its snapshot listed one. The
    /// snapshot is forgotten when its key is rotated; the file is not.
    pub(super) fn knew(&self, role: &RoleName) -> bool {
        self.targets.contains_key(role)
            || self.snapshot.as_ref().is_some_and(|file| file.body().meta.contains_key(role))
    }

    /// Forgets files that a newer root's keys would not accept: after a theft of keys their
    /// versions may have been driven up on purpose (TUF 1.0 §5.3.11, fast-forward recovery).
    ///
    /// One that is still signed as it should be counts on, whatever keys came or went beside:
    /// a rotation of one key must not be a way to roll back what others signed.
    pub(super) fn forget_unsigned(&mut self, root: &Root) {
        self.timestamp = still_signed(self.timestamp.take(), root, &RoleName::Timestamp);
        self.snapshot = still_signed(self.snapshot.take(), root, &RoleName::Snapshot);
        let targets = self.targets.remove(&RoleName::Targets);
        if let Some(targets) = still_signed(targets, root, &RoleName::Targets) {
            self.targets.insert(RoleName::Targets, targets);
        } else {
            // Whoever held the targets key could drive up the delegations, too.
            self.targets.clear();
            self.outgrown.clear();
        }
    }
}

fn still_signed<T: Document>(
    file: Option<Verified<T>>,
    root: &Root,
    role: &RoleName,
) -> Option<Verified<T>> {
    let keys = root.role_keys(role)?;
    file.filter(|file| file.is_signed_by(&keys))
}

fn verified<T: Document>(
    cached: &BTreeMap<RoleName, Vec<u8>>,
    role: &RoleName,
    keys: Option<RoleKeys>,
) -> Option<Verified<T>> {
    let signed = Signed::parse(role, cached.get(role)?).ok()?;
    verify(signed, &keys?).ok()
}
