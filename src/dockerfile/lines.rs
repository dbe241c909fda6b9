//! The lines of a file: instructions with the lines they are continued over, and here-documents
//! (images.md §1.1, §1.3).

use std::ops::Range;

use crate::dockerfile::error::{Problem, SyntaxError};
use crate::dockerfile::spliced::Spliced;
use crate::limits::MAX_DOCKERFILE_LINE_BYTES;

/// Reads a text line by line.
#[derive(Debug, Clone)]
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    /// Comments since the last instruction.
    comments: Vec<&'a str>,
}

/// An instruction with all its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its lines in one, without what continues them.
    pub(super) text: Spliced,
    /// The comments before it.
    pub(super) comments: Vec<&'a str>,
    /// An empty line inside of it, if there is one.
    pub(super) empty: Option<Range<usize>>,
}

impl<'a> Lines<'a> {
    /// Begins at the top.
    pub(super) fn of(text: &'a str) -> Self {
        let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        Self { text, at, comments: Vec::new() }
    }

    /// The next line, its end included, and where it begins.
    pub(super) fn physical(&mut self) -> Result<Option<(usize, &'a str)>, SyntaxError> {
        let at = self.at;
        let rest = self.text.get(at..).unwrap_or_default();
        let Some(line) = rest.split_inclusive('\n').next() else { return Ok(None) };
        if line.strip_suffix('\n').unwrap_or(line).len() > MAX_DOCKERFILE_LINE_BYTES {
            return Err(SyntaxError::new(Problem::LineTooLong, at..at));
        }
        self.at = at + line.len();
        Ok(Some((at, line)))
    }

    /// The next instruction.
    pub(super) fn instruction(&mut self, escape: char) -> Result<Option<Line<'a>>, SyntaxError> {
        let mut open: Option<Line<'a>> = None;
        while let Some((at, whole)) = self.physical()? {
            let text = without_end(whole);
            let trimmed = text.trim_start();
            if let Some(comment) = trimmed.strip_prefix('#') {
                if open.is_none() {
                    self.comment(comment.trim());
                }
                continue;
            }
            if trimmed.is_empty() {
                if let Some(line) = &mut open {
                    line.empty.get_or_insert(at..at);
                }
                continue;
            }
            // Only the first of several lines loses its indentation.
            let (text, at) = match open {
                None => (trimmed, at + text.len() - trimmed.len()),
                Some(_) => (text, at),
            };
            let (text, goes_on) = continued(text, escape);
            let line = open.get_or_insert_with(|| Line {
                text: Spliced::default(),
                comments: std::mem::take(&mut self.comments),
                empty: None,
            });
            line.text.push(text, at);
            if !goes_on {
                break;
            }
        }
        Ok(open)
    }

    /// Reads on to the end of a here-document; returns where its lines stand.
    pub(super) fn heredoc(
        &mut self,
        name: &str,
        tabs_go: bool,
        announced: &Range<usize>,
    ) -> Result<Range<usize>, SyntaxError> {
        let start = self.at;
        while let Some((at, line)) = self.physical()? {
            let line = without_end(line);
            let line = if tabs_go { line.trim_start_matches('\t') } else { line };
            if line == name {
                return Ok(start..at);
            }
        }
        let problem = Problem::HeredocWithoutEnd { name: name.to_owned() };
        Err(SyntaxError::new(problem, announced.clone()))
    }

    /// A piece of the text.
    pub(super) fn piece(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// An empty comment parts those before it from the instruction.
    fn comment(&mut self, comment: &'a str) {
        if comment.is_empty() {
            self.comments.clear();
        } else {
            self.comments.push(comment);
        }
    }
}

/// Takes the end off a line.
pub(super) fn without_end(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// Takes the escape character off that continues a line; returns whether there was one. One that
/// follows another is none, whatever that one is.
fn continued(text: &str, escape: char) -> (&str, bool) {
    match text.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(piece) if !piece.ends_with(escape) => (piece, true),
        _ => (text, false),
    }
}

/// What some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut lines = Lines::of(text);
        std::iter::from_fn(|| lines.instruction('\\').unwrap())
            .map(|line| line.text.text().to_owned())
            .collect()
    }

    #[test_case("a\nb\r\n\n  c", &["a", "b", "c"]; "plain")]
    #[test_case("a \\\n  b \\ \t\nc", &["a   b c"]; "continued")]
    #[test_case("a\\\n# no\n\n  # no\nb\n# no\nc", &["ab", "c"]; "comments and empty lines inside")]
    #[test_case("a \\\\\nb", &["a \\\\", "b"]; "two escapes continue nothing")]
    #[test_case("a \\\\\\\nb", &["a \\\\\\", "b"]; "nor do three")]
    #[test_case("\\\na", &["a"]; "an escape alone")]
    #[test_case("a \\", &["a "]; "at the end")]
    #[test_case("\u{feff}a\\\r\nb", &["ab"]; "byte order mark")]
    #[test_case("# x\n\n#", &[]; "nothing")]
    #[test_case("\u{a0}a", &["a"]; "any blank is indentation")]
    fn instructions(text: &str, expected: &[&str]) {
        assert_eq!(read(text), expected);
    }

    #[test]
    fn comments_belong_to_the_next_instruction() {
        let mut lines = Lines::of("# a\n#\n# b\n\n#c \nx \\\n# d\n\ny\n# e\nz");
        let line = lines.instruction('\\').unwrap().unwrap();
        assert_eq!((line.text.text(), &line.comments[..]), ("x y", &["b", "c"][..]));
        assert_eq!(line.empty, Some(23..23));
        let line = lines.instruction('\\').unwrap().unwrap();
        assert_eq!((line.text.text(), &line.comments[..]), ("z", &["e"][..]));
    }

    #[test]
    fn here_documents_end_at_a_line_of_their_name() {
        let text = "x\n a\nEOF \n\tEOF\r\nb";
        let mut lines = Lines::of(text);
        lines.physical().unwrap();
        let mut tabs = lines.clone();
        assert_eq!(text.get(tabs.heredoc("EOF", true, &(0..1)).unwrap()), Some(" a\nEOF \n"));
        assert_eq!(tabs.physical().unwrap(), Some((16, "b")));
        let error = lines.heredoc("EOF", false, &(0..1)).unwrap_err();
        assert_eq!(error.problem, Problem::HeredocWithoutEnd { name: "EOF".to_owned() });
        assert_eq!(error.at, 0..1);
    }

    #[test]
    fn lines_are_bounded_on_both_sides() {
        let fits = "x".repeat(MAX_DOCKERFILE_LINE_BYTES) + "\ny";
        assert_eq!(read(&fits).len(), 2);
        let mut lines = Lines::of("a\n");
        lines.instruction('\\').unwrap();
        let long = "x".repeat(MAX_DOCKERFILE_LINE_BYTES + 1);
        assert_eq!(Lines::of(&long).instruction('\\').unwrap_err().problem, Problem::LineTooLong);
    }
}
