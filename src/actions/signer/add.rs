//! Making somebody a signer.

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::initialize::Plan;
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::signer::error::{SignerError, check_name};
use crate::crypto::PublicKey;
use crate::oci::Reference;
use crate::tuf::RoleName;
use crate::tuf::changelist::DelegationEdit;

/// Makes somebody a signer of a repository, or gives a signer more keys; sets the repository up
/// first if it has no trust data.
pub async fn add(
    context: &Context,
    reference: &Reference,
    name: &str,
    keys: &[PublicKey],
) -> Result<Published, SignerError> {
    check_name(name)?;
    let gun = gun_of(reference)?;
    let roles = [RoleName::delegation(name)?, RoleName::releases()];
    let edit = DelegationEdit {
        add_keys: keys.to_vec(),
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    };
    publish(context, &gun, Some(&Plan::default()), |draft, _| {
        for role in &roles {
            draft
                .edit_delegation(role, true, &edit, context.clock.now())
                .map_err(PublishError::from)?;
        }
        Ok(())
    })
    .await
}
