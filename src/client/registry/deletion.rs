//! Taking manifests away.

use reqwest::{Method, StatusCode};

use crate::client::RegistryError;
use crate::client::http::Answer;
use crate::client::registry::connection::{RegistryClient, expect};
use crate::limits::MAX_ERROR_BODY_BYTES;
use crate::wire::auth::repository_scope;
use crate::wire::errors::{ApiError, summarise};
use crate::wire::registry::manifest_path;

impl RegistryClient {
    /// Deletes a manifest by its digest, with all its tags; or a tag alone, where the registry can.
    ///
    /// Nothing is deleted twice: a failure that may have come after the deed is not tried again.
    pub async fn delete_manifest(
        &self,
        repository: &str,
        tag_or_digest: &str,
    ) -> Result<(), RegistryError> {
        let reference = self.reference(repository, tag_or_digest)?;
        let path = manifest_path(reference.path(), tag_or_digest);
        let scope = repository_scope(reference.path(), DELETE);
        let answer = self.send(Method::DELETE, &path, None, &scope, MAX_ERROR_BODY_BYTES).await?;
        let by_tag = reference.digest().is_none();
        match answer.status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                return Err(self.unsupported(&answer));
            }
            StatusCode::BAD_REQUEST => {
                let errors = ApiError::parse_all(&answer.body);
                let says = |code| errors.iter().any(|error| error.code == code);
                if by_tag && (says("DIGEST_INVALID") || says("TAG_INVALID")) {
                    let registry = self.domain.clone();
                    return Err(RegistryError::TagDeletionUnsupported { registry });
                }
                if says("UNSUPPORTED") {
                    return Err(self.unsupported(&answer));
                }
            }
            _ => {}
        }
        expect(answer, &reference).map(drop)
    }

    fn unsupported(&self, answer: &Answer) -> RegistryError {
        let message = summarise(answer.content_type(), &answer.body);
        RegistryError::DeletionUnsupported { registry: self.domain.clone(), message }
    }
}

const DELETE: &str = "delete";
