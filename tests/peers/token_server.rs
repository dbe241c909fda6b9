//! A token server as registries and notary servers send their users to.
//!
//! Tokens are RS256 JWTs whose `x5c` header carries the certificate both servers are told to
//! believe (`rootcertbundle`).

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    Certificate, CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::Authority;

const SERVICE: &str = "peers";
const ISSUER: &str = "peers token server";
/// How long a token is good for; longer than any test runs.
const LIFETIME_SECONDS: u64 = 3600;
/// More than any client sends here.
const MAX_REQUEST_BYTES: usize = 1 << 16;

/// A user, and what that user may do where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// The name; empty for whoever shows no credentials.
    pub(crate) name: String,
    /// The password.
    pub(crate) password: String,
    /// Resource and actions. A resource is `*`, `catalog`, or a repository's name, which covers
    /// `host/name` too, as trust servers know the same repository by its full name.
    pub(crate) grants: Vec<(String, Vec<String>)>,
}

impl Account {
    /// Returns a user with these `grants`.
    pub(crate) fn new(name: &str, password: &str, grants: &[(&str, &[&str])]) -> Self {
        let owned = |(resource, actions): &(&str, &[&str])| {
            ((*resource).to_owned(), actions.iter().map(|&action| action.to_owned()).collect())
        };
        let grants = grants.iter().map(owned).collect();
        Self { name: name.to_owned(), password: password.to_owned(), grants }
    }
}

/// How a [`TokenServer`] is set up.
#[derive(Debug, Default)]
pub(crate) struct TokenOptions<'a> {
    /// Everybody it knows.
    pub(crate) accounts: Vec<Account>,
    /// Serves HTTPS with a certificate of this authority.
    pub(crate) tls: Option<&'a Authority>,
    /// Hands out refresh tokens to whoever asks for one (`offline_token=true`).
    pub(crate) refresh_tokens: bool,
}

/// One request the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRequest {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// Who asked; empty for nobody in particular.
    pub(crate) user: String,
    /// The scopes asked for.
    pub(crate) scopes: Vec<String>,
    /// The status of the answer.
    pub(crate) status: u16,
}

/// A running token server: one thread of the test.
#[derive(Debug)]
pub(crate) struct TokenServer {
    port: u16,
    scheme: &'static str,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    folder: TempDir,
}

#[derive(Debug)]
struct State {
    accounts: Vec<Account>,
    refresh_tokens: bool,
    key: KeyPair,
    certificate: Certificate,
    requests: Mutex<Vec<TokenRequest>>,
    closing: AtomicBool,
}

impl TokenServer {
    /// Starts the server.
    pub(crate) fn start(options: TokenOptions<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, ISSUER);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("bundle.pem"), certificate.pem()).unwrap();
        let tls =
            options.tls.map(|authority| authority.server_config(folder.path(), "token-server"));
        let state = Arc::new(State {
            accounts: options.accounts,
            refresh_tokens: options.refresh_tokens,
            key,
            certificate,
            requests: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve(&listener, tls.as_ref(), &shared));
        Self { port, scheme, state, thread: Some(thread), folder }
    }

    /// Returns the address challenges name.
    pub(crate) fn realm(&self) -> String {
        format!("{}://localhost:{}/token", self.scheme, self.port)
    }

    /// Returns the service tokens are for; one name for all servers.
    #[expect(clippy::unused_self, reason = "servers are told what this one says")]
    pub(crate) fn service(&self) -> &'static str {
        SERVICE
    }

    /// Returns the issuer tokens name.
    #[expect(clippy::unused_self, reason = "servers are told what this one says")]
    pub(crate) fn issuer(&self) -> &'static str {
        ISSUER
    }

    /// Returns the file of the certificate tokens are signed with.
    pub(crate) fn bundle_pem(&self) -> PathBuf {
        self.folder.path().join("bundle.pem")
    }

    /// Returns every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<TokenRequest> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Returns what makes tokens for the harness itself.
    pub(crate) fn mint(&self) -> Mint {
        Mint { state: Arc::clone(&self.state) }
    }
}

/// Makes tokens without being asked over the network, and without counting them.
#[derive(Debug, Clone)]
pub(crate) struct Mint {
    state: Arc<State>,
}

