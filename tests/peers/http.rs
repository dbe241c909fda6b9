//! The least HTTP client that talks to the servers of a test; it shares nothing with ours.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long one read or write may hang.
const TIMEOUT: Duration = Duration::from_mins(1);

/// One request; bodies are sent and received whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `GET`, `PUT`, …
    pub(crate) method: &'a str,
    /// An absolute `http://` or `https://` address with a port.
    pub(crate) url: &'a str,
    /// Headers beside `Host`, `Content-Length` and `Connection`.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The body; empty for none.
    pub(crate) body: &'a [u8],
}

/// The answer to a [`Request`].
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Returns the first header of that name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request and reads the answer; `authority` is the certificate an `https` server must be
/// signed by. Panics when there is no answer.
pub(crate) fn send(request: &Request<'_>, authority: Option<&Path>) -> Response {
    let (scheme, rest) = request.url.split_once("://").unwrap();
    let (host_port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let stream = TcpStream::connect(host_port)
        .unwrap_or_else(|error| panic!("cannot reach {}: {error}", request.url));
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    let path = if path.is_empty() { "/" } else { path };
    if scheme == "https" {
        let host = host_port.split(':').next().unwrap().to_owned();
        let name = ServerName::try_from(host).unwrap();
        let session = ClientConnection::new(client_config(authority), name).unwrap();
        exchange(StreamOwned::new(session, stream), request, host_port, path)
    } else {
        exchange(stream, request, host_port, path)
    }
}

/// Writes the request and reads to the end of the stream: an HTTP/1.0 server neither chunks nor
/// keeps the connection.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    request: &Request<'_>,
    host: &str,
    path: &str,
) -> Response {
    let Request { method, headers, body, .. } = request;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in *headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    // A peer that drops TLS without goodbye has still sent everything it had.
    stream.read_to_end(&mut answer).ok();
    parse(&answer).unwrap_or_else(|| panic!("no HTTP answer to {method} {path}: {answer:?}"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Response { status, headers, body: answer[end + 4..].to_vec() })
}

fn client_config(authority: Option<&Path>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = authority {
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
