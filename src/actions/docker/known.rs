//! An image as docker named it, and what is signed for it.

use crate::actions::context::Context;
use crate::actions::resolve::{Demand, resolve};
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::oci::Reference;

/// The tag that is meant where none is written.
pub const DEFAULT_TAG: &str = "latest";

/// An image that trust vouches for.
#[derive(Debug)]
pub struct Known {
    /// Its name with the tag, if it was named by a tag; none if it was named by a digest alone.
    pub tagged: Option<Reference>,
    /// Its name with the digest that is signed: what docker is handed.
    pub pinned: Reference,
    /// Who vouches for it.
    pub verdict: Verdict,
}

impl Known {
    /// Its name with tag and digest, for who shows the one and keeps to the other.
    pub fn in_full(&self) -> Reference {
        let tag = self.tagged.as_ref().and_then(Reference::tag);
        let full = tag.and_then(|tag| self.pinned.with_tag(tag).ok());
        full.unwrap_or_else(|| self.pinned.clone())
    }
}

/// Asks trust for the digest of an image; without tag and digest, of `latest`.
pub async fn known(context: &Context, reference: &Reference) -> Result<Known, VerifyImageError> {
    let verdict = resolve(context, reference, &Demand::now(&[])).await?;
    let pinned = reference.with_digest(verdict.digest.clone());
    let tag = reference.tag().or(reference.digest().is_none().then_some(DEFAULT_TAG));
    let tagged = tag.and_then(|tag| reference.without_digest().with_tag(tag).ok());
    Ok(Known { tagged, pinned, verdict })
}
