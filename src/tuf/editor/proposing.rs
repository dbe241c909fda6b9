//! Drafting what cannot be signed yet by enough keys: companions and proposals
//! (`spec/thresholds.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::{KeyId, PrivateKey, PublicKey, Signature};
use crate::limits::TARGETS_LIFETIME_DAYS;
use crate::tuf::editor::draft::{Draft, Outcome};
use crate::tuf::editor::errors::EditError;
use crate::tuf::metadata::{DelegationRole, Document, Header, Targets};
use crate::tuf::names::{RoleName, TargetName};
use crate::tuf::proposal::{
    COMPANION_PATH, Pending, Proposal, Proposals, are_companion_paths, companion_of, is_companion,
};
use crate::tuf::verify::RoleKeys;

/// A file that others have signed already, to be signed just as it is.
#[derive(Debug, Clone)]
pub(super) struct Cosigned {
    pub(super) header: Header,
    pub(super) signatures: Vec<Signature>,
    /// Canonical ids of the keys that made them.
    pub(super) signers: BTreeSet<KeyId>,
}

impl Draft {
    /// Gives every changed role that delegates with a threshold above 1 a place for proposals whose
    /// keys are those of such roles, and takes it away where there is none any more.
    pub fn keep_companions(&mut self, now: Timestamp) -> Result<(), EditError> {
        let parents: Vec<RoleName> =
            self.dirty.iter().filter(|role| role.is_targets()).cloned().collect();
        for parent in parents {
            self.keep_companion(&parent, now)?;
        }
        Ok(())
    }

    fn keep_companion(&mut self, parent: &RoleName, now: Timestamp) -> Result<(), EditError> {
        let Ok(companion) = RoleName::parse(&format!("{parent}/proposals")) else {
            return Ok(());
        };
        let Some(file) = self.targets.get(parent) else { return Ok(()) };
        let wanted = self.companion_keys(parent, file);
        let before = file.delegations.roles.iter().find(|child| child.name == companion);
        let ours = before.is_none_or(|child| are_companion_paths(&child.paths));
        if !ours {
            // Somebody bears the name, as docker lets them; only who needs it is told.
            let needed = !wanted.is_empty();
            return if needed {
                Err(EditError::CompanionTaken { role: companion })
            } else {
                Ok(())
            };
        }
        if wanted.is_empty() {
            return match before {
                Some(_) => self.remove_delegation(&companion).map(|_| ()),
                None => Ok(()),
            };
        }
        let role = DelegationRole {
            name: companion.clone(),
            key_ids: wanted.keys().cloned().collect(),
            paths: vec![COMPANION_PATH.to_owned()],
            threshold: NonZeroU32::MIN,
        };
        if before == Some(&role) {
            return Ok(());
        }
        let file = Arc::make_mut(self.file(parent, now)?);
        match file.delegations.roles.iter_mut().find(|child| child.name == companion) {
            Some(child) => *child = role,
            None => file.delegations.roles.push(role),
        }
        file.delegations.keys.extend(wanted);
        let used: BTreeSet<KeyId> =
            file.delegations.roles.iter().flat_map(|child| child.key_ids.clone()).collect();
        file.delegations.keys.retain(|id, _| used.contains(id));
        Ok(())
    }

    /// The keys of all roles whose proposals are below a role, by id.
    fn companion_keys(&self, parent: &RoleName, file: &Targets) -> BTreeMap<KeyId, PublicKey> {
        let several = |keys: &RoleKeys| keys.threshold > NonZeroU32::MIN;
        let children = file.delegations.roles.iter().filter(|child| !is_companion(&child.name));
        let children = children.filter_map(|child| file.role_keys(&child.name));
        let own = match parent {
            RoleName::Targets => self.root.role_keys(parent),
            _ => None,
        };
        children.chain(own).filter(several).flat_map(|keys| keys.keys).collect()
    }

    /// Returns the role that holds the proposals on a role, if there is one.
    pub fn companion(&self, role: &RoleName) -> Option<RoleName> {
        let companion = companion_of(role)?;
        let parent = self.targets.get(&companion.parent()?)?;
        let child = parent.delegations.roles.iter().find(|child| child.name == companion)?;
        are_companion_paths(&child.paths).then_some(companion)
    }

    /// The proposals on a role as its companion has them, checked against these keys of the role.
    pub fn proposals(&self, role: &RoleName, keys: &RoleKeys, now: Timestamp) -> Proposals {
        let companion = self.companion(role);
        let Some(file) = companion.as_ref().and_then(|companion| self.targets.get(companion))
        else {
            return Proposals::default();
        };
        Proposals::read(role, self.targets.get(role), keys, file, now)
    }

    /// Puts a proposed file into the place of a role's own: an edit then builds on it.
    pub fn stand_on(&mut self, pending: &Pending) {
        let role = pending.proposal.role.clone();
        self.unusable.remove(&role);
        self.targets.insert(role, Arc::clone(&pending.body));
    }

