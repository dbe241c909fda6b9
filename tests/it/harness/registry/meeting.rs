//! Requests that wait for one another.

use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::server::PATIENCE;

/// Holds whoever comes until so many are there, and then for a moment longer, so that one too many
/// would be seen. After that nobody waits any more.
#[derive(Debug)]
pub(crate) struct Meeting {
    expected: usize,
    arrived: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    /// A meeting of so many.
    pub(crate) fn of(expected: usize) -> Self {
        Self { expected, arrived: Mutex::new(0), changed: Condvar::new() }
    }

    /// Waits for the others; those who never come are waited for as long as anybody is.
    pub(crate) fn attend(&self) {
        let mut arrived = self.arrived.lock().unwrap();
        *arrived += 1;
        self.changed.notify_all();
        let missing = |arrived: &mut usize| *arrived < self.expected;
        let (arrived, late) = self.changed.wait_timeout_while(arrived, PATIENCE, missing).unwrap();
        drop(arrived);
        if !late.timed_out() {
            thread::sleep(MOMENT);
        }
    }

    /// Whether all were there at once.
    pub(crate) fn took_place(&self) -> bool {
        *self.arrived.lock().unwrap() >= self.expected
    }
}

/// Long enough for one more request to arrive; too short only hides a fault, and makes none.
const MOMENT: Duration = Duration::from_millis(100);
