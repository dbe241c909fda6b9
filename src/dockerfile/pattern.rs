//! Patterns of paths: Go's `filepath.Match`, and the same with `**` (images.md §1.5, §1.6).

use crate::limits::MAX_PATH_PATTERN_BYTES;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A class of characters is not closed or empty, or a backslash escapes nothing.
    #[error("{} is no pattern", pattern.escape_debug())]
    Syntax {
        /// The text.
        pattern: String,
    },
    /// No path is as long.
    #[error("a pattern has more than {MAX_PATH_PATTERN_BYTES} bytes")]
    TooLong,
    /// It says what is excepted, without saying what.
    #[error("`!` stands alone")]
    NothingExcepted,
}

/// A pattern. Paths are relative, their parts separated by slashes, of any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    kind: Kind,
    /// As it was given, in its shortest form.
    text: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// This path.
    Exact(Vec<u8>),
    /// What begins like this: `name**`.
    Prefix(Vec<u8>),
    /// What ends like this, or is this without its slash: `**/name`.
    Suffix(Vec<u8>),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: a character that is no slash.
    One,
    /// `*`: any of them.
    Many,
    /// `**/`: nothing, or anything that ends in a slash.
    Folders,
    /// `**`: anything.
    Everything,
    /// `[...]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern of Go's `filepath.Match`: `*`, `?`, `[...]` and backslashes.
    pub fn parse(text: &[u8]) -> Result<Self, PatternError> {
        let tokens = tokens(text)?;
        let literal: Option<Vec<u8>> = tokens
            .iter()
            .map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None })
            .collect();
        let kind = literal.map_or(Kind::Tokens(tokens), Kind::Exact);
        Ok(Self { kind, text: text.to_vec() })
    }

    /// Reads a pattern with `**`, as a `.dockerignore` and `--exclude` have it (moby/patternmatcher).
    pub fn parse_doubled(text: &[u8]) -> Result<Self, PatternError> {
        // What Go's own rules refuse is refused, though they know no `**`.
        tokens(text)?;
        let mut kind = Kind::Exact(text.to_vec());
        let mut tokens = Vec::new();
        let mut rest = text;
        let mut is_first = true;
        while let Some((first, after)) = rest.split_first() {
            let was_first = std::mem::replace(&mut is_first, false);
            let stars = after.strip_prefix(b"*").filter(|_| *first == b'*');
            if let Some(after) = stars {
                rest = after.strip_prefix(b"/").unwrap_or(after);
                tokens.push(if rest.is_empty() { Token::Everything } else { Token::Folders });
                kind = match kind {
                    _ if was_first => {
                        Kind::Suffix(text.strip_prefix(b"**").unwrap_or_default().to_vec())
                    }
                    Kind::Exact(text) if rest.is_empty() => {
                        Kind::Prefix(text.strip_suffix(b"**").unwrap_or(&text).to_vec())
                    }
                    _ => Kind::Tokens(Vec::new()),
                };
                continue;
            }
            if matches!(first, b'*' | b'?' | b'[' | b']' | b'\\') {
                kind = Kind::Tokens(Vec::new());
            }
            let (token, after) = token(*first, after).ok_or_else(|| syntax(text))?;
            tokens.push(token);
            rest = after;
        }
        let kind = if matches!(kind, Kind::Tokens(_)) { Kind::Tokens(tokens) } else { kind };
        Ok(Self { kind, text: text.to_vec() })
    }

    /// Whether it matches all of a path.
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.kind {
            Kind::Exact(exact) => exact == path,
            Kind::Prefix(prefix) => path.starts_with(prefix),
            Kind::Suffix(suffix) => ends(path, suffix),
            Kind::Tokens(tokens) => reached(tokens, path).last() == Some(&path.len()),
        }
    }

    /// Whether it matches a path or a folder that the path is in.
    pub fn matches_or_parent(&self, path: &[u8]) -> bool {
        let is_end = |at: usize| at == path.len() || path.get(at) == Some(&b'/');
        match &self.kind {
            Kind::Exact(exact) => path.starts_with(exact) && is_end(exact.len()),
            Kind::Prefix(prefix) => path.starts_with(prefix),
            Kind::Suffix(suffix) => (0..=path.len())
                .filter(|at| is_end(*at))
                .any(|at| path.get(..at).is_some_and(|path| ends(path, suffix))),
            Kind::Tokens(tokens) => reached(tokens, path).into_iter().any(is_end),
        }
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it has no wildcards, but perhaps `**` or `*` as its last part.
    fn is_plain(&self) -> bool {
        !self.plain().iter().any(|byte| matches!(byte, b'*' | b'[' | b']' | b'?' | b'^' | b'\\'))
    }

    fn plain(&self) -> &[u8] {
        let text = self.text.as_slice();
        text.strip_suffix(b"/**").or_else(|| text.strip_suffix(b"/*")).unwrap_or(text)
    }

    /// Whether it may match something below a folder without matching the folder, or one that the
    /// folder is in.
    fn may_match_below(&self, folder: &[u8]) -> bool {
        if !self.is_plain() {
            return true;
        }
        let rest = self.plain().strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// Several patterns, of which the last one that matches decides; some take back what others say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    patterns: Vec<(Sign, Pattern)>,
}

/// What a pattern says of what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Matches,
    /// `!pattern`
    Excepts,
}

