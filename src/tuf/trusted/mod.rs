//! The chain from a trusted root to the targets, every rule on the way, no I/O.
//!
//! A [`TrustedSet`] takes metadata files in order and refuses the first that breaks a rule; what it
//! accepted in the end is a [`TrustedRepository`], which alone answers questions and says what to
//! store. Nothing is stored before the whole chain is accepted. `spec/trust-metadata.md` §4 numbers
//! the rules.

#[cfg(test)]
mod attacks;
mod errors;
#[cfg(test)]
mod insiders;
mod previous;
#[cfg(test)]
mod properties;
mod repository;
#[cfg(test)]
mod sequences;
#[cfg(test)]
mod switches;
mod unpublished;
#[cfg(test)]
mod vulnerabilities;

pub use errors::{Note, UpdateError};
pub use repository::{Found, LookupError, TrustedRepository};
pub use unpublished::Unpublished;

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::crypto::Sha256Hash;
use crate::limits::{MAX_ALL_TARGETS_BYTES, MAX_DELEGATION_DEPTH, MAX_PROPOSALS_BYTES};
use crate::tuf::delegation::effective_paths;
use crate::tuf::metadata::{
    DelegationRole, Document, FileMeta, MetadataError, Root, Signed, Snapshot, Targets,
    TimestampFile,
};
use crate::tuf::names::{Gun, RoleName};
use crate::tuf::pinning::Pin;
use crate::tuf::proposal::is_companion_role;
use crate::tuf::root_trust::{Dates, certified_keys, pinned_keys};
use crate::tuf::rules::{EqualTimestamp, RootWalk, Rules};
use crate::tuf::verify::{Verified, VerifyError, verify, verify_successor};

use previous::Previous;

/// What expired metadata does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused: for everybody who reads.
    Enforced,
    /// It is accepted and remembered as expired: for owners, who must be able to sign it again.
    Remembered,
}

/// A file that the set needs next, as the file above it describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The role whose file it is.
    pub role: RoleName,
    /// The SHA-256 it must have, and is named by.
    pub sha256: Sha256Hash,
    /// Its size in bytes.
    pub length: u64,
}

/// Whether a root that was offered is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootStep {
    /// It is the trusted one, byte for byte.
    Unchanged,
    /// It is the next version, and now the trusted one.
    Advanced,
}

/// Trust in the making: a trusted root, and what was accepted below it so far.
#[derive(Debug)]
pub struct TrustedSet {
    gun: Gun,
    now: Timestamp,
    expiry: Expiry,
    pin: Pin,
    rules: Rules,
    known: bool,
    root: Verified<Root>,
    previous: Previous,
    timestamp: Option<Verified<TimestampFile>>,
    snapshot: Option<Verified<Snapshot>>,
    targets: BTreeMap<RoleName, Verified<Targets>>,
    paths: BTreeMap<RoleName, Vec<String>>,
    unusable: BTreeMap<RoleName, UpdateError>,
    expired: Vec<(RoleName, Timestamp)>,
    /// A delegation has vanished of which nothing but the remembered snapshot tells.
    missed_by_listing: bool,
    notes: Vec<Note>,
}

impl TrustedSet {
    /// Starts from what was trusted before. `cached` holds the files of an earlier update by role;
    /// its root is the anchor and must verify by itself, whatever its age; the other files that
    /// still verify give the versions below which nothing is accepted.
    pub fn resume(
        gun: Gun,
        now: Timestamp,
        expiry: Expiry,
        pin: Pin,
        cached: &BTreeMap<RoleName, Vec<u8>>,
    ) -> Result<Self, UpdateError> {
        let raw = cached.get(&RoleName::Root).ok_or(UpdateError::OutOfOrder)?;
        let root = self_signed_root(&gun, raw)?;
        let previous = Previous::load(root.body(), cached);
        Ok(Self::start(gun, now, expiry, pin, true, root, previous))
    }

    /// Starts from a root never seen before, which pinning must admit.
    pub fn first_use(
        gun: Gun,
        now: Timestamp,
        expiry: Expiry,
        pin: Pin,
        raw: &[u8],
    ) -> Result<Self, UpdateError> {
        let root = self_signed_root(&gun, raw)?;
        let set = Self::start(gun, now, expiry, pin, false, root, Previous::default());
        set.check_pin()?;
        Ok(set)
    }

