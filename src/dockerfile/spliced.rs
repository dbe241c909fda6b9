//! Text put together of pieces of a file, which knows where each of them stands.

use std::ops::Range;

use crate::dockerfile::instruction::Word;

/// A text, and where its pieces come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spliced {
    text: String,
    /// In their order; the first one begins at 0.
    pieces: Vec<Piece>,
}

/// A run of bytes that stand in the file as they stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// Where it begins in the text.
    start: usize,
    /// Where it begins in the file.
    at: usize,
}

impl Spliced {
    /// A piece of a file that begins at this byte of it.
    pub(super) fn at(text: &str, at: usize) -> Self {
        let mut spliced = Self::default();
        spliced.push(text, at);
        spliced
    }

    /// Adds a piece of the file that begins at this byte of it.
    pub(super) fn push(&mut self, text: &str, at: usize) {
        if text.is_empty() && !self.pieces.is_empty() {
            return;
        }
        let start = self.text.len();
        let follows = |piece: &Piece| piece.at + (start - piece.start) == at;
        if !self.pieces.last().is_some_and(follows) {
            self.pieces.push(Piece { start, at });
        }
        self.text.push_str(text);
    }

    /// Adds a character that stands at this byte of another text.
    pub(super) fn push_char(&mut self, char: char, other: &Self, index: usize) {
        self.push(char.encode_utf8(&mut [0; 4]), other.origin(index));
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Where a byte of the text stands in the file.
    pub(super) fn origin(&self, index: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start <= index);
        let piece = after.checked_sub(1).and_then(|before| self.pieces.get(before));
        piece.map_or(index, |piece| piece.at + (index - piece.start))
    }

    /// Where a piece of the text stands in the file, with all that stands between its own pieces.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        let start = self.origin(range.start);
        match range.end.checked_sub(1) {
            Some(last) if range.start <= last => start..self.origin(last) + 1,
            _ => start..start,
        }
    }

    /// Where all of it stands.
    pub(super) fn whole(&self) -> Range<usize> {
        self.place(0..self.text.len())
    }

    /// A part of the text.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let after = self.pieces.partition_point(|piece| piece.start <= range.start);
        let inside = self.pieces.get(after..).unwrap_or_default();
        let inside = inside.iter().take_while(|piece| piece.start < range.end);
        let first = Piece { start: 0, at: self.origin(range.start) };
        let moved = |piece: &Piece| Piece { start: piece.start - range.start, at: piece.at };
        let pieces = std::iter::once(first).chain(inside.map(moved)).collect();
        Self { text: text.to_owned(), pieces }
    }

    /// The text without the blanks at its ends.
    pub(super) fn trimmed(&self) -> Self {
        self.part(self.trimmed_range())
    }

    /// Where the text without the blanks at its ends is.
    pub(super) fn trimmed_range(&self) -> Range<usize> {
        let start = self.text.len() - self.text.trim_start().len();
        start..start + self.text.trim().len()
    }

    /// A part of the text as a word.
    pub(super) fn word(&self, range: Range<usize>) -> Word {
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        Word { text, at: self.place(range) }
    }

    /// All of it as a word.
    pub(super) fn into_word(self) -> Word {
        let at = self.whole();
        Word { text: self.text, at }
    }

    /// What stands before and after the first of this character.
    pub(super) fn cut(&self, at: char) -> Option<(Self, Self)> {
        let index = self.text.find(at)?;
        Some((self.part(0..index), self.part(index + at.len_utf8()..self.text.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_their_places() {
        let mut text = Spliced::at("COPY a", 10);
        text.push(" größe", 20);
        text.push(" z", 27);
        assert_eq!(text.text(), "COPY a größe z");
        assert_eq!(text.origin(0), 10);
        assert_eq!(text.place(5..6), 15..16);
        assert_eq!(text.place(5..14), 15..28);
        assert_eq!(text.word(7..14), Word { text: "größe".to_owned(), at: 21..28 });
        assert_eq!(text.part(5..14).place(2..9), 21..28);
        assert_eq!(text.part(6..6).whole(), 20..20);
        assert_eq!(text.cut('z').unwrap().0.text(), "COPY a größe ");
        assert_eq!(Spliced::at("  x ", 3).trimmed(), Spliced::at("x", 5));
        assert_eq!(Spliced::at("", 7).whole(), 7..7);
    }

    #[test]
    fn pieces_that_follow_are_one() {
        let mut text = Spliced::at("ab", 3);
        text.push("c", 5);
        text.push("", 90);
        assert_eq!(text, Spliced::at("abc", 3));
    }
}
