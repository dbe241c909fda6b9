//! The words of an instruction: its name, its flags, and the shapes that the rest can have
//! (images.md §1.1–1.3).

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::expansion::{Quotes, Style, words_of};
use crate::dockerfile::instruction::Word;
use crate::dockerfile::spliced::Spliced;

/// An instruction taken apart.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// Its name as written.
    pub(super) keyword: Word,
    /// Its flags, quotes and escapes taken off.
    pub(super) flags: Vec<Spliced>,
    /// All that follows, without blanks at its ends.
    pub(super) rest: Spliced,
}

impl Parts {
    pub(super) fn of(line: &Spliced, escape: char) -> Self {
        let line = line.trimmed();
        let end = line.text().find(is_separator).unwrap_or(line.text().len());
        let rest = line.text().get(end..).unwrap_or_default();
        let start = line.text().len() - rest.trim_start_matches(is_separator).len();
        let (flags, start) = flags(&line, start, escape);
        let rest = line.part(start..line.text().len()).trimmed();
        Self { keyword: line.word(0..end), flags, rest }
    }
}

/// The words that begin with two dashes at the beginning of a text, and where they end. A word of
/// just two dashes ends them too.
fn flags(line: &Spliced, start: usize, escape: char) -> (Vec<Spliced>, usize) {
    let text = line.text();
    let mut flags = Vec::new();
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let begins = text.len() - rest.trim_start().len();
        if !rest.trim_start().starts_with("--") {
            return (flags, begins);
        }
        let (flag, end) = flag(line, begins, escape);
        at = end;
        if flag.text() == "--" {
            return (flags, at);
        }
        flags.push(flag);
    }
}

fn flag(line: &Spliced, start: usize, escape: char) -> (Spliced, usize) {
    let mut flag = Spliced::at("", line.origin(start));
    let mut quote = None;
    let rest = line.text().get(start..).unwrap_or_default();
    let mut chars = rest.char_indices().map(|(index, char)| (start + index, char));
    while let Some((index, char)) = chars.next() {
        match (char, quote) {
            (blank, None) if blank.is_whitespace() => return (flag, index),
            (mark, _) if mark == escape => {
                if let Some((index, escaped)) = chars.next() {
                    flag.push_char(escaped, line, index);
                }
            }
            (mark @ ('"' | '\''), None) => quote = Some(mark),
            (mark, Some(open)) if mark == open => quote = None,
            (other, _) => flag.push_char(other, line, index),
        }
    }
    (flag, line.text().len())
}

/// Splits at blanks, whatever quotes there are.
pub(super) fn list(text: &Spliced) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = 0;
    for word in text.text().split(is_separator) {
        if !word.is_empty() {
            words.push(text.word(start..start + word.len()));
        }
        // What separates is one byte.
        start += word.len() + 1;
    }
    words
}

/// Splits at blanks outside of quotes; the quotes stay.
pub(super) fn quoted(text: &Spliced, escape: char) -> Vec<Spliced> {
    let mut words = Vec::new();
    let mut word: Option<Range<usize>> = None;
    let mut quote = None;
    let mut chars = text.text().char_indices();
    while let Some((index, char)) = chars.next() {
        if quote.is_none() && char.is_whitespace() {
            words.extend(word.take().map(|word| text.part(word)));
            continue;
        }
        let mut end = index + char.len_utf8();
        match (char, quote) {
            (mark, None | Some('"')) if mark == escape => match chars.next() {
                Some((index, escaped)) => end = index + escaped.len_utf8(),
                // At the end there is nothing to escape.
                None => end = index,
            },
            (mark @ ('"' | '\''), None) => quote = Some(mark),
            (mark, Some(open)) if mark == open => quote = None,
            _ => {}
        }
        word = Some(word.map_or(index, |word| word.start)..end);
    }
    words.extend(word.filter(|word| !word.is_empty()).map(|word| text.part(word)));
    words
}

