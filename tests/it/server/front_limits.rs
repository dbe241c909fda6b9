//! What peers send and withhold: the listener bounds it, and honest ones are served meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use test_case::test_case;
use tokio::sync::watch;
use trust::server::listen::{Front, FrontOptions, Limits, Listener, Socket};
use trust::server::metrics::Metrics;

use super::harness::TestServer;

/// A server behind a listener of the product.
struct Fronted {
    server: TestServer,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Fronted {
    fn new(limits: Limits) -> Self {
        Self::with(limits, FrontOptions::default())
    }

    fn with(limits: Limits, options: FrontOptions) -> Self {
        let server = TestServer::new();
        let front = Front::new(Arc::clone(&server.server), options, limits.clone());
        let socket = server.runtime.block_on(Socket::tcp("127.0.0.1:0")).unwrap();
        let address = socket.address().unwrap();
        let listener = Listener::new(socket, Arc::new(front), None, limits, true);
        let (stop, stopped) = watch::channel(false);
        server.runtime.spawn(listener.run(stopped, Duration::from_secs(20)));
        Self { server, address, stop }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// Sends this and returns everything that comes until the connection ends.
    fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be cut while it is still sent.
        stream.write_all(request).ok();
        rest(&mut stream)
    }

    fn is_well(&self) {
        let answer = self.exchange(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    fn metrics(&self) -> &Metrics {
        &self.server.server.metrics
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics().text().lines().any(|found| found == line)
    }

    fn await_count(&self, line: &str) {
        for _ in 0..6000 {
            if self.counted(line) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{line} did not come:\n{}", self.metrics().text());
    }
}

/// Everything until the end of a connection.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    stream.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Short times, so that a test need not wait.
fn quick() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        window: Duration::from_millis(300),
        idle: Duration::from_mins(10),
        ..Limits::default()
    }
}

#[test]
fn heads_that_never_end_are_cut() {
    let server = Fronted::new(quick());
    let mut slow: Vec<TcpStream> = (0..60).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: b").unwrap();
    }
    server.is_well();
    for stream in &mut slow {
        assert_eq!(rest(stream), "");
    }
    server.is_well();
    server.await_count("trust_connections_refused_total{reason=\"idle\"} 60");
}

#[test]
fn a_second_head_has_the_same_time() {
    let server = Fronted::new(quick());
    let mut stream = server.connect();
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream.write_all(b"GET /v2/ HT").unwrap();
    let answer = rest(&mut stream);
    assert_eq!(answer.matches("HTTP/1.1").count(), 0, "{answer}");
}

#[test]
fn a_connection_without_requests_ends() {
    let server = Fronted::new(Limits { idle: Duration::from_millis(200), ..quick() });
    let mut stream = server.connect();
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(rest(&mut stream).ends_with("{}\n"));
    server.await_count("trust_connections_refused_total{reason=\"idle\"} 1");
    server.await_count("trust_connections 0");
}

#[test]
fn bodies_that_hardly_come_are_cut() {
    let server = Fronted::new(quick());
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST /v2/a/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\
              Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n",
        )
        .unwrap();
    let mut drops = stream.try_clone().unwrap();
    let dropping = thread::spawn(move || {
        while drops.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    // Whoever reads the body is told that it broke off; who does not answers at once.
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    dropping.join().unwrap();
    server.is_well();
}

#[test]
fn an_address_has_so_many_connections() {
    let server = Fronted::new(Limits { peer_connections: 3, ..Limits::default() });
    let held: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
    server.await_count("trust_connections 3");
    assert_eq!(rest(&mut server.connect()), "");
    server.await_count("trust_connections_refused_total{reason=\"peer_limit\"} 1");
    drop(held);
    server.await_count("trust_connections 0");
    server.is_well();
}

#[test]
fn more_than_all_connections_wait_for_a_place() {
    let server = Fronted::new(Limits { connections: 2, ..quick() });
    let _held: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
    // Those before it lose their places, for they say nothing.
    server.is_well();
}

#[test_case(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400; "two lengths")]
#[test_case(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400; "a negative length")]
#[test_case(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400; "TLS to plain HTTP")]
#[test_case(b"GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400; "a control character")]
fn what_is_no_http_is_refused(request: &[u8], status: u16) {
    let server = Fronted::new(quick());
    let answer = server.exchange(request);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    server.is_well();
}

#[test]
fn long_heads_and_paths_are_refused() {
    let server = Fronted::new(Limits::default());
    let head = |line: &str, extra: &str| {
        let request = format!("{line}\r\nHost: x\r\n{extra}Connection: close\r\n\r\n");
        let answer = server.exchange(request.as_bytes());
        answer.split(' ').nth(1).unwrap_or("nothing").to_owned()
    };
    let path = |length: usize| format!("GET /v2/_catalog?last={} HTTP/1.1", "x".repeat(length));
    assert_eq!(head(&path(9000), ""), "414");
    assert_ne!(head(&path(2 << 20), ""), "200");
    assert_eq!(head("GET /v2/ HTTP/1.1", &format!("X-A: {}\r\n", "b".repeat(2 << 20))), "431");
    assert_eq!(head("GET /v2/ HTTP/1.1", &"X-A: b\r\n".repeat(200)), "431");
    assert_eq!(head("GET /v2/ HTTP/1.1", &"X-A: b\r\n".repeat(50)), "200");
    server.is_well();
}

#[test]
fn packed_bodies_are_not_taken() {
    let server = Fronted::new(Limits::default());
    for (encoding, expected) in
        [("gzip", "415"), ("zstd", "415"), ("br", "415"), ("identity", "200")]
    {
        let request = format!(
            "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = server.exchange(request.as_bytes());
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{answer}");
    }
}

#[test]
fn told_to_end_it_ends_when_all_is_answered() {
    let server = Fronted::new(Limits::default());
    let mut idle = server.connect();
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    server.stop.send_replace(true);
    rest(&mut idle);
    server.await_count("trust_connections 0");
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn every_answer_has_the_configured_header_fields_and_a_name() {
    let options = FrontOptions {
        headers: vec![("x-a".parse().unwrap(), "b".parse().unwrap())],
        metrics: true,
        ..FrontOptions::default()
    };
    let server = Fronted::with(Limits::default(), options);
    let answer = server.exchange(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("\r\nx-a: b\r\n") && answer.contains("\r\nx-request-id: "), "{answer}");
    let metrics = server.exchange(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let line = "trust_http_requests_total{route=\"other\",method=\"GET\",code=\"404\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_length_beside_chunks_ends_the_connection() {
    let server = Fronted::new(quick());
    // What one reader takes for a second request, another takes for a body (RFC 9112 §6.3).
    let answer = server.exchange(
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}
