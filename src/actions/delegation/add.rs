//! Making a delegation, or giving one more keys and paths.

use std::num::NonZeroU32;

use crate::actions::context::Context;
use crate::actions::delegation::error::DelegationError;
use crate::actions::stage::stage;
use crate::crypto::PublicKey;
use crate::tuf::changelist::{Change, DelegationEdit, DelegationScope};
use crate::tuf::{Gun, RoleName};

/// What a delegation gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addition {
    /// Keys that may sign.
    pub keys: Vec<PublicKey>,
    /// Prefixes of what they may sign.
    pub paths: Vec<String>,
}

/// Stages what a delegation gets, and returns the changes. The role is made if it is not there.
pub fn add(
    context: &Context,
    gun: &Gun,
    role: &RoleName,
    addition: Addition,
) -> Result<Vec<Change>, DelegationError> {
    let changes = additions(role, addition);
    stage(context, gun, &changes)?;
    Ok(changes)
}

/// As notary stages it: one change for the keys, then one for the paths (notary.md §2.6).
fn additions(role: &RoleName, addition: Addition) -> Vec<Change> {
    let change = |edit| Change::ChangeDelegation {
        role: DelegationScope::One(role.clone()),
        create: true,
        edit,
    };
    let Addition { keys, paths } = addition;
    let mut changes = Vec::new();
    if !keys.is_empty() {
        let threshold = Some(NonZeroU32::MIN);
        changes.push(change(DelegationEdit { threshold, add_keys: keys, ..Default::default() }));
    }
    if !paths.is_empty() {
        changes.push(change(DelegationEdit { add_paths: paths, ..Default::default() }));
    }
    changes
}
