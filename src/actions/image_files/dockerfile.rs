//! The images of a Dockerfile, as BuildKit reads it (images.md §1.1–1.5).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::actions::image_files::Unresolved;
use crate::actions::image_files::file::{
    BYTE_ORDER_MARK, Found, FoundImage, Malformed, SkippedBecause,
};
use crate::actions::image_files::traced::{Letter, Traced, cut_at, span_of, text_of};
use crate::actions::image_files::variables::{Dialect, expand};
use crate::limits::{MAX_DOCKERFILE_LINE_BYTES, MAX_FILE_IMAGES, MAX_GLOBAL_ARGUMENTS};

/// Finds the images of a Dockerfile.
pub(super) fn scan(text: &str) -> Result<Found, Malformed> {
    let directives = Directives::read(text)?;
    let mut scan = Scan { escape: directives.escape.unwrap_or('\\'), ..Scan::default() };
    if let Some(frontend) = directives.syntax {
        let at = frontend.span().map_or(0, |span| span.start);
        scan.skipped.push((frontend.text(), at, SkippedBecause::Frontend));
    }
    let mut lines = Lines::of(text);
    while let Some(instruction) = lines.instruction(scan.escape)? {
        scan.instruction(&instruction.letters, Depth::Top)?;
        if scan.images.len() > MAX_FILE_IMAGES {
            break;
        }
        for here in heredocs(&instruction.letters) {
            if !lines.skip_heredoc(&here) {
                let problem = format!("the here-document {} has no end", here.name);
                return Err(Malformed { at: instruction.at, problem });
            }
        }
    }
    scan.finish()
}

/// Whether a text begins as a Dockerfile does, for want of a name that tells.
pub(super) fn is_one(text: &str) -> bool {
    let escape = Directives::read(text).ok().and_then(|directives| directives.escape);
    let first = Lines::of(text).instruction(escape.unwrap_or('\\'));
    first.ok().flatten().is_some_and(|first| {
        let (keyword, rest) = keyword(&first.letters);
        matches!(keyword.as_str(), "from" | "arg") && !words(rest).is_empty()
    })
}

/// The parser directives at the top.
#[derive(Debug, Default)]
struct Directives {
    escape: Option<char>,
    syntax: Option<Traced>,
}

impl Directives {
    fn read(text: &str) -> Result<Self, Malformed> {
        let mut directives = Self::default();
        let mut check = false;
        let mut lines = Lines::of(text);
        while let Some(line) = lines.next() {
            let Some((name, value)) = directive(&line) else { break };
            let at = line.at;
            let value_text = text_of(value);
            let twice = match name.as_str() {
                "escape" => {
                    let escape = match value_text.as_str() {
                        "\\" => '\\',
                        "`" => '`',
                        _ => {
                            let problem = "the escape character is a backslash or a backtick";
                            return Err(Malformed { at, problem: problem.to_owned() });
                        }
                    };
                    directives.escape.replace(escape).is_some()
                }
                "syntax" => {
                    let value = Traced { letters: value.to_vec() };
                    directives.syntax.replace(value).is_some()
                }
                "check" => std::mem::replace(&mut check, true),
                _ => break,
            };
            if twice {
                let problem = format!("the directive `{name}` is given twice");
                return Err(Malformed { at, problem });
            }
        }
        Ok(directives)
    }
}

/// `# name=value`
fn directive(line: &Line) -> Option<(String, &[Letter])> {
    let comment = trim(&line.letters);
    let (hash, rest) = comment.split_first()?;
    let (name, value) = cut_at(rest, |char| char == '=')?;
    let (name, value) = (text_of(trim(name)).to_ascii_lowercase(), trim(value));
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (hash.char == '#' && is_name && !value.is_empty()).then_some((name, value))
}

