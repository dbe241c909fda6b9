//! A repository's metadata while it is being changed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::{KeyId, PublicKey};
use crate::limits::{MAX_VERSION, ROOT_LIFETIME_DAYS, TARGETS_LIFETIME_DAYS};
use crate::tuf::changelist::{Change, DelegationEdit, DelegationScope};
use crate::tuf::delegation::{effective_paths, permits};
use crate::tuf::editor::errors::EditError;
use crate::tuf::editor::proposing::Cosigned;
use crate::tuf::metadata::{Delegations, Header, RoleSpec, Root, Snapshot, Target, Targets};
use crate::tuf::names::{RoleName, TargetName};
use crate::tuf::trusted::{TrustedRepository, Unpublished};
use crate::tuf::verify::{RoleKeys, Verified};

/// Whether a change changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The role is to be signed again.
    Changed,
    /// It was so already.
    Unchanged,
}

/// The keys of a repository that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewRepository {
    /// The root key in its certificate for the repository.
    pub root: PublicKey,
    /// The repository key.
    pub targets: PublicKey,
    /// The server's, or ours if we are to sign snapshots.
    pub snapshot: PublicKey,
    /// The server's.
    pub timestamp: PublicKey,
}

/// Metadata being changed. What was not changed is not signed again.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) root: Root,
    /// The root role before the change, whose keys must sign the next root, too.
    pub(super) root_keys_before: Option<RoleKeys>,
    pub(super) root_raw: Option<Vec<u8>>,
    /// Shared with what is trusted until they are changed: there can be megabytes of it.
    pub(super) targets: BTreeMap<RoleName, Arc<Targets>>,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) dirty: BTreeSet<RoleName>,
    /// The root is to be published as it is: the server has none yet.
    pub(super) root_is_unsent: bool,
    /// Delegations that cannot be read and so not be added to.
    pub(super) unusable: BTreeSet<RoleName>,
    /// Versions that must be exceeded, of roles that were there before and came back.
    pub(super) floors: BTreeMap<RoleName, u64>,
    /// Roles whose delegations a change of all delegations passes by.
    pub(super) spared: BTreeSet<RoleName>,
    /// Keys of earlier roots that sign the next one, too, if they are at hand.
    pub(super) earlier_root_keys: BTreeMap<KeyId, PublicKey>,
    /// Roles whose next file others have signed already.
    pub(super) cosigned: BTreeMap<RoleName, Cosigned>,
}

impl Draft {
    /// Starts a repository: root and targets at version 1.
    pub fn new_repository(keys: &NewRepository, now: Timestamp) -> Self {
        let base = [
            (RoleName::Root, &keys.root),
            (RoleName::Targets, &keys.targets),
            (RoleName::Snapshot, &keys.snapshot),
            (RoleName::Timestamp, &keys.timestamp),
        ];
        let roles = base.iter().map(|(role, key)| {
            let spec = RoleSpec { key_ids: vec![key.id()], threshold: NonZeroU32::MIN };
            (role.to_string(), spec)
        });
        let root = Root {
            header: Header { version: 0, expires: lifetime(now, ROOT_LIFETIME_DAYS) },
            consistent_snapshot: false,
            keys: base.iter().map(|(_, key)| (key.id(), (*key).clone())).collect(),
            roles: roles.collect(),
        };
        Self {
            root,
            root_keys_before: None,
            root_raw: None,
            root_is_unsent: false,
            targets: BTreeMap::from([(RoleName::Targets, Arc::new(empty_targets(now)))]),
            snapshot: None,
            dirty: BTreeSet::from([RoleName::Root, RoleName::Targets]),
            unusable: BTreeSet::new(),
            floors: BTreeMap::new(),
            spared: BTreeSet::new(),
            earlier_root_keys: BTreeMap::new(),
            cosigned: BTreeMap::new(),
        }
    }

