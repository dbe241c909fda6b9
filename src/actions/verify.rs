//! Whether an image is what somebody trusted has signed.

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::image::{
    ImageError, Served, digest_of, fetch_from, gun_of, narrow, pull_roles,
};
use crate::actions::proposals::{Progress, proposed};
use crate::actions::update::{RefreshError, Source, Updated, refresh};
use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::oci::manifest::Manifest;
use crate::oci::platform::Platform;
use crate::oci::{Digest, Reference};
use crate::tuf::delegation::permits;
use crate::tuf::trusted::{LookupError, TrustedRepository, UpdateError};
use crate::tuf::{NameError, RoleName, Target, TargetName};

/// What to verify, and how far.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image, by tag or by digest.
    pub reference: Reference,
    /// Ask trust alone, not the registry.
    pub no_registry: bool,
    /// The server, or a cache that is still fresh. From the cache the registry is not asked either.
    pub source: Source,
    /// Signers who must all vouch for the very same content.
    pub signers: Vec<String>,
    /// Only the manifest for this platform.
    pub platform: Option<Platform>,
    /// Check that every manifest an index lists is in the registry.
    pub children: bool,
}

/// A positive answer: what is trusted, and why.
#[derive(Debug)]
pub struct Verdict {
    /// The tag; several when a digest was asked for that more than one names.
    pub tags: Vec<String>,
    /// The digest that is trusted: of the index, or of the platform's manifest.
    pub digest: Digest,
    /// Size in bytes of what the digest is of.
    pub size: u64,
    /// Roles that vouch for it, with the keys whose signatures are valid.
    pub vouchers: Vec<Voucher>,
    /// Root keys of the repository, by their id in metadata.
    pub root_keys: Vec<KeyId>,
    /// The root was seen for the first time just now, and believed.
    pub first_use: bool,
    /// The server's statement that this is the newest: its version, and until when it holds.
    pub fresh_until: Timestamp,
    /// Version of that statement.
    pub timestamp_version: u64,
    /// The first of all metadata to expire.
    pub expires_first: (RoleName, Timestamp),
    /// What has expired, and since when, and was accepted all the same because that was asked for.
    pub expired: Vec<(RoleName, Timestamp)>,
    /// Whether the registry serves what is signed.
    pub registry_checked: bool,
    /// How many manifests of an index were found in the registry.
    pub children_checked: usize,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One role that vouches for the content.
#[derive(Debug, Clone)]
pub struct Voucher {
    /// The role.
    pub role: RoleName,
    /// Keys with valid signatures, by their id in metadata.
    pub keys: Vec<KeyId>,
    /// Until when the role's file is to be believed.
    pub expires: Timestamp,
}

/// Why an image is not to be trusted, or why that cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyImageError {
    /// What is known of the repository could not be brought up to date.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Nobody whose word counts has signed it.
    #[error("no valid trust data for {what}")]
    NotSigned {
        /// The tag or digest.
        what: String,
        /// Roles that do name it, but whose word does not count for a pull.
        only_in: Vec<RoleName>,
        /// Roles whose next file would name it, and how many have signed that so far.
        waits: Vec<Progress>,
    },
    /// A role that counts cannot be used, so that nothing can be said.
    #[error(transparent)]
    RoleUnusable(LookupError),
    /// A signer who was asked for has not signed this content.
    #[error("{signer} has not signed {what}: {problem}")]
    WrongSigner {
        /// The signer.
        signer: String,
        /// The tag or digest.
        what: String,
        /// In what way not.
        problem: SignerProblem,
        /// What is wrong with the signer's metadata.
        #[source]
        cause: Option<UpdateError>,
    },
    /// The registry serves something else.
    #[error("{reference} has moved: {signed} is signed, the registry serves {served}")]
    Moved {
        /// The image.
        reference: String,
        /// The digest that is signed.
        signed: Digest,
        /// The digest that is served.
        served: Digest,
    },
    /// The digest is right, the size that was signed is not.
    #[error("{reference} has {served} bytes, but {signed} are signed")]
    WrongSize {
        /// The image.
        reference: String,
        /// Signed, in bytes.
        signed: u64,
        /// Served, in bytes.
        served: u64,
    },
    /// The tag and the digest of one reference do not belong together.
    #[error("{reference}: {signed} is signed for the tag")]
    OtherDigest {
        /// The image.
        reference: String,
        /// The digest that is signed.
        signed: Digest,
    },
    /// It is signed, but not by a hash that images have.
    #[error("{what} is signed without a sha256 digest")]
    NoSha256 {
        /// The tag.
        what: String,
    },
    /// A part of a multi-platform image is missing.
    #[error("{digest}, a part of {reference}, is not in the registry")]
    MissingChild {
        /// The image.
        reference: String,
        /// The part.
        digest: Digest,
    },
    /// A platform was asked for, but nothing that would tell its manifest.
    #[error("the manifest for a platform can only be told by asking the registry")]
    PlatformNeedsRegistry,
    /// The registry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// In what way a signer has not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerProblem {
    /// There is nobody of that name.
    #[error("there is no such signer")]
    Unknown,
    /// The signer may not sign this name.
    #[error("the signer may not sign this name")]
    NotPermitted,
    /// The signer vouches for nothing under this name.
    #[error("there is no signature of theirs")]
    NoSignature,
    /// The signer vouches for other content.
    #[error("they signed {0}")]
    OtherDigest(String),
    /// The signer's metadata cannot be used.
    #[error("their metadata cannot be used")]
    Unusable,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whether it went in favour of the image.
    pub passed: bool,
    /// What was looked at and found.
    pub text: String,
}

