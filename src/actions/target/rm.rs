//! Removing a target from a collection.

use crate::actions::context::Context;
use crate::actions::stage::stage;
use crate::actions::target::add::or_top_level;
use crate::actions::target::error::TargetError;
use crate::tuf::changelist::Change;
use crate::tuf::{Gun, RoleName, TargetName};

/// Stages that roles no longer vouch for a target; `targets` if no role is named. Removing what is
/// not there changes nothing.
pub fn remove(
    context: &Context,
    gun: &Gun,
    name: &TargetName,
    roles: &[RoleName],
) -> Result<(), TargetError> {
    let changes: Vec<Change> = or_top_level(roles)
        .into_iter()
        .map(|role| Change::RemoveTarget { role, name: name.clone() })
        .collect();
    Ok(stage(context, gun, &changes)?)
}
