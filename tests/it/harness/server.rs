//! An HTTPS server on loopback that does what a script says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use trust::codec::text::to_base64;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names and values as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, as long as its Content-Length says.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header as sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An honest answer.
    Full {
        /// The status.
        status: u16,
        /// More headers.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Vec<u8>,
    },
    /// The head of an honest answer, half of the body, and the end of the connection.
    Half(Vec<u8>),
    /// These bytes and then blanks, until the client leaves.
    Endless(Vec<u8>),
    /// The head of an answer of so many bytes, and blanks until the client leaves.
    Announced(u64),
    /// An honest answer, one byte at a time, with this pause between them.
    Drip(Vec<u8>, Duration),
    /// No byte until the client leaves.
    Silence,
    /// One blank after the other, with rests in between, until the client leaves.
    Dawdle,
    /// The end of the connection at once.
    Close,
}

impl Reply {
    /// 200 with this body.
    pub(crate) fn file(body: Vec<u8>) -> Self {
        Self::status(200, body)
    }

    /// Any status with this body.
    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header to an honest answer.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    log: Mutex<Vec<String>>,
    sent: AtomicU64,
    stopped: AtomicBool,
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

impl Server {
    /// Starts a server that answers each request as `script` says.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (shared, script): (_, Script) = (Arc::clone(&state), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || {
                    stream.set_nodelay(true).ok();
                    let connection = ServerConnection::new(tls()).unwrap();
                    serve(StreamOwned::new(connection, stream), &state, &script);
                });
            }
        });
        Self { address, state }
    }

    /// Returns `localhost:PORT`.
    pub(crate) fn host_port(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Returns `https://localhost:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.host_port())
    }

    /// Returns method and target of each request so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.log.lock().unwrap().clone()
    }

    /// Returns how many bytes of endless answers were handed to the network.
    pub(crate) fn endless_bytes(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// The script of a trust server: replies by the last part of the path, `root.json` for example or
/// `targets/releases.<hash>.json`; what is not listed is not there. It is the registry of `app` as
/// well, with `manifests/1` for example. Clones are the same script.
///
/// A publication is answered by the entry of the empty name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies {
    table: Arc<Mutex<BTreeMap<String, Reply>>>,
    /// Answers for one request each: the file, and how many requests for it come before.
    exceptions: Arc<Mutex<Vec<(String, usize, Reply)>>>,
    login: Arc<Mutex<Option<String>>>,
}

impl Replies {
    /// Answers for a file.
    pub(crate) fn set(&self, file: &str, reply: Reply) {
        self.table.lock().unwrap().insert(file.to_owned(), reply);
    }

    /// Answers the `n`-th request for a file from now on, the first being 1, in another way.
    pub(crate) fn set_nth(&self, file: &str, n: usize, reply: Reply) {
        self.exceptions.lock().unwrap().push((file.to_owned(), n - 1, reply));
    }

    /// Answers only those who log in with this name and password.
    pub(crate) fn demand_login(&self, name: &str, password: &str) {
        let login = format!("Basic {}", to_base64(format!("{name}:{password}").as_bytes()));
        *self.login.lock().unwrap() = Some(login);
    }

    /// Answers for every file there is.
    pub(crate) fn set_all(&self, reply: &Reply) {
        self.table.lock().unwrap().values_mut().for_each(|known| *known = reply.clone());
    }

    /// Returns what a request is answered with.
    pub(crate) fn reply(&self, request: &Request) -> Reply {
        let login = self.login.lock().unwrap().clone();
        if login.is_some() && request.header("authorization") != login.as_deref() {
            return Reply::status(401, "").with("WWW-Authenticate", "Basic realm=\"scripted\"");
        }
        let file = match request.target.split_once("/_trust/tuf/") {
            Some((_, file)) => file,
            None => request.target.split_once("/app/").map_or("?", |(_, manifest)| manifest),
        };
        if let Some(reply) = self.exception(file) {
            return reply;
        }
        let table = self.table.lock().unwrap();
        table.get(file).cloned().unwrap_or_else(not_found)
    }
}

impl Replies {
    fn exception(&self, file: &str) -> Option<Reply> {
        let mut exceptions = self.exceptions.lock().unwrap();
        let due = exceptions.iter().position(|(name, before, _)| name == file && *before == 0);
        let reply = due.map(|index| exceptions.remove(index).2);
        if reply.is_none() {
            let same = exceptions.iter_mut().filter(|(name, ..)| name == file);
            same.for_each(|(_, before, _)| *before -= 1);
        }
        reply
    }
}

/// Returns a notary server's 404.
pub(crate) fn not_found() -> Reply {
    let body =
        r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"no such file","detail":null}]}"#;
    Reply::status(404, body).with("Content-Type", "application/json")
}

fn serve(stream: impl Read + Write, state: &State, script: &Script) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = receive(&mut stream) {
        state.log.lock().unwrap().push(format!("{} {}", request.method, request.target));
        let head_only = request.method == "HEAD";
        if send(stream.get_mut(), script(&request), head_only, state).is_none() {
            return;
        }
    }
}

fn receive(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body })
}

/// Answers; `None` when the connection is at its end.
fn send(stream: &mut impl ReadWrite, reply: Reply, head_only: bool, state: &State) -> Option<()> {
    match reply {
        Reply::Full { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
            for (name, value) in headers {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
            write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
            let mut bytes = head.into_bytes();
            if !head_only {
                bytes.extend(body);
            }
            stream.write_all(&bytes).and_then(|()| stream.flush()).ok()
        }
        Reply::Half(body) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body[..body.len() / 2]).and_then(|()| stream.flush()).ok()?;
            None
        }
        Reply::Drip(body, pause) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.flush()).ok()?;
            for byte in body {
                stream.write_all(&[byte]).and_then(|()| stream.flush()).ok()?;
                thread::sleep(pause);
            }
            Some(())
        }
        Reply::Announced(length) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            flood(stream, b"", state)
        }
        Reply::Endless(start) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            flood(stream, &start, state)
        }
        Reply::Silence => {
            stream.read_exact(&mut [0]).ok();
            None
        }
        Reply::Dawdle => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
            None
        }
        Reply::Close => None,
    }
}

/// Sends these bytes and then blanks, until the client leaves.
fn flood(stream: &mut impl ReadWrite, start: &[u8], state: &State) -> Option<()> {
    stream.write_all(start).ok()?;
    let piece = [b' '; 16 << 10];
    while stream.write_all(&piece).and_then(|()| stream.flush()).is_ok() {
        let sent = state.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        assert!(sent < ENDLESS_ENOUGH, "the client reads on and on");
    }
    None
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// One certificate serves all: making it takes longer than using it.
fn tls() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issued = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
        let chain: Vec<CertificateDer<'static>> = vec![issued.cert.der().clone()];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
            .unwrap();
        Arc::new(config)
    });
    Arc::clone(config)
}

/// How long a client that should have left may take to do so.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Beyond all limits and what sockets hold in between.
const ENDLESS_ENOUGH: u64 = 64 << 20;
