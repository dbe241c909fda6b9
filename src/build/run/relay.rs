//! Passes on what a command writes, and to it what is typed, until it ends.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{
    OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::build::run::channel::retry;
use crate::build::run::messages::{Answer, Failure, Input, surprise};
use crate::build::run::regardless;
use crate::build::run::sandbox::{Keeper, Pipes};
use crate::build::runner::Stream;

/// What is between us and the command.
#[derive(Debug)]
pub(super) struct Relay {
    pipes: Pipes,
    /// The end that the command reads, until it has it.
    command_input: Option<OwnedFd>,
    /// Where what is typed goes: a pipe, or the terminal.
    typed: Option<OwnedFd>,
    is_terminal: bool,
}

impl Relay {
    pub(super) fn new(input: Input, pipes: Pipes) -> io::Result<Self> {
        unblock(&pipes.output)?;
        unblock(&pipes.error)?;
        let (command_input, typed) = match input {
            Input::Descriptor => {
                let (reads, writes) = pipe_with(PipeFlags::CLOEXEC)?;
                unblock(&writes)?;
                (Some(reads), Some(writes))
            }
            Input::Nothing | Input::Terminal { .. } => (None, None),
        };
        let is_terminal = matches!(input, Input::Terminal { .. });
        Ok(Self { pipes, command_input, typed, is_terminal })
    }

    /// What the command reads from, if that is to be handed over.
    pub(super) fn command_input(&self) -> Option<BorrowedFd<'_>> {
        self.command_input.as_ref().map(OwnedFd::as_fd)
    }

    /// Does its work until the keeper says what came of the command.
    pub(super) fn follow(
        mut self,
        keeper: &Keeper,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Answer, Failure> {
        drop(self.command_input.take());
        let of = |error: io::Error| Failure::system("to watch the command", error);
        let mut raw: Option<RawTerminal> = None;
        let mut buffer: VecDeque<u8> = VecDeque::new();
        let mut reads_stdin = self.typed.is_some();
        let mut scrap = Scrap::new();
        loop {
            let stdin = rustix::stdio::stdin();
            let wants_input = reads_stdin && buffer.is_empty() && self.typed.is_some();
            let ready = keeper.watched(|channel| {
                let mut watched = vec![
                    PollFd::from_borrowed_fd(channel, PollFlags::IN),
                    PollFd::new(&self.pipes.output, PollFlags::IN),
                    PollFd::new(&self.pipes.error, PollFlags::IN),
                ];
                let mut events = PollFlags::empty();
                if let Some(typed) = &self.typed {
                    if !buffer.is_empty() {
                        events |= PollFlags::OUT;
                    }
                    if self.is_terminal {
                        events |= PollFlags::IN;
                    }
                    watched.push(PollFd::new(typed, events));
                }
                if wants_input {
                    watched.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
                }
                let timeout = self.is_terminal.then_some(&LOOK_AT_SIZE);
                retry(|| poll(&mut watched, timeout))?;
                Ok(watched.iter().map(PollFd::revents).collect::<Vec<PollFlags>>())
            });
            let ready = ready.ok_or_else(surprise)?.map_err(of)?;
            let is_ready = |at: usize| ready.get(at).is_some_and(|events| !events.is_empty());
            for (at, stream) in [(1, Stream::Output), (2, Stream::Error)] {
                if is_ready(at) {
                    let from = if at == 1 { &self.pipes.output } else { &self.pipes.error };
                    scrap.pass_on(from, stream, output).map_err(of)?;
                }
            }
            if let Some(typed) = &self.typed
                && is_ready(3)
            {
                if self.is_terminal {
                    scrap.pass_on(typed, Stream::Output, output).map_err(of)?;
                }
                if !buffer.is_empty() && !write(typed, &mut buffer).map_err(of)? {
                    self.typed = None;
                }
            }
            if wants_input && is_ready(4) {
                match retry(|| rustix::io::read(stdin, &mut scrap.0[..])) {
                    Ok(0) | Err(_) => {
                        reads_stdin = false;
                        if !self.is_terminal {
                            self.typed = None;
                        }
                    }
                    Ok(count) => buffer.extend(scrap.0.get(..count).unwrap_or_default()),
                }
            }
            if let Some(raw) = &mut raw
                && let Some(typed) = &self.typed
            {
                raw.pass_size_on(typed);
            }
            if is_ready(0) {
                match keeper.next()? {
                    (Answer::Terminal, with) => {
                        let terminal = with.into_iter().next().ok_or_else(surprise)?;
                        unblock(&terminal).map_err(of)?;
                        raw = RawTerminal::new();
                        self.typed = Some(terminal);
                        reads_stdin = true;
                    }
                    (answer, _) => {
                        // Everybody who wrote is gone; what they wrote may be still there.
                        self.drain(output).map_err(of)?;
                        return Ok(answer);
                    }
                }
            }
        }
    }

    fn drain(&self, output: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        let mut scrap = Scrap::new();
        while scrap.pass_on(&self.pipes.output, Stream::Output, output)? {}
        while scrap.pass_on(&self.pipes.error, Stream::Error, output)? {}
        if let Some(terminal) = self.typed.as_ref().filter(|_| self.is_terminal) {
            while scrap.pass_on(terminal, Stream::Output, output)? {}
        }
        Ok(())
    }
}

