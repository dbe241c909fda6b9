//! What can go wrong between us and a server.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use rustls::InvalidMessage;
use url::Url;

use crate::client::TlsError;
use crate::wire::TokenError;

/// The cause of a network failure, as the libraries below put it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The network or the server is at fault.
///
/// Addresses in it carry no user name, password or query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection: no such host, nobody listening, no route.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The address asked.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Nothing came for too long.
    #[error("{url}: nothing came within {} s while {phase}", after.as_secs_f32())]
    Timeout {
        /// The address asked.
        url: String,
        /// What was waited for.
        phase: Phase,
        /// How long.
        after: Duration,
    },
    /// Something comes, but so slowly that it might be an attack.
    #[error("{url} sends fewer than {minimum_rate} bytes a second")]
    TooSlow {
        /// The address asked.
        url: String,
        /// The rate below which a transfer is given up, in bytes a second.
        minimum_rate: u64,
    },
    /// More bytes than this answer may have.
    #[error("{url} sends more than {limit} bytes")]
    TooLarge {
        /// The address asked.
        url: String,
        /// The most bytes accepted.
        limit: u64,
    },
    /// No secure connection: a certificate not trusted or demanded, or no TLS at all.
    #[error("no secure connection to {url}")]
    Tls {
        /// The address asked.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The connection ended before the answer did.
    #[error("{url}: the connection broke after {received} bytes of the answer")]
    Cut {
        /// The address asked.
        url: String,
        /// How many bytes of the body had come.
        received: u64,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// What was to be sent cannot be read.
    #[error("cannot send to {url}")]
    Source {
        /// The address.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// 401, with the login we have or with none.
    #[error("{url} refuses access without a valid login{}", tail(message))]
    Unauthorized {
        /// The address asked.
        url: String,
        /// What the server says; may be empty.
        message: String,
    },
    /// 403.
    #[error("{url} forbids this{}", tail(message))]
    Forbidden {
        /// The address asked.
        url: String,
        /// What the server says; may be empty.
        message: String,
    },
    /// 429 or 503: the server asks to come back later.
    #[error("{url} is busy: it answered {status}{}", tail(message))]
    Busy {
        /// The address asked.
        url: String,
        /// The status code.
        status: u16,
        /// When to come back, if it says so.
        retry_after: Option<Duration>,
        /// What the server says; may be empty.
        message: String,
    },
    /// Another status that means failure.
    #[error("{url} answered {status}{}", tail(message))]
    Status {
        /// The address asked.
        url: String,
        /// The status code.
        status: u16,
        /// What the server says; may be empty.
        message: String,
    },
    /// An answer that breaks the protocol.
    #[error("bad answer from {url}: {problem}")]
    BadAnswer {
        /// The address asked.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A redirect we do not follow.
    #[error("{url} redirects to {target}: {problem}")]
    Redirect {
        /// The address asked.
        url: String,
        /// Where the server sends us.
        target: String,
        /// Why we do not go there.
        problem: &'static str,
    },
    /// A token server we do not ask.
    #[error("{url} asks for a token from {realm}: {problem}")]
    Realm {
        /// The address asked.
        url: String,
        /// The token server's address.
        realm: String,
        /// Why we do not ask there.
        problem: &'static str,
    },
    /// The token server's answer has no token.
    #[error("no token from {url}")]
    Token {
        /// The token server's address.
        url: String,
        /// Why.
        #[source]
        cause: TokenError,
    },
    /// The configured logins cannot be read.
    #[error("cannot look up the login for {url}")]
    Credentials {
        /// The address asked.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Roots or client certificate are not usable.
    #[error(transparent)]
    TlsSetup(#[from] TlsError),
    /// A request that cannot be made, such as one with a header no server takes.
    #[error("cannot ask {url}")]
    Request {
        /// The address.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// What a server was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The connection, TLS included.
    Connecting,
    /// The head of the answer.
    Answering,
    /// The server to take the next piece of what is sent.
    Sending,
    /// The next piece of the body.
    Reading,
    /// The whole operation.
    Finishing,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Answering => "waiting for an answer",
            Self::Sending => "sending",
            Self::Reading => "reading the answer",
            Self::Finishing => "waiting for the whole answer",
        })
    }
}

impl TransportError {
    /// Turns the failure of a request that has no answer into one of ours.
    pub(crate) fn of_request(url: &Url, error: reqwest::Error, connect_timeout: Duration) -> Self {
        let url = redact(url);
        let error = error.without_url();
        if error.is_builder() {
            return Self::Request { url, cause: Box::new(error) };
        }
        if let Some(cause) = tls_cause(&error) {
            return Self::Tls { url, cause };
        }
        if error.is_connect() {
            return if error.is_timeout() {
                Self::Timeout { url, phase: Phase::Connecting, after: connect_timeout }
            } else {
                Self::Unreachable { url, cause: innermost(&error) }
            };
        }
        Self::Cut { url, received: 0, cause: innermost(&error) }
    }

    /// Whether the network failed before any server could say anything: what being offline is.
    pub const fn is_offline(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Cut { .. }
                | Self::TooSlow { .. }
        )
    }
}

/// An address without user name, password, query and fragment.
pub fn redact(url: &Url) -> String {
    let mut shown = url.clone();
    // Only addresses without a host refuse these, and they have no user either.
    let user = shown.set_username("").and_then(|()| shown.set_password(None));
    shown.set_query(None);
    shown.set_fragment(None);
    if user.is_err() {
        return format!("{}:", url.scheme());
    }
    shown.into()
}

/// The error of a status that is not the one hoped for.
pub(crate) fn status_error(
    url: String,
    status: StatusCode,
    retry_after: Option<Duration>,
    message: String,
) -> TransportError {
    match status {
        StatusCode::UNAUTHORIZED => TransportError::Unauthorized { url, message },
        StatusCode::FORBIDDEN => TransportError::Forbidden { url, message },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            TransportError::Busy { url, status: status.as_u16(), retry_after, message }
        }
        _ => TransportError::Status { url, status: status.as_u16(), message },
    }
}

/// The cause that says something to people: what the system or the protocol has against it.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> Cause {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().into()
}

/// Finds what TLS has against the connection, if it is TLS that has.
fn tls_cause(error: &reqwest::Error) -> Option<Cause> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = next {
        match current.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                return Some("the server does not speak TLS".into());
            }
            Some(other) => return Some(Box::new(other.clone())),
            None => {}
        }
        next = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
        let text = next.map(ToString::to_string).unwrap_or_default();
        if text == HANDSHAKE_EOF {
            return Some(text.into());
        }
    }
    None
}

fn tail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// What tokio-rustls says of a peer that hangs up in the handshake.
const HANDSHAKE_EOF: &str = "tls handshake eof";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        let url = Url::parse("https://me:secret@host.example:8/a/b?account=me&t=x#y").unwrap();
        assert_eq!(redact(&url), "https://host.example:8/a/b");
        assert_eq!(redact(&Url::parse("data:secret").unwrap()), "data:");
    }

    #[test]
    fn messages_are_added_when_there_are_any() {
        let error = |message: &str| {
            status_error("https://h/".to_owned(), StatusCode::FORBIDDEN, None, message.to_owned())
                .to_string()
        };
        assert_eq!(error(""), "https://h/ forbids this");
        assert_eq!(error("DENIED: no"), "https://h/ forbids this: DENIED: no");
    }
}