    /// Takes back all changes to a role.
    pub fn put_back(&mut self, role: &RoleName, before: &Self) {
        match before.targets.get(role) {
            Some(file) => self.targets.insert(role.clone(), Arc::clone(file)),
            None => self.targets.remove(role),
        };
        self.dirty.remove(role);
        self.cosigned.remove(role);
        if before.unusable.contains(role) {
            self.unusable.insert(role.clone());
        }
    }

    /// Takes over from another draft of the same change which versions must be exceeded.
    pub fn take_floors(&mut self, other: &Self) {
        self.floors.extend(other.floors.iter().map(|(role, version)| (role.clone(), *version)));
    }

    /// The version that a role's file will have.
    pub fn next_version(&self, role: &RoleName) -> Option<u64> {
        let file = self.targets.get(role)?;
        Some(file.header.version.max(self.floors.get(role).copied().unwrap_or_default()) + 1)
    }

    /// Has a role's file published as others have signed it; ours must be the signatures that it
    /// lacks. What is in the role must be what was proposed.
    pub fn cosign(&mut self, pending: &Pending) {
        let role = pending.proposal.role.clone();
        let cosigned = Cosigned {
            header: pending.body.header.clone(),
            signatures: pending.proposal.signatures.clone(),
            signers: pending.signers.clone(),
        };
        self.cosigned.insert(role, cosigned);
    }

    /// Whether a role's next file is one that others have signed already.
    pub fn is_cosigned(&self, role: &RoleName) -> bool {
        self.cosigned.contains_key(role)
    }

    /// A role's file as others have signed it.
    pub fn next_body(&self, role: &RoleName) -> Option<Targets> {
        let header = self.cosigned.get(role)?.header.clone();
        Some(Targets { header, ..self.targets.get(role)?.as_ref().clone() })
    }

    /// A role's file as drafted, shared.
    pub fn shared(&self, role: &RoleName) -> Option<Arc<Targets>> {
        self.targets.get(role).cloned()
    }

    /// Drafts the next file of a role, as it is now, as a proposal built on `base`, signed with
    /// those of the keys that are the role's.
    pub fn propose(
        &mut self,
        role: &RoleName,
        base: Option<&Targets>,
        keys: &BTreeMap<KeyId, PrivateKey>,
        now: Timestamp,
    ) -> Result<(), EditError> {
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let file = self.targets.get(role).ok_or_else(unknown)?;
        let header = self.next(role, &file.header, now, TARGETS_LIFETIME_DAYS)?;
        let body = Targets { header, ..file.as_ref().clone() };
        let signing = self.role_keys(role).ok_or_else(unknown)?;
        let signatures = endorse(role, &body, &signing, &BTreeSet::new(), keys)?;
        self.write_proposal(&Proposal::new(role.clone(), base, &body, signatures), &body, now)
    }

    /// Adds the signatures of these keys to a proposal, over the very same file.
    pub fn endorse(
        &mut self,
        pending: &Pending,
        keys: &BTreeMap<KeyId, PrivateKey>,
        now: Timestamp,
    ) -> Result<(), EditError> {
        let role = &pending.proposal.role;
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let signing = self.role_keys(role).ok_or_else(unknown)?;
        let mut proposal = pending.proposal.clone();
        let more = endorse(role, &pending.body, &signing, &pending.signers, keys)?;
        proposal.signatures.retain(|old| more.iter().all(|new| new.key_id != old.key_id));
        proposal.signatures.extend(more);
        self.write_proposal(&proposal, &pending.body, now)
    }

    fn write_proposal(
        &mut self,
        proposal: &Proposal,
        body: &Targets,
        now: Timestamp,
    ) -> Result<(), EditError> {
        let role = &proposal.role;
        let unknown = || EditError::UnknownRole { role: role.clone() };
        let companion = self.companion(role).ok_or_else(unknown)?;
        // Of what cannot be read nothing is lost that counted.
        self.restart(&companion);
        let name = proposal.name().ok_or_else(unknown)?;
        let length = body.to_json().to_canonical().len();
        self.add_target(&companion, &name, proposal.to_target(length), now)?;
        Ok(())
    }

    /// Takes proposals out of the companion of a role.
    pub fn drop_proposals(
        &mut self,
        role: &RoleName,
        names: &[TargetName],
    ) -> Result<Outcome, EditError> {
        let mut outcome = Outcome::Unchanged;
        let Some(companion) = self.companion(role) else { return Ok(outcome) };
        if !self.targets.contains_key(&companion) {
            return Ok(outcome);
        }
        for name in names {
            if self.remove_target(&companion, name)? == Outcome::Changed {
                outcome = Outcome::Changed;
            }
        }
        Ok(outcome)
    }
}

