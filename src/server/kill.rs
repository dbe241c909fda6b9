//! Ends the process at a chosen durable step, as a power cut or `kill -9` would.
//!
//! For the tests that run the server itself; no release build counts.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that are still let through.
#[cfg(debug_assertions)]
static LEFT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Lets `steps` steps happen, on whatever thread, and kills the process before the next. A step is
/// a statement of a transaction that writes, its commit, the instant after it, and each change to a
/// file.
#[cfg(debug_assertions)]
pub fn after(steps: u64) {
    LEFT.store(steps, Ordering::SeqCst);
}

/// Called before every durable step.
#[cfg(debug_assertions)]
pub(crate) fn step() {
    let count = |left: u64| left.checked_sub(1);
    // Somebody who does not want to be killed never counts down to nothing.
    if LEFT.try_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err() {
        loop {
            // Nothing more may happen on this thread until the signal has come.
            let pid = rustix::process::getpid();
            if rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok() {
                std::thread::park();
            }
        }
    }
}

/// Called before every durable step.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn step() {}
