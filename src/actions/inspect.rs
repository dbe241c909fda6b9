//! What is known of a repository's signatures, as `docker trust inspect` shows it (notary.md §5.3).

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::context::Context;
use crate::actions::image::{digest_of, gun_of};
use crate::actions::proposals::{Proposed, proposed};
use crate::actions::update::{RefreshError, Source, Updated, refresh};
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::tuf::trusted::TrustedRepository;
use crate::tuf::{NameError, RoleName};

/// What a repository's trust data says.
#[derive(Debug)]
pub struct Inspected {
    /// Tags, by name and then digest: those that the top-level role or `targets/releases` names.
    pub tags: Vec<InspectedTag>,
    /// Signers, each with the canonical ids of its keys, in the order of the delegations.
    pub signers: Vec<(String, Vec<KeyId>)>,
    /// Root keys, by their id in metadata.
    pub root_keys: Vec<KeyId>,
    /// The root was seen for the first time just now, and believed.
    pub first_use: bool,
    /// Repository keys, by their id in metadata.
    pub repository_keys: Vec<KeyId>,
    /// What waits for more signatures.
    pub proposed: Vec<Proposed>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One tag with one digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedTag {
    /// The tag.
    pub tag: String,
    /// SHA-256 of the manifest, in hex.
    pub digest: String,
    /// Who vouches for it besides the repository's owner; empty means the owner alone.
    pub signers: Vec<String>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// What is known could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Reads a repository's trust data; a tag in the reference leaves only that tag.
pub async fn inspect(
    context: &Context,
    reference: &Reference,
    source: Source,
) -> Result<Inspected, InspectError> {
    let gun = gun_of(reference)?;
    let Updated { trusted, not_cached } = refresh(context, &gun, source).await?;
    let mut warnings: Vec<String> = trusted.notes().iter().map(ToString::to_string).collect();
    warnings.extend(trusted.expired().iter().map(|(role, since)| {
        format!("{role} expired on {since}, and was accepted because that was asked for")
    }));
    warnings.extend(
        trusted.unusable().iter().map(|(role, cause)| format!("{role} cannot be used: {cause}")),
    );
    warnings
        .extend(not_cached.map(|error| format!("what was learned could not be cached: {error}")));
    let (waiting, about_proposals) = proposed(&trusted);
    warnings.extend(about_proposals);
    Ok(Inspected {
        proposed: about(waiting, reference.tag()),
        tags: tags(&trusted, reference.tag()),
        signers: signers(&trusted),
        root_keys: trusted.root_key_ids(),
        first_use: trusted.is_first_use(),
        repository_keys: repository_keys(&trusted),
        warnings,
    })
}

/// A tag in the reference leaves only what is proposed about that tag.
fn about(waiting: Vec<Proposed>, tag: Option<&str>) -> Vec<Proposed> {
    let Some(tag) = tag else { return waiting };
    let concerns = |proposed: &Proposed| {
        proposed.adds.iter().any(|(name, _)| name == tag)
            || proposed.removes.iter().any(|name| name == tag)
    };
    waiting.into_iter().filter(concerns).collect()
}

fn tags(trusted: &TrustedRepository, only: Option<&str>) -> Vec<InspectedTag> {
    let mut rows: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut released = BTreeSet::new();
    for role in trusted.walk() {
        let names = trusted.targets().get(role).into_iter().flat_map(|file| &file.body().targets);
        for (name, _) in names.filter(|(name, _)| only.is_none_or(|only| only == name.as_str())) {
            let Some(found) = trusted.in_role(role, name) else { continue };
            let Some(digest) = digest_of(found.target) else { continue };
            let row = (name.to_string(), digest.hex().to_owned());
            let signers = rows.entry(row.clone()).or_default();
            if *role == RoleName::Targets || *role == RoleName::releases() {
                released.insert(row);
            } else {
                signers.push(signer_name(role).to_owned());
            }
        }
    }
    rows.into_iter()
        .filter(|(row, _)| released.contains(row))
        .map(|((tag, digest), signers)| InspectedTag { tag, digest, signers })
        .collect()
}

/// Every delegation but `targets/releases`, with the canonical ids of its keys.
fn signers(trusted: &TrustedRepository) -> Vec<(String, Vec<KeyId>)> {
    let parents = trusted.walk().into_iter().filter_map(|role| trusted.targets().get(role));
    let children = parents.flat_map(|file| {
        let delegations = &file.body().delegations;
        delegations.roles.iter().map(move |child| (child, &delegations.keys))
    });
    children
        .filter(|(child, _)| child.name != RoleName::releases())
        .map(|(child, keys)| {
            let ids = child.key_ids.iter().filter_map(|id| keys.get(id)?.canonical_id().ok());
            (signer_name(&child.name).to_owned(), ids.collect())
        })
        .collect()
}

fn signer_name(role: &RoleName) -> &str {
    role.as_str().strip_prefix("targets/").unwrap_or(role.as_str())
}

fn repository_keys(trusted: &TrustedRepository) -> Vec<KeyId> {
    let spec = trusted.root().body().roles.get(RoleName::Targets.as_str());
    spec.map(|spec| spec.key_ids.clone()).unwrap_or_default()
}
