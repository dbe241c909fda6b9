//! The connection to one registry: where it is, over what, and who asks.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{ACCEPT, HeaderValue, LINK};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::client::auth::Authenticator;
use crate::client::http::{Answer, Opened, Reading, Request};
use crate::client::{CredentialSource, HttpClient, Login, RegistryError, TransportError};
use crate::limits::MAX_ERROR_BODY_BYTES;
use crate::oci::Reference;
use crate::oci::reference::DOCKER_HUB;
use crate::wire::registry::{BASE_PATH, accepted_manifests, next_link};

/// One registry: its API, and how we get in.
#[derive(Debug)]
pub struct RegistryClient {
    pub(super) domain: String,
    /// Host and port of the API.
    pub(super) host: String,
    pub(super) http: HttpClient,
    pub(super) auth: Authenticator,
    /// Learnt from the first answer of an insecure registry: whether it speaks plain HTTP.
    plain: Mutex<Option<bool>>,
}

/// A question to the registry's API.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// What a token must allow; empty to ask for what the challenge names.
    pub(super) scope: &'a str,
    /// Most bytes of a good answer's body.
    pub(super) limit: u64,
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

    /// Sends a question with a login if asked for one, over https; over http if that is all the
    /// registry speaks and nobody minds.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        scope: &str,
        limit: u64,
    ) -> Result<Answer, TransportError> {
        self.ask(&Ask { method, path, query, scope, limit }, &|_| {}).await
    }

    /// Sends as [`RegistryClient::send`] does, with other headers or a body; reads the whole answer.
    pub(super) async fn ask(
        &self,
        ask: &Ask<'_>,
        complete: &(dyn Fn(&mut Request) + Send + Sync),
    ) -> Result<Answer, TransportError> {
        self.exchange_with(ask, Reading::Whole, complete).await?.whole().await
    }

    /// As [`RegistryClient::ask`], in either way of reading.
    pub(super) async fn exchange_with(
        &self,
        ask: &Ask<'_>,
        reading: Reading,
        complete: &(dyn Fn(&mut Request) + Send + Sync),
    ) -> Result<Opened, TransportError> {
        let request = |plain| -> Result<Request, TransportError> {
            let url = self.address(plain, ask.path)?;
            let mut request = Request::new(ask.method.clone(), url, ask.limit);
            request.url.set_query(ask.query);
            let accepted = HeaderValue::from_str(&accepted_manifests());
            request.headers.extend(accepted.ok().map(|value| (ACCEPT, value)));
            complete(&mut request);
            Ok(request)
        };
        let plain = self.is_plain();
        match self.auth.exchange(&self.http, request(plain)?, ask.scope, reading).await {
            Err(error) if self.may_be_plain(&error) => {
                let second =
                    self.auth.exchange(&self.http, request(true)?, ask.scope, reading).await;
                self.judge_plain(error, second)
            }
            Ok(opened) => {
                self.remember(plain);
                Ok(opened)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn base_request(&self, plain: bool) -> Result<Request, TransportError> {
        Ok(Request::get(self.address(plain, BASE_PATH)?, MAX_ERROR_BODY_BYTES))
    }

    pub(super) fn address(&self, plain: bool, path: &str) -> Result<Url, TransportError> {
        let scheme = if plain { "http" } else { "https" };
        let text = format!("{scheme}://{}{path}", self.host);
        Url::parse(&text)
            .map_err(|error| TransportError::Request { url: text, cause: Box::new(error) })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(false)
    }

    pub(super) fn remember(&self, plain: bool) {
        *self.plain.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain);
    }

    /// Decides between a failure over TLS and what came without: where that fails to connect as
    /// well, the first failure tells more; any answer shows that the registry is a plain one.
    pub(super) fn judge_plain<T>(
        &self,
        first: TransportError,
        second: Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let said_nothing = |error: &TransportError| {
            error.is_offline() && !matches!(error, TransportError::Cut { received: 1.., .. })
        };
        if second.as_ref().is_err_and(said_nothing) {
            return Err(first);
        }
        self.remember(true);
        second
    }

    /// Whether a failure may be that of a plain HTTP server which the user declared to be all
    /// right. One may also hang up on TLS, or listen on the other scheme's port.
    pub(super) fn may_be_plain(&self, error: &TransportError) -> bool {
        let unknown = self.plain.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        let no_tls =
            matches!(error, TransportError::Tls { .. } | TransportError::Unreachable { .. });
        self.http.options().insecure && unknown && no_tls
    }
}

/// Turns every status but success into its error.
pub(super) fn expect(answer: Answer, reference: &Reference) -> Result<Answer, RegistryError> {
    match answer.status {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(RegistryError::NotFound { reference: reference.familiar() }),
        _ => Err(answer.error().into()),
    }
}

/// Where the next page is, on the same registry or nowhere.
pub(super) fn next_page(answer: &Answer) -> Result<Option<Url>, TransportError> {
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
pub(super) const PULL: &str = "pull";
pub(super) const PUSH: &str = "pull,push";
