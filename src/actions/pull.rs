//! Fetching an image from its registry into the layout; with content trust, the one that is signed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};

use crate::actions::context::Context;
use crate::actions::image::{ImageError, gun_of, pull_roles};
use crate::actions::resolve::{Demand, resolve};
use crate::actions::transfer::remote::{Remote, RemoteError};
use crate::actions::transfer::sink::LayoutSink;
use crate::actions::transfer::tree::TreeError;
use crate::actions::transfer::{Ended, ImageTree, PARALLEL_BLOBS, Platforms, Progress};
use crate::actions::update::{RefreshError, Source, refresh};
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::client::error::Cause;
use crate::client::{RegistryClient, RegistryError};
use crate::limits::MAX_IMAGE_CONFIG_BYTES;
use crate::oci::twin::Twins;
use crate::oci::{Descriptor, Digest, ImageName, Platform, Reference, ReferenceError};
use crate::store::{ImageLayout, ImageLayoutError, Lease};
use crate::tuf::NameError;

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image, by tag or by digest; `latest` if it has neither.
    pub reference: Reference,
    /// Only what is signed, by these signers besides the roles that count for a pull.
    pub trusted: Option<Vec<String>>,
    /// Of an image for several platforms, which.
    pub platforms: Platforms,
}

/// An image that is in the layout now.
#[derive(Debug)]
pub struct Pulled {
    /// What it is called there.
    pub name: ImageName,
    /// What was asked for: the digest of the manifest, or of the index that has it.
    pub digest: Digest,
    /// The image as it is in the layout.
    pub image: Descriptor,
    /// Nothing had to be changed.
    pub unchanged: bool,
    /// Why it is trusted, if it had to be.
    pub verdict: Option<Verdict>,
}

/// Why an image is not in the layout. Nothing that was there before has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// It is not trusted, or that cannot be told.
    #[error(transparent)]
    Verify(#[from] VerifyImageError),
    /// What is signed could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Nothing of the repository is signed.
    #[error("no tag of {repository} is signed")]
    NothingSigned {
        /// The repository.
        repository: String,
    },
    /// The repository has no tags.
    #[error("{repository} has no tags")]
    NoTags {
        /// The repository.
        repository: String,
    },
    /// The image is for another platform than the one asked for.
    #[error("{reference} is for {actual}, not for {wanted}")]
    OtherPlatform {
        /// The image.
        reference: String,
        /// The platform asked for.
        wanted: Platform,
        /// The image's platform.
        actual: Platform,
    },
    /// The registry, or what it serves.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A tag that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl From<RegistryError> for PullError {
    fn from(error: RegistryError) -> Self {
        Self::Remote(error.into())
    }
}

/// Fetches an image; what is there already is not fetched.
///
/// With content trust the digest comes from the trust data alone: what the registry says of the
/// tag is not asked.
pub async fn pull(
    context: &Context,
    layout: &ImageLayout,
    request: &Request,
    progress: &Arc<dyn Progress>,
) -> Result<Pulled, PullError> {
    let name = ImageName::of_reference(request.reference.clone());
    let verdict = match &request.trusted {
        None => None,
        Some(signers) => Some(resolve(context, &request.reference, &Demand::now(signers)).await?),
    };
    let registries = context.connections.registry_and_mirrors(&request.reference);
    let registries = registries.map_err(ImageError::from).map_err(RemoteError::from)?;
    let mut last = None;
    for registry in &registries {
        let fetching = Fetching { registry, layout, request, progress };
        match fetching.run(&name, verdict.as_ref()).await {
            Ok((digest, Kept { image, unchanged })) => {
                return Ok(Pulled { name, digest, image, unchanged, verdict });
            }
            // A mirror that does not have it, or fails, is no reason not to ask further.
            Err(PullError::Remote(error)) => {
                tracing::debug!("{}: {error}", request.reference);
                last = Some(PullError::Remote(error));
            }
            Err(error) => return Err(error),
        }
    }
    let reference = request.reference.familiar();
    Err(last.unwrap_or_else(|| RegistryError::NotFound { reference }.into()))
}

/// The tags of a repository that [`pull`] can be asked for: with content trust those that are
/// signed, else those that the registry lists.
pub async fn all_tags(
    context: &Context,
    repository: &Reference,
    signed: bool,
) -> Result<Vec<Reference>, PullError> {
    let mut tags: Vec<String> = if signed {
        let gun = gun_of(repository)?;
        let updated = refresh(context, &gun, Source::Server).await?;
        let listed = updated.trusted.list(&pull_roles());
        let counts = listed.iter().filter(|(_, found)| pull_roles().contains(found.role));
        counts.map(|(name, _)| name.to_string()).collect()
    } else {
        connect(context, repository)?.tags(repository.path()).await?
    };
    if tags.is_empty() {
        let repository = repository.familiar_name();
        return Err(if signed {
            PullError::NothingSigned { repository }
        } else {
            PullError::NoTags { repository }
        });
    }
    tags.sort();
    // A target whose name is no tag is not an image's.
    let references = tags.iter().map(|tag| repository.with_tag(tag));
    Ok(references.filter_map(Result::ok).collect())
}

/// An image that has its name now.
struct Kept {
    image: Descriptor,
    unchanged: bool,
}

