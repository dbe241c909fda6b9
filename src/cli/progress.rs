//! How a transfer shows: a bar a blob on a terminal, a line a blob elsewhere, nothing if quiet.
//!
//! With [`crate::cli::ui`] and [`crate::cli::prompt`] the only place that writes to the person.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::actions::transfer::{Ended, Progress, Silent};
use crate::cli::run::Session;
use crate::cli::ui::{Ui, Verbosity};
use crate::oci::{Descriptor, Digest};

/// What a transfer is, for the words that blobs end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// From a registry to here.
    Pull,
    /// To a registry.
    Push,
}

/// What shows a transfer of this session.
pub fn of(session: &Session, transfer: Transfer) -> Arc<dyn Progress> {
    if session.ui.verbosity() == Verbosity::Quiet {
        Arc::new(Silent)
    } else if session.settings.bars {
        on_screen(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), transfer)
    } else {
        Arc::new(Lines { transfer, ui: session.ui })
    }
}

/// What shows a transfer among other things that move.
pub fn on_screen(screen: MultiProgress, transfer: Transfer) -> Arc<dyn Progress> {
    Arc::new(Bars { transfer, screen, shown: Mutex::default() })
}

/// A line for each blob that is where it should be.
#[derive(Debug)]
struct Lines {
    transfer: Transfer,
    ui: Ui,
}

impl Progress for Lines {
    fn begins(&self, _: &Descriptor) {}

    fn stands(&self, _: &Digest, _: u64) {}

    fn ends(&self, digest: &Digest, how: &Ended) {
        self.ui.status(format!("{}: {}", short(digest), words(self.transfer, *how)));
    }
}

/// A bar for each blob on its way.
struct Bars {
    transfer: Transfer,
    screen: MultiProgress,
    shown: Mutex<BTreeMap<Digest, ProgressBar>>,
}

impl Bars {
    fn bar(&self, digest: &Digest) -> Option<ProgressBar> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

impl Progress for Bars {
    fn begins(&self, blob: &Descriptor) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.entry(blob.digest.clone()).or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(blob.size));
            bar.set_style(style(MOVING));
            bar.set_prefix(short(&blob.digest));
            bar
        });
    }

    fn stands(&self, digest: &Digest, bytes: u64) {
        if let Some(bar) = self.bar(digest) {
            bar.set_position(bytes);
        }
    }

    fn ends(&self, digest: &Digest, how: &Ended) {
        if let Some(bar) = self.bar(digest) {
            bar.set_style(style(ENDED));
            bar.finish_with_message(words(self.transfer, *how));
        }
    }
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").field("transfer", &self.transfer).finish_non_exhaustive()
    }
}

/// Docker's words.
const fn words(transfer: Transfer, how: Ended) -> &'static str {
    match (transfer, how) {
        (Transfer::Pull, Ended::Existed) => "Already exists",
        (Transfer::Push, Ended::Existed) => "Layer already exists",
        (_, Ended::Mounted) => "Mounted from another repository",
        (_, Ended::Fetched) => "Pull complete",
        (_, Ended::Sent) => "Pushed",
        (_, Ended::Foreign) => "Skipped foreign layer",
    }
}

/// The first digits of a digest, as docker shows blobs.
fn short(digest: &Digest) -> String {
    digest.hex().chars().take(SHORT_DIGITS).collect()
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

const SHORT_DIGITS: usize = 12;
const MOVING: &str = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const ENDED: &str = "{prefix} {msg}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_templates() {
        for template in [MOVING, ENDED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn bars_come_and_go() {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let bars = Bars { transfer: Transfer::Pull, screen, shown: Mutex::default() };
        let blob = Descriptor::new("a/b", Digest::sha256_of(b"x"), 10);
        bars.stands(&blob.digest, 3);
        bars.begins(&blob);
        bars.begins(&blob);
        bars.stands(&blob.digest, 7);
        let bar = bars.bar(&blob.digest).unwrap();
        assert_eq!((bar.position(), bar.length()), (7, Some(10)));
        bars.ends(&blob.digest, &Ended::Fetched);
        assert!(bar.is_finished());
        assert_eq!(bar.message(), "Pull complete");
    }
}
