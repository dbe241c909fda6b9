//! What a publication must be: stored files, an update and a time go in; a plan of what to store
//! comes out, or why not (notary.md §3.4). Pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::codec::text::to_hex;
use crate::crypto::hash::HashError;
use crate::crypto::{KeyId, Sha256Hash};
use crate::limits::{BUMP_VERSIONS, MAX_DELEGATION_DEPTH, MAX_DELEGATION_ROLES, MAX_VERSION};
use crate::server::meta::keys::ServerKeys;
use crate::server::meta::trust::{
    CollectionState, HighestVersion, NewFile, SignedTarget, StoredFile, TargetChanges,
};
use crate::server::notary::invalid::Invalid;
use crate::server::notary::stored::Stored;
use crate::tuf::metadata::{Document, FileMeta, Header};
use crate::tuf::root_trust::{Dates, certified_keys};
use crate::tuf::verify::{RoleKeys, verify};
use crate::tuf::{Gun, MetadataError, RoleName, Root, Signed, Snapshot, Targets, Verified};

/// Files by role, as somebody sent them.
pub type Files = BTreeMap<RoleName, Bytes>;

/// What to store, and what the server still has to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The root, as it will be.
    pub root: Verified<Root>,
    /// What was sent.
    pub files: BTreeMap<RoleName, NewFile>,
    /// The snapshot.
    pub snapshot: PlannedSnapshot,
    /// The next timestamp's version.
    pub timestamp_version: u64,
    /// Roles that somebody delegates to again, and whose last file, which is stored, is the current
    /// one again: its version, and when it expires.
    pub restored: BTreeMap<RoleName, (u64, Timestamp)>,
    /// Roles that have no current file any more: nobody delegates to them, or the snapshot does
    /// not list them.
    pub gone: Vec<RoleName>,
    /// What changes in the targets that each role signs.
    pub targets: BTreeMap<RoleName, TargetChanges>,
    /// The server's keys that the root lists, by role.
    pub keys: BTreeMap<RoleName, Vec<KeyId>>,
}

/// Where the next snapshot comes from.
#[derive(Debug, Clone)]
pub enum PlannedSnapshot {
    /// It was sent, and is among the files.
    Sent(FileMeta),
    /// The server makes it, with these entries.
    ToMake {
        /// Its version.
        version: u64,
        /// Each role's file.
        meta: BTreeMap<RoleName, FileMeta>,
    },
}

/// Checks an update against what is stored, in the order of notary.md §3.4.
pub fn validate(
    gun: &Gun,
    state: &CollectionState,
    keys: &ServerKeys,
    update: &Files,
    now: Timestamp,
) -> Result<Plan, Invalid> {
    let stored = Stored::check(gun, state)?;
    let update = Update::parse(update)?;
    let root = stored.root.as_ref();
    let is_archive =
        root.is_some_and(|root| held(root.body(), &RoleName::Timestamp, keys).is_none());
    match plan(gun, state, &stored, keys, &update, now) {
        Ok(plan) if is_archive => Ok(plan.beyond_what_was_seen()),
        Err(error @ (Invalid::NoSnapshot | Invalid::NoTimestampKey)) if is_archive => {
            Err(Invalid::Archive(Box::new(error)))
        }
        planned => planned,
    }
}

impl Plan {
    /// The end of an archive: whoever signed for it before may have gone on after it was copied,
    /// and readers may have seen that.
    fn beyond_what_was_seen(mut self) -> Self {
        let beyond = |version: u64| {
            let beyond = version.saturating_add(BUMP_VERSIONS);
            if beyond > MAX_VERSION { version } else { beyond }
        };
        self.timestamp_version = beyond(self.timestamp_version);
        if let PlannedSnapshot::ToMake { version, .. } = &mut self.snapshot {
            *version = beyond(*version);
        }
        self
    }
}