/// A line of the file without its end, or several that an instruction is continued over.
#[derive(Debug, Default)]
struct Line {
    at: usize,
    letters: Vec<Letter>,
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        Self { text, at }
    }

    /// The next line, its end taken off.
    fn next_text(&mut self) -> Option<(usize, &'a str)> {
        let at = self.at;
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_inclusive('\n').next()?;
        self.at = at.checked_add(line.len())?;
        Some((at, line.trim_end_matches(['\r', '\n'])))
    }

    fn next(&mut self) -> Option<Line> {
        let (at, text) = self.next_text()?;
        Some(Line { at, letters: Traced::at(text, at).letters })
    }

    /// The next instruction, with the lines it is continued over.
    fn instruction(&mut self, escape: char) -> Result<Option<Line>, Malformed> {
        let mut line = Line::default();
        let mut is_open = false;
        while let Some((at, text)) = self.next_text() {
            let trimmed = text.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if text.len() > MAX_DOCKERFILE_LINE_BYTES {
                let problem = format!("the line has more than {MAX_DOCKERFILE_LINE_BYTES} bytes");
                return Err(Malformed { at, problem });
            }
            // Only the first of several lines loses its indentation.
            let (text, at) = if is_open {
                (text, at)
            } else {
                (trimmed, at.saturating_add(text.len().saturating_sub(trimmed.len())))
            };
            let piece;
            let was_open = is_open;
            (piece, is_open) = continued(text, escape);
            if !was_open {
                line.at = at;
            }
            line.letters.extend(Traced::at(piece, at).letters);
            if !is_open {
                return Ok(Some(line));
            }
        }
        Ok(is_open.then_some(line))
    }

    /// Passes over a here-document; false if it has no end.
    fn skip_heredoc(&mut self, here: &Heredoc) -> bool {
        while let Some((_, text)) = self.next_text() {
            let text = if here.tabs_go { text.trim_start_matches('\t') } else { text };
            if text == here.name {
                return true;
            }
        }
        false
    }
}

/// Takes the escape character off that continues a line; returns whether there was one.
fn continued(text: &str, escape: char) -> (&str, bool) {
    match text.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(piece) if !piece.ends_with(escape) => (piece, true),
        _ => (text, false),
    }
}

/// Where an instruction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    /// After ONBUILD.
    Trigger,
}

#[derive(Debug, Default)]
struct Scan {
    escape: char,
    /// The global ARGs, with the values the file gives them.
    arguments: BTreeMap<String, Result<Traced, Unresolved>>,
    /// Names of stages, in small letters.
    stages: BTreeSet<String>,
    has_stage: bool,
    images: Vec<FoundImage>,
    /// Images or stages; which, is known at the end.
    sources: Vec<FoundImage>,
    skipped: Vec<(String, usize, SkippedBecause)>,
}

impl Scan {
    fn instruction(&mut self, letters: &[Letter], depth: Depth) -> Result<(), Malformed> {
        let (keyword, rest) = keyword(letters);
        let at = letters.first().and_then(|letter| letter.at()).unwrap_or_default();
        match (keyword.as_str(), depth) {
            ("from", Depth::Top) => return self.from(rest, at),
            ("arg", Depth::Top) if !self.has_stage => return self.global_arguments(rest, at),
            _ if !self.has_stage => {
                let problem = "an instruction stands before the first FROM".to_owned();
                return Err(Malformed { at, problem });
            }
            ("copy" | "add", _) => {
                for flag in flags(rest).0 {
                    if let Some(value) = value_of(&flag, "--from") {
                        self.source(value);
                    }
                }
            }
            ("run", _) => {
                for flag in flags(rest).0 {
                    let Some(mount) = value_of(&flag, "--mount") else { continue };
                    for field in comma_separated(mount) {
                        if let Some(value) = value_of(&field, "from") {
                            self.source(value);
                        }
                    }
                }
            }
            ("onbuild", Depth::Top) => return self.instruction(rest, Depth::Trigger),
            _ => {}
        }
        Ok(())
    }

