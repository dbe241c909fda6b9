//! The one question of every request: who asks, and may they?

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use ::http::{HeaderMap, StatusCode};

use crate::clock::{Clock, SystemClock};
use crate::server::Refusal;
use crate::server::auth::AuthError;
use crate::server::auth::caller::{Caller, Need};
use crate::server::auth::credentials::Shown;
use crate::server::auth::htpasswd::Htpasswd;
use crate::server::auth::options::{Kind, Network, Options};
use crate::server::auth::passwords::Passwords;
use crate::server::auth::token_server::TokenServer;
use crate::server::auth::token_service::{Asked, TokenService};
use crate::server::http::{Exchange, Response};

/// How callers are known. What it knows can be exchanged while it is asked.
#[derive(Debug)]
pub struct Auth {
    rules: RwLock<Arc<Rules>>,
    passwords: Option<Passwords>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Rules {
    method: Method,
    proxies: Vec<Network>,
}

#[derive(Debug)]
enum Method {
    Open,
    Htpasswd(Htpasswd),
    TokenServer(TokenServer),
    Accounts(TokenService),
}

impl Auth {
    /// Nobody is asked for anything: everybody may do everything.
    pub fn open() -> Self {
        let rules = Rules { method: Method::Open, proxies: Vec::new() };
        let rules = RwLock::new(Arc::new(rules));
        Self { rules, passwords: None, clock: Arc::new(SystemClock) }
    }

    /// Callers are known as the administrator has decided.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, AuthError> {
        let rules = RwLock::new(Arc::new(Rules::new(options)?));
        Ok(Self { rules, passwords: Some(Passwords::new()?), clock })
    }

    /// Exchanges what is known. After an error everything is as before.
    pub fn reload(&self, options: Options) -> Result<(), AuthError> {
        let rules = Arc::new(Rules::new(options)?);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Finds out who asks, and whether they may do what they need: a refusal is the answer, with a
    /// challenge where a login could help. Whether what they ask for exists plays no part in it.
    ///
    /// `base` is the address that the client has for this server, such as
    /// `https://registry.example.com`; empty if that is not known.
    pub async fn authorize(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        base: &str,
        need: &Need,
    ) -> Result<Caller, Refusal> {
        let rules = self.rules();
        if matches!(rules.method, Method::Open) {
            return Ok(Caller::anybody());
        }
        let shown = Shown::read(headers);
        let (peer, now) = (rules.origin(headers, peer), self.clock.now());
        match (&rules.method, &self.passwords) {
            (Method::Htpasswd(htpasswd), Some(passwords)) => {
                htpasswd.authorize(passwords, &shown, peer, need).await
            }
            (Method::Accounts(service), Some(passwords)) => {
                let asked = Asked { headers, base, peer, now };
                service.authorize(passwords, &shown, asked, need).await
            }
            (Method::TokenServer(server), _) => server.authorize(&shown, headers, base, need, now),
            // Rules that came later than this value was made open.
            (Method::Htpasswd(_) | Method::Accounts(_) | Method::Open, _) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "DENIED",
                "requested access to the resource is denied",
            )),
        }
    }

    /// Answers a question for a token; without accounts of our own there is nothing to ask.
    pub async fn token(&self, mut exchange: Exchange) -> Result<Response, Refusal> {
        let rules = self.rules();
        let (Method::Accounts(service), Some(passwords)) = (&rules.method, &self.passwords) else {
            let message = "there is nothing at this path";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message));
        };
        let peer = rules.origin(&exchange.headers, exchange.peer);
        service.issue(passwords, &mut exchange, peer, self.clock.now()).await
    }

    /// How many passwords were held against a hash so far: each one shown, once, and whether
    /// there is such a user or not.
    pub fn password_checks(&self) -> u64 {
        self.passwords.as_ref().map_or(0, Passwords::checks)
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::open()
    }
}

impl Rules {
    fn new(options: Options) -> Result<Self, AuthError> {
        let method = match options.kind {
            Kind::Open => Method::Open,
            Kind::Htpasswd(options) => Method::Htpasswd(Htpasswd::new(options)?),
            Kind::TokenServer(options) => Method::TokenServer(TokenServer::new(options)?),
            Kind::Accounts(options) => Method::Accounts(TokenService::new(options)?),
        };
        Ok(Self { method, proxies: options.proxies })
    }

    /// For whom it is asked: the peer, or the last address that proxies which are believed did not
    /// add themselves.
    fn origin(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let believed = |address: IpAddr| self.proxies.iter().any(|proxy| proxy.contains(address));
        if !believed(peer) {
            return peer;
        }
        let values: Vec<&str> = (headers.get_all(FORWARDED_FOR).iter())
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let mut origin = peer;
        for value in values.into_iter().rev() {
            let Ok(address) = value.parse() else { return origin };
            origin = address;
            if !believed(address) {
                return origin;
            }
        }
        origin
    }
}

const FORWARDED_FOR: &str = "x-forwarded-for";

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use test_case::test_case;

    use super::*;

    #[test_case("203.0.113.7", &[], "203.0.113.7" ; "no proxy")]
    #[test_case("203.0.113.7", &["192.0.2.1"], "203.0.113.7" ; "somebody who says so")]
    #[test_case("10.0.0.1", &["192.0.2.1"], "192.0.2.1" ; "a proxy")]
    #[test_case("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1" ; "two proxies and a lie")]
    #[test_case("10.0.0.1", &["6.6.6.6", "192.0.2.1"], "192.0.2.1" ; "two headers")]
    #[test_case("10.0.0.1", &["192.0.2.1, nonsense"], "10.0.0.1" ; "nonsense")]
    #[test_case("10.0.0.1", &[], "10.0.0.1" ; "a proxy that says nothing")]
    fn origins(peer: &str, forwarded: &[&str], origin: &str) {
        let proxies = vec![Network::parse("10.0.0.0/8").unwrap()];
        let rules = Rules { method: Method::Open, proxies };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let found = rules.origin(&headers, peer.parse().unwrap());
        assert_eq!(found, origin.parse::<IpAddr>().unwrap());
    }
}
