//! Which delegations a repository has.

use crate::actions::context::Context;
use crate::actions::delegation::error::DelegationError;
use crate::actions::update::{Source, Updated, refresh};
use crate::crypto::KeyId;
use crate::tuf::{Gun, RoleName};

/// The delegations of a repository.
#[derive(Debug)]
pub struct Delegations {
    /// By name.
    pub delegations: Vec<Delegation>,
    /// Root keys that were believed unseen: nothing was known of the repository before.
    pub first_contact: Option<Vec<KeyId>>,
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The role.
    pub role: RoleName,
    /// Prefixes of what it may sign, sorted.
    pub paths: Vec<String>,
    /// Canonical ids of its keys, in the order of the document.
    pub keys: Vec<KeyId>,
    /// How many of them have to sign.
    pub threshold: u32,
    /// What is wrong with what it signed last, if that cannot be used.
    pub problem: Option<String>,
}

/// The delegations of a repository, nested ones too. Those below a role that cannot be used are
/// not known.
pub async fn list(
    context: &Context,
    gun: &Gun,
    source: Source,
) -> Result<Delegations, DelegationError> {
    let Updated { trusted, .. } = refresh(context, gun, source).await?;
    let mut delegations = Vec::new();
    for parent in trusted.targets().values() {
        let document = &parent.body().delegations;
        for child in &document.roles {
            // An id without a key is nobody's; it is shown as it is.
            let canonical = |id: &KeyId| {
                let key = document.keys.get(id).and_then(|key| key.canonical_id().ok());
                key.unwrap_or_else(|| id.clone())
            };
            let mut paths = child.paths.clone();
            paths.sort();
            delegations.push(Delegation {
                role: child.name.clone(),
                paths,
                keys: child.key_ids.iter().map(canonical).collect(),
                threshold: child.threshold.get(),
                problem: trusted.unusable().get(&child.name).map(ToString::to_string),
            });
        }
    }
    delegations.sort_by(|a, b| a.role.as_str().cmp(b.role.as_str()));
    let first_contact = trusted.is_first_use().then(|| trusted.root_key_ids());
    Ok(Delegations { delegations, first_contact })
}
