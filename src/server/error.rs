//! What clients are told when they do not get what they asked for. Causes that are nobody else's
//! business are logged here, once, and not sent.

use ::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use ::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::server::blobs::BlobError;
use crate::server::http::{Response, json as json_answer};
use crate::server::meta::MetaError;
use crate::server::notary::{Invalid, MultipartError, RenewalError, SigningError};
use crate::server::signer::SignerError;
use crate::wire::notary::ErrorCode;

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
        if error.is_unavailable() { Self::unavailable(&error) } else { Self::internal(&error) }
    }
}

impl Refusal {
    /// A refusal by the notary server.
    pub fn notary(code: ErrorCode, message: impl Into<String>) -> Self {
        let (name, status) = code.on_the_wire();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, name, message)
    }

    /// There is no such metadata; the detail tells a file that is missing from a path that leads
    /// nowhere.
    pub fn no_metadata() -> Self {
        let message = "You have requested metadata that does not exist.";
        Self::notary(ErrorCode::MetadataNotFound, message).with_detail(json!({}))
    }

    /// Another method than those that a path has.
    pub fn wrong_method(allowed: &'static str) -> Self {
        let message = "this cannot be done to what is at this path";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// More keys than are kept were asked for, and not used.
    pub fn too_many_keys() -> Self {
        let message = "too many keys were handed out that are not used yet";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
            .with_header(RETRY_AFTER, HeaderValue::from_static("3600"))
    }

    /// Nothing is changed for now.
    pub fn read_only() -> Self {
        let message = "the server is read-only for now";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .with_header(ALLOW, HeaderValue::from_static("GET, HEAD"))
    }
}

impl From<Invalid> for Refusal {
    fn from(error: Invalid) -> Self {
        match (&error, error.name()) {
            (Invalid::Altered { .. }, _) => Self::internal(&error),
            (Invalid::Version, _) => {
                let message = "A newer version of metadata is already available.";
                Self::notary(ErrorCode::Version, message).with_detail(json!({}))
            }
            (_, None) => {
                let message = "JSON sent by the client could not be parsed by the server";
                Self::notary(ErrorCode::MalformedJson, message)
                    .with_detail(json!(error.to_string()))
            }
            (_, Some(name)) => {
                // Clients read one KiB of an answer, and what somebody sent may be long.
                let text: String = error.to_string().chars().take(MAX_TOLD).collect();
                let rule = match &error {
                    Invalid::Archive(cause) => cause,
                    error => error,
                };
                let told = match rule {
                    Invalid::NoSnapshot => json!({"Missing": "snapshot", "Msg": text}),
                    _ => json!({"Msg": text}),
                };
                Self::notary(ErrorCode::InvalidUpdate, "Update sent by the client is invalid.")
                    .with_detail(json!({"Name": name, "Error": told}))
            }
        }
    }
}

impl From<MultipartError> for Refusal {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::NoFilename => {
                Self::notary(ErrorCode::NoFilename, "No file/role name provided.")
            }
            MultipartError::Role { name } => {
                let message = "The role you are attempting to operate on is invalid.";
                Self::notary(ErrorCode::InvalidRole, message).with_detail(json!(name))
            }
            _ => {
                let message = "The body of your request is malformed.";
                Self::notary(ErrorCode::MalformedUpload, message)
                    .with_detail(json!(error.to_string()))
            }
        }
    }
}

impl From<SigningError> for Refusal {
    fn from(error: SigningError) -> Self {
        match &error {
            SigningError::Signer(SignerError::Unavailable(_))
            | SigningError::ClockBehind { .. } => Self::unavailable(&error),
            _ => Self::internal(&error),
        }
    }
}

impl From<RenewalError> for Refusal {
    fn from(error: RenewalError) -> Self {
        match error {
            RenewalError::Meta(error) => error.into(),
            RenewalError::Stored(error) => error.into(),
            RenewalError::Signing(error) => error.into(),
            RenewalError::Check(_) => Self::internal(&error),
        }
    }
}

/// Most characters of a reason that are sent.
const MAX_TOLD: usize = 400;
