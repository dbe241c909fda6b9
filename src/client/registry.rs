//! A registry's client: manifests, tags, and whether a login is good.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{ACCEPT, HeaderValue, LINK};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::client::auth::Authenticator;
use crate::client::http::{Answer, Request};
use crate::client::{CredentialSource, HttpClient, Login, TransportError};
use crate::limits::{
    MAX_ERROR_BODY_BYTES, MAX_MANIFEST_BYTES, MAX_PAGE_BYTES, MAX_PAGES, MAX_TAGS,
};
use crate::oci::manifest::{ManifestError, bare_media_type, is_schema1};
use crate::oci::reference::DOCKER_HUB;
use crate::oci::{Digest, Reference, ReferenceError};
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
use crate::wire::registry::{
    BASE_PATH, DIGEST_HEADER, TagList, accepted_manifests, manifest_path, next_link, tags_path,
};

/// One registry, pull only so far.
#[derive(Debug)]
pub struct RegistryClient {
    domain: String,
    /// Host and port of the API.
    host: String,
    http: HttpClient,
    auth: Authenticator,
    /// Learnt from the first answer of an insecure registry: whether it speaks plain HTTP.
    plain: Mutex<Option<bool>>,
}

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

/// What a registry answers instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// 404.
    #[error("{reference} is not in the registry")]
    NotFound {
        /// What was asked for.
        reference: String,
    },
    /// The header, or the digest asked for, is not what the bytes hash to.
    #[error("{registry} served {actual} and claims {claimed}")]
    DigestMismatch {
        /// The registry's host.
        registry: String,
        /// The digest asked for or announced.
        claimed: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A manifest of a kind we do not follow.
    #[error("{reference} cannot be used")]
    Manifest {
        /// What was asked for.
        reference: String,
        /// Why.
        #[source]
        cause: ManifestError,
    },
    /// More tags than any listing shows.
    #[error("{repository} has more than {limit} tags")]
    TooManyTags {
        /// The repository.
        repository: String,
        /// The most tags listed.
        limit: usize,
    },
    /// A repository, tag or digest that is none.
    #[error("not something a registry can be asked for")]
    Reference(#[from] ReferenceError),
    /// The network, or an answer that is not a registry's.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl RegistryClient {
    /// Returns a client for the registry of this reference; it connects when it is first used.
    ///
    /// Docker Hub's API is at `registry-1.docker.io`. The scheme is https; plain http is used if
    /// the options declare the registry insecure and it does not speak TLS.
    pub fn new(
        reference: &Reference,
        http: HttpClient,
        credentials: Arc<dyn CredentialSource>,
    ) -> Self {
        let domain = reference.domain();
        let host = if domain == DOCKER_HUB { DOCKER_HUB_API } else { domain };
        Self {
            domain: domain.to_owned(),
            host: host.to_owned(),
            http,
            auth: Authenticator::new(credentials),
            plain: Mutex::new(None),
        }
    }

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

    /// Lists a repository's tags, all pages, in the registry's order.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        let reference = Reference::parse(&format!("{}/{repository}", self.domain))?;
        let scope = repository_scope(reference.path(), PULL);
        let mut path = tags_path(reference.path());
        let mut query = Some(format!("n={TAGS_A_PAGE}"));
        let mut seen = BTreeSet::new();
        let mut tags = Vec::new();
        loop {
            let question = (path.clone(), query.clone());
            let answer = self.send(Method::GET, &path, query.as_deref(), &scope, MAX_PAGE_BYTES);
            let answer = expect(answer.await?, &reference)?;
            if !seen.insert(question) || seen.len() > MAX_PAGES {
                return Err(answer.bad("the list of tags has no end").into());
            }
            let page = TagList::parse(&answer.body)
                .map_err(|error| answer.bad(format!("the tags are not well-formed: {error}")))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                let repository = reference.familiar_name();
                return Err(RegistryError::TooManyTags { repository, limit: MAX_TAGS });
            }
            let Some(next) = next_page(&answer)? else { return Ok(tags) };
            next.path().clone_into(&mut path);
            query = next.query().map(ToOwned::to_owned);
        }
    }

    /// Checks the login against the registry, as `login` does; returns the identity token to keep
    /// in place of the password, if the token server gives one.
    pub async fn check_login(&self) -> Result<Option<Login>, RegistryError> {
        let grant = match self.auth.check(&self.http, self.base_request(self.is_plain())?).await {
            Err(error) if self.may_be_plain(&error) => {
                let second = self.auth.check(&self.http, self.base_request(true)?).await;
                self.judge_plain(error, second)?
            }
            outcome => outcome?,
        };
        Ok(grant.identity)
    }

    fn reference(&self, repository: &str, tag_or_digest: &str) -> Result<Reference, RegistryError> {
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

    /// Sends with a login if asked for one, over https; over http if that is all the registry
    /// speaks and nobody minds.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        scope: &str,
        limit: u64,
    ) -> Result<Answer, TransportError> {
        let request = |plain| -> Result<Request, TransportError> {
            let mut request = Request::new(method.clone(), self.address(plain, path)?, limit);
            request.url.set_query(query);
            let accepted = HeaderValue::from_str(&accepted_manifests());
            request.headers.extend(accepted.ok().map(|value| (ACCEPT, value)));
            Ok(request)
        };
        let plain = self.is_plain();
        match self.auth.send(&self.http, request(plain)?, scope).await {
            Err(error) if self.may_be_plain(&error) => {
                let second = self.auth.send(&self.http, request(true)?, scope).await;
                self.judge_plain(error, second)
            }
            Ok(answer) => {
                self.remember(plain);
                Ok(answer)
            }
            Err(error) => Err(error),
        }
    }

    fn base_request(&self, plain: bool) -> Result<Request, TransportError> {
        Ok(Request::get(self.address(plain, BASE_PATH)?, MAX_ERROR_BODY_BYTES))
    }

    fn address(&self, plain: bool, path: &str) -> Result<Url, TransportError> {
        let scheme = if plain { "http" } else { "https" };
        let text = format!("{scheme}://{}{path}", self.host);
        Url::parse(&text)
            .map_err(|error| TransportError::Request { url: text, cause: Box::new(error) })
    }

    fn is_plain(&self) -> bool {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(false)
    }

    fn remember(&self, plain: bool) {
        *self.plain.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain);
    }

    /// Decides between a failure over TLS and what came without: where that fails to connect as
    /// well, the first failure tells more; any answer shows that the registry is a plain one.
    fn judge_plain<T>(
        &self,
        first: TransportError,
        second: Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        if second.as_ref().is_err_and(TransportError::is_offline) {
            return Err(first);
        }
        self.remember(true);
        second
    }

    /// Whether a failure may be that of a plain HTTP server which the user declared to be all
    /// right. One may also hang up on TLS, or listen on the other scheme's port.
    fn may_be_plain(&self, error: &TransportError) -> bool {
        let unknown = self.plain.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        let no_tls =
            matches!(error, TransportError::Tls { .. } | TransportError::Unreachable { .. });
        self.http.options().insecure && unknown && no_tls
    }
}

