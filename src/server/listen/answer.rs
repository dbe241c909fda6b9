//! What happens to every request before the handlers see it, and to every answer after them.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use ::http::header::{CONTENT_ENCODING, HeaderName, USER_AGENT};
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tracing::Instrument;

use crate::server::auth::Network;
use crate::server::http::{Body, BodyError, Request, Response};
use crate::server::listen::Limits;
use crate::server::listen::base::{Links, peer};
use crate::server::listen::progress::{Activity, BodyEnd, InFlight, Pace, PacedBody};
use crate::server::metrics::{Metrics, route_class};
use crate::server::{Refusal, Server, files, service};

/// How requests are taken and answers sent.
#[derive(Debug, Clone, Default)]
pub struct FrontOptions {
    /// How links are made.
    pub links: Links,
    /// Header fields of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether metrics are answered here.
    pub metrics: bool,
    /// Where they are; `/metrics` if that is not said.
    pub metrics_path: Option<String>,
    /// Files whose presence means that no more requests are to be sent here.
    pub unready_files: Vec<PathBuf>,
    /// Whether health and metrics are all that is answered here.
    pub health_only: bool,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
}

/// What stands before the handlers.
#[derive(Debug)]
pub struct Front {
    server: Arc<Server>,
    options: FrontOptions,
    limits: Limits,
    /// Tells the requests of this process from those of others.
    process: String,
    requests: AtomicU64,
}

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The other end.
    pub peer: IpAddr,
    /// Whether it is TLS.
    pub tls: bool,
    /// What happens on it.
    pub activity: Arc<Activity>,
}

impl Front {
    /// Stands before a server.
    pub fn new(server: Arc<Server>, options: FrontOptions, limits: Limits) -> Self {
        let process = uuid::Uuid::new_v4().simple().to_string();
        Self {
            server,
            options,
            limits,
            process: process.get(..8).unwrap_or_default().to_owned(),
            requests: AtomicU64::new(0),
        }
    }

    /// The server behind it.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Answers a request.
    pub async fn answer(
        &self,
        request: ::http::Request<Incoming>,
        origin: Origin,
    ) -> ::http::Response<AnswerBody> {
        let in_flight = origin.activity.begin(request.version() == Version::HTTP_2);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.process);
        let (parts, body) = request.into_parts();
        let record = Record {
            id,
            route: route_class(parts.uri.path()),
            method: parts.method.clone(),
            path: self.options.access_log.then(|| shortened(parts.uri.path())),
            agent: self.options.access_log.then(|| agent(&parts.headers)).flatten(),
            peer: peer(origin.peer, &parts.headers, &self.options.proxies),
            begun: Instant::now(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            sent: 0,
            metrics: self.server.metrics.clone(),
            log: self.options.access_log,
        };
        let span = tracing::info_span!(target: "trust", "request", request = record.id.as_str());
        let base = self.options.links.base(&parts.headers, parts.uri.authority(), origin.tls);
        let pace = Pace::new(self.limits.window, self.limits.rate);
        let body = PacedBody::new(body, pace, BodyEnd(self.server.metrics.clone()));
        let request = Request::from_parts(parts, body.boxed_unsync());
        let answered = AssertUnwindSafe(self.handle(request, record.peer, base))
            .catch_unwind()
            .instrument(span)
            .await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => refusal.into_response(),
            Err(panic) => {
                self.server.metrics.panicked();
                let words = words_of(&*panic);
                let request = record.id.as_str();
                tracing::error!(target: "trust", panic = words, request, "a request panicked");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Refusal::new(status, "UNKNOWN", "unknown error").into_response()
            }
        };
        self.finish(response, record, in_flight)
    }

    async fn handle(
        &self,
        mut request: Request,
        peer: IpAddr,
        base: String,
    ) -> Result<Response, Refusal> {
        let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        if length > self.limits.url_bytes {
            let message = format!("path and query are longer than {} bytes", self.limits.url_bytes);
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "UNSUPPORTED", message));
        }
        // What is stored is what was sent, byte for byte: nothing is unpacked.
        let packed = request.headers().get_all(CONTENT_ENCODING).iter();
        if packed.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let message = "a body with a content encoding is not taken";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED", message));
        }
        if !self.options.links.prefix.is_empty() {
            let inner = without_prefix(request.uri(), &self.options.links.prefix);
            *request.uri_mut() = inner.ok_or_else(nothing_here)?;
        }
        let path = request.uri().path();
        if path == self.options.metrics_path.as_deref().unwrap_or("/metrics") {
            return if self.options.metrics {
                self.server.metrics.objected(&self.server.gate.counts());
                Ok(self.server.metrics.response())
            } else {
                Err(nothing_here())
            };
        }
        if self.options.health_only {
            match path {
                "/livez" | "/readyz" => {}
                // Where the registry has it.
                "/debug/health" => *request.uri_mut() = Uri::from_static("/readyz"),
                _ => return Err(nothing_here()),
            }
        }
        if request.uri().path() == "/readyz"
            && self.options.unready_files.iter().any(|path| files::exists(path))
        {
            let message = "this server was taken out of service";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Refusal::new(status, "UNAVAILABLE", message));
        }
        // The future of the whole service is large; it is kept once, here.
        Ok(Box::pin(service::respond(&self.server, request, peer, base)).await)
    }

    fn finish(
        &self,
        response: Response,
        mut record: Record,
        in_flight: InFlight,
    ) -> ::http::Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        record.status = parts.status;
        if let Ok(id) = HeaderValue::from_str(&record.id) {
            parts.headers.insert(REQUEST_ID, id);
        }
        for (name, value) in &self.options.headers {
            parts.headers.insert(name, value.clone());
        }
        let body = AnswerBody { inner: body, record, _in_flight: in_flight };
        ::http::Response::from_parts(parts, body)
    }
}

fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path")
}

fn without_prefix(uri: &Uri, prefix: &str) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    path.starts_with('/').then_some(())?;
    Uri::from_parts(parts).ok()
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn agent(headers: &HeaderMap) -> Option<String> {
    headers.get(USER_AGENT)?.to_str().ok().map(shortened)
}

/// As much of a stranger's text as a line of the log takes.
fn shortened(text: &str) -> String {
    text.chars().take(LOGGED_CHARS).collect()
}

/// What is told of a request once its answer is sent.
#[derive(Debug)]
struct Record {
    id: String,
    route: &'static str,
    method: Method,
    path: Option<String>,
    agent: Option<String>,
    peer: IpAddr,
    begun: Instant,
    status: StatusCode,
    sent: u64,
    metrics: Metrics,
    log: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        self.metrics.answered(self.route, &self.method, self.status, took);
        self.metrics.sent(self.sent);
        if self.log {
            tracing::info!(
                target: "trust::access",
                method = self.method.as_str(),
                path = self.path.as_deref().unwrap_or_default(),
                status = u64::from(self.status.as_u16()),
                sent = self.sent,
                milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                peer = %self.peer,
                agent = self.agent.as_deref().unwrap_or_default(),
                request = self.id.as_str(),
                "answered"
            );
        }
    }
}

/// The body of an answer; when it is dropped the request is over.
#[derive(Debug)]
pub struct AnswerBody {
    inner: Body,
    record: Record,
    _in_flight: InFlight,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.record.sent += u64::try_from(length).unwrap_or_default();
            }
            Some(Err(error)) => {
                let request = self.record.id.as_str();
                let cause: &(dyn std::error::Error + 'static) = error.as_ref();
                tracing::error!(target: "trust", error = cause, request, "an answer broke off");
            }
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest path or agent in the log, in characters: the rest is told by the length of the file.
const LOGGED_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_away_whole() {
        let inner = |uri: &str| {
            let uri = without_prefix(&uri.parse().unwrap(), "/registry")?;
            Some(uri.to_string())
        };
        assert_eq!(inner("/registry/v2/?a=b").as_deref(), Some("/v2/?a=b"));
        assert_eq!(inner("/registryx/v2/"), None);
        assert_eq!(inner("/v2/"), None);
    }
}
