//! What clients are told when they do not get what they asked for. Causes that are nobody else's
//! business are logged here, once, and not sent.

use ::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use ::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::server::blobs::BlobError;
use crate::server::http::{Response, json as json_answer};
use crate::server::meta::MetaError;
use crate::server::signer::SignerError;

/// A request that is not granted: `{"errors":[{"code","message","detail"}]}`, for registry and
/// notary alike.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// A name such as `MANIFEST_UNKNOWN`.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Facts for machines.
    pub detail: Option<Value>,
    /// Headers to send along, such as a challenge.
    pub headers: HeaderMap,
}

impl Refusal {
    /// A refusal with this status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, detail: None, headers: HeaderMap::new() }
    }

    /// With facts for machines.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// With a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The body is larger than is taken.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
    }

    /// The body ended before its end.
    pub fn broken_body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UNKNOWN", "the body of the request ended early")
    }

    /// Something failed here. What, is in the log.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "unknown error")
    }

    /// Something that this server needs is away; the client may ask again.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "unavailable");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "try again later")
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The disk is full.
    pub fn full(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "no space left");
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", "no space left on the server")
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(detail), Some(members)) = (self.detail, error.as_object_mut()) {
            members.insert("detail".to_owned(), detail);
        }
        let mut response = json_answer(self.status, &json!({"errors": [error]}));
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<MetaError> for Refusal {
    fn from(error: MetaError) -> Self {
        match &error {
            MetaError::Full(_) => Self::full(&error),
            MetaError::Unavailable(_) | MetaError::Contended(_) => Self::unavailable(&error),
            MetaError::Value(_) => {
                let cause: &(dyn std::error::Error + 'static) = &error;
                tracing::info!(error = cause, "the database cannot hold what was sent");
                let message = "the request holds a value that cannot be stored";
                Self::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Full(_) => Self::full(&error),
            BlobError::Stopping => Self::unavailable(&error),
            _ => Self::internal(&error),
        }
    }
}

impl From<SignerError> for Refusal {
    fn from(error: SignerError) -> Self {
        match &error {
            SignerError::Unavailable(_) => Self::unavailable(&error),
            _ => Self::internal(&error),
        }
    }
}