/// Turns every status but success into its error.
fn expect(answer: Answer, reference: &Reference) -> Result<Answer, RegistryError> {
    match answer.status {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(RegistryError::NotFound { reference: reference.familiar() }),
        _ => Err(answer.error().into()),
    }
}

/// Where the next page is, on the same registry or nowhere.
fn next_page(answer: &Answer) -> Result<Option<Url>, TransportError> {
    let headers = answer.headers.get_all(LINK);
    let Some(link) = next_link(headers.iter().filter_map(|header| header.to_str().ok())) else {
        return Ok(None);
    };
    let next = answer.url.join(&link).map_err(|_| answer.bad("the next page has no address"))?;
    if next.host() != answer.url.host() {
        return Err(answer.bad("the next page is on another host"));
    }
    Ok(Some(next))
}

const DOCKER_HUB_API: &str = "registry-1.docker.io";
const PULL: &str = "pull";
/// Tags asked for at a time: what most registries allow at most.
const TAGS_A_PAGE: usize = 1000;
#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::client::HttpOptions;
    use crate::client::testing::{
        Authority, BASIC, Logins, Received, Reply, Server, patient, reply,
    };
    use crate::oci::manifest::{DOCKER_MANIFEST, OCI_MANIFEST};

    fn registry_of(server: &Server, logins: Arc<Logins>) -> RegistryClient {
        let reference = Reference::parse(&format!("{}/a/b", server.host())).unwrap();
        let options = HttpOptions { insecure: true, ..patient() };
        RegistryClient::new(&reference, HttpClient::new(options), logins)
    }

    fn registry(server: &Server) -> RegistryClient {
        registry_of(server, Logins::none())
    }

    fn manifest_reply(body: &str) -> Reply {
        reply(200, body).with("Content-Type", OCI_MANIFEST)
    }

    fn digest(body: &str) -> Digest {
        Digest::sha256_of(body.as_bytes())
    }

    #[tokio::test]
    async fn manifests_over_tls() {
        let server = Server::start_tls(Authority::new().issue().server(), |_| {
            manifest_reply("{}").with("Docker-Content-Digest", digest("{}").as_str())
        });
        let registry = registry(&server);
        let served = registry.manifest("a/b", "v1").await.unwrap();
        assert_eq!(served.media_type, OCI_MANIFEST);
        assert_eq!(served.digest, digest("{}"));
        assert_eq!(served.bytes, b"{}");
        registry.manifest("a/b", digest("{}").as_str()).await.unwrap();
        assert_eq!(server.log()[0], "GET /v2/a/b/manifests/v1");
        assert_eq!(server.log()[1], format!("GET /v2/a/b/manifests/{}", digest("{}")));
        assert!(server.requests()[0].header("accept").unwrap().contains(DOCKER_MANIFEST));
    }

    #[tokio::test]
    async fn plain_http_is_found_out_once() {
        let server = Server::start(|request| match request.method.as_str() {
            "GET" | "HEAD" => manifest_reply("{}"),
            _ => reply(400, "what?"),
        });
        let registry = registry(&server);
        for _ in 0..2 {
            registry.manifest("a/b", "v1").await.unwrap();
        }
        assert!(registry.manifest_exists("a/b", &digest("{}")).await.unwrap());
        assert_eq!(server.connections(), 2, "one that failed over TLS, one for the rest");
    }

    #[tokio::test]
    async fn plain_http_needs_permission() {
        let server = Server::start(|_| manifest_reply("{}"));
        let reference = Reference::parse(&format!("{}/a/b", server.host())).unwrap();
        let registry = RegistryClient::new(&reference, HttpClient::new(patient()), Logins::none());
        let error = registry.manifest("a/b", "v1").await.unwrap_err();
        let RegistryError::Transport(TransportError::Tls { .. }) = error else { panic!("{error}") };
        assert_eq!(server.log().len(), 0);
    }

    #[tokio::test]
    async fn lying_registries() {
        let server = Server::start(|request| match request.target.as_str() {
            "/v2/a/b/manifests/lie" => {
                manifest_reply("{}").with("Docker-Content-Digest", digest("other").as_str())
            }
            "/v2/a/b/manifests/odd" => {
                manifest_reply("{}").with("Docker-Content-Digest", "sha256:../../x")
            }
            "/v2/a/b/manifests/web" => reply(200, "<html>").with("Content-Type", "text/html"),
            "/v2/a/b/manifests/old" => reply(200, "{}")
                .with("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
            _ => manifest_reply("{}"),
        });
        let registry = registry(&server);
        let error = registry.manifest("a/b", "lie").await.unwrap_err();
        let RegistryError::DigestMismatch { claimed, actual, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((claimed, actual), (digest("other"), digest("{}")));
        let error = registry.manifest("a/b", digest("asked").as_str()).await.unwrap_err();
        assert!(matches!(error, RegistryError::DigestMismatch { .. }), "{error}");
        for tag in ["odd", "web"] {
            let error = registry.manifest("a/b", tag).await.unwrap_err();
            assert!(
                matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
                "{error}"
            );
        }
        let error = registry.manifest("a/b", "old").await.unwrap_err();
        assert!(matches!(error, RegistryError::Manifest { cause: ManifestError::Schema1, .. }));
    }

    #[tokio::test]
    async fn too_large_manifests_are_not_read() {
        let server = Server::start(|_| {
            Reply::Raw(b"HTTP/1.1 200 X\r\nContent-Length: 4194305\r\n\r\n".to_vec())
        });
        let error = registry(&server).manifest("a/b", "v1").await.unwrap_err();
        assert!(matches!(error, RegistryError::Transport(TransportError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn missing_manifests() {
        let server = Server::start(|_| reply(404, ""));
        let registry = registry(&server);
        let error = registry.manifest("a/b", "v1").await.unwrap_err();
        let RegistryError::NotFound { reference } = error else { panic!("{error}") };
        assert_eq!(reference, format!("{}/a/b:v1", server.host()));
        assert!(!registry.manifest_exists("a/b", &digest("x")).await.unwrap());
    }

    #[test_case("a/../b", "v1")]
    #[test_case("a/b", "../v1")]
    #[test_case("a/b", "v1?x=y")]
    #[test_case("a/b", "sha256:zz")]
    #[test_case("A", "v1")]
    #[tokio::test]
    async fn names_that_are_none_are_not_asked_for(repository: &str, tag: &str) {
        let server = Server::start(|_| manifest_reply("{}"));
        let error = registry(&server).manifest(repository, tag).await.unwrap_err();
        assert!(matches!(error, RegistryError::Reference(_)), "{error}");
        assert_eq!(server.connections(), 0);
    }

    #[tokio::test]
    async fn all_pages_of_tags() {
        let server = Server::start(|request| {
            let next = r#"</v2/a/b/tags/list?n=2&last=y>; rel="next""#;
            match request.target.as_str() {
                "/v2/a/b/tags/list?n=1000" => {
                    reply(200, r#"{"tags":["x","y"]}"#).with("Link", next)
                }
                "/v2/a/b/tags/list?n=2&last=y" => reply(200, r#"{"tags":["z"]}"#),
                _ => reply(500, ""),
            }
        });
        assert_eq!(registry(&server).tags("a/b").await.unwrap(), ["x", "y", "z"]);
    }

    #[test_case("</v2/a/b/tags/list?n=1000>; rel=next" ; "itself")]
    #[test_case("<https://elsewhere.invalid/v2/a/b/tags/list>; rel=next" ; "another host")]
    #[tokio::test]
    async fn pages_that_lead_nowhere(link: &'static str) {
        let server = Server::start(move |_| reply(200, r#"{"tags":["x"]}"#).with("Link", link));
        let error = registry(&server).tags("a/b").await.unwrap_err();
        let RegistryError::Transport(TransportError::BadAnswer { .. }) = error else {
            panic!("{error}")
        };
        assert!(server.log().len() <= 2);
    }

    #[tokio::test]
    async fn endless_tags() {
        let page = format!(r#"{{"tags":[{}]}}"#, vec![r#""t""#; 50_000].join(","));
        let server = Server::start(move |request| {
            let next = format!("<{}1>; rel=next", request.target);
            reply(200, page.clone()).with("Link", next)
        });
        let error = registry(&server).tags("a/b").await.unwrap_err();
        assert!(matches!(error, RegistryError::TooManyTags { .. }), "{error}");
        assert_eq!(server.log().len(), 3);
    }

    fn basic_registry(request: &Received) -> Reply {
        match request.authorization() {
            Some(BASIC) => reply(200, "{}"),
            _ => reply(401, "").with("WWW-Authenticate", r#"Basic realm="r""#),
        }
    }

    #[tokio::test]
    async fn login_with_a_password() {
        let server = Server::start(basic_registry);
        assert!(registry_of(&server, Logins::basic()).check_login().await.unwrap().is_none());
        assert_eq!(server.log(), ["GET /v2/", "GET /v2/"]);
        let error = registry_of(&server, Logins::none()).check_login().await.unwrap_err();
        assert_eq!(server.log().len(), 3);
        assert!(matches!(error, RegistryError::Transport(TransportError::Unauthorized { .. })));
    }

    #[tokio::test]
    async fn login_for_an_identity_token() {
        let server = Server::start(|request| {
            if request.target.starts_with("/token") {
                return reply(
                    200,
                    r#"{"token":"good","refresh_token":"keep me"}"#.replace(' ', "-"),
                );
            }
            if request.authorization() == Some("Bearer good") {
                return reply(200, "{}");
            }
            let host = request.header("host").unwrap();
            let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
            reply(401, "").with("WWW-Authenticate", challenge)
        });
        let kept = registry_of(&server, Logins::basic()).check_login().await.unwrap();
        let Some(Login::IdentityToken { username, token }) = kept else { panic!("{kept:?}") };
        assert_eq!((username.as_str(), token.expose()), ("me", "keep-me"));
        assert_eq!(
            server.log()[1],
            "GET /token?account=me&client_id=docker&offline_token=true&service=s"
        );
    }

    #[test]
    fn docker_hub_has_its_api_elsewhere() {
        let reference = Reference::parse("alpine").unwrap();
        let registry = RegistryClient::new(&reference, HttpClient::new(patient()), Logins::none());
        assert_eq!(
            registry.address(false, "/v2/").unwrap().as_str(),
            "https://registry-1.docker.io/v2/"
        );
    }
}
