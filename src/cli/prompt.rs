//! Questions to the person, on the terminal and never through stdin or stdout.
//!
//! While a line is typed the terminal sends us every key, Ctrl-C too: so its state is restored on
//! every way out, and an interrupted question ends the program in the ordinary way.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::io::{Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::crypto::Passphrase;
use crate::limits::{MAX_PASSPHRASE_ATTEMPTS, MIN_PASSPHRASE_CHARS};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// There is no terminal, or it must not be used.
    #[error("there is no terminal to ask on")]
    NoTerminal,
    /// A question of yes or no could not be asked, which `--yes` answers.
    #[error("there is no terminal to ask on")]
    Unconfirmed,
    /// Ctrl-C, or Ctrl-D on an empty line.
    #[error("the question was cancelled")]
    Cancelled,
    /// The answers given were not usable.
    #[error("no usable passphrase after {attempts} attempts")]
    TooManyAttempts {
        /// How often it was asked.
        attempts: u32,
    },
    /// The terminal failed.
    #[error("cannot use the terminal")]
    Io(#[source] io::Error),
}

/// Whether the person sees what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Shown.
    On,
    /// Not shown: a secret.
    Off,
}

/// Somebody who can be asked.
pub trait Console: fmt::Debug + Send + Sync {
    /// Shows `prompt` and returns the line typed after it, without its end.
    fn ask(&self, prompt: &str, echo: Echo) -> Result<Zeroizing<String>, PromptError>;
    /// Shows a line, if there is a terminal.
    fn say(&self, line: &str);
    /// What is said of a new passphrase that is too short.
    fn too_short(&self) -> String {
        format!(
            "Passphrase is too short. Please use a passphrase of at least \
             {MIN_PASSPHRASE_CHARS} characters."
        )
    }
}

/// The controlling terminal of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal;

/// Nobody: `--no-prompt`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConsole;

/// Asks for the passphrase of an existing key once; `subject` is such as `root key with ID 1234567`.
pub fn old_passphrase(console: &dyn Console, subject: &str) -> Result<Passphrase, PromptError> {
    let typed = console.ask(&format!("Enter passphrase for {subject}: "), Echo::Off)?;
    Ok(Passphrase::new(typed.trim().to_owned()))
}

/// Asks for a new passphrase twice, until both agree and it is long enough, three times at most.
pub fn new_passphrase(console: &dyn Console, subject: &str) -> Result<Passphrase, PromptError> {
    for _ in 0..MAX_PASSPHRASE_ATTEMPTS {
        let first = console.ask(&format!("Enter passphrase for new {subject}: "), Echo::Off)?;
        if first.trim().chars().count() < MIN_PASSPHRASE_CHARS {
            console.say(&console.too_short());
            continue;
        }
        let second = console.ask(&format!("Repeat passphrase for new {subject}: "), Echo::Off)?;
        if first.trim() == second.trim() {
            return Ok(Passphrase::new(first.trim().to_owned()));
        }
        console.say("Passphrases do not match. Please retry.");
    }
    Err(PromptError::TooManyAttempts { attempts: MAX_PASSPHRASE_ATTEMPTS })
}

