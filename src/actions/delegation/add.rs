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
    /// How many of the role's keys must sign from then on.
    pub threshold: Option<NonZeroU32>,
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

/// As notary stages it: one change for the keys, then one for the paths (notary.md §2.6). A
/// threshold comes last, as a change of its own: in one with keys a 1 says nothing, and a number
/// that the keys before it do not reach would be refused.
fn additions(role: &RoleName, addition: Addition) -> Vec<Change> {
    let change = |create, edit| Change::ChangeDelegation {
        role: DelegationScope::One(role.clone()),
        create,
        edit,
    };
    let Addition { keys, paths, threshold } = addition;
    let mut changes = Vec::new();
    if !keys.is_empty() {
        let of_notary = Some(NonZeroU32::MIN);
        let edit =
            DelegationEdit { threshold: of_notary, add_keys: keys, ..DelegationEdit::default() };
        changes.push(change(true, edit));
    }
    if !paths.is_empty() {
        changes.push(change(true, DelegationEdit { add_paths: paths, ..Default::default() }));
    }
    if threshold.is_some() {
        changes.push(change(false, DelegationEdit { threshold, ..Default::default() }));
    }
    changes
}
