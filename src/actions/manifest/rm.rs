//! Deleting a manifest from its registry.

use crate::actions::context::{ConnectionError, Context};
use crate::actions::image::gun_of;
use crate::actions::tags::ls::with_digests;
use crate::actions::update::{Source, last_confirmed};
use crate::actions::verify::{self, VerifyImageError};
use crate::client::{RegistryClient, RegistryError};
use crate::limits::MAX_COMPARED_TAGS;
use crate::oci::{Digest, Reference};
use crate::wire::referrers::Referrer;

/// What to delete.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image, by tag or by digest.
    pub reference: Reference,
    /// How far to go.
    pub reach: Reach,
    /// Ask the trust server afterwards whether the tags are signed, even if nothing is known of
    /// the repository here.
    pub ask_trust: bool,
}

/// How far a deletion goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The manifest, unless tags go with it that were not named.
    Named,
    /// The manifest, with whatever tags it has.
    AllTags,
    /// The tag alone.
    TagAlone,
}

/// What was deleted.
#[derive(Debug)]
pub struct Deleted {
    /// The tags that are gone, as far as they are known.
    pub tags: Vec<String>,
    /// The digest that is gone; `None` if only a tag is.
    pub digest: Option<Digest>,
    /// Which tags still are signed with that digest.
    pub still_signed: Vec<String>,
    /// The list of referrers could not be corrected.
    pub stale_list: Option<RegistryError>,
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// There is no way to the registry.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry does not have it, or does not do it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Other tags would go with it.
    #[error("{reference} has other tags, which would go with it: {}", tags.join(", "))]
    OtherTags {
        /// The image.
        reference: String,
        /// Those tags.
        tags: Vec<String>,
    },
    /// So many tags that they were not compared.
    #[error("{repository} has {count} tags, too many to see whether others go with it")]
    TooManyTags {
        /// The repository.
        repository: String,
        /// How many tags it has.
        count: usize,
    },
    /// A tag alone was to be deleted, and none was named.
    #[error("{reference} names no tag")]
    NoTag {
        /// The image.
        reference: String,
    },
    /// The tag has another digest than the one beside it.
    #[error("{reference} is {actual} in the registry")]
    OtherDigest {
        /// The image.
        reference: String,
        /// The tag's digest.
        actual: Digest,
    },
}

/// Deletes a manifest, or a tag.
pub async fn rm(context: &Context, request: &Request) -> Result<Deleted, RemoveError> {
    let reference = &request.reference;
    let registry = context.connections.registry(reference)?;
    let tag = match (reference.tag(), reference.digest()) {
        (None, None) => Some("latest"),
        (tag, _) => tag,
    };
    let digest = digest_of(&registry, reference, tag).await?;
    let mut deleted =
        Deleted { tags: Vec::new(), digest: None, still_signed: Vec::new(), stale_list: None };
    if request.reach == Reach::TagAlone {
        let no_tag = || RemoveError::NoTag { reference: reference.familiar() };
        let tag = tag.ok_or_else(no_tag)?;
        registry.delete_manifest(reference.path(), tag).await?;
        deleted.tags.push(tag.to_owned());
    } else {
        deleted.tags = tags_of(&registry, request, &digest, tag).await?;
        // Its subject must be known before it is gone.
        let subject = subject_of(&registry, reference, &digest).await?;
        registry.delete_manifest(reference.path(), digest.as_str()).await?;
        if let Some(subject) = subject {
            let withdrawn = registry.withdraw_referrer(reference.path(), &subject, &digest).await;
            deleted.stale_list = withdrawn.err();
        }
        deleted.digest = Some(digest.clone());
    }
    if knows_trust(context, reference) || request.ask_trust {
        deleted.still_signed = still_signed(context, reference, &deleted.tags, &digest).await;
    }
    Ok(deleted)
}

/// The digest to delete. One that was given beside a tag must be the tag's.
async fn digest_of(
    registry: &RegistryClient,
    reference: &Reference,
    tag: Option<&str>,
) -> Result<Digest, RemoveError> {
    let named = match (tag, reference.digest()) {
        (None, Some(digest)) => return Ok(digest.clone()),
        (tag, _) => tag.unwrap_or("latest"),
    };
    let actual = registry.announced_digest(reference.path(), named).await?;
    match reference.digest() {
        Some(digest) if *digest != actual => {
            Err(RemoveError::OtherDigest { reference: reference.familiar(), actual })
        }
        _ => Ok(actual),
    }
}

/// The tags that go with a digest; an error if some do that were not named, and may not.
async fn tags_of(
    registry: &RegistryClient,
    request: &Request,
    digest: &Digest,
    tag: Option<&str>,
) -> Result<Vec<String>, RemoveError> {
    let reference = &request.reference;
    let found = find_tags(registry, reference, digest).await;
    let named = tag.map(str::to_owned).into_iter().collect();
    if request.reach == Reach::AllTags {
        return Ok(found.unwrap_or(named));
    }
    let found = found?;
    let others: Vec<String> =
        found.iter().filter(|name| Some(name.as_str()) != tag).cloned().collect();
    if others.is_empty() {
        return Ok(found);
    }
    Err(RemoveError::OtherTags { reference: reference.familiar(), tags: others })
}

async fn find_tags(
    registry: &RegistryClient,
    reference: &Reference,
    digest: &Digest,
) -> Result<Vec<String>, RemoveError> {
    let tags = match registry.tags(reference.path()).await {
        // A repository without tags is none to some registries.
        Err(RegistryError::NotFound { .. }) => return Ok(Vec::new()),
        tags => tags?,
    };
    if tags.len() > MAX_COMPARED_TAGS {
        let (repository, count) = (reference.familiar_name(), tags.len());
        return Err(RemoveError::TooManyTags { repository, count });
    }
    let tags = with_digests(registry, reference.path(), &tags).await?;
    let same = tags.into_iter().filter(|tag| tag.digest.as_ref() == Some(digest));
    Ok(same.map(|tag| tag.name).collect())
}

/// What the manifest refers to, if it does. One that cannot be read refers to nothing we know.
async fn subject_of(
    registry: &RegistryClient,
    reference: &Reference,
    digest: &Digest,
) -> Result<Option<Digest>, RegistryError> {
    let served = match registry.manifest(reference.path(), digest.as_str()).await {
        Ok(served) => served,
        // It is to go all the same, and the more so.
        Err(RegistryError::Manifest { .. } | RegistryError::DigestMismatch { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let found = Referrer::of_manifest(&served.media_type, digest, &served.bytes);
    Ok(found.map(|(subject, _)| subject))
}

fn knows_trust(context: &Context, reference: &Reference) -> bool {
    gun_of(reference).is_ok_and(|gun| last_confirmed(context, &gun).is_some())
}

/// The tags that trust still vouches for with this digest. What cannot be found out is not told: the
/// deletion has nothing to do with it.
async fn still_signed(
    context: &Context,
    reference: &Reference,
    tags: &[String],
    digest: &Digest,
) -> Vec<String> {
    let by_digest = verify::Request {
        reference: reference.with_digest(digest.clone()),
        no_registry: true,
        source: Source::Server,
        signers: Vec::new(),
        platform: None,
        children: false,
    };
    let verdict: Result<_, VerifyImageError> =
        verify::verify(context, &by_digest, &mut Vec::new()).await;
    match verdict {
        Ok(verdict) => {
            let gone = |tag: &String| tags.is_empty() || tags.contains(tag);
            verdict.tags.into_iter().filter(gone).collect()
        }
        Err(_) => Vec::new(),
    }
}
