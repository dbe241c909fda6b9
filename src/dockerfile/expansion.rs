//! Variables in words, and the quotes and escapes around them (images.md §1.4).

use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;

use crate::dockerfile::instruction::{Heredoc, Word};
use crate::dockerfile::shell_pattern::{PatternError, ShellPattern, Steps};
use crate::limits::{MAX_EXPANDED_BYTES, MAX_EXPANSION_DEPTH};

/// What a variable is set to; none if it is not set. Every variable that is named is looked up,
/// whether it makes a difference or not.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ExpansionError {
    /// What is wrong.
    pub problem: ExpansionProblem,
    /// The place of the word, or of the here-document's content.
    pub at: Range<usize>,
}

/// What can be wrong with a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpansionProblem {
    /// A quote is not closed.
    #[error("the quote {quote} is not closed")]
    UnclosedQuote {
        /// Which one.
        quote: char,
    },
    /// A brace is not closed.
    #[error("the brace of a variable is not closed")]
    UnclosedBrace,
    /// `${x/pattern}`
    #[error("a pattern is not ended by a slash")]
    UnendedPattern,
    /// `${}`, `${:...}`
    #[error("a variable has no name")]
    NoName,
    /// `${x^}`
    #[error("`{}` after a variable is not known", modifier.escape_debug())]
    UnknownModifier {
        /// What follows the name.
        modifier: String,
    },
    /// `${x:?message}`
    #[error("{}: {}", name.escape_debug(), message.escape_debug())]
    Required {
        /// The variable.
        name: String,
        /// What is said.
        message: String,
    },
    /// A pattern escapes what has no meaning in it.
    #[error("in a pattern only `*`, `?`, `/`, `}}` and the backslash are escaped")]
    PatternEscape,
    /// Variables in the words of others, too many times.
    #[error("variables are nested more than {MAX_EXPANSION_DEPTH} times")]
    TooDeep,
    /// It comes to too much.
    #[error("it expands to more than {MAX_EXPANDED_BYTES} bytes")]
    TooLong,
    /// A pattern that takes too long to look for.
    #[error("a pattern takes too long to look for")]
    TooMuchWork,
}

/// A word with its variables replaced by their values, and quotes and escapes taken off.
pub fn expand(word: &Word, escape: char, lookup: Lookup<'_>) -> Result<String, ExpansionError> {
    Lexer::new(&word.text, Style::word(escape), lookup)
        .run()
        .map(|output| output.text)
        .map_err(|problem| ExpansionError { problem, at: word.at.clone() })
}

/// The same for a word whose variables may have several words, which part it: what is quoted is
/// not parted.
pub fn expand_words(
    word: &Word,
    escape: char,
    lookup: Lookup<'_>,
) -> Result<Vec<String>, ExpansionError> {
    words_of(&word.text, Style::word(escape), lookup)
        .map_err(|problem| ExpansionError { problem, at: word.at.clone() })
}

/// The content of a here-document of `COPY` and `ADD`: quotes have no meaning in it, and backslashes
/// are escapes whatever the file's escape character is. As it stands if its word was quoted.
pub fn expand_heredoc(heredoc: &Heredoc, lookup: Lookup<'_>) -> Result<String, ExpansionError> {
    if !heredoc.expand {
        return Ok(heredoc.content.clone());
    }
    let style = Style { quotes: Quotes::Plain, ..Style::word('\\') };
    Lexer::new(&heredoc.content, style, lookup)
        .run()
        .map(|output| output.text)
        .map_err(|problem| ExpansionError { problem, at: heredoc.at.clone() })
}

/// The words of a text.
pub(super) fn words_of(
    text: &str,
    style: Style,
    lookup: Lookup<'_>,
) -> Result<Vec<String>, ExpansionProblem> {
    Ok(Lexer::new(text, style, lookup).run()?.into_words())
}

/// Whether expansion leaves a text as it is.
pub(super) fn is_literal(text: &str, escape: char) -> bool {
    let output = Lexer::new(text, Style::word(escape), &|_| None).run();
    output.is_ok_and(|output| output.text == text)
}

/// What is kept of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) escape: char,
    pub(super) quotes: Quotes,
    /// Whether escape characters stay.
    pub(super) keep_escapes: bool,
    /// Whether variables that are not set stay as they are written.
    pub(super) keep_unset: bool,
}

