//! Manifests: fetched by tag or digest, their bytes checked.

use reqwest::{Method, StatusCode};

use crate::client::http::Answer;
use crate::client::registry::connection::{PULL, RegistryClient, expect};
use crate::client::{RegistryError, TransportError};
use crate::limits::MAX_MANIFEST_BYTES;
use crate::oci::manifest::{ManifestError, bare_media_type, is_schema1};
use crate::oci::{Digest, Reference};
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
use crate::wire::registry::{DIGEST_HEADER, manifest_path};

/// A manifest as served, its digest computed here.
#[derive(Debug, Clone)]
pub struct ServedManifest {
    /// The Content-Type header without parameters.
    pub media_type: String,
    /// SHA-256 of the bytes; the digest asked for if that is of another algorithm.
    pub digest: Digest,
    /// The bytes exactly as received.
    pub bytes: Vec<u8>,
}

impl RegistryClient {
    /// Fetches a manifest by tag or digest. Its bytes have the digest asked for and the digest
    /// the registry announces, or there is an error.
    pub async fn manifest(
        &self,
        repository: &str,
        tag_or_digest: &str,
    ) -> Result<ServedManifest, RegistryError> {
        let reference = self.reference(repository, tag_or_digest)?;
        let answer = self.get_manifest(Method::GET, &reference, tag_or_digest).await?;
        let answer = expect(answer, &reference)?;
        let media_type = bare_media_type(answer.content_type());
        if is_schema1(&media_type) {
            let (reference, cause) = (reference.familiar(), ManifestError::Schema1);
            return Err(RegistryError::Manifest { reference, cause });
        }
        if is_html(answer.content_type(), &answer.body) {
            return Err(answer.bad("a web page where a manifest should be").into());
        }
        let digest = self.check_digest(&answer, reference.digest())?;
        Ok(ServedManifest { media_type, digest, bytes: answer.body })
    }

    /// Asks whether the registry has a manifest, without fetching it where that is possible.
    pub async fn manifest_exists(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let reference = self.reference(repository, digest.as_str())?;
        let mut answer = self.get_manifest(Method::HEAD, &reference, digest.as_str()).await?;
        if matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            answer = self.get_manifest(Method::GET, &reference, digest.as_str()).await?;
        }
        match expect(answer, &reference) {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn reference(
        &self,
        repository: &str,
        tag_or_digest: &str,
    ) -> Result<Reference, RegistryError> {
        let separator = if tag_or_digest.contains(':') { '@' } else { ':' };
        let text = format!("{}/{repository}{separator}{tag_or_digest}", self.domain);
        Ok(Reference::parse(&text)?)
    }

    async fn get_manifest(
        &self,
        method: Method,
        reference: &Reference,
        tag_or_digest: &str,
    ) -> Result<Answer, TransportError> {
        let path = manifest_path(reference.path(), tag_or_digest);
        let scope = repository_scope(reference.path(), PULL);
        self.send(method, &path, None, &scope, MAX_MANIFEST_BYTES).await
    }

    /// Compares the bytes with what was announced and with what was asked for.
    fn check_digest(
        &self,
        answer: &Answer,
        asked: Option<&Digest>,
    ) -> Result<Digest, RegistryError> {
        let actual = Digest::sha256_of(&answer.body);
        let announced = match answer.header(DIGEST_HEADER) {
            Some(text) => Some(Digest::parse(text).map_err(|error| answer.bad(error.to_string()))?),
            None => None,
        };
        for claimed in [announced.as_ref(), asked].into_iter().flatten() {
            if !claimed.matches(&answer.body) {
                let registry = self.domain.clone();
                let claimed = claimed.clone();
                return Err(RegistryError::DigestMismatch { registry, claimed, actual });
            }
        }
        Ok(asked.cloned().unwrap_or(actual))
    }
}
