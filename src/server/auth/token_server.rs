//! Tokens of somebody else's token server (docker's token authentication, notary.md §3.8).

use ::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::codec::pem::Pem;
use crate::crypto::KeyError;
use crate::crypto::certificate::Certificate;
use crate::server::Refusal;
use crate::server::auth::AuthError;
use crate::server::auth::caller::{Action, Caller, Grant, Need, Scope};
use crate::server::auth::challenge::{Realm, TokenFault, bearer};
use crate::server::auth::credentials::Shown;
use crate::server::auth::jwt::{Claims, Expected, Jwt, JwtError, TrustedKey, TrustedKeys};
use crate::server::auth::key::{Algorithm, TokenKey, libtrust_id};
use crate::server::auth::options::TokenServerOptions;
use crate::server::auth::scope::{allowed, allows_catalog, satisfies};

/// Whose tokens are believed, and where callers get them.
#[derive(Debug)]
pub(super) struct TokenServer {
    realm: Realm,
    service: String,
    issuer: String,
    algorithms: Vec<Algorithm>,
    trusted: TrustedKeys,
}

impl TokenServer {
    pub(super) fn new(options: TokenServerOptions) -> Result<Self, AuthError> {
        let algorithms = if options.algorithms.is_empty() {
            Algorithm::ALL.to_vec()
        } else {
            let read = |name: String| Algorithm::parse(&name).ok_or(AuthError::Algorithm { name });
            options.algorithms.into_iter().map(read).collect::<Result<_, _>>()?
        };
        let mut trusted = TrustedKeys::default();
        if let Some(bundle) = options.root_certificates {
            trust_certificates(&mut trusted, &bundle)?;
        }
        if let Some(keys) = options.key_set {
            trust_keys(&mut trusted, &keys)?;
        }
        if trusted.roots.is_empty() && trusted.keys.is_empty() {
            return Err(AuthError::NothingTrusted);
        }
        let realm = match options.redirect_here {
            Some(path) => Realm::Here(path),
            None => Realm::At(options.realm),
        };
        let (service, issuer) = (options.service, options.issuer);
        Ok(Self { realm, service, issuer, algorithms, trusted })
    }

    pub(super) fn authorize(
        &self,
        shown: &Shown,
        headers: &HeaderMap,
        base: &str,
        need: &Need,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let challenge =
            |fault| bearer(&self.realm.address(base, headers), &self.service, need, fault);
        let Shown::Bearer(token) = shown else { return Err(challenge(None)) };
        let claims = self.believe(token.expose(), now).map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "token refused");
            challenge(Some(TokenFault::Invalid))
        })?;
        let caller = caller(claims, need).ok_or_else(|| challenge(Some(TokenFault::TooLittle)))?;
        Ok(caller)
    }

    fn believe(&self, token: &str, now: Timestamp) -> Result<Claims, JwtError> {
        let expected = Expected { issuer: &self.issuer, service: &self.service, now };
        Jwt::parse(token)?.verify(&self.trusted, &self.algorithms, expected)
    }
}

/// Whoever the token was given to, if it allows what is needed.
fn caller(claims: Claims, need: &Need) -> Option<Caller> {
    let name = Some(claims.subject).filter(|name| !name.is_empty());
    match &need.scope {
        // Who may have the list may have all of it: a token says nothing about the names in it.
        Scope::Catalog | Scope::Search => {
            let all = Grant { pattern: "**".to_owned(), actions: vec![Action::Pull] };
            allows_catalog(&claims.access).then(|| Caller::granted(name, vec![all]))
        }
        Scope::Repository(_) | Scope::Base => {
            let caller = Caller::with_token(name, allowed(&claims.access));
            satisfies(&caller, need).then_some(caller)
        }
    }
}

/// Trusts the certificates of a bundle as authorities, and their keys by their names.
fn trust_certificates(trusted: &mut TrustedKeys, bundle: &[u8]) -> Result<(), AuthError> {
    let blocks =
        Pem::parse_all(bundle).map_err(|error| AuthError::RootCertificates(error.into()))?;
    for block in blocks.iter().filter(|block| block.label == "CERTIFICATE") {
        let certificate =
            Certificate::from_der(&block.contents).map_err(AuthError::RootCertificates)?;
        let spki = certificate.public_key.public();
        if let Some(key) = TokenKey::from_spki(spki) {
            let names = key.thumbprints().into_iter().chain([libtrust_id(spki)]);
            for name in names {
                trusted.keys.insert(name, TrustedKey { key: key.clone(), algorithm: None });
            }
        }
        trusted.roots.push(certificate);
    }
    if trusted.roots.is_empty() {
        let missing = KeyError::Malformed { what: "bundle without a certificate" };
        return Err(AuthError::RootCertificates(missing));
    }
    Ok(())
}

/// Trusts the keys of a JSON Web Key Set (RFC 7517 §5), by the ids in it and by their thumbprints.
/// Keys for encryption are passed over.
fn trust_keys(trusted: &mut TrustedKeys, set: &[u8]) -> Result<(), AuthError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(set).map_err(AuthError::KeySet)?;
    for (number, jwk) in set.keys.iter().enumerate() {
        let number = number + 1;
        let unusable = |problem| AuthError::KeySetKey { number, problem };
        if jwk.get("use").and_then(Value::as_str).is_some_and(|purpose| purpose != "sig") {
            continue;
        }
        let key = TokenKey::from_jwk(jwk).map_err(unusable)?;
        let algorithm = match jwk.get("alg").and_then(Value::as_str) {
            None => None,
            Some(name) => {
                Some(Algorithm::parse(name).ok_or_else(|| unusable("its algorithm is not known"))?)
            }
        };
        let entry = TrustedKey { key, algorithm };
        if let Some(kid) = jwk.get("kid").and_then(Value::as_str)
            && trusted.keys.insert(kid.to_owned(), entry.clone()).is_some_and(|old| old != entry)
        {
            return Err(unusable("another key has its `kid`"));
        }
        for name in entry.key.thumbprints() {
            trusted.keys.entry(name).or_insert_with(|| entry.clone());
        }
    }
    Ok(())
}
