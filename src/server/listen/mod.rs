//! Connections: accepted within bounds, served while their peers keep pace, and let go.
//!
//! [`accept`] is the loop, [`connection`] one connection, [`progress`] what a slow peer is measured
//! with, [`answer`] what happens to every request before and after the handlers, [`base`] what the
//! client calls this server, [`debug`] the second listener.

pub mod accept;
pub mod answer;
pub mod base;
pub mod connection;
pub mod debug;
pub mod progress;

pub use accept::{Listener, Socket};
pub use answer::{Front, FrontOptions};

use std::time::Duration;

use crate::limits::{
    MAX_BODY_WAIT_SECONDS, MAX_CONNECTIONS, MAX_HANDSHAKES, MAX_HEADER_BYTES, MAX_HEADER_SECONDS,
    MAX_HEADERS, MAX_IDLE_SECONDS, MAX_PEER_CONNECTIONS, MAX_STREAMS, MAX_URL_BYTES, MIN_BODY_RATE,
};

/// What a peer may send or withhold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long the head of a request may take, and the TLS handshake.
    pub head: Duration,
    /// How long a connection may be without a request.
    pub idle: Duration,
    /// How long somebody is waited for who sends or takes a body, before it is looked at how much
    /// came.
    pub window: Duration,
    /// The least bytes a second in that time.
    pub rate: u64,
    /// Connections at a time, of all.
    pub connections: usize,
    /// Connections at a time, of one address.
    pub peer_connections: usize,
    /// TLS handshakes at a time.
    pub handshakes: usize,
    /// Bytes of the head of a request.
    pub header_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of path and query.
    pub url_bytes: usize,
    /// Requests at a time on one connection of HTTP/2.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(MAX_HEADER_SECONDS),
            idle: Duration::from_secs(MAX_IDLE_SECONDS),
            window: Duration::from_secs(MAX_BODY_WAIT_SECONDS),
            rate: MIN_BODY_RATE,
            connections: MAX_CONNECTIONS,
            peer_connections: MAX_PEER_CONNECTIONS,
            handshakes: MAX_HANDSHAKES,
            header_bytes: MAX_HEADER_BYTES,
            headers: MAX_HEADERS,
            url_bytes: MAX_URL_BYTES,
            streams: MAX_STREAMS,
        }
    }
}
