//! Changing who signs root and targets, and the files to be signed for it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyId, PrivateKey, PublicKey};
use crate::limits::{ROOT_LIFETIME_DAYS, TARGETS_LIFETIME_DAYS};
use crate::tuf::editor::draft::{Draft, Outcome};
use crate::tuf::editor::errors::EditError;
use crate::tuf::editor::signing::Publication;
use crate::tuf::metadata::{RoleSpec, Root, Targets};
use crate::tuf::names::{Gun, RoleName};
use crate::tuf::trusted::TrustedRepository;

/// What is to change about the keys of the two roles that people keep keys of.
#[derive(Debug, Clone, Default)]
pub struct RootEdit {
    /// Certificates of new root keys, made for the repository.
    pub add: Vec<PublicKey>,
    /// Root keys to take away, by either of their ids.
    pub remove: Vec<KeyId>,
    /// Signatures that a root needs from then on.
    pub threshold: Option<NonZeroU32>,
    /// New keys of `targets`.
    pub add_targets: Vec<PublicKey>,
    /// Keys of `targets` to take away, by either of their ids.
    pub remove_targets: Vec<KeyId>,
    /// Signatures that `targets` needs from then on.
    pub targets_threshold: Option<NonZeroU32>,
}

impl Draft {
    /// Changes the keys and thresholds of root and targets. Whether the edit changes anything or
    /// not, the next root is to be signed: asking for nothing renews it. A changed targets role is
    /// to be signed, too, for what its old keys signed may not do for the new ones.
    pub fn edit_root(
        &mut self,
        gun: &Gun,
        edit: &RootEdit,
        now: Timestamp,
    ) -> Result<Outcome, EditError> {
        for key in &edit.add {
            check_root_key(gun, key, now)?;
        }
        let root = self.change_role(&RoleName::Root, &edit.add, &edit.remove, edit.threshold)?;
        let targets = self.change_role(
            &RoleName::Targets,
            &edit.add_targets,
            &edit.remove_targets,
            edit.targets_threshold,
        )?;
        self.dirty.insert(RoleName::Root);
        if targets == Outcome::Changed {
            self.dirty.insert(RoleName::Targets);
        }
        self.check_base_roles()?;
        self.keep_companions(now)?;
        let unchanged = root == Outcome::Unchanged && targets == Outcome::Unchanged;
        Ok(if unchanged { Outcome::Unchanged } else { Outcome::Changed })
    }

    fn change_role(
        &mut self,
        role: &RoleName,
        add: &[PublicKey],
        remove: &[KeyId],
        threshold: Option<NonZeroU32>,
    ) -> Result<Outcome, EditError> {
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let before = self.root.roles.get(role.as_str()).ok_or_else(unknown)?;
        let mut spec = RoleSpec {
            key_ids: before.key_ids.clone(),
            threshold: threshold.unwrap_or(before.threshold),
        };
        for gone in remove {
            let keys = &self.root.keys;
            let is_it = |id: &KeyId| {
                let bare = keys.get(id).and_then(|key| key.canonical_id().ok());
                id == gone || bare.as_ref() == Some(gone)
            };
            let count = spec.key_ids.len();
            spec.key_ids.retain(|id| !is_it(id));
            if spec.key_ids.len() == count {
                return Err(EditError::NoSuchKey { role: role.clone(), key: gone.to_string() });
            }
        }
        for key in add {
            if !spec.key_ids.contains(&key.id()) {
                spec.key_ids.push(key.id());
            }
        }
        self.root.keys.extend(add.iter().map(|key| (key.id(), key.clone())));
        let outcome = if spec == *self.root.roles.get(role.as_str()).ok_or_else(unknown)? {
            Outcome::Unchanged
        } else {
            Outcome::Changed
        };
        self.root.roles.insert(role.to_string(), spec);
        Ok(outcome)
    }

    /// Starts from what is trusted, under a root that is to be published: nothing but a snapshot of
    /// ours is to be signed.
    pub fn under(trusted: &TrustedRepository, root: &Root) -> Self {
        Self { root: root.clone(), ..Self::from_trusted(trusted) }
    }

    /// Adds a snapshot to files that were signed elsewhere, if one of its keys is among these.
    pub fn complete(
        &self,
        files: BTreeMap<RoleName, Vec<u8>>,
        keys: &BTreeMap<KeyId, PrivateKey>,
        now: Timestamp,
    ) -> Result<Publication, EditError> {
        let mut publication = Publication { files, roles: BTreeMap::new() };
        self.sign_snapshot(&mut publication, keys, now)?;
        Ok(publication)
    }

    /// The next root as it is to be signed: version up by one, expiry anew.
    pub fn next_root(&self, now: Timestamp) -> Result<Root, EditError> {
        let header = self.next(&RoleName::Root, &self.root.header, now, ROOT_LIFETIME_DAYS)?;
        Ok(Root { header, ..self.root.clone() })
    }

    /// The next `targets` file as it is to be signed, if it is to be.
    pub fn next_targets(&self, now: Timestamp) -> Result<Option<Targets>, EditError> {
        let role = RoleName::Targets;
        if !self.dirty.contains(&role) {
            return Ok(None);
        }
        let Some(file) = self.targets.get(&role) else { return Ok(None) };
        let header = self.next(&role, &file.header, now, TARGETS_LIFETIME_DAYS)?;
        Ok(Some(Targets { header, ..file.as_ref().clone() }))
    }
}

/// Only a certificate for the repository is of use as a root key (notary.md §1.11).
fn check_root_key(gun: &Gun, key: &PublicKey, now: Timestamp) -> Result<(), EditError> {
    let wrong = |cause| EditError::NotARootKey { gun: gun.clone(), cause };
    if !key.key_type().is_x509() {
        return Err(wrong(None));
    }
    let leaf = Certificate::parse_bundle(key.public()).and_then(Certificate::split_leaf);
    let (leaf, _) = leaf.map_err(|cause| wrong(Some(cause)))?;
    if !leaf.covers(gun.as_str()) {
        return Err(wrong(None));
    }
    leaf.check_algorithms().and_then(|()| leaf.check_dates(now)).map_err(|cause| wrong(Some(cause)))
}
