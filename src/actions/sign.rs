//! Signing an image that is in its registry.

use crate::actions::context::Context;
use crate::actions::image::{
    ImageError, digest_of, fetch_from, gun_of, narrow, pull_roles, target_of,
};
use crate::actions::initialize::Plan;
use crate::actions::proposals::Progress;
use crate::actions::publish::{Facts, PublishError, Published, publish_with};
use crate::crypto::KeyId;
use crate::oci::platform::Platform;
use crate::oci::{Digest, Reference};
use crate::store::{KeyStore, StoreError};
use crate::tuf::delegation::permits;
use crate::tuf::editor::{Draft, EditError};
use crate::tuf::trusted::{TrustedRepository, UpdateError};
use crate::tuf::{NameError, RoleName, Target, TargetName, VerifyError};
use crate::wire::signed_push::SignedPush;

/// What to sign.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image; without `all_tags` it has a tag.
    pub reference: Reference,
    /// Sign every tag the registry lists.
    pub all_tags: bool,
    /// Sign the manifest for this platform instead of the index.
    pub platform: Option<Platform>,
    /// The signer to set up if the repository has no trust data yet; by default the user who is
    /// logged in to the registry.
    pub signer: Option<String>,
    /// Refuse unless the tag has this digest now.
    pub expected: Option<Digest>,
}

/// What was signed.
#[derive(Debug)]
pub struct Signed {
    /// Each tag.
    pub tags: Vec<SignedTag>,
    /// What was published, if anything had to be.
    pub published: Published,
    /// Roles whose earlier content was trusted by nobody any more and was left behind.
    pub restarted: Vec<RoleName>,
}

/// One tag that is signed now.
#[derive(Debug, Clone)]
pub struct SignedTag {
    /// The tag.
    pub tag: String,
    /// Of the manifest.
    pub digest: Digest,
    /// Of the manifest, in bytes.
    pub size: u64,
    /// Roles that vouch for it now by our doing, or did before.
    pub roles: Vec<RoleName>,
    /// What these roles vouched for until now, if that was something else.
    pub replaced: Vec<(RoleName, Option<Digest>)>,
    /// Nothing had to be changed for it.
    pub unchanged: bool,
    /// The top-level role still vouches for another digest, and its key is not here.
    pub stale: Option<Digest>,
    /// Of `roles` those in which it is published with this content.
    pub already: Vec<RoleName>,
}

impl Signed {
    /// How far the signing of a tag is, if there are roles whose next file must be signed by more
    /// people before they vouch for it; those that count for a pull first.
    pub fn waits(&self, tag: &SignedTag) -> Option<&Progress> {
        let waiting = tag.roles.iter().filter(|role| !tag.already.contains(role));
        let mut waiting: Vec<&Progress> =
            waiting.filter_map(|role| self.published.waits(role)).collect();
        waiting.sort_by_key(|progress| !pull_roles().contains(&progress.role));
        waiting.first().copied()
    }
}

/// Why an image was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A tag is needed.
    #[error("no tag specified for {reference}")]
    NoTag {
        /// The image.
        reference: String,
    },
    /// A digest needs no signature under a name, and has no tag to sign.
    #[error("cannot use a digest reference for IMAGE:TAG")]
    DigestReference,
    /// The registry lists no tags.
    #[error("{reference} has no tags")]
    NoTags {
        /// The image.
        reference: String,
    },
    /// The tag is not what was expected.
    #[error("{reference} is {actual} in the registry now, not {expected}")]
    Unexpected {
        /// The image.
        reference: String,
        /// Asked for.
        expected: Digest,
        /// Served.
        actual: Digest,
    },
    /// The digest is of an algorithm that trust data does not carry.
    #[error("{digest} is not a sha256 digest")]
    NotSha256 {
        /// The digest.
        digest: Digest,
    },
    /// The user's name cannot be a signer's.
    #[error("`{name}` cannot be the name of a signer")]
    SignerName {
        /// The name.
        name: String,
    },
    /// Nobody whose key is here may sign.
    #[error("no valid signing keys for delegation roles")]
    NoSigningKey {
        /// The image.
        reference: String,
        /// Roles that may sign it, each with the canonical ids of its keys.
        candidates: Vec<(RoleName, Vec<KeyId>)>,
    },
    /// The registry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The keys.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs what the registry serves for the tag now, into every role whose key is here
/// (notary.md §5.3). Signing what is signed already changes nothing.
pub async fn sign(context: &Context, request: &Request) -> Result<Signed, SignError> {
    let reference = &request.reference;
    if reference.digest().is_some() {
        return Err(SignError::DigestReference);
    }
    if reference.tag().is_none() && !request.all_tags {
        return Err(SignError::NoTag { reference: reference.familiar() });
    }
    let contents = pushed_contents(context, request);
    Box::pin(sign_contents(context, reference, request.signer.as_deref(), contents, None)).await
}

