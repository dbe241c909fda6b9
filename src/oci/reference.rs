//! Image references by docker's grammar, normalised as docker does.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::oci::{Digest, DigestError};

/// A normalised image reference: `alpine` is `docker.io/library/alpine`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference. The sentences are docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// There is no text.
    #[error("repository name must have at least one component")]
    Empty,
    /// The grammar does not know it.
    #[error("invalid reference format")]
    Format {
        /// The reference as given.
        text: String,
    },
    /// The repository has an upper-case letter.
    #[error("invalid reference format: repository name ({}) must be lowercase", repository.escape_debug())]
    Uppercase {
        /// The reference as given.
        text: String,
        /// The repository part, as docker prints it: `library/` included.
        repository: String,
    },
    /// The text would be taken for an image id.
    #[error("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")]
    ImageId {
        /// The reference as given.
        text: String,
    },
    /// The repository is too long.
    #[error("repository name must not be more than {MAX_REPOSITORY_BYTES} characters")]
    TooLong {
        /// The reference as given.
        text: String,
    },
    /// The tag is not one.
    #[error("invalid tag format")]
    Tag {
        /// The tag as given.
        tag: String,
    },
    /// What follows the `@` is not a digest.
    #[error("invalid reference format")]
    Digest {
        /// The reference as given.
        text: String,
        /// What is wrong with the digest.
        #[source]
        cause: DigestError,
    },
}

/// The registry of names without one.
pub const DOCKER_HUB: &str = "docker.io";

impl Reference {
    /// Returns the normalised reference (docker's reference grammar: `[domain/]path[:tag][@digest]`).
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let format = || ReferenceError::Format { text: text.to_owned() };
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::ImageId { text: text.to_owned() });
        }
        let (domain, remainder) = split_domain(text);
        let before_colon = remainder.split(':').next().unwrap_or_default();
        if before_colon.to_lowercase() != before_colon {
            let repository = before_colon.to_owned();
            return Err(ReferenceError::Uppercase { text: text.to_owned(), repository });
        }
        let (named, digest) = match remainder.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        if !is_domain(domain) || !is_path(path) || !tag.is_none_or(is_tag) {
            return Err(format());
        }
        if path.len() > MAX_REPOSITORY_BYTES {
            return Err(ReferenceError::TooLong { text: text.to_owned() });
        }
        let digest = digest
            .map(Digest::parse)
            .transpose()
            .map_err(|cause| ReferenceError::Digest { text: text.to_owned(), cause })?;
        Ok(Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag: tag.map(ToOwned::to_owned),
            digest,
        })
    }

    /// The registry's host and port: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository on its registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Domain and path, `docker.io/library/alpine`: docker's GUN.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Docker's short form, without `docker.io/library/`, with tag and digest: what messages print.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), Suffix(self))
    }

    /// The short form without tag and digest.
    pub fn familiar_name(&self) -> String {
        if self.domain != DOCKER_HUB {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(official) if !official.contains('/') => official.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// Returns the same repository, and digest if there is one, with this tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag { tag: tag.to_owned() });
        }
        Ok(Self { tag: Some(tag.to_owned()), ..self.clone() })
    }

    /// Returns the same repository with this digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the same repository, and tag if there is one, without a digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// Whether the registry is on this machine: 127.0.0.0/8, `::1` or `localhost`, any port.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(host_of(&self.domain))
    }
}

/// The full form: `docker.io/library/alpine:3.20`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, Suffix(self))
    }
}

/// Whether a host, without port, with or without brackets, is this machine.
pub fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.eq_ignore_ascii_case(LOCALHOST) {
        return true;
    }
    match bare.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => false,
    }
}