    fn from(&mut self, rest: &[Letter], at: usize) -> Result<(), Malformed> {
        let words = words(flags(rest).1);
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, between, name] if text_of(between).eq_ignore_ascii_case("as") => {
                (*image, Some(text_of(name).to_lowercase()))
            }
            _ => {
                let problem = "FROM takes an image, and a name after AS".to_owned();
                return Err(Malformed { at, problem });
            }
        };
        self.has_stage = true;
        let found = self.expanded(image);
        let is_image = match &found.image {
            Ok(image) => {
                let image = image.text();
                image != SCRATCH && !self.stages.contains(&image.to_lowercase())
            }
            Err(_) => true,
        };
        if is_image {
            self.images.push(found);
        }
        self.stages.extend(name);
        Ok(())
    }

    /// `ARG NAME`, `ARG NAME=value`, several in a line.
    fn global_arguments(&mut self, rest: &[Letter], at: usize) -> Result<(), Malformed> {
        for word in quoted_words(rest, self.escape) {
            // Without a value it takes nothing away from an earlier one.
            let Some((name, value)) = cut_at(word, |char| char == '=') else { continue };
            let value = self.expand(value);
            self.arguments.insert(text_of(name), value);
            if self.arguments.len() > MAX_GLOBAL_ARGUMENTS {
                let problem = format!("there are more than {MAX_GLOBAL_ARGUMENTS} arguments");
                return Err(Malformed { at, problem });
            }
        }
        Ok(())
    }

    fn expand(&self, word: &[Letter]) -> Result<Traced, Unresolved> {
        let dialect = Dialect::Dockerfile { escape: self.escape };
        expand(word, dialect, &|name| self.arguments.get(name).cloned())
    }

    fn expanded(&self, word: &[Letter]) -> FoundImage {
        FoundImage { at: start_of(word), written: text_of(word), image: self.expand(word) }
    }

    /// What a flag takes files from: a stage, or else an image.
    fn source(&mut self, value: &[Letter]) {
        let image = Traced { letters: value.to_vec() };
        let has_variable = value.iter().any(|letter| letter.char == '$');
        let image = if has_variable { Err(Unresolved::NotExpanded) } else { Ok(image) };
        self.sources.push(FoundImage { at: start_of(value), written: text_of(value), image });
    }

    fn finish(mut self) -> Result<Found, Malformed> {
        if !self.has_stage {
            return Err(Malformed { at: 0, problem: "there is no FROM".to_owned() });
        }
        for source in self.sources {
            let is_number =
                !source.written.is_empty() && source.written.bytes().all(|b| b.is_ascii_digit());
            let is_stage = self.stages.contains(&source.written.to_lowercase());
            if !is_number && !is_stage && source.written != SCRATCH {
                self.images.push(source);
            }
        }
        Ok(Found { images: self.images, skipped: self.skipped })
    }
}

/// Splits an instruction into its name, in small letters, and the rest.
fn keyword(letters: &[Letter]) -> (String, &[Letter]) {
    let letters = trim(letters);
    let (keyword, rest) = cut_at(letters, is_separator).unwrap_or((letters, &[]));
    (text_of(keyword).to_ascii_lowercase(), trim(rest))
}

/// Splits at blanks, whatever quotes there are.
fn words(letters: &[Letter]) -> Vec<&[Letter]> {
    letters.split(|letter| is_separator(letter.char)).filter(|word| !word.is_empty()).collect()
}

/// Splits at blanks outside of quotes; the quotes stay.
fn quoted_words(letters: &[Letter], escape: char) -> Vec<&[Letter]> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut is_escaped = false;
    for (index, letter) in letters.iter().enumerate() {
        if quote.is_none() && !is_escaped && letter.char.is_whitespace() {
            words.extend(start.take().and_then(|start| letters.get(start..index)));
            continue;
        }
        start.get_or_insert(index);
        let was_escaped = std::mem::take(&mut is_escaped);
        match (letter.char, quote) {
            _ if was_escaped => {}
            (mark, None | Some('"')) if mark == escape => is_escaped = true,
            (mark @ ('"' | '\''), None) => quote = Some(mark),
            (mark, Some(open)) if mark == open => quote = None,
            _ => {}
        }
    }
    words.extend(start.and_then(|start| letters.get(start..)));
    words
}

/// Takes the flags off the front of an instruction's rest: words that begin with two dashes, quotes
/// and backslashes resolved. A flag of just two dashes ends them.
fn flags(rest: &[Letter]) -> (Vec<Vec<Letter>>, &[Letter]) {
    let mut flags = Vec::new();
    let mut rest = rest;
    loop {
        rest = trim_start(rest);
        let begins = |index: usize| rest.get(index).is_some_and(|letter| letter.char == '-');
        if !begins(0) || !begins(1) {
            return (flags, rest);
        }
        let (flag, after) = flag(rest);
        rest = after;
        if flag.len() == 2 {
            return (flags, trim_start(rest));
        }
        flags.push(flag);
    }
}

