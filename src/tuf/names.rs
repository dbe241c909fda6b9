//! Names that are safe by construction: of repositories, roles and targets.

use std::fmt;

use crate::limits::{MAX_NAME_BYTES, MAX_TARGET_NAME_BYTES};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {kind} name: {problem}", name.escape_debug())]
pub struct NameError {
    /// What it should have been: `repository`, `role` or `target`.
    pub kind: &'static str,
    /// The text as given.
    pub name: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The globally unique name of a collection, such as `docker.io/library/alpine`.
///
/// ```
/// use trust::tuf::Gun;
///
/// assert!(Gun::parse("localhost:5000/app").is_ok());
/// assert!(Gun::parse("localhost:5000/../app").is_err());
/// ```
///
/// Its segments are safe as folder names: none is empty, `.`, `..` or one of our own
/// (`.trust-…`); no control character, backslash, `*`, `?` or `#` is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gun(String);

impl Gun {
    /// Returns the name if it is one.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let wrong = |problem| NameError { kind: "repository", name: name.to_owned(), problem };
        if name.is_empty() {
            return Err(wrong("it is empty"));
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(wrong("it is longer than 255 bytes"));
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace() || "\\*?#%".contains(c)) {
            return Err(wrong("it has a character that no repository name has"));
        }
        for segment in name.split('/') {
            if segment.is_empty() {
                return Err(wrong("it has an empty segment"));
            }
            if segment == "." || segment == ".." || segment.starts_with(".trust-") {
                return Err(wrong("it has a reserved segment"));
            }
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments between slashes, each safe as one folder name.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a role: one of the four base roles, or a delegation below `targets`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// `root`
    Root,
    /// `timestamp`
    Timestamp,
    /// `snapshot`
    Snapshot,
    /// `targets`
    Targets,
    /// `targets/…`
    Delegation(DelegationName),
}

/// The full name of a delegation, such as `targets/releases` (notary.md §1.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DelegationName(String);

impl RoleName {
    /// Returns the role of this name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match name {
            "root" => Ok(Self::Root),
            "timestamp" => Ok(Self::Timestamp),
            "snapshot" => Ok(Self::Snapshot),
            "targets" => Ok(Self::Targets),
            _ => DelegationName::parse(name).map(Self::Delegation),
        }
    }

    /// Returns `targets/NAME`, for one segment such as a signer's name.
    pub fn delegation(name: &str) -> Result<Self, NameError> {
        DelegationName::parse(&format!("targets/{name}")).map(Self::Delegation)
    }

    /// Returns `targets/releases`: what docker trusts for a pull.
    pub fn releases() -> Self {
        Self::Delegation(DelegationName("targets/releases".to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
            Self::Delegation(name) => &name.0,
        }
    }

    /// The segments between slashes, each safe as one file name.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('/')
    }

    /// Whether this is `targets` or below.
    pub fn is_targets(&self) -> bool {
        matches!(self, Self::Targets | Self::Delegation(_))
    }

    /// Whether this is below `targets`.
    pub fn is_delegation(&self) -> bool {
        matches!(self, Self::Delegation(_))
    }

    /// The role that delegates to this one, if this is a delegation.
    pub fn parent(&self) -> Option<Self> {
        let Self::Delegation(name) = self else { return None };
        let (parent, _) = name.0.rsplit_once('/')?;
        Self::parse(parent).ok()
    }

