//! Taking keys from every delegation at once.

use crate::actions::context::Context;
use crate::actions::delegation::error::DelegationError;
use crate::actions::sign::has_key;
use crate::actions::stage::stage;
use crate::crypto::KeyId;
use crate::store::StoreError;
use crate::tuf::changelist::{Change, DelegationEdit, DelegationScope};
use crate::tuf::editor::Draft;
use crate::tuf::{Gun, RoleName};

/// Stages that every delegation loses these keys, named by canonical id, and returns the change:
/// one for `targets/*` (notary.md §2.6).
pub fn purge(
    context: &Context,
    gun: &Gun,
    keys: Vec<KeyId>,
) -> Result<Vec<Change>, DelegationError> {
    let changes = vec![Change::ChangeDelegation {
        role: DelegationScope::AllBelow(RoleName::Targets),
        create: false,
        edit: DelegationEdit { remove_keys: keys, ..DelegationEdit::default() },
    }];
    stage(context, gun, &changes)?;
    Ok(changes)
}

/// Has a purge pass by delegations that cannot be signed with the keys that are here, as notary
/// does: a nested role is its holder's affair. The top-level role is not passed by, so that a purge
/// does not silently do nothing.
pub fn spare_unsignable(
    context: &Context,
    draft: &mut Draft,
    change: &Change,
) -> Result<(), StoreError> {
    if !matches!(change, Change::ChangeDelegation { role: DelegationScope::AllBelow(_), .. }) {
        return Ok(());
    }
    let store = context.trust_dir.keys()?;
    let nested: Vec<RoleName> = draft
        .all_targets()
        .filter(|(role, file)| role.is_delegation() && !file.delegations.roles.is_empty())
        .map(|(role, _)| role.clone())
        .collect();
    for role in nested {
        if !has_key(draft, &role, &store)? {
            draft.spare(&role);
        }
    }
    Ok(())
}