/// `:tag@digest`, as far as they are there.
struct Suffix<'a>(&'a Reference);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tag) = &self.0.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.0.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Tells the registry from the repository: the first part is a host if it has a `.` or `:`, an
/// upper-case letter, or is `localhost`.
fn split_domain(text: &str) -> (&str, String) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DOCKER_HUB, format!("{OFFICIAL}{text}"));
    };
    let (domain, remainder) = if first == OLD_DOCKER_HUB {
        (DOCKER_HUB, rest)
    } else if first == LOCALHOST || first.contains(['.', ':']) || first.to_lowercase() != first {
        (first, rest)
    } else {
        (DOCKER_HUB, text)
    };
    if domain == DOCKER_HUB && !remainder.contains('/') {
        return (domain, format!("{OFFICIAL}{remainder}"));
    }
    (domain, remainder.to_owned())
}

/// `host[:port]`, the host a dotted name or an IPv6 address in brackets.
fn is_domain(text: &str) -> bool {
    let host = host_of(text);
    let port = text.strip_prefix(host).unwrap_or_default();
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_is_good && (is_bracketed_address(host) || host.split('.').all(is_domain_component))
}

/// The part of `host[:port]` before the port, brackets kept.
fn host_of(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        Some((host, _)) if !domain.ends_with(']') => host,
        _ => domain,
    }
}

fn is_bracketed_address(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|ip| !ip.is_empty() && ip.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'))
}

