//! Listing the manifests that refer to an image: signatures, bills of material and the like.

use crate::actions::context::Context;
use crate::actions::image::ImageError;
use crate::client::registry::Referrers;
use crate::oci::{Digest, Reference};

/// An image, and what refers to it.
#[derive(Debug)]
pub struct Listing {
    /// The image's digest.
    pub subject: Digest,
    /// What refers to it, as the list says.
    pub referrers: Referrers,
}

/// Lists what refers to an image, only what is of this type if one is given.
pub async fn referrers(
    context: &Context,
    reference: &Reference,
    artifact_type: Option<&str>,
) -> Result<Listing, ImageError> {
    let registry = context.connections.registry(reference)?;
    let subject = if let Some(digest) = reference.digest() {
        digest.clone()
    } else {
        let tag = reference.tag().unwrap_or("latest");
        registry.manifest(reference.path(), tag).await?.digest
    };
    let referrers = registry.referrers(reference.path(), &subject, artifact_type).await?;
    Ok(Listing { subject, referrers })
}
