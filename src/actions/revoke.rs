//! Taking signatures away.

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::image::{gun_of, pull_roles};
use crate::actions::publish::{PublishError, Published, publish};
use crate::actions::sign::{has_key, key_ids};
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::store::StoreError;
use crate::tuf::editor::{Draft, Outcome};
use crate::tuf::proposal::is_companion;
use crate::tuf::{NameError, RoleName, TargetName};

/// What was revoked.
#[derive(Debug)]
pub struct Revoked {
    /// Tags and the roles they were taken out of.
    pub removed: Vec<(String, Vec<RoleName>)>,
    /// Where tags still are, because no key of the role is here.
    pub remaining: Vec<Remaining>,
    /// What was published.
    pub published: Published,
}

/// A signature that could not be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// The tag.
    pub tag: String,
    /// The role that still names it.
    pub role: RoleName,
    /// Whether that alone makes it trusted for a pull.
    pub trusted: bool,
    /// Canonical ids of keys that could take it away.
    pub candidates: Vec<KeyId>,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// A digest has no signature of its own.
    #[error("cannot use a digest reference for IMAGE:TAG")]
    DigestReference,
    /// Nothing is signed under this name.
    #[error("could not remove signature for {reference}: No valid trust data for {tag}")]
    NotSigned {
        /// The image.
        reference: String,
        /// The tag.
        tag: String,
    },
    /// The repository has no signed tags.
    #[error("could not remove signature for {reference}: no signed tags to remove")]
    NothingSigned {
        /// The image.
        reference: String,
    },
    /// No key is here of any role that names it.
    #[error("could not remove signature for {reference}: no valid signing keys")]
    NoKeys {
        /// The image.
        reference: String,
        /// Where it still is.
        remaining: Vec<Remaining>,
    },
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The keys.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Takes a tag, or every tag, out of all roles that name it and whose key is here; says where it
/// still is.
pub async fn revoke(context: &Context, reference: &Reference) -> Result<Revoked, RevokeError> {
    if reference.digest().is_some() {
        return Err(RevokeError::DigestReference);
    }
    let gun = gun_of(reference)?;
    let keys = context.trust_dir.keys()?;
    let (mut removed, mut remaining) = (Vec::new(), Vec::new());
    let published = publish(context, &gun, None, |draft, _| {
        (removed, remaining) = (Vec::new(), Vec::new());
        for tag in tags(draft, reference)? {
            let mut roles = Vec::new();
            for role in roles_naming(draft, &tag) {
                if !has_key(draft, &role, &keys)? {
                    remaining.push(Remaining {
                        tag: tag.to_string(),
                        trusted: pull_roles().contains(&role),
                        candidates: key_ids(draft, &role),
                        role,
                    });
                    continue;
                }
                let outcome = draft.remove_target(&role, &tag).map_err(PublishError::from)?;
                if outcome == Outcome::Changed {
                    roles.push(role);
                }
            }
            if !roles.is_empty() {
                removed.push((tag.to_string(), roles));
            }
        }
        if removed.is_empty() {
            return Err(RevokeError::NoKeys {
                reference: reference.familiar(),
                remaining: remaining.clone(),
            });
        }
        Ok(())
    })
    .await?;
    Ok(Revoked { removed, remaining, published })
}

fn tags(draft: &Draft, reference: &Reference) -> Result<Vec<TargetName>, RevokeError> {
    if let Some(tag) = reference.tag() {
        let name = TargetName::parse(tag)?;
        if roles_naming(draft, &name).is_empty() {
            return Err(RevokeError::NotSigned {
                reference: reference.familiar(),
                tag: tag.to_owned(),
            });
        }
        return Ok(vec![name]);
    }
    let files = draft.all_targets().filter(|(role, _)| !is_companion(role));
    let all: BTreeSet<TargetName> =
        files.flat_map(|(_, file)| file.targets.keys().cloned()).collect();
    if all.is_empty() {
        return Err(RevokeError::NothingSigned { reference: reference.familiar() });
    }
    Ok(all.into_iter().collect())
}

fn roles_naming(draft: &Draft, tag: &TargetName) -> Vec<RoleName> {
    draft
        .all_targets()
        .filter(|(role, file)| !is_companion(role) && file.targets.contains_key(tag))
        .map(|(role, _)| role.clone())
        .collect()
}