/// Room for what is passed on.
struct Scrap(Vec<u8>);

impl Scrap {
    fn new() -> Self {
        Self(vec![0; 32 << 10])
    }

    /// Passes on what is there; returns whether there was something.
    fn pass_on(
        &mut self,
        from: &OwnedFd,
        stream: Stream,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> io::Result<bool> {
        match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut self.0[..])) {
            Ok(0) | Err(Errno::AGAIN | Errno::IO) => Ok(false),
            Ok(count) => {
                output(stream, self.0.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes what can be written now; `false` if nobody reads it.
fn write(to: &OwnedFd, buffer: &mut VecDeque<u8>) -> io::Result<bool> {
    let (part, _) = buffer.as_slices();
    match rustix::io::retry_on_intr(|| rustix::io::write(to, part)) {
        Ok(count) => {
            buffer.drain(..count);
            Ok(true)
        }
        Err(Errno::AGAIN) => Ok(true),
        Err(Errno::PIPE | Errno::IO) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn unblock(descriptor: &OwnedFd) -> io::Result<()> {
    let flags = fcntl_getfl(descriptor)?;
    Ok(fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?)
}

/// Our terminal as the command's wants it: every key is passed on. As it was when this is dropped.
struct RawTerminal {
    before: Termios,
    size: Option<Winsize>,
}

impl RawTerminal {
    fn new() -> Option<Self> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Drain, &raw).ok()?;
        Some(Self { before, size: None })
    }

    fn pass_size_on(&mut self, terminal: &OwnedFd) {
        let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) else { return };
        let same = |other: Winsize| (other.ws_row, other.ws_col) == (size.ws_row, size.ws_col);
        // A terminal that is gone needs no size.
        if !self.size.is_some_and(same) && tcsetwinsize(terminal, size).is_ok() {
            self.size = Some(size);
        }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        regardless(tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.before));
    }
}

/// A terminal as large as ours, or a pipe if ours is none.
pub(super) fn terminal_size() -> Input {
    let stdin = rustix::stdio::stdin();
    if !isatty(stdin) {
        return Input::Descriptor;
    }
    match tcgetwinsize(stdin) {
        Ok(size) => Input::Terminal { rows: size.ws_row, columns: size.ws_col },
        Err(_) => Input::Terminal { rows: 24, columns: 80 },
    }
}

/// How often it is looked whether the terminal has another size.
const LOOK_AT_SIZE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