    /// Starts from what is trusted now. Roles that have expired are signed again.
    pub fn from_trusted(trusted: &TrustedRepository) -> Self {
        let root = trusted.root().body().clone();
        let targets = trusted.targets().iter();
        Self {
            root_keys_before: root.role_keys(&RoleName::Root),
            root_raw: Some(trusted.root().raw().to_vec()),
            root_is_unsent: false,
            root,
            targets: targets.map(|(role, file)| (role.clone(), file.shared())).collect(),
            snapshot: Some(trusted.snapshot().body().clone()),
            dirty: BTreeSet::new(),
            unusable: trusted.unusable().keys().cloned().collect(),
            floors: BTreeMap::new(),
            spared: BTreeSet::new(),
            earlier_root_keys: BTreeMap::new(),
            cosigned: BTreeMap::new(),
        }
    }

    /// Starts from what was set up and never published: the root goes out as it is, targets and
    /// snapshot are signed anew, as the reference does it (notary.md §2.1).
    pub fn from_unpublished(local: &Unpublished) -> Self {
        let root = local.root.body().clone();
        Self {
            root_keys_before: root.role_keys(&RoleName::Root),
            root_raw: Some(local.root.raw().to_vec()),
            root_is_unsent: true,
            root,
            targets: BTreeMap::from([(RoleName::Targets, local.targets.shared())]),
            snapshot: local.snapshot.as_ref().map(|snapshot| snapshot.body().clone()),
            dirty: BTreeSet::from([RoleName::Targets]),
            unusable: BTreeSet::new(),
            floors: BTreeMap::new(),
            spared: BTreeSet::new(),
            earlier_root_keys: BTreeMap::new(),
            cosigned: BTreeMap::new(),
        }
    }

    /// Whether anything is to be published.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The roles that are to be signed again.
    pub fn dirty(&self) -> &BTreeSet<RoleName> {
        &self.dirty
    }

    /// The root as drafted.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// A role's file as drafted, if it has one.
    pub fn targets(&self, role: &RoleName) -> Option<&Targets> {
        self.targets.get(role).map(Arc::as_ref)
    }

    /// Every targets file as drafted, by role.
    pub fn all_targets(&self) -> impl Iterator<Item = (&RoleName, &Targets)> {
        self.targets.iter().map(|(role, file)| (role, file.as_ref()))
    }

    /// Whether the role exists: `targets`, or delegated to by its parent.
    pub fn exists(&self, role: &RoleName) -> bool {
        self.role_keys(role).is_some()
    }

    /// Roles that exist but have no file yet and of which an earlier life may have left versions
    /// on the server: their last version should be learned and given to [`Self::set_floor`].
    pub fn newborn(&self) -> Vec<RoleName> {
        self.dirty
            .iter()
            .filter(|role| role.is_delegation())
            .filter(|role| self.targets.get(role).is_some_and(|file| file.header.version == 0))
            .cloned()
            .collect()
    }

    /// Makes the next version of a role exceed this one.
    pub fn set_floor(&mut self, role: RoleName, version: u64) {
        self.floors.insert(role, version);
    }

    /// Lets a delegation whose last file does not verify begin anew, empty. What it held before
    /// was trusted by nobody any more, and is not brought back to life.
    pub fn restart(&mut self, role: &RoleName) {
        self.unusable.remove(role);
    }

    /// Takes up what a delegation held whose last file does not verify any more: the next version
    /// vouches for all of it again. That somebody may be asked to vouch for it is the caller's care.
    pub fn take_up(&mut self, role: &RoleName, file: Targets) {
        self.unusable.remove(role);
        self.targets.insert(role.clone(), Arc::new(file));
    }

    /// Has a change of all delegations pass by those that this role delegates to.
    pub fn spare(&mut self, role: &RoleName) {
        self.spared.insert(role.clone());
    }

    /// Roles that a change of all delegations passes by.
    pub fn spared(&self) -> &BTreeSet<RoleName> {
        &self.spared
    }

