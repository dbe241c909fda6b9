//! Sending requests: connections, redirects, deadlines, retries.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::{sleep, timeout};
use url::{Host, Url};

use crate::client::body::{self, BodyLimits, Excess, OpenBody};
use crate::client::error::{Cause, Phase, redact, status_error};
use crate::client::piece::Piece;
use crate::client::retry;
use crate::client::tls::{Trust, client_config};
use crate::crypto::Passphrase;
use crate::limits::MAX_ERROR_BODY_BYTES;
use crate::oci::reference::is_loopback_host;
use crate::wire::errors::summarise;

pub use crate::client::error::TransportError;

/// How to reach one host.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Extra roots (PEM), besides the system's.
    pub roots_pem: Vec<Vec<u8>>,
    /// Client certificate and key (PEM).
    pub client_pem: Option<(Vec<u8>, Passphrase)>,
    /// Accept any certificate; and plain HTTP after TLS fails. Only for loopback and declared
    /// insecure registries.
    pub insecure: bool,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, or for the next piece of one.
    pub idle_timeout: Duration,
    /// Longest duration of one operation, redirects and retries included.
    pub total_timeout: Duration,
    /// Bytes a second below which a transfer is given up after `idle_timeout`.
    pub minimum_rate: u64,
    /// Wait before the first retry; each further wait is four times as long.
    pub retry_wait: Duration,
    /// What we call ourselves.
    pub user_agent: String,
}

/// How long a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Longest wait for a connection, TLS included.
    pub connect: Duration,
    /// Longest wait for an answer, or for the next piece of one.
    pub idle: Duration,
    /// Bytes a second below which a transfer is given up after `idle`.
    pub minimum_rate: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30), minimum_rate: 1024 }
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        let Timeouts { connect, idle, minimum_rate } = Timeouts::default();
        Self {
            roots_pem: Vec::new(),
            client_pem: None,
            insecure: false,
            connect_timeout: connect,
            idle_timeout: idle,
            total_timeout: Duration::from_mins(10),
            minimum_rate,
            retry_wait: Duration::from_millis(100),
            user_agent: concat!("trust/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// One host's HTTP connections; cheap to clone, and clones share the connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: HttpOptions,
    /// Built when first needed: most commands need one, many none.
    clients: Mutex<BTreeMap<ClientKind, Client>>,
}

/// What tells one pool of connections from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ClientKind {
    trust: Option<Trust>,
    direct: bool,
}

