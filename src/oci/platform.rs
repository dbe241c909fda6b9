//! stub
/// `os/arch[/variant]`, docker's normalisation (`x86_64` = amd64, `aarch64` = arm64 with v8 dropped).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write os/architecture or os/architecture/variant")]
pub struct PlatformError(pub String);
impl Platform {
    pub fn parse(_t: &str) -> Result<Self, PlatformError> {
        unimplemented!()
    }
    pub fn host() -> Self {
        unimplemented!()
    }
    pub fn matches(&self, _offered: &Platform) -> bool {
        unimplemented!()
    }
}
impl std::fmt::Display for Platform {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        unimplemented!()
    }
}