/// What quotes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Characters like others.
    Plain,
    /// Around what is quoted, and taken off.
    Taken,
    /// Around what is quoted, and kept.
    Kept,
}

impl Style {
    /// Of an instruction's words.
    pub(super) fn word(escape: char) -> Self {
        Self { escape, quotes: Quotes::Taken, keep_escapes: false, keep_unset: false }
    }
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    style: Style,
    lookup: Lookup<'a>,
    /// Bytes that may still be written or looked up.
    room: usize,
    steps: Steps,
}

/// What a text comes to, as a whole and in words.
#[derive(Debug, Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: String,
    in_word: bool,
}

impl Output {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A character that parts words if it is a blank.
    fn char(&mut self, char: char) {
        if !char.is_whitespace() {
            self.literal(char);
        } else if self.in_word && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
            self.in_word = false;
        }
    }

    /// A character that parts nothing.
    fn literal(&mut self, char: char) {
        self.word.push(char);
        self.in_word = true;
    }

    fn into_words(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

/// Where a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    At(char),
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, style: Style, lookup: Lookup<'a>) -> Self {
        let rest = text.chars().peekable();
        Self { rest, style, lookup, room: MAX_EXPANDED_BYTES, steps: Steps::default() }
    }

    fn run(mut self) -> Result<Output, ExpansionProblem> {
        self.until(End::Text, MAX_EXPANSION_DEPTH)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ExpansionProblem> {
        self.room = self.room.checked_sub(bytes).ok_or(ExpansionProblem::TooLong)?;
        Ok(())
    }

    fn get(&mut self, name: &str) -> Result<Option<String>, ExpansionProblem> {
        let value = (self.lookup)(name);
        self.spend(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn until(&mut self, end: End, depth: usize) -> Result<Output, ExpansionProblem> {
        let mut output = Output::default();
        while let Some(char) = self.rest.next() {
            self.spend(char.len_utf8())?;
            match char {
                _ if end == End::At(char) => return Ok(output),
                '\'' if self.style.quotes != Quotes::Plain => self.single_quoted(&mut output)?,
                '"' if self.style.quotes != Quotes::Plain => {
                    self.double_quoted(&mut output, depth)?;
                }
                '$' => {
                    let value = self.dollar(depth)?;
                    self.spend(value.len())?;
                    output.text(&value);
                    value.chars().for_each(|char| output.char(char));
                }
                '<' => self.angle(&mut output),
                mark if mark == self.style.escape => {
                    if self.style.keep_escapes {
                        output.text.push(mark);
                        output.literal(mark);
                    }
                    // At the end there is nothing to escape.
                    let Some(next) = self.rest.next() else { break };
                    output.text.push(next);
                    output.literal(next);
                }
                other => {
                    output.text.push(other);
                    output.char(other);
                }
            }
        }
        match end {
            End::Text => Ok(output),
            End::At('/') => Err(ExpansionProblem::UnendedPattern),
            End::At(_) => Err(ExpansionProblem::UnclosedBrace),
        }
    }

    /// The same with escape characters kept, as patterns have their own use for them.
    fn raw_until(&mut self, end: char, depth: usize) -> Result<String, ExpansionProblem> {
        let before = std::mem::replace(&mut self.style.keep_escapes, true);
        let output = self.until(End::At(end), depth);
        self.style.keep_escapes = before;
        Ok(output?.text)
    }

    /// What follows a single quote: all is as it stands.
    fn single_quoted(&mut self, output: &mut Output) -> Result<(), ExpansionProblem> {
        output.in_word = true;
        if self.style.quotes == Quotes::Kept {
            output.text.push('\'');
            output.literal('\'');
        }
        loop {
            let next = self.rest.next();
            let char = next.ok_or(ExpansionProblem::UnclosedQuote { quote: '\'' })?;
            self.spend(char.len_utf8())?;
            if char != '\'' || self.style.quotes == Quotes::Kept {
                output.text.push(char);
                output.literal(char);
            }
            if char == '\'' {
                return Ok(());
            }
        }
    }

    /// What follows a double quote: variables have their meaning, and they, quotes and escape
    /// characters can be escaped.
    fn double_quoted(&mut self, output: &mut Output, depth: usize) -> Result<(), ExpansionProblem> {
        let mut quoted = String::new();
        if self.style.quotes == Quotes::Kept {
            quoted.push('"');
        }
        loop {
            let next = self.rest.next();
            let char = next.ok_or(ExpansionProblem::UnclosedQuote { quote: '"' })?;
            self.spend(char.len_utf8())?;
            match char {
                '"' => break,
                '$' => {
                    let value = self.dollar(depth)?;
                    self.spend(value.len())?;
                    quoted.push_str(&value);
                }
                mark if mark == self.style.escape => {
                    if self.style.keep_escapes {
                        quoted.push(mark);
                    }
                    match self.peek() {
                        // It is not closed, which is found out next.
                        None => {}
                        Some(next) if matches!(next, '"' | '$') || next == mark => {
                            self.rest.next();
                            quoted.push(next);
                        }
                        Some(_) => quoted.push(mark),
                    }
                }
                other => quoted.push(other),
            }
        }
        if self.style.quotes == Quotes::Kept {
            quoted.push('"');
        }
        output.text(&quoted);
        output.word.push_str(&quoted);
        output.in_word = true;
        Ok(())
    }

    /// Between the two marks of a here-document and its word there may be blanks, which part
    /// nothing.
    fn angle(&mut self, output: &mut Output) {
        let mut mark = "<".to_owned();
        if self.peek() == Some('<') {
            mark.extend(self.rest.next());
            while let Some('\t' | '\r' | ' ') = self.peek() {
                mark.extend(self.rest.next());
            }
        }
        output.text(&mark);
        mark.chars().for_each(|char| output.literal(char));
    }

    /// What follows a dollar sign.
    fn dollar(&mut self, depth: usize) -> Result<String, ExpansionProblem> {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.get(&name)? {
                None if self.style.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.rest.next();
        match self.peek() {
            None => return Err(ExpansionProblem::UnclosedBrace),
            Some('{' | '}' | ':') => return Err(ExpansionProblem::NoName),
            Some(_) => {}
        }
        let depth = depth.checked_sub(1).ok_or(ExpansionProblem::TooDeep)?;
        let name = self.name();
        match self.rest.next() {
            None => Err(ExpansionProblem::UnclosedBrace),
            Some('}') => Ok(match self.get(&name)? {
                None if self.style.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => {
                let operator = self.rest.next().ok_or(ExpansionProblem::UnclosedBrace)?;
                self.operator(&name, operator, Empty::IsUnset, depth)
            }
            Some('/') => self.replacement(&name, depth),
            Some(operator) => self.operator(&name, operator, Empty::IsSet, depth),
        }
    }

    /// `-word`, `+word`, `?message`, `#pattern`, `%pattern`
    fn operator(
        &mut self,
        name: &str,
        operator: char,
        empty: Empty,
        depth: usize,
    ) -> Result<String, ExpansionProblem> {
        let colon = if empty == Empty::IsUnset { ":" } else { "" };
        let modifier = format!("{colon}{operator}");
        let is_pattern = matches!(operator, '#' | '%');
        let known = match empty {
            Empty::IsSet => is_pattern || matches!(operator, '-' | '+' | '?'),
            // What it is can be seen only when its word is read, but for patterns.
            Empty::IsUnset => !is_pattern,
        };
        if !known {
            return Err(ExpansionProblem::UnknownModifier { modifier });
        }
        let word = if is_pattern {
            self.raw_until('}', depth)?
        } else {
            self.until(End::At('}'), depth)?.text
        };
        let value = self.get(name)?;
        if value.is_none() && self.style.keep_unset {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        let is_missing = match &value {
            None => true,
            Some(value) => value.is_empty() && empty == Empty::IsUnset,
        };
        match operator {
            '-' if is_missing => Ok(word),
            '+' if is_missing => Ok(String::new()),
            '+' => Ok(word),
            '?' if is_missing => {
                let missing = if value.is_none() { "unset" } else { "empty" };
                let message =
                    if word.is_empty() { format!("it must not be {missing}") } else { word };
                Err(ExpansionProblem::Required { name: name.to_owned(), message })
            }
            '-' | '?' => Ok(value.unwrap_or_default()),
            '#' | '%' => self.trimmed(&value.unwrap_or_default(), &word, operator),
            _ => Err(ExpansionProblem::UnknownModifier { modifier }),
        }
    }

    /// Takes off what a pattern matches at the beginning or the end: the least, or with the operator
    /// doubled the most.
    fn trimmed(
        &mut self,
        value: &str,
        word: &str,
        operator: char,
    ) -> Result<String, ExpansionProblem> {
        let (word, is_longest) = match word.strip_prefix(operator) {
            Some(word) => (word, true),
            None => (word, false),
        };
        let pattern = ShellPattern::parse(word)?;
        Ok(if operator == '%' {
            pattern.without_suffix(value, is_longest, &mut self.steps)?
        } else {
            pattern.without_prefix(value, is_longest, &mut self.steps)?
        })
    }

    /// `/pattern/replacement`, and with two slashes wherever it matches.
    fn replacement(&mut self, name: &str, depth: usize) -> Result<String, ExpansionProblem> {
        let everywhere = self.peek() == Some('/');
        if everywhere {
            self.rest.next();
        }
        let pattern = self.raw_until('/', depth)?;
        let replacement = self.raw_until('}', depth)?;
        let value = self.get(name)?;
        if value.is_none() && self.style.keep_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let pattern = ShellPattern::parse(&pattern)?;
        let value = value.unwrap_or_default();
        let room = self.room;
        Ok(pattern.replaced(&value, &replacement, everywhere, room, &mut self.steps)?)
    }

    /// The name of a variable: letters, digits and `_`; or digits alone; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(first) if first.is_ascii_digit() => {
                while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.rest.next()),
            _ => {
                let is_part =
                    |char: &char| char.is_alphabetic() || char.is_ascii_digit() || *char == '_';
                while let Some(char) = self.rest.next_if(is_part) {
                    name.push(char);
                }
            }
        }
        name
    }
}

/// What an empty value counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    IsSet,
    IsUnset,
}

impl From<PatternError> for ExpansionProblem {
    fn from(error: PatternError) -> Self {
        match error {
            PatternError::Escape => Self::PatternEscape,
            PatternError::TooLong => Self::TooLong,
            PatternError::TooMuchWork => Self::TooMuchWork,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn value(name: &str) -> Option<String> {
        let value = match name {
            "SET" => "value",
            "EMPTY" => "",
            "HOME" => "/home/me",
            "BLANKS" => "  a  b c ",
            "FILE" => "archive.tar.gz",
            "PATHS" => "/usr/lib/x/lib.so",
            "STARS" => "a*b*c",
            "ДОМ" => "дом",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn word(text: &str) -> Word {
        Word { text: text.to_owned(), at: 7..9 }
    }

    #[test_case("plain", "plain")]
    #[test_case("a\\b", "ab"; "escape")]
    #[test_case("a\\\\b", "a\\b"; "escaped escape")]
    #[test_case("a\\", "a"; "escape at the end")]
    #[test_case("'a\\b\"$SET'", "a\\b\"$SET"; "single quotes")]
    #[test_case("\"a\\b\"", "a\\b"; "other escapes stay in double quotes")]
    #[test_case("\"\\\\ \\\" \\$SET 'x'\"", "\\ \" $SET 'x'"; "escapes in double quotes")]
    #[test_case("\"$SET\"'$SET'$SET", "value$SETvalue"; "quotes side by side")]
    #[test_case("\\$SET", "$SET"; "escaped dollar")]
    #[test_case("a b  c ", "a b  c "; "blanks stay")]
    #[test_case("x<<  y", "x<<  y"; "angles")]
    #[test_case("$SET.x", "value.x")]
    #[test_case("$SETX", ""; "the longest name")]
    #[test_case("${SET}X", "valueX")]
    #[test_case("a$", "a$"; "dollar alone")]
    #[test_case("$.", "$."; "dollar and point")]
    #[test_case("$1a$23b$@c$*d$#e$?f$-g$$h$!i$0j", "abcdefghij"; "specials are never set")]
    #[test_case("${1:-a}${@-b}${#:+c}", "ab"; "specials in braces")]
    #[test_case("$ДОМ/ß", "дом/ß"; "letters of all kinds")]
    #[test_case("${NOT:-a}${NOT-b}${EMPTY:-c}${EMPTY-d}", "abc"; "defaults")]
    #[test_case("${SET:-a}${SET-b}", "valuevalue"; "defaults not needed")]
    #[test_case("${SET:+a}${SET+b}${NOT:+c}${NOT+d}${EMPTY:+e}${EMPTY+f}", "abf"; "alternatives")]
    #[test_case("${SET:?a}${SET?}${EMPTY?}", "valuevalue"; "required")]
    #[test_case("${NOT:-${NOT:-\"$SET }\"}}", "value }"; "nested and quoted")]
    #[test_case("${NOT:-\\}}", "}"; "escaped brace")]
    #[test_case("${NOT:-{}", "{"; "brace in a word")]
    #[test_case("${SET}}", "value}"; "brace behind")]
    #[test_case("${FILE%.*} ${FILE%%.*}", "archive.tar archive"; "suffixes")]
    #[test_case("${FILE#*.} ${FILE##*.}", "tar.gz gz"; "prefixes")]
    #[test_case("${FILE%x} ${FILE#x}", "archive.tar.gz archive.tar.gz"; "no match")]
    #[test_case("${FILE%???}", "archive.tar"; "question marks")]
    #[test_case("${STARS#*\\*} ${STARS##*\\*}", "b*c c"; "escaped star")]
    #[test_case("${FILE%${NOT:-.gz}}", "archive.tar"; "variable in a pattern")]
    #[test_case("${PATHS/lib/LIB} ${PATHS//lib/LIB}", "/usr/LIB/x/lib.so /usr/LIB/x/LIB.so"; "replace")]
    #[test_case("${PATHS/\\/usr/} ${PATHS//\\//-}", "/lib/x/lib.so -usr-lib-x-lib.so"; "escaped slash")]
    #[test_case("${PATHS/x*/$SET}", "/usr/lib/value"; "variable as replacement")]
    #[test_case("${PATHS/\\/*\\//:}", ":lib.so"; "the longest match is replaced")]
    #[test_case("${SET//?/x}${EMPTY//*/y}${NOT//a/b}", "xxxxxy"; "characters and emptiness")]
    fn forms(text: &str, expected: &str) {
        assert_eq!(expand(&word(text), '\\', &value).as_deref(), Ok(expected));
    }

    #[test_case("C:\\x`$SET", "C:\\x$SET"; "plain")]
    #[test_case("\"a`\"b``\"", "a\"b`"; "in quotes")]
    fn another_escape(text: &str, expected: &str) {
        assert_eq!(expand(&word(text), '`', &value).as_deref(), Ok(expected));
    }

    #[test_case("'a", ExpansionProblem::UnclosedQuote { quote: '\'' })]
    #[test_case("\"a\\\"", ExpansionProblem::UnclosedQuote { quote: '"' })]
    #[test_case("${SET", ExpansionProblem::UnclosedBrace)]
    #[test_case("${", ExpansionProblem::UnclosedBrace)]
    #[test_case("${SET:", ExpansionProblem::UnclosedBrace)]
    #[test_case("${SET:-x", ExpansionProblem::UnclosedBrace)]
    #[test_case("${SET/x", ExpansionProblem::UnendedPattern)]
    #[test_case("${SET/x/y", ExpansionProblem::UnclosedBrace)]
    #[test_case("${}", ExpansionProblem::NoName)]
    #[test_case("${:-x}", ExpansionProblem::NoName)]
    #[test_case("${{SET}", ExpansionProblem::NoName)]
    #[test_case("${.}", ExpansionProblem::UnknownModifier { modifier: ".".to_owned() })]
    #[test_case("${SET^^}", ExpansionProblem::UnknownModifier { modifier: "^".to_owned() })]
    #[test_case("${SET:=x}", ExpansionProblem::UnknownModifier { modifier: ":=".to_owned() })]
    #[test_case("${SET:x}", ExpansionProblem::UnknownModifier { modifier: ":x".to_owned() })]
    #[test_case("${SET:#x}", ExpansionProblem::UnknownModifier { modifier: ":#".to_owned() })]
    #[test_case("${SET:%x}", ExpansionProblem::UnknownModifier { modifier: ":%".to_owned() })]
    #[test_case("${SET#\\x}", ExpansionProblem::PatternEscape)]
    fn what_is_no_expansion(text: &str, problem: ExpansionProblem) {
        let error = expand(&word(text), '\\', &value).unwrap_err();
        assert_eq!(error, ExpansionError { problem, at: 7..9 });
    }

    #[test_case("${NOT?}", "NOT: it must not be unset")]
    #[test_case("${EMPTY:?}", "EMPTY: it must not be empty")]
    #[test_case("${NOT:?say $SET}", "NOT: say value")]
    fn what_is_required_is_said(text: &str, expected: &str) {
        let error = expand(&word(text), '\\', &value).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test_case("a$BLANKS", &["a", "a", "b", "c"]; "blanks of a value part words")]
    #[test_case("x${BLANKS}y", &["x", "a", "b", "c", "y"]; "on both sides")]
    #[test_case("\"$BLANKS\"", &["  a  b c "]; "but not in quotes")]
    #[test_case("80${NOT:-80}/udp", &["8080/udp"]; "a default in the middle")]
    #[test_case("a\\ b c", &["a b", "c"]; "escaped blank")]
    #[test_case("\"\" '' $EMPTY", &[]; "nothing is no word")]
    #[test_case("a << b", &["a", "<< b"]; "here-document")]
    fn words(text: &str, expected: &[&str]) {
        assert_eq!(expand_words(&word(text), '\\', &value).unwrap(), expected);
    }

    #[test_case("a 'b' \"$SET\" \\$SET \\\\n\n", "a 'b' \"value\" $SET \\n\n"; "quotes stay")]
    #[test_case("it's ${NOT:-\"x\"}", "it's \"x\""; "in defaults too")]
    fn here_documents(text: &str, expected: &str) {
        let mut heredoc = Heredoc {
            name: "EOF".to_owned(),
            content: text.to_owned(),
            expand: true,
            descriptor: None,
            at: 3..5,
        };
        assert_eq!(expand_heredoc(&heredoc, &value).as_deref(), Ok(expected));
        heredoc.expand = false;
        assert_eq!(expand_heredoc(&heredoc, &value).as_deref(), Ok(text));
    }

    #[test]
    fn depth_is_bounded_on_both_sides() {
        let nested = |depth: usize| format!("{}x{}", "${N:-".repeat(depth), "}".repeat(depth));
        let fits = expand(&word(&nested(MAX_EXPANSION_DEPTH)), '\\', &value);
        assert_eq!(fits.as_deref(), Ok("x"));
        let error = expand(&word(&nested(MAX_EXPANSION_DEPTH + 1)), '\\', &value).unwrap_err();
        assert_eq!(error.problem, ExpansionProblem::TooDeep);
        let error = expand(&word(&nested(1_000_000)), '\\', &value).unwrap_err();
        assert_eq!(error.problem, ExpansionProblem::TooDeep);
    }

    #[test]
    fn size_and_work_are_bounded() {
        let large = "x".repeat(MAX_EXPANDED_BYTES / 8);
        let lookup = |_: &str| Some(large.clone());
        assert!(expand(&word("$A$B"), '\\', &lookup).is_ok());
        for text in ["$A".repeat(20), "${A:+}".repeat(20), "${A//x/yyyyyyyyyyyy}".to_owned()] {
            let error = expand(&word(&text), '\\', &lookup).unwrap_err();
            assert_eq!(error.problem, ExpansionProblem::TooLong, "{text}");
        }
        let pattern = format!("${{A//{}b/}}", "x*".repeat(1000));
        let error = expand(&word(&pattern), '\\', &lookup).unwrap_err();
        assert_eq!(error.problem, ExpansionProblem::TooMuchWork);
    }

    proptest! {
        /// What is quoted comes back as it was.
        #[test]
        fn quoting_keeps_a_text(text in "(?s).{0,60}") {
            let single = format!("'{}'", text.replace('\'', "'\\''"));
            prop_assert_eq!(expand(&word(&single), '\\', &value), Ok(text.clone()));
            let mut double = "\"".to_owned();
            for char in text.chars() {
                if matches!(char, '"' | '$' | '\\') {
                    double.push('\\');
                }
                double.push(char);
            }
            double.push('"');
            prop_assert_eq!(expand(&word(&double), '\\', &value), Ok(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\\"'${}:/#%*?+\-<aSET ]{0,40}"#) {
            drop(expand(&word(&text), '\\', &value));
            drop(expand_words(&word(&text), '`', &value));
        }
    }
}
