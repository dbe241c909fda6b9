//! Reading an answer's body: never more than allowed, never slower than allowed.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::client::error::{Phase, TransportError, innermost, redact};
use crate::client::http::Answer;

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Most bytes.
    pub(crate) bytes: u64,
    /// What to do about more.
    pub(crate) excess: Excess,
    /// Longest wait for the next piece, and the stretch over which the rate is taken.
    pub(crate) idle: Duration,
    /// Fewest bytes a second over such a stretch.
    pub(crate) minimum_rate: u64,
}

/// What to do about a body with too many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Give up.
    Refuse,
    /// Take the beginning: enough of an error's text.
    Truncate,
}

/// Reads a body to its end; one announced as too large is not read at all.
pub(crate) async fn read(
    response: Response,
    url: &str,
    limits: BodyLimits,
) -> Result<Vec<u8>, TransportError> {
    let address = response.url().clone();
    let mut open = OpenBody::new(address, response, limits);
    url.clone_into(&mut open.shown);
    open.read().await
}

/// The body of an answer, piece by piece.
#[derive(Debug)]
pub(crate) struct OpenBody {
    /// Where it comes from.
    pub(crate) url: Url,
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// The answer's headers.
    pub(crate) headers: HeaderMap,
    shown: String,
    response: Response,
    limits: BodyLimits,
    received: u64,
    pace: Pace,
}

impl OpenBody {
    pub(crate) fn new(url: Url, mut response: Response, limits: BodyLimits) -> Self {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let (shown, pace) = (redact(&url), Pace::start(limits));
        Self { url, status, headers, shown, response, limits, received: 0, pace }
    }

    /// How many bytes were announced.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let Ok(piece) = timeout(self.limits.idle, self.response.chunk()).await else {
            let (url, after) = (self.shown.clone(), self.limits.idle);
            return Err(TransportError::Timeout { url, phase: Phase::Reading, after });
        };
        let piece = piece.map_err(|error| TransportError::Cut {
            url: self.shown.clone(),
            received: self.received,
            cause: innermost(&error.without_url()),
        })?;
        let Some(piece) = piece else { return Ok(None) };
        self.received = self.received.saturating_add(piece.len() as u64);
        if self.received > self.limits.bytes && self.limits.excess == Excess::Refuse {
            return Err(self.too_large());
        }
        if !self.pace.keeps_up(piece.len()) {
            let minimum_rate = self.limits.minimum_rate;
            return Err(TransportError::TooSlow { url: self.shown.clone(), minimum_rate });
        }
        Ok(Some(piece))
    }

    /// The whole answer.
    pub(crate) async fn whole(mut self) -> Result<Answer, TransportError> {
        let body = self.read().await?;
        Ok(Answer { url: self.url, status: self.status, headers: self.headers, body })
    }

    async fn read(&mut self) -> Result<Vec<u8>, TransportError> {
        let announced = self.announced();
        let refuses = self.limits.excess == Excess::Refuse;
        if refuses && announced.is_some_and(|length| length > self.limits.bytes) {
            return Err(self.too_large());
        }
        let limit = usize::try_from(self.limits.bytes).unwrap_or(usize::MAX);
        let expected = announced.unwrap_or_default().min(MAX_RESERVED_BYTES);
        let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        while let Some(piece) = self.next().await? {
            let room = limit - body.len();
            if piece.len() > room {
                // Only an excess that is cut off comes here.
                body.extend(piece.into_iter().take(room));
                return Ok(body);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn too_large(&self) -> TransportError {
        TransportError::TooLarge { url: self.shown.clone(), limit: self.limits.bytes }
    }
}

/// Takes the rate over stretches as long as the idle time.
#[derive(Debug)]
struct Pace {
    limits: BodyLimits,
    since: Instant,
    received: u64,
}

impl Pace {
    fn start(limits: BodyLimits) -> Self {
        Self { limits, since: Instant::now(), received: 0 }
    }

    fn keeps_up(&mut self, bytes: usize) -> bool {
        self.received = self.received.saturating_add(bytes as u64);
        let elapsed = self.since.elapsed();
        if elapsed < self.limits.idle {
            return true;
        }
        let needed = u128::from(self.limits.minimum_rate) * elapsed.as_millis() / 1000;
        let enough = u128::from(self.received) >= needed;
        (self.since, self.received) = (Instant::now(), 0);
        enough
    }
}

/// Most bytes reserved on a server's word alone.
const MAX_RESERVED_BYTES: u64 = 1 << 20;
