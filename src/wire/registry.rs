//! The registry's HTTP API: routes, tag lists, pagination (OCI distribution 1.1).

use serde::Deserialize;

use crate::oci::Digest;
use crate::oci::manifest::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// The path that tells whether a login is good.
pub const BASE_PATH: &str = "/v2/";
/// The path of the list of all repositories.
pub const CATALOG_PATH: &str = "/v2/_catalog";
/// The header in which a registry says what digest it thinks its answer has.
pub const DIGEST_HEADER: &str = "docker-content-digest";

/// The path of a manifest by tag or digest; both arguments must be valid ones.
pub fn manifest_path(repository: &str, tag_or_digest: &str) -> String {
    format!("/v2/{repository}/manifests/{tag_or_digest}")
}

/// The path of a blob; both arguments must be valid ones.
pub fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// The path at which an upload begins.
pub fn uploads_path(repository: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/")
}

/// First and last byte of a range as an upload's answer has it: `0-1023`, perhaps after `bytes=`.
/// The end is that after the last byte.
pub fn upload_range(text: &str) -> Option<(u64, u64)> {
    let range = text.trim();
    let range =
        range.strip_prefix("bytes").map_or(range, |rest| rest.trim_start_matches(['=', ' ']));
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    // `0-0` is both no byte and one; registries write it for none.
    Some((first, if last == 0 { 0 } else { last.checked_add(1)? }))
}

/// First byte, last byte and, if it is known, length of the whole, as a `Content-Range` header has
/// them (RFC 9110 §14.4).
pub fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let rest = text.trim().strip_prefix("bytes ")?;
    let (range, whole) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, whole))
}

/// The path of a repository's tags.
pub fn tags_path(repository: &str) -> String {
    format!("/v2/{repository}/tags/list")
}

/// The path of the manifests that refer to one (OCI distribution 1.1, "Listing Referrers").
pub fn referrers_path(repository: &str, subject: &Digest) -> String {
    format!("/v2/{repository}/referrers/{subject}")
}

/// The tag in which clients keep that list where the registry does not (OCI distribution 1.1,
/// "Referrers Tag Schema"): 32 characters of the algorithm, 64 of the hash.
pub fn referrers_tag(subject: &Digest) -> String {
    let cut = |text: &str, length| text.chars().take(length).collect::<String>();
    format!("{}-{}", cut(subject.algorithm(), 32), cut(subject.hex(), 64))
}

/// The Accept header of everything we can follow.
pub fn accepted_manifests() -> String {
    [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ")
}

/// A page of a repository's tags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TagList {
    /// The tags; some registries write `null` for none.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

impl TagList {
    /// Reads a page.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

/// A page of a registry's repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Catalog {
    /// The repositories; some registries write `null` for none.
    #[serde(default)]
    pub repositories: Option<Vec<String>>,
}

/// The target of the `rel="next"` link among these Link headers (RFC 8288).
pub fn next_link<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<String> {
    headers.into_iter().find_map(next_in_header)
}

fn next_in_header(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // The parameters end where the next link begins; targets escape `<`, so it marks one.
        let (parameters, next) = match after.find('<') {
            Some(at) => (after.get(..at)?, after.get(at..)?),
            None => (after, ""),
        };
        if parameters.split([';', ',']).any(is_next) {
            return Some(target.trim().to_owned());
        }
        rest = next;
    }
    None
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value.trim().trim_matches('"').split(' ').any(|word| word.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2"))]
    #[test_case("<https://h.example/x>;rel=next", Some("https://h.example/x"))]
    #[test_case(r#"</p>; rel="prev", </n>; title="a, b"; rel="next""#, Some("/n"))]
    #[test_case(r#"</p>; rel="prev""#, None)]
    #[test_case("</p", None)]
    #[test_case("", None)]
    #[test_case("<", None)]
    fn links(header: &str, expected: Option<&str>) {
        assert_eq!(next_link([header]).as_deref(), expected);
    }

    #[test]
    fn ranges() {
        assert_eq!(upload_range("0-1023"), Some((0, 1024)));
        assert_eq!(upload_range("bytes=0-9"), Some((0, 10)));
        assert_eq!(upload_range("0-0"), Some((0, 0)));
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 9, None)));
        for text in ["", "5-9/10", "bytes 5/10", "bytes a-b/c", "-", "1-"] {
            assert_eq!((content_range(text), upload_range(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn the_tag_of_a_list_of_referrers() {
        let hex = "a".repeat(64);
        let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
        assert_eq!(referrers_tag(&digest), format!("sha256-{hex}"));
        let digest = Digest::parse(&format!("sha512:{}", "a".repeat(128))).unwrap();
        assert_eq!(referrers_tag(&digest), format!("sha512-{hex}"));
    }

    #[test]
    fn tag_lists() {
        let list = TagList::parse(br#"{"name":"a","tags":["x","y"]}"#).unwrap();
        assert_eq!(list.tags.unwrap(), ["x", "y"]);
        assert_eq!(TagList::parse(br#"{"name":"a","tags":null}"#).unwrap().tags, None);
        assert!(TagList::parse(br#"{"tags":[1]}"#).is_err());
    }
}
