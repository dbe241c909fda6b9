//! Command lines as docker's own programs read them: what is a flag, what is a flag's value, and
//! what is left, word by word.
//!
//! Nothing is guessed: a word that may be one thing or the other is an error.

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What docker knows of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The long name, without hyphens.
    pub long: &'static str,
    /// The letter, if it has one.
    pub short: Option<u8>,
    /// Whether it takes a value; one that takes none may still be given `=true` or `=false`.
    pub takes_value: bool,
}

/// The flags of one command.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// All flags.
    pub flags: &'static [Flag],
    /// Whether flags may stand after the first word that is none.
    pub interspersed: bool,
    /// Whether a long flag that is not in the table is taken where it cannot be mistaken: with its
    /// value after `=`.
    pub takes_strange: bool,
}

/// A flag that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its long name.
    pub long: String,
    /// Its value, if it has one.
    pub value: Option<OsString>,
    /// The words it takes up.
    pub at: Range<usize>,
    /// Whether these words are this flag's alone: no other letter is in them.
    pub alone: bool,
}

/// A command line, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scanned {
    /// The flags, in the order in which they were given.
    pub flags: Vec<Given>,
    /// Which words are no flags.
    pub words: Vec<usize>,
}

/// Why a command line cannot be read; docker's words where docker has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// There is no such flag.
    #[error("unknown flag: --{name}")]
    Unknown {
        /// Its long name.
        name: String,
    },
    /// There is no such letter.
    #[error("unknown shorthand flag: '{}' in {word}", letter.escape_default())]
    UnknownShort {
        /// The letter.
        letter: char,
        /// The word it stands in.
        word: String,
    },
    /// It ends where a value should be.
    #[error("flag needs an argument: {}", needy(long, *short))]
    NoValue {
        /// Its long name.
        long: String,
        /// Its letter, if it was given by that.
        short: Option<char>,
    },
    /// Hyphens with nothing behind them, or with a third one.
    #[error("bad flag syntax: {word}")]
    Syntax {
        /// The word.
        word: String,
    },
    /// A flag that is on or off has another value.
    #[error(
        "invalid argument {value:?} for \"{}\" flag: strconv.ParseBool: parsing {value:?}: \
         invalid syntax",
        shown(long, *short)
    )]
    NotABoolean {
        /// Its long name.
        long: String,
        /// Its letter.
        short: Option<u8>,
        /// The value.
        value: String,
    },
}

impl Given {
    /// The flag by its long name, in one word.
    pub fn spelt(&self) -> OsString {
        let mut word = OsString::from(format!("--{}", self.long));
        if let Some(value) = &self.value {
            word.push("=");
            word.push(value);
        }
        word
    }
}

impl Scanned {
    /// The last value of a flag, if it was given one.
    pub fn value(&self, long: &str) -> Option<&OsStr> {
        let given = self.flags.iter().rev().find(|given| given.long == long)?;
        given.value.as_deref()
    }

    /// All values of a flag, in the order in which they were given.
    pub fn values<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a OsStr> {
        let given = self.flags.iter().filter(move |given| given.long == long);
        given.filter_map(|given| given.value.as_deref())
    }

    /// The flags again, each by its long name and in one word, all but these.
    pub fn spelt_without(&self, left_out: &[&str]) -> Vec<OsString> {
        let kept = self.flags.iter().filter(|given| !left_out.contains(&given.long.as_str()));
        kept.map(Given::spelt).collect()
    }

    /// The same command line with a word for each flag, where letters of several stand together:
    /// those flags by their long names.
    pub fn apart(&self, arguments: &[OsString]) -> Vec<OsString> {
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(word) = arguments.get(at) {
            let together = |given: &&Given| given.at.start == at && !given.alone;
            let mut end = at + 1;
            let spelt: Vec<OsString> = self
                .flags
                .iter()
                .filter(together)
                .map(|given| {
                    end = end.max(given.at.end);
                    given.spelt()
                })
                .collect();
            if spelt.is_empty() {
                words.push(word.clone());
            }
            words.extend(spelt);
            at = end;
        }
        words
    }

    /// Whether a flag that is on or off is on, if it was given.
    pub fn is_on(&self, long: &str) -> Option<bool> {
        let given = self.flags.iter().rev().find(|given| given.long == long)?;
        Some(
            given
                .value
                .as_deref()
                .and_then(OsStr::to_str)
                .is_none_or(|value| parse_bool(value).unwrap_or(true)),
        )
    }
}

