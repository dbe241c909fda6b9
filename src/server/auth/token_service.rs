//! The token service of this server (spec/server-accounts.md): gives out short-lived tokens for
//! accounts, in docker's token protocol, and knows its own tokens when they come back.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, CACHE_CONTROL};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::codec::pem::Pem;
use crate::crypto::{KeyType, Passphrase, PrivateKey};
use crate::limits::{
    MAX_TOKEN_FORM_BYTES, MAX_TOKEN_SCOPES, REFRESH_TOKEN_DAYS, TOKEN_LIFETIME_SECONDS,
};
use crate::server::Refusal;
use crate::server::auth::AuthError;
use crate::server::auth::accounts::{Account, Accounts};
use crate::server::auth::caller::{Action, Caller, Need, Scope, repository_of};
use crate::server::auth::challenge::{Realm, TokenFault, bearer, busy, denied, later, login};
use crate::server::auth::credentials::{Login, Shown};
use crate::server::auth::jwt::{Claims, Expected, Jwt, JwtError, TrustedKey, TrustedKeys};
use crate::server::auth::key::{Algorithm, Curve, TokenKey};
use crate::server::auth::options::AccountsOptions;
use crate::server::auth::passwords::{Decoys, Passwords, Verdict};
use crate::server::auth::scope::{
    CATALOG, REGISTRY, REPOSITORY, Requested, allowed, allows_catalog, satisfies,
};
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::router::TOKEN_PATH;

/// Accounts, and the key that signs their tokens.
#[derive(Debug)]
pub(super) struct TokenService {
    accounts: Accounts,
    decoys: Decoys,
    hosts: Arc<[String]>,
    service: String,
    /// Whom refresh tokens are for: never the same as whom tokens are for.
    refresh_audience: String,
    realm: Realm,
    key: PrivateKey,
    algorithm: Algorithm,
    key_name: String,
    trusted: TrustedKeys,
}

/// A question to the token service.
struct Question {
    shown: Credentials,
    scopes: Vec<String>,
    service: Option<String>,
    /// Whether a refresh token is wanted.
    offline: bool,
}

/// What was shown to the token service.
enum Credentials {
    Nothing,
    Password(Login),
    Refresh(Passphrase),
}

/// Whom tokens are given to.
struct Holder<'a> {
    name: &'a str,
    /// `None` for whoever does not log in.
    account: Option<&'a Account>,
}

/// Makes a key that signs tokens: Ed25519, PKCS#8 in PEM.
pub fn generate_signing_key() -> Result<Zeroizing<Vec<u8>>, AuthError> {
    let key = PrivateKey::generate_ed25519().and_then(|key| key.to_pkcs8());
    let der = key.map_err(|error| AuthError::SigningKey(Some(error)))?;
    Ok(Pem::new("PRIVATE KEY", der.to_vec()).encode())
}

impl TokenService {
    pub(super) fn new(options: AccountsOptions) -> Result<Self, AuthError> {
        let accounts = Accounts::parse(&options.file)?;
        let hashes = accounts.accounts.values().map(|account| account.password.clone());
        let decoys = Decoys::new(hashes.collect())?;
        let blocks = Pem::parse_all(&options.signing_key).map_err(AuthError::SigningPem)?;
        let block = blocks.iter().find(|block| block.label == "PRIVATE KEY");
        let der = &block.ok_or(AuthError::SigningKey(None))?.contents;
        let key =
            PrivateKey::from_pkcs8(der).map_err(|error| AuthError::SigningKey(Some(error)))?;
        let (public, algorithm) = verifying_key(&key).ok_or(AuthError::SigningKey(None))?;
        let key_name = public.thumbprints().into_iter().next().unwrap_or_default();
        let mut trusted = TrustedKeys::default();
        let entry = TrustedKey { key: public, algorithm: Some(algorithm) };
        trusted.keys.insert(key_name.clone(), entry);
        Ok(Self {
            accounts,
            decoys,
            hosts: options.hosts.into(),
            refresh_audience: format!("refresh:{}", options.service),
            service: options.service,
            realm: options.realm.map_or_else(|| Realm::Here(TOKEN_PATH.to_owned()), Realm::At),
            key,
            algorithm,
            key_name,
            trusted,
        })
    }

