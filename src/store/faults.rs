//! Makes the disk fail at a chosen step, for the tests of crash safety.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};

thread_local! {
    static STEPS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    static MODE: Cell<Mode> = const { Cell::new(Mode::Crash) };
    static TRACE: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
}

/// What is done to which path; of a rename, to the old one.
pub(crate) type Step = (&'static str, PathBuf);

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

/// Runs `work`; returns what it returned and all changes to the disk, in their order.
///
/// What is synced at once is told in the order of its paths.
pub(crate) fn traced<T>(work: impl FnOnce() -> T) -> (T, Vec<Step>) {
    TRACE.set(Some(Vec::new()));
    let result = work();
    (result, TRACE.take().unwrap_or_default())
}

/// Called before every change to the disk, on the thread that was given the work.
pub(crate) fn step(action: &'static str, path: &Path) -> io::Result<()> {
    TRACE.with_borrow_mut(|trace| trace.iter_mut().for_each(|t| t.push((action, path.to_owned()))));
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
