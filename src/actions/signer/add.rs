//! Making somebody a signer, and saying how many of them it takes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::initialize::Plan;
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::sign::key_ids;
use crate::actions::signer::error::{SignerError, check_name};
use crate::crypto::PublicKey;
use crate::oci::Reference;
use crate::store::KeyStore;
use crate::tuf::RoleName;
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::Draft;
use crate::tuf::trusted::TrustedRepository;

/// Who becomes a signer, and what it takes from then on.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The signer's name.
    pub name: String,
    /// Keys to add; none are needed for somebody who is a signer.
    pub keys: Vec<PublicKey>,
    /// How many of the signer's own keys must sign what the signer signs.
    pub threshold: Option<NonZeroU32>,
    /// How many signers' keys must sign what is released.
    pub releases_threshold: Option<NonZeroU32>,
    /// Raise the threshold though what is released now cannot be pulled any more then.
    pub force: bool,
}

/// Makes somebody a signer of a repository, or gives a signer more keys; sets the repository up
/// first if it has no trust data.
pub async fn add(
    context: &Context,
    reference: &Reference,
    request: &Request,
) -> Result<Published, SignerError> {
    let name = &request.name;
    check_name(name)?;
    let gun = gun_of(reference)?;
    let now = context.clock.now();
    let store = context.trust_dir.keys()?;
    let signer = RoleName::delegation(name)?;
    let releases = RoleName::releases();
    let edit = |threshold| DelegationEdit {
        add_keys: request.keys.clone(),
        add_paths: if request.keys.is_empty() { Vec::new() } else { vec![String::new()] },
        threshold,
        ..DelegationEdit::default()
    };
    // A repository is not set up just to have a number in it.
    let plan = (!request.keys.is_empty()).then(Plan::default);
    publish(context, &gun, plan.as_ref(), |draft, trusted| {
        if request.keys.is_empty() && !draft.exists(&signer) {
            let repository = reference.familiar_name();
            return Err(SignerError::NoKeys { name: name.clone(), repository });
        }
        for (role, threshold) in
            [(&signer, request.threshold), (&releases, request.releases_threshold)]
        {
            let create = !request.keys.is_empty();
            draft
                .edit_delegation(role, create, &edit(threshold), now)
                .map_err(PublishError::from)?;
        }
        if would_be_lost(draft, trusted) {
            if all_here(draft, &store)? {
                draft.touch(&releases);
            } else if !request.force {
                let repository = reference.familiar_name();
                return Err(SignerError::ReleasesTooFew { repository });
            }
        }
        Ok(())
    })
    .await
}

/// Whether what is released can be pulled now, and could not under the keys and threshold drafted.
fn would_be_lost(draft: &Draft, trusted: Option<&TrustedRepository>) -> bool {
    let releases = RoleName::releases();
    let Some(file) = trusted.and_then(|trusted| trusted.targets().get(&releases)) else {
        return false;
    };
    let Some(keys) = draft.role_keys(&releases) else { return false };
    let enough = usize::try_from(keys.threshold.get()).unwrap_or(usize::MAX);
    let left = file.signers().iter().filter(|id| keys.keys.contains_key(id)).count();
    !file.body().targets.is_empty() && left < enough
}

/// Whether there are keys enough here to sign anew what is released.
fn all_here(draft: &Draft, store: &KeyStore) -> Result<bool, SignerError> {
    let Some(keys) = draft.role_keys(&RoleName::releases()) else { return Ok(false) };
    let mut here = 0;
    for id in key_ids(draft, &RoleName::releases()).into_iter().collect::<BTreeSet<_>>() {
        here += u32::from(store.find(&id)?.is_some());
    }
    Ok(here >= keys.threshold.get())
}
