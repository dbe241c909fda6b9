//! Trying again what others were in the way of.

use std::time::Duration;

use crate::server::meta::MetaError;

/// How often, and how soon, the same is tried again.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
}

impl Attempts {
    /// Whether what failed is to be tried again; waits for a moment before it says so. Only a
    /// change that failed as a whole may be tried again.
    pub async fn again(&mut self, error: &MetaError) -> bool {
        if !error.is_transient() || self.made >= MAX_RETRIES {
            return false;
        }
        self.made += 1;
        pause(RETRY_PAUSE * self.made, RETRY_SPREAD).await;
        true
    }
}

/// Makes a whole change, and again while others are in its way.
pub async fn retried<T, F>(mut change: impl FnMut() -> F) -> Result<T, MetaError>
where
    F: Future<Output = Result<T, MetaError>>,
{
    let mut attempts = Attempts::default();
    loop {
        match change().await {
            Err(error) if attempts.again(&error).await => {}
            done => return done,
        }
    }
}

/// Waits for this long, and up to as much as `spread` longer: two that were in each other's way
/// must not meet again.
pub async fn pause(least: Duration, spread: Duration) {
    let random = uuid::Uuid::new_v4().as_bytes().first().copied().unwrap_or_default();
    tokio::time::sleep(least + spread * u32::from(random) / u32::from(u8::MAX)).await;
}

/// How often a change that others were in the way of is tried again.
const MAX_RETRIES: u32 = 3;
/// How long is waited before, the first time.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// How much longer it may be.
const RETRY_SPREAD: Duration = Duration::from_millis(13);
