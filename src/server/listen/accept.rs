//! The accept loop: as many connections as are allowed, and on through every error.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::server::listen::connection::{Shared, Stream, serve};
use crate::server::listen::{Front, Limits};
use crate::server::metrics::Refused;
use crate::server::swap::Swap;

/// Where connections come in.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A socket of this machine, at this path.
    Unix(UnixListener, PathBuf),
}

impl Socket {
    /// Listens on an address, `host:port`; port 0 is any that is free. Without a host it is every
    /// address of this machine.
    pub async fn tcp(address: &str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "it is not HOST:PORT");
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let listener = match host {
            "" => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                Ok(listener) => listener,
                // A machine without IPv6.
                Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?,
            },
            // Clients that have only one of its addresses have this one.
            "localhost" => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?,
            host => TcpListener::bind((host.trim_matches(['[', ']']), port)).await?,
        };
        Ok(Self::Tcp(listener))
    }

    /// Listens at a path.
    pub fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self::Unix(UnixListener::bind(path)?, path.to_owned()))
    }

    /// The address, if it is TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Stream::Tcp(stream, peer.ip().to_canonical()))
            }
            Self::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// Accepts connections and serves them.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    shared: Arc<Shared>,
    peers: Arc<Peers>,
}

impl Listener {
    /// Serves what comes in at a socket, over TLS if there is a configuration.
    pub fn new(
        socket: Socket,
        front: Arc<Front>,
        tls: Option<Arc<Swap<Arc<rustls::ServerConfig>>>>,
        limits: Limits,
        http2: bool,
    ) -> Self {
        let peers = Arc::new(Peers { most: limits.peer_connections, counts: Mutex::default() });
        let handshakes = Semaphore::new(limits.handshakes);
        let shared = Arc::new(Shared { front, tls, limits, handshakes, http2 });
        Self { socket, shared, peers }
    }

    /// The address, if it is TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.address()
    }

    /// Accepts until `drain` is true; then what is in flight has `patience` to end.
    pub async fn run(self, mut drain: watch::Receiver<bool>, patience: Duration) {
        let metrics = self.shared.front.server().metrics.clone();
        let places = Arc::new(Semaphore::new(self.shared.limits.connections));
        let mut running = JoinSet::new();
        let mut pause = FIRST_PAUSE;
        loop {
            while running.try_join_next().is_some() {}
            let accepted = tokio::select! {
                biased;
                _ = drain.wait_for(|drain| *drain) => break,
                accepted = async {
                    // Without a place nobody is let in; whoever has one loses it in time.
                    let place = Arc::clone(&places).acquire_owned().await;
                    (place, self.socket.accept().await)
                } => accepted,
            };
            let stream = match accepted {
                (Ok(place), Ok(stream)) => (place, stream),
                (Err(_), _) => break,
                (_, Err(error)) => {
                    if is_of_the_connection(&error) {
                        continue;
                    }
                    // Out of descriptors or memory: others must end first.
                    tracing::error!(
                        error = &error as &(dyn std::error::Error + 'static),
                        "cannot accept connections"
                    );
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            };
            pause = FIRST_PAUSE;
            let (place, stream) = stream;
            metrics.opened();
            let open = Open(metrics.clone());
            let Some(counted) = self.peers.enter(&stream) else {
                metrics.refused(Refused::PeerLimit);
                continue;
            };
            let (shared, drain) = (Arc::clone(&self.shared), drain.clone());
            running.spawn(async move {
                let _held = (place, counted, open);
                let served =
                    std::panic::AssertUnwindSafe(serve(stream, Arc::clone(&shared), drain));
                if served.catch_unwind().await.is_err() {
                    shared.front.server().metrics.panicked();
                    tracing::error!("a connection panicked");
                }
            });
        }
        let path = match &self.socket {
            Socket::Unix(_, path) => Some(path.clone()),
            Socket::Tcp(_) => None,
        };
        drop(self.socket);
        if let Some(path) = path {
            drop(crate::server::files::remove(&path));
        }
        let all = async { while running.join_next().await.is_some() {} };
        if timeout(patience, all).await.is_err() {
            tracing::warn!(connections = running.len(), "connections were cut at the end");
        }
        running.shutdown().await;
    }
}

/// Counts a connection as open until it is dropped.
struct Open(crate::server::metrics::Metrics);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// How many connections each address has.
#[derive(Debug)]
struct Peers {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts for its peer until it is dropped.
struct Counted {
    peers: Arc<Peers>,
    peer: Option<IpAddr>,
}

impl Peers {
    fn enter(self: &Arc<Self>, stream: &Stream) -> Option<Counted> {
        let Stream::Tcp(_, peer) = stream else {
            return Some(Counted { peers: Arc::clone(self), peer: None });
        };
        let peer = network(*peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted { peers: Arc::clone(self), peer: Some(peer) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(peer) = self.peer else { return };
        let mut counts = self.peers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&peer);
            }
        }
    }
}

/// Whose connections are counted together: one customer has 2^64 addresses of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Whether only this one connection is lost.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// The least that hyper reads heads into, in bytes.
pub(super) const MIN_BUFFER: usize = 8192;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_count_together() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(address("2001:db8:1:2:3::4")), network(address("2001:db8:1:2::9")));
        assert_ne!(network(address("2001:db8:1:2::1")), network(address("2001:db8:1:3::1")));
        assert_ne!(network(address("192.0.2.1")), network(address("192.0.2.2")));
    }
}