/// Verifies an image. `steps` takes the decision step by step, on success and on failure.
pub async fn verify(
    context: &Context,
    request: &Request,
    steps: &mut Vec<Step>,
) -> Result<Verdict, VerifyImageError> {
    let verdict = decide(context, request, steps).await;
    if let Err(error) = &verdict {
        steps.push(Step { passed: false, text: error.to_string() });
    }
    verdict
}

async fn decide(
    context: &Context,
    request: &Request,
    steps: &mut Vec<Step>,
) -> Result<Verdict, VerifyImageError> {
    let reference = &request.reference;
    let gun = gun_of(reference)?;
    let ask_registry = !request.no_registry && request.source == Source::Server;
    if request.platform.is_some() && !ask_registry {
        return Err(VerifyImageError::PlatformNeedsRegistry);
    }
    // Both are asked at once; trust has the first word all the same.
    let served =
        async { if ask_registry { Some(fetch_served(context, reference).await) } else { None } };
    let (updated, served) = tokio::join!(refresh(context, &gun, request.source), served);
    let Updated { trusted, not_cached } = updated?;
    explain_chain(&trusted, request.source, steps);
    let signed = find(&trusted, reference)?;
    pass(steps, format!("{} vouches for {}", signed.role, signed.digest));
    check_signers(&trusted, &signed, &request.signers, steps)?;
    let mut verdict = Verdict {
        vouchers: vouchers(&trusted, &signed),
        tags: signed.tags.iter().map(ToString::to_string).collect(),
        digest: signed.digest.clone(),
        size: signed.size,
        root_keys: trusted.root_key_ids(),
        first_use: trusted.is_first_use(),
        fresh_until: trusted.timestamp().body().header.expires.instant(),
        timestamp_version: trusted.timestamp().body().header.version,
        expires_first: trusted.expires_first(),
        expired: trusted.expired().to_vec(),
        registry_checked: false,
        children_checked: 0,
        warnings: warnings(&trusted),
    };
    if let Some(error) = not_cached {
        verdict.warnings.push(format!("what was learned could not be cached: {error}"));
    }
    match served {
        Some(served) => {
            check_registry(request, &signed, served?, &mut verdict, steps).await?;
        }
        None => pass(steps, "the registry was not asked"),
    }
    Ok(verdict)
}

/// What trust says of a reference.
struct SignedContent {
    tags: Vec<TargetName>,
    role: RoleName,
    digest: Digest,
    size: u64,
}

fn find(
    trusted: &TrustedRepository,
    reference: &Reference,
) -> Result<SignedContent, VerifyImageError> {
    let tag = match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => return find_digest(trusted, digest),
        (tag, _) => TargetName::parse(tag.unwrap_or("latest"))?,
    };
    let found = match trusted.lookup(&tag, &pull_roles()) {
        Ok(found) if pull_roles().contains(found.role) => found,
        Err(error @ LookupError::RoleUnusable { .. }) => {
            return Err(VerifyImageError::RoleUnusable(error));
        }
        _ => {
            let only_in = trusted.all(&tag).iter().map(|found| found.role.clone()).collect();
            let waits = waiting(trusted, |name, _| name == tag.as_str());
            return Err(VerifyImageError::NotSigned { what: tag.to_string(), only_in, waits });
        }
    };
    let digest = digest_of(found.target)
        .ok_or_else(|| VerifyImageError::NoSha256 { what: tag.to_string() })?;
    if let Some(asked) = reference.digest()
        && *asked != digest
    {
        return Err(VerifyImageError::OtherDigest {
            reference: reference.familiar(),
            signed: digest,
        });
    }
    let size = found.target.length;
    Ok(SignedContent { role: found.role.clone(), tags: vec![tag], digest, size })
}