    pub(super) async fn authorize(
        &self,
        passwords: &Passwords,
        shown: &Shown,
        asked: Asked<'_>,
        need: &Need,
    ) -> Result<Caller, Refusal> {
        let challenge = |fault| {
            let realm = self.realm.address(asked.base, asked.headers);
            bearer(&realm, &self.service, need, fault)
        };
        match shown {
            Shown::Nothing | Shown::Malformed => {
                let nobody = Holder { name: "", account: None };
                let caller = self.caller(&nobody);
                let enough = match need.scope {
                    Scope::Repository(_) => satisfies(&caller, need),
                    Scope::Search => !self.accounts.anonymous.is_empty(),
                    // Whoever has a login must be asked for it: clients show none before.
                    Scope::Catalog | Scope::Base => false,
                };
                if enough { Ok(caller) } else { Err(challenge(None)) }
            }
            Shown::Basic(login) => match self.log_in(passwords, login, asked).await? {
                Some(holder) => {
                    let caller = self.caller(&holder);
                    if satisfies(&caller, need) { Ok(caller) } else { Err(denied(need)) }
                }
                None => Err(challenge(None)),
            },
            Shown::Bearer(token) => {
                let (holder, claims) = self.believe(token, asked.now).map_err(|error| {
                    tracing::debug!(error = &error as &dyn std::error::Error, "token refused");
                    challenge(Some(TokenFault::Invalid))
                })?;
                let caller = self.caller(&holder);
                let caller = match &need.scope {
                    Scope::Catalog | Scope::Search => {
                        allows_catalog(&claims.access).then_some(caller)
                    }
                    Scope::Repository(_) | Scope::Base => {
                        let caller = caller.bounded_by(allowed(&claims.access));
                        satisfies(&caller, need).then_some(caller)
                    }
                };
                caller.ok_or_else(|| challenge(Some(TokenFault::TooLittle)))
            }
        }
    }

