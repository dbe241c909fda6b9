//! What staged changes will mean for those who read the repository then, as far as it is known here.

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::delegation::purge::spare_unsignable;
use crate::actions::stage::{Staged, staged};
use crate::actions::update::{Source, Updated, refresh};
use crate::crypto::KeyId;
use crate::tuf::changelist::{Change, DelegationScope};
use crate::tuf::editor::{Draft, EditError};
use crate::tuf::metadata::{DelegationRole, Targets};
use crate::tuf::trusted::TrustedRepository;
use crate::tuf::{Gun, RoleName};

/// What may surprise somebody later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surprise {
    /// Too few of those who signed what the role holds may sign for it still: nobody can use it
    /// until somebody signs it again.
    Unsigned {
        /// The role.
        role: RoleName,
        /// Canonical ids of its keys that are on this machine.
        here: Vec<KeyId>,
        /// Canonical ids of its other keys.
        elsewhere: Vec<KeyId>,
    },
    /// The role has fewer keys than have to sign: nobody can use it, and nobody can mend that but
    /// who gives it keys.
    TooFewKeys {
        /// The role.
        role: RoleName,
        /// How many it has.
        keys: usize,
        /// How many it needs.
        threshold: u32,
    },
    /// The role may sign nothing.
    NoPaths {
        /// The role.
        role: RoleName,
    },
    /// A path that counts for nothing, since the role above may not sign there.
    PathOutside {
        /// The role.
        role: RoleName,
        /// The path.
        path: String,
    },
    /// The role was there before: what it held then may count again.
    Reborn {
        /// The role.
        role: RoleName,
    },
    /// Keys to be purged stay in what this role delegates to, for it cannot be signed here.
    OutOfReach {
        /// The role that delegates.
        role: RoleName,
    },
    /// A role is to be removed and is not there.
    NoSuchRole {
        /// The role.
        role: RoleName,
    },
    /// A key is to be removed and is not there.
    NoSuchKey {
        /// The role; any, for a purge.
        role: Option<RoleName>,
        /// The key's canonical id.
        key: KeyId,
    },
    /// A path is to be removed and is not there.
    NoSuchPath {
        /// The role.
        role: RoleName,
        /// The path.
        path: String,
    },
    /// What is staged cannot be published as things are.
    Impossible(EditError),
}

/// What all that is staged comes to for the delegations that `changes` are about. Nothing is said
/// where nothing is known: this is for warnings only.
pub async fn outlook(
    context: &Context,
    gun: &Gun,
    changes: &[Change],
    source: Source,
) -> Vec<Surprise> {
    let Ok(Updated { trusted, .. }) = refresh(context, gun, source).await else {
        return Vec::new();
    };
    let mut draft = Draft::from_trusted(&trusted);
    let waiting = staged(context, gun).unwrap_or_default();
    let before = waiting.len().saturating_sub(changes.len());
    let mut surprises = Vec::new();
    for (number, Staged { change, .. }) in waiting.iter().enumerate() {
        if number >= before {
            surprises.extend(in_vain(&draft, change));
        }
        let spared = spare_unsignable(context, &mut draft, change);
        let applied = draft.apply(change, context.clock.now());
        if let (Err(error), Ok(())) = (applied, spared) {
            return vec![Surprise::Impossible(error)];
        }
    }
    surprises.extend(passed_by(&draft, changes));
    for role in concerned(&draft, changes) {
        surprises.extend(about(context, &trusted, &draft, &role));
    }
    surprises
}

/// What a change would take away and is not there.
fn in_vain(draft: &Draft, change: &Change) -> Vec<Surprise> {
    let (role, edit) = match change {
        Change::ChangeDelegation { role: DelegationScope::One(role), edit, .. } => (role, edit),
        Change::RemoveDelegation { role } if !draft.exists(role) => {
            return vec![Surprise::NoSuchRole { role: role.clone() }];
        }
        Change::ChangeDelegation { role: DelegationScope::AllBelow(_), edit, .. } => {
            let absent = |key: &&KeyId| !draft.all_targets().any(|(_, file)| has(file, None, key));
            let absent = edit.remove_keys.iter().filter(absent);
            return absent
                .map(|key| Surprise::NoSuchKey { role: None, key: key.clone() })
                .collect();
        }
        _ => return Vec::new(),
    };
    let Some(file) = role.parent().and_then(|parent| draft.targets(&parent)) else {
        return Vec::new();
    };
    let child = file.delegations.roles.iter().find(|child| child.name == *role);
    let Some(child) = child else { return Vec::new() };
    let keys = edit.remove_keys.iter().filter(|key| !has(file, Some(child), key));
    let keys = keys.map(|key| Surprise::NoSuchKey { role: Some(role.clone()), key: key.clone() });
    let paths = edit.remove_paths.iter().filter(|path| !child.paths.contains(path));
    let paths = paths.map(|path| Surprise::NoSuchPath { role: role.clone(), path: path.clone() });
    keys.chain(paths).collect()
}