/// A digest is trusted when a trusted tag names it.
fn find_digest(
    trusted: &TrustedRepository,
    digest: &Digest,
) -> Result<SignedContent, VerifyImageError> {
    let names = |target: &Target| digest_of(target).as_ref() == Some(digest);
    let candidates: BTreeSet<&TargetName> = pull_roles()
        .iter()
        .filter_map(|role| trusted.targets().get(role))
        .flat_map(|file| &file.body().targets)
        .filter(|(_, target)| names(target))
        .map(|(name, _)| name)
        .collect();
    let mut content: Option<SignedContent> = None;
    // One lookup even without candidates, to learn of a role that cannot be used.
    let nothing = TargetName::parse(digest.as_str())?;
    let nothing = candidates.is_empty().then_some(&nothing);
    for tag in candidates.iter().copied().chain(nothing) {
        match trusted.lookup(tag, &pull_roles()) {
            Ok(found) if pull_roles().contains(found.role) && names(found.target) => {
                content
                    .get_or_insert_with(|| SignedContent {
                        tags: Vec::new(),
                        role: found.role.clone(),
                        digest: digest.clone(),
                        size: found.target.length,
                    })
                    .tags
                    .push(tag.clone());
            }
            Err(error @ LookupError::RoleUnusable { .. }) => {
                return Err(VerifyImageError::RoleUnusable(error));
            }
            _ => {}
        }
    }
    content.ok_or_else(|| VerifyImageError::NotSigned {
        what: digest.to_string(),
        only_in: Vec::new(),
        waits: waiting(trusted, |_, hex| hex == Some(digest.hex())),
    })
}

/// The proposals, for roles that count, of what is asked about.
fn waiting(
    trusted: &TrustedRepository,
    is_asked: impl Fn(&str, Option<&str>) -> bool,
) -> Vec<Progress> {
    let (proposed, _) = proposed(trusted);
    proposed
        .into_iter()
        .filter(|proposed| pull_roles().contains(&proposed.progress.role))
        .filter(|proposed| proposed.adds.iter().any(|(name, hex)| is_asked(name, hex.as_deref())))
        .map(|proposed| proposed.progress)
        .collect()
}

fn check_signers(
    trusted: &TrustedRepository,
    signed: &SignedContent,
    signers: &[String],
    steps: &mut Vec<Step>,
) -> Result<(), VerifyImageError> {
    for signer in signers {
        let name = signer.strip_prefix("targets/").unwrap_or(signer);
        let role = RoleName::delegation(name)?;
        let wrong = |problem, cause| VerifyImageError::WrongSigner {
            signer: signer.clone(),
            what: what(signed),
            problem,
            cause,
        };
        if let Some(cause) = trusted.unusable().get(&role) {
            return Err(wrong(SignerProblem::Unusable, Some(cause.clone())));
        }
        let delegated = role.parent().and_then(|parent| trusted.targets().get(&parent));
        if delegated.is_none_or(|parent| parent.body().role_keys(&role).is_none()) {
            return Err(wrong(SignerProblem::Unknown, None));
        }
        if !trusted.targets().contains_key(&role) {
            return Err(wrong(SignerProblem::NoSignature, None));
        }
        check_signer(trusted, signed, &role).map_err(|problem| wrong(problem, None))?;
        pass(steps, format!("{signer} vouches for it as well"));
    }
    Ok(())
}

fn check_signer(
    trusted: &TrustedRepository,
    signed: &SignedContent,
    role: &RoleName,
) -> Result<(), SignerProblem> {
    let mut problem = SignerProblem::NoSignature;
    for tag in &signed.tags {
        if !permits(trusted.paths(role), tag) {
            problem = SignerProblem::NotPermitted;
            continue;
        }
        match trusted.in_role(role, tag).and_then(|found| digest_of(found.target)) {
            Some(digest) if digest == signed.digest => return Ok(()),
            Some(other) => problem = SignerProblem::OtherDigest(other.to_string()),
            None => {}
        }
    }
    Err(problem)
}

async fn fetch_served(
    context: &Context,
    reference: &Reference,
) -> Result<(crate::client::RegistryClient, Served), ImageError> {
    let registry = context.connections.registry(reference)?;
    let wanted = match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => digest.as_str(),
        (tag, _) => tag.unwrap_or("latest"),
    };
    let served = fetch_from(&registry, reference, wanted).await?;
    Ok((registry, served))
}

