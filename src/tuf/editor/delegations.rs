//! Changes to delegations.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::{KeyId, PublicKey};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::draft::{Draft, Outcome};
use crate::tuf::editor::errors::EditError;
use crate::tuf::metadata::{DelegationRole, Delegations};
use crate::tuf::names::RoleName;

impl Draft {
    /// Creates a delegation or changes one. Adding what is there and removing what is not there
    /// changes nothing; a new delegation has threshold 1 unless the edit says otherwise.
    pub fn edit_delegation(
        &mut self,
        role: &RoleName,
        create: bool,
        edit: &DelegationEdit,
        now: Timestamp,
    ) -> Result<Outcome, EditError> {
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let parent = role.parent().ok_or_else(unknown)?;
        if !self.exists(&parent) {
            return Err(EditError::UnknownRole { role: parent });
        }
        if !create && !self.exists(role) && !self.unusable.contains(&parent) {
            return Err(unknown());
        }
        if let Some(path) = edit.add_paths.iter().find(|path| path.contains(char::is_control)) {
            return Err(EditError::Path { role: role.clone(), path: path.clone() });
        }
        let file = self.file(&parent, now)?;
        let mut delegations = file.delegations.clone();
        if !delegations.roles.iter().any(|child| child.name == *role) {
            delegations.roles.push(DelegationRole {
                name: role.clone(),
                key_ids: Vec::new(),
                paths: Vec::new(),
                threshold: NonZeroU32::MIN,
            });
        }
        change(&mut delegations, role, edit);
        if delegations == file.delegations {
            return Ok(Outcome::Unchanged);
        }
        check_threshold(&delegations, role)?;
        Arc::make_mut(file).delegations = delegations;
        self.dirty.insert(parent);
        Ok(Outcome::Changed)
    }

    /// Makes the same change to every delegation below a role, as `targets/*` does on disk, but for
    /// those of roles that are spared.
    pub(super) fn edit_all_below(
        &mut self,
        parent: &RoleName,
        edit: &DelegationEdit,
        now: Timestamp,
    ) -> Result<Outcome, EditError> {
        let prefix = format!("{parent}/");
        let below: Vec<RoleName> = self
            .targets
            .iter()
            .filter(|(role, _)| !self.spared.contains(role))
            .flat_map(|(_, file)| &file.delegations.roles)
            .map(|child| child.name.clone())
            .filter(|child| child.as_str().starts_with(&prefix))
            .collect();
        let mut outcome = Outcome::Unchanged;
        for role in below {
            if self.edit_delegation(&role, false, edit, now)? == Outcome::Changed {
                outcome = Outcome::Changed;
            }
        }
        Ok(outcome)
    }

    /// Removes a delegation and what is below it; one that is not there is no error.
    pub fn remove_delegation(&mut self, role: &RoleName) -> Result<Outcome, EditError> {
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let parent = role.parent().ok_or_else(unknown)?;
        if self.unusable.contains(&parent) {
            return Err(EditError::UnusableRole { role: parent });
        }
        let Some(file) = self.targets.get_mut(&parent) else { return Err(unknown()) };
        let roles = &file.delegations.roles;
        let Some(place) = roles.iter().position(|child| child.name == *role) else {
            return Ok(Outcome::Unchanged);
        };
        let file = Arc::make_mut(file);
        let gone = file.delegations.roles.remove(place);
        drop_if_unused(&mut file.delegations, &gone.key_ids);
        self.dirty.insert(parent);
        let below = format!("{role}/");
        let gone = |name: &RoleName| name == role || name.as_str().starts_with(&below);
        self.targets.retain(|name, _| !gone(name));
        self.dirty.retain(|name| !gone(name));
        self.unusable.retain(|name| !gone(name));
        Ok(Outcome::Changed)
    }
}

fn change(delegations: &mut Delegations, role: &RoleName, edit: &DelegationEdit) {
    // Ids of keys that the document lacks are nobody's, but can be listed and so be removed.
    let known = delegations.keys.iter();
    let doomed: Vec<KeyId> = known
        .filter(|(id, key)| edit.remove_keys.iter().any(|gone| is_key(gone, id, key)))
        .map(|(id, _)| id.clone())
        .chain(edit.remove_keys.iter().cloned())
        .collect();
    let Some(child) = delegations.roles.iter_mut().find(|child| child.name == *role) else {
        return;
    };
    child.threshold = edit.threshold.unwrap_or(child.threshold);
    child.key_ids.retain(|id| !doomed.contains(id));
    if edit.clear_paths {
        child.paths.clear();
    }
    child.paths.retain(|path| !edit.remove_paths.contains(path));
    for path in &edit.add_paths {
        if !child.paths.contains(path) {
            child.paths.push(path.clone());
        }
    }
    for key in &edit.add_keys {
        if !child.key_ids.contains(&key.id()) {
            child.key_ids.push(key.id());
        }
        delegations.keys.insert(key.id(), key.clone());
    }
    drop_if_unused(delegations, &doomed);
}

/// Refuses what nobody could ever sign. A delegation that needs one signature may be made before its
/// keys are added, as notary does it.
fn check_threshold(delegations: &Delegations, role: &RoleName) -> Result<(), EditError> {
    let Some(child) = delegations.roles.iter().find(|child| child.name == *role) else {
        return Ok(());
    };
    let keys = child.key_ids.iter().filter_map(|id| delegations.keys.get(id));
    let keys = keys.filter(|key| key.bare().is_ok()).map(PublicKey::fingerprint);
    let have = u32::try_from(keys.collect::<BTreeSet<_>>().len()).unwrap_or(u32::MAX);
    let need = child.threshold.get();
    if need > 1 && need > have {
        return Err(EditError::ThresholdTooHigh { role: role.clone(), have, need });
    }
    Ok(())
}

/// A key is meant by its id in metadata as well as by that of the bare key, which is what people
/// see in listings.
fn is_key(wanted: &KeyId, id: &KeyId, key: &PublicKey) -> bool {
    wanted == id || key.canonical_id().is_ok_and(|bare| bare == *wanted)
}

/// Drops those of these keys that no delegation has any more. Others that nobody uses are left: an
/// edit that changes nothing else must not have the file signed again.
fn drop_if_unused(delegations: &mut Delegations, candidates: &[KeyId]) {
    let used: BTreeSet<&KeyId> =
        delegations.roles.iter().flat_map(|child| &child.key_ids).collect();
    delegations.keys.retain(|id, _| used.contains(id) || !candidates.contains(id));
}
