//! Which operating system and processor an image is for.

use std::env::consts::{ARCH, OS};
use std::fmt;

/// `os/architecture[/variant]`, normalised as docker does: `x86_64` is `amd64`, `aarch64` is
/// `arm64`, variant `v8` of `arm64` is dropped and `arm` without a variant is `v7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Go's name of the operating system, such as `linux`.
    pub os: String,
    /// Go's name of the processor, such as `amd64`.
    pub architecture: String,
    /// The processor's variant, such as `v7`.
    pub variant: Option<String>,
}

/// A text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a platform: write os/architecture or os/architecture/variant", .0.escape_debug())]
pub struct PlatformError(pub String);

impl Platform {
    /// Returns the platform of two or three names with slashes between.
    pub fn parse(text: &str) -> Result<Self, PlatformError> {
        let word = |part: &&str| {
            (1..=64).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        if !parts.iter().all(word) {
            return Err(PlatformError(text.to_owned()));
        }
        match parts.as_slice() {
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(PlatformError(text.to_owned())),
        }
    }

    /// Returns the normalised platform of names that came from an image index.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        let (architecture, variant) = normalise(&architecture.to_ascii_lowercase(), &variant);
        Self { os, architecture, variant: Some(variant).filter(|name| !name.is_empty()) }
    }

    /// The platform images run on here: containers are Linux ones wherever docker's client runs
    /// on something else than Windows.
    pub fn host() -> Self {
        let os = if OS == "windows" { "windows" } else { "linux" };
        Self::new(os, ARCH, None)
    }

    /// Whether an image for `offered` is one for this platform.
    pub fn matches(&self, offered: &Self) -> bool {
        self == offered
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// Maps the many names of one processor to Go's.
fn normalise(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("i386" | "i486" | "i586" | "i686" | "x86", _) => ("386", ""),
        ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64", other) => ("arm64", other),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        ("powerpc64" | "powerpc64le", other) => ("ppc64le", other),
        ("loongarch64", other) => ("loong64", other),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("linux/amd64", "linux/amd64")]
    #[test_case("linux/x86_64", "linux/amd64")]
    #[test_case("Linux/AArch64", "linux/arm64")]
    #[test_case("linux/arm64/v8", "linux/arm64")]
    #[test_case("linux/arm", "linux/arm/v7")]
    #[test_case("linux/arm/6", "linux/arm/v6")]
    #[test_case("macos/arm64", "darwin/arm64")]
    #[test_case("linux/i386", "linux/386")]
    fn normalised(text: &str, expected: &str) {
        let platform = Platform::parse(text).unwrap();
        assert_eq!(platform.to_string(), expected);
        assert!(platform.matches(&Platform::parse(expected).unwrap()));
    }

    #[test_case("")]
    #[test_case("linux")]
    #[test_case("linux/")]
    #[test_case("/amd64")]
    #[test_case("linux/arm/v7/x")]
    #[test_case("linux/am d64")]
    fn refused(text: &str) {
        assert_eq!(Platform::parse(text), Err(PlatformError(text.to_owned())));
    }

    #[test]
    fn another_variant_is_another_platform() {
        let wanted = Platform::parse("linux/arm/v6").unwrap();
        assert!(!wanted.matches(&Platform::parse("linux/arm/v7").unwrap()));
        assert!(!wanted.matches(&Platform::parse("linux/arm64").unwrap()));
    }
}
