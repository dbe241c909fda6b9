//! Whether a registry takes an image and its trust data in one request.

use reqwest::Method;

use crate::client::RegistryError;
use crate::client::registry::connection::{PUSH, RegistryClient};
use crate::limits::MAX_ERROR_BODY_BYTES;
use crate::wire::auth::repository_scope;
use crate::wire::registry::BASE_PATH;
use crate::wire::signed_push::{HEADER, is_taken};

impl RegistryClient {
    /// Asks whether the registry takes the signed push (`spec/signed-push.md`); `repository` is for
    /// the login.
    pub async fn takes_signed_push(&self, repository: &str) -> Result<bool, RegistryError> {
        let scope = repository_scope(repository, PUSH);
        let answer = self.send(Method::GET, BASE_PATH, None, &scope, MAX_ERROR_BODY_BYTES).await?;
        Ok(answer.status.is_success() && answer.header(HEADER).is_some_and(is_taken))
    }
}