fn flag(rest: &[Letter]) -> (Vec<Letter>, &[Letter]) {
    let mut flag = Vec::new();
    let mut quote = None;
    let mut letters = rest;
    while let Some((letter, after)) = letters.split_first() {
        match (letter.char, quote) {
            (blank, None) if blank.is_whitespace() => break,
            ('\\', _) => {
                letters = after.get(1..).unwrap_or_default();
                flag.extend(after.first().copied());
                continue;
            }
            (mark @ ('"' | '\''), None) => quote = Some(mark),
            (mark, Some(open)) if mark == open => quote = None,
            _ => flag.push(*letter),
        }
        letters = after;
    }
    (flag, letters)
}

/// What follows `name=`.
fn value_of<'a>(letters: &'a [Letter], name: &str) -> Option<&'a [Letter]> {
    let (key, value) = cut_at(letters, |char| char == '=')?;
    text_of(key).eq_ignore_ascii_case(name).then_some(value)
}

/// The fields of a mount (RFC 4180), quotes taken off.
fn comma_separated(letters: &[Letter]) -> Vec<Vec<Letter>> {
    let mut fields = Vec::new();
    let mut field: Vec<Letter> = Vec::new();
    let mut is_quoted = false;
    let mut letters = letters.iter().peekable();
    while let Some(letter) = letters.next() {
        match letter.char {
            '"' if is_quoted && letters.peek().is_some_and(|next| next.char == '"') => {
                field.extend(letters.next());
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(*letter),
        }
    }
    fields.push(field);
    fields
}

/// A here-document that an instruction announces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heredoc {
    name: String,
    /// Tabs before its end do not count.
    tabs_go: bool,
}

fn heredocs(letters: &[Letter]) -> Vec<Heredoc> {
    let (mut name, mut rest) = keyword(letters);
    if name == "onbuild" {
        (name, rest) = keyword(rest);
    }
    if !matches!(name.as_str(), "run" | "copy" | "add") || is_json(flags(rest).1) {
        return Vec::new();
    }
    quoted_words(letters, '\\').into_iter().filter_map(heredoc).collect()
}

/// `<<NAME`, `<<-NAME`, `<<"NAME"`, a number before it or not.
fn heredoc(word: &[Letter]) -> Option<Heredoc> {
    let text = text_of(word);
    let text = text.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<")?;
    let (text, tabs_go) = text.strip_prefix('-').map_or((text, false), |text| (text, true));
    if text.contains('<') {
        return None;
    }
    let word = Traced::nowhere(text);
    let name = expand(&word.letters, Dialect::Dockerfile { escape: '\\' }, &|_| None);
    let name = name.map_or_else(|_| text.to_owned(), |name| name.text());
    (!name.is_empty()).then_some(Heredoc { name, tabs_go })
}

/// Whether the rest of an instruction is in the form of a JSON array; what follows it is ignored.
fn is_json(rest: &[Letter]) -> bool {
    let text = text_of(trim_start(rest));
    let first = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next();
    matches!(first, Some(Ok(Value::Array(_))))
}

fn start_of(letters: &[Letter]) -> usize {
    let span = span_of(letters).map(|span| span.start);
    span.or_else(|| letters.first().and_then(|letter| letter.at())).unwrap_or_default()
}

fn trim(letters: &[Letter]) -> &[Letter] {
    let mut letters = trim_start(letters);
    while let Some((last, before)) = letters.split_last()
        && last.char.is_whitespace()
    {
        letters = before;
    }
    letters
}

fn trim_start(letters: &[Letter]) -> &[Letter] {
    let mut letters = letters;
    while let Some((first, after)) = letters.split_first()
        && first.char.is_whitespace()
    {
        letters = after;
    }
    letters
}

