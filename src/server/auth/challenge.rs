//! What callers are told who did not show enough.

use std::time::Duration;

use ::http::header::{HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::server::Refusal;
use crate::server::auth::caller::{Need, Scope};
use crate::server::auth::scope::{CATALOG, REGISTRY, REPOSITORY, wanted, words};

/// Where tokens are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Realm {
    /// At this address.
    At(String),
    /// At this path of the server itself, under the name that the client has for it.
    Here(String),
}

impl Realm {
    /// The address to send. `base` is how the client sees this server; without it the Host header
    /// says, for a server that is reached directly.
    pub(super) fn address(&self, base: &str, headers: &HeaderMap) -> String {
        match self {
            Self::At(address) => address.clone(),
            Self::Here(path) if base.is_empty() => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                host.map_or_else(|| path.clone(), |host| format!("http://{host}{path}"))
            }
            Self::Here(path) => format!("{base}{path}"),
        }
    }
}

/// What is wrong with a token that was shown (RFC 6750 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// It is not believed.
    Invalid,
    /// It does not allow this.
    TooLittle,
}

/// Asks for a name and a password.
pub(super) fn basic(realm: &str, need: &Need) -> Refusal {
    unauthorized(need, format!("Basic realm=\"{}\"", quoted(realm)))
}

/// Asks for a token that allows what is needed.
pub(super) fn bearer(
    realm: &str,
    service: &str,
    need: &Need,
    fault: Option<TokenFault>,
) -> Refusal {
    let mut challenge =
        format!("Bearer realm=\"{}\",service=\"{}\"", quoted(realm), quoted(service));
    if let Some(scope) = wanted(need) {
        challenge.push_str(&format!(",scope=\"{}\"", quoted(&scope)));
    }
    match fault {
        Some(TokenFault::Invalid) => challenge.push_str(",error=\"invalid_token\""),
        Some(TokenFault::TooLittle) => challenge.push_str(",error=\"insufficient_scope\""),
        None => {}
    }
    unauthorized(need, challenge)
}

/// Asks for a name and a password where tokens are given out.
pub(super) fn login(service: &str) -> Refusal {
    let need = Need { scope: Scope::Base, actions: Vec::new() };
    let mut refusal = basic(service, &need);
    "incorrect username or password".clone_into(&mut refusal.message);
    refusal
}

/// No login would change this one's answer.
pub(super) fn denied(need: &Need) -> Refusal {
    let message = "requested access to the resource is denied";
    Refusal::new(StatusCode::FORBIDDEN, "DENIED", message).with_detail(detail(need))
}

/// Too many wrong passwords.
pub(super) fn later(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = "too many failed logins; try again later";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
        .with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

/// Too many logins at once.
pub(super) fn busy() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "too many logins at once")
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

fn unauthorized(need: &Need, challenge: String) -> Refusal {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
        .with_detail(detail(need));
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => refusal.with_header(WWW_AUTHENTICATE, challenge),
        // A name that no header can carry; no client sends one.
        Err(_) => refusal,
    }
}

/// What the registry of docker says it wanted.
fn detail(need: &Need) -> Value {
    let entry = |kind: &str, name: &str, action: &str| json!({"Type": kind, "Class": "", "Name": name, "Action": action});
    match &need.scope {
        Scope::Repository(name) => {
            words(&need.actions).iter().map(|word| entry(REPOSITORY, name, word)).collect()
        }
        Scope::Catalog | Scope::Search => json!([entry(REGISTRY, CATALOG, "*")]),
        Scope::Base => Value::Null,
    }
}

/// A text inside of quotes (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::caller::Action;
    use crate::wire::auth::{BearerChallenge, Challenge};

    fn read(refusal: &Refusal) -> BearerChallenge {
        let header = refusal.headers.get(WWW_AUTHENTICATE).unwrap().to_str().unwrap();
        match Challenge::parse_all([header]).as_slice() {
            [Challenge::Bearer(challenge)] => challenge.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn our_client_understands_it() {
        let scope = Scope::Repository(r#"a"b\c"#.to_owned());
        let need = Need { scope, actions: vec![Action::Pull, Action::Sign] };
        let refusal = bearer("https://t/token", "r", &need, Some(TokenFault::TooLittle));
        let challenge = read(&refusal);
        assert_eq!(challenge.realm, "https://t/token");
        assert_eq!(challenge.service.as_deref(), Some("r"));
        assert_eq!(challenge.scope.as_deref(), Some(r#"repository:a"b\c:pull,push"#));
        assert_eq!(challenge.error.as_deref(), Some("insufficient_scope"));
    }

    #[test]
    fn the_realm_is_where_the_client_came_from() {
        let here = Realm::Here("/t".to_owned());
        let mut headers = HeaderMap::new();
        assert_eq!(here.address("https://r", &headers), "https://r/t");
        assert_eq!(here.address("", &headers), "/t");
        headers.insert(HOST, HeaderValue::from_static("localhost:5000"));
        assert_eq!(here.address("", &headers), "http://localhost:5000/t");
        assert_eq!(
            Realm::At("https://a/b".to_owned()).address("https://r", &headers),
            "https://a/b"
        );
    }
}