impl Patterns {
    /// Reads patterns with `**`, each of which may begin with `!`; empty ones say nothing.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, PatternError> {
        let mut all = Self::default();
        patterns.into_iter().try_for_each(|pattern| all.push(pattern))?;
        Ok(all)
    }

    /// Adds a pattern, which counts more than those before it.
    pub(super) fn push(&mut self, pattern: &[u8]) -> Result<(), PatternError> {
        if pattern.len() > MAX_PATH_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        let pattern = trim(pattern);
        if pattern.is_empty() {
            return Ok(());
        }
        let pattern = clean(pattern);
        let (sign, pattern) = match pattern.strip_prefix(b"!") {
            Some([]) => return Err(PatternError::NothingExcepted),
            Some(pattern) => (Sign::Excepts, pattern),
            None => (Sign::Matches, pattern.as_slice()),
        };
        self.patterns.push((sign, Pattern::parse_doubled(pattern)?));
        Ok(())
    }

    /// Whether a path is matched: by itself, or with a folder that it is in.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut matched = false;
        for (sign, pattern) in &self.patterns {
            // Only a pattern that says something new is looked at.
            if (*sign == Sign::Excepts) == matched && pattern.matches_or_parent(path) {
                matched = !matched;
            }
        }
        matched
    }

    /// Whether all below a folder is matched too, if the folder is.
    pub fn match_all_below(&self, folder: &[u8]) -> bool {
        !self
            .patterns
            .iter()
            .any(|(sign, pattern)| *sign == Sign::Excepts && pattern.may_match_below(folder))
    }

    /// Whether some patterns take back what others say.
    pub fn have_exceptions(&self) -> bool {
        self.patterns.iter().any(|(sign, _)| *sign == Sign::Excepts)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether one of them says that everything is matched.
    pub(super) fn match_everything(&self) -> bool {
        let everything = |text: &[u8]| matches!(text, b"*" | b"**" | b"**/*");
        let mut patterns = self.patterns.iter();
        patterns.any(|(sign, pattern)| *sign == Sign::Matches && everything(pattern.text()))
    }
}

/// The shortest path that means the same, by name alone (Go's `filepath.Clean`).
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let mut clean = if is_rooted { b"/".to_vec() } else { Vec::new() };
    clean.extend(parts.join(&b'/'));
    if clean.is_empty() {
        clean.push(b'.');
    }
    clean
}

/// Takes blanks off both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}

fn tokens(text: &[u8]) -> Result<Vec<Token>, PatternError> {
    if text.len() > MAX_PATH_PATTERN_BYTES {
        return Err(PatternError::TooLong);
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (token, after) = token(*first, after).ok_or_else(|| syntax(text))?;
        tokens.push(token);
        rest = after;
    }
    Ok(tokens)
}

fn token(first: u8, after: &[u8]) -> Option<(Token, &[u8])> {
    match first {
        b'*' => Some((Token::Many, after)),
        b'?' => Some((Token::One, after)),
        b'[' => class(after),
        b'\\' => {
            let (escaped, after) = after.split_first()?;
            Some((Token::Byte(*escaped), after))
        }
        byte => Some((Token::Byte(byte), after)),
    }
}

/// What follows an opening bracket.
fn class(text: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match text.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"]")
            && !ranges.is_empty()
        {
            return Some((Token::Class { negated, ranges }, after));
        }
        let (low, after) = class_char(rest)?;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(after) => class_char(after)?,
            None => (low, after),
        };
        ranges.push((low, high));
        rest = after;
    }
}

fn class_char(text: &[u8]) -> Option<(char, &[u8])> {
    let text = match text.first()? {
        b'-' | b']' => return None,
        b'\\' => text.get(1..)?,
        _ => text,
    };
    let (char, length) = next_char(text)?;
    // An invalid byte is no character that could be meant.
    (char != char::REPLACEMENT_CHARACTER || length > 1).then_some(())?;
    Some((char, text.get(length..)?))
}

