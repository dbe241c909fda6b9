//! Logging in where a server asks for it: challenge, token, cache.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::client::error::redact;
use crate::client::http::{
    Answer, HttpClient, Opened, Reading, Request, TransportError, is_loopback,
};
use crate::crypto::Passphrase;
use crate::limits::MAX_TOKEN_BYTES;
use crate::wire::auth::{BearerChallenge, Challenge, TokenAnswer, basic_authorization};

/// A login to offer to a server.
#[derive(Clone)]
pub enum Login {
    /// A name and a password.
    Basic {
        /// Whose login it is.
        username: String,
        /// The password, or an access token in its place.
        password: Passphrase,
    },
    /// What a token server gave instead of keeping the password.
    IdentityToken {
        /// Whose login it is.
        username: String,
        /// The identity token.
        token: Passphrase,
    },
    /// A bearer token given directly.
    Bearer(Passphrase),
}

/// Where logins come from (docker's config.json and helpers, `NOTARY_AUTH`); asked only after a 401.
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// Returns the login for the host this source is for, if there is one.
    fn login(&self) -> Result<Option<Login>, Box<dyn std::error::Error + Send + Sync>>;
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::IdentityToken { .. } => "IdentityToken(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// Answers the challenges of one host, and remembers what was accepted.
#[derive(Debug)]
pub(crate) struct Authenticator {
    credentials: Arc<dyn CredentialSource>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the source of logins was asked.
    asked: bool,
    /// What it said.
    login: Option<Login>,
    /// Tokens by what they are for.
    tokens: BTreeMap<TokenKey, CachedToken>,
    /// What was last accepted for a scope: sent at once the next time.
    accepted: BTreeMap<String, Accepted>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TokenKey {
    realm: String,
    service: Option<String>,
    scope: String,
}

#[derive(Debug, Clone)]
struct CachedToken {
    token: Passphrase,
    good_until: Instant,
}

#[derive(Debug, Clone)]
enum Accepted {
    Basic(Passphrase),
    Bearer(TokenKey),
    Given(Passphrase),
}

/// What `login` learns besides that the login is good.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    /// The identity token, if the token server gave one.
    pub(crate) identity: Option<Login>,
}

impl Authenticator {
    pub(crate) fn new(credentials: Arc<dyn CredentialSource>) -> Self {
        Self { credentials, state: Mutex::default() }
    }

    /// Sends a request, with a login if the server asks for one; a second 401 is final.
    ///
    /// `scope` is what a token must allow; empty to ask for what the challenge names.
    pub(crate) async fn send(
        &self,
        http: &HttpClient,
        request: Request,
        scope: &str,
    ) -> Result<Answer, TransportError> {
        self.exchange(http, request, scope, Reading::Whole).await?.whole().await
    }

    /// As [`Authenticator::send`], in either way of reading.
    pub(crate) async fn exchange(
        &self,
        http: &HttpClient,
        mut request: Request,
        scope: &str,
        reading: Reading,
    ) -> Result<Opened, TransportError> {
        if let Some(authorization) = self.remembered(scope) {
            Self::attach(&mut request, &authorization)?;
        }
        let refused = match http.exchange(&request, reading).await? {
            Opened::Other(answer) if answer.status == StatusCode::UNAUTHORIZED => answer,
            other => return Ok(other),
        };
        self.forget(scope);
        let accepted = self.answer(http, &refused, scope, Wish::Access).await?.0;
        let Some(authorization) = self.authorization(&accepted) else {
            return Err(refused.error());
        };
        Self::attach(&mut request, &authorization)?;
        let opened = http.exchange(&request, reading).await?;
        if let Opened::Other(answer) = &opened
            && answer.status == StatusCode::UNAUTHORIZED
        {
            return Err(answer.error());
        }
        self.state().accepted.insert(scope.to_owned(), accepted);
        Ok(opened)
    }

    /// Tries the login on an address that anybody with a login may see.
    pub(crate) async fn check(
        &self,
        http: &HttpClient,
        mut request: Request,
    ) -> Result<Grant, TransportError> {
        let answer = http.send(&request).await?;
        if answer.status.is_success() {
            return Ok(Grant::default());
        }
        if answer.status != StatusCode::UNAUTHORIZED {
            return Err(answer.error());
        }
        let (accepted, grant) = self.answer(http, &answer, "", Wish::Identity).await?;
        let Some(authorization) = self.authorization(&accepted) else {
            return Err(answer.error());
        };
        Self::attach(&mut request, &authorization)?;
        let answer = http.send(&request).await?;
        if answer.status.is_success() { Ok(grant) } else { Err(answer.error()) }
    }

