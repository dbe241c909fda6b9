//! The screen. The rules are:
//!
//! * what was asked for is data and goes to stdout, through [`Ui::data`];
//! * everything else we say goes to stderr: status (not with `--quiet`), details (with
//!   `--verbose`), warnings and errors (always);
//! * questions go to the terminal (`cli/prompt.rs`), never to stdout or from stdin;
//! * no other file prints.

use std::io;
use std::io::{IsTerminal, Write};

use crate::cli::error::{CliError, ErrorKind};

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Warnings and errors only.
    Quiet,
    /// Also what is being done.
    #[default]
    Normal,
    /// Also details.
    Verbose,
    /// Also what the program does inside.
    Debug,
}

/// Writes to stdout and stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ui {
    verbosity: Verbosity,
    colour: bool,
}

impl Ui {
    /// A screen that says this much; `colour` only if stderr is a terminal that wants it.
    pub fn new(verbosity: Verbosity, colour: bool) -> Self {
        Self { verbosity, colour }
    }

    /// How much is said.
    pub fn verbosity(self) -> Verbosity {
        self.verbosity
    }

    /// Writes data to stdout exactly as given (no newline is added).
    pub fn data(self, data: impl AsRef<[u8]>) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(data.as_ref())?;
        stdout.flush()
    }

    /// Writes one line of data to stdout.
    pub fn line(self, line: impl AsRef<str>) -> io::Result<()> {
        self.data(format!("{}\n", line.as_ref()))
    }

    /// Passes on what a command says on its standard error, exactly as it is.
    pub fn talk(self, bytes: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(bytes)
    }

    /// Stdout, for data that is written piece by piece.
    pub fn output(self) -> impl Write {
        io::stdout().lock()
    }

    /// Whether data goes to a terminal.
    pub fn shows_data_to_a_person(self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether what is said goes to a terminal.
    pub fn shows_talk_to_a_person(self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether the standard input is a terminal.
    pub fn input_is_a_person(self) -> bool {
        io::stdin().is_terminal()
    }

    /// Says what is being done, unless quiet.
    pub fn status(self, text: impl AsRef<str>) {
        if self.verbosity >= Verbosity::Normal {
            say(&printable_lines(text.as_ref()));
        }
    }

    /// Passes on a line that a command of somebody else's wrote, however quiet we are: who calls
    /// decides. Control characters in it are spelt out, all but tabs.
    pub fn pass_on(self, line: &str) {
        let parts: Vec<String> = line.split('\t').map(printable).collect();
        say(&parts.join("\t"));
    }

    /// As [`Ui::pass_on`], for several lines.
    pub fn pass_on_lines(self, text: &str) {
        for line in text.split('\n') {
            self.pass_on(line);
        }
    }

    /// Says a detail, if verbose.
    pub fn detail(self, text: impl AsRef<str>) {
        if self.verbosity >= Verbosity::Verbose {
            say(&printable_lines(text.as_ref()));
        }
    }

    /// Warns.
    pub fn warn(self, text: impl AsRef<str>) {
        say(&format!("{} {}", self.paint(YELLOW, "warning:"), printable_lines(text.as_ref())));
    }

    /// Says how a command failed; nothing if our reader went away.
    pub fn error(self, error: &CliError) {
        if matches!(error.kind, ErrorKind::OutputClosed | ErrorKind::Command(_)) {
            return;
        }
        let text = printable_lines(&error.render());
        let text = match text.strip_prefix("error:") {
            Some(rest) => format!("{}{rest}", self.paint(RED, "error:")),
            None => text,
        };
        say(text.trim_end_matches('\n'));
    }

    fn paint(self, colour: &str, word: &str) -> String {
        if self.colour { format!("{colour}{word}{PLAIN}") } else { word.to_owned() }
    }
}

/// The text with control characters spelt out: names and messages may come from a server, and
/// must not steer the terminal.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_direction_mark(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Whether a character turns the direction of the text around it.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`printable`], line by line.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Writes a line to stderr. If stderr is gone there is nobody left to tell.
fn say(text: &str) {
    drop(io::stderr().lock().write_all(format!("{text}\n").as_bytes()));
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_server_cannot_steer_the_terminal() {
        assert_eq!(printable_lines("a\x1b]0;b\u{202e}\nc\r"), "a\\u{1b}]0;b\\u{202e}\nc\\r");
        assert_eq!(printable("naïve – 画像"), "naïve – 画像");
    }
}
