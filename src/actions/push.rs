//! Sending an image of the layout to its registry; with content trust, signed before its tag is
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::proposals::Progress as Signatures;
use crate::actions::publish::PublishError;
use crate::actions::sign::{Content, SignError, Signed, sign_contents};
use crate::actions::transfer::sending::{Origin, Sending};
use crate::actions::transfer::source::LayoutBlob;
use crate::actions::transfer::tree::{Node, TreeError};
use crate::actions::transfer::{ImageTree, Progress};
use crate::client::registry::Destination;
use crate::client::{BlobSource, RegistryError};
use crate::limits::{MAX_PUSHED_MANIFEST_BYTES, MAX_PUSHED_MANIFESTS};
use crate::oci::{Descriptor, Digest, ImageName, LayoutIndex, Reference};
use crate::store::{ImageLayout, ImageLayoutError};
use crate::wire::signed_push::{PushedManifest, SignedPush};

/// What to send.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image by the name it has in the layout, with a tag.
    pub reference: Reference,
    /// Sign it, before its tag is there.
    pub signed: bool,
    /// The signer to set up if the repository has no trust data yet; by default the user who is
    /// logged in to the registry.
    pub signer: Option<String>,
}

/// An image that is in its registry now.
#[derive(Debug)]
pub struct Pushed {
    /// Digest of its manifest or index.
    pub digest: Digest,
    /// Size of that in bytes.
    pub size: u64,
    /// What was signed, if it was to be.
    pub signed: Option<Signed>,
}

/// Why an image's tag is not in its registry, or not moved. Content without a tag may be there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no such image here.
    #[error("an image does not exist locally with the tag: {reference}")]
    NotHere {
        /// The image.
        reference: String,
    },
    /// A digest is no name to push under.
    #[error("cannot push a digest reference")]
    DigestReference,
    /// No image of the repository is here.
    #[error("no image of {repository} is here")]
    NoTags {
        /// The repository.
        repository: String,
    },
    /// What is here is not whole, or no image.
    #[error("{reference} cannot be sent")]
    Tree {
        /// The image.
        reference: String,
        /// What is wrong with it.
        #[source]
        cause: TreeError,
    },
    /// It takes others to sign it, so the tag was not moved.
    #[error("{reference} needs more signatures: its tag was not moved")]
    Incomplete {
        /// The image.
        reference: String,
        /// How far the signing is.
        signatures: Box<Signatures>,
    },
    /// It could not be signed, so the tag was not moved.
    #[error("{reference} was not signed: its tag was not moved")]
    NotSigned {
        /// The image.
        reference: String,
        /// Why.
        #[source]
        cause: Box<SignError>,
    },
    /// There is no way to the registry.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// Sends an image: its blobs, its manifests by their digests, then, if it is to be signed, the
/// trust data, and the tag last. What is signed is the digest of the bytes that were sent.
pub async fn push(
    context: &Context,
    layout: &ImageLayout,
    request: &Request,
    progress: &Arc<dyn Progress>,
) -> Result<Pushed, PushError> {
    let reference = &request.reference;
    let shown = reference.familiar();
    if reference.digest().is_some() {
        return Err(PushError::DigestReference);
    }
    let name = ImageName::of_reference(reference.clone());
    let tag = name.reference().and_then(Reference::tag).unwrap_or_default().to_owned();
    // Held to the end, so that nobody removes what is being sent.
    let lease = layout.lease()?;
    let index = layout.index()?;
    let Some(entry) = index.get(&name) else {
        return Err(PushError::NotHere { reference: shown });
    };
    let named = entry.descriptor.clone();
    // Of a twin it is the original that is sent on: that is what others signed.
    let image = named.original().filter(|original| layout.has_blob(original));
    let image = image.unwrap_or_else(|| named.clone());
    let tree_error = |cause| PushError::Tree { reference: shown.clone(), cause };
    lease.protect([&named.digest, &image.digest])?;
    let tree = ImageTree::load(layout, &image).map_err(tree_error)?;
    lease.protect(tree.manifests.iter().map(|node| &node.descriptor.digest))?;
    lease.protect(tree.blobs.iter().map(|blob| &blob.digest))?;
    let origin = LayoutOrigin::of(layout, &index, reference, &tree)?;
    let registry = context.connections.registry(reference)?;
    let to = Destination::new(reference.path(), &origin.repositories());
    let sending =
        Sending { registry: &registry, to: &to, tree: &tree, progress: Arc::clone(progress) };
    let Some(root) = tree.root() else { return Err(PushError::NotHere { reference: shown }) };
    let signed = Box::pin(deliver(context, request, &sending, &origin, root, &tag)).await?;
    let source = reference.with_digest(image.digest.clone());
    lease.commit(|index| {
        // Only if it still has the name.
        if index.get(&name).is_some_and(|entry| entry.descriptor.digest == named.digest) {
            index.set(&name, &named, Some(&source));
        }
        Ok::<_, ImageLayoutError>(())
    })?;
    Ok(Pushed { digest: image.digest, size: image.size, signed })
}

