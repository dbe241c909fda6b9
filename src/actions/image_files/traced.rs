//! Text whose characters know where in the file they stand.

use std::num::NonZeroU32;
use std::ops::Range;

/// A character, and where the file has it, if it has it as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) char: char,
    /// One more than its byte offset: letters are many, and so they take little room.
    after: Option<NonZeroU32>,
}

impl Letter {
    /// A character of the file, by its byte offset.
    fn new(char: char, at: usize) -> Self {
        let after = at.checked_add(1).and_then(|after| u32::try_from(after).ok());
        Self { char, after: after.and_then(NonZeroU32::new) }
    }

    /// Its byte offset in the file.
    pub(super) fn at(self) -> Option<usize> {
        usize::try_from(self.after?.get()).ok()?.checked_sub(1)
    }

    /// The same character, its origin forgotten.
    pub(super) fn forgotten(self) -> Self {
        Self { after: None, ..self }
    }
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
            .map(|(index, char)| Letter::new(char, offset.saturating_add(index)))
            .collect();
        Self { letters }
    }

    /// A text that stands nowhere in the file.
    pub(super) fn nowhere(text: &str) -> Self {
        Self { letters: text.chars().map(|char| Letter { char, after: None }).collect() }
    }

    /// The same text, its origin forgotten.
    pub(super) fn forgotten(self) -> Self {
        Self { letters: self.letters.into_iter().map(Letter::forgotten).collect() }
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
    let start = letters.first()?.at()?;
    let mut end = start;
    for letter in letters {
        if letter.at() != Some(end) {
            return None;
        }
        end = end.checked_add(letter.char.len_utf8())?;
    }
    Some(start..end)
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
