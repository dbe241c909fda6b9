//! Reading an answer's body: never more than allowed, never slower than allowed.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout};

use crate::client::error::{Phase, TransportError, innermost};

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
    mut response: Response,
    url: &str,
    limits: BodyLimits,
) -> Result<Vec<u8>, TransportError> {
    let too_large = || TransportError::TooLarge { url: url.to_owned(), limit: limits.bytes };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limits.bytes) && limits.excess == Excess::Refuse {
        return Err(too_large());
    }
    let limit = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
    let expected = announced.unwrap_or_default().min(MAX_RESERVED_BYTES);
    let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    let mut pace = Pace::start(limits);
    loop {
        let Ok(piece) = timeout(limits.idle, response.chunk()).await else {
            let (url, after) = (url.to_owned(), limits.idle);
            return Err(TransportError::Timeout { url, phase: Phase::Reading, after });
        };
        let piece = piece.map_err(|error| TransportError::Cut {
            url: url.to_owned(),
            received: body.len() as u64,
            cause: innermost(&error.without_url()),
        })?;
        let Some(piece) = piece else { return Ok(body) };
        let room = limit - body.len();
        if piece.len() > room {
            if limits.excess == Excess::Refuse {
                return Err(too_large());
            }
            body.extend(piece.into_iter().take(room));
            return Ok(body);
        }
        body.extend_from_slice(&piece);
        if !pace.keeps_up(piece.len()) {
            let minimum_rate = limits.minimum_rate;
            return Err(TransportError::TooSlow { url: url.to_owned(), minimum_rate });
        }
    }
}

/// Takes the rate over stretches as long as the idle time.
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
