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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TransportError;
    use crate::client::testing::{Server, registry, reply};
    use crate::oci::manifest::OCI_MANIFEST;

    #[tokio::test]
    async fn a_digest_is_announced_or_computed() {
        let announced = Digest::sha256_of(b"announced");
        let header = announced.to_string();
        let server = Server::start(move |request| {
            let manifest = reply(200, "{}").with("Content-Type", OCI_MANIFEST);
            match (request.target.as_str(), request.method.as_str()) {
                ("/v2/a/b/manifests/told", _) => manifest.with("Docker-Content-Digest", &*header),
                ("/v2/a/b/manifests/odd", _) => manifest.with("Docker-Content-Digest", "x"),
                ("/v2/a/b/manifests/nohead", "HEAD") => reply(405, ""),
                ("/v2/a/b/manifests/gone", _) => reply(404, ""),
                _ => manifest,
            }
        });
        let registry = registry(&server);
        assert_eq!(registry.announced_digest("a/b", "told").await.unwrap(), announced);
        for tag in ["untold", "nohead"] {
            let digest = registry.announced_digest("a/b", tag).await.unwrap();
            assert_eq!(digest, Digest::sha256_of(b"{}"), "{tag}");
        }
        let error = registry.announced_digest("a/b", "gone").await.unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
        let error = registry.announced_digest("a/b", "odd").await.unwrap_err();
        let RegistryError::Transport(TransportError::BadAnswer { .. }) = error else {
            panic!("{error}")
        };
    }
}
