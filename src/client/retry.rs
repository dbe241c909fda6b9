//! When to try again: a pure function of what failed and how often.

use std::time::Duration;

use crate::client::TransportError;
use crate::client::error::Phase;

/// Returns how long to wait before another attempt, or `None` to give up.
///
/// `attempt` counts those made, from 1. Only for requests that change nothing: a publication is
/// never repeated without looking first. A server's Retry-After is heeded up to [`MAX_WAIT`];
/// a server that wants more rest than that is left alone.
pub fn wait(attempt: u32, error: &TransportError, first_wait: Duration) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS || !is_passing(error) {
        return None;
    }
    let factor = WAIT_FACTOR.saturating_pow(attempt.saturating_sub(1));
    let back_off = first_wait.saturating_mul(factor).min(MAX_WAIT);
    match error {
        TransportError::Busy { retry_after: Some(asked), .. } if *asked > MAX_WAIT => None,
        TransportError::Busy { retry_after: Some(asked), .. } => Some(back_off.max(*asked)),
        _ => Some(back_off),
    }
}

/// As [`wait`], for what is repeated from where it ended, or is the same however often it is done:
/// transfers of content that has a digest. `attempt` counts those since something was transferred.
pub fn wait_to_go_on(
    attempt: u32,
    error: &TransportError,
    first_wait: Duration,
) -> Option<Duration> {
    let passes = match error {
        TransportError::Cut { .. } | TransportError::Timeout { .. } => true,
        TransportError::Status { status, .. } => matches!(*status, 408 | 425 | 500 | 502 | 504),
        other => is_passing(other),
    };
    let most = match error {
        // Nobody is there: they seldom come within seconds.
        TransportError::Unreachable { .. } => MAX_ATTEMPTS,
        _ => MAX_TRANSFER_ATTEMPTS,
    };
    if attempt >= most || !passes {
        return None;
    }
    let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let back_off = first_wait.saturating_mul(factor).min(MAX_WAIT);
    match error {
        TransportError::Busy { retry_after: Some(asked), .. } if *asked > MAX_TRANSFER_WAIT => None,
        TransportError::Busy { retry_after: Some(asked), .. } => Some(back_off.max(*asked)),
        _ => Some(back_off),
    }
}

/// Whether the same request may fare better later.
const fn is_passing(error: &TransportError) -> bool {
    match error {
        TransportError::Unreachable { .. } | TransportError::Busy { .. } => true,
        TransportError::Cut { received, .. } => *received == 0,
        TransportError::Timeout { phase, .. } => {
            matches!(phase, Phase::Connecting | Phase::Answering)
        }
        TransportError::Status { status, .. } => matches!(*status, 502 | 504),
        _ => false,
    }
}

/// Most times one request is made.
pub const MAX_ATTEMPTS: u32 = 3;
/// Most times a transfer is begun or gone on with, without anything being transferred.
pub const MAX_TRANSFER_ATTEMPTS: u32 = 6;
/// Longest rest in a transfer that a server may ask for.
pub const MAX_TRANSFER_WAIT: Duration = Duration::from_mins(1);
/// Longest rest between two attempts.
pub const MAX_WAIT: Duration = Duration::from_secs(10);
/// How much longer each rest is than the one before.
const WAIT_FACTOR: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);

    fn status(status: u16) -> TransportError {
        TransportError::Status { url: String::new(), status, message: String::new() }
    }

    fn busy(seconds: u64) -> TransportError {
        TransportError::Busy {
            url: String::new(),
            status: 429,
            retry_after: Some(Duration::from_secs(seconds)),
            message: String::new(),
        }
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(wait(1, &status(502), FIRST), Some(FIRST));
        assert_eq!(wait(2, &status(502), FIRST), Some(FIRST * 4));
        assert_eq!(wait(3, &status(502), FIRST), None);
    }

    #[test]
    fn what_will_not_pass_is_not_retried() {
        let too_large = TransportError::TooLarge { url: String::new(), limit: 1 };
        let reading = |phase| TransportError::Timeout { url: String::new(), phase, after: FIRST };
        let half = TransportError::Cut { url: String::new(), received: 5, cause: "x".into() };
        for error in [status(500), status(404), too_large, reading(Phase::Reading), half] {
            assert_eq!(wait(1, &error, FIRST), None, "{error}");
        }
        assert!(wait(1, &reading(Phase::Answering), FIRST).is_some());
    }

    #[test]
    fn transfers_go_on_after_what_passes() {
        let half = TransportError::Cut { url: String::new(), received: 5, cause: "x".into() };
        assert_eq!(wait_to_go_on(1, &half, FIRST), Some(FIRST));
        assert_eq!(wait_to_go_on(2, &status(500), FIRST), Some(FIRST * 2));
        assert_eq!(wait_to_go_on(MAX_TRANSFER_ATTEMPTS, &half, FIRST), None);
        assert_eq!(wait_to_go_on(1, &busy(30), FIRST), Some(Duration::from_secs(30)));
        assert_eq!(wait_to_go_on(1, &busy(3600), FIRST), None);
        for final_ in [400, 404, 405, 413, 501] {
            assert_eq!(wait_to_go_on(1, &status(final_), FIRST), None, "{final_}");
        }
    }

    #[test]
    fn servers_are_given_the_rest_they_ask_for() {
        assert_eq!(wait(1, &busy(2), FIRST), Some(Duration::from_secs(2)));
        assert_eq!(wait(1, &busy(0), FIRST), Some(FIRST));
        assert_eq!(wait(1, &busy(3600), FIRST), None);
    }
}
