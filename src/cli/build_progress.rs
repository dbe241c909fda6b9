//! How a build shows: its steps on a terminal that moves, line by line elsewhere, or not at all.
//!
//! With [`crate::cli::ui`], [`crate::cli::prompt`] and [`crate::cli::progress`] the only place that
//! writes to the person.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::actions::build::outside::Watcher;
use crate::actions::transfer::{self, Progress};
use crate::actions::verify::Verdict;
use crate::build::outside::Event;
use crate::build::runner::Stream;
use crate::cli::outcome::say_verdict;
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::cli::ui::{Verbosity, printable};
use crate::oci::Reference;

/// How much of a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressChoice {
    /// As the terminal allows
    #[default]
    Auto,
    /// Line by line
    Plain,
    /// The step at hand and its last lines, moving
    Tty,
    /// Nothing
    Quiet,
}

/// Who watches a build of this session.
pub fn watcher(session: &Session, choice: ProgressChoice) -> Arc<dyn Watcher> {
    let quiet = session.ui.verbosity() == Verbosity::Quiet;
    let moves = match choice {
        ProgressChoice::Auto => session.settings.bars,
        ProgressChoice::Tty => true,
        ProgressChoice::Plain | ProgressChoice::Quiet => false,
    };
    let session = session.clone();
    if quiet || choice == ProgressChoice::Quiet {
        Arc::new(Silent { session, at_hand: Mutex::default() })
    } else if moves {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Arc::new(Moving { session, screen, shown: Mutex::default() })
    } else {
        Arc::new(Lines { session, steps: Mutex::default() })
    }
}

/// Nothing but warnings; what the step at hand wrote is kept, in case it fails.
#[derive(Debug)]
struct Silent {
    session: Session,
    at_hand: Mutex<(Output, VecDeque<String>)>,
}

impl Watcher for Silent {
    fn report(&self, event: Event<'_>) {
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let (output, last) = &mut *at_hand;
        match event {
            Event::Warning(text) => self.session.ui.warn(text),
            Event::Begins { .. } | Event::Done { .. } => {
                *output = Output::default();
                last.clear();
            }
            Event::Wrote { bytes, stream, .. } => output.take(stream, bytes, &mut |line| {
                last.push_back(line.to_owned());
                while last.len() > LINES_KEPT {
                    last.pop_front();
                }
            }),
        }
    }

    fn trusted(&self, reference: &Reference, verdict: &Verdict) {
        say_verdict(&self.session, reference, verdict);
    }

    fn transfer(&self) -> Arc<dyn Progress> {
        Arc::new(transfer::Silent)
    }

    fn unsaid(&self) -> Vec<String> {
        let at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        at_hand.1.iter().cloned().collect()
    }
}

/// Lines as they come, each with the number of its step.
#[derive(Debug)]
struct Lines {
    session: Session,
    steps: Mutex<Steps<Output>>,
}

impl Watcher for Lines {
    fn report(&self, event: Event<'_>) {
        let ui = self.session.ui;
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begins { step, of, stage, text } => {
                let number = steps.begin(step, Output::default());
                ui.status(format!("#{number} [{}{step}/{of}] {}", in_stage(stage), one_line(text)));
            }
            Event::Wrote { step, stream, bytes } => {
                let Some((number, output)) = steps.at_hand(step) else { return };
                output.take(stream, bytes, &mut |line| ui.pass_on(&format!("#{number} {line}")));
            }
            Event::Done { step, cached } => {
                let Some((number, output)) = steps.end(step) else { return };
                output.finish(&mut |line| ui.pass_on(&format!("#{number} {line}")));
                ui.status(format!("#{number} {}", if cached { "CACHED" } else { "DONE" }));
            }
            Event::Warning(text) => ui.warn(text),
        }
    }

    fn trusted(&self, reference: &Reference, verdict: &Verdict) {
        say_verdict(&self.session, reference, verdict);
    }

    fn transfer(&self) -> Arc<dyn Progress> {
        progress::of(&self.session, Transfer::Pull)
    }
}

/// Steps that are not done: a step of one stage may wait for those of another. Their numbers go
/// through the whole build, while each stage counts its own from 1.
#[derive(Debug)]
struct Steps<T> {
    begun: usize,
    /// What each stage calls it, its number, and what belongs to it.
    open: Vec<(usize, usize, T)>,
}

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Self { begun: 0, open: Vec::new() }
    }
}

impl<T> Steps<T> {
    fn begin(&mut self, step: usize, with: T) -> usize {
        self.begun += 1;
        self.open.push((step, self.begun, with));
        self.begun
    }

    fn at_hand(&mut self, step: usize) -> Option<(usize, &mut T)> {
        let found = self.open.iter_mut().rev().find(|(called, ..)| *called == step)?;
        Some((found.1, &mut found.2))
    }

    fn end(&mut self, step: usize) -> Option<(usize, T)> {
        let at = self.open.iter().rposition(|(called, ..)| *called == step)?;
        let (_, number, with) = self.open.remove(at);
        Some((number, with))
    }
}

/// A line that moves for the step at hand, and its last lines of output below.
struct Moving {
    session: Session,
    screen: MultiProgress,
    shown: Mutex<Steps<Shown>>,
}

struct Shown {
    head: ProgressBar,
    below: ProgressBar,
    output: Output,
    last: VecDeque<String>,
}

