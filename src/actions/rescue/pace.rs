//! How fast a server is asked, by all that ask it together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::limits::{MAX_RESCUED_BYTES, MAX_UNANSWERED_IN_A_ROW};

/// How many requests a second, how many at once, and whether there is any use in another. Each
/// server has its own: that one is slow or gone says nothing of others.
#[derive(Debug)]
pub struct Pace {
    between: Duration,
    next: Mutex<Option<Instant>>,
    at_once: Semaphore,
    large: Semaphore,
    unanswered: AtomicU32,
}

impl Pace {
    /// At most `rate` requests a second, begun `parallel` at once.
    pub fn new(rate: u32, parallel: usize) -> Self {
        Self {
            between: Duration::from_secs(1).checked_div(rate).unwrap_or_default(),
            next: Mutex::default(),
            at_once: Semaphore::new(parallel.max(1)),
            large: Semaphore::new(1),
            unanswered: AtomicU32::new(0),
        }
    }

    /// Waits for its turn; the next one comes when the permit is dropped, or others are free.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.at_once.acquire().await.ok();
        loop {
            let now = Instant::now();
            let at = {
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                let at = next.unwrap_or(now).max(now);
                if at == now {
                    *next = Some(now + self.between);
                    return permit;
                }
                at
            };
            // Somebody may have asked for a longer rest meanwhile.
            sleep_until(at).await;
        }
    }

    /// Waits until no other large file is held.
    pub(super) async fn alone(&self) -> Option<SemaphorePermit<'_>> {
        self.large.acquire().await.ok()
    }

    /// Nobody asks before this long has passed: the server wants a rest.
    pub(super) fn rest(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some(next.map_or(until, |next| next.max(until)));
    }

    /// Remembers whether there was an answer.
    pub(super) fn remember(&self, answered: bool) {
        if answered {
            self.unanswered.store(0, Ordering::Relaxed);
        } else {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the server has not answered for so long that it is asked no more.
    pub(super) fn is_hopeless(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= MAX_UNANSWERED_IN_A_ROW
    }
}

/// Room in memory for collections that are judged, each as a whole: as much as the largest takes.
#[derive(Debug)]
pub(super) struct Judging(Semaphore);

impl Judging {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(usize::try_from(MAX_RESCUED_BYTES / ROOM).unwrap_or(1)))
    }

    /// Waits until there is room for so many bytes; it is given back when the permit is dropped.
    pub(super) async fn room(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let rooms = (bytes / ROOM).clamp(1, MAX_RESCUED_BYTES / ROOM);
        self.0.acquire_many(u32::try_from(rooms).unwrap_or(1)).await.ok()
    }
}

/// The least that is counted, in bytes.
const ROOM: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rest_is_everybodys_and_a_shorter_one_does_not_end_it() {
        let pace = Pace::new(1000, 4);
        drop(pace.turn().await);
        pace.rest(Duration::from_mins(5));
        pace.rest(Duration::ZERO);
        let turn = tokio::time::timeout(Duration::from_millis(50), pace.turn()).await;
        assert!(turn.is_err());
    }

    #[test]
    fn a_server_is_hopeless_after_enough_silence_in_a_row() {
        let pace = Pace::new(10, 1);
        (1..MAX_UNANSWERED_IN_A_ROW).for_each(|_| pace.remember(false));
        assert!(!pace.is_hopeless());
        pace.remember(true);
        (1..MAX_UNANSWERED_IN_A_ROW).for_each(|_| pace.remember(false));
        assert!(!pace.is_hopeless());
        pace.remember(false);
        assert!(pace.is_hopeless());
    }
}
