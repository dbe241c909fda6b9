//! Who may sign a repository.

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::proposals::{Proposed, proposed};
use crate::actions::signer::error::SignerError;
use crate::actions::update::{Source, Updated, refresh};
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::tuf::RoleName;
use crate::tuf::proposal::{are_companion_paths, is_companion};

/// The signers of a repository.
#[derive(Debug)]
pub struct Signers {
    /// By name.
    pub signers: Vec<Signer>,
    /// What waits for more signatures.
    pub proposed: Vec<Proposed>,
    /// How many signers must sign what is released.
    pub releases_threshold: Option<u32>,
    /// Root keys that were believed unseen: nothing was known of the repository before.
    pub first_contact: Option<Vec<KeyId>>,
}

/// A signer of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name, without `targets/`.
    pub name: String,
    /// Canonical ids of the keys.
    pub keys: Vec<KeyId>,
    /// How many of them are needed.
    pub threshold: u32,
    /// Prefixes of the names it may sign.
    pub paths: Vec<String>,
    /// What is wrong with what it signed last, if that cannot be used.
    pub problem: Option<String>,
}

/// The signers of a repository.
pub async fn list(
    context: &Context,
    reference: &Reference,
    source: Source,
) -> Result<Signers, SignerError> {
    let gun = gun_of(reference)?;
    let Updated { trusted, .. } = refresh(context, &gun, source).await?;
    let mut signers = Vec::new();
    let mut releases_threshold = None;
    for parent in trusted.targets().values() {
        for child in &parent.body().delegations.roles {
            if child.name == RoleName::releases() {
                releases_threshold = Some(child.threshold.get());
                continue;
            }
            if is_companion(&child.name) && are_companion_paths(&child.paths) {
                continue;
            }
            let keys = &parent.body().delegations.keys;
            let keys = child.key_ids.iter().filter_map(|id| keys.get(id));
            let name = child.name.as_str();
            signers.push(Signer {
                name: name.strip_prefix("targets/").unwrap_or(name).to_owned(),
                keys: keys.filter_map(|key| key.canonical_id().ok()).collect(),
                threshold: child.threshold.get(),
                paths: child.paths.clone(),
                problem: trusted.unusable().get(&child.name).map(ToString::to_string),
            });
        }
    }
    signers.sort_by(|a, b| a.name.cmp(&b.name));
    let first_contact = trusted.is_first_use().then(|| trusted.root_key_ids());
    let (proposed, _) = proposed(&trusted);
    Ok(Signers { signers, proposed, releases_threshold, first_contact })
}
