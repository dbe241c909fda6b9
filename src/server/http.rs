//! Requests and answers as handlers see them.

use std::net::IpAddr;

use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;

use crate::server::Refusal;
use crate::server::auth::Caller;

/// Why a body ended early; told to nobody but the log.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of a request or an answer: a stream of bytes.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// A request as it came in.
pub type Request = ::http::Request<Body>;
/// An answer.
pub type Response = ::http::Response<Body>;

/// One request on its way through a handler: parsed, and with somebody known behind it.
#[derive(Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The query, still encoded.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, not yet read.
    pub body: Body,
    /// Who asks, and what they may do.
    pub caller: Caller,
    /// From where.
    pub peer: IpAddr,
    /// The base that the client sees, such as `https://registry.example.com`; empty if links are to
    /// be relative.
    pub base: String,
}

impl Exchange {
    /// The first value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// All values of a parameter, decoded, in order.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// A header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the whole body; more than `limit` bytes are refused.
    pub async fn bytes(&mut self, limit: u64) -> Result<Bytes, Refusal> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let said = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        if said.is_some_and(|said| said > limit) {
            return Err(Refusal::too_large(limit));
        }
        let mut body = std::mem::replace(&mut self.body, empty_body());
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::broken_body())?;
            let Ok(piece) = frame.into_data() else { continue };
            if whole.len().saturating_add(piece.len()) > limit {
                return Err(Refusal::too_large(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// A body without bytes.
pub fn empty_body() -> Body {
    full_body(Bytes::new())
}

/// A body that is here already.
pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(empty_body());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// An answer that is here already.
pub fn bytes(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    let mut response = Response::new(full_body(body.clone()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    response
}

/// An answer in JSON, with a newline at its end as Go's encoder writes it.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    bytes(status, "application/json; charset=utf-8", body)
}