/// Sends, signs, and only then moves the tag; or, where the registry takes that, all of it but the
/// blobs at once.
pub(super) async fn deliver(
    context: &Context,
    request: &Request,
    sending: &Sending<'_>,
    origin: &dyn Origin,
    root: &Node,
    tag: &str,
) -> Result<Option<Signed>, PushError> {
    let reference = &request.reference;
    if !request.signed {
        sending.blobs(origin).await?;
        sending.children().await?;
        sending.put(root, tag).await?;
        return Ok(None);
    }
    let Descriptor { digest, size, .. } = &root.descriptor;
    let image = at_once(context, request, sending, tag).await;
    let in_two_steps = image.is_none();
    let sent = async {
        sending.blobs(origin).await?;
        if in_two_steps {
            sending.children().await?;
            sending.put(root, digest.as_str()).await?;
        }
        let content = Content { tag: tag.to_owned(), digest: digest.clone(), size: *size };
        Ok::<_, SigningError>(vec![content])
    };
    let signing = sign_contents(context, reference, request.signer.as_deref(), sent, image);
    let signed = Box::pin(signing).await.map_err(|error| match error {
        SigningError::Sending(error) => PushError::Registry(error),
        SigningError::Signing(cause) => {
            PushError::NotSigned { reference: reference.familiar(), cause }
        }
    })?;
    if signed.published.pushed {
        return Ok(Some(signed));
    }
    if !in_two_steps {
        // Nothing had to be signed, or it takes others to.
        sending.children().await?;
        sending.put(root, digest.as_str()).await?;
    }
    let waits = signed.tags.iter().find_map(|signed_tag| signed.waits(signed_tag));
    if let Some(signatures) = waits {
        let (reference, signatures) = (reference.familiar(), Box::new(signatures.clone()));
        return Err(PushError::Incomplete { reference, signatures });
    }
    sending.put(root, tag).await?;
    Ok(Some(signed))
}

/// The image as it is sent along with its signature, if its registry is its trust server as well
/// and takes that (`spec/signed-push.md`).
async fn at_once(
    context: &Context,
    request: &Request,
    sending: &Sending<'_>,
    tag: &str,
) -> Option<SignedPush> {
    let nodes = &sending.tree.manifests;
    let bytes: usize = nodes.iter().map(|node| node.bytes.len()).sum();
    let fits = nodes.len() <= MAX_PUSHED_MANIFESTS && bytes <= MAX_PUSHED_MANIFEST_BYTES;
    if !fits || !context.connections.is_trust_server(&request.reference) {
        return None;
    }
    let repository = request.reference.path();
    match sending.registry.takes_signed_push(repository).await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => {
            // Whatever it is, the push meets it again, and tells.
            tracing::debug!("cannot tell whether the signed push is taken: {error}");
            return None;
        }
    }
    let manifests = nodes.iter().map(|node| PushedManifest {
        media_type: node.descriptor.media_type.clone(),
        digest: node.descriptor.digest.clone(),
        bytes: node.bytes.clone(),
    });
    let (repository, tag) = (repository.to_owned(), tag.to_owned());
    Some(SignedPush { repository, tag, manifests: manifests.collect() })
}

