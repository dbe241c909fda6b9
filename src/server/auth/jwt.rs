//! JSON Web Tokens (RFC 7519, RFC 7515 §3.1) as docker's token authentication has them: taken
//! apart, verified with keys that were trusted before the token came, and judged.
//!
//! What a token says about its own key serves to choose among trusted keys, and for nothing else;
//! no address in it is ever asked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::codec::canonical_json::{JsonError, Object, Value};
use crate::codec::text::from_base64;
use crate::crypto::KeyError;
use crate::crypto::certificate::Certificate;
use crate::limits::{MAX_BEARER_BYTES, MAX_TOKEN_CERTIFICATES, TOKEN_LEEWAY_SECONDS};
use crate::server::auth::key::{Algorithm, TokenKey};

/// Why a token is not believed. Clients are told no more than that it is not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than any token is.
    #[error("the token is longer than {MAX_BEARER_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url with objects in them.
    #[error("the token has not the form of one")]
    Malformed,
    /// A part is not JSON that everybody understands alike.
    #[error("a part of the token is not well-formed JSON")]
    Json(#[source] JsonError),
    /// Its algorithm is none, a shared secret's, or not allowed.
    #[error("the token's algorithm `{0}` is not allowed")]
    Algorithm(String),
    /// It demands an extension.
    #[error("the token demands extensions")]
    Critical,
    /// A certificate in it cannot be read, or does not lead to a trusted one.
    #[error("the token's certificate is not trusted")]
    Certificate(#[source] KeyError),
    /// It names no key that is trusted.
    #[error("the token is signed by no key that is trusted")]
    UntrustedKey,
    /// The signature is not that of the key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing or of the wrong kind.
    #[error("the token's claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// Somebody else issued it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for another service.
    #[error("the token is for another service")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Whom it is for has no account any more, or the account's tokens were revoked.
    #[error("the token was revoked")]
    Revoked,
}

/// A token taken apart, not yet believed.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    header: Object,
    algorithm: Algorithm,
    signed: &'a [u8],
    signature: Vec<u8>,
    claims: Vec<u8>,
}

/// The keys that tokens are verified with.
#[derive(Debug, Default)]
pub(super) struct TrustedKeys {
    /// What certificate chains have to lead to.
    pub(super) roots: Vec<Certificate>,
    /// Keys by their names.
    pub(super) keys: BTreeMap<String, TrustedKey>,
}

/// A key that was trusted before any token came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustedKey {
    /// The key.
    pub(super) key: TokenKey,
    /// The only algorithm it is for, if its owner said so.
    pub(super) algorithm: Option<Algorithm>,
}

/// What is expected of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// Who issues it.
    pub(super) issuer: &'a str,
    /// For whom.
    pub(super) service: &'a str,
    /// What time it is.
    pub(super) now: Timestamp,
}

/// What a believed token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Whom it was given to; empty for nobody in particular.
    pub(super) subject: String,
    /// What it allows.
    pub(super) access: Vec<Access>,
    /// The claim `gen` of our own tokens.
    pub(super) generation: Option<i64>,
}

/// Actions that a token allows on one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// `repository` or `registry`.
    pub(super) kind: String,
    /// The name; no pattern.
    pub(super) name: String,
    /// Such as `pull`; `*` for all.
    pub(super) actions: Vec<String>,
}

/// Whether a text has the form of a token. Nothing that it says is believed.
pub fn has_form(token: &str) -> bool {
    Jwt::parse(token).is_ok()
}

