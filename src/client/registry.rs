//! stub
use crate::client::{CredentialSource, HttpClient, TransportError};
use crate::oci::{Digest, Reference};
/// One registry, pull only so far.
#[derive(Debug)]
pub struct RegistryClient {}
/// A manifest as served, its digest computed here.
#[derive(Debug, Clone)]
pub struct ServedManifest {
    pub media_type: String,
    pub digest: Digest,
    pub bytes: Vec<u8>,
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    #[error("{reference} is not in the registry")]
    NotFound { reference: String },
    /// The header, or the digest asked for, is not what the bytes hash to.
    #[error("{registry} served {actual} and claims {claimed}")]
    DigestMismatch { registry: String, claimed: Digest, actual: Digest },
    #[error(transparent)]
    Transport(#[from] TransportError),
}
impl RegistryClient {
    /// `reference.domain()` gives the host (docker.io = registry-1.docker.io); `scheme` https, http only if insecure/loopback fallback.
    pub fn new(
        _r: &Reference,
        _http: HttpClient,
        _c: std::sync::Arc<dyn CredentialSource>,
    ) -> Self {
        unimplemented!()
    }
    /// By tag or digest text.
    pub async fn manifest(
        &self,
        _repository: &str,
        _tag_or_digest: &str,
    ) -> Result<ServedManifest, RegistryError> {
        unimplemented!()
    }
    /// All pages.
    pub async fn tags(&self, _repository: &str) -> Result<Vec<String>, RegistryError> {
        unimplemented!()
    }
    /// `login`: checks a credential against /v2/; an identity token if the token server gives one.
    pub async fn check_login(&self) -> Result<Option<crate::client::Login>, RegistryError> {
        unimplemented!()
    }
}
