//! The patterns of `${x#pattern}` and the like: `*` and `?`, and backslashes to escape them.

use crate::limits::MAX_PATTERN_STEPS;

/// Why a pattern is none, or cannot be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// A backslash before something that has no meaning.
    #[error("a backslash escapes nothing")]
    Escape,
    /// A replacement makes too long a text.
    #[error("the outcome is too long")]
    TooLong,
    /// It takes too long.
    #[error("it takes too long")]
    TooMuchWork,
}

/// How much has been done to find patterns.
#[derive(Debug, Default)]
pub(super) struct Steps(u64);

impl Steps {
    fn take(&mut self, steps: usize) -> Result<(), PatternError> {
        self.0 = self.0.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.0 > MAX_PATTERN_STEPS { Err(PatternError::TooMuchWork) } else { Ok(()) }
    }
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShellPattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Any characters of one line.
    Many,
    /// Any character but a line's end.
    One,
    Char(char),
}

impl ShellPattern {
    /// Reads a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            tokens.push(match char {
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '/' | '}')) => Token::Char(escaped),
                    _ => return Err(PatternError::Escape),
                },
                other => Token::Char(other),
            });
        }
        Ok(Self { tokens })
    }

    /// A value without what matches at its beginning.
    pub(super) fn without_prefix(
        &self,
        value: &str,
        is_longest: bool,
        steps: &mut Steps,
    ) -> Result<String, PatternError> {
        let chars: Vec<char> = value.chars().collect();
        let end = self.end(&chars, 0, is_longest, steps)?.unwrap_or(0);
        Ok(chars.iter().skip(end).collect())
    }

    /// A value without what matches at its end.
    pub(super) fn without_suffix(
        &self,
        value: &str,
        is_longest: bool,
        steps: &mut Steps,
    ) -> Result<String, PatternError> {
        let reversed = Self { tokens: self.tokens.iter().rev().copied().collect() };
        let chars: Vec<char> = value.chars().rev().collect();
        let end = reversed.end(&chars, 0, is_longest, steps)?.unwrap_or(0);
        Ok(chars.iter().skip(end).rev().collect())
    }

    /// A value with the first match, or every one, replaced; at most `room` bytes long.
    pub(super) fn replaced(
        &self,
        value: &str,
        replacement: &str,
        everywhere: bool,
        room: usize,
        steps: &mut Steps,
    ) -> Result<String, PatternError> {
        let chars: Vec<char> = value.chars().collect();
        let mut result = String::new();
        let mut start = 0;
        let mut last_end = None;
        while start <= chars.len() {
            let end = self.end(&chars, start, true, steps)?;
            // Nothing is not found again right behind a match.
            let end = end.filter(|end| *end > start || last_end != Some(start));
            if end.is_some() {
                result.push_str(replacement);
            }
            let mut next = end.unwrap_or(start);
            if next == start {
                // Where any characters of the line do not fit, fewer do not either.
                let of_line = end.is_none() && self.tokens.first() == Some(&Token::Many);
                while let Some(char) = chars.get(next) {
                    result.push(*char);
                    next += 1;
                    if !of_line || *char == '\n' {
                        break;
                    }
                }
                next = next.max(start + 1);
            }
            if result.len() > room {
                return Err(PatternError::TooLong);
            }
            start = next;
            if end.is_some() {
                last_end = end;
                if !everywhere {
                    break;
                }
            }
        }
        result.extend(chars.iter().skip(start));
        Ok(result)
    }

    /// Where a match that begins here ends.
    fn end(
        &self,
        value: &[char],
        start: usize,
        is_longest: bool,
        steps: &mut Steps,
    ) -> Result<Option<usize>, PatternError> {
        let mut ends = vec![start];
        for token in &self.tokens {
            steps.take(ends.len())?;
            match token {
                Token::Char(char) => {
                    ends.retain_mut(|end| advance(end, value, |next| next == *char));
                }
                Token::One => ends.retain_mut(|end| advance(end, value, |next| next != '\n')),
                Token::Many => ends = with_rest_of_line(&ends, value, steps)?,
            }
            if ends.is_empty() {
                return Ok(None);
            }
        }
        Ok(if is_longest { ends.last().copied() } else { ends.first().copied() })
    }
}

fn advance(end: &mut usize, value: &[char], fits: impl Fn(char) -> bool) -> bool {
    let matches = value.get(*end).is_some_and(|char| fits(*char));
    *end += 1;
    matches
}

/// The ends, and all that come after one in its line; in order.
fn with_rest_of_line(
    ends: &[usize],
    value: &[char],
    steps: &mut Steps,
) -> Result<Vec<usize>, PatternError> {
    let mut all: Vec<usize> = Vec::new();
    for end in ends {
        if all.last().is_some_and(|last| last >= end) {
            continue;
        }
        let rest = value.get(*end..).unwrap_or_default();
        let length = rest.iter().position(|char| *char == '\n').unwrap_or(rest.len());
        steps.take(length)?;
        all.extend(*end..=*end + length);
    }
    Ok(all)
}
