//! `.dockerignore`: which files of a folder are no part of the context (images.md §1.6).

use crate::dockerfile::pattern::{PatternError, Patterns, clean, trim};
use crate::limits::MAX_IGNORE_PATTERNS;

/// What a `.dockerignore` says. The rules are moby's, not those of git.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Patterns,
}

/// Why a `.dockerignore` cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}")]
pub struct IgnoreError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: IgnoreProblem,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoreProblem {
    /// It is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// There are too many.
    #[error("there are more than {MAX_IGNORE_PATTERNS} patterns")]
    TooMany,
}

impl Ignore {
    /// Reads the content of a `.dockerignore`.
    pub fn parse(bytes: &[u8]) -> Result<Self, IgnoreError> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let mut patterns = Patterns::default();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let error = |problem| IgnoreError { line: number, problem };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let pattern = trim(line);
            if line.starts_with(b"#") || pattern.is_empty() {
                continue;
            }
            if patterns.len() >= MAX_IGNORE_PATTERNS {
                return Err(error(IgnoreProblem::TooMany));
            }
            patterns.push(&from_top(pattern)).map_err(|problem| error(problem.into()))?;
        }
        Ok(Self { patterns })
    }

    /// Whether a path, relative and with slashes, is left out.
    pub fn excludes(&self, path: &[u8]) -> bool {
        !matches!(path, b"" | b".") && self.patterns.matches(path)
    }

    /// Whether a folder is left out with all that is in it.
    pub fn may_skip(&self, folder: &[u8]) -> bool {
        self.excludes(folder) && self.patterns.match_all_below(folder)
    }

    /// Whether it leaves nothing out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Its patterns, in their order.
    pub fn patterns(&self) -> &Patterns {
        &self.patterns
    }
}

/// A pattern seen from the top of the context, which a slash at its beginning means anyway.
fn from_top(pattern: &[u8]) -> Vec<u8> {
    let (mark, pattern) = match pattern.strip_prefix(b"!") {
        Some(pattern) => (&b"!"[..], trim(pattern)),
        None => (&b""[..], pattern),
    };
    if pattern.is_empty() {
        return mark.to_vec();
    }
    let pattern = clean(pattern);
    let pattern = match pattern.strip_prefix(b"/") {
        Some(below) if !below.is_empty() => below,
        _ => &pattern,
    };
    [mark, pattern].concat()
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(text.as_bytes()).unwrap()
    }

    #[test_case("a", &["a", "a/b", "a/b/c"], &["b", "b/a", "ab"]; "from the top, with all below")]
    #[test_case("/a", &["a", "a/b"], &["b/a"]; "a slash before it")]
    #[test_case("a/", &["a", "a/b"], &[]; "a slash behind it")]
    #[test_case("./a/../b", &["b"], &["a"]; "by way of others")]
    #[test_case(" \ta \r\n", &["a"], &[]; "blanks around it")]
    #[test_case("\u{feff}a\n# b\n #c\n", &["a", "#c"], &["b", "# b", "c"]; "comments begin in the first column")]
    #[test_case("*", &["a", ".x", "a/b"], &[]; "all")]
    #[test_case("*\n!a", &["b", "b/a"], &["a", "a/b"]; "all but one")]
    #[test_case("*\n!a/b", &["a", "a/c", "b"], &["a/b", "a/b/c"]; "something below what is left out")]
    #[test_case("a\n!a/b\na/b/c", &["a", "a/b/c", "a/b/c/d"], &["a/b", "a/b/x"]; "the last one decides")]
    #[test_case("! a\na", &["a"], &[]; "an exception of nothing")]
    #[test_case("a\n! a", &[], &["a"]; "blanks after the mark")]
    #[test_case("a\n!/a", &[], &["a", "a/b"]; "a slash after the mark")]
    #[test_case("**/*.md\n!README.md", &["x.md", "a/README.md"], &["README.md", "x"]; "files of a kind")]
    #[test_case("**/node_modules", &["node_modules/x", "a/node_modules/x"], &["a/xnode_modules"]; "a folder anywhere")]
    #[test_case("*/temp*", &["a/temp", "a/temporary/b"], &["temp", "a/b/temp"]; "one level down")]
    #[test_case("a/**/c\n!a/b/**", &["a/c", "a/x/c"], &["a/b/c", "a/b"]; "exceptions with two stars")]
    #[test_case(".\n", &[], &["a"]; "a point is not everything")]
    fn what_is_left_out(text: &str, out: &[&str], stays: &[&str]) {
        let ignore = ignore(text);
        for path in out {
            assert!(ignore.excludes(path.as_bytes()), "{path}");
        }
        for path in stays {
            assert!(!ignore.excludes(path.as_bytes()), "{path}");
        }
        assert!(!ignore.excludes(b".") && !ignore.excludes(b""));
    }

    #[test_case("a", "a", true)]
    #[test_case("a", "b", false)]
    #[test_case("*\n!b/c", "a", true; "no exception below")]
    #[test_case("*\n!b/c", "b", false; "an exception below")]
    #[test_case("*\n!b/c/d", "b/c", false; "an exception further below")]
    #[test_case("*\n!bc/d", "b", true; "a name that begins alike")]
    #[test_case("*\n!b/c/**", "b", false; "all below an exception")]
    #[test_case("*\n!**/x", "a", false; "an exception anywhere")]
    #[test_case("a\n!a", "a", false; "an exception itself")]
    #[test_case("!a\na/b", "a/b", true; "an earlier exception above")]
    fn whole_folders(text: &str, folder: &str, expected: bool) {
        assert_eq!(ignore(text).may_skip(folder.as_bytes()), expected);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_line() {
        let error = Ignore::parse(b"a\n[\n").unwrap_err();
        let problem = PatternError::Syntax { pattern: "[".to_owned() };
        assert_eq!(error, IgnoreError { line: 2, problem: problem.into() });
        let error = Ignore::parse(b"# x\n\n!\n").unwrap_err();
        assert_eq!(error, IgnoreError { line: 3, problem: PatternError::NothingExcepted.into() });
    }

    #[test]
    fn patterns_are_counted() {
        let fits = "a\n# b\n".repeat(MAX_IGNORE_PATTERNS);
        assert_eq!(ignore(&fits).patterns().len(), MAX_IGNORE_PATTERNS);
        let error = Ignore::parse((fits + "a").as_bytes()).unwrap_err();
        assert_eq!(error.problem, IgnoreProblem::TooMany);
    }

    #[test]
    fn names_may_be_no_text() {
        let ignore = Ignore::parse(b"\xff*\n\xff\n").unwrap();
        assert!(ignore.excludes(b"\xff\xfe"));
        assert!(!ignore.excludes(b"\xfe"));
    }
}
