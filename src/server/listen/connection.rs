//! One connection: handshake, requests, and the end of those that do not keep pace.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::server::listen::answer::{Front, Origin};
use crate::server::listen::progress::{Activity, Pace, Watched};
use crate::server::listen::{Limits, accept};
use crate::server::metrics::Refused;
use crate::server::swap::Swap;

/// A connection just accepted.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream, IpAddr),
    /// Over a socket of this machine.
    Unix(UnixStream),
}

impl Stream {
    /// The other end; this machine for a socket of it.
    pub fn peer(&self) -> IpAddr {
        match self {
            Self::Tcp(_, peer) => *peer,
            Self::Unix(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// What all connections of a listener share.
#[derive(Debug)]
pub struct Shared {
    /// What stands before the handlers.
    pub front: Arc<Front>,
    /// TLS, unless plain HTTP is spoken.
    pub tls: Option<Arc<Swap<Arc<rustls::ServerConfig>>>>,
    /// What peers may do.
    pub limits: Limits,
    /// Bounds the handshakes of all together.
    pub handshakes: Semaphore,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
}

/// Serves a connection to its end. `drain` becomes true when no further request is taken.
pub async fn serve(stream: Stream, shared: Arc<Shared>, drain: watch::Receiver<bool>) {
    let metrics = &shared.front.server().metrics;
    let activity = Arc::new(Activity::default());
    let pace = Pace::new(shared.limits.window, shared.limits.rate);
    let peer = stream.peer();
    match stream {
        Stream::Unix(stream) => {
            let stream = Watched::new(stream, pace, Arc::clone(&activity));
            let origin = Origin { peer, tls: false, activity };
            requests(stream, &shared, origin, drain).await;
        }
        Stream::Tcp(stream, _) => {
            // Answers are written whole; waiting to fill packets only delays them.
            drop(stream.set_nodelay(true));
            let Some(tls) = &shared.tls else {
                let stream = Watched::new(stream, pace, Arc::clone(&activity));
                let origin = Origin { peer, tls: false, activity };
                return requests(stream, &shared, origin, drain).await;
            };
            let config = Arc::clone(&*tls.load());
            let shaken = timeout(shared.limits.head, async {
                let _permit = shared.handshakes.acquire().await;
                if speaks_plain_http(&stream).await? {
                    tell_plain_http(stream).await;
                    return Err(io::Error::other("plain HTTP"));
                }
                let stream = Watched::new(stream, pace, Arc::clone(&activity));
                TlsAcceptor::from(config).accept(stream).await
            });
            match shaken.await {
                Ok(Ok(stream)) => {
                    let origin = Origin { peer, tls: true, activity };
                    requests(stream, &shared, origin, drain).await;
                }
                Ok(Err(error)) => {
                    metrics.refused(Refused::Handshake);
                    tracing::debug!(
                        %peer, error = &error as &(dyn std::error::Error + 'static),
                        "a TLS handshake failed"
                    );
                }
                Err(_) => {
                    metrics.refused(Refused::Handshake);
                    tracing::debug!(%peer, "a TLS handshake took too long");
                }
            }
        }
    }
}

async fn requests<S>(
    stream: S,
    shared: &Arc<Shared>,
    origin: Origin,
    mut drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.limits;
    let metrics = &shared.front.server().metrics;
    let activity = Arc::clone(&origin.activity);
    let service = service_fn(|request: ::http::Request<Incoming>| {
        let (front, origin) = (Arc::clone(&shared.front), origin.clone());
        async move { Ok::<_, Infallible>(front.answer(request, origin).await) }
    });
    let builder = builder(limits, shared.http2);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending: Option<Instant> = None;
    loop {
        let look = activity.deadline(limits.head, limits.idle);
        let look = look.unwrap_or_else(|| Instant::now() + limits.head.min(limits.idle));
        let look = ending.map_or(look, |ending| ending.min(look));
        tokio::select! {
            ended = connection.as_mut() => {
                if activity.was_too_slow() {
                    metrics.refused(Refused::Slow);
                }
                if let Err(error) = ended {
                    tracing::debug!(
                        peer = %origin.peer,
                        error = error.as_ref() as &(dyn std::error::Error + 'static),
                        "a connection broke"
                    );
                }
                return;
            }
            () = drained(&mut drain), if ending.is_none() => {
                connection.as_mut().graceful_shutdown();
                // What is in flight may end; how long, is up to whoever drains.
                ending = Some(Instant::now() + FAR);
            }
            () = sleep_until(look) => {
                let now = Instant::now();
                if ending.is_some_and(|ending| ending <= now) {
                    return;
                }
                let late = activity.deadline(limits.head, limits.idle);
                if late.is_some_and(|deadline| deadline <= now) {
                    metrics.refused(Refused::Idle);
                    connection.as_mut().graceful_shutdown();
                    ending = Some(now);
                    // One more turn, in which the end of the connection is said.
                    if ended_at_once(connection.as_mut()).await {
                        return;
                    }
                }
            }
        }
    }
}

/// Gives a connection that is to end a moment to say so.
async fn ended_at_once<F: Future>(connection: F) -> bool {
    timeout(GOODBYE, connection).await.is_ok()
}

async fn drained(drain: &mut watch::Receiver<bool>) {
    // Whoever could tell is gone: that is the end, too.
    drop(drain.wait_for(|drain| *drain).await.map(|_| ()));
}

fn builder(limits: &Limits, http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Heads and pauses are timed by `Activity`, which knows one from the other.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(accept::MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    if http2 { builder } else { builder.http1_only() }
}

/// Whether the first byte is a letter: a TLS handshake begins with 22.
async fn speaks_plain_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 1];
    let count = stream.peek(&mut first).await?;
    Ok(count == 1 && first.iter().all(u8::is_ascii_alphabetic))
}

/// Says in plain HTTP what is wrong, as Go's servers do.
async fn tell_plain_http(mut stream: TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Connection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    // Whoever is gone need not be told.
    drop(stream.write_all(ANSWER).await);
    drop(stream.shutdown().await);
}

/// How long a connection has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Longer than anybody drains.
const FAR: Duration = Duration::from_hours(24);
/// Streams of HTTP/2 that a peer may open and reset before they are looked at (rapid reset).
const PENDING_RESETS: usize = 20;
/// Streams that a peer may make us reset by its mistakes.
const LOCAL_RESETS: usize = 256;
/// What a peer may send of one body before it is read, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
/// And of all bodies of a connection.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// What is held of an answer for a peer that does not take it, in bytes.
const SEND_BUFFER: usize = 256 << 10;
/// How often a peer of HTTP/2 is asked whether it is still there, and how long it may think.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
