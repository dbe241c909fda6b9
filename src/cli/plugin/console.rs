//! Questions where docker asks them: on the standard output, answered on the standard input, be
//! that a terminal or not.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::cli::error::CliError;
use crate::cli::plugin::socket::Ending;
use crate::cli::prompt::{Console, Echo, PromptError, read_hidden};
use crate::cli::ui::Ui;

/// Asks as docker does.
#[derive(Debug)]
pub struct PluginConsole {
    ui: Ui,
    /// What is said before the first question, or when there was none.
    held: Mutex<String>,
    ending: Ending,
}

impl PluginConsole {
    /// Asks on this screen, until the end has come.
    pub fn new(ui: Ui, ending: Ending) -> Self {
        Self { ui, held: Mutex::default(), ending }
    }

    /// Keeps a text back until somebody is asked, or until [`PluginConsole::release`].
    pub fn hold(&self, text: String) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Says what is kept back.
    pub fn release(&self) -> io::Result<()> {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        if held.is_empty() { Ok(()) } else { self.ui.data(held) }
    }

    /// Asks a question whose answer is yes or no; no answer is a no.
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        self.ui.data(format!("{question} [y/N] "))?;
        let line = self.read_line()?;
        Ok(line.is_some_and(|line| matches!(line.trim(), "y" | "Y")))
    }
}

impl PluginConsole {
    fn input(&self) -> Unbuffered<'_> {
        Unbuffered { ending: &self.ending }
    }

    /// A line of the standard input without its end; nothing at the end of the input. No byte
    /// behind it is taken: it may be the answer to the next question.
    fn read_line(&self) -> Result<Option<Zeroizing<String>>, PromptError> {
        read_line(&mut self.input()).map_err(|cause| self.cancelled(PromptError::Io(cause)))
    }

    /// What failed because the end has come did not fail.
    fn cancelled(&self, error: PromptError) -> PromptError {
        if self.ending.has_come() { PromptError::Cancelled } else { error }
    }
}

impl Console for PluginConsole {
    fn ask(&self, prompt: &str, echo: Echo) -> Result<Zeroizing<String>, PromptError> {
        self.release().map_err(PromptError::Io)?;
        self.ui.data(prompt).map_err(PromptError::Io)?;
        let line = if echo == Echo::Off && self.ui.input_is_a_person() {
            let terminal = rustix::io::dup(rustix::stdio::stdin());
            terminal
                .map_err(|errno| PromptError::Io(errno.into()))
                .and_then(|terminal| read_hidden(&File::from(terminal), &mut self.input()))
                .map_err(|error| self.cancelled(error))
        } else {
            self.read_line().and_then(|line| line.ok_or(PromptError::NoTerminal))
        };
        self.ui.data("\n").map_err(PromptError::Io)?;
        line
    }

    fn say(&self, line: &str) {
        // If our reader is gone, the next write says so.
        drop(self.ui.line(line));
    }

    fn too_short(&self) -> String {
        "Passphrase is too short. Please use a password manager to generate and store a good \
         random passphrase."
            .to_owned()
    }
}

fn read_line(input: &mut dyn Read) -> io::Result<Option<Zeroizing<String>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES));
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() < MAX_LINE_BYTES => line.extend(byte),
            Ok(_) => return Err(io::Error::other("the line is too long")),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    let text = std::str::from_utf8(&line)
        .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
    Ok(Some(Zeroizing::new(text.trim_end_matches('\r').to_owned())))
}

/// The standard input, a byte at a time; it fails when the end has come.
struct Unbuffered<'a> {
    ending: &'a Ending,
}

impl Read for Unbuffered<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let input = rustix::stdio::stdin();
        loop {
            if self.ending.has_come() {
                return Err(io::Error::other("somebody ended it"));
            }
            match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return rustix::io::read(input, bytes).map_err(io::Error::from),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// How long an answer is waited for before it is looked whether the end has come.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Longest line typed, in bytes: the buffer never grows, so no copy of a secret stays behind.
const MAX_LINE_BYTES: usize = 4096;