impl Mint {
    /// Returns a token for everything that can be done to one repository.
    pub(crate) fn token(&self, repository: &str) -> String {
        let actions = ["pull", "push", "delete", "*"];
        let access = json!({"type": "repository", "name": repository, "actions": actions});
        self.state.sign("harness", &[access])
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the thread from its wait for a connection.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

impl State {
    fn answer(&self, request: &Incoming) -> (u16, Value) {
        let user = match self.user(request) {
            Ok(user) => user,
            Err(status) => return (status, json!({"details": "incorrect username or password"})),
        };
        let account = self.accounts.iter().find(|account| account.name == user);
        let access: Vec<Value> =
            request.scopes().iter().filter_map(|scope| grant(account, scope)).collect();
        let token = self.sign(&user, &access);
        let mut answer = json!({
            "token": token, "access_token": token, "expires_in": LIFETIME_SECONDS,
        });
        if self.refresh_tokens && request.asks_refresh_token() && !user.is_empty() {
            answer["refresh_token"] = Value::String(refresh_token(&user));
        }
        (200, answer)
    }

    /// Returns who asks: by Basic credentials, by password grant or by refresh token.
    fn user(&self, request: &Incoming) -> Result<String, u16> {
        if let Some(shown) = request.field("refresh_token") {
            let known = self.accounts.iter().find(|account| refresh_token(&account.name) == shown);
            return known.map(|account| account.name.clone()).ok_or(401);
        }
        let shown = match (request.field("username"), request.field("password")) {
            (Some(name), Some(password)) => Some((name, password)),
            _ => request.basic(),
        };
        let Some((name, password)) = shown else { return Ok(String::new()) };
        let fits = |account: &&Account| account.name == name && account.password == password;
        self.accounts.iter().find(fits).map(|account| account.name.clone()).ok_or(401)
    }

    fn sign(&self, subject: &str, access: &[Value]) -> String {
        let chain = [STANDARD.encode(self.certificate.der())];
        let header = json!({"typ": "JWT", "alg": "RS256", "x5c": chain});
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": ISSUER, "sub": subject, "aud": SERVICE, "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now - 60, "nbf": now - 60, "exp": now + LIFETIME_SECONDS, "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Returns what `account` gets of `scope`, which is `type:name:action,action`.
fn grant(account: Option<&Account>, scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    // A name may hold a colon of its own: localhost:5000/app.
    let (name, actions) = rest.rsplit_once(':')?;
    let covers = |resource: &str| {
        resource == "*" || resource == name || name.ends_with(&format!("/{resource}"))
    };
    let granted: Vec<&str> = actions
        .split(',')
        .filter(|action| {
            account.into_iter().flat_map(|account| &account.grants).any(|(resource, allowed)| {
                covers(resource) && allowed.iter().any(|known| known == action)
            })
        })
        .collect();
    Some(json!({"type": kind, "name": name, "actions": granted}))
}

fn refresh_token(user: &str) -> String {
    format!("refresh-{user}")
}

fn serve(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, state: &State) {
    for stream in listener.incoming().flatten() {
        if state.closing.load(Ordering::SeqCst) {
            return;
        }
        // One client that hangs must not stop the others for long.
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        match tls {
            None => handle(stream, state),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                handle(StreamOwned::new(session, stream), state);
            }
        }
    }
}

fn handle(mut stream: impl Read + Write, state: &State) {
    let Some(request) = Incoming::read(&mut stream) else { return };
    let (status, body) = state.answer(&request);
    let record = TokenRequest {
        method: request.method.clone(),
        user: state.user(&request).unwrap_or_default(),
        scopes: request.scopes(),
        status,
    };
    state.requests.lock().unwrap().push(record);
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} answer\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // A client that has gone away is none of this server's business.
    stream.write_all((head + &body).as_bytes()).and_then(|()| stream.flush()).ok();
}

/// A request as received: the fields are those of the query, or of the form when there is one.
struct Incoming {
    method: String,
    head: String,
    fields: Vec<(String, String)>,
}

impl Incoming {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
            bytes.extend_from_slice(&chunk[..count]);
            if let Some(request) = Self::parse(&bytes) {
                return Some(request);
            }
            if bytes.len() > MAX_REQUEST_BYTES {
                return None;
            }
        }
    }

    /// Returns the request once all of it is there.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let length = header(head, "content-length").map_or(0, |text| text.parse().unwrap_or(0));
        if body.len() < length {
            return None;
        }
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let fields = url::form_urlencoded::parse(if length > 0 { body } else { query }.as_bytes());
        Some(Self { method, head: head.to_owned(), fields: fields.into_owned().collect() })
    }

    fn field(&self, name: &str) -> Option<String> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn scopes(&self) -> Vec<String> {
        let all = self.fields.iter().filter(|(name, _)| name == "scope");
        all.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned)).collect()
    }

    fn asks_refresh_token(&self) -> bool {
        self.field("offline_token").as_deref() == Some("true")
            || self.field("access_type").as_deref() == Some("offline")
    }

    fn basic(&self) -> Option<(String, String)> {
        let shown = header(&self.head, "authorization")?;
        let decoded = STANDARD.decode(shown.strip_prefix("Basic ")?).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (name, password) = text.split_once(':')?;
        Some((name.to_owned(), password.to_owned()))
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}