fn plan(
    gun: &Gun,
    state: &CollectionState,
    stored: &Stored,
    keys: &ServerKeys,
    update: &Update,
    now: Timestamp,
) -> Result<Plan, Invalid> {
    let (files, restored) = (BTreeMap::new(), BTreeMap::new());
    let mut check = Check { gun, state, now, stored, files, restored };
    let root = check.root(update)?;
    let mut targets = check.targets(update, root.body())?;
    check.restore(update, &mut targets)?;
    let reachable = reachable(&targets);
    let snapshot = match &update.snapshot {
        Some(snapshot) => {
            let meta = check.sent_snapshot(snapshot, &root, &targets, &reachable, update)?;
            PlannedSnapshot::Sent(meta)
        }
        None => check.made_snapshot(&root, &targets, &reachable, keys)?,
    };
    if held(root.body(), &RoleName::Timestamp, keys).is_none() {
        return Err(Invalid::NoTimestampKey);
    }
    check.versions()?;
    let gone = check.gone(&snapshot, update, &reachable);
    let changes = check.target_changes(update, &gone);
    let restored = check.restored.iter().map(|(role, file)| {
        let Header { version, expires } = file.unverified().header();
        (role.clone(), (*version, expires.instant()))
    });
    let server_roles = [RoleName::Timestamp, RoleName::Snapshot];
    let listed = server_roles.map(|role| {
        let listed = listed_keys(root.body(), &role, keys);
        (role, listed)
    });
    Ok(Plan {
        timestamp_version: next_version(state, &RoleName::Timestamp)?,
        restored: restored.collect(),
        files: check.files,
        root,
        snapshot,
        gone,
        targets: changes,
        keys: listed.into(),
    })
}

/// The server's keys that sign a role under this root, if they are enough.
pub fn held<'a>(root: &Root, role: &RoleName, keys: &'a ServerKeys) -> Option<Vec<&'a KeyId>> {
    let spec = root.role_keys(role)?;
    let own = keys.get(role)?;
    let listed: Vec<_> = own.keys().filter(|id| spec.keys.contains_key(*id)).collect();
    let enough = u32::try_from(listed.len()).unwrap_or(u32::MAX) >= spec.threshold.get();
    enough.then_some(listed)
}

/// The next version of a role that the server signs: above all that there ever was.
pub fn next_version(state: &CollectionState, role: &RoleName) -> Result<u64, Invalid> {
    let highest = state.versions.get(role).copied().unwrap_or_default().ever;
    let next = highest.saturating_add(1);
    if next > MAX_VERSION { Err(Invalid::Exhausted { role: role.clone() }) } else { Ok(next) }
}

/// The server's keys that a root lists for a role.
pub fn listed_keys(root: &Root, role: &RoleName, keys: &ServerKeys) -> Vec<KeyId> {
    let spec = root.role_keys(role).map(|spec| spec.keys).unwrap_or_default();
    let own = keys.get(role).into_iter().flat_map(BTreeMap::keys);
    own.filter(|id| spec.contains_key(*id)).cloned().collect()
}

/// An update, parsed. What is wrong inside a document waits until it is its turn.
struct Update {
    root: Option<Read<Root>>,
    targets: BTreeMap<RoleName, Read<Targets>>,
    snapshot: Option<Read<Snapshot>>,
}

type Read<T> = Result<Signed<T>, MetadataError>;

impl Update {
    /// Parses every file but a timestamp, which nobody may send; one that is no envelope is
    /// refused at once.
    fn parse(files: &Files) -> Result<Self, Invalid> {
        let mut update = Self { root: None, targets: BTreeMap::new(), snapshot: None };
        for (role, bytes) in files {
            match role {
                RoleName::Timestamp => {}
                RoleName::Root => update.root = Some(read(role, bytes)?),
                RoleName::Snapshot => update.snapshot = Some(read(role, bytes)?),
                RoleName::Targets | RoleName::Delegation(_) => {
                    update.targets.insert(role.clone(), read(role, bytes)?);
                }
            }
        }
        Ok(update)
    }
}

fn read<T: Document>(role: &RoleName, bytes: &[u8]) -> Result<Read<T>, Invalid> {
    match Signed::parse(role, bytes) {
        // The document itself is looked at in its turn.
        Err(error)
            if error.path.len() > 1 && error.path.first().is_some_and(|at| at == "signed") =>
        {
            Ok(Err(error))
        }
        Err(_) => Err(Invalid::Malformed { role: role.clone() }),
        Ok(signed) => Ok(Ok(signed)),
    }
}

struct Check<'a> {
    gun: &'a Gun,
    state: &'a CollectionState,
    now: Timestamp,
    stored: &'a Stored,
    /// What is to be stored of what was sent.
    files: BTreeMap<RoleName, NewFile>,
    /// Files that are stored, of roles that somebody delegates to again.
    restored: BTreeMap<RoleName, Signed<Targets>>,
}