    /// Starts from a root that pinning admits, whatever its age and the dates of its certificates:
    /// the root that somebody was told of, and whose successors are trusted because it vouched for
    /// them. Only the last of them must be in date, as [`Self::finish`] says.
    pub fn anchored(
        gun: Gun,
        now: Timestamp,
        expiry: Expiry,
        pin: &Pin,
        raw: &[u8],
    ) -> Result<Self, UpdateError> {
        let root = self_signed_root(&gun, raw)?;
        let certified = certified_keys(root.body(), &gun, Dates::Ignored)?;
        let pinned = pinned_keys(certified, &gun, pin, false, now)?;
        verify(root.signed().clone(), &pinned)?;
        // From here on nothing else may become the anchor.
        Ok(Self::start(gun, now, expiry, Pin::Forbidden, true, root, Previous::default()))
    }

    fn start(
        gun: Gun,
        now: Timestamp,
        expiry: Expiry,
        pin: Pin,
        known: bool,
        root: Verified<Root>,
        previous: Previous,
    ) -> Self {
        Self {
            gun,
            now,
            expiry,
            pin,
            rules: Rules::default(),
            known,
            root,
            previous,
            timestamp: None,
            snapshot: None,
            targets: BTreeMap::new(),
            paths: BTreeMap::new(),
            unusable: BTreeMap::new(),
            expired: Vec::new(),
            missed_by_listing: false,
            notes: Vec::new(),
        }
    }

    /// Reads the rules this strictly; without it, as strictly as can be.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The version of the root trusted now.
    pub fn root_version(&self) -> u64 {
        self.root.body().header.version
    }

    /// Takes a root: the trusted one again, or its successor, which has the next version and is
    /// signed by the keys of both. Expiry does not matter on the way: [`Self::finish`] looks at
    /// the last one's. What was accepted below the old root is to be offered again.
    ///
    /// With [`RootWalk::Notary`] a later version does as well, or another root of the same one;
    /// a note tells.
    pub fn accept_root(&mut self, raw: &[u8]) -> Result<RootStep, UpdateError> {
        if raw == self.root.raw() {
            return Ok(RootStep::Unchanged);
        }
        let signed = parse::<Root>(&RoleName::Root, raw)?;
        let trusted = self.root_version();
        let offered = signed.unverified().header.version;
        if offered < trusted {
            return Err(UpdateError::RolledBack { role: RoleName::Root, trusted, offered });
        }
        let is_next = offered == trusted + 1;
        if !is_next && self.rules.root_walk == RootWalk::Strict {
            return Err(UpdateError::NotTheNextRoot { trusted, offered });
        }
        let trusted_keys = certified_keys(self.root.body(), &self.gun, Dates::Ignored)?;
        let own_keys = certified_keys(signed.unverified(), &self.gun, Dates::Ignored)?;
        let successor = verify_successor(signed, &trusted_keys, &own_keys)
            .map_err(|cause| UpdateError::RootNotVouchedFor { version: offered, cause })?;
        self.previous.forget_unsigned(successor.body());
        self.root = successor;
        self.drop_timestamp();
        if !is_next {
            self.notes.push(Note::RootOutOfStep { trusted, offered });
        }
        Ok(RootStep::Advanced)
    }

    /// Forgets the timestamp and all that was accepted below it.
    fn drop_timestamp(&mut self) {
        self.timestamp = None;
        self.notes.retain(|note| matches!(note, Note::RootOutOfStep { .. }));
        self.drop_snapshot();
        self.expired.clear();
    }

    /// Forgets the snapshot and all that was accepted below it: files that another snapshot names
    /// must not be mixed with it.
    fn drop_snapshot(&mut self) {
        self.snapshot = None;
        self.targets.clear();
        self.paths.clear();
        self.unusable.clear();
        self.expired.retain(|(role, _)| *role == RoleName::Timestamp);
    }

    /// Takes the timestamp: signed, not older than the one before, not expired. Another file of the
    /// same version is not followed: the one before stays, unless [`EqualTimestamp::Follow`] is the
    /// rule. What was accepted below an earlier timestamp is to be offered again.
    pub fn accept_timestamp(&mut self, raw: &[u8]) -> Result<(), UpdateError> {
        self.drop_timestamp();
        let role = RoleName::Timestamp;
        let offered = self.verify_base::<TimestampFile>(&role, raw)?;
        let version = offered.body().header.version;
        let mut accepted = offered;
        if let Some(before) = &self.previous.timestamp {
            let trusted = before.body().header.version;
            if version < trusted {
                return Err(UpdateError::RolledBack { role, trusted, offered: version });
            }
            if version == trusted && before.raw() != raw {
                match self.rules.equal_timestamp {
                    EqualTimestamp::Keep => {
                        self.notes.push(Note::SameTimestampVersion { version });
                        accepted = before.clone();
                    }
                    EqualTimestamp::Follow => {
                        self.notes.push(Note::SameTimestampVersionFollowed { version });
                    }
                }
            }
        }
        self.check_expiry(&role, accepted.body().header())?;
        self.timestamp = Some(accepted);
        Ok(())
    }