/// One request; sent again with other headers when a login or a redirect asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// Most bytes of a good answer's body.
    pub(crate) limit: u64,
    /// The host the options are for, if this request goes elsewhere on its behalf.
    pub(crate) on_behalf_of: Option<Url>,
    /// Whether it is tried again when it fails; else that is for the caller to decide.
    pub(crate) retried: bool,
    /// Whether that a server is busy is for the caller to wait for, who has more to ask it.
    pub(crate) rests_apart: bool,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub(crate) enum RequestBody {
    /// These bytes.
    Bytes(Bytes),
    /// A piece of something too large to be held.
    Piece(Piece),
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// An answer whose body is still to come if it is a good one.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and soon taken apart")]
pub(crate) enum Opened {
    /// A good answer.
    Body(Box<OpenBody>),
    /// Any other, whole.
    Other(Answer),
}

/// A whole answer, of whatever status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl HttpClient {
    /// Returns a client that connects when it is first used.
    pub fn new(options: HttpOptions) -> Self {
        Self { shared: Arc::new(Shared { options, clients: Mutex::default() }) }
    }

    /// How the host is reached.
    pub fn options(&self) -> &HttpOptions {
        &self.shared.options
    }

    /// Sends a request and reads the whole answer; GET and HEAD are tried again when the network
    /// fails or the server is busy.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, TransportError> {
        let after = self.options().total_timeout;
        let operation = self.patiently(request, Reading::Whole);
        let opened = match request.body {
            // How long it takes to send is not for us to say: as long as it goes on.
            RequestBody::Piece(_) => operation.await,
            RequestBody::Bytes(_) => timeout(after, operation).await.unwrap_or_else(|_| {
                let url = redact(&request.url);
                Err(TransportError::Timeout { url, phase: Phase::Finishing, after })
            }),
        };
        opened?.whole().await
    }

    /// Sends a request; a good answer's body is read or left to the caller.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        reading: Reading,
    ) -> Result<Opened, TransportError> {
        match reading {
            Reading::Whole => self.send(request).await.map(Opened::Other),
            Reading::Head => self.open(request).await,
        }
    }

    /// Sends a request and reads the head of the answer; the body of a good one is left to the
    /// caller. Tries again as [`HttpClient::send`] does.
    pub(crate) async fn open(&self, request: &Request) -> Result<Opened, TransportError> {
        let after = self.options().total_timeout;
        let opening = self.patiently(request, Reading::Head);
        timeout(after, opening).await.unwrap_or_else(|_| {
            let url = redact(&request.url);
            Err(TransportError::Timeout { url, phase: Phase::Finishing, after })
        })
    }

    /// Boxed, for the answer to a request is large and everything above holds one.
    fn patiently<'a>(
        &'a self,
        request: &'a Request,
        reading: Reading,
    ) -> Pin<Box<dyn Future<Output = Result<Opened, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            let repeatable =
                request.retried && matches!(request.method, Method::GET | Method::HEAD);
            let mut attempt = 1;
            loop {
                let answer = self.follow(request, reading).await;
                let failure = match &answer {
                    Ok(Opened::Other(answer)) if is_retried(answer.status) => Some(answer.error()),
                    _ => None,
                };
                let error = failure.as_ref().or(answer.as_ref().err());
                let pause = error
                    .filter(|_| repeatable)
                    .filter(|error| !(request.rests_apart && is_busy(error)))
                    .and_then(|error| retry::wait(attempt, error, self.options().retry_wait));
                let Some(pause) = pause else { return answer };
                sleep(pause).await;
                attempt += 1;
            }
        })
    }

    /// Follows redirects of GET and HEAD. A login stays with the host it was meant for.
    async fn follow(&self, request: &Request, reading: Reading) -> Result<Opened, TransportError> {
        let mut current = request.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = match self.once(&current, &request.url, reading).await? {
                Opened::Other(answer) => answer,
                body @ Opened::Body(_) => return Ok(body),
            };
            let follows = matches!(current.method, Method::GET | Method::HEAD);
            let target = match answer.headers.get(LOCATION) {
                Some(location) if follows && is_redirect(answer.status) => location.to_str().ok(),
                _ => return Ok(Opened::Other(answer)),
            };
            let next = target.and_then(|text| current.url.join(text).ok());
            let Some(next) = next else {
                return Err(TransportError::BadAnswer {
                    url: redact(&current.url),
                    problem: "it redirects to something that is no address".to_owned(),
                });
            };
            if let Some(problem) = redirect_problem(&current.url, &next) {
                let (url, target) = (redact(&current.url), redact(&next));
                return Err(TransportError::Redirect { url, target, problem });
            }
            if next.origin() != current.url.origin() {
                current.headers.remove(AUTHORIZATION);
            }
            current.url = next;
        }
        Err(TransportError::Redirect {
            url: redact(&request.url),
            target: redact(&current.url),
            problem: "too many redirects",
        })
    }

    async fn once(
        &self,
        request: &Request,
        first: &Url,
        reading: Reading,
    ) -> Result<Opened, TransportError> {
        let own = request.on_behalf_of.as_ref().unwrap_or(first);
        let client = self.client(&request.url, own)?;
        let response = self.head_of(&client, request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        tracing::debug!("{} {}: {}", request.method, redact(&request.url), status.as_u16());
        let good = status.is_success();
        let limits = BodyLimits {
            bytes: if good { request.limit } else { MAX_ERROR_BODY_BYTES },
            excess: if good { Excess::Refuse } else { Excess::Truncate },
            idle: self.options().idle_timeout,
            minimum_rate: self.options().minimum_rate,
        };
        if good && reading == Reading::Head && request.method != Method::HEAD {
            let body = OpenBody::new(request.url.clone(), response, limits);
            return Ok(Opened::Body(Box::new(body)));
        }
        let body = if request.method == Method::HEAD {
            Vec::new()
        } else {
            body::read(response, &redact(&request.url), limits).await?
        };
        Ok(Opened::Other(Answer { url: request.url.clone(), status, headers, body }))
    }

    /// Sends and waits for the answer's head; what we have to send first extends the wait.
    async fn head_of(
        &self,
        client: &Client,
        request: &Request,
    ) -> Result<Response, TransportError> {
        let options = self.options();
        let sending = client.request(request.method.clone(), request.url.clone());
        let sending = sending.headers(request.headers.clone());
        let bytes = match &request.body {
            RequestBody::Bytes(bytes) => bytes.clone(),
            RequestBody::Piece(piece) => return self.upload(request, piece, sending).await,
        };
        let seconds = bytes.len() as u64 / options.minimum_rate.max(1);
        let patience = options.idle_timeout.saturating_add(Duration::from_secs(seconds));
        let sending = sending.body(bytes).send();
        let limit = options.connect_timeout.saturating_add(patience);
        match timeout(limit, sending).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                Err(TransportError::of_request(&request.url, error, options.connect_timeout))
            }
            Err(_) => Err(TransportError::Timeout {
                url: redact(&request.url),
                phase: Phase::Answering,
                after: patience,
            }),
        }
    }

    /// Sends a piece as it comes; waits as long as it goes on, and then as for any answer.
    async fn upload(
        &self,
        request: &Request,
        piece: &Piece,
        sending: RequestBuilder,
    ) -> Result<Response, TransportError> {
        let options = self.options();
        let (body, watch) = piece.open().await?;
        let mut sending = pin!(sending.body(body).send());
        let limit = options.connect_timeout.saturating_add(options.idle_timeout);
        loop {
            match timeout(limit, &mut sending).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    if let Some(cause) = watch.failure() {
                        return Err(TransportError::Source { url: redact(&request.url), cause });
                    }
                    let connect = options.connect_timeout;
                    return Err(TransportError::of_request(&request.url, error, connect));
                }
                Err(_) if watch.moved() => {}
                Err(_) => {
                    return Err(TransportError::Timeout {
                        url: redact(&request.url),
                        phase: Phase::Sending,
                        after: options.idle_timeout,
                    });
                }
            }
        }
    }

    /// The pool for an address; `own` is the host that the options were made for.
    fn client(&self, url: &Url, own: &Url) -> Result<Client, TransportError> {
        let options = self.options();
        let is_own = url.host() == own.host();
        let trust = match (url.scheme(), is_own) {
            ("https", true) if options.insecure => Some(Trust::Anyone),
            ("https", true) => Some(Trust::Verified),
            ("https", false) => Some(Trust::Foreign),
            _ => None,
        };
        let kind = ClientKind { trust, direct: is_loopback(url) };
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = build(options, kind).map_err(|error| match error {
            BuildError::Tls(error) => TransportError::TlsSetup(error),
            BuildError::Client(cause) => TransportError::Request { url: redact(url), cause },
        })?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}