    /// Does not have roles signed again in which several changes together came to nothing, but for
    /// those that were to be signed as they are.
    pub fn settle(&mut self, trusted: &TrustedRepository, touched: &[&RoleName]) {
        let Self { dirty, targets, .. } = self;
        dirty.retain(|role| {
            let before = trusted.targets().get(role).map(Verified::body);
            touched.contains(&role)
                || !role.is_targets()
                || before.is_none()
                || targets.get(role).map(Arc::as_ref) != before
        });
    }

    /// Has a role signed again though nothing in it changes.
    pub fn touch(&mut self, role: &RoleName) {
        self.dirty.insert(role.clone());
    }

    /// Adds or replaces a target. The role must exist and be permitted to sign the name; custom
    /// data must be such that the reference can verify it (notary.md §1.2).
    pub fn add_target(
        &mut self,
        role: &RoleName,
        name: &TargetName,
        mut target: Target,
        now: Timestamp,
    ) -> Result<Outcome, EditError> {
        // The reference cannot write `custom:null`: it would leave the member out.
        target.custom = target.custom.filter(|custom| !custom.is_null());
        check_target(name, &target)?;
        if !self.exists(role) {
            return Err(EditError::UnknownRole { role: role.clone() });
        }
        if !permits(&self.paths(role), name) {
            return Err(EditError::NotPermitted { role: role.clone(), name: name.clone() });
        }
        let file = self.file(role, now)?;
        if file.targets.get(name) == Some(&target) {
            return Ok(Outcome::Unchanged);
        }
        Arc::make_mut(file).targets.insert(name.clone(), target);
        self.dirty.insert(role.clone());
        Ok(Outcome::Changed)
    }

    /// Removes a target from a role; one that is not there is no error.
    pub fn remove_target(
        &mut self,
        role: &RoleName,
        name: &TargetName,
    ) -> Result<Outcome, EditError> {
        if self.unusable.contains(role) {
            return Err(EditError::UnusableRole { role: role.clone() });
        }
        if !self.exists(role) {
            return Err(EditError::UnknownRole { role: role.clone() });
        }
        let Some(file) = self.targets.get_mut(role) else { return Ok(Outcome::Unchanged) };
        if !file.targets.contains_key(name) {
            return Ok(Outcome::Unchanged);
        }
        Arc::make_mut(file).targets.remove(name);
        self.dirty.insert(role.clone());
        Ok(Outcome::Changed)
    }

    /// Gives a base role other keys; a delegation's are changed by [`Self::edit_delegation`]. The
    /// next root is signed by the keys of the present one, too. [`Self::sign`] refuses a role that
    /// has fewer keys than its threshold.
    pub fn set_base_keys(&mut self, role: &RoleName, keys: &[PublicKey]) {
        if role.is_delegation() {
            return;
        }
        if let Some(spec) = self.root.roles.get_mut(role.as_str()) {
            spec.key_ids.clear();
            for id in keys.iter().map(PublicKey::id) {
                if !spec.key_ids.contains(&id) {
                    spec.key_ids.push(id);
                }
            }
        }
        self.root.keys.extend(keys.iter().map(|key| (key.id(), key.clone())));
        self.dirty.insert(RoleName::Root);
        if *role == RoleName::Targets {
            self.dirty.insert(RoleName::Targets);
        }
    }

    /// Has keys of earlier roots sign the next root besides those that must, as far as they are at
    /// hand: for readers who trust such a root and cannot follow a chain (notary.md §4.7).
    pub fn co_sign_root(&mut self, keys: &BTreeMap<KeyId, PublicKey>) {
        self.earlier_root_keys = keys.clone();
    }