impl Check<'_> {
    /// §3.4, 1 and 2: the root that holds from now on.
    fn root(&mut self, update: &Update) -> Result<Verified<Root>, Invalid> {
        let Some(sent) = &update.root else {
            return self.stored.root.clone().ok_or(Invalid::NoRoot);
        };
        let signed = structure(&RoleName::Root, sent)?;
        let offered = signed.unverified().header.version;
        let current = self.stored.root.as_ref().map_or(1, |root| root.body().header.version);
        let follows = offered == current || Some(offered) == current.checked_add(1);
        // One that was deleted may begin anew, or go on from where it was.
        let resumes = self.stored.root.is_none()
            && Some(offered) == self.highest(&RoleName::Root).ever.checked_add(1);
        if !follows && !resumes {
            return Err(Invalid::RootVersion { current, offered });
        }
        let own = certified_keys(signed.unverified(), self.gun, Dates::ValidAt(self.now))
            .map_err(Invalid::RootCertificates)?;
        if let Some(stored) = &self.stored.root {
            // Its certificates may have expired: an owner must be able to replace them.
            let trusted = certified_keys(stored.body(), self.gun, Dates::Ignored)
                .map_err(Invalid::RootCertificates)?;
            verify(signed.clone(), &trusted).map_err(Invalid::RootNotVouchedFor)?;
        }
        let root = verify(signed.clone(), &own).map_err(Invalid::RootSignatures)?;
        self.take(&RoleName::Root, root.signed())?;
        Ok(root)
    }

    /// §3.4, 3: the targets and delegations that hold from now on, those in the update checked
    /// against their parents, wherever these are.
    fn targets(
        &mut self,
        update: &Update,
        root: &Root,
    ) -> Result<BTreeMap<RoleName, Signed<Targets>>, Invalid> {
        let mut targets = self.stored.targets.clone();
        let mut verified = BTreeSet::new();
        let mut roles: Vec<&RoleName> = update.targets.keys().collect();
        roles.sort_by_key(|role| (role.depth(), *role));
        for role in roles {
            if role.depth() > MAX_DELEGATION_DEPTH {
                return Err(Invalid::TooDeep { role: role.clone() });
            }
            let Some(sent) = update.targets.get(role) else { continue };
            let signed = structure(role, sent)?;
            if let Some(parent) = role.parent() {
                verify_stored(&parent, root, &targets, &mut verified)?;
            }
            let keys = keys_of(role, root, &targets)?;
            verify(signed.clone(), &keys)
                .map_err(|cause| Invalid::Signatures { role: role.clone(), cause })?;
            self.take(role, signed)?;
            targets.insert(role.clone(), signed.clone());
            verified.insert(role.clone());
        }
        if targets.len() > MAX_DELEGATION_ROLES {
            return Err(Invalid::TooMany);
        }
        // A root that gives targets to other keys leaves a repository that nobody can read, unless
        // they have signed.
        if targets.contains_key(&RoleName::Targets) {
            verify_stored(&RoleName::Targets, root, &targets, &mut verified)?;
        }
        Ok(targets)
    }

    /// A delegation that was taken away left the snapshot. If it is made again and its last file is
    /// still signed as its parent says (or the snapshot that was sent lists it), that is its file
    /// again: to those who saw it before, a role without a file would look like one whose file is
    /// withheld.
    fn restore(
        &mut self,
        update: &Update,
        targets: &mut BTreeMap<RoleName, Signed<Targets>>,
    ) -> Result<(), Invalid> {
        let mut waiting = vec![RoleName::Targets];
        while let Some(parent) = waiting.pop() {
            let Some(file) = targets.get(&parent).cloned() else { continue };
            for child in &file.unverified().delegations.roles {
                let role = &child.name;
                waiting.push(role.clone());
                let former = self.state.former.get(role).filter(|_| !targets.contains_key(role));
                let Some(former) = former else { continue };
                let altered = || Invalid::Altered { role: role.clone() };
                if Sha256Hash::of(&former.bytes) != former.sha256 {
                    return Err(altered());
                }
                let former =
                    Signed::<Targets>::parse(role, &former.bytes).map_err(|_| altered())?;
                let back = match &update.snapshot {
                    Some(Ok(snapshot)) => {
                        let meta = snapshot.unverified().meta.get(role);
                        meta.is_some_and(|meta| meta.hashes.check(former.raw()).is_ok())
                    }
                    Some(Err(_)) => false,
                    None => {
                        let keys = file.unverified().role_keys(role);
                        keys.is_some_and(|keys| verify(former.clone(), &keys).is_ok())
                    }
                };
                if back {
                    self.restored.insert(role.clone(), former.clone());
                    targets.insert(role.clone(), former);
                }
            }
        }
        Ok(())
    }

    /// §3.4, 4: a snapshot that was sent.
    fn sent_snapshot(
        &mut self,
        sent: &Read<Snapshot>,
        root: &Verified<Root>,
        targets: &BTreeMap<RoleName, Signed<Targets>>,
        reachable: &BTreeSet<RoleName>,
        update: &Update,
    ) -> Result<FileMeta, Invalid> {
        let role = RoleName::Snapshot;
        let signed = structure(&role, sent)?;
        let keys = keys_of(&role, root.body(), targets)?;
        verify(signed.clone(), &keys)
            .map_err(|cause| Invalid::Signatures { role: role.clone(), cause })?;
        self.take(&role, signed)?;
        if !targets.contains_key(&RoleName::Targets) {
            return Err(Invalid::NoTargets);
        }
        // Whoever was overtaken is to hear so, before their hashes are compared to other files.
        self.versions()?;
        let meta = &signed.unverified().meta;
        check_entry(&RoleName::Root, meta, root.raw())?;
        for role in reachable {
            let Some(file) = targets.get(role) else { continue };
            let required = *role == RoleName::Targets || update.targets.contains_key(role);
            if required || meta.contains_key(role) {
                check_entry(role, meta, file.raw())?;
            }
        }
        let listed = targets.values().flat_map(|file| &file.unverified().delegations.roles);
        for child in listed.map(|child| &child.name) {
            if meta.contains_key(child) && !targets.contains_key(child) {
                return Err(Invalid::NoSuchFile { role: child.clone() });
            }
        }
        Ok(FileMeta::of(signed.raw()))
    }

    /// §3.4, 4: the snapshot that the server makes.
    fn made_snapshot(
        &self,
        root: &Verified<Root>,
        targets: &BTreeMap<RoleName, Signed<Targets>>,
        reachable: &BTreeSet<RoleName>,
        keys: &ServerKeys,
    ) -> Result<PlannedSnapshot, Invalid> {
        if !targets.contains_key(&RoleName::Targets) {
            return Err(Invalid::NoTargets);
        }
        if held(root.body(), &RoleName::Snapshot, keys).is_none() {
            return Err(Invalid::NoSnapshot);
        }
        let entry = |role: &RoleName, raw: &[u8]| {
            let before = self.stored.snapshot.as_ref();
            let before = before.and_then(|snapshot| snapshot.unverified().meta.get(role));
            let kept = before.filter(|_| !self.files.contains_key(role)).cloned();
            (role.clone(), kept.unwrap_or_else(|| FileMeta::of(raw)))
        };
        let mut meta = BTreeMap::from([entry(&RoleName::Root, root.raw())]);
        let files = reachable.iter().filter_map(|role| Some((role, targets.get(role)?)));
        meta.extend(files.map(|(role, file)| entry(role, file.raw())));
        Ok(PlannedSnapshot::ToMake {
            version: next_version(self.state, &RoleName::Snapshot)?,
            meta,
        })
    }

    /// §3.4, 6: versions that are not above all that is stored.
    fn versions(&self) -> Result<(), Invalid> {
        for (role, file) in &self.files {
            if file.file.version <= self.highest(role).live {
                return Err(Invalid::Version);
            }
        }
        Ok(())
    }

    fn highest(&self, role: &RoleName) -> HighestVersion {
        self.state.versions.get(role).copied().unwrap_or_default()
    }

    /// Refuses what has expired, and stores the rest.
    fn take<T: Document>(&mut self, role: &RoleName, signed: &Signed<T>) -> Result<(), Invalid> {
        let Header { version, expires } = signed.unverified().header();
        let expires = expires.instant();
        if expires < self.now {
            return Err(Invalid::Expired { role: role.clone(), since: expires });
        }
        let bytes = signed.raw().to_vec();
        let file = StoredFile {
            version: *version,
            sha256: Sha256Hash::of(&bytes),
            bytes,
            created_at: self.now,
        };
        self.files.insert(role.clone(), NewFile { file, expires, made_here: false });
        Ok(())
    }

    fn gone(
        &self,
        snapshot: &PlannedSnapshot,
        update: &Update,
        reachable: &BTreeSet<RoleName>,
    ) -> Vec<RoleName> {
        let sent = update.snapshot.as_ref().and_then(|sent| sent.as_ref().ok());
        let stays = |role: &RoleName| {
            let listed = match (snapshot, sent) {
                (PlannedSnapshot::Sent(_), Some(sent)) => {
                    let meta = sent.unverified().meta.get(role);
                    let listed = meta.and_then(|meta| meta.sha256().ok());
                    let file = self.stored.targets.get(role);
                    let same = listed == file.map(|file| Sha256Hash::of(file.raw()));
                    self.files.contains_key(role) || same
                }
                _ => true,
            };
            listed && reachable.contains(role)
        };
        let before = self.stored.targets.keys();
        before.filter(|role| !stays(role)).cloned().collect()
    }

    fn target_changes(
        &self,
        update: &Update,
        gone: &[RoleName],
    ) -> BTreeMap<RoleName, TargetChanges> {
        let mut changes: BTreeMap<_, _> = (self.restored.iter())
            .map(|(role, file)| {
                let added = signed_targets(file).into_iter().collect();
                (role.clone(), TargetChanges { added, removed: Vec::new() })
            })
            .collect();
        for (role, sent) in &update.targets {
            let Ok(sent) = sent else { continue };
            // One that nobody delegates to is stored, and signs nothing.
            if gone.contains(role) {
                continue;
            }
            let before = self.stored.targets.get(role).map(signed_targets).unwrap_or_default();
            let after = signed_targets(sent);
            let change = TargetChanges {
                added: after.difference(&before).cloned().collect(),
                removed: before.difference(&after).cloned().collect(),
            };
            if !change.added.is_empty() || !change.removed.is_empty() {
                changes.insert(role.clone(), change);
            }
        }
        changes
    }
}

