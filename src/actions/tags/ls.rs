//! Listing the tags of a repository.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::actions::context::Context;
use crate::actions::image::ImageError;
use crate::client::{RegistryClient, RegistryError};
use crate::oci::{Digest, Reference};

/// Which tags to list.
#[derive(Debug, Clone)]
pub struct Request {
    /// The repository; a tag in it does not matter.
    pub repository: Reference,
    /// Only those behind this one, in the registry's order.
    pub last: Option<String>,
    /// At most this many.
    pub limit: Option<usize>,
    /// Ask for the digest of each.
    pub digests: bool,
}

/// Tags of a repository.
#[derive(Debug)]
pub struct Listing {
    /// The tags, in the registry's order.
    pub tags: Vec<Tag>,
    /// How many names the registry gave that no tag can have.
    pub left_out: usize,
    /// Whether there are more behind them.
    pub more: bool,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// What the registry says its digest is; `None` if that was not asked, or the tag is gone.
    pub digest: Option<Digest>,
}

/// Lists tags.
pub async fn ls(context: &Context, request: &Request) -> Result<Listing, ImageError> {
    let registry = context.connections.registry(&request.repository)?;
    let path = request.repository.path();
    let page = registry.tags_after(path, request.last.as_deref(), request.limit).await?;
    let tags = if request.digests {
        with_digests(&registry, path, &page.tags).await?
    } else {
        page.tags.into_iter().map(|name| Tag { name, digest: None }).collect()
    };
    Ok(Listing { tags, left_out: page.left_out, more: page.more })
}

/// Asks for the digests of tags, several at a time.
pub(in crate::actions) async fn with_digests(
    registry: &RegistryClient,
    repository: &str,
    tags: &[String],
) -> Result<Vec<Tag>, RegistryError> {
    let asked = tags.iter().map(|name| async move {
        let digest = match registry.announced_digest(repository, name).await {
            Ok(digest) => Some(digest),
            // Somebody deleted it just now.
            Err(RegistryError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Tag { name: name.clone(), digest })
    });
    stream::iter(asked).buffered(MAX_AT_ONCE).try_collect().await
}

/// Most tags asked about at the same time.
const MAX_AT_ONCE: usize = 16;
