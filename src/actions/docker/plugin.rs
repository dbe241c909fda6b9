//! Plugins of docker's daemon, which are in registries as images are.

use crate::actions::context::Context;
use crate::actions::docker::known::{DEFAULT_TAG, Known, known};
use crate::actions::initialize::Plan;
use crate::actions::publish::PublishError;
use crate::actions::sign::{
    Content, Request, SignError, Signed, pushed_contents, sign_contents_under,
};
use crate::actions::verify::VerifyImageError;
use crate::oci::reference::ReferenceError;
use crate::oci::{Digest, Reference};

/// Asks trust about the plugin that was named; without tag and digest, about `latest`.
pub async fn plugin(context: &Context, reference: &Reference) -> Result<Known, VerifyImageError> {
    known(context, reference).await
}

/// The plugin under its tag, `latest` if none was written, and without a digest.
pub fn tagged(reference: &Reference) -> Result<Reference, ReferenceError> {
    let tag = reference.tag().unwrap_or(DEFAULT_TAG);
    reference.without_digest().with_tag(tag)
}

/// The tag that an installed plugin came under: what docker says that it came from has a digest and
/// no tag, so it is that of the name it has here. Nothing if it was given another name here.
pub fn installed(name: &Reference, from: &Reference) -> Option<Reference> {
    let from = if from.tag().is_none() && from.digest().is_some() {
        (name.name() == from.name()).then_some(name)?
    } else {
        from
    };
    tagged(from).ok()
}

/// Why a plugin that was pushed is not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushedError {
    /// Somebody else pushed in between, or the registry does not tell the truth.
    #[error("the registry has {digest} now, which is not what docker pushed")]
    Another {
        /// What the registry has.
        digest: Digest,
    },
    /// The signature.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The trust data.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The beginning of a digest that a line of docker's tells: `ID: Preparing`.
pub fn pushed_id(line: &[u8]) -> Option<&str> {
    let (id, _) = std::str::from_utf8(line).ok()?.split_once(": ")?;
    let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// Signs what the registry has for a plugin that was pushed just now, if it begins as one of the
/// digests that docker told: it tells no whole ones. A repository without trust data is set up as
/// for images.
pub async fn sign_pushed(
    context: &Context,
    reference: &Reference,
    ids: &[String],
) -> Result<Signed, PushedError> {
    let request = Request {
        reference: reference.clone(),
        all_tags: false,
        platform: None,
        signer: None,
        expected: None,
    };
    let contents = async {
        let contents = pushed_contents(context, &request).await?;
        let is_another =
            |content: &&Content| !ids.iter().any(|id| content.digest.hex().starts_with(id));
        match contents.iter().find(is_another) {
            Some(content) => Err(PushedError::Another { digest: content.digest.clone() }),
            None => Ok(contents),
        }
    };
    Box::pin(sign_contents_under(context, reference, &Plan::default(), contents, None)).await
}

/// How many letters of a digest docker shows.
const ID_LENGTH: usize = 12;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("app:1", "app:2", Some("app:2"))]
    #[test_case("app:1", "app", Some("app:latest"))]
    #[test_case("app:1", "app@D", Some("app:1"); "the tag is that of its name")]
    #[test_case("app:1", "app:2@D", Some("app:2"))]
    #[test_case("mine:1", "app@D", None; "another name")]
    fn what_is_installed_came_under_a_tag(name: &str, from: &str, expected: Option<&str>) {
        let digest = format!("sha256:{}", "0".repeat(64));
        let parse = |text: &str| Reference::parse(&text.replace('D', &digest)).unwrap();
        let found = installed(&parse(name), &parse(from)).map(|found| found.familiar());
        assert_eq!(found.as_deref(), expected);
    }

    #[test_case("1ce4bef0b292: Preparing\n", Some("1ce4bef0b292"))]
    #[test_case("1: digest: x\n", None)]
    #[test_case("The push refers: to\n", None)]
    fn docker_tells_the_beginning_of_digests(line: &str, expected: Option<&str>) {
        assert_eq!(pushed_id(line.as_bytes()), expected);
    }
}
