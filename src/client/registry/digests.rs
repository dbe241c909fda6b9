//! What digest a tag has, as the registry says.

use reqwest::{Method, StatusCode};

use crate::client::RegistryError;
use crate::client::registry::connection::{PULL, RegistryClient, expect};
use crate::limits::MAX_MANIFEST_BYTES;
use crate::oci::Digest;
use crate::wire::auth::repository_scope;
use crate::wire::registry::{DIGEST_HEADER, manifest_path};

impl RegistryClient {
    /// Asks which digest a tag has. The manifest is not fetched where the registry announces it
    /// without, so this is its word alone.
    pub async fn announced_digest(
        &self,
        repository: &str,
        tag: &str,
    ) -> Result<Digest, RegistryError> {
        let reference = self.reference(repository, tag)?;
        let path = manifest_path(reference.path(), tag);
        let scope = repository_scope(reference.path(), PULL);
        let answer = self.send(Method::HEAD, &path, None, &scope, MAX_MANIFEST_BYTES).await?;
        let no_head =
            matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        if !no_head {
            let answer = expect(answer, &reference)?;
            if let Some(digest) = answer.header(DIGEST_HEADER) {
                let digest = Digest::parse(digest);
                return Ok(digest.map_err(|error| answer.bad(error.to_string()))?);
            }
        }
        Ok(self.manifest(repository, tag).await?.digest)
    }
}
