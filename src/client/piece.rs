//! What is too large to be held, on its way to a server: opened anew for every attempt, and watched
//! while it is sent.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, Stream};

use crate::client::TransportError;
use crate::client::error::Cause;

/// Bytes that come piece by piece.
pub type Pieces = BoxStream<'static, Result<Bytes, Cause>>;

/// Content that can be read as often as it takes, from wherever it takes.
pub trait BlobSource: Send + Sync + fmt::Debug {
    /// Opens the content from this byte on, to its end.
    fn open(&self, offset: u64) -> BoxFuture<'_, Result<Pieces, Cause>>;
}

/// A part of some content.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) source: Arc<dyn BlobSource>,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// How many bytes it has.
    pub(crate) length: u64,
    /// Told up to which byte of the content it was handed to the network.
    pub(crate) told: Option<Told>,
}

/// Somebody who wants to know how far it is.
#[derive(Clone)]
pub(crate) struct Told(pub(crate) Arc<dyn Fn(u64) + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// How the sending goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    seen: AtomicU64,
    failure: Mutex<Option<Cause>>,
}

impl Watch {
    /// Whether more was sent since the last time this was asked.
    pub(crate) fn moved(&self) -> bool {
        let sent = self.shared.sent.load(Ordering::Relaxed);
        self.shared.seen.swap(sent, Ordering::Relaxed) != sent
    }

    /// Why the content could not be read, if that is why it ended.
    pub(crate) fn failure(&self) -> Option<Cause> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Piece {
    /// Opens it for one attempt.
    pub(crate) async fn open(&self) -> Result<(reqwest::Body, Watch), TransportError> {
        let cannot = |cause| TransportError::Source { url: String::new(), cause };
        let pieces = self.source.open(self.offset).await.map_err(cannot)?;
        let watch = Watch::default();
        let watched = Watched {
            pieces,
            position: self.offset,
            left: self.length,
            watch: watch.clone(),
            told: self.told.clone(),
        };
        Ok((reqwest::Body::wrap_stream(watched), watch))
    }
}

/// Passes on exactly as many bytes as were promised, or fails.
struct Watched {
    pieces: Pieces,
    position: u64,
    left: u64,
    watch: Watch,
    told: Option<Told>,
}

impl Watched {
    fn fail(&self, cause: Cause) -> Poll<Option<Result<Bytes, Cause>>> {
        let words = cause.to_string();
        let mut failure = self.watch.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(cause);
        Poll::Ready(Some(Err(words.into())))
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, Cause>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        match self.pieces.as_mut().poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(mut piece))) => {
                let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                piece.truncate(left);
                let length = piece.len() as u64;
                self.left -= length;
                self.position += length;
                self.watch.shared.sent.fetch_add(length, Ordering::Relaxed);
                if let Some(Told(told)) = &self.told {
                    told(self.position);
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(cause))) => self.fail(cause),
            Poll::Ready(None) => {
                let words = format!("the content ends {} bytes too early", self.left);
                self.fail(words.into())
            }
        }
    }
}
