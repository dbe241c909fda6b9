//! Copying an image from one registry to another, straight through.

use std::sync::Arc;

use crate::actions::context::Context;
use crate::actions::image::{ImageError, digest_of, gun_of};
use crate::actions::push::{self, PushError, deliver};
use crate::actions::resolve::{Demand, resolve};
use crate::actions::sign::Signed;
use crate::actions::transfer::remote::Remote;
use crate::actions::transfer::sending::{Origin, Sending};
use crate::actions::transfer::tree::Node;
use crate::actions::transfer::{ImageTree, Platforms, Progress, RemoteError};
use crate::actions::update::{Source, refresh};
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::client::registry::Destination;
use crate::client::{BlobSource, RegistryClient, RegistryError};
use crate::oci::{Descriptor, Digest, Reference};
use crate::tuf::{RoleName, TargetName};

/// What to copy where.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image.
    pub from: Reference,
    /// The name it gets; with a tag.
    pub to: Reference,
    /// Only what is signed, by these signers besides the roles that count for a pull.
    pub trusted: Option<Vec<String>>,
    /// Sign it at the other place.
    pub signed: bool,
    /// The signer to set up there if the repository has no trust data yet.
    pub signer: Option<String>,
    /// Of an image for several platforms, which.
    pub platforms: Platforms,
}

/// An image that is at the other place now.
#[derive(Debug)]
pub struct Copied {
    /// Digest of its manifest or index.
    pub digest: Digest,
    /// Why it is trusted, if it had to be.
    pub verdict: Option<Verdict>,
    /// What was signed there, if it was to be.
    pub signed: Option<Signed>,
    /// Who signed it here and not there, for their keys are not at hand.
    pub not_carried: Vec<RoleName>,
}

/// Why the tag is not at the other place, or not moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// It is not trusted, or that cannot be told.
    #[error(transparent)]
    Verify(#[from] VerifyImageError),
    /// The registry it comes from, or what it serves.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The registry it goes to.
    #[error(transparent)]
    Push(#[from] PushError),
}

impl From<RegistryError> for CopyError {
    fn from(error: RegistryError) -> Self {
        Self::Remote(error.into())
    }
}

/// Copies an image: what the other place lacks passes through, nothing is kept here.
pub async fn copy(
    context: &Context,
    request: &Request,
    progress: &Arc<dyn Progress>,
) -> Result<Copied, CopyError> {
    let verdict = match &request.trusted {
        None => None,
        Some(signers) => Some(resolve(context, &request.from, &Demand::now(signers)).await?),
    };
    let connect = |reference: &Reference| context.connections.registry(reference);
    let from =
        Arc::new(connect(&request.from).map_err(ImageError::from).map_err(RemoteError::from)?);
    let remote = Remote { registry: &from, reference: &request.from, layout: None };
    let (_, root) = remote.resolve(verdict.as_ref(), &request.platforms).await?;
    let tree = remote.tree(root).await?;
    let Some(root) = tree.root() else {
        let reference = request.from.familiar();
        return Err(RegistryError::NotFound { reference }.into());
    };
    let same_registry = request.from.domain() == request.to.domain();
    let mounts: Vec<String> =
        same_registry.then(|| request.from.path().to_owned()).into_iter().collect();
    let origin =
        RemoteOrigin { registry: &from, repository: request.from.path().to_owned(), mounts };
    let registry = connect(&request.to).map_err(PushError::from)?;
    let to = Destination::new(request.to.path(), &origin.mounts);
    let sending =
        Sending { registry: &registry, to: &to, tree: &tree, progress: Arc::clone(progress) };
    let pushing = push::Request {
        reference: request.to.clone(),
        signed: request.signed,
        signer: request.signer.clone(),
    };
    let tag = request.to.tag().unwrap_or("latest");
    let signed = Box::pin(deliver(context, &pushing, &sending, &origin, root, tag)).await?;
    let not_carried = match (&signed, &verdict) {
        (Some(signed), Some(_)) => not_carried(context, request, root, signed).await,
        _ => Vec::new(),
    };
    let digest = root.descriptor.digest.clone();
    Ok(Copied { digest, verdict, signed, not_carried })
}

/// Roles that vouch for the image where it came from, and have no namesake among those that were
/// signed into.
async fn not_carried(
    context: &Context,
    request: &Request,
    root: &Node,
    signed: &Signed,
) -> Vec<RoleName> {
    let there: Vec<&RoleName> = signed.tags.iter().flat_map(|tag| &tag.roles).collect();
    let tag = request.from.tag().unwrap_or("latest");
    let (Ok(gun), Ok(tag)) = (gun_of(&request.from), TargetName::parse(tag)) else {
        return Vec::new();
    };
    // It was brought up to date just now, so the cache knows.
    let Ok(updated) = refresh(context, &gun, Source::Cache).await else { return Vec::new() };
    let vouches = updated
        .trusted
        .all(&tag)
        .into_iter()
        .filter(|found| digest_of(found.target).as_ref() == Some(&root.descriptor.digest));
    vouches.map(|found| found.role.clone()).filter(|role| !there.contains(&role)).collect()
}

/// Blobs of another registry.
struct RemoteOrigin<'a> {
    registry: &'a Arc<RegistryClient>,
    repository: String,
    mounts: Vec<String>,
}

impl Origin for RemoteOrigin<'_> {
    fn open(&self, blob: &Descriptor) -> Result<Arc<dyn BlobSource>, RegistryError> {
        self.registry.blob_source(&self.repository, blob)
    }

    fn mounts(&self, _: &Descriptor) -> &[String] {
        &self.mounts
    }

    fn is_elsewhere(&self, blob: &Descriptor) -> bool {
        ImageTree::is_elsewhere(blob)
    }
}