/// Reads the words that follow a command's name.
pub fn scan(table: &Table, arguments: &[OsString]) -> Result<Scanned, FlagError> {
    let mut scanned = Scanned::default();
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            scanned.words.extend(at + 1..arguments.len());
            break;
        }
        if !bytes.starts_with(b"-") || bytes == b"-" {
            if !table.interspersed {
                scanned.words.extend(at..arguments.len());
                break;
            }
            scanned.words.push(at);
            at += 1;
            continue;
        }
        let next = arguments.get(at + 1);
        at = match bytes.strip_prefix(b"--") {
            Some(name) => long(table, &mut scanned, at, name, next)?,
            None => short(table, &mut scanned, at, bytes, next)?,
        };
    }
    for given in &scanned.flags {
        check_bool(table, given)?;
    }
    Ok(scanned)
}

/// Reads `--name`, `--name=value` or `--name value`; returns where it goes on.
fn long(
    table: &Table,
    scanned: &mut Scanned,
    at: usize,
    name: &[u8],
    next: Option<&OsString>,
) -> Result<usize, FlagError> {
    let (name, value) = split_at_equals(name);
    let text = lossy(name);
    if name.is_empty() || name.starts_with(b"-") {
        let word = format!("--{}", lossy(name));
        return Err(FlagError::Syntax { word });
    }
    let flag = table.flags.iter().find(|flag| flag.long.as_bytes() == name);
    let needs_next = match flag {
        None if table.takes_strange && value.is_some() => false,
        None => return Err(FlagError::Unknown { name: text }),
        Some(flag) => flag.takes_value && value.is_none(),
    };
    let (value, end) = if needs_next {
        let next = next.ok_or(FlagError::NoValue { long: text.clone(), short: None })?;
        (Some(next.clone()), at + 2)
    } else {
        (value.map(|value| OsString::from_vec(value.to_vec())), at + 1)
    };
    scanned.flags.push(Given { long: text, value, at: at..end, alone: true });
    Ok(end)
}

/// Reads `-a`, `-abc`, `-a=value`, `-avalue` or `-a value`; returns where it goes on.
fn short(
    table: &Table,
    scanned: &mut Scanned,
    at: usize,
    word: &[u8],
    next: Option<&OsString>,
) -> Result<usize, FlagError> {
    let mut rest = word.get(1..).unwrap_or_default();
    let first = scanned.flags.len();
    let mut end = at + 1;
    while let Some((letter, after)) = rest.split_first() {
        let flag = table.flags.iter().find(|flag| flag.short == Some(*letter));
        let Some(flag) = flag else {
            let (letter, word) = (char::from(*letter), format!("-{}", lossy(rest)));
            return Err(FlagError::UnknownShort { letter, word });
        };
        rest = after;
        let value = if let Some(value) = after.strip_prefix(b"=") {
            Some(value)
        } else if !flag.takes_value {
            None
        } else if !after.is_empty() {
            Some(after)
        } else {
            let short = Some(char::from(*letter));
            let long = flag.long.to_owned();
            let next = next.ok_or(FlagError::NoValue { long, short })?;
            end = at + 2;
            Some(next.as_bytes())
        };
        if value.is_some() {
            rest = &[];
        }
        let value = value.map(|value| OsString::from_vec(value.to_vec()));
        let long = flag.long.to_owned();
        scanned.flags.push(Given { long, value, at: at..end, alone: false });
    }
    if let Some([only]) = scanned.flags.get_mut(first..) {
        only.alone = true;
    }
    Ok(end)
}

fn check_bool(table: &Table, given: &Given) -> Result<(), FlagError> {
    let flag = table.flags.iter().find(|flag| flag.long == given.long && !flag.takes_value);
    let (Some(flag), Some(value)) = (flag, &given.value) else { return Ok(()) };
    match value.to_str().and_then(parse_bool) {
        Some(_) => Ok(()),
        None => Err(FlagError::NotABoolean {
            long: given.long.clone(),
            short: flag.short,
            value: value.to_string_lossy().into_owned(),
        }),
    }
}

/// What Go takes as true or false.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn split_at_equals(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn needy(long: &str, short: Option<char>) -> String {
    match short {
        Some(letter) => format!("'{letter}' in -{letter}"),
        None => format!("--{long}"),
    }
}