impl<'a> Jwt<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_BEARER_BYTES {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed);
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header = object(&header)?;
        let Some(name) = text(&header, "alg") else { return Err(JwtError::Malformed) };
        let algorithm =
            Algorithm::parse(name).ok_or_else(|| JwtError::Algorithm(name.to_owned()))?;
        if header.contains_key("crit") {
            return Err(JwtError::Critical);
        }
        Ok(Self { header, algorithm, signed: signed.as_bytes(), signature, claims })
    }

    /// The header's `typ`.
    pub(super) fn kind(&self) -> Option<&str> {
        text(&self.header, "typ")
    }

    /// Believes the token, or says why not.
    pub(super) fn verify(
        &self,
        trusted: &TrustedKeys,
        algorithms: &[Algorithm],
        expected: Expected<'_>,
    ) -> Result<Claims, JwtError> {
        if !algorithms.contains(&self.algorithm) {
            return Err(JwtError::Algorithm(self.algorithm.name().to_owned()));
        }
        let key = self.key(trusted, expected.now)?;
        if key.algorithm.is_some_and(|only| only != self.algorithm) {
            return Err(JwtError::Algorithm(self.algorithm.name().to_owned()));
        }
        if !key.key.verifies(self.algorithm, self.signed, &self.signature) {
            return Err(JwtError::Signature);
        }
        judge(&object(&self.claims)?, expected)
    }

    /// Finds the trusted key that the header speaks of: by certificates, else by the key itself,
    /// else by its name.
    fn key(&self, trusted: &TrustedKeys, now: Timestamp) -> Result<TrustedKey, JwtError> {
        if let Some(chain) = self.header.get("x5c") {
            return certified(chain, trusted, now);
        }
        if let Some(jwk) = self.header.get("jwk") {
            let Value::Object(jwk) = jwk else { return Err(JwtError::Malformed) };
            if let Some(chain) = jwk.get("x5c") {
                return certified(chain, trusted, now);
            }
            let kid = text(jwk, "kid").ok_or(JwtError::UntrustedKey)?;
            return trusted.keys.get(kid).cloned().ok_or(JwtError::UntrustedKey);
        }
        let kid = text(&self.header, "kid").ok_or(JwtError::UntrustedKey)?;
        trusted.keys.get(kid).cloned().ok_or(JwtError::UntrustedKey)
    }
}

/// The key of the first certificate, if the chain leads to a trusted one.
fn certified(chain: &Value, trusted: &TrustedKeys, now: Timestamp) -> Result<TrustedKey, JwtError> {
    let Value::Array(chain) = chain else { return Err(JwtError::Malformed) };
    if chain.len() > MAX_TOKEN_CERTIFICATES {
        return Err(JwtError::Malformed);
    }
    let read = |value: &Value| {
        let Value::String(text) = value else { return Err(JwtError::Malformed) };
        let der = from_base64(text).map_err(|_| JwtError::Malformed)?;
        Certificate::from_der(&der).map_err(JwtError::Certificate)
    };
    let chain = chain.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(JwtError::Malformed);
    };
    leaf.check_dates(now).map_err(JwtError::Certificate)?;
    leaf.chains_to(intermediates, &trusted.roots, now).map_err(JwtError::Certificate)?;
    let key = TokenKey::from_spki(leaf.public_key.public()).ok_or(JwtError::UntrustedKey)?;
    Ok(TrustedKey { key, algorithm: None })
}

fn judge(claims: &Object, expected: Expected<'_>) -> Result<Claims, JwtError> {
    if text(claims, "iss").ok_or(JwtError::Claim("iss"))? != expected.issuer {
        return Err(JwtError::Issuer);
    }
    let for_us =
        |audience: &Value| matches!(audience, Value::String(name) if name == expected.service);
    let meant = match claims.get("aud").ok_or(JwtError::Claim("aud"))? {
        Value::Array(several) => several.iter().any(for_us),
        one @ Value::String(_) => for_us(one),
        _ => return Err(JwtError::Claim("aud")),
    };
    if !meant {
        return Err(JwtError::Audience);
    }
    let now = expected.now.as_second();
    let expires = second(claims, "exp")?.ok_or(JwtError::Claim("exp"))?;
    if now > expires.saturating_add(TOKEN_LEEWAY_SECONDS) {
        return Err(JwtError::Expired);
    }
    let begins = second(claims, "nbf")?.unwrap_or(i64::MIN);
    if now < begins.saturating_sub(TOKEN_LEEWAY_SECONDS) {
        return Err(JwtError::NotYetValid);
    }
    let subject = match claims.get("sub") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(subject)) => subject.clone(),
        Some(_) => return Err(JwtError::Claim("sub")),
    };
    let access = match claims.get("access") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => {
            let entries: Option<Vec<Access>> = entries.iter().map(access).collect();
            entries.ok_or(JwtError::Claim("access"))?
        }
        Some(_) => return Err(JwtError::Claim("access")),
    };
    Ok(Claims { subject, access, generation: second(claims, "gen")? })
}

