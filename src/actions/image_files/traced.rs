//! Text whose characters know where in the file they stand.

use std::ops::Range;

/// A character, and its byte offset in the file; none if the file does not have it as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) char: char,
    pub(super) at: Option<usize>,
}

/// A text put together from a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    pub(super) letters: Vec<Letter>,
}

impl Traced {
    /// A piece of the file that begins at this byte offset.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let letters = text
            .char_indices()
            .map(|(index, char)| Letter { char, at: offset.checked_add(index) })
            .collect();
        Self { letters }
    }

    /// A text that stands nowhere in the file.
    pub(super) fn nowhere(text: &str) -> Self {
        Self { letters: text.chars().map(|char| Letter { char, at: None }).collect() }
    }

    /// The same text, its origin forgotten.
    pub(super) fn forgotten(self) -> Self {
        let letters = self.letters.into_iter().map(|letter| Letter { at: None, ..letter });
        Self { letters: letters.collect() }
    }

    pub(super) fn text(&self) -> String {
        text_of(&self.letters)
    }

    /// The bytes of the file that are this text, if one piece of it is.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        span_of(&self.letters)
    }
}

pub(super) fn text_of(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.char).collect()
}

/// The bytes of the file that are just these letters; none if they stand apart, or nowhere.
pub(super) fn span_of(letters: &[Letter]) -> Option<Range<usize>> {
    let start = letters.first()?.at?;
    let mut end = start;
    for letter in letters {
        if letter.at != Some(end) {
            return None;
        }
        end = end.checked_add(letter.char.len_utf8())?;
    }
    Some(start..end)
}

/// Cuts letters at one that is like this; the one itself is in neither half.
pub(super) fn cut_at(
    letters: &[Letter],
    is_it: impl Fn(char) -> bool,
) -> Option<(&[Letter], &[Letter])> {
    let index = letters.iter().position(|letter| is_it(letter.char))?;
    let (before, rest) = letters.split_at_checked(index)?;
    Some((before, rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_one_piece_has_a_span() {
        let whole = Traced::at("größe", 7);
        assert_eq!(whole.span(), Some(7..14));
        let mut gap = whole.clone();
        gap.letters.remove(2);
        assert_eq!(gap.span(), None);
        assert_eq!(whole.clone().forgotten().span(), None);
        assert_eq!(whole.forgotten().text(), "größe");
        assert_eq!(Traced::nowhere("x").span(), None);
        assert_eq!(Traced::default().span(), None);
    }
}
