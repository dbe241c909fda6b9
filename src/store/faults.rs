//! Makes the disk fail at a chosen step, for the tests of crash safety.

use std::cell::Cell;
use std::io;

thread_local! {
    static STEPS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    static MODE: Cell<Mode> = const { Cell::new(Mode::Crash) };
}

/// What happens at the chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The process is gone: nothing after it happens either.
    Crash,
    /// This one step fails with the disk full; later ones work.
    FullOnce,
    /// From here on the disk is read-only.
    ReadOnly,
}

/// Runs `work` with the disk failing at change number `step` (counted from 0); returns what `work`
/// returned and whether the failure came to pass.
pub(crate) fn with_fault<T>(step: u32, mode: Mode, work: impl FnOnce() -> T) -> (T, bool) {
    STEPS_LEFT.set(Some(step));
    MODE.set(mode);
    let result = work();
    let hit = STEPS_LEFT.get() == Some(u32::MAX);
    STEPS_LEFT.set(None);
    (result, hit)
}

/// Called before every change to the disk.
pub(crate) fn step() -> io::Result<()> {
    match (STEPS_LEFT.get(), MODE.get()) {
        (None, _) | (Some(u32::MAX), Mode::FullOnce) => Ok(()),
        (Some(u32::MAX | 0), mode) => {
            STEPS_LEFT.set(Some(u32::MAX));
            Err(match mode {
                Mode::Crash => io::Error::other("simulated crash"),
                Mode::FullOnce => io::ErrorKind::StorageFull.into(),
                Mode::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
            })
        }
        (Some(left), _) => {
            STEPS_LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}