/// Asks a question whose answer is yes or no; anything but `y` and `yes` is a no.
pub fn confirm(console: &dyn Console, question: &str) -> Result<bool, PromptError> {
    let answer = match console.ask(&format!("{question} [y/N] "), Echo::On) {
        Err(PromptError::NoTerminal) => return Err(PromptError::Unconfirmed),
        answer => answer?,
    };
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

impl Console for Terminal {
    fn ask(&self, prompt: &str, echo: Echo) -> Result<Zeroizing<String>, PromptError> {
        let mut terminal = open_terminal().ok_or(PromptError::NoTerminal)?;
        let _restored_on_drop = KeyByKey::enter(&terminal)?;
        terminal.write_all(prompt.as_bytes()).map_err(PromptError::Io)?;
        let mut keys = terminal.try_clone().map_err(PromptError::Io)?;
        let line = read_line(&mut keys, &mut terminal, echo);
        drop(terminal.write_all(b"\n"));
        line
    }

    fn say(&self, line: &str) {
        if let Some(mut terminal) = open_terminal() {
            drop(terminal.write_all(format!("{line}\n").as_bytes()));
        }
    }
}

impl Console for NoConsole {
    fn ask(&self, _prompt: &str, _echo: Echo) -> Result<Zeroizing<String>, PromptError> {
        Err(PromptError::NoTerminal)
    }

    fn say(&self, _line: &str) {}
}

/// Reads a line from a terminal, key by key, and shows nothing of it; `keys` are what is typed there.
pub fn read_hidden(terminal: &File, keys: &mut dyn Read) -> Result<Zeroizing<String>, PromptError> {
    let _restored_on_drop = KeyByKey::enter(terminal)?;
    read_line(keys, &mut io::sink(), Echo::Off)
}

fn open_terminal() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

/// The terminal without echo, line editing and signals; as before when dropped.
struct KeyByKey {
    terminal: File,
    before: Termios,
}

impl KeyByKey {
    fn enter(terminal: &File) -> Result<Self, PromptError> {
        let terminal = terminal.try_clone().map_err(PromptError::Io)?;
        let before = tcgetattr(&terminal).map_err(|errno| PromptError::Io(errno.into()))?;
        let mut modes = before.clone();
        modes.local_modes -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Now, &modes)
            .map_err(|errno| PromptError::Io(errno.into()))?;
        Ok(Self { terminal, before })
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to restore.
        let _restored = tcsetattr(&self.terminal, OptionalActions::Now, &self.before).is_ok();
    }
}

