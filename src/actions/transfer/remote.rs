//! An image in its registry: found by what is signed or by what was typed, narrowed to a platform,
//! followed to all of its manifests.

use bytes::Bytes;

use crate::actions::image::{ImageError, narrow};
use crate::actions::transfer::tree::{ImageTree, Node, TreeError, Walk};
use crate::actions::verify::Verdict;
use crate::client::{RegistryClient, RegistryError};
use crate::limits::MAX_INDEX_DEPTH;
use crate::oci::{Descriptor, Digest, Manifest, Platform, Reference};
use crate::store::ImageLayout;

/// Which part of an image for several platforms is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// The one that runs here.
    Host,
    /// This one; an image for a single other platform is refused where it is kept.
    One(Platform),
    /// All of them, with the index that lists them.
    All,
}

/// Why an image cannot be had whole from its registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The registry, or what it serves.
    #[error(transparent)]
    Image(#[from] ImageError),
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
    /// The registry serves something else than what is signed.
    #[error("{reference}: {signed} is signed, the registry serves {served}")]
    Moved {
        /// The image.
        reference: String,
        /// Signed.
        signed: Digest,
        /// Served.
        served: Digest,
    },
    /// What came is no image.
    #[error("{reference} is not an image that can be used")]
    Tree {
        /// The image.
        reference: String,
        /// What is wrong with it.
        #[source]
        cause: TreeError,
    },
}

impl From<RegistryError> for RemoteError {
    fn from(error: RegistryError) -> Self {
        Self::Image(error.into())
    }
}

/// One image in its registry.
#[derive(Debug)]
pub(crate) struct Remote<'a> {
    pub(crate) registry: &'a RegistryClient,
    pub(crate) reference: &'a Reference,
    /// Where manifests may be already.
    pub(crate) layout: Option<&'a ImageLayout>,
}

impl Remote<'_> {
    /// Finds what was asked for, and the part of it for a platform. With a verdict the digest is
    /// the one that is signed, and what the registry says of the tag is not asked. Returns the
    /// digest of what was asked for as well.
    pub(crate) async fn resolve(
        &self,
        verdict: Option<&Verdict>,
        platforms: &Platforms,
    ) -> Result<(Digest, Node), RemoteError> {
        let root = self.root(verdict).await?;
        let digest = root.descriptor.digest.clone();
        let node = match platforms {
            Platforms::All => root,
            Platforms::Host => self.narrowed(root, &Platform::host()).await?,
            Platforms::One(platform) => self.narrowed(root, platform).await?,
        };
        Ok((digest, node))
    }

    async fn root(&self, verdict: Option<&Verdict>) -> Result<Node, RemoteError> {
        let reference = self.reference;
        let wanted = match (verdict, reference.digest(), reference.tag()) {
            (Some(verdict), _, _) => verdict.digest.as_str(),
            (None, Some(digest), _) => digest.as_str(),
            (None, None, tag) => tag.unwrap_or("latest"),
        };
        let served = self.registry.manifest(reference.path(), wanted).await;
        let served = served.map_err(|error| match (verdict, error) {
            (Some(verdict), RegistryError::DigestMismatch { actual, .. }) => {
                let (signed, served) = (verdict.digest.clone(), actual);
                RemoteError::Moved { reference: reference.familiar(), signed, served }
            }
            (_, error) => error.into(),
        })?;
        let size = served.bytes.len() as u64;
        if let Some(verdict) = verdict
            && verdict.size != size
        {
            let (signed, served) = (verdict.size, size);
            return Err(RemoteError::WrongSize { reference: reference.familiar(), signed, served });
        }
        let manifest = Manifest::parse(&served.media_type, &served.bytes);
        let manifest = manifest
            .map_err(|cause| ImageError::Manifest { reference: reference.familiar(), cause })?;
        let media_type = manifest_media_type(&served.media_type, &served.bytes);
        let descriptor = Descriptor::new(media_type, served.digest, size);
        Ok(Node { descriptor, bytes: served.bytes.into(), manifest })
    }

    /// Of an index the manifest for a platform; an image as it is.
    async fn narrowed(&self, root: Node, platform: &Platform) -> Result<Node, RemoteError> {
        let mut node = root;
        for _ in 0..=MAX_INDEX_DEPTH {
            if let Manifest::Image(_) = node.manifest {
                return Ok(node);
            }
            let child = narrow(self.reference, &node.manifest, platform)?.clone();
            let bytes = self.manifest_bytes(&child).await?;
            node = Node::read(&child, bytes).map_err(|cause| self.tree_error(cause))?;
        }
        let digest = node.descriptor.digest;
        Err(self.tree_error(TreeError::TooDeep { digest }))
    }

    /// Follows an image to all of its manifests.
    pub(crate) async fn tree(&self, image: Node) -> Result<ImageTree, RemoteError> {
        let mut walk = Walk::new(image.descriptor.clone());
        let mut own = Some(image);
        while let Some(wanted) = walk.next() {
            let bytes = match own.take() {
                Some(own) => own.bytes,
                None => self.manifest_bytes(&wanted.descriptor).await?,
            };
            walk.found(wanted, bytes).map_err(|cause| self.tree_error(cause))?;
        }
        Ok(walk.finish())
    }

    /// A manifest that an index lists: from the layout, if it is there.
    async fn manifest_bytes(&self, descriptor: &Descriptor) -> Result<Bytes, RemoteError> {
        if let Some(Ok(bytes)) = self.layout.map(|layout| layout.manifest(descriptor)) {
            return Ok(bytes.into());
        }
        let digest = descriptor.digest.as_str();
        Ok(self.registry.manifest(self.reference.path(), digest).await?.bytes.into())
    }

    pub(crate) fn tree_error(&self, cause: TreeError) -> RemoteError {
        RemoteError::Tree { reference: self.reference.familiar(), cause }
    }
}

/// The header's media type, or, where a registry sends none, the body's: the manifest was parsed, so
/// one of them is there.
fn manifest_media_type(header: &str, body: &[u8]) -> String {
    if !header.is_empty() {
        return header.to_owned();
    }
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("mediaType").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
