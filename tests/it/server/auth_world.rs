//! Servers that ask who is there, and people who ask them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use trust::clock::SystemClock;
use trust::server::auth::accounts::{Account, AccountKind, Accounts};
use trust::server::auth::password_hash::PasswordHash;
use trust::server::auth::{
    AccountsOptions, Auth, Grant, HtpasswdOptions, Kind, Options, TokenServerOptions,
    generate_signing_key,
};
use trust::wire::auth::{BearerChallenge, Challenge};

use super::harness::{Answer, TestServer};

/// The name that servers go by in GUNs.
pub(crate) const HOST: &str = "registry.test";
/// What servers are called in tokens.
pub(crate) const SERVICE: &str = "the registry";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// A server with options, its clock the machine's.
pub(crate) fn server_with(kind: Kind) -> TestServer {
    let options = Options { kind, proxies: Vec::new() };
    let auth = Auth::new(options, Arc::new(SystemClock)).unwrap();
    TestServer::with(|server| server.auth = auth)
}

/// A cheap hash of [`PASSWORD`].
pub(crate) fn hash() -> String {
    bcrypt::hash(PASSWORD, 4).unwrap()
}

/// An htpasswd file of these users.
pub(crate) fn htpasswd(users: &[&str], grants: Option<&[(&str, &[&str])]>) -> Kind {
    let lines: Vec<String> = users.iter().map(|user| format!("{user}:{}\n", hash())).collect();
    let grants = grants.map(|all| {
        let read = |texts: &[&str]| texts.iter().map(|text| Grant::parse(text).unwrap()).collect();
        all.iter().map(|(user, texts)| ((*user).to_owned(), read(texts))).collect()
    });
    Kind::Htpasswd(HtpasswdOptions {
        realm: "here".to_owned(),
        file: lines.concat().into_bytes(),
        grants,
        hosts: vec![HOST.to_owned()],
    })
}

/// Accounts of users with grants; `robot` among them is one, and `gone` has ended.
pub(crate) fn accounts(anonymous: &[&str], users: &[(&str, &[&str])]) -> Accounts {
    let read =
        |texts: &[&str]| texts.iter().map(|text| Grant::parse(text).unwrap()).collect::<Vec<_>>();
    let account = |name: &str, texts: &[&str]| Account {
        kind: if name == "robot" { AccountKind::Robot } else { AccountKind::User },
        password: PasswordHash::parse(&hash()).unwrap(),
        generation: 0,
        expires: (name == "gone").then(|| "2020-01-01T00:00:00Z".parse().unwrap()),
        grants: read(texts),
    };
    let accounts: BTreeMap<String, Account> =
        users.iter().map(|(name, texts)| ((*name).to_owned(), account(name, texts))).collect();
    Accounts { anonymous: read(anonymous), accounts }
}

/// A token service for accounts, with a key of its own.
pub(crate) fn token_service(accounts: &Accounts) -> Kind {
    token_service_with_key(accounts, &generate_signing_key().unwrap())
}

/// A token service for accounts.
pub(crate) fn token_service_with_key(accounts: &Accounts, key: &[u8]) -> Kind {
    Kind::Accounts(AccountsOptions {
        file: accounts.to_yaml().unwrap().into_bytes(),
        signing_key: key.to_vec().into(),
        service: SERVICE.to_owned(),
        realm: None,
        hosts: vec![HOST.to_owned()],
    })
}

/// Somebody else's token server: who signs its tokens.
pub(crate) struct Issuer {
    key: trust::crypto::PrivateKey,
}

impl Issuer {
    /// Makes its key.
    pub(crate) fn new() -> Self {
        Self { key: trust::crypto::PrivateKey::generate_ed25519().unwrap() }
    }

    /// What a server is told about it.
    pub(crate) fn kind(&self) -> Kind {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().public());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
        Kind::TokenServer(TokenServerOptions {
            realm: "https://auth.test/token".to_owned(),
            redirect_here: None,
            service: SERVICE.to_owned(),
            issuer: "auth.test".to_owned(),
            root_certificates: None,
            key_set: Some(keys.to_string().into_bytes()),
            algorithms: Vec::new(),
        })
    }

    /// A good token that allows this, such as `repository:a:pull`.
    pub(crate) fn token(&self, scopes: &[&str]) -> String {
        let access: Vec<Value> = scopes.iter().map(|scope| access(scope)).collect();
        self.sign(&Self::header(), &Self::claims(&access))
    }

    /// The header of a good token.
    pub(crate) fn header() -> Value {
        json!({"typ": "JWT", "alg": "EdDSA", "kid": "k"})
    }

    /// The claims of a good token.
    pub(crate) fn claims(access: &[Value]) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": "auth.test", "sub": "ann", "aud": SERVICE, "exp": now + 300, "nbf": now,
            "access": access,
        })
    }

    /// Signs whatever it is given.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let (_, signature) = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A scope as a token allows it.
pub(crate) fn access(scope: &str) -> Value {
    let (kind, rest) = scope.split_once(':').unwrap();
    let (name, actions) = rest.rsplit_once(':').unwrap();
    json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()})
}

/// The header for a name and a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What a 401 asks for.
pub(crate) fn challenge(answer: &Answer) -> BearerChallenge {
    let header = answer.header("www-authenticate").expect("a challenge");
    match Challenge::parse_all([header]).as_slice() {
        [Challenge::Bearer(challenge)] => challenge.clone(),
        other => panic!("{header}: {other:?}"),
    }
}

/// Asks the token service for a token; `who` is nobody if it is empty.
pub(crate) fn fetch_token(server: &TestServer, who: &str, scope: Option<&str>) -> Answer {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("service", SERVICE);
    if let Some(scope) = scope {
        query.append_pair("scope", scope);
    }
    let path = format!("/_trust/token?{}", query.finish());
    let login = basic(who, PASSWORD);
    let headers = [("authorization", login.as_str())];
    server.ask("GET", &path, if who.is_empty() { &[] } else { &headers }, "")
}

/// Asks as docker does: without anything, then with a token for what the challenge names.
pub(crate) fn ask_with_token(server: &TestServer, who: &str, method: &str, path: &str) -> Answer {
    let answer = server.ask(method, path, &[], "");
    if answer.status != 401 {
        return answer;
    }
    let wanted = challenge(&answer);
    let token = fetch_token(server, who, wanted.scope.as_deref());
    assert_eq!(token.status, 200, "{}", token.text());
    let token = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    server.ask(method, path, &[("authorization", &token)], "")
}

/// Sends a request with a token.
pub(crate) fn ask_bearing(server: &TestServer, token: &str, method: &str, path: &str) -> Answer {
    server.ask(method, path, &[("authorization", &format!("Bearer {token}"))], "")
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer(..)")
    }
}
