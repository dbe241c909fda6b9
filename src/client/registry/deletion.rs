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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::client::TransportError;
    use crate::client::testing::{BASIC, Logins, Server, registry, registry_of, reply};
    use crate::oci::Digest;

    #[tokio::test]
    async fn a_manifest_is_deleted_by_digest_with_the_right_to_delete() {
        let server = Server::start(|request| {
            if request.target.starts_with("/token") {
                return reply(200, r#"{"token":"good"}"#);
            }
            if request.authorization() == Some("Bearer good") {
                return reply(202, "");
            }
            let host = request.header("host").unwrap();
            let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
            reply(401, "").with("WWW-Authenticate", challenge)
        });
        let digest = Digest::sha256_of(b"x");
        registry(&server).delete_manifest("a/b", digest.as_str()).await.unwrap();
        let log = server.log();
        assert_eq!(log[0], format!("DELETE /v2/a/b/manifests/{digest}"));
        assert!(log[1].contains("scope=repository%3Aa%2Fb%3Adelete"), "{}", log[1]);
        assert_eq!(log.len(), 3);
    }

    #[test_case(405, "", "" ; "no message")]
    #[test_case(405, r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#, ": UNSUPPORTED: The operation is unsupported." ; "docker")]
    #[test_case(400, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#, ": UNSUPPORTED" ; "as a bad request")]
    #[test_case(405, "<html>\x1b[2J", ": an HTML page" ; "web page")]
    #[tokio::test]
    async fn a_registry_that_deletes_nothing(status: u16, body: &'static str, tail: &str) {
        let server = Server::start(move |_| reply(status, body));
        let digest = Digest::sha256_of(b"x");
        let error = registry(&server).delete_manifest("a/b", digest.as_str()).await.unwrap_err();
        assert!(matches!(error, RegistryError::DeletionUnsupported { .. }), "{error}");
        let words = format!("{} does not allow deletion{tail}", server.host());
        assert_eq!(error.to_string(), words);
    }

    #[tokio::test]
    async fn a_registry_that_deletes_no_tag() {
        let body = r#"{"errors":[{"code":"DIGEST_INVALID","message":"not a digest"}]}"#;
        let server = Server::start(move |_| reply(400, body));
        let error = registry(&server).delete_manifest("a/b", "v1").await.unwrap_err();
        assert!(matches!(error, RegistryError::TagDeletionUnsupported { .. }), "{error}");
        let digest = Digest::sha256_of(b"x");
        let error = registry(&server).delete_manifest("a/b", digest.as_str()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Transport(TransportError::Status { .. })));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_and_failures_are_not_repeated() {
        let server = Server::start(|request| match request.target.as_str() {
            "/v2/a/b/manifests/gone" => reply(404, ""),
            _ => reply(503, ""),
        });
        let registry = registry_of(&server, Logins::basic());
        let error = registry.delete_manifest("a/b", "gone").await.unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
        let error = registry.delete_manifest("a/b", "v1").await.unwrap_err();
        assert!(matches!(error, RegistryError::Transport(TransportError::Busy { .. })), "{error}");
        assert_eq!(server.log().len(), 2);
        assert!(server.requests().iter().all(|request| request.authorization() != Some(BASIC)));
    }
}
