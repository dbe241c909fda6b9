//! Which digests a pull with content trust fetches.

use crate::actions::context::Context;
use crate::actions::docker::known::{Known, known};
use crate::actions::pull::{PullError, all_tags};
use crate::actions::verify::VerifyImageError;
use crate::oci::Reference;

/// Why a pull fetches nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullRefusal {
    /// An image is not signed, or that cannot be told.
    #[error(transparent)]
    Image(#[from] VerifyImageError),
    /// The signed tags cannot be listed.
    #[error(transparent)]
    Tags(#[from] PullError),
}

/// The image, or with `all` every tag of the repository that is signed, by name.
pub async fn pull(
    context: &Context,
    reference: &Reference,
    all: bool,
) -> Result<Vec<Known>, PullRefusal> {
    if !all {
        return Ok(vec![known(context, reference).await?]);
    }
    let mut found = Vec::new();
    for tagged in all_tags(context, reference, true).await? {
        found.push(known(context, &tagged).await?);
    }
    Ok(found)
}