/// Reads keys up to Enter, with Backspace, Ctrl-U, Ctrl-W, Ctrl-C and Ctrl-D.
fn read_line(
    keys: &mut dyn Read,
    screen: &mut dyn Write,
    echo: Echo,
) -> Result<Zeroizing<String>, PromptError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES));
    let mut show = |bytes: &[u8]| {
        if echo == Echo::On {
            drop(screen.write_all(bytes).and_then(|()| screen.flush()));
        }
    };
    loop {
        match read_key(keys)? {
            None if line.is_empty() => return Err(PromptError::Cancelled),
            None | Some(b'\n' | b'\r') => break,
            Some(CTRL_C) => return Err(PromptError::Cancelled),
            Some(CTRL_D) if line.is_empty() => return Err(PromptError::Cancelled),
            Some(BACKSPACE | DELETE) => rub_out(&mut line, 1, &mut show),
            Some(CTRL_U) => rub_out(&mut line, usize::MAX, &mut show),
            Some(CTRL_W) => {
                let word = line.iter().rev().position(|byte| *byte == b' ').unwrap_or(line.len());
                rub_out(&mut line, word.max(1), &mut show);
            }
            Some(ESCAPE) => skip_escape_sequence(keys)?,
            Some(key) if key >= b' ' && line.len() < MAX_LINE_BYTES => {
                line.push(key);
                show(&[key]);
            }
            Some(_) => {}
        }
    }
    let text = std::str::from_utf8(&line)
        .map_err(|cause| PromptError::Io(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Takes up to `count` characters off the end.
fn rub_out(line: &mut Vec<u8>, count: usize, show: &mut impl FnMut(&[u8])) {
    for _ in 0..count {
        // Bytes that continue a UTF-8 character go with the one that begins it.
        while line.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
            line.pop();
        }
        if line.pop().is_none() {
            return;
        }
        show(b"\x08 \x08");
    }
}

/// An arrow or function key: `ESC [ …` or `ESC O …` up to its final byte.
fn skip_escape_sequence(keys: &mut dyn Read) -> Result<(), PromptError> {
    if !matches!(read_key(keys)?, Some(b'[' | b'O')) {
        return Ok(());
    }
    while let Some(key) = read_key(keys)? {
        if (0x40..=0x7e).contains(&key) {
            break;
        }
    }
    Ok(())
}

fn read_key(keys: &mut dyn Read) -> Result<Option<u8>, PromptError> {
    let mut key = [0];
    loop {
        match keys.read(&mut key) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(key.first().copied()),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(PromptError::Io(cause)),
        }
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;
/// Longest line typed, in bytes: the buffer never grows, so no copy of a secret stays behind.
const MAX_LINE_BYTES: usize = 4096;

/// A console that answers from a list, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Script {
    answers: std::sync::Mutex<std::collections::VecDeque<&'static str>>,
    shown: std::sync::Mutex<Vec<String>>,
}

#[cfg(test)]
impl Script {
    pub(crate) fn new(answers: &[&'static str]) -> Self {
        Self {
            answers: std::sync::Mutex::new(answers.iter().copied().collect()),
            ..Self::default()
        }
    }

    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }
}

#[cfg(test)]
impl Console for Script {
    fn ask(&self, prompt: &str, _echo: Echo) -> Result<Zeroizing<String>, PromptError> {
        self.say(prompt);
        match self.answers.lock().unwrap().pop_front() {
            Some(answer) => Ok(Zeroizing::new(answer.to_owned())),
            None => Err(PromptError::Cancelled),
        }
    }

    fn say(&self, line: &str) {
        self.shown.lock().unwrap().push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn type_keys(keys: &str, echo: Echo) -> (Result<String, PromptError>, String) {
        let mut screen = Vec::new();
        let line = read_line(&mut keys.as_bytes(), &mut screen, echo);
        (line.map(|line| line.to_string()), String::from_utf8(screen).unwrap())
    }

    #[test_case("secret\n", "secret")]
    #[test_case("secret\rmore", "secret")]
    #[test_case("secrex\x7ft\n", "secret"; "backspace")]
    #[test_case("ä\x7fb\n", "b"; "backspace takes a whole character")]
    #[test_case("wrong\x15right\n", "right"; "ctrl u")]
    #[test_case("one two\x17three\n", "one three"; "ctrl w")]
    #[test_case("a\x1b[Ab\x1bOPc\n", "abc"; "arrow keys leave nothing")]
    #[test_case("\x7f\x7fa\n", "a"; "nothing left to rub out")]
    fn keys_make_a_line(keys: &str, expected: &str) {
        let (line, screen) = type_keys(keys, Echo::Off);
        assert_eq!(line.unwrap(), expected);
        assert_eq!(screen, "", "a secret is not shown");
    }

    #[test]
    fn an_answer_is_shown_as_typed() {
        assert_eq!(type_keys("yx\x7f\n", Echo::On).1, "yx\x08 \x08");
    }

    #[test_case("abc\x03"; "ctrl c")]
    #[test_case("\x04"; "ctrl d")]
    #[test_case(""; "hangup")]
    fn a_question_can_be_cancelled(keys: &str) {
        assert!(matches!(type_keys(keys, Echo::Off).0, Err(PromptError::Cancelled)));
    }

    #[test]
    fn a_new_passphrase_is_long_enough_and_typed_twice_alike() {
        let script =
            Script::new(&["short", "long enough", "long enoufh", "long enough", "long enough"]);
        let passphrase = new_passphrase(&script, "alice key with ID 1234567").unwrap();
        assert_eq!(passphrase.expose(), "long enough");
        let shown = script.shown();
        assert_eq!(shown[0], "Enter passphrase for new alice key with ID 1234567: ");
        assert_eq!(shown[3], "Repeat passphrase for new alice key with ID 1234567: ");
    }

    #[test]
    fn three_bad_attempts_are_the_end() {
        let script = Script::new(&["a", "b", "c", "long enough", "long enough"]);
        let error = new_passphrase(&script, "key").unwrap_err();
        assert!(matches!(error, PromptError::TooManyAttempts { attempts: 3 }));
    }

    #[test_case("y", true)]
    #[test_case("YES ", true)]
    #[test_case("n", false)]
    #[test_case("", false)]
    #[test_case("yep", false)]
    fn only_a_yes_is_a_yes(answer: &'static str, expected: bool) {
        assert_eq!(confirm(&Script::new(&[answer]), "Sure?").unwrap(), expected);
    }
}