fn is_domain_component(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

pub(super) fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// Runs of `a-z0-9` with one `.`, one or two `_`, or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends_in_words =
        text.bytes().next().is_some_and(word) && text.bytes().last().is_some_and(word);
    ends_in_words
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|b| b == b'-'))
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
pub(super) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// Longest repository path, in bytes. Docker's bound.
pub(super) const MAX_REPOSITORY_BYTES: usize = 255;
const OLD_DOCKER_HUB: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const LOCALHOST: &str = "localhost";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test_case("alpine", "docker.io/library/alpine", "alpine")]
    #[test_case("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20")]
    #[test_case("docker.io/alpine", "docker.io/library/alpine", "alpine")]
    #[test_case("index.docker.io/alpine", "docker.io/library/alpine", "alpine")]
    #[test_case("index.docker.io/library/alpine", "docker.io/library/alpine", "alpine")]
    #[test_case("library/alpine", "docker.io/library/alpine", "alpine")]
    #[test_case("library/a/b", "docker.io/library/a/b", "library/a/b")]
    #[test_case("me/app:v1", "docker.io/me/app:v1", "me/app:v1")]
    #[test_case("localhost/app", "localhost/app", "localhost/app")]
    #[test_case("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1")]
    #[test_case("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000" ; "a port without path is a tag")]
    #[test_case("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app")]
    #[test_case("[fe80::1]/app", "[fe80::1]/app", "[fe80::1]/app")]
    #[test_case("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b")]
    #[test_case("EXAMPLE/app", "EXAMPLE/app", "EXAMPLE/app" ; "upper case is a host")]
    #[test_case("a-----b/c__d.e_f", "docker.io/a-----b/c__d.e_f", "a-----b/c__d.e_f")]
    #[test_case("x:_tag.-", "docker.io/library/x:_tag.-", "x:_tag.-")]
    fn normalised(text: &str, full: &str, familiar: &str) {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.to_string(), full);
        assert_eq!(reference.familiar(), familiar);
    }

    #[test]
    fn tag_and_digest_are_told_apart() {
        let tagged = Reference::parse(&format!("host.example/app:v1@{DIGEST}")).unwrap();
        assert_eq!(tagged.tag(), Some("v1"));
        assert_eq!(tagged.digest().unwrap().as_str(), DIGEST);
        let bare = Reference::parse(&format!("app@{DIGEST}")).unwrap();
        assert_eq!(bare.tag(), None);
        assert_eq!(bare.familiar(), format!("app@{DIGEST}"));
        assert_eq!(bare.familiar_name(), "app");
        assert_eq!(bare.name(), "docker.io/library/app");
    }

    #[test_case("-app" ; "leading dash")]
    #[test_case("app-" ; "trailing dash")]
    #[test_case("a..b" ; "two dots")]
    #[test_case("a___b" ; "three underscores")]
    #[test_case("a._b" ; "mixed separators")]
    #[test_case("a//b" ; "empty part")]
    #[test_case("/app" ; "leading slash")]
    #[test_case("app/" ; "trailing slash")]
    #[test_case("app:" ; "empty tag")]
    #[test_case("app:-v1" ; "tag starts with dash")]
    #[test_case("app:.v1" ; "tag starts with dot")]
    #[test_case("app:a/b" ; "tag with slash")]
    #[test_case("app:a:b" ; "two tags")]
    #[test_case("../app" ; "parent folder")]
    #[test_case("https://host.example/app" ; "url")]
    #[test_case("host.example:port/app" ; "port not a number")]
    #[test_case("host.example:/app" ; "empty port")]
    #[test_case("host.:5000/app" ; "trailing dot host")]
    #[test_case("[::1/app" ; "unclosed bracket")]
    #[test_case("::1:5000/app" ; "address without brackets")]
    #[test_case("app name" ; "space")]
    #[test_case("app\n" ; "newline")]
    #[test_case("äpp" ; "not ascii")]
    #[test_case("user@host.example/app" ; "user in the host")]
    fn refused(text: &str) {
        assert_eq!(Reference::parse(text), Err(ReferenceError::Format { text: text.to_owned() }));
    }

    #[test]
    fn refused_as_docker_does() {
        let message = |text: &str| Reference::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("Alpine"),
            "invalid reference format: repository name (library/Alpine) must be lowercase"
        );
        assert_eq!(
            message("localhost:5000/App:v1"),
            "invalid reference format: repository name (App) must be lowercase"
        );
        assert_eq!(
            message(&"a".repeat(64)),
            format!(
                "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                "a".repeat(64)
            )
        );
        assert_eq!(
            message(&format!("me/{}", "a".repeat(253))),
            "repository name must not be more than 255 characters"
        );
        assert!(matches!(Reference::parse("app@sha256:abc"), Err(ReferenceError::Digest { .. })));
        assert!(matches!(
            Reference::parse(&format!("app@{}", DIGEST.replace('e', "E"))),
            Err(ReferenceError::Digest { .. })
        ));
        assert_eq!(Reference::parse(""), Err(ReferenceError::Empty));
        assert!(matches!(
            Reference::parse(&format!("app:{}", "v".repeat(129))),
            Err(ReferenceError::Format { .. })
        ));
    }

    #[test_case("localhost/app", true)]
    #[test_case("localhost:5000/app", true)]
    #[test_case("127.8.9.1:5000/app", true)]
    #[test_case("[::1]:5000/app", true)]
    #[test_case("[::2]/app", false)]
    #[test_case("localhost.example/app", false)]
    #[test_case("128.0.0.1/app", false)]
    #[test_case("127.0.0.1.example/app", false)]
    #[test_case("app", false)]
    fn loopback(text: &str, expected: bool) {
        assert_eq!(Reference::parse(text).unwrap().is_loopback(), expected);
    }

    #[test]
    fn retagged() {
        let reference = Reference::parse("me/app:v1").unwrap();
        assert_eq!(reference.with_tag("v2").unwrap().familiar(), "me/app:v2");
        assert!(matches!(reference.with_tag("a/b"), Err(ReferenceError::Tag { .. })));
        let pinned = reference.with_digest(Digest::parse(DIGEST).unwrap());
        assert_eq!(pinned.familiar(), format!("me/app@{DIGEST}"));
    }

    proptest! {
        #[test]
        fn printed_references_parse_to_themselves(text in "[a-z0-9:/._@-]{1,40}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(&Reference::parse(&reference.to_string()).unwrap(), &reference);
                prop_assert_eq!(Reference::parse(&reference.familiar()).unwrap(), reference);
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let parsed = Reference::parse(&text);
            prop_assert!(parsed.is_err() || !text.is_empty());
        }
    }
}