/// The first character of some bytes, and how many of them it is; one byte if it is none.
fn next_char(bytes: &[u8]) -> Option<(char, usize)> {
    let beginning = bytes.get(..bytes.len().min(4))?;
    let chunk = beginning.utf8_chunks().next()?;
    let char = chunk.valid().chars().next();
    Some(char.map_or((char::REPLACEMENT_CHARACTER, 1), |char| (char, char.len_utf8())))
}

fn syntax(pattern: &[u8]) -> PatternError {
    PatternError::Syntax { pattern: String::from_utf8_lossy(pattern).into_owned() }
}

fn ends(path: &[u8], suffix: &[u8]) -> bool {
    path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
}

/// Where in a path a match that begins at its beginning can end; in order.
fn reached(tokens: &[Token], path: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    for token in tokens {
        ends = match token {
            Token::Byte(byte) => {
                let fits = |at: &usize| path.get(*at) == Some(byte);
                ends.into_iter().filter(fits).map(|at| at + 1).collect()
            }
            Token::One => ends.into_iter().filter_map(|at| after_char(path, at)).collect(),
            Token::Class { negated, ranges } => {
                let fits = |at: usize| {
                    let (char, length) = next_char(path.get(at..)?)?;
                    let is_in = ranges.iter().any(|(low, high)| (low..=high).contains(&&char));
                    (is_in != *negated).then_some(at + length)
                };
                ends.into_iter().filter_map(fits).collect()
            }
            Token::Many => {
                let mut all: Vec<usize> = Vec::new();
                for mut end in ends {
                    if all.last().is_some_and(|last| *last >= end) {
                        continue;
                    }
                    all.push(end);
                    while let Some(next) = after_char(path, end) {
                        all.push(next);
                        end = next;
                    }
                }
                all
            }
            Token::Everything => match ends.first() {
                Some(first) => (*first..=path.len()).collect(),
                None => ends,
            },
            Token::Folders => {
                let first = ends.first().copied().unwrap_or(path.len());
                let behind_slash = |at: &usize| {
                    let before = at.checked_sub(1).filter(|before| *before >= first);
                    before.is_some_and(|before| path.get(before) == Some(&b'/'))
                };
                let mut all: Vec<usize> = (first..=path.len()).filter(behind_slash).collect();
                all.extend(ends);
                all.sort_unstable();
                all.dedup();
                all
            }
        };
        if ends.is_empty() {
            break;
        }
    }
    ends
}

