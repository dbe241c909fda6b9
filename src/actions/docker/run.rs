//! Which image a container is made of.

use crate::actions::context::Context;
use crate::actions::docker::known::{Known, known};
use crate::actions::verify::VerifyImageError;
use crate::oci::reference::ReferenceError;
use crate::oci::{Digest, Reference};

/// What docker is to make a container of.
#[derive(Debug)]
pub enum Choice {
    /// The content of this machine that has this id: it comes from nowhere, and is what it is.
    Id,
    /// An image that is signed.
    Known(Box<Known>),
}

/// Why no container is made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunRefusal {
    /// It is not the name of an image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The image is not signed, or that cannot be told.
    #[error(transparent)]
    Image(#[from] VerifyImageError),
}

/// Asks trust about the image that was named.
pub async fn run(context: &Context, image: &str) -> Result<Choice, RunRefusal> {
    if is_id(image) {
        return Ok(Choice::Id);
    }
    let reference = Reference::parse(image)?;
    Ok(Choice::Known(Box::new(known(context, &reference).await?)))
}

/// Whether docker takes a text for the whole id of an image, which it never looks for elsewhere.
fn is_id(image: &str) -> bool {
    match Reference::parse(image) {
        Err(ReferenceError::ImageId { .. }) => true,
        _ => image.starts_with("sha256:") && Digest::parse(image).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test_case(HEX, true)]
    #[test_case(&format!("sha256:{HEX}"), true)]
    #[test_case("e3b0c44298fc", false; "a short one may be a name")]
    #[test_case(&format!("app@sha256:{HEX}"), false)]
    #[test_case("sha256:e3b0", false; "a tag of an image of that name")]
    #[test_case("app", false)]
    fn only_whole_ids_are_ids(image: &str, expected: bool) {
        assert_eq!(is_id(image), expected);
    }
}