    /// How many levels below `targets` this is; 0 for base roles.
    pub fn depth(&self) -> usize {
        match self {
            Self::Delegation(name) => name.0.matches('/').count(),
            _ => 0,
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DelegationName {
    /// Returns the name if it starts with `targets/`, is its own clean path, has only
    /// `[-a-z0-9_/]` and fewer than 256 bytes.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let wrong = |problem| NameError { kind: "role", name: name.to_owned(), problem };
        let Some(rest) = name.strip_prefix("targets/") else {
            return Err(wrong("it is neither a base role nor below `targets/`"));
        };
        if name.len() > MAX_NAME_BYTES {
            return Err(wrong("it is longer than 255 bytes"));
        }
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !rest.split('/').all(|segment| !segment.is_empty() && segment.bytes().all(allowed)) {
            return Err(wrong("only a-z, 0-9, `-` and `_` are allowed between single slashes"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a target: a tag for docker, any text without control characters for notary.
///
/// It is opaque: never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// Returns the name if notary's encoder could write it.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let wrong = |problem| NameError { kind: "target", name: name.to_owned(), problem };
        if name.is_empty() {
            return Err(wrong("it is empty"));
        }
        if name.len() > MAX_TARGET_NAME_BYTES {
            return Err(wrong("it is longer than 4096 bytes"));
        }
        if name.chars().any(char::is_control) {
            return Err(wrong("it has a control character"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(""; "nothing")]
    #[test_case("/"; "a slash")]
    #[test_case("/etc/passwd"; "absolute")]
    #[test_case("a/"; "a slash at the end")]
    #[test_case("a//b"; "an empty segment")]
    #[test_case("."; "here")]
    #[test_case(".."; "there")]
    #[test_case("a/../b"; "climbing")]
    #[test_case("../b"; "outside")]
    #[test_case("a/./b"; "here within")]
    #[test_case("a/%2e%2e/b"; "climbing in disguise")]
    #[test_case("a\\..\\b"; "climbing elsewhere")]
    #[test_case("a\0b"; "a zero byte")]
    #[test_case("a\nb"; "two lines")]
    #[test_case("a b"; "a blank")]
    #[test_case("a\u{a0}b"; "a blank that does not break")]
    #[test_case("a*"; "a wild card")]
    #[test_case("a?x=y"; "a query")]
    #[test_case("a#b"; "a fragment")]
    #[test_case("a/.trust-pending"; "a folder of ours")]
    fn a_repository_is_not_named_like_this(name: &str) {
        assert!(Gun::parse(name).is_err());
    }

    #[test_case("docker.io/library/alpine"; "as usual")]
    #[test_case("localhost:5000/App"; "capital letters")]
    #[test_case("a/...b./c..."; "dots that lead nowhere")]
    #[test_case("a/😀"; "a face")]
    #[test_case("x@y:z"; "other marks")]
    fn a_repository_may_be_named_like_this(name: &str) {
        let gun = Gun::parse(name).unwrap();
        assert!(gun.segments().all(|segment| !segment.is_empty() && segment != ".."));
    }

    #[test]
    fn names_have_the_lengths_that_their_columns_hold() {
        assert!(Gun::parse(&"a".repeat(255)).is_ok());
        assert!(Gun::parse(&"a".repeat(256)).is_err());
        assert!(Gun::parse(&"😀".repeat(64)).is_err());
        assert!(TargetName::parse(&"a".repeat(4096)).is_ok());
        assert!(TargetName::parse(&"a".repeat(4097)).is_err());
    }

    #[test_case("targets/"; "no name")]
    #[test_case("targets//a"; "an empty name")]
    #[test_case("targets/a/"; "a slash at the end")]
    #[test_case("targets/../root"; "climbing")]
    #[test_case("targets/%2e%2e"; "climbing in disguise")]
    #[test_case("targets/a.json"; "a dot")]
    #[test_case("targets/a\0"; "a zero byte")]
    #[test_case("targets/A"; "a capital letter")]
    #[test_case("targets/😀"; "a face")]
    #[test_case("targets/*"; "a wild card")]
    #[test_case("Targets/a"; "another beginning")]
    #[test_case("/targets/a"; "absolute")]
    #[test_case("root/a"; "below the root")]
    #[test_case("snapshot "; "a blank behind")]
    fn a_role_is_not_named_like_this(name: &str) {
        assert!(RoleName::parse(name).is_err());
    }

    #[test]
    fn errors_about_names_are_safe_to_print() {
        let error = Gun::parse("a\u{1b}[31m").unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
}
