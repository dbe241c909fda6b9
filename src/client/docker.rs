//! The `docker` program beside us: asked in silence, shown, or become.
//!
//! What it says to the person it says itself. Content trust of its own, where it has any, is
//! always off: whoever calls it decides.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::limits::MAX_DOCKER_ANSWER_BYTES;

/// Marks what was started by us, so that a `docker` that leads back to us is noticed.
pub const CHAIN_VARIABLE: &str = "TRUST_DOCKER_CHAIN";

/// A `docker` program, and the words that stand before every command.
#[derive(Debug, Clone)]
pub struct Docker {
    program: PathBuf,
    first: Vec<OsString>,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code; 128 and the number of a signal that ended it.
    pub code: u8,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
    /// What it wrote to its standard error.
    pub talk: Vec<u8>,
}

/// Why it did not do anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// There is no such program.
    #[error("there is no program `{}`", program.display())]
    Missing {
        /// The program.
        program: PathBuf,
    },
    /// It cannot be started.
    #[error("cannot start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It went silent, or said too much.
    #[error("cannot read what `{}` says", program.display())]
    Read {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Where a shown command's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// To ours.
    AsOutput,
    /// To our standard error.
    AsTalk,
}

impl Docker {
    /// The program of this name or path, with these words before every command.
    pub fn new(program: &Path, first: Vec<OsString>) -> Self {
        Self { program: program.to_owned(), first }
    }

    /// Its name or path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a command that shows nothing.
    pub fn ask<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<Answer, DockerError> {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| self.not_started(cause))?;
        let talk = child.stderr.take();
        let talk = thread::spawn(move || talk.map_or_else(|| Ok(Vec::new()), bounded));
        let output = child.stdout.take().map_or_else(|| Ok(Vec::new()), bounded);
        let talk = talk.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")));
        let status = child.wait();
        let read = |cause| self.unread(cause);
        Ok(Answer {
            code: code_of(status.map_err(read)?),
            output: output.map_err(read)?,
            talk: talk.map_err(read)?,
        })
    }

    /// Runs a command that the person sees, and that may ask the person; returns its exit code.
    pub fn show<S: AsRef<OsStr>>(&self, words: &[S], place: Shown) -> Result<u8, DockerError> {
        let mut command = self.command(words);
        if place == Shown::AsTalk {
            command.stdout(io::stderr());
        }
        let status = command.status().map_err(|cause| self.not_started(cause))?;
        Ok(code_of(status))
    }

    /// Runs a command and takes what it writes to its standard output, line by line, with the ends
    /// of lines; `input` is its standard input instead of ours. Returns its exit code.
    pub fn follow<S: AsRef<OsStr>>(
        &self,
        words: &[S],
        input: Option<&[u8]>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<u8, DockerError> {
        let mut command = self.command(words);
        command.stdout(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|cause| self.not_started(cause))?;
        let sender = child.stdin.take().zip(input.map(<[u8]>::to_vec));
        let sender = thread::spawn(move || {
            // A program that does not read all of it has its own way of saying so.
            drop(sender.map(|(mut stdin, input)| stdin.write_all(&input)));
        });
        let mut followed = Ok(());
        if let Some(output) = child.stdout.take() {
            followed = lines(output, take);
        }
        let status = child.wait().map_err(|cause| self.unread(cause))?;
        drop(sender.join());
        followed.map_err(|cause| self.unread(cause))?;
        Ok(code_of(status))
    }

    /// Becomes the program: terminal, signals and exit code are its own. Returns only if that
    /// fails.
    pub fn become_it<S: AsRef<OsStr>>(&self, words: &[S]) -> DockerError {
        let cause = self.command(words).exec();
        self.not_started(cause)
    }

    fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(words).env(CHAIN_VARIABLE, "1");
        for variable in NOT_PASSED_ON {
            command.env_remove(variable);
        }
        command
    }

    fn not_started(&self, cause: io::Error) -> DockerError {
        let program = self.program.clone();
        match cause.kind() {
            io::ErrorKind::NotFound => DockerError::Missing { program },
            _ => DockerError::Start { program, cause },
        }
    }

    fn unread(&self, cause: io::Error) -> DockerError {
        DockerError::Read { program: self.program.clone(), cause }
    }
}

/// What the program must not be told: that content trust is on, and that it is a plugin's child.
const NOT_PASSED_ON: [&str; 3] =
    ["DOCKER_CONTENT_TRUST", "DOCKER_CLI_PLUGIN_SOCKET", "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"];

fn bounded(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(MAX_DOCKER_ANSWER_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DOCKER_ANSWER_BYTES {
        return Err(io::Error::other("its answer is too long"));
    }
    Ok(bytes)
}

/// Hands out lines; one that is too long in pieces.
fn lines(stream: impl Read, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        (&mut stream).take(MAX_DOCKER_ANSWER_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        take(&line);
    }
}

/// The exit code as a shell tells it.
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().map(|signal| signal.saturating_add(SIGNAL_BASE));
    let code = status.code().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// What shells add to the number of a signal.
const SIGNAL_BASE: i32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Docker {
        Docker::new(Path::new("/bin/sh"), vec![OsString::from("-c")])
    }

    #[test]
    fn it_answers_with_all_it_says() {
        let answer = shell().ask(&["echo a; echo b >&2; exit 7"]).unwrap();
        assert_eq!(answer, Answer { code: 7, output: b"a\n".into(), talk: b"b\n".into() });
    }

    #[test]
    fn it_is_not_told_to_do_our_work_again() {
        let words = "env | grep -c -e CONTENT_TRUST= -e DOCKER_CLI; echo $TRUST_DOCKER_CHAIN";
        assert_eq!(shell().ask(&[words]).unwrap().output, b"0\n1\n");
    }

    #[test]
    fn its_lines_are_taken_as_they_come() {
        let mut taken = Vec::new();
        let code = shell()
            .follow(&["cat; printf end"], Some(b"one\ntwo\n"), &mut |line| {
                taken.push(String::from_utf8(line.to_vec()).unwrap());
            })
            .unwrap();
        assert_eq!(code, 0);
        assert_eq!(taken, ["one\n", "two\n", "end"]);
    }

    #[test]
    fn a_signal_is_told_as_shells_do() {
        assert_eq!(shell().ask(&["kill -9 $$"]).unwrap().code, 137);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Docker::new(Path::new("/nowhere/docker"), Vec::new()).ask(&["x"]).unwrap_err();
        assert!(matches!(error, DockerError::Missing { .. }), "{error}");
        assert_eq!(error.to_string(), "there is no program `/nowhere/docker`");
    }
}