impl Watcher for Moving {
    fn report(&self, event: Event<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begins { step, of, stage, text } => {
                let head = self.screen.add(ProgressBar::new_spinner());
                head.set_style(style(HEAD));
                head.set_message(format!("[{}{step}/{of}] {}", in_stage(stage), one_line(text)));
                head.enable_steady_tick(TICK);
                let below = self.screen.add(ProgressBar::new_spinner());
                below.set_style(style(BELOW));
                let (output, last) = (Output::default(), VecDeque::new());
                shown.begin(step, Shown { head, below, output, last });
            }
            Event::Wrote { step, stream, bytes } => {
                let Some((_, Shown { below, output, last, .. })) = shown.at_hand(step) else {
                    return;
                };
                output.take(stream, bytes, &mut |line| {
                    last.push_back(line.chars().take(LINE).collect());
                    while last.len() > LINES_KEPT {
                        last.pop_front();
                    }
                });
                let above = last.len().saturating_sub(LINES_BELOW);
                let lines: Vec<String> =
                    last.iter().skip(above).map(|line| format!("   {line}")).collect();
                below.set_message(lines.join("\n"));
            }
            Event::Done { step, cached } => {
                if let Some((_, Shown { head, below, .. })) = shown.end(step) {
                    below.finish_and_clear();
                    head.set_style(style(if cached { CACHED } else { DONE }));
                    head.finish();
                }
            }
            Event::Warning(text) => self.screen.suspend(|| self.session.ui.warn(text)),
        }
    }

    fn trusted(&self, reference: &Reference, verdict: &Verdict) {
        self.screen.suspend(|| say_verdict(&self.session, reference, verdict));
    }

    fn transfer(&self) -> Arc<dyn Progress> {
        progress::on_screen(self.screen.clone(), Transfer::Pull)
    }

    fn unsaid(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, _, step) in &shown.open {
            step.head.abandon();
            step.below.finish_and_clear();
        }
        shown.open.iter().flat_map(|(_, _, step)| step.last.iter().cloned()).collect()
    }
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving").finish_non_exhaustive()
    }
}

/// What a command writes, cut into lines: both streams by themselves.
#[derive(Debug, Default)]
struct Output {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Output {
    fn take(&mut self, stream: Stream, bytes: &[u8], say: &mut dyn FnMut(&str)) {
        let pending = match stream {
            Stream::Output => &mut self.out,
            Stream::Error => &mut self.err,
        };
        pending.extend_from_slice(bytes);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            say(&shown(&line));
        }
        if pending.len() > MAX_PENDING {
            say(&shown(&std::mem::take(pending)));
        }
    }

    fn finish(self, say: &mut dyn FnMut(&str)) {
        for rest in [self.out, self.err] {
            if !rest.is_empty() {
                say(&shown(&rest));
            }
        }
    }
}

/// A line as a person would see it in the end: what was overwritten is gone, and so are colours.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    let last = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    printable(&without_colours(last)).replace("\\t", "\t")
}

/// The text without the sequences that set colours (ECMA-48 §8.3.117) and erase lines.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let parameters = |c: char| c.is_ascii_digit() || matches!(c, ';' | '?' | ':');
        let end = after.trim_start_matches(parameters);
        rest = if let Some(rest) = end.strip_prefix(['m', 'K', 'J', 'A', 'G', 'h', 'l']) {
            rest
        } else {
            // Something else: it is spelt out.
            plain.push_str("\x1b[");
            after
        };
    }
    plain.push_str(rest);
    plain
}

fn in_stage(stage: &str) -> String {
    if stage.is_empty() { String::new() } else { format!("{stage} ") }
}

/// The beginning of a text, in one line.
fn one_line(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LINE) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

const HEAD: &str = "{spinner} {msg} {elapsed}";
const BELOW: &str = "{msg}";
const DONE: &str = "✓ {msg} {elapsed}";
const CACHED: &str = "= {msg} CACHED";
const TICK: Duration = Duration::from_millis(120);
/// How many lines of output are shown below a step.
const LINES_BELOW: usize = 6;
/// How many lines of output are kept of a step that is not shown.
const LINES_KEPT: usize = 40;
/// How much of a line is shown, in characters.
const LINE: usize = 200;
/// Longest line that is waited for, in bytes.
const MAX_PENDING: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_into_lines_stream_by_stream() {
        let mut said = Vec::new();
        let mut output = Output::default();
        let mut say = |line: &str| said.push(line.to_owned());
        output.take(Stream::Output, b"one\ntw", &mut say);
        output.take(Stream::Error, b"warn\n", &mut say);
        output.take(Stream::Output, b"o\nthree", &mut say);
        output.finish(&mut say);
        assert_eq!(said, ["one", "warn", "two", "three"]);
    }

    #[test]
    fn numbers_go_through_all_stages() {
        let mut steps = Steps::default();
        assert_eq!(steps.begin(1, "a"), 1);
        assert_eq!(steps.end(1), Some((1, "a")));
        // The second step of a stage waits for the first of another.
        assert_eq!(steps.begin(2, "b"), 2);
        assert_eq!(steps.begin(1, "c"), 3);
        assert_eq!(steps.end(1), Some((3, "c")));
        assert_eq!(steps.at_hand(2).map(|(number, _)| number), Some(2));
        assert_eq!(steps.end(7), None);
    }

    #[test]
    fn what_a_command_writes_cannot_steer_the_terminal() {
        assert_eq!(shown(b"\x1b[32mok\x1b[0m\n"), "ok");
        assert_eq!(shown(b"10%\r20%\r100%\r\n"), "100%");
        assert_eq!(shown(b"\x1b]0;title\x07x\n"), "\\u{1b}]0;title\\u{7}x");
        assert_eq!(shown(b"a\tb\n"), "a\tb");
        assert_eq!(shown(b"\xff\n"), "\u{fffd}");
    }

    #[test]
    fn templates_are_templates() {
        for template in [HEAD, BELOW, DONE, CACHED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
