//! Image configurations: small blobs, read whole.

use reqwest::Method;

use crate::client::RegistryError;
use crate::client::registry::connection::{PULL, RegistryClient, expect};
use crate::limits::MAX_IMAGE_CONFIG_BYTES;
use crate::oci::Descriptor;
use crate::oci::Digest;
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
use crate::wire::registry::blob_path;

impl RegistryClient {
    /// Fetches the configuration that a manifest names; the bytes have its digest and its size.
    pub async fn image_config(
        &self,
        repository: &str,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, RegistryError> {
        let reference = self.reference(repository, descriptor.digest.as_str())?;
        let path = blob_path(reference.path(), &descriptor.digest);
        let scope = repository_scope(reference.path(), PULL);
        let limit = MAX_IMAGE_CONFIG_BYTES.min(descriptor.size);
        let answer = self.send(Method::GET, &path, None, &scope, limit).await?;
        let answer = expect(answer, &reference)?;
        if !descriptor.digest.matches(&answer.body) {
            if is_html(answer.content_type(), &answer.body) {
                return Err(answer.bad("a web page where a configuration should be").into());
            }
            return Err(RegistryError::DigestMismatch {
                registry: self.domain.clone(),
                claimed: descriptor.digest.clone(),
                actual: Digest::sha256_of(&answer.body),
            });
        }
        if answer.body.len() as u64 != descriptor.size {
            return Err(answer.bad("the configuration has not the size it should have").into());
        }
        Ok(answer.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TransportError;
    use crate::client::testing::{Server, registry, reply};

    fn descriptor(content: &[u8], size: u64) -> Descriptor {
        let (media_type, digest) = ("a/b".to_owned(), Digest::sha256_of(content));
        Descriptor::new(media_type, digest, size)
    }

    #[tokio::test]
    async fn a_configuration_is_what_the_manifest_names() {
        let server = Server::start(|_| reply(200, "{}"));
        let registry = registry(&server);
        assert_eq!(registry.image_config("a/b", &descriptor(b"{}", 2)).await.unwrap(), b"{}");
        let error = registry.image_config("a/b", &descriptor(b"{ ", 2)).await.unwrap_err();
        assert!(matches!(error, RegistryError::DigestMismatch { .. }), "{error}");
        let error = registry.image_config("a/b", &descriptor(b"{}", 3)).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
            "{error}"
        );
        // No more is read than the manifest announces, whatever that says.
        let error = registry.image_config("a/b", &descriptor(b"{}", 1)).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::TooLarge { limit: 1, .. })),
            "{error}"
        );
    }
}