fn access(entry: &Value) -> Option<Access> {
    let Value::Object(entry) = entry else { return None };
    let actions = match entry.get("actions") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(actions)) => {
            let word = |action: &Value| match action {
                Value::String(word) => Some(word.clone()),
                _ => None,
            };
            actions.iter().map(word).collect::<Option<_>>()?
        }
        Some(_) => return None,
    };
    let (kind, name) = (text(entry, "type")?.to_owned(), text(entry, "name")?.to_owned());
    Some(Access { kind, name, actions })
}

fn object(part: &[u8]) -> Result<Object, JwtError> {
    match Value::parse(part).map_err(JwtError::Json)? {
        Value::Object(object) => Ok(object),
        _ => Err(JwtError::Malformed),
    }
}

fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    match object.get(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn second(object: &Object, name: &'static str) -> Result<Option<i64>, JwtError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Int(number) | Value::Whole(number)) => Ok(Some(*number)),
        Some(_) => Err(JwtError::Claim(name)),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature as lc;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
        KeyUsagePurpose,
    };
    use serde_json::{Value as Json, json};
    use test_case::test_case;

    use super::*;
    use crate::codec::canonical_json::JsonProblem;
    use crate::codec::text::to_base64;
    use crate::crypto::PrivateKey;

    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn claims() -> Json {
        json!({
            "iss": "issuer", "sub": "ann", "aud": "registry", "exp": NOW + 300, "nbf": NOW,
            "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}],
        })
    }

    fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", part(header.as_bytes()), part(claims.as_bytes()));
        format!("{signed}.{}", part(&sign(signed.as_bytes())))
    }

    /// A key that is trusted under the name `k`, and its tokens.
    struct Server {
        key: PrivateKey,
        trusted: TrustedKeys,
    }

    impl Server {
        fn new() -> Self {
            let key = PrivateKey::generate_ecdsa().unwrap();
            let public = TokenKey::from_spki(key.public_key().public()).unwrap();
            let mut trusted = TrustedKeys::default();
            trusted.keys.insert("k".to_owned(), TrustedKey { key: public, algorithm: None });
            Self { key, trusted }
        }

        fn sign(&self, message: &[u8]) -> Vec<u8> {
            self.key.sign(message).unwrap().1
        }

        fn header() -> Json {
            json!({"typ": "JWT", "alg": "ES256", "kid": "k"})
        }

        fn token(&self, header: &Json, claims: &Json) -> String {
            token(&header.to_string(), &claims.to_string(), |message| self.sign(message))
        }

        fn judge(&self, token: &str) -> Result<Claims, JwtError> {
            let expected = Expected { issuer: "issuer", service: "registry", now: now() };
            Jwt::parse(token)?.verify(&self.trusted, &Algorithm::ALL, expected)
        }

        /// The verdict on claims changed in one member; `null` removes it.
        fn with_claim(&self, name: &str, value: Json) -> Result<Claims, JwtError> {
            let mut claims = claims();
            let members = claims.as_object_mut().unwrap();
            members.remove(name);
            if !value.is_null() {
                members.insert(name.to_owned(), value);
            }
            self.judge(&self.token(&Self::header(), &claims))
        }
    }

    #[test]
    fn a_good_token_is_believed() {
        let server = Server::new();
        let claims = server.judge(&server.token(&Server::header(), &claims())).unwrap();
        assert_eq!(claims.subject, "ann");
        let access = Access {
            kind: "repository".to_owned(),
            name: "team/app".to_owned(),
            actions: vec!["pull".to_owned()],
        };
        assert_eq!(claims.access, [access]);
    }

    #[test]
    fn algorithm_none_is_refused() {
        let server = Server::new();
        for name in ["none", "None", "NONE", ""] {
            let header = json!({"alg": name, "kid": "k"}).to_string();
            let unsigned = token(&header, &claims().to_string(), |_| Vec::new());
            assert_eq!(server.judge(&unsigned), Err(JwtError::Algorithm(name.to_owned())));
        }
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        let server = Server::new();
        let secrets = [
            server.key.public_key().public().to_vec(),
            crate::codec::pem::Pem::new("PUBLIC KEY", server.key.public_key().public().to_vec())
                .encode()
                .to_vec(),
        ];
        for secret in secrets {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            let header = json!({"alg": "HS256", "kid": "k"}).to_string();
            let forged = token(&header, &claims().to_string(), |message| {
                aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
            });
            assert_eq!(server.judge(&forged), Err(JwtError::Algorithm("HS256".to_owned())));
        }
    }

    #[test]
    fn a_changed_or_missing_signature_is_refused() {
        let server = Server::new();
        let good = server.token(&Server::header(), &claims());
        let (signed, _) = good.rsplit_once('.').unwrap();
        let other = token("{}", "{}", |_| vec![1; 64]);
        let (_, signature) = other.rsplit_once('.').unwrap();
        for signature in [signature, ""] {
            assert_eq!(server.judge(&format!("{signed}.{signature}")), Err(JwtError::Signature));
        }
        // Nor do the claims of one token fit the signature of another.
        let mut more = claims();
        more["access"][0]["actions"] = json!(["*"]);
        let forged = token(&Server::header().to_string(), &more.to_string(), |_| {
            URL_SAFE_NO_PAD.decode(good.rsplit_once('.').unwrap().1).unwrap()
        });
        assert_eq!(server.judge(&forged), Err(JwtError::Signature));
    }

    #[test]
    fn an_algorithm_that_is_not_the_keys_is_refused() {
        let server = Server::new();
        for name in ["ES384", "RS256", "PS256", "EdDSA"] {
            let header = json!({"alg": name, "kid": "k"});
            let forged = server.token(&header, &claims());
            assert_eq!(server.judge(&forged), Err(JwtError::Signature), "{name}");
        }
        let only = Jwt::parse(&server.token(&Server::header(), &claims())).unwrap().verify(
            &server.trusted,
            &[Algorithm::Rs256],
            Expected { issuer: "issuer", service: "registry", now: now() },
        );
        assert_eq!(only, Err(JwtError::Algorithm("ES256".to_owned())));
    }

    #[test_case("../../etc/passwd" ; "a path")]
    #[test_case("https://evil.example/key" ; "an address")]
    #[test_case("K" ; "another case")]
    #[test_case("" ; "empty")]
    fn a_kid_is_a_name_and_nothing_else(kid: &str) {
        let server = Server::new();
        let forged = server.token(&json!({"alg": "ES256", "kid": kid}), &claims());
        assert_eq!(server.judge(&forged), Err(JwtError::UntrustedKey));
    }

    /// An attacker's key, and the members of its JSON Web Key.
    fn stranger() -> (PrivateKey, Json) {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let TokenKey::Ec { x, y, .. } = TokenKey::from_spki(key.public_key().public()).unwrap()
        else {
            panic!("not a curve")
        };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&x), "y": encode(&y)});
        (key, jwk)
    }

    #[test]
    fn a_key_in_the_token_is_not_trusted_for_being_there() {
        let server = Server::new();
        let (key, mut jwk) = stranger();
        let forge = |header: &Json| {
            token(&header.to_string(), &claims().to_string(), |message| {
                key.sign(message).unwrap().1
            })
        };
        let header = json!({"alg": "ES256", "jwk": jwk});
        assert_eq!(server.judge(&forge(&header)), Err(JwtError::UntrustedKey));
        // Under a trusted name it is the trusted key that has to have signed.
        jwk["kid"] = json!("k");
        let header = json!({"alg": "ES256", "jwk": jwk});
        assert_eq!(server.judge(&forge(&header)), Err(JwtError::Signature));
        let header = json!({"alg": "ES256", "jwk": jwk, "kid": "k"});
        assert_eq!(server.judge(&forge(&header)), Err(JwtError::Signature));
        let genuine = server.token(&header, &claims());
        assert!(server.judge(&genuine).is_ok());
    }

    #[test]
    fn addresses_of_keys_are_passed_over() {
        let server = Server::new();
        let (key, _) = stranger();
        for name in ["jku", "x5u"] {
            let header = json!({"alg": "ES256", name: "http://127.0.0.1:9/keys"}).to_string();
            let forged = token(&header, &claims().to_string(), |m| key.sign(m).unwrap().1);
            assert_eq!(server.judge(&forged), Err(JwtError::UntrustedKey), "{name}");
        }
    }

    #[test]
    fn extensions_that_must_be_understood_are_not() {
        let server = Server::new();
        let header = json!({"alg": "ES256", "kid": "k", "crit": ["b64"], "b64": false});
        assert_eq!(server.judge(&server.token(&header, &claims())), Err(JwtError::Critical));
    }

    #[test_case("iss", json!("somebody"), JwtError::Issuer ; "another issuer")]
    #[test_case("iss", json!(null), JwtError::Claim("iss") ; "no issuer")]
    #[test_case("iss", json!(["issuer"]), JwtError::Claim("iss") ; "issuers")]
    #[test_case("aud", json!("other"), JwtError::Audience ; "another audience")]
    #[test_case("aud", json!([]), JwtError::Audience ; "an empty audience")]
    #[test_case("aud", json!(null), JwtError::Claim("aud") ; "no audience")]
    #[test_case("aud", json!(["other", "registry2"]), JwtError::Audience ; "other audiences")]
    #[test_case("exp", json!(NOW - 61), JwtError::Expired ; "expired")]
    #[test_case("exp", json!(null), JwtError::Claim("exp") ; "for ever")]
    #[test_case("exp", json!("2099"), JwtError::Claim("exp") ; "a text for a time")]
    #[test_case("exp", json!(-1), JwtError::Expired ; "before everything")]
    #[test_case("nbf", json!(NOW + 61), JwtError::NotYetValid ; "not yet")]
    #[test_case("nbf", json!(i64::MAX), JwtError::NotYetValid ; "never")]
    #[test_case("sub", json!(7), JwtError::Claim("sub") ; "a number for a name")]
    #[test_case("access", json!("all"), JwtError::Claim("access") ; "a text for access")]
    #[test_case("access", json!([{"type": "repository", "name": "a", "actions": "pull"}]), JwtError::Claim("access") ; "a text for actions")]
    #[test_case("access", json!([{"type": "repository", "actions": ["pull"]}]), JwtError::Claim("access") ; "access to nothing")]
    fn claims_that_are_refused(name: &str, value: Json, error: JwtError) {
        assert_eq!(Server::new().with_claim(name, value), Err(error));
    }

    #[test_case("aud", json!(["other", "registry"]) ; "one audience of several")]
    #[test_case("exp", json!(NOW - 59) ; "expired within the leeway")]
    #[test_case("nbf", json!(NOW + 59) ; "early within the leeway")]
    #[test_case("nbf", json!(null) ; "no beginning")]
    #[test_case("sub", json!(null) ; "nobody")]
    #[test_case("access", json!(null) ; "no access")]
    #[test_case("exp", json!(i64::MAX) ; "a late end")]
    fn claims_that_are_taken(name: &str, value: Json) {
        assert!(Server::new().with_claim(name, value).is_ok());
    }

    #[test]
    fn a_claim_said_twice_is_refused() {
        let server = Server::new();
        let twice = claims().to_string().replacen(r#""aud""#, r#""aud":"other","aud""#, 1);
        let forged = token(&Server::header().to_string(), &twice, |m| server.sign(m));
        let Err(JwtError::Json(error)) = server.judge(&forged) else { panic!("believed") };
        assert_eq!(error.problem, JsonProblem::DuplicateMember("aud".to_owned()));
        let header = r#"{"alg":"ES256","kid":"k","alg":"none"}"#;
        let forged = token(header, &claims().to_string(), |m| server.sign(m));
        let Err(JwtError::Json(error)) = server.judge(&forged) else { panic!("believed") };
        assert_eq!(error.problem, JsonProblem::DuplicateMember("alg".to_owned()));
    }

    #[test]
    fn a_huge_token_is_not_looked_at() {
        assert_eq!(Server::new().judge(&"a".repeat(1 << 20)), Err(JwtError::TooLong));
    }

    #[test_case("" ; "empty")]
    #[test_case("a.b" ; "two parts")]
    #[test_case("e30.e30" ; "two good parts")]
    #[test_case("e30.e30.e30.e30" ; "four parts")]
    #[test_case("e30=.e30.e30" ; "padding")]
    #[test_case("e30.e30.+/" ; "the other alphabet")]
    #[test_case("W10.e30.e30" ; "a list for a header")]
    #[test_case("e30.e30.e30" ; "no algorithm")]
    fn malformed(token: &str) {
        assert_eq!(Server::new().judge(token), Err(JwtError::Malformed));
    }

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn params(name: &str, is_ca: bool) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        params
    }

    fn certified(issuers: &[&Issuer], roots: &[&Issuer]) -> Result<Claims, JwtError> {
        let chain: Vec<String> = issuers.iter().map(|issuer| to_base64(issuer.der())).collect();
        let algorithm = &lc::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = lc::EcdsaKeyPair::from_pkcs8(algorithm, &issuers[0].key().serialize_der());
        let sign = |message: &[u8]| {
            pair.as_ref().unwrap().sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        };
        let read = |root: &&Issuer| Certificate::from_der(root.der()).unwrap();
        let trusted = TrustedKeys { roots: roots.iter().map(read).collect(), ..Default::default() };
        let expected = Expected { issuer: "issuer", service: "registry", now: now() };
        let judge = |header: &Json| {
            let token = token(&header.to_string(), &claims().to_string(), sign);
            Jwt::parse(&token)?.verify(&trusted, &Algorithm::ALL, expected)
        };
        let direct = judge(&json!({"alg": "ES256", "x5c": chain}));
        let inside = judge(&json!({"alg": "ES256", "jwk": {"kid": "k", "x5c": chain}}));
        assert_eq!(direct, inside);
        direct
    }

    #[test]
    fn certificates_lead_to_a_trusted_one() {
        let key = || KeyPair::generate().unwrap();
        let root = Issuer::self_signed(params("root", true), key()).unwrap();
        let other = Issuer::self_signed(params("root", true), key()).unwrap();
        let middle = Issuer::signed_by(params("middle", true), key(), &root).unwrap();
        let leaf = Issuer::signed_by(params("leaf", false), key(), &middle).unwrap();
        assert!(certified(&[&leaf, &middle], &[&root]).is_ok());
        let no_chain = Err(JwtError::Certificate(KeyError::NoChain));
        assert_eq!(certified(&[&leaf], &[&root]), no_chain);
        assert_eq!(certified(&[&leaf, &middle], &[&other]), no_chain);
        assert_eq!(certified(&[&leaf, &middle, &root], &[]), no_chain);
        // Docker's own way: the one certificate is the bundle.
        let alone = Issuer::self_signed(params("alone", false), key()).unwrap();
        assert!(certified(&[&alone], &[&alone]).is_ok());
        let mut old = params("old", false);
        old.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let old = Issuer::self_signed(old, key()).unwrap();
        let expired = certified(&[&old], &[&old]);
        assert!(matches!(expired, Err(JwtError::Certificate(KeyError::Expired { .. }))));
    }

    #[test]
    fn a_chain_without_end_is_refused() {
        let server = Server::new();
        let header = json!({"alg": "ES256", "x5c": vec!["AAAA"; 9]});
        assert_eq!(server.judge(&server.token(&header, &claims())), Err(JwtError::Malformed));
        let header = json!({"alg": "ES256", "kid": "k", "x5c": []});
        assert_eq!(server.judge(&server.token(&header, &claims())), Err(JwtError::Malformed));
    }

    #[test]
    fn every_algorithm() {
        let random = SystemRandom::new();
        let rsa = lc::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let rsa_sign = |encoding: &'static dyn lc::RsaEncoding, message: &[u8]| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(encoding, &random, message, &mut signature).unwrap();
            signature
        };
        let spki_of = |raw: &[u8], kind| spki(raw, kind);
        let rsa_key = spki_of(lc::KeyPair::public_key(&rsa).as_ref(), "rsa");
        let rsa_encodings: [(&str, &'static dyn lc::RsaEncoding); 6] = [
            ("RS256", &lc::RSA_PKCS1_SHA256),
            ("RS384", &lc::RSA_PKCS1_SHA384),
            ("RS512", &lc::RSA_PKCS1_SHA512),
            ("PS256", &lc::RSA_PSS_SHA256),
            ("PS384", &lc::RSA_PSS_SHA384),
            ("PS512", &lc::RSA_PSS_SHA512),
        ];
        for (name, encoding) in rsa_encodings {
            believed(name, &rsa_key, |message| rsa_sign(encoding, message));
        }
        for (name, algorithm) in [
            ("ES256", &lc::ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", &lc::ECDSA_P384_SHA384_FIXED_SIGNING),
            ("ES512", &lc::ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let pair = lc::EcdsaKeyPair::generate(algorithm).unwrap();
            let key = spki_of(lc::KeyPair::public_key(&pair).as_ref(), name);
            believed(name, &key, |m| pair.sign(&random, m).unwrap().as_ref().to_vec());
        }
        let pair = lc::Ed25519KeyPair::generate().unwrap();
        let key = spki_of(lc::KeyPair::public_key(&pair).as_ref(), "EdDSA");
        believed("EdDSA", &key, |message| pair.sign(message).as_ref().to_vec());
    }

    fn believed(name: &str, spki: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) {
        let key = TokenKey::from_spki(spki).unwrap();
        let kid = key.thumbprints()[0].clone();
        let mut trusted = TrustedKeys::default();
        trusted.keys.insert(kid.clone(), TrustedKey { key, algorithm: None });
        let header = json!({"alg": name, "kid": kid}).to_string();
        let token = token(&header, &claims().to_string(), sign);
        let expected = Expected { issuer: "issuer", service: "registry", now: now() };
        let claims = Jwt::parse(&token).unwrap().verify(&trusted, &Algorithm::ALL, expected);
        assert!(claims.is_ok(), "{name}: {claims:?}");
    }

    /// Writes the `SubjectPublicKeyInfo` of a key.
    fn spki(raw: &[u8], kind: &str) -> Vec<u8> {
        let identifier = match kind {
            "rsa" => "300d06092a864886f70d0101010500",
            "ES256" => "301306072a8648ce3d020106082a8648ce3d030107",
            "ES384" => "301006072a8648ce3d020106052b81040022",
            "ES512" => "301006072a8648ce3d020106052b81040023",
            _ => "300506032b6570",
        };
        let length = |count: usize| match count {
            ..128 => vec![u8::try_from(count).unwrap()],
            128..256 => vec![0x81, u8::try_from(count).unwrap()],
            _ => [&[0x82][..], &u16::try_from(count).unwrap().to_be_bytes()].concat(),
        };
        let bits = [&[3][..], &length(raw.len() + 1), &[0], raw].concat();
        let body = [crate::codec::text::from_hex(identifier).unwrap(), bits].concat();
        [&[0x30][..], &length(body.len()), &body].concat()
    }
}