    /// Chooses a challenge and meets it: a token before a password, for it says less.
    async fn answer(
        &self,
        http: &HttpClient,
        refused: &Answer,
        scope: &str,
        wish: Wish,
    ) -> Result<(Accepted, Grant), TransportError> {
        let headers = refused.headers.get_all(WWW_AUTHENTICATE);
        let challenges = Challenge::parse_all(headers.iter().filter_map(|h| h.to_str().ok()));
        let login = self.login(&refused.url)?;
        if let Some(Login::Bearer(token)) = &login {
            if !may_carry_login(&refused.url, &refused.url, http) {
                return Err(realm_error(refused, &refused.url, "it is not protected by TLS"));
            }
            return Ok((Accepted::Given(token.clone()), Grant::default()));
        }
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => Some(bearer),
            _ => None,
        });
        if let Some(challenge) = bearer {
            return self.token(http, refused, challenge, scope, login, wish).await;
        }
        match login {
            Some(Login::Basic { username, password }) if challenges.contains(&Challenge::Basic) => {
                if !may_carry_login(&refused.url, &refused.url, http) {
                    return Err(realm_error(refused, &refused.url, "it is not protected by TLS"));
                }
                let header = basic_authorization(&username, &password);
                Ok((Accepted::Basic(header), Grant::default()))
            }
            _ => Err(refused.error()),
        }
    }

    /// Asks the token server, unless a token of before is still good.
    async fn token(
        &self,
        http: &HttpClient,
        refused: &Answer,
        challenge: &BearerChallenge,
        scope: &str,
        login: Option<Login>,
        wish: Wish,
    ) -> Result<(Accepted, Grant), TransportError> {
        let asked = challenge.scope.as_deref().unwrap_or_default();
        let key = TokenKey {
            realm: challenge.realm.clone(),
            service: challenge.service.clone(),
            scope: if scope.is_empty() { asked } else { scope }.to_owned(),
        };
        if wish == Wish::Access && self.cached(&key).is_some() {
            return Ok((Accepted::Bearer(key), Grant::default()));
        }
        let realm = realm_address(refused, &challenge.realm)?;
        if login.is_some() && !may_carry_login(&realm, &refused.url, http) {
            return Err(realm_error(refused, &realm, "it is not protected by TLS"));
        }
        let mut request = token_request(realm, &key, login.as_ref(), wish)?;
        request.on_behalf_of = Some(refused.url.clone());
        let answer = http.send(&request).await?;
        if !answer.status.is_success() {
            return Err(token_refusal(&answer));
        }
        let token = TokenAnswer::parse(&answer.body)
            .map_err(|cause| TransportError::Token { url: redact(&answer.url), cause })?;
        let good_until = Instant::now() + token.expires_in.saturating_sub(CLOCK_LEEWAY);
        let cached = CachedToken { token: token.token, good_until };
        self.state().tokens.insert(key.clone(), cached);
        let identity = match (login, token.refresh_token) {
            (
                Some(Login::Basic { username, .. } | Login::IdentityToken { username, .. }),
                Some(token),
            ) => Some(Login::IdentityToken { username, token }),
            _ => None,
        };
        Ok((Accepted::Bearer(key), Grant { identity }))
    }

    fn login(&self, url: &Url) -> Result<Option<Login>, TransportError> {
        let state = self.state();
        if state.asked {
            return Ok(state.login.clone());
        }
        drop(state);
        let found = self
            .credentials
            .login()
            .map_err(|cause| TransportError::Credentials { url: redact(url), cause })?;
        let mut state = self.state();
        state.asked = true;
        state.login.clone_from(&found);
        Ok(found)
    }

    /// What was accepted for this scope before, if it is still good.
    fn remembered(&self, scope: &str) -> Option<Passphrase> {
        let accepted = self.state().accepted.get(scope).cloned()?;
        self.authorization(&accepted)
    }

    fn forget(&self, scope: &str) {
        let mut state = self.state();
        if let Some(Accepted::Bearer(key)) = state.accepted.remove(scope) {
            state.tokens.remove(&key);
        }
    }

    fn cached(&self, key: &TokenKey) -> Option<Passphrase> {
        let state = self.state();
        let cached = state.tokens.get(key).filter(|cached| Instant::now() < cached.good_until)?;
        Some(cached.token.clone())
    }

    fn authorization(&self, accepted: &Accepted) -> Option<Passphrase> {
        let bearer = |token: &Passphrase| Passphrase::new(format!("Bearer {}", token.expose()));
        match accepted {
            Accepted::Basic(header) => Some(header.clone()),
            Accepted::Bearer(key) => self.cached(key).as_ref().map(bearer),
            Accepted::Given(token) => Some(bearer(token)),
        }
    }

    fn attach(request: &mut Request, authorization: &Passphrase) -> Result<(), TransportError> {
        request.authorize(authorization).ok_or_else(|| TransportError::Request {
            url: redact(&request.url),
            cause: "the login has characters that no header can carry".into(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To get in.
    Access,
    /// To get in, and for an identity token to keep instead of the password.
    Identity,
}

/// Builds the question to a token server (distribution "Token Authentication" and its OAuth 2 form).
fn token_request(
    mut realm: Url,
    key: &TokenKey,
    login: Option<&Login>,
    wish: Wish,
) -> Result<Request, TransportError> {
    let scopes = || key.scope.split(' ').filter(|scope| !scope.is_empty());
    if let Some(Login::IdentityToken { token, .. }) = login {
        return Ok(refresh_request(realm, key, scopes(), token));
    }
    let mut query = realm.query_pairs_mut();
    if let Some(Login::Basic { username, .. }) = login {
        query.append_pair("account", username);
    }
    if wish == Wish::Identity {
        query.append_pair("client_id", CLIENT_ID).append_pair("offline_token", "true");
    }
    for scope in scopes() {
        query.append_pair("scope", scope);
    }
    if let Some(service) = &key.service {
        query.append_pair("service", service);
    }
    drop(query);
    let mut request = Request::get(realm, MAX_TOKEN_BYTES);
    if let Some(Login::Basic { username, password }) = login {
        Authenticator::attach(&mut request, &basic_authorization(username, password))?;
    }
    Ok(request)
}

fn refresh_request<'a>(
    realm: Url,
    key: &TokenKey,
    scopes: impl Iterator<Item = &'a str>,
    token: &Passphrase,
) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT_ID);
    if let Some(service) = &key.service {
        form.append_pair("service", service);
    }
    for scope in scopes {
        form.append_pair("scope", scope);
    }
    form.append_pair("refresh_token", token.expose());
    let form = Zeroizing::new(form.finish());
    let mut request = Request::new(Method::POST, realm, MAX_TOKEN_BYTES);
    request.body = Bytes::copy_from_slice(form.as_bytes()).into();
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(CONTENT_TYPE, form_type);
    request
}

