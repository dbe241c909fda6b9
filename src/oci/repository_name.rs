//! Names of repositories and tags on one registry (OCI distribution 1.1, "Pulling manifests").

use std::fmt;

use crate::oci::reference::{MAX_REPOSITORY_BYTES, is_path, is_tag};

/// The name of a repository on its registry, such as `team/app`: no host, no tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

/// The name of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryNameError {
    /// The grammar does not know it.
    #[error("not the name of a repository")]
    Format,
    /// It is longer than any registry takes.
    #[error("longer than {MAX_REPOSITORY_BYTES} bytes")]
    TooLong,
    /// It is no tag.
    #[error("not the name of a tag")]
    Tag,
}

impl RepositoryName {
    /// Takes lower-case components of letters and digits, joined by `/`, with `.`, `_`, `__` and
    /// any number of `-` between letters; 255 bytes at most.
    pub fn parse(text: &str) -> Result<Self, RepositoryNameError> {
        if text.len() > MAX_REPOSITORY_BYTES {
            return Err(RepositoryNameError::TooLong);
        }
        if !is_path(text) {
            return Err(RepositoryNameError::Format);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TagName {
    /// Takes `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
    pub fn parse(text: &str) -> Result<Self, RepositoryNameError> {
        if is_tag(text) { Ok(Self(text.to_owned())) } else { Err(RepositoryNameError::Tag) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "library/alpine", "a/b/c", "a__b", "a.b-c---d", &"a".repeat(255)] {
            assert_eq!(RepositoryName::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "A", "a//b", "/a", "a/", "-a", "a..b", "a___b", "a b", "a\n", "ä", "_a", "a:1"]
        {
            assert_eq!(RepositoryName::parse(bad), Err(RepositoryNameError::Format), "{bad:?}");
        }
        let long = RepositoryName::parse(&"a".repeat(256));
        assert_eq!(long, Err(RepositoryNameError::TooLong));
    }

    #[test]
    fn tags() {
        for good in ["a", "1.0", "_x", "A-b_c.d", &"a".repeat(128)] {
            assert_eq!(TagName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "a:b", "ä", &"a".repeat(129)] {
            assert_eq!(TagName::parse(bad), Err(RepositoryNameError::Tag), "{bad:?}");
        }
    }
}
