//! stub
use crate::oci::Digest;
use crate::oci::platform::Platform;
/// What a tag can name, parsed strictly enough to follow (never re-serialised; bytes are the truth).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    Image(ImageManifest),
    Index(Index),
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    pub platform: Option<Platform>,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    #[error("schema 1 manifests are not supported")]
    Schema1, /* NotJson, MediaTypeMismatch{header, body}, Missing{field}, … */
}
impl Manifest {
    /// docker schema 2, docker list, OCI manifest, OCI index; `media_type` is the Content-Type header.
    pub fn parse(_media_type: &str, _bytes: &[u8]) -> Result<Self, ManifestError> {
        unimplemented!()
    }
}