    /// The snapshot that the timestamp names.
    pub fn wanted_snapshot(&self) -> Result<Wanted, UpdateError> {
        let timestamp = self.timestamp.as_ref().ok_or(UpdateError::OutOfOrder)?;
        wanted(&RoleName::Snapshot, &timestamp.body().snapshot, self.rules.bounds.snapshot)
    }

    /// Takes the snapshot: the very file the timestamp names, signed, not older than the one
    /// before, not expired, and naming the root that is trusted. [`UpdateError::RootBehind`] says
    /// that a newer root must be taken first. Targets files accepted before are to be offered again.
    pub fn accept_snapshot(&mut self, raw: &[u8]) -> Result<(), UpdateError> {
        self.drop_snapshot();
        let role = RoleName::Snapshot;
        let timestamp = self.timestamp.as_ref().ok_or(UpdateError::OutOfOrder)?;
        check_listing(&role, &timestamp.body().snapshot, raw)?;
        let snapshot = self.verify_base::<Snapshot>(&role, raw)?;
        if let Some(before) = &self.previous.snapshot {
            let trusted = before.body().header.version;
            check_version(&role, trusted, snapshot.body().header())?;
        }
        let listed = snapshot.body().meta.get(&RoleName::Root).ok_or(UpdateError::OutOfOrder)?;
        if listed.hashes.check(self.root.raw()).is_err() {
            let wanted = wanted(&RoleName::Root, listed, self.rules.bounds.root)?;
            return Err(UpdateError::RootBehind { trusted: self.root_version(), wanted });
        }
        self.check_expiry(&role, snapshot.body().header())?;
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// The targets files that can be taken now: `targets` first, then the delegations of each file
    /// taken, as far as the snapshot lists them. Empty when all are there.
    pub fn wanted_targets(&self) -> Result<Vec<Wanted>, UpdateError> {
        let snapshot = self.snapshot.as_ref().ok_or(UpdateError::OutOfOrder)?;
        let listed = |role: &RoleName| snapshot.body().meta.get(role);
        if !self.targets.contains_key(&RoleName::Targets) {
            let meta = listed(&RoleName::Targets).ok_or(UpdateError::OutOfOrder)?;
            return Ok(vec![wanted(&RoleName::Targets, meta, self.rules.bounds.targets)?]);
        }
        let known = self.targets.len() + self.unusable.len();
        let length_of = |role| listed(role).map_or(0, |meta| meta.length);
        let mut bytes: u64 = self.targets.keys().chain(self.unusable.keys()).map(length_of).sum();
        let mut found = Vec::new();
        for child in self.targets.values().flat_map(|parent| &parent.body().delegations.roles) {
            let role = &child.name;
            if self.targets.contains_key(role) || self.unusable.contains_key(role) {
                continue;
            }
            let Some(meta) = listed(role) else { continue };
            // What waits for signatures must not stop those who only read.
            if is_too_large(child, meta) {
                continue;
            }
            // Before anything is downloaded, and those that turned out unusable count, too.
            let most = self.rules.bounds.delegations;
            if role.depth() > MAX_DELEGATION_DEPTH || known + found.len() > most {
                return Err(UpdateError::TooManyDelegations { role: role.clone() });
            }
            let wanted = wanted(role, meta, self.rules.bounds.targets)?;
            bytes = bytes.saturating_add(wanted.length);
            if bytes > MAX_ALL_TARGETS_BYTES {
                let (role, limit) = (role.clone(), MAX_ALL_TARGETS_BYTES);
                return Err(UpdateError::TooLarge { role, length: bytes, limit });
            }
            found.push(wanted);
        }
        Ok(found)
    }

    /// Takes a targets file: the very file the snapshot names, signed by the keys that its parent
    /// gives it, not older than the one before, not expired.
    ///
    /// A delegation that has expired or lacks signatures is left out and remembered as unusable;
    /// its subtree with it (notary.md §4.2). Everything else is an error.
    pub fn accept_targets(&mut self, role: &RoleName, raw: &[u8]) -> Result<(), UpdateError> {
        match self.check_targets(role, raw) {
            Ok(targets) => {
                self.paths.insert(role.clone(), self.paths_of(role));
                self.targets.insert(role.clone(), targets);
                Ok(())
            }
            Err(error) if role.is_delegation() && self.leaves_only_the_role_out(&error) => {
                self.unusable.insert(role.clone(), error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a delegation with this fault is left out, and the rest taken. What only its signer
    /// could have published must not keep an owner from taking the signer away.
    fn leaves_only_the_role_out(&self, error: &UpdateError) -> bool {
        let by_its_signer = matches!(error, UpdateError::OtherRolesFile { .. });
        error.leaves_only_the_role_out() || (by_its_signer && self.expiry == Expiry::Remembered)
    }

    fn check_targets(
        &mut self,
        role: &RoleName,
        raw: &[u8],
    ) -> Result<Verified<Targets>, UpdateError> {
        let snapshot = self.snapshot.as_ref().ok_or(UpdateError::OutOfOrder)?;
        let meta = snapshot.body().meta.get(role).ok_or(UpdateError::OutOfOrder)?;
        check_listing(role, meta, raw)?;
        let keys = match role.parent() {
            None => self.root.body().role_keys(role),
            Some(parent) => {
                self.targets.get(&parent).and_then(|parent| parent.body().role_keys(role))
            }
        };
        let keys = keys.ok_or(UpdateError::OutOfOrder)?;
        let before = self.previous.targets.get(role);
        let signed = match before {
            Some(before) if before.raw() == raw => before.signed().clone(),
            _ => parse::<Targets>(role, raw)?,
        };
        let verified = verify(signed, &keys)?;
        self.check_whose(role, raw)?;
        if let Some(trusted) = self.previous.floor(role) {
            check_version(role, trusted, verified.body().header())?;
        }
        self.check_expiry(role, verified.body().header())?;
        Ok(verified)
    }

    /// A file does not name its role, and two roles can have the same keys: docker gives each
    /// signer's key to `targets/releases` as well. What was seen as one role's file, and not as
    /// this one's, was not made for this one.
    fn check_whose(&self, role: &RoleName, raw: &[u8]) -> Result<(), UpdateError> {
        let seen_as = |other: &RoleName| {
            self.previous.targets.get(other).is_some_and(|before| before.raw() == raw)
        };
        if seen_as(role) {
            return Ok(());
        }
        match self.previous.targets.keys().find(|other| seen_as(other)) {
            Some(of) => Err(UpdateError::OtherRolesFile { role: role.clone(), of: of.clone() }),
            None => Ok(()),
        }
    }

    fn paths_of(&self, role: &RoleName) -> Vec<String> {
        let Some(parent) = role.parent() else { return vec![String::new()] };
        let own = self
            .targets
            .get(&parent)
            .and_then(|file| file.body().delegations.roles.iter().find(|child| child.name == *role))
            .map(|child| child.paths.as_slice())
            .unwrap_or_default();
        effective_paths(self.paths.get(&parent).map(Vec::as_slice).unwrap_or_default(), own)
    }

    /// Ends the update: the whole chain must be there, the root in force not expired, its
    /// certificates in date and admitted by pinning, and no delegation that was published before
    /// may have vanished from the snapshot.
    pub fn finish(mut self) -> Result<TrustedRepository, UpdateError> {
        if !self.wanted_targets()?.is_empty() {
            return Err(UpdateError::OutOfOrder);
        }
        let header = self.root.body().header.clone();
        self.check_expiry(&RoleName::Root, &header)?;
        self.check_pin()?;
        self.mark_vanished_delegations();
        self.mark_large_companions();
        TrustedRepository::new(self)
    }

    /// Counts the root's own signatures again, by those of its keys only whose certificates are in
    /// date and that pinning admits: together they must reach the threshold, not just one of them.
    fn check_pin(&self) -> Result<(), UpdateError> {
        let dates = match self.expiry {
            Expiry::Enforced => Dates::ValidAt(self.now),
            Expiry::Remembered => Dates::Ignored,
        };
        let certified = certified_keys(self.root.body(), &self.gun, dates)?;
        let pinned = pinned_keys(certified, &self.gun, &self.pin, self.known, self.now)?;
        verify(self.root.signed().clone(), &pinned)?;
        Ok(())
    }

    fn mark_vanished_delegations(&mut self) {
        let listed = |role: &RoleName| {
            self.snapshot.as_ref().is_some_and(|file| file.body().meta.contains_key(role))
        };
        let vanished: Vec<RoleName> = self
            .targets
            .values()
            .flat_map(|parent| &parent.body().delegations.roles)
            .map(|child| child.name.clone())
            .filter(|child| !listed(child) && self.previous.knew(child))
            .collect();
        for role in vanished {
            self.missed_by_listing |= !self.previous.has_file(&role);
            self.unusable.insert(role.clone(), UpdateError::Vanished { role });
        }
    }

    fn mark_large_companions(&mut self) {
        let children = self.targets.values().flat_map(|parent| &parent.body().delegations.roles);
        let large = children.filter_map(|child| {
            let meta = self.snapshot.as_ref()?.body().meta.get(&child.name)?;
            is_too_large(child, meta).then(|| UpdateError::TooLarge {
                role: child.name.clone(),
                length: meta.length,
                limit: MAX_PROPOSALS_BYTES,
            })
        });
        let large: Vec<UpdateError> = large.collect();
        for error in large {
            if let UpdateError::TooLarge { role, .. } = &error {
                self.unusable.insert(role.clone(), error.clone());
            }
        }
    }

    fn verify_base<T: Document>(
        &self,
        role: &RoleName,
        raw: &[u8],
    ) -> Result<Verified<T>, UpdateError> {
        let keys = self.root.body().role_keys(role).ok_or(UpdateError::OutOfOrder)?;
        Ok(verify(parse::<T>(role, raw)?, &keys)?)
    }

    fn check_expiry(
        &mut self,
        role: &RoleName,
        header: &crate::tuf::metadata::Header,
    ) -> Result<(), UpdateError> {
        let since = header.expires.instant();
        if since >= self.now {
            return Ok(());
        }
        match self.expiry {
            Expiry::Enforced => Err(UpdateError::Expired { role: role.clone(), since }),
            Expiry::Remembered => {
                self.expired.push((role.clone(), since));
                Ok(())
            }
        }
    }
}

/// Whether this is a file of proposals that is not read for its size (`spec/thresholds.md`).
fn is_too_large(child: &DelegationRole, meta: &FileMeta) -> bool {
    is_companion_role(child) && meta.length > MAX_PROPOSALS_BYTES
}

/// Takes a root that is valid by its own keys, whatever its age.
pub(in crate::tuf) fn self_signed_root(
    gun: &Gun,
    raw: &[u8],
) -> Result<Verified<Root>, UpdateError> {
    let signed = parse::<Root>(&RoleName::Root, raw)?;
    let own_keys = certified_keys(signed.unverified(), gun, Dates::Ignored)?;
    Ok(verify(signed, &own_keys)?)
}

fn parse<T: Document>(role: &RoleName, raw: &[u8]) -> Result<Signed<T>, UpdateError> {
    Signed::parse(role, raw)
        .map_err(|cause| UpdateError::Metadata { role: role.clone(), cause: Box::new(cause) })
}

fn wanted(role: &RoleName, meta: &FileMeta, limit: u64) -> Result<Wanted, UpdateError> {
    if meta.length > limit {
        return Err(UpdateError::TooLarge { role: role.clone(), length: meta.length, limit });
    }
    let sha256 = meta.sha256().map_err(|cause: MetadataError| UpdateError::Metadata {
        role: role.clone(),
        cause: Box::new(cause),
    })?;
    Ok(Wanted { role: role.clone(), sha256, length: meta.length })
}

/// Refuses a file that is not the one that another describes: its length and every hash that is
/// listed and known must be right.
pub(in crate::tuf) fn check_listing(
    role: &RoleName,
    meta: &FileMeta,
    raw: &[u8],
) -> Result<(), UpdateError> {
    let got = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    if got != meta.length {
        return Err(UpdateError::Length { role: role.clone(), listed: meta.length, got });
    }
    meta.hashes.check(raw).map_err(|cause| UpdateError::Checksum { role: role.clone(), cause })
}

fn check_version(
    role: &RoleName,
    trusted: u64,
    offered: &crate::tuf::metadata::Header,
) -> Result<(), UpdateError> {
    let offered = offered.version;
    if offered < trusted {
        return Err(UpdateError::RolledBack { role: role.clone(), trusted, offered });
    }
    Ok(())
}

impl From<VerifyError> for UpdateError {
    fn from(cause: VerifyError) -> Self {
        Self::Signatures(cause)
    }
}