/// Splits at the first blank.
pub(super) fn name_and_rest(text: &Spliced) -> Option<(Word, Word)> {
    let (name, rest) = text.text().split_once(is_separator)?;
    let start = text.text().len() - rest.trim_start_matches(is_separator).len();
    Some((text.word(0..name.len()), text.word(start..text.text().len())))
}

/// The strings of a JSON array. None if it is no JSON, or no array.
pub(super) fn json(
    text: &Spliced,
    instruction: &'static str,
) -> Result<Option<Vec<Word>>, SyntaxError> {
    let mut reader = Json { text, at: 0 };
    if !reader.takes('[') {
        return Ok(None);
    }
    if let Some(words) = reader.strings() {
        return Ok(Some(words));
    }
    // What it is besides does not matter if it is JSON.
    if serde_json::from_str::<Vec<IgnoredAny>>(text.text()).is_ok() {
        let problem = Problem::NotStrings { instruction };
        return Err(SyntaxError::new(problem, reader.place()));
    }
    Ok(None)
}

/// Reads an array of strings, and keeps their places.
struct Json<'a> {
    text: &'a Spliced,
    at: usize,
}

impl Json<'_> {
    fn rest(&self) -> &str {
        self.text.text().get(self.at..).unwrap_or_default()
    }

    fn place(&self) -> Range<usize> {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        self.text.place(self.at..self.at + length)
    }

    /// Whether this comes next, blanks aside; it is passed if so.
    fn takes(&mut self, char: char) -> bool {
        let trimmed = self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at = self.text.text().len() - trimmed;
        let takes = self.rest().starts_with(char);
        if takes {
            self.at += char.len_utf8();
        }
        takes
    }

    fn strings(&mut self) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        if self.takes(']') {
            return self.ends().then_some(words);
        }
        loop {
            if !self.takes('"') {
                return None;
            }
            words.push(self.string()?);
            if self.takes(',') {
                continue;
            }
            return (self.takes(']') && self.ends()).then_some(words);
        }
    }

    fn ends(&mut self) -> bool {
        self.rest().trim_matches([' ', '\t', '\n', '\r']).is_empty()
    }

    /// What follows a quote. Its place is that between the quotes.
    fn string(&mut self) -> Option<Word> {
        let start = self.at;
        let mut text = String::new();
        loop {
            let char = self.rest().chars().next()?;
            match char {
                '"' => {
                    let at = self.text.place(start..self.at);
                    self.at += 1;
                    return Some(Word { text, at });
                }
                '\\' => {
                    self.at += 1;
                    text.push(self.escaped()?);
                }
                char if char < ' ' => return None,
                char => {
                    text.push(char);
                    self.at += char.len_utf8();
                }
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let char = self.rest().chars().next()?;
        self.at += char.len_utf8();
        Some(match char {
            '"' | '\\' | '/' => char,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                let low = (0xd800..0xdc00).contains(&unit).then(|| self.low_surrogate()).flatten();
                let code = low.map_or(unit, |low| 0x1_0000 + ((unit - 0xd800) << 10) + low);
                // Half a pair means nothing (Go's decoder).
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    /// The second half of a pair, without its mark; passed only if it is one.
    fn low_surrogate(&mut self) -> Option<u32> {
        let digits = self.rest().strip_prefix("\\u")?.get(..4)?;
        let low = hex(digits)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        self.at += 6;
        Some(low)
    }

    fn unit(&mut self) -> Option<u32> {
        let unit = hex(self.rest().get(..4)?)?;
        self.at += 4;
        Some(unit)
    }
}

fn hex(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The announcement of a here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) name: String,
    /// Whether tabs at the beginning of its lines go.
    pub(super) tabs_go: bool,
    pub(super) expand: bool,
    pub(super) descriptor: Option<u32>,
}

/// The here-documents that an instruction announces. Here the escape character is always a
/// backslash.
pub(super) fn heredocs(line: &str) -> Vec<Announced> {
    let style =
        Style { quotes: Quotes::Kept, keep_escapes: true, keep_unset: true, ..Style::word('\\') };
    if !line.contains("<<") {
        return Vec::new();
    }
    // Where quotes are not closed, nothing is announced.
    let words = words_of(line, style, &|_| None).unwrap_or_default();
    words.iter().filter_map(|word| heredoc(word)).collect()
}

/// `<<NAME`, `<<-NAME`, `<<"NAME"`, a number before it or not.
pub(super) fn heredoc(word: &str) -> Option<Announced> {
    let (number, rest) = word.split_at_checked(word.find("<<")?)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.strip_prefix("<<")?;
    let (rest, tabs_go) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    if rest.contains('<') {
        return None;
    }
    let style = Style { keep_unset: true, ..Style::word('\\') };
    let [name] = <[String; 1]>::try_from(words_of(rest, style, &|_| None).ok()?).ok()?;
    let raw = words_of(rest, Style { quotes: Quotes::Kept, ..style }, &|_| None).ok()?.concat();
    // A quote that is gone was around some part of it.
    let expand = quotes(&name) == quotes(&raw);
    Some(Announced { name, tabs_go, expand, descriptor: number.parse().ok() })
}

fn quotes(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'"' | b'\'')).count()
}

/// What stands between the words of an instruction.
pub(super) fn is_separator(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn parts(text: &str) -> (String, Vec<String>, String) {
        let parts = Parts::of(&Spliced::at(text, 0), '\\');
        let flags = parts.flags.iter().map(|flag| flag.text().to_owned()).collect();
        (parts.keyword.text, flags, parts.rest.text().to_owned())
    }

    #[test_case("RUN x  y ", "RUN", &[], "x  y"; "no flags")]
    #[test_case("run\t--a --b=c x --d", "run", &["--a", "--b=c"], "x --d"; "flags come first")]
    #[test_case("COPY --a=\"b c\" --d='e\"' x", "COPY", &["--a=b c", "--d=e\""], "x"; "quoted")]
    #[test_case("COPY --a=b\\ c\\\"  x", "COPY", &["--a=b c\""], "x"; "escaped")]
    #[test_case("COPY -- --a b", "COPY", &[], "--a b"; "two dashes end them")]
    #[test_case("CMD -a", "CMD", &[], "-a"; "one dash is no flag")]
    #[test_case("CMD", "CMD", &[], ""; "nothing more")]
    #[test_case("COPY --a", "COPY", &["--a"], ""; "a flag alone")]
    #[test_case("COPY --größe=\u{e0}x y", "COPY", &["--größe=àx"], "y"; "letters")]
    fn taken_apart(text: &str, keyword: &str, flags: &[&str], rest: &str) {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        assert_eq!(parts(text), (keyword.to_owned(), flags, rest.to_owned()));
    }

    #[test]
    fn parts_of_flags_know_their_places() {
        let parts = Parts::of(&Spliced::at("COPY --from=\"nginx\" a", 100), '\\');
        let (_, value) = parts.flags[0].cut('=').unwrap();
        assert_eq!(value.into_word(), Word { text: "nginx".to_owned(), at: 113..118 });
    }

    #[test_case("a b\t c", &["a", "b", "c"]; "plain")]
    #[test_case("a=\"b c\" d='e f'", &["a=\"b c\"", "d='e f'"]; "quoted")]
    #[test_case("a\\ b \\\"c d", &["a\\ b", "\\\"c", "d"]; "escaped")]
    #[test_case("a=\"b\\\" c\" d", &["a=\"b\\\" c\"", "d"]; "escaped in quotes")]
    #[test_case("a='b\\' c", &["a='b\\'", "c"]; "not in single quotes")]
    #[test_case("a \\", &["a"]; "escape at the end")]
    #[test_case("a\\", &["a"]; "escape at the end of a word")]
    #[test_case("\"\" x", &["\"\"", "x"]; "empty")]
    #[test_case("a=\"b c", &["a=\"b c"]; "not closed")]
    fn quoted_words(text: &str, expected: &[&str]) {
        let words = quoted(&Spliced::at(text, 0), '\\');
        let words: Vec<&str> = words.iter().map(Spliced::text).collect();
        assert_eq!(words, expected);
    }

    fn strings(text: &str) -> Option<Vec<String>> {
        let words = json(&Spliced::at(text, 0), "RUN").unwrap();
        words.map(|words| words.into_iter().map(|word| word.text).collect())
    }

    #[test_case("[]", &[]; "empty")]
    #[test_case(" [ \"a\" ,\"b c\" ] ", &["a", "b c"]; "blanks")]
    #[test_case(r#"["\"\\\/\b\f\n\r\t"]"#, &["\"\\/\u{8}\u{c}\n\r\t"]; "escapes")]
    #[test_case(r#"["\u00e4\uD83D\ude00"]"#, &["ä😀"]; "code units")]
    #[test_case(r#"["\ud83dx\ude00"]"#, &["\u{fffd}x\u{fffd}"]; "half pairs")]
    #[test_case(r#"["\ud83d\u0041"]"#, &["\u{fffd}A"]; "half a pair before a letter")]
    fn json_arrays(text: &str, expected: &[&str]) {
        assert_eq!(strings(text).unwrap(), expected);
    }

    #[test_case("a")]
    #[test_case("[a]"; "no strings")]
    #[test_case("['a']"; "single quotes")]
    #[test_case("[\"a\",]"; "comma at the end")]
    #[test_case("[\"a\"] b"; "more behind")]
    #[test_case("[\"C:\\x\"]"; "strange escape")]
    #[test_case("[\"a"; "not closed")]
    #[test_case("[\"a\tb\"]"; "control character")]
    #[test_case("[ -f x ]"; "a test")]
    fn what_is_no_json_is_a_line(text: &str) {
        assert_eq!(strings(text), None);
    }

    #[test_case("[1]", 1; "number")]
    #[test_case("[\"a\", null]", 6; "null")]
    #[test_case("[\"a\", [\"b\"]]", 6; "nested")]
    fn json_of_something_else_is_refused(text: &str, at: usize) {
        let error = json(&Spliced::at(text, 0), "RUN").unwrap_err();
        assert_eq!(error.problem, Problem::NotStrings { instruction: "RUN" });
        assert_eq!(error.at, at..at + 1);
    }

    #[test_case("RUN <<EOF", &[("EOF", false, true, None)]; "plain")]
    #[test_case("RUN 3<<-A cat <<'B' << C", &[("A", true, true, Some(3)), ("B", false, false, None), ("C", false, true, None)]; "several")]
    #[test_case("RUN <<\"E F\"", &[("E F", false, false, None)]; "quoted blank")]
    #[test_case("RUN <<E\\ F", &[("E F", false, true, None)]; "escaped blank")]
    #[test_case("RUN <<E'O'F", &[("EOF", false, false, None)]; "quoted in part")]
    #[test_case("RUN <<$X${Y:-z}", &[("$X${Y:-z}", false, true, None)]; "variables are names")]
    #[test_case("RUN cat <<<x", &[]; "here-string")]
    #[test_case("RUN \"a <<EOF\"", &[]; "in quotes")]
    #[test_case("RUN \\<<EOF", &[]; "escaped")]
    #[test_case("RUN a<<EOF", &[]; "a word before it")]
    #[test_case("RUN it's <<EOF", &[]; "a quote that is not closed")]
    #[test_case("RUN <<", &[]; "no name")]
    fn announced(line: &str, expected: &[(&str, bool, bool, Option<u32>)]) {
        let all = heredocs(line);
        let all: Vec<_> = all
            .iter()
            .map(|here| (here.name.as_str(), here.tabs_go, here.expand, here.descriptor))
            .collect();
        assert_eq!(all, expected);
    }
}