/// What stands between the words of an instruction.
fn is_separator(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// The base of an image that has none.
const SCRATCH: &str = "scratch";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::actions::image_files::{ImageFile, ImageFileError, Kind};

    fn read(text: &str) -> ImageFile {
        ImageFile::parse("Dockerfile", Some(Kind::Dockerfile), text.to_owned()).unwrap()
    }

    /// The images as `LINE:COLUMN TEXT`, and behind them what is wrong, or what they come to.
    fn found(text: &str) -> Vec<String> {
        let file = read(text);
        let line = |place: &crate::actions::image_files::Place| {
            let at = format!("{}:{} {}", place.line, place.column, place.written);
            match (&place.image, &place.span) {
                (Err(problem), _) => format!("{at} ({problem})"),
                (Ok(image), None) => format!("{at} = {image}"),
                (Ok(_), Some(span)) => {
                    assert_eq!(text.get(span.clone()), Some(place.written.as_str()));
                    at
                }
            }
        };
        file.images.iter().map(line).collect()
    }

    #[test_case("FROM alpine:3.20", &["1:6 alpine:3.20"]; "plain")]
    #[test_case("  from\talpine AS build\nFROM build", &["1:8 alpine"]; "a stage is no image")]
    #[test_case("FROM a AS B\nFROM b", &["1:6 a"]; "stages know no case")]
    #[test_case("FROM b\nFROM a AS b", &["1:6 b", "2:6 a"]; "a later stage is no base")]
    #[test_case("FROM scratch", &[]; "scratch")]
    #[test_case("FROM --platform=$BUILDPLATFORM alpine", &["1:32 alpine"]; "platform")]
    #[test_case("FROM --platform=\"linux/amd64\" alpine", &["1:31 alpine"]; "quoted platform")]
    #[test_case("FROM \"alpine:3.20\"", &["1:7 alpine:3.20"]; "quoted")]
    #[test_case("FROM \\\n  alpine", &["2:3 alpine"]; "continued")]
    #[test_case("FROM \\ \t\n# why\n\n  alpine \\\n AS x", &["4:3 alpine"]; "comments inside")]
    #[test_case("FROM alp\\\nine", &["1:6 alpine = alpine"]; "broken over lines")]
    #[test_case("# escape=`\nFROM `\nalpine", &["3:1 alpine"]; "other escape")]
    #[test_case("#escape = `\n#\nFROM C:\\x", &["3:6 C:\\x"]; "escape of windows")]
    #[test_case("# why\n# escape=`\nFROM \\\nalpine", &["4:1 alpine"]; "a directive after a comment is none")]
    #[test_case("\u{feff}FROM alpine\r\nFROM b\r\n", &["1:6 alpine", "2:6 b"]; "byte order mark and line ends")]
    fn bases(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("ARG B=alpine:3.20\nFROM $B", &["1:7 alpine:3.20"]; "default")]
    #[test_case("ARG B=\"alpine:3.20\"\nFROM ${B} AS x", &["1:8 alpine:3.20"]; "quoted default")]
    #[test_case("ARG A=1 B=alpine\nFROM $B", &["1:11 alpine"]; "several in a line")]
    #[test_case("ARG A=alpine\nARG B=$A\nFROM $B", &["1:7 alpine"]; "chain")]
    #[test_case("ARG B=a\nFROM $B\nFROM $B", &["1:7 a"]; "used twice")]
    #[test_case("ARG B=a\nARG B=b\nARG B\nFROM $B", &["2:7 b"]; "the last counts")]
    #[test_case("FROM ${B:-alpine}", &["1:11 alpine"]; "default on the spot")]
    #[test_case("ARG V=3.20\nFROM alpine:${V}", &["2:6 alpine:${V} = alpine:3.20"]; "partly variable")]
    #[test_case("ARG B=a\nFROM $B\nFROM $B-x", &["1:7 a", "3:6 $B-x = a-x"]; "whole and part")]
    #[test_case("ARG B\nFROM $B", &["2:6 $B (the file gives B no value)"]; "no default")]
    #[test_case("FROM x-$TARGETARCH", &["1:6 x-$TARGETARCH (the file gives TARGETARCH no value)"]; "set by the builder")]
    #[test_case("FROM a\nARG B=b\nFROM $B", &["1:6 a", "3:6 $B (the file gives B no value)"]; "not global")]
    #[test_case("ARG S=base\nFROM a AS base\nFROM $S", &["2:6 a"]; "variable stage")]
    #[test_case("FROM ${B", &["1:6 ${B (a quote or a brace is not closed)"]; "not closed")]
    fn variables(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("COPY --from=nginx:1 /a /b", &["2:13 nginx:1"]; "copy")]
    #[test_case("copy --chown=1:1 --FROM=nginx:1 /a /b", &["2:25 nginx:1"]; "any case")]
    #[test_case("COPY --from=0 /a /b", &[]; "index")]
    #[test_case("COPY --from=BASE /a /b", &[]; "stage")]
    #[test_case("COPY --from=later /a /b\nFROM scratch AS later", &[]; "later stage")]
    #[test_case("COPY --from=\"nginx\" /a /b", &["2:14 nginx"]; "quoted")]
    #[test_case("COPY --from=$X /a /b", &["2:13 $X (variables are not expanded here)"]; "variable")]
    #[test_case("COPY -- --from=nginx /b", &[]; "after the flags")]
    #[test_case("COPY a --from=nginx /b", &[]; "not a flag")]
    #[test_case("RUN --mount=type=bind,from=nginx:1,target=/x true", &["2:28 nginx:1"]; "mount")]
    #[test_case("RUN --network=none --mount=from=a --mount=type=cache,from=b x", &["2:33 a", "2:59 b"]; "mounts")]
    #[test_case("RUN --mount=type=bind,\\\"from=a,b\\\" x", &["2:30 a,b"]; "mount in quotes")]
    #[test_case("RUN --mount=type=bind,from=base,target=/x true", &[]; "mount of a stage")]
    #[test_case("RUN echo --mount=from=nginx", &[]; "no mount")]
    #[test_case("ONBUILD COPY --from=nginx /a /b", &["2:21 nginx"]; "onbuild copy")]
    #[test_case("onbuild run --mount=from=nginx true", &["2:26 nginx"]; "onbuild run")]
    #[test_case("ONBUILD ONBUILD COPY --from=nginx /a /b", &[]; "onbuild twice is nothing")]
    #[test_case("LABEL x=\"FROM y\" \\\n FROM=z", &[]; "a word like an instruction")]
    #[test_case("RUN \\\n# FROM x\nFROM y", &[]; "continued over a comment")]
    #[test_case("RUN true \\\\\nFROM y", &["3:6 y"]; "two escapes continue nothing")]
    fn sources(text: &str, expected: &[&str]) {
        let all = found(&format!("FROM scratch AS base\n{text}\n"));
        assert_eq!(all, expected);
    }

    #[test_case("RUN <<EOF\nFROM x\nEOF", &["5:6 last"]; "run")]
    #[test_case("RUN cat <<-\"E F\" <<2\nFROM x\n\tE F\nFROM y\n2", &["7:6 last"]; "two, quoted, with tabs")]
    #[test_case("COPY <<EOF /x\nFROM x\n EOF\nEOF", &["6:6 last"]; "copy")]
    #[test_case("ONBUILD RUN 3<<EOF\nFROM x\nEOF", &["5:6 last"]; "onbuild")]
    #[test_case("RUN cat <<< EOF\nFROM x", &["3:6 x", "4:6 last"]; "here-string")]
    #[test_case("RUN [\"cat\", \"<<EOF\"]\nFROM x", &["3:6 x", "4:6 last"]; "json")]
    #[test_case("RUN [\"cat\"] <<EOF\nFROM x", &["3:6 x", "4:6 last"]; "json and more")]
    #[test_case("RUN echo \"a <<EOF\"\nFROM x", &["3:6 x", "4:6 last"]; "inside quotes")]
    #[test_case("RUN echo \\<<EOF\nFROM x", &["3:6 x", "4:6 last"]; "escaped")]
    #[test_case("CMD cat <<EOF\nFROM x", &["3:6 x", "4:6 last"]; "not on this instruction")]
    #[test_case("RUN [ -f x ] <<EOF\nFROM x\nEOF", &["5:6 last"]; "a bracket that is no json")]
    fn here_documents(text: &str, expected: &[&str]) {
        let all = found(&format!("FROM scratch\n{text}\nFROM last\n"));
        assert_eq!(all, expected);
    }

    #[test_case("", "there is no FROM"; "nothing")]
    #[test_case("# only a comment\n", "there is no FROM"; "comment")]
    #[test_case("ARG X=1\n", "there is no FROM"; "arguments alone")]
    #[test_case("RUN true\nFROM x", "before the first FROM"; "out of order")]
    #[test_case("FROM", "FROM takes an image"; "no image")]
    #[test_case("FROM a b c", "FROM takes an image"; "too many words")]
    #[test_case("# escape=x\nFROM a", "backslash or a backtick"; "strange escape")]
    #[test_case("# escape=`\n# escape=`\nFROM a", "twice"; "two escapes")]
    #[test_case("FROM a\nRUN <<EOF\nx", "EOF has no end"; "here-document without end")]
    fn what_no_builder_takes_is_refused(text: &str, words: &str) {
        let text = text.to_owned();
        let error = ImageFile::parse("f", Some(Kind::Dockerfile), text).unwrap_err();
        assert!(matches!(error, ImageFileError::Malformed { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn the_frontend_is_named_and_left_alone() {
        let file = read("# syntax=docker/dockerfile:1\n# check=skip=all\nFROM a\n");
        let [skipped] = file.skipped.as_slice() else { panic!("{file:?}") };
        assert_eq!((skipped.line, skipped.column), (1, 10));
        assert_eq!(skipped.written, "docker/dockerfile:1");
        assert_eq!(skipped.because, SkippedBecause::Frontend);
    }

    #[test]
    fn lines_and_arguments_are_bounded_on_both_sides() {
        let parse = |text: String| ImageFile::parse("f", Some(Kind::Dockerfile), text);
        let line = |length: usize| format!("FROM a\nRUN {}\n", "x".repeat(length - 4));
        assert!(parse(line(MAX_DOCKERFILE_LINE_BYTES)).is_ok());
        let error = parse(line(MAX_DOCKERFILE_LINE_BYTES + 1)).unwrap_err();
        assert!(error.to_string().contains("f:2:1: the line has more than"), "{error}");
        let arguments = |count: usize| {
            let mut text = String::new();
            (0..count).for_each(|n| writeln!(text, "ARG A{n}=1").unwrap());
            text + "FROM a\n"
        };
        assert!(parse(arguments(MAX_GLOBAL_ARGUMENTS)).is_ok());
        let error = parse(arguments(MAX_GLOBAL_ARGUMENTS + 1)).unwrap_err();
        assert!(error.to_string().contains("f:1025:1: there are more than"), "{error}");
    }

    #[test]
    fn arguments_that_double_do_not_fill_memory() {
        let mut text = "ARG A0=aaaaaaaaaa\n".to_owned();
        for n in 0..100 {
            writeln!(text, "ARG A{}=$A{n}$A{n}", n + 1).unwrap();
        }
        let all = found(&(text + "FROM $A100\n"));
        assert_eq!(all, ["102:6 $A100 (it is longer than the name of an image can be)"]);
    }

    proptest! {
        /// Whatever the file is, what is written is found, and nothing else changes.
        #[test]
        fn only_images_change(
            lines in proptest::collection::vec(proptest::sample::select(LINES), 1..12),
            ends in proptest::sample::select(&["\n", "\r\n"][..]),
        ) {
            let text = lines.join(ends);
            let Ok(file) = ImageFile::parse("f", Some(Kind::Dockerfile), text) else {
                return Ok(());
            };
            crate::actions::image_files::proofs::only_places_change(&file);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            drop(scan(&text));
        }
    }

    const LINES: &[&str] = &[
        "# syntax=docker/dockerfile:1",
        "# größe 画像",
        "\u{feff}FROM alpine",
        "ARG BASE=alpine:3.20",
        "ARG OTHER=\"registry.example.com/ä:1\" V='1'",
        "FROM ${BASE}",
        "FROM --platform=$X \"$OTHER\" AS build",
        "FROM alpine:$V",
        "FROM x \\",
        "",
        "  # comment",
        "AS y",
        "COPY --from=build /ä /ö",
        "COPY --from=busybox@sha256:abc /ä /ö",
        "RUN --mount=type=bind,from=golang:1.2 <<EOF cat",
        "FROM inside",
        "EOF",
        "\tONBUILD COPY --from='a b' x y",
    ];
}