/// The tags of a repository that are here.
pub fn all_tags(layout: &ImageLayout, repository: &Reference) -> Result<Vec<Reference>, PushError> {
    let index = layout.index()?;
    let names = index.entries().filter_map(|entry| match entry.name()? {
        ImageName::Reference(reference) => Some(reference),
        ImageName::Bare(_) => None,
    });
    let mut tags: Vec<Reference> = names
        .filter(|name| name.name() == repository.name() && name.tag().is_some())
        .filter(|name| name.digest().is_none())
        .collect();
    tags.sort_by_key(Reference::familiar);
    tags.dedup();
    if tags.is_empty() {
        return Err(PushError::NoTags { repository: repository.familiar_name() });
    }
    Ok(tags)
}

/// Why a signed push ended.
enum SigningError {
    Sending(RegistryError),
    Signing(Box<SignError>),
}

impl From<RegistryError> for SigningError {
    fn from(error: RegistryError) -> Self {
        Self::Sending(error)
    }
}

impl From<SignError> for SigningError {
    fn from(error: SignError) -> Self {
        Self::Signing(Box::new(error))
    }
}

impl From<PublishError> for SigningError {
    fn from(error: PublishError) -> Self {
        Self::Signing(Box::new(error.into()))
    }
}

/// Blobs of the layout, and which other repositories of the registry have them.
struct LayoutOrigin<'a> {
    layout: &'a ImageLayout,
    mounts: BTreeMap<Digest, Vec<String>>,
}

impl<'a> LayoutOrigin<'a> {
    /// Looks where on the registry images with the same blobs came from, or went to.
    fn of(
        layout: &'a ImageLayout,
        index: &LayoutIndex,
        to: &Reference,
        tree: &ImageTree,
    ) -> Result<Self, ImageLayoutError> {
        let mut mounts: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        let mut others: Vec<(Reference, &Descriptor)> = index
            .entries()
            .filter_map(|entry| Some((entry.source()?, &entry.descriptor)))
            .filter(|(source, _)| source.domain() == to.domain() && source.path() != to.path())
            .collect();
        // The same image first: all of it is there.
        let own = tree.root().map(|root| &root.descriptor.digest);
        others.sort_by_key(|(_, image)| Some(&image.digest) != own);
        others.truncate(MAX_MOUNT_IMAGES);
        for (source, image) in others {
            let has = layout.reachable([image])?;
            for blob in &tree.blobs {
                if has.contains(&(blob.digest.clone(), blob.size)) {
                    let repositories = mounts.entry(blob.digest.clone()).or_default();
                    if !repositories.iter().any(|known| known == source.path()) {
                        repositories.push(source.path().to_owned());
                    }
                }
            }
        }
        Ok(Self { layout, mounts })
    }

    fn repositories(&self) -> Vec<String> {
        let mut all: Vec<String> = self.mounts.values().flatten().cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Origin for LayoutOrigin<'_> {
    fn open(&self, blob: &Descriptor) -> Result<Arc<dyn BlobSource>, RegistryError> {
        Ok(Arc::new(LayoutBlob { layout: self.layout.clone(), blob: blob.clone() }))
    }

    fn mounts(&self, blob: &Descriptor) -> &[String] {
        self.mounts.get(&blob.digest).map_or(&[], Vec::as_slice)
    }

    fn is_elsewhere(&self, blob: &Descriptor) -> bool {
        ImageTree::is_elsewhere(blob)
    }
}

/// Most other images that are looked at for blobs that could be mounted.
const MAX_MOUNT_IMAGES: usize = 50;
