//! A reverse proxy that serves another server under a path of its own.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::certificates::Authority;
use super::http::{self, Request};
use super::notary_server::NotaryServer;

/// More than any client sends here.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Headers that are about one connection, not about the request.
const OF_THE_CONNECTION: [&str; 5] =
    ["host", "connection", "content-length", "accept-encoding", "transfer-encoding"];

/// A running proxy in front of a trust server: threads of the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    prefix: &'static str,
    authority: Authority,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

#[derive(Debug)]
struct State {
    prefix: &'static str,
    upstream: String,
    upstream_authority: PathBuf,
    tls: Arc<ServerConfig>,
    requests: Mutex<Vec<String>>,
    closing: AtomicBool,
}

impl Proxy {
    /// Serves `upstream` under `prefix`, which starts with a slash, and nothing elsewhere.
    pub(crate) fn start(upstream: &NotaryServer, prefix: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let state = Arc::new(State {
            prefix,
            upstream: upstream.url(),
            upstream_authority: upstream.ca_pem(),
            tls: authority.server_config(folder.path(), "proxy"),
            requests: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve(&listener, &shared));
        Self { port, prefix, authority, state, thread: Some(thread), _folder: folder }
    }

    /// Returns the address of the server behind, without a closing slash.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}{}", self.port, self.prefix)
    }

    /// Returns the file of the certificate the proxy's is signed by.
    pub(crate) fn ca_pem(&self) -> PathBuf {
        self.authority.certificate_file()
    }

    /// Returns every path asked for so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the thread from its wait for a connection.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

/// Clients open connections side by side, and some of them in advance: a thread for each.
fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming().flatten() {
        if state.closing.load(Ordering::SeqCst) {
            return;
        }
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            let session = ServerConnection::new(Arc::clone(&state.tls)).unwrap();
            state.handle(StreamOwned::new(session, stream));
        });
    }
}

impl State {
    fn handle(&self, mut stream: impl Read + Write) {
        let Some((head, body)) = read(&mut stream) else { return };
        let mut words = head.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
        self.requests.lock().unwrap().push(path.to_owned());
        let headers: Vec<(&str, &str)> = (head.split("\r\n").skip(1))
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.to_ascii_lowercase().as_str()))
            .collect();
        let (status, headers, body) = match path.strip_prefix(self.prefix) {
            None => (404, Vec::new(), b"nothing is served here".to_vec()),
            Some(rest) => {
                let url = format!("{}{rest}", self.upstream);
                let request = Request { method, url: &url, headers: &headers, body: &body };
                let answer = http::send(&request, Some(&self.upstream_authority));
                (answer.status, answer.headers, answer.body)
            }
        };
        let mut head = format!("HTTP/1.1 {status} answer\r\n");
        for (name, value) in headers {
            if !OF_THE_CONNECTION.contains(&name.as_str()) {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
        }
        let length = body.len();
        write!(head, "content-length: {length}\r\nconnection: close\r\n\r\n").unwrap();
        // A client that has gone away is none of this server's business.
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
        stream.flush().ok();
    }
}

/// Reads a request: its head, and a body of the length the head names.
fn read(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let lengths = head.split("\r\n").filter_map(|line| line.split_once(": "));
            let mut lengths =
                lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length = lengths.next().map_or(0, |(_, value)| value.parse().unwrap_or(0));
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..].to_vec()));
            }
        }
        if bytes.len() > MAX_REQUEST_BYTES {
            return None;
        }
    }
}