/// Whether a delegation, or any of a file, has a key of this canonical id.
fn has(file: &Targets, child: Option<&DelegationRole>, wanted: &KeyId) -> bool {
    let listed = |id: &KeyId| child.is_none_or(|child| child.key_ids.contains(id));
    file.delegations.keys.iter().any(|(id, key)| {
        listed(id) && (id == wanted || key.canonical_id().is_ok_and(|bare| bare == *wanted))
    })
}

/// Roles that have keys to be purged and cannot be signed here.
fn passed_by(draft: &Draft, changes: &[Change]) -> Vec<Surprise> {
    let purged: Vec<&KeyId> = changes
        .iter()
        .filter_map(|change| match change {
            Change::ChangeDelegation { role: DelegationScope::AllBelow(_), edit, .. } => Some(edit),
            _ => None,
        })
        .flat_map(|edit| &edit.remove_keys)
        .collect();
    let spared = draft.spared().iter().filter(|role| {
        let file = draft.targets(role);
        file.is_some_and(|file| purged.iter().any(|key| has(file, None, key)))
    });
    spared.map(|role| Surprise::OutOfReach { role: role.clone() }).collect()
}

/// The delegations that changes are about, as far as they are there afterwards.
fn concerned(draft: &Draft, changes: &[Change]) -> BTreeSet<RoleName> {
    let mut roles = BTreeSet::new();
    for change in changes {
        let Change::ChangeDelegation { role, .. } = change else { continue };
        match role {
            DelegationScope::One(role) => roles.extend(draft.exists(role).then(|| role.clone())),
            DelegationScope::AllBelow(_) => {
                let all = draft.all_targets().flat_map(|(_, file)| &file.delegations.roles);
                roles.extend(all.map(|child| child.name.clone()));
            }
        }
    }
    roles
}

fn about(
    context: &Context,
    trusted: &TrustedRepository,
    draft: &Draft,
    role: &RoleName,
) -> Vec<Surprise> {
    let mut surprises = Vec::new();
    let Some(keys) = draft.role_keys(role) else { return surprises };
    let signable: BTreeSet<KeyId> =
        keys.keys.values().filter_map(|key| key.canonical_id().ok()).collect();
    let threshold = usize::try_from(keys.threshold.get()).unwrap_or(usize::MAX);
    let role = role.clone();
    if signable.len() < threshold {
        let threshold = keys.threshold.get();
        surprises.push(Surprise::TooFewKeys {
            role: role.clone(),
            keys: signable.len(),
            threshold,
        });
    } else if let Some(file) = trusted.targets().get(&role)
        && !draft.dirty().contains(&role)
    {
        let signers = file.signers().iter().filter(|id| keys.keys.contains_key(*id));
        let signers: BTreeSet<_> =
            signers.filter_map(|id| keys.keys.get(id)?.canonical_id().ok()).collect();
        if signers.len() < threshold {
            let store = context.trust_dir.keys();
            let is_here = |id: &KeyId| {
                store.as_ref().is_ok_and(|store| store.find(id).is_ok_and(|key| key.is_some()))
            };
            let (here, elsewhere) = signable.into_iter().partition(is_here);
            surprises.push(Surprise::Unsigned { role: role.clone(), here, elsewhere });
        }
    }
    let known_before = trusted
        .targets()
        .values()
        .any(|file| file.body().delegations.roles.iter().any(|child| child.name == role));
    if !known_before && trusted.listed(&role).is_some() && !draft.dirty().contains(&role) {
        surprises.push(Surprise::Reborn { role: role.clone() });
    }
    let own = role.parent().and_then(|parent| draft.targets(&parent));
    let own = own.and_then(|file| file.delegations.roles.iter().find(|child| child.name == role));
    let own = own.map(|child| child.paths.clone()).unwrap_or_default();
    let effective = draft.paths(&role);
    if effective.is_empty() {
        surprises.push(Surprise::NoPaths { role: role.clone() });
    }
    let outside = own.into_iter().filter(|path| !effective.contains(path));
    surprises.extend(outside.map(|path| Surprise::PathOutside { role: role.clone(), path }));
    surprises
}