/// The realm as an address that we ask at all.
fn realm_address(refused: &Answer, realm: &str) -> Result<Url, TransportError> {
    let wrong = |problem| TransportError::Realm {
        url: redact(&refused.url),
        realm: crate::wire::errors::printable(realm),
        problem,
    };
    let Ok(mut address) = Url::parse(realm) else { return Err(wrong("it is not an address")) };
    if !matches!(address.scheme(), "http" | "https") {
        return Err(wrong("it is neither http nor https"));
    }
    if is_loopback(&address) && !is_loopback(&refused.url) {
        return Err(realm_error(refused, &address, "it is this machine"));
    }
    // A user in it would be sent as a login that is not ours.
    let user = address.set_username("").and_then(|()| address.set_password(None));
    address.set_fragment(None);
    user.map(|()| address).map_err(|()| wrong("it has no host"))
}

fn realm_error(refused: &Answer, realm: &Url, problem: &'static str) -> TransportError {
    TransportError::Realm { url: redact(&refused.url), realm: redact(realm), problem }
}

/// Whether secrets may travel to `target`: over TLS, to this machine, or to the very host that
/// was declared insecure.
fn may_carry_login(target: &Url, server: &Url, http: &HttpClient) -> bool {
    let declared = http.options().insecure && target.host() == server.host();
    target.scheme() == "https" || is_loopback(target) || declared
}

/// Token servers answer a wrong login with many statuses; all of them mean the login.
fn token_refusal(answer: &Answer) -> TransportError {
    match answer.error() {
        TransportError::Status { url, status: 400, message }
        | TransportError::Forbidden { url, message } => {
            TransportError::Unauthorized { url, message }
        }
        other => other,
    }
}