/// Where the character at this place ends, if it is no slash.
fn after_char(path: &[u8], at: usize) -> Option<usize> {
    let (char, length) = next_char(path.get(at..)?)?;
    (char != '/').then_some(at + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("*", "abc", true)]
    #[test_case("*", "ab/c", false; "a star stays in its part")]
    #[test_case("a*/b", "a/c/b", false)]
    #[test_case("a*b?c*x", "abxbbxdbxebxczzx", true)]
    #[test_case("a*b?c*x", "abxbbxdbxebxczzy", false)]
    #[test_case("ab[c]", "abc", true)]
    #[test_case("ab[b-d]", "abc", true)]
    #[test_case("ab[^b-d]", "abc", false)]
    #[test_case("ab[e-g]", "abc", false)]
    #[test_case("a\\*b", "a*b", true; "escaped")]
    #[test_case("a\\*b", "ab", false; "escaped is literal")]
    #[test_case("a?b", "a☺b", true; "a character of several bytes")]
    #[test_case("a[^a]b", "a☺b", true)]
    #[test_case("a???b", "a☺b", false)]
    #[test_case("[a-ζ]*", "α", true)]
    #[test_case("*[a-ζ]", "A", false)]
    #[test_case("a?b", "a/b", false; "a slash is no character")]
    #[test_case("[\\]a]", "]", true; "escaped in a class")]
    #[test_case("[\\-x]", "-", true)]
    #[test_case("[x\\-]", "z", false)]
    #[test_case("[[]a", "[a", true; "a bracket")]
    #[test_case("[!a]", "b", false; "only a caret negates")]
    #[test_case("a]", "a]", true)]
    #[test_case("**/x", "a/b/x", false; "two stars are one")]
    #[test_case("", "", true)]
    fn as_go_matches(pattern: &str, path: &str, expected: bool) {
        let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
        assert_eq!(pattern.matches(path.as_bytes()), expected);
    }

    #[test_case("[")]
    #[test_case("[]")]
    #[test_case("[]a]")]
    #[test_case("[-]")]
    #[test_case("[x-]")]
    #[test_case("[a-b-c]")]
    #[test_case("[a")]
    #[test_case("[^")]
    #[test_case("a[")]
    #[test_case("a\\")]
    fn what_is_no_pattern(pattern: &str) {
        let expected = PatternError::Syntax { pattern: pattern.to_owned() };
        assert_eq!(Pattern::parse(pattern.as_bytes()), Err(expected.clone()));
        assert_eq!(Pattern::parse_doubled(pattern.as_bytes()), Err(expected));
    }

    #[test_case("**", &["a", "a/b"], &[]; "everything")]
    #[test_case("**/a", &["a", "x/a", "x/y/a"], &["xa", "a/b"]; "anywhere")]
    #[test_case("**a", &["a", "xa", "x/a"], &["ab"]; "a suffix")]
    #[test_case("a**", &["a", "ab", "a/b", "ab/c"], &["b"]; "a prefix")]
    #[test_case("a/**", &["a/b", "a/b/c"], &["a", "ab"]; "all below")]
    #[test_case("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]; "in between")]
    #[test_case("a**b", &["ab", "a/b", "ax/b", "axx/y/b"], &["axb"]; "two stars with no slash")]
    #[test_case("**/*.go", &["x.go", "a/x.go"], &["x.go/y", "xgo"]; "files anywhere")]
    #[test_case("**/*/**", &["a/b", "a/b/c"], &["a"]; "several")]
    #[test_case("**/a/**", &["a/b", "x/a/b"], &["x/a", "a"]; "below anywhere")]
    #[test_case("a*/**/c", &["ab/c", "ab/x/c"], &["ab/xc"]; "after a star")]
    #[test_case("[ab]/**", &["a/x", "b/x/y"], &["a", "c/x"]; "after a class")]
    #[test_case("a.b", &["a.b"], &["axb"]; "a point is a point")]
    fn with_two_stars(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::parse_doubled(pattern.as_bytes()).unwrap();
        for path in yes {
            assert!(pattern.matches(path.as_bytes()), "{path}");
        }
        for path in no {
            assert!(!pattern.matches(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_characters() {
        let pattern = Pattern::parse(b"a?\xff*").unwrap();
        assert!(pattern.matches(b"a\xfe\xff\xfd"));
        assert!(!pattern.matches(b"a\xff"));
    }

    #[test_case("/a/../b//c/.", "/b/c")]
    #[test_case("../../a/..", "../..")]
    #[test_case("/..", "/")]
    #[test_case("", ".")]
    #[test_case("a/", "a")]
    fn shortest(path: &str, expected: &str) {
        assert_eq!(clean(path.as_bytes()), expected.as_bytes());
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        let pattern = vec![b'*'; MAX_PATH_PATTERN_BYTES];
        assert!(Pattern::parse(&pattern).unwrap().matches(&vec![b'x'; 4096]));
        let pattern = vec![b'*'; MAX_PATH_PATTERN_BYTES + 1];
        assert_eq!(Pattern::parse(&pattern), Err(PatternError::TooLong));
        assert_eq!(Patterns::parse([pattern.as_slice()]), Err(PatternError::TooLong));
    }

    proptest! {
        /// Looking at all folders at once is the same as one after the other.
        #[test]
        fn a_parent_is_any_folder_above(pattern in "[ab*?/\\[\\]]{1,8}", path in "[ab]/?([ab]{1,2}/){0,3}[ab]") {
            let Ok(pattern) = Pattern::parse_doubled(pattern.as_bytes()) else { return Ok(()) };
            let path = path.as_bytes();
            let ends = (1..=path.len()).filter(|at| path.get(*at).is_none_or(|byte| *byte == b'/'));
            let any = ends.clone().any(|at| pattern.matches(&path[..at]));
            prop_assert_eq!(pattern.matches_or_parent(path), any);
        }

        /// What is skipped as a whole has nothing in it that is not matched.
        #[test]
        fn nothing_below_a_skipped_folder_is_left(
            patterns in proptest::collection::vec("!?[ab]{1,2}(/[ab*]{1,2}){0,2}", 1..5),
            folder in "[ab]{1,2}(/[ab]{1,2})?",
            below in "[ab]{1,2}(/[ab]{1,2})?",
        ) {
            let Ok(all) = Patterns::parse(patterns.iter().map(String::as_bytes)) else {
                return Ok(());
            };
            if all.matches(folder.as_bytes()) && all.match_all_below(folder.as_bytes()) {
                let path = format!("{folder}/{below}");
                prop_assert!(all.matches(path.as_bytes()), "{}", path);
            }
        }
    }
}
