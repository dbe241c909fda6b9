//! Taking keys and paths from a delegation, or the delegation away.

use crate::actions::context::Context;
use crate::actions::delegation::error::DelegationError;
use crate::actions::stage::stage;
use crate::crypto::KeyId;
use crate::tuf::changelist::{Change, DelegationEdit, DelegationScope};
use crate::tuf::{Gun, RoleName};

/// What a delegation loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Everything: the role goes, with those below it.
    Role,
    /// Some of it.
    Parts {
        /// Canonical ids of keys.
        keys: Vec<KeyId>,
        /// Prefixes.
        paths: Paths,
    },
}

/// Which of the paths go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    /// All.
    All,
    /// These.
    Some(Vec<String>),
}

/// Stages what a delegation loses, and returns the changes.
pub fn remove(
    context: &Context,
    gun: &Gun,
    role: &RoleName,
    removal: Removal,
) -> Result<Vec<Change>, DelegationError> {
    let changes = removals(role, removal);
    stage(context, gun, &changes)?;
    Ok(changes)
}

/// As notary stages it: one change for the paths, then one for the keys (notary.md §2.6).
fn removals(role: &RoleName, removal: Removal) -> Vec<Change> {
    let Removal::Parts { keys, paths } = removal else {
        return vec![Change::RemoveDelegation { role: role.clone() }];
    };
    let change = |edit| Change::ChangeDelegation {
        role: DelegationScope::One(role.clone()),
        create: false,
        edit,
    };
    let mut changes = Vec::new();
    match paths {
        Paths::All => {
            changes.push(change(DelegationEdit { clear_paths: true, ..Default::default() }));
        }
        Paths::Some(paths) if paths.is_empty() => {}
        Paths::Some(paths) => {
            changes.push(change(DelegationEdit { remove_paths: paths, ..Default::default() }));
        }
    }
    if !keys.is_empty() {
        changes.push(change(DelegationEdit { remove_keys: keys, ..Default::default() }));
    }
    changes
}