/// Signs a body with those keys of the role that have not signed it yet.
fn endorse(
    role: &RoleName,
    body: &Targets,
    signing: &RoleKeys,
    done: &BTreeSet<KeyId>,
    keys: &BTreeMap<KeyId, PrivateKey>,
) -> Result<Vec<Signature>, EditError> {
    let message = body.to_json().to_canonical();
    let mut signatures = Vec::new();
    for (id, public) in &signing.keys {
        let Ok(canonical) = public.canonical_id() else { continue };
        let Some(private) = keys.get(&canonical).filter(|_| !done.contains(&canonical)) else {
            continue;
        };
        let (method, bytes) =
            private.sign(&message).map_err(|cause| EditError::Key { role: role.clone(), cause })?;
        signatures.push(Signature { key_id: id.clone(), method, bytes });
    }
    Ok(signatures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::changelist::{Change, DelegationEdit, DelegationScope};
    use crate::tuf::testing::{Repo, TestKey, now, role, threshold};

    const TARGETS: RoleName = RoleName::Targets;

    fn set(draft: &mut Draft, of: &str, number: u32) -> Result<Outcome, EditError> {
        let edit =
            DelegationEdit { threshold: Some(threshold(number)), ..DelegationEdit::default() };
        let outcome = draft.edit_delegation(&role(of), false, &edit, now());
        draft.keep_companions(now()).map(|()| outcome)?
    }

    fn companion_keys(draft: &Draft) -> Option<BTreeSet<KeyId>> {
        let keys = draft.role_keys(&role("targets/proposals"))?;
        assert_eq!(keys.threshold, NonZeroU32::MIN);
        assert_eq!(draft.paths(&role("targets/proposals")), [COMPANION_PATH]);
        Some(keys.keys.into_keys().collect())
    }

    #[test]
    fn a_companion_comes_and_goes_with_the_threshold() {
        let mut repo = Repo::new();
        let [alice, bob, carol] = [(); 3].map(|()| TestKey::bare());
        repo.delegate("targets/a", vec![alice.clone(), bob.clone()], &[""]);
        repo.delegate("targets/b", vec![bob.clone(), carol.clone()], &[""]);
        let mut draft = Draft::from_trusted(&repo.first().unwrap());
        assert_eq!(set(&mut draft, "targets/a", 1).unwrap(), Outcome::Unchanged);
        assert_eq!(companion_keys(&draft), None);
        set(&mut draft, "targets/a", 2).unwrap();
        assert_eq!(companion_keys(&draft), Some([alice.id(), bob.id()].into()));
        set(&mut draft, "targets/b", 2).unwrap();
        assert_eq!(companion_keys(&draft), Some([alice.id(), bob.id(), carol.id()].into()));
        set(&mut draft, "targets/a", 1).unwrap();
        assert_eq!(companion_keys(&draft), Some([bob.id(), carol.id()].into()));
        set(&mut draft, "targets/b", 1).unwrap();
        assert_eq!(companion_keys(&draft), None);
        let file = draft.targets(&TARGETS).unwrap();
        assert_eq!(file.delegations.keys.len(), 3);
    }

    #[test]
    fn no_role_needs_more_signatures_than_it_has_keys() {
        let mut repo = Repo::new();
        let [alice, bob] = [(); 2].map(|()| TestKey::bare());
        repo.delegate("targets/a", vec![alice, bob.clone()], &[""]);
        let mut draft = Draft::from_trusted(&repo.first().unwrap());
        let too_high =
            |have, need| Err(EditError::ThresholdTooHigh { role: role("targets/a"), have, need });
        assert_eq!(set(&mut draft, "targets/a", 3), too_high(2, 3));
        set(&mut draft, "targets/a", 2).unwrap();
        let edit = DelegationEdit { remove_keys: vec![bob.id()], ..DelegationEdit::default() };
        let removed = draft.edit_delegation(&role("targets/a"), false, &edit, now());
        assert_eq!(removed, too_high(1, 2));
    }

    #[test]
    fn somebodys_role_of_that_name_is_left_alone() {
        let mut repo = Repo::new();
        let [alice, bob] = [(); 2].map(|()| TestKey::bare());
        repo.delegate("targets/a", vec![alice.clone(), bob], &[""]);
        repo.delegate("targets/proposals", vec![alice], &[""]);
        let mut draft = Draft::from_trusted(&repo.first().unwrap());
        let taken = EditError::CompanionTaken { role: role("targets/proposals") };
        assert_eq!(set(&mut draft, "targets/a", 2), Err(taken));
        assert_eq!(draft.companion(&role("targets/a")), None);
    }

    /// Notary stages the threshold 1 with each key it adds.
    #[test]
    fn a_key_that_notary_adds_does_not_lower_the_threshold() {
        let mut repo = Repo::new();
        let [alice, bob, carol] = [(); 3].map(|()| TestKey::bare());
        repo.delegate("targets/a", vec![alice, bob], &[""]);
        let mut draft = Draft::from_trusted(&repo.first().unwrap());
        set(&mut draft, "targets/a", 2).unwrap();
        let add = |of: &str| Change::ChangeDelegation {
            role: DelegationScope::One(role(of)),
            create: true,
            edit: DelegationEdit {
                add_keys: vec![carol.public.clone()],
                threshold: Some(threshold(1)),
                ..DelegationEdit::default()
            },
        };
        draft.apply(&add("targets/a"), now()).unwrap();
        let keys = draft.role_keys(&role("targets/a")).unwrap();
        assert_eq!((keys.threshold.get(), keys.keys.len()), (2, 3));
        draft.apply(&add("targets/new"), now()).unwrap();
        assert_eq!(draft.role_keys(&role("targets/new")).unwrap().threshold.get(), 1);
    }
}
