//! What an image reference is in the two worlds: a manifest in a registry, a target in a collection.

use crate::actions::context::{ConnectionError, Context};
use crate::client::{RegistryClient, RegistryError};
use crate::crypto::Hashes;
use crate::oci::manifest::{Manifest, ManifestError};
use crate::oci::platform::Platform;
use crate::oci::{Descriptor, Digest, Reference};
use crate::tuf::{Gun, NameError, RoleName, Target};

/// The roles whose word counts for pulling an image, most important first (notary.md §4.4).
pub fn pull_roles() -> [RoleName; 2] {
    [RoleName::releases(), RoleName::Targets]
}

/// The collection that an image's tags are signed in: its full name without tag.
pub fn gun_of(reference: &Reference) -> Result<Gun, NameError> {
    Gun::parse(&reference.name())
}

/// The target that stands for a manifest: its size and SHA-256, as docker writes it.
pub fn target_of(size: u64, digest: &Digest) -> Option<Target> {
    let sha256 = digest.sha256()?;
    let hashes = Hashes::from_iter([("sha256", sha256.0.to_vec())]);
    Some(Target { length: size, hashes, custom: None })
}

/// The digest of the manifest that a target stands for; none if it has no SHA-256.
pub fn digest_of(target: &Target) -> Option<Digest> {
    target.hashes.sha256().map(|raw| Digest::from_sha256(&raw))
}

/// A manifest as the registry serves it now.
#[derive(Debug, Clone)]
pub struct Served {
    /// Computed here, of the bytes.
    pub digest: Digest,
    /// Size of the manifest in bytes.
    pub size: u64,
    /// What it says.
    pub manifest: Manifest,
}

/// Why an image cannot be had from its registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no way to the registry.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry does not have it, lies, or does not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What it serves is no manifest.
    #[error("what the registry serves as {reference} is not a usable manifest")]
    Manifest {
        /// The image.
        reference: String,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// The image has no variant for this platform.
    #[error("{reference} has nothing for {platform}; it has {offered}")]
    NoPlatform {
        /// The image.
        reference: String,
        /// The platform asked for.
        platform: Platform,
        /// Those that there are.
        offered: String,
    },
}

/// Fetches the manifest of a tag or digest.
pub async fn fetch(
    context: &Context,
    reference: &Reference,
    tag_or_digest: &str,
) -> Result<Served, ImageError> {
    let registry = context.connections.registry(reference)?;
    fetch_from(&registry, reference, tag_or_digest).await
}

/// Fetches the manifest of a tag or digest over a connection at hand.
pub async fn fetch_from(
    registry: &RegistryClient,
    reference: &Reference,
    tag_or_digest: &str,
) -> Result<Served, ImageError> {
    let served = registry.manifest(reference.path(), tag_or_digest).await?;
    let manifest = Manifest::parse(&served.media_type, &served.bytes)
        .map_err(|cause| ImageError::Manifest { reference: reference.familiar(), cause })?;
    let size = u64::try_from(served.bytes.len()).unwrap_or(u64::MAX);
    Ok(Served { digest: served.digest, size, manifest })
}

/// The manifest for a platform that an index lists.
pub fn narrow<'a>(
    reference: &Reference,
    manifest: &'a Manifest,
    platform: &Platform,
) -> Result<&'a Descriptor, ImageError> {
    let children = match manifest {
        Manifest::Index(index) => index.manifests.as_slice(),
        Manifest::Image(_) => &[],
    };
    let offers = |child: &&Descriptor| {
        child.platform.as_ref().is_some_and(|offered| platform.matches(offered))
    };
    children.iter().find(offers).ok_or_else(|| {
        let offered: Vec<String> = children
            .iter()
            .filter_map(|child| child.platform.as_ref().map(ToString::to_string))
            .collect();
        let offered = if offered.is_empty() {
            "a single manifest that names no platform".to_owned()
        } else {
            offered.join(", ")
        };
        ImageError::NoPlatform {
            reference: reference.familiar(),
            platform: platform.clone(),
            offered,
        }
    })
}