impl Opened {
    /// The answer, with what is still to come of its body.
    pub(crate) async fn whole(self) -> Result<Answer, TransportError> {
        match self {
            Self::Other(answer) => Ok(answer),
            Self::Body(body) => body.whole().await,
        }
    }
}

impl Request {
    /// A GET for at most `limit` bytes.
    pub(crate) fn get(url: Url, limit: u64) -> Self {
        Self::new(Method::GET, url, limit)
    }

    /// A request without a body.
    pub(crate) fn new(method: Method, url: Url, limit: u64) -> Self {
        let (headers, body) = (HeaderMap::new(), RequestBody::Bytes(Bytes::new()));
        Self {
            method,
            url,
            headers,
            body,
            limit,
            on_behalf_of: None,
            retried: true,
            rests_apart: false,
        }
    }

    /// Sets the login; `None` if no header can carry it.
    pub(crate) fn authorize(&mut self, authorization: &Passphrase) -> Option<()> {
        let mut value = HeaderValue::from_str(authorization.expose()).ok()?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Some(())
    }
}

impl Answer {
    /// The Content-Type, empty if there is none.
    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What this answer is if it is not the one hoped for.
    pub(crate) fn error(&self) -> TransportError {
        let message = summarise(self.content_type(), &self.body);
        status_error(redact(&self.url), self.status, self.retry_after(), message)
    }