fn shown(long: &str, short: Option<u8>) -> String {
    match short {
        Some(letter) => format!("-{}, --{long}", char::from(letter)),
        None => format!("--{long}"),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::cli::docker_tables::{BUILD, RUN};

    fn read(table: &Table, line: &str) -> Result<Scanned, FlagError> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        scan(table, &words)
    }

    /// The word that is taken for the image.
    fn image(line: &str) -> String {
        let scanned = read(&RUN, line).unwrap();
        line.split(' ').nth(scanned.words[0]).unwrap().to_owned()
    }

    #[test_case("IMAGE"; "alone")]
    #[test_case("IMAGE -d x --rm"; "what follows is the command's")]
    #[test_case("-d IMAGE")]
    #[test_case("-it IMAGE sh"; "letters together")]
    #[test_case("-itp 80:80 IMAGE"; "the last of them takes a value")]
    #[test_case("-itp80:80 IMAGE"; "the value in the same word")]
    #[test_case("-itp=80:80 IMAGE"; "the value after an equals sign")]
    #[test_case("-p 80:80 -p 81:81 IMAGE")]
    #[test_case("--name x IMAGE")]
    #[test_case("--name=x IMAGE")]
    #[test_case("--name= IMAGE"; "an empty value")]
    #[test_case("--rm IMAGE"; "a long one without a value")]
    #[test_case("--rm=false IMAGE")]
    #[test_case("-i=false IMAGE")]
    #[test_case("-h host IMAGE"; "h is the name of the host")]
    #[test_case("-e -x IMAGE"; "a value that looks like a flag")]
    #[test_case("-e -- IMAGE"; "a value that looks like the end of flags")]
    #[test_case("-v /a:/b -w / -u 0 -m 1g -c 2 -l a=b -a stdin IMAGE")]
    #[test_case("--new-flag=1 IMAGE"; "a flag nobody knows, with its value")]
    #[test_case("-- IMAGE")]
    #[test_case("-d -- IMAGE -- x")]
    #[test_case("--net host --dns-opt x IMAGE"; "old names")]
    fn the_image_is_found(line: &str) {
        assert_eq!(image(line), "IMAGE");
    }

    #[test_case("--new-flag IMAGE", "unknown flag: --new-flag")]
    #[test_case("-Z IMAGE", "unknown shorthand flag: 'Z' in -Z")]
    #[test_case("-itZ IMAGE", "unknown shorthand flag: 'Z' in -Z")]
    #[test_case("--name", "flag needs an argument: --name")]
    #[test_case("-itp", "flag needs an argument: 'p' in -p")]
    #[test_case("---rm IMAGE", "bad flag syntax: ---rm")]
    #[test_case("--=x IMAGE", "bad flag syntax: --")]
    #[test_case("--nam x IMAGE", "unknown flag: --nam"; "names are not abbreviated")]
    #[test_case(
        "-i=maybe IMAGE",
        "invalid argument \"maybe\" for \"-i, --interactive\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
    )]
    fn what_may_mean_two_things_is_refused(line: &str, words: &str) {
        assert_eq!(read(&RUN, line).unwrap_err().to_string(), words);
    }

    #[test]
    fn words_and_flags_may_be_mixed_where_docker_lets_them() {
        let scanned = read(&BUILD, "-t a . --build-arg A=1 -qt b --pull").unwrap();
        assert_eq!(scanned.words, [2]);
        assert_eq!(scanned.values("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(scanned.value("build-arg"), Some(OsStr::new("A=1")));
        assert_eq!(scanned.is_on("pull"), Some(true));
        assert_eq!(scanned.is_on("quiet"), Some(true));
        assert_eq!(scanned.is_on("rm"), None);
        let alone: Vec<bool> = scanned.flags.iter().map(|given| given.alone).collect();
        assert_eq!(alone, [true, true, false, false, true]);
        assert_eq!(scanned.flags[3].at, 5..7);
    }

    #[test_case("-qf file . -t a", "--quiet --file=file . -t a")]
    #[test_case("-qtb -f x .", "--quiet --tag=b -f x .")]
    #[test_case("-f x -q . -- -qf", "-f x -q . -- -qf"; "what stands alone stays")]
    fn letters_of_several_flags_are_put_apart(line: &str, expected: &str) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = scan(&BUILD, &arguments).unwrap().apart(&arguments);
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let strange = OsString::from_vec(b"\xff".to_vec());
        let words = [OsString::from("-v"), strange.clone(), OsString::from("IMAGE")];
        let scanned = scan(&RUN, &words).unwrap();
        assert_eq!(scanned.value("volume"), Some(strange.as_os_str()));
        assert_eq!(scanned.words, [2]);
    }
}
