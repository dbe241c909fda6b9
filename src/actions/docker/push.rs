//! Signing what docker says that it pushed.

use crate::actions::context::Context;
use crate::actions::initialize::Plan;
use crate::actions::sign::{Content, SignError, Signed, sign_contents_under};
use crate::oci::{Digest, Reference};

/// Reads the line with which docker tells what it pushed: `TAG: digest: DIGEST size: BYTES`.
pub fn pushed(line: &[u8]) -> Option<Content> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (tag, rest) = line.split_once(": digest: ")?;
    let (digest, size) = rest.split_once(" size: ")?;
    Some(Content {
        tag: tag.to_owned(),
        digest: Digest::parse(digest).ok()?,
        size: size.parse().ok()?,
    })
}

/// Signs what was pushed. A repository without trust data is set up as `docker push` did: the
/// repository key alone signs.
pub async fn push(
    context: &Context,
    reference: &Reference,
    contents: Vec<Content>,
) -> Result<Signed, SignError> {
    let contents = async { Ok::<_, SignError>(contents) };
    Box::pin(sign_contents_under(context, reference, &Plan::default(), contents, None)).await
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const DIGEST: &str = "sha256:cfce334a21d51ac49b90732db5b3392a93a68dbdc67b79f8fc4e6d83f39a5ca5";

    #[test]
    fn docker_tells_what_it_pushed() {
        let line = format!("v1: digest: {DIGEST} size: 524\n");
        let content = pushed(line.as_bytes()).unwrap();
        assert_eq!(content.tag, "v1");
        assert_eq!(content.digest.to_string(), DIGEST);
        assert_eq!(content.size, 524);
    }

    #[test_case("f7be010a992d: Pushed\n")]
    #[test_case("The push refers to repository [localhost:5000/app]\n")]
    #[test_case("v1: digest: sha256:00 size: 5\n"; "no digest")]
    #[test_case("v1: digest: size: 5\n"; "no word")]
    fn other_lines_tell_nothing(line: &str) {
        assert!(pushed(line.as_bytes()).is_none());
    }

    #[test]
    fn a_size_is_a_number() {
        assert!(pushed(format!("v1: digest: {DIGEST} size: -1").as_bytes()).is_none());
    }
}
