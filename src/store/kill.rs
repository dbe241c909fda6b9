//! Ends the process at a chosen change to the disk, as a power cut or `kill -9` would.
//!
//! For the tests that run the program itself; no release build has it.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// Changes that are still let through.
static LEFT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Lets `changes` changes to the disk happen, on whatever thread, and kills the process before the
/// next.
pub fn after(changes: u64) {
    LEFT.store(changes, Ordering::SeqCst);
}

/// Called before every change to the disk.
pub(crate) fn step() {
    let count = |left: u64| left.checked_sub(1);
    // Somebody who does not want to be killed never counts down to nothing.
    if LEFT.try_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err() {
        loop {
            // Nothing more may happen on this thread until the signal has come.
            if kill_process(getpid(), Signal::KILL).is_ok() {
                std::thread::park();
            }
        }
    }
}