/// What docker's client calls itself.
const CLIENT_ID: &str = "docker";
/// How long before its end a token is no longer sent.
const CLOCK_LEEWAY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use test_case::test_case;

    use super::*;
    use crate::client::HttpOptions;
    use crate::client::testing::{BASIC, Logins, Received, Reply, Server, client, patient, reply};

    const SCOPE: &str = "repository:a/b:pull";

    /// A server that wants `Bearer good` and its own token server, which tells `token` what came.
    fn bearer_server(token: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
        Server::start(move |request| {
            if request.target.starts_with("/token") {
                return token(request);
            }
            if request.authorization() == Some("Bearer good") {
                return reply(200, "in");
            }
            let host = request.header("host").unwrap();
            let challenge = format!(
                r#"Bearer realm="http://{host}/token?x=y",service="s 1",scope="repository:a/b:push""#
            );
            reply(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#)
                .with("WWW-Authenticate", challenge)
        })
    }

    fn good_token(_: &Received) -> Reply {
        reply(200, r#"{"token":"good","expires_in":300}"#)
    }

    async fn ask(server: &Server, logins: &Arc<Logins>) -> Result<Answer, TransportError> {
        let auth = Authenticator::new(Arc::<Logins>::clone(logins));
        auth.send(&client(), Request::get(server.url("/x"), 10), SCOPE).await
    }

    #[tokio::test]
    async fn nobody_is_asked_for_a_login_before_a_401() {
        let server = Server::start(|_| reply(200, "in"));
        let logins = Logins::basic();
        assert_eq!(ask(&server, &logins).await.unwrap().body, b"in");
        assert_eq!(logins.asked(), 0);
        assert_eq!(server.requests()[0].authorization(), None);
    }

    #[tokio::test]
    async fn anonymous_token() {
        let server = bearer_server(good_token);
        assert_eq!(ask(&server, &Logins::none()).await.unwrap().body, b"in");
        assert_eq!(
            server.log(),
            ["GET /x", "GET /token?x=y&scope=repository%3Aa%2Fb%3Apull&service=s+1", "GET /x"]
        );
        assert_eq!(server.requests()[1].authorization(), None);
    }

    #[tokio::test]
    async fn token_for_a_login() {
        let server = bearer_server(good_token);
        assert_eq!(ask(&server, &Logins::basic()).await.unwrap().body, b"in");
        let asked = &server.requests()[1];
        assert_eq!(
            asked.target,
            "/token?x=y&account=me&scope=repository%3Aa%2Fb%3Apull&service=s+1"
        );
        assert_eq!(asked.authorization(), Some(BASIC));
    }

    #[tokio::test]
    async fn token_for_an_identity_token() {
        let server = bearer_server(|_| reply(200, r#"{"access_token":"good"}"#));
        assert_eq!(ask(&server, &Logins::identity()).await.unwrap().body, b"in");
        let asked = &server.requests()[1];
        assert_eq!(asked.method, "POST");
        assert_eq!(
            String::from_utf8_lossy(&asked.body),
            "grant_type=refresh_token&client_id=docker&service=s+1\
             &scope=repository%3Aa%2Fb%3Apull&refresh_token=identity%26token"
        );
        assert_eq!(asked.authorization(), None);
    }

    #[tokio::test]
    async fn tokens_and_logins_are_remembered() {
        let server = bearer_server(good_token);
        let logins = Logins::basic();
        let auth = Authenticator::new(Arc::<Logins>::clone(&logins));
        let http = client();
        for _ in 0..3 {
            auth.send(&http, Request::get(server.url("/x"), 10), SCOPE).await.unwrap();
        }
        auth.send(&http, Request::get(server.url("/x"), 10), "repository:c:pull").await.unwrap();
        let tokens = server.log().iter().filter(|line| line.contains("/token")).count();
        assert_eq!(tokens, 2, "one for each scope: {:?}", server.log());
        assert_eq!(server.log().len(), 3 + 2 + 3);
        assert_eq!(logins.asked(), 1);
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn a_token_no_longer_good_is_replaced() {
        let given = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            if request.target.starts_with("/token") {
                let number = given.fetch_add(1, Ordering::SeqCst);
                return reply(200, format!(r#"{{"token":"t{number}"}}"#));
            }
            let good = if request.target == "/x" { "Bearer t0" } else { "Bearer t1" };
            if request.authorization() == Some(good) {
                return reply(200, "in");
            }
            let host = request.header("host").unwrap();
            reply(401, "")
                .with("WWW-Authenticate", format!(r#"Bearer realm="http://{host}/token""#))
        });
        let auth = Authenticator::new(Logins::none());
        let http = client();
        for path in ["/x", "/y", "/y"] {
            let answer = auth.send(&http, Request::get(server.url(path), 10), SCOPE).await.unwrap();
            assert_eq!(answer.body, b"in");
        }
        let paths: Vec<String> =
            server.log().iter().map(|line| line.chars().take(6).collect()).collect();
        assert_eq!(paths, ["GET /x", "GET /t", "GET /x", "GET /y", "GET /t", "GET /y", "GET /y"]);
    }

    #[tokio::test]
    async fn a_second_401_is_final() {
        let server = bearer_server(|_| reply(200, r#"{"token":"bad"}"#));
        let error = ask(&server, &Logins::basic()).await.unwrap_err();
        let TransportError::Unauthorized { message, .. } = &error else { panic!("{error}") };
        assert_eq!(message, "UNAUTHORIZED: who?");
        assert_eq!(server.log().len(), 3);
    }

    #[tokio::test]
    async fn basic() {
        let server = Server::start(|request| match request.authorization() {
            Some(BASIC) => reply(200, "in"),
            _ => reply(401, "").with("WWW-Authenticate", "basic realm=x"),
        });
        assert_eq!(ask(&server, &Logins::basic()).await.unwrap().body, b"in");
        let error = ask(&server, &Logins::none()).await.unwrap_err();
        assert!(matches!(error, TransportError::Unauthorized { .. }), "{error}");
    }

    #[tokio::test]
    async fn wrong_password_at_the_token_server() {
        let server = bearer_server(|_| reply(401, r#"{"details":"incorrect password"}"#));
        let error = ask(&server, &Logins::basic()).await.unwrap_err();
        let TransportError::Unauthorized { url, message } = &error else { panic!("{error}") };
        assert_eq!(message, "incorrect password");
        assert_eq!(*url, server.url("/token").to_string());
    }

    #[tokio::test]
    async fn a_token_that_is_none() {
        let server = bearer_server(|_| reply(200, "<html>"));
        let error = ask(&server, &Logins::none()).await.unwrap_err();
        assert!(matches!(error, TransportError::Token { .. }), "{error}");
        assert!(!error.to_string().contains("x=y"));
    }

    #[test_case("file:///etc/passwd" ; "file")]
    #[test_case("/token" ; "relative")]
    #[test_case("" ; "empty")]
    #[tokio::test]
    async fn odd_realms(realm: &'static str) {
        let server = Server::start(move |_| {
            reply(401, "").with("WWW-Authenticate", format!(r#"Bearer realm="{realm}""#))
        });
        let error = ask(&server, &Logins::basic()).await.unwrap_err();
        assert!(matches!(error, TransportError::Realm { .. }), "{error}");
    }

    #[tokio::test]
    async fn logins_are_not_sent_in_the_clear() {
        let server = Server::start(|_| {
            reply(401, "").with("WWW-Authenticate", r#"Bearer realm="http://elsewhere.invalid/t""#)
        });
        for logins in [Logins::basic(), Logins::identity()] {
            let error = ask(&server, &logins).await.unwrap_err();
            let TransportError::Realm { problem, .. } = &error else { panic!("{error}") };
            assert_eq!(*problem, "it is not protected by TLS");
        }
    }

    #[test_case("https://registry.example/v2/", "https://127.0.0.1/t", false ; "loopback realm of a remote server")]
    #[test_case("https://registry.example/v2/", "https://user@auth.example/t", true ; "another host")]
    fn realms(server: &str, realm: &str, good: bool) {
        let refused = Answer {
            url: Url::parse(server).unwrap(),
            status: StatusCode::UNAUTHORIZED,
            headers: reqwest::header::HeaderMap::new(),
            body: Vec::new(),
        };
        let address = realm_address(&refused, realm);
        assert_eq!(address.is_ok(), good);
        assert!(address.is_ok_and(|url| url.username().is_empty()) || !good);
    }

    #[test]
    fn where_logins_may_go() {
        let http = |insecure| HttpClient::new(HttpOptions { insecure, ..patient() });
        let may = |target: &str, insecure| {
            let server = Url::parse("https://host.example/").unwrap();
            may_carry_login(&Url::parse(target).unwrap(), &server, &http(insecure))
        };
        assert!(may("https://auth.example/", false));
        assert!(may("http://localhost:5001/", false));
        assert!(!may("http://host.example/", false));
        assert!(may("http://host.example/", true));
        assert!(!may("http://auth.example/", true));
    }
}
