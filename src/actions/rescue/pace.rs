//! How fast a server is asked, by all that ask it together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::limits::MAX_UNANSWERED_IN_A_ROW;

/// How many requests a second, how many at once, and whether there is any use in another.
#[derive(Debug)]
pub struct Pace {
    between: Duration,
    next: Mutex<Option<Instant>>,
    at_once: Semaphore,
    unanswered: AtomicU32,
}

impl Pace {
    /// At most `rate` requests a second, begun `parallel` at once.
    pub fn new(rate: u32, parallel: usize) -> Self {
        Self {
            between: Duration::from_secs(1).checked_div(rate).unwrap_or_default(),
            next: Mutex::default(),
            at_once: Semaphore::new(parallel.max(1)),
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