/// Checks what is stored of a role's ancestors and the role itself; their age does not matter.
fn verify_stored(
    role: &RoleName,
    root: &Root,
    targets: &BTreeMap<RoleName, Signed<Targets>>,
    verified: &mut BTreeSet<RoleName>,
) -> Result<(), Invalid> {
    let mut line = vec![role.clone()];
    while let Some(parent) = line.last().and_then(RoleName::parent) {
        line.push(parent);
    }
    for role in line.into_iter().rev() {
        if verified.contains(&role) {
            continue;
        }
        let keys = keys_of(&role, root, targets)?;
        let Some(file) = targets.get(&role) else {
            return Err(if role == RoleName::Targets {
                Invalid::NoTargets
            } else {
                Invalid::NoDelegation { role }
            });
        };
        verify(file.clone(), &keys)
            .map_err(|cause| Invalid::Signatures { role: role.clone(), cause })?;
        verified.insert(role);
    }
    Ok(())
}

/// Who signs a role.
fn keys_of(
    role: &RoleName,
    root: &Root,
    targets: &BTreeMap<RoleName, Signed<Targets>>,
) -> Result<RoleKeys, Invalid> {
    let keys = match role.parent() {
        None => root.role_keys(role),
        Some(parent) => targets.get(&parent).and_then(|file| file.unverified().role_keys(role)),
    };
    keys.ok_or_else(|| Invalid::NoDelegation { role: role.clone() })
}

