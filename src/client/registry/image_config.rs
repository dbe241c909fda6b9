//! Image configurations: small blobs, read whole.

use reqwest::Method;

use crate::client::RegistryError;
use crate::client::registry::connection::{PULL, RegistryClient, expect};
use crate::limits::MAX_IMAGE_CONFIG_BYTES;
use crate::oci::Digest;
use crate::oci::manifest::Descriptor;
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