    /// Makes a staged change.
    pub fn apply(&mut self, change: &Change, now: Timestamp) -> Result<Outcome, EditError> {
        match change {
            Change::AddTarget { role, name, target } => {
                self.add_target(role, name, target.clone(), now)
            }
            Change::RemoveTarget { role, name } => self.remove_target(role, name),
            Change::ChangeDelegation { role: DelegationScope::One(role), create, edit } => {
                // Notary writes 1 into every creation, and takes it for new roles alone: adding a
                // key must not lower what others have agreed on.
                let lowers =
                    *create && edit.threshold == Some(NonZeroU32::MIN) && self.exists(role);
                let threshold = if lowers { None } else { edit.threshold };
                let edit = DelegationEdit { threshold, ..edit.clone() };
                self.edit_delegation(role, *create, &edit, now)
            }
            Change::ChangeDelegation { role: DelegationScope::AllBelow(parent), edit, .. } => {
                self.edit_all_below(parent, edit, now)
            }
            Change::RemoveDelegation { role } => self.remove_delegation(role),
            Change::Witness { role } => {
                if !self.exists(role) {
                    return Err(EditError::UnknownRole { role: role.clone() });
                }
                // A delegation that never held anything is signed empty.
                self.file(role, now)?;
                self.touch(role);
                Ok(Outcome::Changed)
            }
        }
    }

    /// The keys that sign a role, as drafted.
    pub fn role_keys(&self, role: &RoleName) -> Option<RoleKeys> {
        match role.parent() {
            None => self.root.role_keys(role),
            Some(parent) => self.targets.get(&parent)?.role_keys(role),
        }
    }

    /// The prefixes a role may sign under, as drafted, all its ancestors considered.
    pub fn paths(&self, role: &RoleName) -> Vec<String> {
        let Some(parent) = role.parent() else { return vec![String::new()] };
        let Some(file) = self.targets.get(&parent) else { return Vec::new() };
        let own = file.delegations.roles.iter().find(|child| child.name == *role);
        own.map(|own| effective_paths(&self.paths(&parent), &own.paths)).unwrap_or_default()
    }

    pub(super) fn file(
        &mut self,
        role: &RoleName,
        now: Timestamp,
    ) -> Result<&mut Arc<Targets>, EditError> {
        if self.unusable.contains(role) {
            return Err(EditError::UnusableRole { role: role.clone() });
        }
        Ok(self.targets.entry(role.clone()).or_insert_with(|| Arc::new(empty_targets(now))))
    }
}

/// Refuses a target that readers, or the reference, could not verify (notary.md §1.2).
pub fn check_target(name: &TargetName, target: &Target) -> Result<(), EditError> {
    Target::from_json(&target.to_json())
        .map_err(|cause| EditError::Target { name: name.clone(), cause: Box::new(cause) })?;
    match target.custom.as_ref().and_then(unwritable) {
        Some(problem) => Err(EditError::Custom { name: name.clone(), problem }),
        None => Ok(()),
    }
}

/// `now` and so many days, in whole seconds, UTC.
pub(super) fn lifetime(now: Timestamp, days: i64) -> Rfc3339 {
    let end = now.as_second().saturating_add(days.saturating_mul(86_400));
    Rfc3339::utc(Timestamp::from_second(end).unwrap_or(now))
}

fn empty_targets(now: Timestamp) -> Targets {
    Targets {
        header: Header { version: 0, expires: lifetime(now, TARGETS_LIFETIME_DAYS) },
        targets: BTreeMap::new(),
        delegations: Delegations::default(),
    }
}

/// What of a value the reference's encoder and verifier disagree on.
fn unwritable(value: &Value) -> Option<&'static str> {
    let text = |text: &str| {
        text.chars().any(char::is_control).then_some("a control character in a string")
    };
    match value {
        Value::String(string) => text(string),
        Value::Int(number) | Value::Whole(number) if number.unsigned_abs() > MAX_VERSION => {
            Some("a number beyond 9007199254740991")
        }
        Value::Array(elements) => elements.iter().find_map(unwritable),
        Value::Object(members) => {
            members.iter().find_map(|(name, value)| text(name).or_else(|| unwritable(value)))
        }
        _ => None,
    }
}