    /// A complaint about this answer.
    pub(crate) fn bad(&self, problem: impl Into<String>) -> TransportError {
        TransportError::BadAnswer { url: redact(&self.url), problem: problem.into() }
    }

    /// When to come back: seconds, or a date, which is told from the server's own (RFC 9110
    /// §10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
        let (then, now) = (date(text)?, date(self.header(DATE.as_str())?)?);
        let wait = then.timestamp().duration_since(now.timestamp());
        Some(Duration::try_from(wait).unwrap_or_default())
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

/// How much of an answer is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All of it.
    Whole,
    /// The head, if it is a good one.
    Head,
}

enum BuildError {
    Tls(crate::client::TlsError),
    Client(Cause),
}

fn build(options: &HttpOptions, kind: ClientKind) -> Result<Client, BuildError> {
    // Redirects are ours to judge; without TLS any configuration does, and this one reads no root.
    let config = match kind.trust {
        Some(trust) => client_config(options, trust),
        None => client_config(&HttpOptions::default(), Trust::Foreign),
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(config.map_err(BuildError::Tls)?)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .http1_max_headers(MAX_HEADERS)
        .tcp_nodelay(true);
    if kind.direct {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| BuildError::Client(Box::new(error)))
}

const fn is_busy(error: &TransportError) -> bool {
    matches!(error, TransportError::Busy { .. })
}

fn is_retried(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Why a redirect is not followed: a server must not lead us to where only we can go.
pub(crate) fn redirect_problem(from: &Url, to: &Url) -> Option<&'static str> {
    match (from.scheme(), to.scheme()) {
        ("https", "http") => return Some("it leaves TLS"),
        (_, "http" | "https") => {}
        _ => return Some("it leaves HTTP"),
    }
    if !is_loopback(from) && (is_loopback(to) || is_link_local(to)) {
        return Some("it leads to this machine or its link");
    }
    None
}

fn is_link_local(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(address),
        },
        _ => return false,
    };
    match address {
        IpAddr::V4(address) => {
            address.is_link_local() || address.is_loopback() || address.is_unspecified()
        }
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// Most redirects followed.
const MAX_REDIRECTS: usize = 5;
/// Most headers of one answer.
const MAX_HEADERS: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use test_case::test_case;

    use super::*;
    use crate::client::testing::{BASIC, Reply, Server, client, impatient, patient, reply};

    #[test_case("https://a.example/", "http://a.example/", false ; "downgrade")]
    #[test_case("https://a.example/", "file:///etc/passwd", false ; "file")]
    #[test_case("https://a.example/", "https://127.0.0.1/", false ; "loopback")]
    #[test_case("https://a.example/", "https://[::ffff:127.0.0.1]/", false ; "mapped loopback")]
    #[test_case("http://a.example/", "http://169.254.169.254/latest", false ; "metadata service")]
    #[test_case("http://a.example/", "http://localhost/", false ; "localhost")]
    #[test_case("http://localhost:1/", "http://127.0.0.1:2/", true ; "loopback to loopback")]
    #[test_case("https://a.example/", "https://cdn.example/x", true ; "elsewhere")]
    #[test_case("http://a.example/", "https://a.example/", true ; "upgrade")]
    fn redirects(from: &str, to: &str, followed: bool) {
        let problem = redirect_problem(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert_eq!(problem.is_none(), followed, "{problem:?}");
    }

    async fn get(options: HttpOptions, url: Url, limit: u64) -> Result<Answer, TransportError> {
        HttpClient::new(options).send(&Request::get(url, limit)).await
    }

    fn raw(text: &str) -> Reply {
        Reply::Raw(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn connections_are_reused() {
        let server = Server::start(|_| reply(200, "ok"));
        let http = client();
        for _ in 0..3 {
            let answer = http.send(&Request::get(server.url("/a?b=c"), 2)).await.unwrap();
            assert_eq!(answer.body, b"ok");
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(server.log(), ["GET /a?b=c"; 3]);
        let agent = server.requests()[0].header("user-agent").unwrap().to_owned();
        assert_eq!(agent, HttpOptions::default().user_agent);
        assert_eq!(server.requests()[0].header("accept-encoding"), None);
    }

    #[tokio::test]
    async fn announced_excess_is_not_read() {
        let server =
            Server::start(|_| raw("HTTP/1.1 200 X\r\nContent-Length: 999999999999\r\n\r\n"));
        let error = get(patient(), server.url("/"), 10).await.unwrap_err();
        assert!(matches!(error, TransportError::TooLarge { limit: 10, .. }), "{error}");
    }

    #[tokio::test]
    async fn endless_body_is_cut_at_the_limit() {
        let server = Server::start(|_| Reply::Endless {
            head: b"HTTP/1.1 200 X\r\n\r\n".to_vec(),
            piece: vec![b'x'; 4096],
            every: Duration::ZERO,
        });
        let error = get(patient(), server.url("/"), 100_000).await.unwrap_err();
        assert!(matches!(error, TransportError::TooLarge { limit: 100_000, .. }), "{error}");
    }

    #[tokio::test]
    async fn exactly_the_limit_is_accepted() {
        let server = Server::start(|_| reply(200, "12345"));
        assert_eq!(get(patient(), server.url("/"), 5).await.unwrap().body, b"12345");
        let error = get(patient(), server.url("/"), 4).await.unwrap_err();
        assert!(matches!(error, TransportError::TooLarge { limit: 4, .. }), "{error}");
    }

    #[test_case("HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf", 4 ; "content length")]
    #[test_case("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", 4 ; "chunked")]
    #[test_case("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", 4 ; "bad chunk")]
    #[tokio::test]
    async fn half_a_body_is_an_error(answer: &'static str, bytes: u64) {
        let server = Server::start(move |_| raw(answer));
        let error = get(patient(), server.url("/"), 100).await.unwrap_err();
        let TransportError::Cut { received, .. } = error else { panic!("{error}") };
        assert_eq!(received, bytes);
        assert_eq!(server.log().len(), 1, "half a body is not asked for again");
    }

    #[tokio::test]
    async fn silence_ends_in_a_timeout() {
        let server = Server::start(|_| Reply::Silence);
        let options = HttpOptions { connect_timeout: Duration::from_millis(100), ..impatient() };
        let error = get(options, server.url("/"), 10).await.unwrap_err();
        let TransportError::Timeout { phase: Phase::Answering, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(server.log().len(), 3, "tried three times");
    }

    #[tokio::test]
    async fn silence_within_a_body_ends_in_a_timeout() {
        let server = Server::start(|_| Reply::Endless {
            head: b"HTTP/1.1 200 X\r\n\r\nstart".to_vec(),
            piece: b"x".to_vec(),
            every: Duration::from_hours(1),
        });
        let error = get(impatient(), server.url("/"), 100).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { phase: Phase::Reading, .. }), "{error}");
    }

    #[tokio::test]
    async fn slow_drip_is_given_up() {
        let server = Server::start(|_| Reply::Endless {
            head: b"HTTP/1.1 200 X\r\n\r\n".to_vec(),
            piece: b"x".to_vec(),
            every: Duration::from_millis(20),
        });
        // Long enough that a busy machine does not look like silence.
        let options = HttpOptions { idle_timeout: Duration::from_millis(800), ..impatient() };
        let error = get(options, server.url("/"), 1 << 20).await.unwrap_err();
        assert!(matches!(error, TransportError::TooSlow { minimum_rate: 1024, .. }), "{error}");
    }

    #[tokio::test]
    async fn the_whole_operation_has_a_deadline() {
        let server = Server::start(|_| Reply::Endless {
            head: b"HTTP/1.1 200 X\r\n\r\n".to_vec(),
            piece: vec![b'x'; 100],
            every: Duration::from_millis(10),
        });
        let options = HttpOptions { total_timeout: Duration::from_millis(300), ..patient() };
        let error = get(options, server.url("/"), 1 << 30).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Timeout { phase: Phase::Finishing, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable() {
        let url = Server::start(|_| reply(200, "")).url("/a?token=secret");
        let error = get(patient(), url, 10).await.unwrap_err();
        assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
        assert!(error.is_offline());
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test_case(429)]
    #[test_case(502)]
    #[test_case(503)]
    #[test_case(504)]
    #[tokio::test]
    async fn busy_servers_are_asked_again(status: u16) {
        let times = AtomicUsize::new(0);
        let server = Server::start(move |_| match times.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => reply(status, "later").with("Retry-After", "0"),
            _ => reply(200, "ok"),
        });
        assert_eq!(get(patient(), server.url("/"), 10).await.unwrap().body, b"ok");
        assert_eq!(server.log().len(), 3);
    }

    #[tokio::test]
    async fn a_post_is_never_repeated() {
        let server = Server::start(|_| reply(503, ""));
        let request = Request::new(Method::POST, server.url("/"), 10);
        let answer = client().send(&request).await.unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(server.log().len(), 1);
        let server = Server::start(|_| Reply::Raw(Vec::new()));
        let request = Request::new(Method::POST, server.url("/"), 10);
        let error = client().send(&request).await.unwrap_err();
        assert!(matches!(error, TransportError::Cut { received: 0, .. }), "{error}");
        assert_eq!(server.log().len(), 1);
    }

    #[tokio::test]
    async fn logins_do_not_follow_redirects_to_other_hosts() {
        let other = Server::start(|_| reply(200, "there"));
        let target = other.url("/x").to_string();
        let server = Server::start(move |request| match request.target.as_str() {
            "/away" => reply(302, "").with("Location", target.clone()),
            "/near" => reply(307, "").with("Location", "/here"),
            _ => reply(200, "here"),
        });
        let login = Passphrase::new(BASIC.to_owned());
        for (path, body) in [("/away", "there"), ("/near", "here")] {
            let mut request = Request::get(server.url(path), 10);
            request.authorize(&login).unwrap();
            assert_eq!(client().send(&request).await.unwrap().body, body.as_bytes());
        }
        assert_eq!(other.requests()[0].authorization(), None);
        assert_eq!(server.requests()[2].target, "/here");
        assert_eq!(server.requests()[2].authorization(), Some(BASIC));
    }

    #[tokio::test]
    async fn redirects_have_an_end() {
        let server = Server::start(|_| reply(301, "").with("Location", "/again"));
        let error = get(patient(), server.url("/"), 10).await.unwrap_err();
        assert!(matches!(error, TransportError::Redirect { problem: "too many redirects", .. }));
        assert_eq!(server.log().len(), 6);
    }

    #[tokio::test]
    async fn error_bodies_are_cut_short() {
        let server = Server::start(|_| reply(500, "x".repeat(200_000)));
        let answer = get(patient(), server.url("/"), 10).await.unwrap();
        assert_eq!(answer.body.len() as u64, MAX_ERROR_BODY_BYTES);
    }
}
