//! Taking the right to sign away.

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::sign::has_key;
use crate::actions::signer::error::{SignerError, check_name};
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::tuf::RoleName;
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::Draft;
use crate::tuf::proposal::is_companion;
use crate::tuf::trusted::TrustedRepository;

/// What removing a signer came to.
#[derive(Debug)]
pub struct Removed {
    /// What was published.
    pub published: Published,
    /// What is released was signed again, with a key that is here.
    pub resigned: bool,
}

/// Takes a signer away: the delegation, and its keys from `targets/releases`, which is signed again
/// if a key for that is here. If nobody is left, `targets/releases` goes, too. `force` goes on
/// though nothing released could be pulled afterwards.
pub async fn remove(
    context: &Context,
    reference: &Reference,
    name: &str,
    force: bool,
) -> Result<Removed, SignerError> {
    if name == "releases" {
        return Err(SignerError::ReservedRemoval);
    }
    check_name(name)?;
    let gun = gun_of(reference)?;
    let store = context.trust_dir.keys()?;
    let role = RoleName::delegation(name)?;
    let mut resigned = false;
    let published = publish(context, &gun, None, |draft, trusted| {
        resigned = false;
        let Some(keys) = draft.role_keys(&role) else {
            let repository = reference.familiar_name();
            return Err(SignerError::NoSuchSigner { name: name.to_owned(), repository });
        };
        let ids: BTreeSet<KeyId> = keys.keys.into_keys().collect();
        draft.remove_delegation(&role).map_err(PublishError::from)?;
        let orphaned = take_from_releases(draft, trusted, &ids, context)?;
        if orphaned {
            if draft.exists(&RoleName::releases()) && has_key(draft, &RoleName::releases(), &store)?
            {
                draft.touch(&RoleName::releases());
                resigned = true;
            } else if !force {
                let repository = reference.familiar_name();
                return Err(SignerError::LastSigner { name: name.to_owned(), repository });
            }
        }
        Ok(())
    })
    .await?;
    Ok(Removed { published, resigned })
}

/// Takes keys from `targets/releases`, unless another signer has the same key; tells whether what
/// is released now lacks signatures.
fn take_from_releases(
    draft: &mut Draft,
    trusted: Option<&TrustedRepository>,
    ids: &BTreeSet<KeyId>,
    context: &Context,
) -> Result<bool, SignerError> {
    let releases = RoleName::releases();
    let Some(before) = draft.role_keys(&releases) else { return Ok(false) };
    let others: BTreeSet<KeyId> = draft
        .targets(&RoleName::Targets)
        .iter()
        .flat_map(|file| &file.delegations.roles)
        .filter(|child| child.name != releases && !is_companion(&child.name))
        .flat_map(|child| child.key_ids.iter().cloned())
        .collect();
    let gone: Vec<KeyId> = ids.difference(&others).cloned().collect();
    if before.keys.keys().all(|id| gone.contains(id)) {
        draft.remove_delegation(&releases).map_err(PublishError::from)?;
    } else {
        let edit = DelegationEdit { remove_keys: gone.clone(), ..DelegationEdit::default() };
        draft
            .edit_delegation(&releases, false, &edit, context.clock.now())
            .map_err(PublishError::from)?;
    }
    let signed = trusted.and_then(|trusted| trusted.targets().get(&releases));
    Ok(signed.is_some_and(|file| {
        let left = file.signers().iter().filter(|id| !gone.contains(id)).count();
        let has_tags = !file.body().targets.is_empty();
        has_tags && u32::try_from(left).unwrap_or(u32::MAX) < before.threshold.get()
    }))
}