/// What names an image in the layout: its OCI twin, which is made here, if it is in docker's
/// dialect.
fn entry_of(tree: &ImageTree, lease: &Lease) -> Result<Descriptor, ImageLayoutError> {
    let mut twins = Twins::default();
    let mut entry = None;
    for node in &tree.manifests {
        let own = &node.descriptor;
        let bare = Descriptor {
            platform: own.platform.clone(),
            ..Descriptor::new(own.media_type.clone(), own.digest.clone(), own.size)
        };
        entry = Some(match twins.of(&bare, &node.bytes) {
            Some((twin, bytes)) => {
                lease.put(&bytes)?;
                twin.twin_of(&bare)
            }
            None => bare,
        });
    }
    // There is a manifest at least: the one that was asked for.
    entry.ok_or_else(|| ImageLayoutError::Missing { digest: Digest::sha256_of(b"") })
}

fn connect(context: &Context, reference: &Reference) -> Result<RegistryClient, RemoteError> {
    Ok(context.connections.registry(reference).map_err(ImageError::from)?)
}

/// One image on its way here.
struct Fetching<'a> {
    registry: &'a RegistryClient,
    layout: &'a ImageLayout,
    request: &'a Request,
    progress: &'a Arc<dyn Progress>,
}

impl Fetching<'_> {
    /// Returns the digest of what was asked for, and what is kept of it.
    async fn run(
        &self,
        name: &ImageName,
        verdict: Option<&Verdict>,
    ) -> Result<(Digest, Kept), PullError> {
        let reference = &self.request.reference;
        let remote = self.remote();
        let (digest, image) = remote.resolve(verdict, &self.request.platforms).await?;
        let source = reference.with_digest(digest.clone());
        let tree = remote.tree(image).await?;
        let lease = self.layout.lease()?;
        let kept = self.keep(&tree, &Arc::new(lease), name, &source).await?;
        Ok((digest, kept))
    }

    fn remote(&self) -> Remote<'_> {
        let (registry, reference) = (self.registry, &self.request.reference);
        Remote { registry, reference, layout: Some(self.layout) }
    }

    /// Fetches what is not there, and gives the image its name.
    async fn keep(
        &self,
        tree: &ImageTree,
        lease: &Arc<Lease>,
        name: &ImageName,
        source: &Reference,
    ) -> Result<Kept, PullError> {
        let manifests = tree.manifests.iter().map(|node| &node.descriptor.digest);
        lease.protect(manifests.chain(tree.blobs.iter().map(|blob| &blob.digest)))?;
        // Configurations are small and tell most: an image that cannot be used is not fetched.
        let mut configs = BTreeSet::new();
        let mut fetched = 0;
        for node in &tree.manifests {
            let Some(config) = node.image_config() else { continue };
            if configs.insert(config.digest.clone()) {
                fetched += usize::from(self.config(lease, config).await?);
            }
            let bytes = self.layout.blob(&config.digest, MAX_IMAGE_CONFIG_BYTES)?;
            let config =
                node.check_config(&bytes).map_err(|cause| self.remote().tree_error(cause))?;
            if let (Platforms::One(wanted), Some(config)) = (&self.request.platforms, config)
                && !wanted.matches(&config.platform)
            {
                return Err(PullError::OtherPlatform {
                    reference: self.request.reference.familiar(),
                    wanted: wanted.clone(),
                    actual: config.platform,
                });
            }
        }
        let rest = tree.blobs.iter().filter(|blob| !configs.contains(&blob.digest));
        let fetching = rest.map(|blob| self.blob(lease, blob));
        let fetched: usize = futures_util::stream::iter(fetching)
            .buffer_unordered(PARALLEL_BLOBS)
            .try_fold(fetched, |count, fetched| {
                std::future::ready(Ok(count + usize::from(fetched)))
            })
            .await?;
        for node in &tree.manifests {
            if !lease.has(&node.descriptor)? {
                let mut writer = lease.writer()?.hashed_like(&node.descriptor.digest);
                writer.write(&node.bytes)?;
                writer.finish(Some(&node.descriptor))?;
            }
        }
        let image = entry_of(tree, lease)?;
        let unchanged = lease.commit(|index| {
            let before = index.get(name);
            let same = before.is_some_and(|before| {
                before.descriptor.digest == image.digest && before.source().as_ref() == Some(source)
            });
            if !same {
                index.set(name, &image, Some(source));
            }
            Ok::<_, ImageLayoutError>(same && fetched == 0)
        })?;
        Ok(Kept { image, unchanged })
    }

    /// Makes sure that a configuration is in the layout; returns whether it had to be fetched.
    async fn config(&self, lease: &Arc<Lease>, config: &Descriptor) -> Result<bool, PullError> {
        if config.size > MAX_IMAGE_CONFIG_BYTES {
            let (digest, size) = (config.digest.clone(), config.size);
            let error = TreeError::ConfigTooLarge { digest, size };
            return Err(self.remote().tree_error(error).into());
        }
        self.blob(lease, config).await
    }

    /// Makes sure that a blob is in the layout; returns whether it had to be fetched.
    async fn blob(&self, lease: &Arc<Lease>, blob: &Descriptor) -> Result<bool, PullError> {
        self.progress.begins(blob);
        if lease.has(blob)? {
            self.progress.ends(&blob.digest, &Ended::Existed);
            return Ok(false);
        }
        let repository = self.request.reference.path();
        let mut sink = LayoutSink::begin(Arc::clone(lease), blob, Arc::clone(self.progress));
        self.registry.fetch_blob(repository, blob, &mut sink).await?;
        // What came is at fault until the opposite is known: another place may have it whole.
        sink.finish().await.map_err(|cause| {
            let (digest, cause) = (blob.digest.clone(), Cause::from(cause));
            RegistryError::Sink { digest, cause }
        })?;
        self.progress.ends(&blob.digest, &Ended::Fetched);
        Ok(true)
    }
}
