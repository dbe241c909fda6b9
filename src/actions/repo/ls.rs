//! What a collection holds.

use crate::actions::context::Context;
use crate::actions::update::{RefreshError, Source, Updated, refresh};
use crate::crypto::KeyId;
use crate::tuf::trusted::{Found, TrustedRepository};
use crate::tuf::{Gun, RoleName, Target, TargetName};

/// The targets of a collection.
#[derive(Debug)]
pub struct Listing {
    /// By name.
    pub entries: Vec<Entry>,
    /// What a person should know of it.
    pub remarks: Remarks,
}

/// A target that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: TargetName,
    /// What it is.
    pub target: Target,
    /// The role that vouches for it.
    pub role: RoleName,
}

/// What is to be told of a collection that was read.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Root keys that were believed unseen: nothing was known of the repository before.
    pub first_contact: Option<Vec<KeyId>>,
    /// Roles that are left out, and what is wrong with each.
    pub unusable: Vec<(RoleName, String)>,
    /// Roles that were asked for and do not exist.
    pub unknown: Vec<RoleName>,
}

impl Entry {
    /// A target as it was found.
    pub fn of(name: &TargetName, found: &Found<'_>) -> Self {
        Self { name: name.clone(), target: found.target.clone(), role: found.role.clone() }
    }
}

impl Remarks {
    /// What is to be told of a repository, of which these roles were asked for.
    pub fn of(trusted: &TrustedRepository, roles: &[RoleName]) -> Self {
        let unusable = trusted.unusable().iter();
        let is_known = |role: &RoleName| {
            let parent = role.parent().and_then(|parent| trusted.targets().get(&parent));
            role.is_targets()
                && (trusted.targets().contains_key(role)
                    || trusted.unusable().contains_key(role)
                    || parent.is_some_and(|parent| parent.body().role_keys(role).is_some()))
        };
        Self {
            first_contact: trusted.is_first_use().then(|| trusted.root_key_ids()),
            unusable: unusable.map(|(role, cause)| (role.clone(), cause.to_string())).collect(),
            unknown: roles.iter().filter(|role| !is_known(role)).cloned().collect(),
        }
    }
}

/// Lists what counts when these roles are asked in this order; without any, `targets` and what is
/// below it, so that the top-level role goes before its delegations (notary.md §4.4).
pub async fn list(
    context: &Context,
    gun: &Gun,
    roles: &[RoleName],
    source: Source,
) -> Result<Listing, RefreshError> {
    let Updated { trusted, .. } = refresh(context, gun, source).await?;
    let priority = priority(roles);
    let listed = trusted.list(&priority);
    let entries = listed.into_iter().map(|(name, found)| Entry::of(name, &found)).collect();
    Ok(Listing { entries, remarks: Remarks::of(&trusted, &priority) })
}

/// The roles that are asked: those that were named, or `targets`.
pub fn priority(roles: &[RoleName]) -> Vec<RoleName> {
    if roles.is_empty() { vec![RoleName::Targets] } else { roles.to_vec() }
}
