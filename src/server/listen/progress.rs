//! Whether a peer keeps pace. Only the time spent waiting for it counts: what takes long here is
//! not its fault.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::server::http::BodyError;
use crate::server::metrics::{Metrics, Refused};

/// A peer sends or takes too little.
#[derive(Debug, thiserror::Error)]
#[error("the peer sends or takes less than {least} bytes in {window:?}")]
pub struct TooSlow {
    /// The least that is waited for.
    pub least: u64,
    /// In this time.
    pub window: Duration,
}

/// Bytes against time spent waiting.
#[derive(Debug)]
pub struct Pace {
    window: Duration,
    least: u64,
    moved: u64,
    waited: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// At least `rate` bytes a second, looked at whenever a whole window was spent waiting.
    pub fn new(window: Duration, rate: u64) -> Self {
        let milliseconds = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let least = (rate.saturating_mul(milliseconds) / 1000).max(1);
        Self { window, least, moved: 0, waited: Duration::ZERO, since: None, alarm: None }
    }

    /// Bytes moved.
    pub fn moved(&mut self, count: u64) {
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
        self.moved = self.moved.saturating_add(count);
    }

    /// Nothing moves now; ready once the peer is too slow.
    pub fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<TooSlow> {
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            let end = since + self.window.saturating_sub(self.waited);
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if alarm.deadline() != end {
                alarm.as_mut().reset(end);
            }
            ready!(alarm.as_mut().poll(cx));
            if self.moved < self.least {
                return Poll::Ready(TooSlow { least: self.least, window: self.window });
            }
            (self.moved, self.waited, self.since) = (0, Duration::ZERO, None);
        }
    }
}

/// What a connection has been doing.
#[derive(Debug)]
pub struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    in_flight: usize,
    requests: u64,
    is_http2: bool,
    quiet_since: Instant,
    /// When the first byte came after the last answer was done.
    heard_at: Option<Instant>,
    too_slow: bool,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(State {
            in_flight: 0,
            requests: 0,
            is_http2: false,
            quiet_since: Instant::now(),
            heard_at: None,
            too_slow: false,
        }))
    }
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Activity>);

impl Activity {
    /// A request came whole, but for its body.
    pub fn begin(self: &Arc<Self>, is_http2: bool) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        state.requests += 1;
        state.is_http2 = is_http2;
        InFlight(Arc::clone(self))
    }

    /// Until when the connection may go on as it is; `None` while requests are answered.
    pub fn deadline(&self, head: Duration, idle: Duration) -> Option<Instant> {
        let state = self.state();
        if state.in_flight > 0 {
            return None;
        }
        // On HTTP/2 answers to our pings come in as well.
        let begun = state.heard_at.filter(|_| !state.is_http2);
        Some(match (state.requests, begun) {
            (0, _) => state.quiet_since + head,
            (_, Some(heard_at)) => heard_at + head,
            (_, None) => state.quiet_since + idle,
        })
    }

    /// Whether the peer took too little of an answer.
    pub fn was_too_slow(&self) -> bool {
        self.state().too_slow
    }

    fn heard(&self) {
        let mut state = self.state();
        if state.in_flight == 0 && state.heard_at.is_none() {
            state.heard_at = Some(Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.quiet_since = Instant::now();
        state.heard_at = None;
    }
}

/// A stream that notes what comes in, and fails when what goes out is not taken.
#[derive(Debug)]
pub struct Watched<T> {
    inner: T,
    pace: Pace,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    /// Watches a stream.
    pub fn new(inner: T, pace: Pace, activity: Arc<Activity>) -> Self {
        Self { inner, pace, activity }
    }

    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let slow = ready!(self.pace.poll_too_slow(cx));
        self.activity.state().too_slow = true;
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, slow))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, bytes) {
            Poll::Ready(done) => {
                self.pace.moved(count(done.as_ref().copied().unwrap_or_default()));
                Poll::Ready(done)
            }
            Poll::Pending => self.waited(cx).map(Err),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write_vectored(cx, pieces) {
            Poll::Ready(done) => {
                self.pace.moved(count(done.as_ref().copied().unwrap_or_default()));
                Poll::Ready(done)
            }
            Poll::Pending => self.waited(cx).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.waited(cx).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The body of a request, which fails when it comes too slowly.
#[derive(Debug)]
pub struct PacedBody<B> {
    inner: B,
    pace: Pace,
    received: u64,
    on_end: Option<BodyEnd>,
}

/// What is done with the count of a body's bytes at its end, or when it is given up.
#[derive(Debug)]
pub struct BodyEnd(pub Metrics);

impl<B> PacedBody<B> {
    /// Watches a body, and tells at its end how many bytes came.
    pub fn new(inner: B, pace: Pace, on_end: BodyEnd) -> Self {
        Self { inner, pace, received: 0, on_end: Some(on_end) }
    }
}

impl<B> Drop for PacedBody<B> {
    fn drop(&mut self) {
        if let Some(BodyEnd(metrics)) = self.on_end.take() {
            metrics.received(self.received);
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for PacedBody<B>
where
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = count(frame.data_ref().map_or(0, Bytes::len));
                self.pace.moved(length);
                self.received = self.received.saturating_add(length);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let slow = ready!(self.pace.poll_too_slow(cx));
                if let Some(BodyEnd(metrics)) = &self.on_end {
                    metrics.refused(Refused::Slow);
                }
                Poll::Ready(Some(Err(slow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn time_spent_here_does_not_count() {
        let mut pace = Pace::new(WINDOW, 25_000);
        tokio::time::sleep(WINDOW * 3).await;
        pace.moved(10);
        let slow = poll_fn(|cx| match pace.poll_too_slow(cx) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(slow) => Poll::Ready(Some(slow)),
        });
        assert!(slow.await.is_none());
        let slow = poll_fn(|cx| pace.poll_too_slow(cx)).await;
        assert_eq!(slow.least, 1000);
    }

    #[tokio::test]
    async fn a_drop_now_and_then_is_too_slow() {
        let mut pace = Pace::new(WINDOW, 25_000);
        loop {
            let drop_comes = tokio::time::sleep(WINDOW / 10);
            tokio::select! {
                () = drop_comes => pace.moved(1),
                _ = poll_fn(|cx| pace.poll_too_slow(cx)) => break,
            }
        }
    }

    #[tokio::test]
    async fn enough_is_enough_for_its_window_only() {
        let mut pace = Pace::new(WINDOW, 25_000);
        pace.moved(1_000_000);
        poll_fn(|cx| pace.poll_too_slow(cx)).await;
        assert_eq!(pace.moved, 0);
    }

    #[tokio::test]
    async fn a_head_has_less_time_than_a_pause() {
        let (head, idle) = (Duration::from_hours(1), Duration::from_hours(9));
        let activity = Arc::new(Activity::default());
        let hours = |activity: &Activity| {
            let deadline = activity.deadline(head, idle)?;
            Some((deadline - Instant::now() + head / 2).as_secs() / 3600)
        };
        assert_eq!(hours(&activity), Some(1));
        let request = activity.begin(false);
        assert_eq!(hours(&activity), None);
        drop(request);
        assert_eq!(hours(&activity), Some(9));
        activity.heard();
        assert_eq!(hours(&activity), Some(1));
    }
}