fn structure<'a, T>(role: &RoleName, sent: &'a Read<T>) -> Result<&'a Signed<T>, Invalid> {
    sent.as_ref().map_err(|cause| Invalid::Structure { role: role.clone(), cause: cause.clone() })
}

/// The roles that have a file and to which a line of delegations leads from `targets`.
fn reachable(targets: &BTreeMap<RoleName, Signed<Targets>>) -> BTreeSet<RoleName> {
    let mut reachable = BTreeSet::new();
    let mut waiting = vec![RoleName::Targets];
    while let Some(role) = waiting.pop() {
        let Some(file) = targets.get(&role) else { continue };
        waiting.extend(file.unverified().delegations.roles.iter().map(|child| child.name.clone()));
        reachable.insert(role);
    }
    reachable
}

fn check_entry(
    role: &RoleName,
    meta: &BTreeMap<RoleName, FileMeta>,
    raw: &[u8],
) -> Result<(), Invalid> {
    let Some(entry) = meta.get(role) else {
        return Err(Invalid::NotInSnapshot { role: role.clone() });
    };
    match entry.hashes.check(raw) {
        Ok(()) => {}
        Err(HashError::Mismatch { algorithm, expected, .. }) => {
            return Err(Invalid::Checksum { role: role.clone(), algorithm, expected });
        }
        Err(_) => return Err(Invalid::NotInSnapshot { role: role.clone() }),
    }
    let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    if entry.length != length {
        return Err(Invalid::Length { role: role.clone(), expected: entry.length });
    }
    Ok(())
}

/// The targets that a file signs, as the index of them has them.
pub fn signed_targets(file: &Signed<Targets>) -> BTreeSet<SignedTarget> {
    let targets = file.unverified().targets.iter();
    let target = targets.filter_map(|(name, target)| {
        let digest = ["sha256", "sha512"].into_iter().find_map(|algorithm| {
            Some(format!("{algorithm}:{}", to_hex(target.hashes.get(algorithm)?)))
        })?;
        Some(SignedTarget { name: name.clone(), digest, length: target.length })
    });
    target.collect()
}
