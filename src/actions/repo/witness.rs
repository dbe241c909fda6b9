//! Having roles signed again as they are (notary.md §4.8).

use crate::actions::context::Context;
use crate::actions::publish::Published;
use crate::actions::repo::error::RepoError;
use crate::actions::stage::{publish_staged_with, stage};
use crate::tuf::changelist::Change;
use crate::tuf::{Gun, RoleName};

/// Stages that roles are signed again, by whoever publishes: `targets` and delegations.
///
/// A delegation that does not verify any more, because its keys were changed, comes back with all
/// it held last. That must have been seen valid on this machine, unless [`publish_unseen`] says
/// otherwise.
pub fn witness(context: &Context, gun: &Gun, roles: &[RoleName]) -> Result<(), RepoError> {
    if let Some(role) = roles.iter().find(|role| !role.is_targets()) {
        return Err(RepoError::NotWitnessed { role: role.clone() });
    }
    let changes: Vec<Change> =
        roles.iter().map(|role| Change::Witness { role: role.clone() }).collect();
    Ok(stage(context, gun, &changes)?)
}

/// Publishes what is staged, and believes the trust server what these roles held.
pub async fn publish_unseen(
    context: &Context,
    gun: &Gun,
    roles: &[RoleName],
) -> Result<Published, RepoError> {
    Ok(publish_staged_with(context, gun, roles).await?)
}