/// What a tag is to stand for.
#[derive(Debug, Clone)]
pub struct Content {
    /// The tag.
    pub tag: String,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Signs what is handed in, as [`sign`] does: contents that are learned, or sent to the registry,
/// while the trust data is brought up to date. `image` is one whose blobs are in the registry then,
/// and that is taken along with its signature if the registry is the trust server as well and takes
/// it; [`Published::pushed`] tells.
pub async fn sign_contents<E>(
    context: &Context,
    reference: &Reference,
    signer: Option<&str>,
    contents: impl Future<Output = Result<Vec<Content>, E>>,
    image: Option<SignedPush>,
) -> Result<Signed, E>
where
    E: From<SignError> + From<PublishError>,
{
    let plan = Plan { signer: new_signer(context, reference, signer)?, ..Plan::default() };
    sign_contents_under(context, reference, &plan, contents, image).await
}

/// As [`sign_contents`], for who decides how a repository without trust data is set up.
pub async fn sign_contents_under<E>(
    context: &Context,
    reference: &Reference,
    plan: &Plan,
    contents: impl Future<Output = Result<Vec<Content>, E>>,
    image: Option<SignedPush>,
) -> Result<Signed, E>
where
    E: From<SignError> + From<PublishError>,
{
    let gun = gun_of(reference).map_err(SignError::from)?;
    let keys = context.trust_dir.keys().map_err(SignError::from)?;
    let mut tags = Vec::new();
    let mut restarted = Vec::new();
    let wanted = async { Ok::<_, E>(AllWanted { tags: wanted(contents.await?)?, image }) };
    let published = publish_with(context, &gun, Some(plan), wanted, |draft, trusted, wanted| {
        tags.clear();
        restarted = restart_roles(draft, trusted, &keys)?;
        for wanted in &wanted.tags {
            tags.push(sign_tag(context, draft, trusted, &keys, reference, wanted)?);
        }
        Ok::<_, E>(())
    })
    .await?;
    Ok(Signed { tags, published, restarted })
}

struct Wanted {
    tag: TargetName,
    digest: Digest,
    size: u64,
    target: Target,
}

struct AllWanted {
    tags: Vec<Wanted>,
    image: Option<SignedPush>,
}

impl Facts for AllWanted {
    fn image(&self) -> Option<&SignedPush> {
        self.image.as_ref()
    }
}

fn wanted(contents: Vec<Content>) -> Result<Vec<Wanted>, SignError> {
    let wanted = contents.into_iter().map(|Content { tag, digest, size }| {
        let target = target_of(size, &digest)
            .ok_or_else(|| SignError::NotSha256 { digest: digest.clone() })?;
        Ok(Wanted { tag: TargetName::parse(&tag)?, digest, size, target })
    });
    wanted.collect()
}

/// What the registry serves now for each tag that is to be signed.
pub async fn pushed_contents(
    context: &Context,
    request: &Request,
) -> Result<Vec<Content>, SignError> {
    let reference = &request.reference;
    let registry = context.connections.registry(reference).map_err(ImageError::from)?;
    let tags = match reference.tag() {
        _ if request.all_tags => registry.tags(reference.path()).await.map_err(ImageError::from)?,
        Some(tag) => vec![tag.to_owned()],
        None => return Err(SignError::NoTag { reference: reference.familiar() }),
    };
    if tags.is_empty() {
        return Err(SignError::NoTags { reference: reference.familiar() });
    }
    let mut contents = Vec::with_capacity(tags.len());
    for tag in tags {
        let served = fetch_from(&registry, reference, &tag).await?;
        let (digest, size) = match &request.platform {
            Some(platform) => {
                let child = narrow(reference, &served.manifest, platform)?;
                (child.digest.clone(), child.size)
            }
            None => (served.digest, served.size),
        };
        if let Some(expected) = &request.expected
            && *expected != digest
        {
            return Err(SignError::Unexpected {
                reference: reference.familiar(),
                expected: expected.clone(),
                actual: digest,
            });
        }
        contents.push(Content { tag, digest, size });
    }
    Ok(contents)
}

/// Whose delegation a new repository gets: the signer named, or the registry's user.
pub fn new_signer(
    context: &Context,
    reference: &Reference,
    signer: Option<&str>,
) -> Result<Option<String>, SignError> {
    let name = match signer {
        Some(name) => Some(name.to_owned()),
        None => context.connections.username(reference)?.filter(|name| !name.is_empty()),
    };
    match name {
        Some(name) if name == "releases" || RoleName::delegation(&name).is_err() => {
            Err(SignError::SignerName { name })
        }
        name => Ok(name),
    }
}

/// Lets delegations begin anew that nobody trusts any more, because whoever signed them last was
/// removed, or because more must sign them now, if we may sign them.
fn restart_roles(
    draft: &mut Draft,
    trusted: Option<&TrustedRepository>,
    keys: &KeyStore,
) -> Result<Vec<RoleName>, SignError> {
    let mut restarted = Vec::new();
    for (role, cause) in trusted.iter().flat_map(|trusted| trusted.unusable()) {
        let unsigned =
            matches!(cause, UpdateError::Signatures(VerifyError::ThresholdNotMet { .. }));
        if unsigned && has_key(draft, role, keys)? {
            draft.restart(role);
            restarted.push(role.clone());
        }
    }
    Ok(restarted)
}

fn sign_tag(
    context: &Context,
    draft: &mut Draft,
    trusted: Option<&TrustedRepository>,
    keys: &KeyStore,
    reference: &Reference,
    wanted: &Wanted,
) -> Result<SignedTag, SignError> {
    let now = context.clock.now();
    let mut roles = match trusted {
        Some(_) => signable_roles(draft, &wanted.tag, keys)?,
        // The keys of a repository that is being set up are opened, but not stored yet.
        None => permitted_roles(draft, &wanted.tag),
    };
    if roles.is_empty() {
        return Err(no_signing_key(draft, reference, &wanted.tag));
    }
    let mut stale = None;
    if !roles.contains(&RoleName::Targets)
        && let Some(digest) = digest_in(draft, &RoleName::Targets, &wanted.tag)
        && digest != wanted.digest
    {
        // An old signature of the repository key would go on vouching for the old content.
        if has_key(draft, &RoleName::Targets, keys)? {
            roles.push(RoleName::Targets);
        } else {
            stale = Some(digest);
        }
    }
    // What is published, not what is drafted: a draft can stand on what only waits.
    let published = |role: &RoleName| {
        let file = trusted.and_then(|trusted| trusted.targets().get(role));
        file.is_some_and(|file| file.body().targets.get(&wanted.tag) == Some(&wanted.target))
    };
    let already = roles.iter().filter(|role| published(role)).cloned().collect();
    let mut replaced = Vec::new();
    let mut unchanged = true;
    for role in &roles {
        let before = trusted.and_then(|trusted| trusted.targets().get(role));
        let before = before.and_then(|file| file.body().targets.get(&wanted.tag)).cloned();
        let target = wanted.target.clone();
        let outcome = draft
            .add_target(role, &wanted.tag, target, now)
            .map_err(|error: EditError| PublishError::from(error))?;
        if outcome == crate::tuf::editor::Outcome::Changed {
            unchanged = false;
            replaced.extend(before.map(|before| (role.clone(), digest_of(&before))));
        }
    }
    Ok(SignedTag {
        tag: wanted.tag.to_string(),
        digest: wanted.digest.clone(),
        size: wanted.size,
        roles,
        replaced,
        unchanged,
        stale,
        already,
    })
}

/// The roles to sign a tag into: without delegations the top-level role, else every direct child
/// that may sign it and for which a key is here.
pub fn signable_roles(
    draft: &Draft,
    tag: &TargetName,
    keys: &KeyStore,
) -> Result<Vec<RoleName>, StoreError> {
    let mut roles = Vec::new();
    for role in permitted_roles(draft, tag) {
        if role == RoleName::Targets || has_key(draft, &role, keys)? {
            roles.push(role);
        }
    }
    Ok(roles)
}

/// The roles a tag is signed into, whoever has their keys.
fn permitted_roles(draft: &Draft, tag: &TargetName) -> Vec<RoleName> {
    let mut roles = children_of_targets(draft);
    if roles.is_empty() {
        return vec![RoleName::Targets];
    }
    roles.retain(|role| permits(&draft.paths(role), tag));
    roles
}

/// Whether a private key that may sign the role is in the store.
pub fn has_key(draft: &Draft, role: &RoleName, keys: &KeyStore) -> Result<bool, StoreError> {
    for id in key_ids(draft, role) {
        if keys.find(&id)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn children_of_targets(draft: &Draft) -> Vec<RoleName> {
    let top = draft.targets(&RoleName::Targets);
    let children = top.iter().flat_map(|top| &top.delegations.roles);
    children.map(|child| child.name.clone()).filter(|role| !draft.is_companion(role)).collect()
}

/// Canonical ids of the keys that may sign a role.
pub(super) fn key_ids(draft: &Draft, role: &RoleName) -> Vec<KeyId> {
    let keys = draft.role_keys(role);
    let keys = keys.iter().flat_map(|keys| keys.keys.values());
    keys.filter_map(|key| key.canonical_id().ok()).collect()
}

fn digest_in(draft: &Draft, role: &RoleName, tag: &TargetName) -> Option<Digest> {
    digest_of(draft.targets(role)?.targets.get(tag)?)
}

fn no_signing_key(draft: &Draft, reference: &Reference, tag: &TargetName) -> SignError {
    let roles = permitted_roles(draft, tag).into_iter();
    let candidates = roles.map(|role| (role.clone(), key_ids(draft, &role))).collect();
    SignError::NoSigningKey { reference: reference.familiar(), candidates }
}