async fn check_registry(
    request: &Request,
    signed: &SignedContent,
    (registry, served): (crate::client::RegistryClient, Served),
    verdict: &mut Verdict,
    steps: &mut Vec<Step>,
) -> Result<(), VerifyImageError> {
    let reference = &request.reference;
    let child = match &request.platform {
        Some(platform) => Some(narrow(reference, &served.manifest, platform)?),
        None => None,
    };
    // The index is signed, or the one manifest in it that was asked for.
    let signed_child = child.filter(|child| child.digest == signed.digest);
    let size = match signed_child {
        Some(child) => child.size,
        None if served.digest == signed.digest => served.size,
        None => {
            return Err(VerifyImageError::Moved {
                reference: reference.familiar(),
                signed: signed.digest.clone(),
                served: served.digest,
            });
        }
    };
    if size != signed.size {
        return Err(VerifyImageError::WrongSize {
            reference: reference.familiar(),
            signed: signed.size,
            served: size,
        });
    }
    pass(steps, "the registry serves just that");
    let children: Vec<Digest> = match (child, &served.manifest) {
        (Some(child), _) => vec![child.digest.clone()],
        (None, Manifest::Index(index)) if request.children => {
            index.manifests.iter().map(|child| child.digest.clone()).collect()
        }
        _ => Vec::new(),
    };
    for digest in children {
        let there =
            registry.manifest_exists(reference.path(), &digest).await.map_err(ImageError::from)?;
        if !there {
            return Err(VerifyImageError::MissingChild { reference: reference.familiar(), digest });
        }
        pass(steps, format!("{digest}, a part of it, is there"));
        verdict.children_checked += 1;
    }
    if let Some(child) = child {
        verdict.digest = child.digest.clone();
        verdict.size = child.size;
    }
    verdict.registry_checked = true;
    Ok(())
}

fn explain_chain(trusted: &TrustedRepository, source: Source, steps: &mut Vec<Step>) {
    let root = trusted.root();
    let known = if trusted.is_first_use() {
        "seen for the first time and believed"
    } else {
        "follows from what was trusted before"
    };
    let keys: Vec<String> = trusted.root_key_ids().iter().map(ToString::to_string).collect();
    let version = root.body().header.version;
    pass(steps, format!("root version {version}, key {}, {known}", keys.join(", ")));
    let timestamp = &trusted.timestamp().body().header;
    let origin = match source {
        Source::Server => "the trust server",
        Source::Cache => "the cache",
        Source::Folder => "the rescue folder",
    };
    pass(
        steps,
        format!(
            "timestamp version {} from {origin} is valid until {}",
            timestamp.version, timestamp.expires
        ),
    );
    let version = trusted.snapshot().body().header.version;
    pass(steps, format!("snapshot version {version} is the one the timestamp names"));
    for (role, file) in trusted.targets() {
        let header = &file.body().header;
        let keys: Vec<&str> = file.signers().iter().map(|id| id.short(12)).collect();
        let (version, until) = (header.version, header.expires);
        let keys = keys.join(", ");
        pass(steps, format!("{role} version {version}, signed by {keys}, is valid until {until}"));
    }
    for (role, cause) in trusted.unusable() {
        steps.push(Step { passed: false, text: format!("{role} cannot be used: {cause}") });
    }
}

fn warnings(trusted: &TrustedRepository) -> Vec<String> {
    let unusable = trusted.unusable().iter();
    let unusable = unusable.map(|(role, cause)| format!("{role} cannot be used: {cause}"));
    trusted.notes().iter().map(ToString::to_string).chain(unusable).collect()
}

fn vouchers(trusted: &TrustedRepository, signed: &SignedContent) -> Vec<Voucher> {
    let mut vouchers: Vec<Voucher> = Vec::new();
    for tag in &signed.tags {
        for found in trusted.all(tag) {
            let same = digest_of(found.target).as_ref() == Some(&signed.digest);
            if same && !vouchers.iter().any(|voucher| voucher.role == *found.role) {
                vouchers.push(Voucher {
                    role: found.role.clone(),
                    keys: found.signers.to_vec(),
                    expires: found.expires,
                });
            }
        }
    }
    vouchers
}

fn what(signed: &SignedContent) -> String {
    signed.tags.first().map_or_else(|| signed.digest.to_string(), ToString::to_string)
}

fn pass(steps: &mut Vec<Step>, text: impl Into<String>) {
    steps.push(Step { passed: true, text: text.into() });
}