    /// Answers a question for a token: GET with a login in the header, or a form (docker's token
    /// authentication, and its OAuth 2 form).
    pub(super) async fn issue(
        &self,
        passwords: &Passwords,
        exchange: &mut Exchange,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Response, Refusal> {
        let question = Question::read(exchange).await?;
        if question.service.as_ref().is_some_and(|service| *service != self.service) {
            let message = "this is the token service of another service";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message));
        }
        let asked = Asked { headers: &exchange.headers, base: &exchange.base, peer, now };
        let holder = self.asker(passwords, &question.shown, asked).await?;
        let access = self.grant(&holder, &question.scopes)?;
        let scope: Vec<String> = access.iter().map(scope_text).collect();
        let token = self.sign(&self.token_claims(&holder, access, now), ACCESS_TYPE)?;
        let mut answer = json!({
            "token": token.as_str(),
            "access_token": token.as_str(),
            "expires_in": TOKEN_LIFETIME_SECONDS,
            "issued_at": whole_second(now),
            "scope": scope.join(" "),
        });
        if let (true, Some(account)) = (question.offline, holder.account) {
            let claims = self.refresh_claims(holder.name, account, now);
            let refresh = self.sign(&claims, REFRESH_TYPE)?;
            if let Some(members) = answer.as_object_mut() {
                members.insert("refresh_token".to_owned(), Value::String(refresh.to_string()));
            }
        }
        let mut response = json_answer(StatusCode::OK, &answer);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Who asks the token service.
    async fn asker(
        &self,
        passwords: &Passwords,
        shown: &Credentials,
        asked: Asked<'_>,
    ) -> Result<Holder<'_>, Refusal> {
        let refused = || login(&self.service);
        match shown {
            Credentials::Nothing => Ok(Holder { name: "", account: None }),
            Credentials::Password(shown) => {
                let holder = self.log_in(passwords, shown, asked).await?;
                holder.ok_or_else(refused)
            }
            Credentials::Refresh(token) => self.refreshed(token, asked.now).map_err(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "refresh token refused");
                refused()
            }),
        }
    }

    /// Whose login it is; `None` if it is nobody's.
    async fn log_in<'a>(
        &'a self,
        passwords: &Passwords,
        login: &Login,
        asked: Asked<'_>,
    ) -> Result<Option<Holder<'a>>, Refusal> {
        let known = self.accounts.accounts.get(&login.user).map(|account| &account.password);
        let against = self.decoys.against(known, &login.user);
        match passwords.check(against, login, asked.peer).await {
            Verdict::Right => Ok(self.holder(&login.user, asked.now)),
            Verdict::Wrong => Ok(None),
            Verdict::Later(wait) => Err(later(wait)),
            Verdict::Busy => Err(busy()),
        }
    }

    fn holder(&self, name: &str, now: Timestamp) -> Option<Holder<'_>> {
        let (name, account) = self.accounts.accounts.get_key_value(name)?;
        (!account.is_over(now)).then_some(Holder { name, account: Some(account) })
    }

    fn caller(&self, holder: &Holder<'_>) -> Caller {
        let (name, grants) = match holder.account {
            Some(account) => (Some(holder.name.to_owned()), &account.grants),
            None => (None, &self.accounts.anonymous),
        };
        Caller::granted_at(name, grants.clone(), Arc::clone(&self.hosts))
    }

    /// Believes a token of ours, for an account that still is as it was.
    fn believe(
        &self,
        token: &Passphrase,
        now: Timestamp,
    ) -> Result<(Holder<'_>, Claims), JwtError> {
        let claims = self.verify(token, ACCESS_TYPE, &self.service, now)?;
        if claims.subject.is_empty() {
            return Ok((Holder { name: "", account: None }, claims));
        }
        Ok((self.unchanged(&claims, now)?, claims))
    }

    fn refreshed(&self, token: &Passphrase, now: Timestamp) -> Result<Holder<'_>, JwtError> {
        let claims = self.verify(token, REFRESH_TYPE, &self.refresh_audience, now)?;
        self.unchanged(&claims, now)
    }

    fn verify(
        &self,
        token: &Passphrase,
        kind: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Claims, JwtError> {
        let jwt = Jwt::parse(token.expose())?;
        if jwt.kind() != Some(kind) {
            return Err(JwtError::Audience);
        }
        let expected = Expected { issuer: ISSUER, service: audience, now };
        jwt.verify(&self.trusted, &[self.algorithm], expected)
    }

    fn unchanged(&self, claims: &Claims, now: Timestamp) -> Result<Holder<'_>, JwtError> {
        let holder = self.holder(&claims.subject, now).ok_or(JwtError::Revoked)?;
        let generation = holder.account.map(|account| account.generation);
        if generation == claims.generation { Ok(holder) } else { Err(JwtError::Revoked) }
    }

    /// What somebody gets of what they ask for, as access entries.
    fn grant(&self, holder: &Holder<'_>, scopes: &[String]) -> Result<Vec<Value>, Refusal> {
        let malformed = || {
            let message = "a scope is TYPE:NAME:ACTION,…";
            Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
        };
        if scopes.len() > MAX_TOKEN_SCOPES {
            let message = format!("more than {MAX_TOKEN_SCOPES} scopes");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message));
        }
        let caller = self.caller(holder);
        let lists = holder.account.is_some() || !self.accounts.anonymous.is_empty();
        let mut access = Vec::new();
        for scope in scopes {
            let requested = Requested::parse(scope).ok_or_else(malformed)?;
            let actions = match requested.kind {
                REPOSITORY => self.granted_actions(&caller, &requested),
                REGISTRY if requested.name == CATALOG && lists => vec!["*"],
                _ => Vec::new(),
            };
            access.push(json!({
                "type": requested.kind, "name": requested.name, "actions": actions,
            }));
        }
        Ok(access)
    }

    fn granted_actions(&self, caller: &Caller, requested: &Requested<'_>) -> Vec<&'static str> {
        let may = |action| caller.may(action, requested.name);
        let is_gun = repository_of(requested.name, &self.hosts).is_some();
        let wants =
            |word: &str| requested.actions.contains(&word) || requested.actions.contains(&"*");
        if requested.actions.contains(&"*") && may(Action::Admin) {
            return vec!["*"];
        }
        let push = if is_gun { may(Action::Sign) } else { may(Action::Push) || may(Action::Sign) };
        let all = [("pull", may(Action::Pull)), ("push", push), ("delete", may(Action::Delete))];
        all.into_iter().filter(|(word, may)| *may && wants(word)).map(|(word, _)| word).collect()
    }

    fn token_claims(&self, holder: &Holder<'_>, access: Vec<Value>, now: Timestamp) -> Value {
        let second = now.as_second();
        json!({
            "iss": ISSUER,
            "sub": holder.name,
            "aud": self.service,
            "exp": second.saturating_add(TOKEN_LIFETIME_SECONDS),
            "nbf": second,
            "iat": second,
            "jti": uuid::Uuid::new_v4().to_string(),
            "gen": holder.account.map_or(0, |account| account.generation),
            "access": access,
        })
    }

    fn refresh_claims(&self, name: &str, account: &Account, now: Timestamp) -> Value {
        let second = now.as_second();
        let last = now.saturating_add(SignedDuration::from_hours(24 * REFRESH_TOKEN_DAYS));
        let last = last.unwrap_or(now);
        let end = account.expires.map_or(last, |end| end.min(last));
        json!({
            "iss": ISSUER,
            "sub": name,
            "aud": self.refresh_audience,
            "exp": end.as_second(),
            "iat": second,
            "jti": uuid::Uuid::new_v4().to_string(),
            "gen": account.generation,
        })
    }

    fn sign(&self, claims: &Value, kind: &str) -> Result<Zeroizing<String>, Refusal> {
        let header = json!({"typ": kind, "alg": self.algorithm.name(), "kid": self.key_name});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(signed.as_bytes());
        let (_, signature) = signature.map_err(|error| Refusal::internal(&error))?;
        Ok(Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// Where a question comes from, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The headers.
    pub(super) headers: &'a HeaderMap,
    /// How the client sees this server.
    pub(super) base: &'a str,
    /// From where.
    pub(super) peer: IpAddr,
    /// When.
    pub(super) now: Timestamp,
}

impl Question {
    async fn read(exchange: &mut Exchange) -> Result<Self, Refusal> {
        match exchange.method {
            Method::GET | Method::HEAD => Self::from_query(exchange),
            Method::POST => Self::from_form(&exchange.bytes(MAX_TOKEN_FORM_BYTES).await?),
            _ => Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "tokens are asked for with GET and POST",
            )),
        }
    }

    fn from_query(exchange: &Exchange) -> Result<Self, Refusal> {
        let shown = match Shown::read(&exchange.headers) {
            Shown::Basic(login) => Credentials::Password(login),
            Shown::Nothing if !exchange.headers.contains_key(AUTHORIZATION) => Credentials::Nothing,
            _ => {
                let message = "the token service is shown a name and a password";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message));
            }
        };
        Ok(Self {
            shown,
            scopes: scopes(&exchange.parameters("scope")),
            service: exchange.parameter("service"),
            offline: exchange.parameter("offline_token").as_deref() == Some("true"),
        })
    }

    fn from_form(form: &[u8]) -> Result<Self, Refusal> {
        let mut shown = [const { None::<Zeroizing<String>> }; 4];
        let [kind, user, password, refresh] = &mut shown;
        let (mut texts, mut service, mut offline) = (Vec::new(), None, false);
        for (name, value) in url::form_urlencoded::parse(form) {
            let slot = match name.as_ref() {
                "grant_type" => &mut *kind,
                "username" => &mut *user,
                "password" => &mut *password,
                "refresh_token" => &mut *refresh,
                other => {
                    match other {
                        "scope" => texts.push(value.into_owned()),
                        "service" => service = Some(value.into_owned()),
                        "access_type" => offline = value == "offline",
                        _ => {}
                    }
                    continue;
                }
            };
            *slot = Some(Zeroizing::new(value.into_owned()));
        }
        let given = |text: &mut Option<Zeroizing<String>>| {
            text.take().map(|text| Passphrase::new(text.to_string()))
        };
        let kind = kind.as_ref().map_or("", |kind| kind.as_str());
        let shown = match (kind, user.take(), given(password), given(refresh)) {
            ("password", Some(user), Some(password), _) => {
                Credentials::Password(Login { user: user.to_string(), password })
            }
            ("refresh_token", _, _, Some(token)) => Credentials::Refresh(token),
            _ => {
                let message = "the form has no grant_type of password or refresh_token, \
                               or not what belongs to it";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message));
            }
        };
        Ok(Self { shown, scopes: scopes(&texts), service, offline })
    }
}

/// Scopes: several parameters, or several in one with spaces between.
fn scopes(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect()
}

/// An access entry as a scope.
fn scope_text(access: &Value) -> String {
    let text = |name: &str| access.get(name).and_then(Value::as_str).unwrap_or_default();
    let actions = access.get("actions").and_then(Value::as_array);
    let actions: Vec<&str> = actions.into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{}:{}:{}", text("type"), text("name"), actions.join(","))
}

fn verifying_key(key: &PrivateKey) -> Option<(TokenKey, Algorithm)> {
    let public = key.public_key();
    if *public.key_type() == KeyType::Ed25519 {
        return Some((TokenKey::from_ed25519(public.public()), Algorithm::EdDsa));
    }
    let key = TokenKey::from_spki(public.public())?;
    match key {
        TokenKey::Ec { curve: Curve::P256, .. } => Some((key, Algorithm::Es256)),
        _ => None,
    }
}

fn whole_second(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// What this server calls itself in its tokens.
const ISSUER: &str = "trust serve";
/// The `typ` of tokens.
const ACCESS_TYPE: &str = "JWT";
/// The `typ` of refresh tokens.
const REFRESH_TYPE: &str = "refresh+jwt";
