//! Sending an image to a registry: its blobs first, several at once, then its manifests, those
//! that others name before those that name them.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::TryStreamExt;

use crate::actions::transfer::PARALLEL_BLOBS;
use crate::actions::transfer::progress::{Ended, Progress};
use crate::actions::transfer::tree::{ImageTree, Node};
use crate::client::registry::{Destination, Upload, UploadProgress, Uploaded};
use crate::client::{BlobSource, RegistryClient, RegistryError};
use crate::oci::Descriptor;
use crate::wire::referrers::Referrer;

/// An image on its way to a registry.
#[derive(Debug)]
pub struct Sending<'a> {
    /// The registry.
    pub registry: &'a RegistryClient,
    /// The repository.
    pub to: &'a Destination,
    /// The image.
    pub tree: &'a ImageTree,
    /// Who wants to know how far it is.
    pub progress: Arc<dyn Progress>,
}

/// Where blobs come from.
pub trait Origin: Sync {
    /// The content of a blob.
    fn open(&self, blob: &Descriptor) -> Result<Arc<dyn BlobSource>, RegistryError>;

    /// Repositories of the registry it goes to that may have it, the likeliest first.
    fn mounts(&self, blob: &Descriptor) -> &[String];

    /// Whether it is to be had elsewhere, and not here.
    fn is_elsewhere(&self, blob: &Descriptor) -> bool;
}

impl Sending<'_> {
    /// Sends what the repository lacks.
    pub async fn blobs(&self, origin: &dyn Origin) -> Result<(), RegistryError> {
        let mut blobs = self.tree.blobs.iter();
        // The first alone: it finds out who we are to the registry, for all of them.
        if let Some(first) = blobs.next() {
            self.blob(first, origin).await?;
        }
        let sending = blobs.map(|blob| self.blob(blob, origin));
        futures_util::stream::iter(sending)
            .buffer_unordered(PARALLEL_BLOBS)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await
    }

    /// Puts the manifests that the image's own names, each by its digest.
    pub async fn children(&self) -> Result<(), RegistryError> {
        let children = self.tree.manifests.len().saturating_sub(1);
        for node in self.tree.manifests.iter().take(children) {
            self.put(node, node.descriptor.digest.as_str()).await?;
        }
        Ok(())
    }

    /// Puts a manifest under a tag or its digest. If it says what it is a statement of, and the
    /// registry keeps no list of such statements, it is put on the list in the fallback tag.
    pub async fn put(&self, node: &Node, tag_or_digest: &str) -> Result<(), RegistryError> {
        let Descriptor { media_type, digest, .. } = &node.descriptor;
        let accepted =
            self.registry.put_manifest(self.to, tag_or_digest, media_type, &node.bytes).await?;
        if accepted.lists_referrer || node.manifest.subject().is_none() {
            return Ok(());
        }
        let referrer = Referrer::of_manifest(media_type, digest, &node.bytes);
        let Some((subject, referrer)) = referrer else { return Ok(()) };
        let repository = self.to.repository();
        self.registry.announce_referrer(repository, &subject, &referrer).await
    }

    async fn blob(&self, blob: &Descriptor, origin: &dyn Origin) -> Result<(), RegistryError> {
        self.progress.begins(blob);
        if origin.is_elsewhere(blob) {
            self.progress.ends(&blob.digest, &Ended::Foreign);
            return Ok(());
        }
        let upload = Upload { blob, source: origin.open(blob)?, mount_from: origin.mounts(blob) };
        let (progress, digest) = (Arc::clone(&self.progress), blob.digest.clone());
        let told: UploadProgress = Arc::new(move |bytes| progress.stands(&digest, bytes));
        let uploaded = self.registry.push_blob(self.to, &upload, Some(told)).await?;
        let ended = match uploaded {
            Uploaded::Existed => Ended::Existed,
            Uploaded::Mounted => Ended::Mounted,
            Uploaded::Sent => Ended::Sent,
        };
        self.progress.ends(&blob.digest, &ended);
        Ok(())
    }
}
