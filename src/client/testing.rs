//! A scripted server on loopback, honest or not, and what tests of the clients share.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use crate::client::{CredentialSource, HttpClient, HttpOptions, Login, RegistryClient};
use crate::crypto::Passphrase;
use crate::oci::Reference;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// What the server does.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An honest answer with a Content-Length.
    Full { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Exactly these bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then the same piece again and again until the client leaves.
    Endless { head: Vec<u8>, piece: Vec<u8>, every: Duration },
    /// Nothing until the client leaves.
    Silence,
}

pub(crate) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Full { status, headers: Vec::new(), body: body.into() }
}

impl Reply {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }
}

type Script = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

/// A server that answers by a script until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(script))
    }

    pub(crate) fn start_tls(
        tls: ServerConfig,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(Arc::new(tls)), Arc::new(script))
    }

    fn run(tls: Option<Arc<ServerConfig>>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (state, script, tls) = (Arc::clone(&shared), Arc::clone(&script), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &state, &script),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(connection, stream), &state, &script);
                    }
                });
            }
        });
        Self { address, scheme, state }
    }

    /// The server's address with a path.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}://{}{path}", self.scheme, self.address)).unwrap()
    }

    /// The same server under another loopback name.
    pub(crate) fn alias(&self, path: &str) -> Url {
        Url::parse(&format!("{}://localhost:{}{path}", self.scheme, self.address.port())).unwrap()
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Method and path of every request, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: impl Read + Write, state: &State, script: &Script) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = receive(&mut stream) {
        let reply = script(&request);
        state.requests.lock().unwrap().push(request.clone());
        let stream = stream.get_mut();
        match reply {
            Reply::Full { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
                }
                head.push_str("\r\n");
                let body = if request.method == "HEAD" { &[][..] } else { &body };
                if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                drop(stream.write_all(&bytes));
                return;
            }
            Reply::Endless { head, piece, every } => {
                let mut sent = stream.write_all(&head);
                while sent.is_ok() {
                    thread::park_timeout(every);
                    sent = stream.write_all(&piece).and_then(|()| stream.flush());
                }
                return;
            }
            Reply::Silence => {
                let mut rest = [0];
                while matches!(stream.read(&mut rest), Ok(1..)) {}
                return;
            }
        }
    }
}

fn receive(stream: &mut impl BufRead) -> Option<Received> {
    let mut line = || {
        let mut text = String::new();
        stream.read_line(&mut text).ok().filter(|length| *length > 0)?;
        Some(text.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let text = line()?;
        let Some((name, value)) = text.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Received { method, target, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// An authority that signs certificates for 127.0.0.1 and localhost.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    pub(crate) fn issue(&self) -> Pair {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = names().signed_by(&key, &self.issuer).unwrap();
        Pair::new(&certificate, &key)
    }

    /// A server's configuration that demands a certificate of this authority.
    pub(crate) fn demanding(&self, pair: &Pair) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .unwrap();
        builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![pair.certificate.clone()], pair.key())
            .unwrap()
    }
}

impl Pair {
    fn new(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> Self {
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// A certificate that signed itself and is marked as an authority, as `openssl req -x509` makes.
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self::new(&parameters.self_signed(&key).unwrap(), &key)
    }

    pub(crate) fn server(&self) -> ServerConfig {
        builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key())
            .unwrap()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

fn names() -> rcgen::CertificateParams {
    rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap()
}

/// A login that counts how often it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    login: Option<Login>,
    asked: AtomicUsize,
}

impl Logins {
    pub(crate) fn none() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn basic() -> Arc<Self> {
        let password = Passphrase::new("secret".to_owned());
        Self::of(Login::Basic { username: "me".to_owned(), password })
    }

    pub(crate) fn identity() -> Arc<Self> {
        let token = Passphrase::new("identity&token".to_owned());
        Self::of(Login::IdentityToken { username: "me".to_owned(), token })
    }

    pub(crate) fn of(login: Login) -> Arc<Self> {
        Arc::new(Self { login: Some(login), asked: AtomicUsize::new(0) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl CredentialSource for Logins {
    fn login(&self) -> Result<Option<Login>, Box<dyn std::error::Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.login.clone())
    }
}

/// `me:secret` as an Authorization header.
pub(crate) const BASIC: &str = "Basic bWU6c2VjcmV0";

/// Options whose waits are short enough for tests.
pub(crate) fn impatient() -> HttpOptions {
    HttpOptions {
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_millis(200),
        total_timeout: Duration::from_secs(20),
        retry_wait: Duration::from_millis(1),
        ..HttpOptions::default()
    }
}

/// Options that wait long enough on a busy machine.
pub(crate) fn patient() -> HttpOptions {
    HttpOptions { retry_wait: Duration::from_millis(1), ..HttpOptions::default() }
}

/// A client of a scripted registry, without a login.
pub(crate) fn registry(server: &Server) -> RegistryClient {
    registry_of(server, Logins::none())
}

pub(crate) fn registry_of(server: &Server, logins: Arc<Logins>) -> RegistryClient {
    let reference = Reference::parse(&format!("{}/a/b", server.host())).unwrap();
    let options = HttpOptions { insecure: true, ..patient() };
    RegistryClient::new(&reference, HttpClient::new(options), logins)
}

pub(crate) fn client() -> HttpClient {
    HttpClient::new(patient())
}
