//! YAML looked at by its keys, whatever kind of file it is.

use crate::actions::image_files::yaml::Stream;

/// The documents of a YAML file, within the bounds of every such file. JSON is YAML, too.
#[derive(Debug)]
pub struct Outline {
    stream: Stream,
    /// Where each line but the first begins, in bytes.
    breaks: Vec<usize>,
}

/// A value in it.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    outline: &'a Outline,
    node: usize,
}

impl Outline {
    /// Reads a text; none if it breaks the rules of YAML, or is larger than what is read.
    pub fn read(text: &str) -> Option<Self> {
        let stream = Stream::read(text).ok()?;
        let breaks = text.match_indices('\n').map(|(at, _)| at.saturating_add(1)).collect();
        Some(Self { stream, breaks })
    }

    /// The outermost value of each document.
    pub fn documents(&self) -> impl Iterator<Item = Value<'_>> {
        self.stream.documents.iter().map(|node| Value { outline: self, node: *node })
    }

    /// Every mapping, in the order of the file, each once however often an alias names it.
    pub fn mappings(&self) -> impl Iterator<Item = Value<'_>> {
        self.stream.mappings().map(|node| Value { outline: self, node })
    }
}

impl<'a> Value<'a> {
    /// The value of a key; none if this is no mapping, or has no such key. What is merged into a
    /// mapping is not looked at.
    pub fn get(self, key: &str) -> Option<Self> {
        let stream = &self.outline.stream;
        let mut pairs = stream.mapping(self.node)?.pairs.iter();
        let pair = pairs
            .find(|(name, _)| stream.scalar(*name).is_some_and(|scalar| scalar.value == key))?;
        Some(Self { node: pair.1, ..self })
    }

    /// The value below several keys.
    pub fn at(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text, of a scalar.
    pub fn text(self) -> Option<&'a str> {
        self.outline.stream.scalar(self.node).map(|scalar| scalar.value.as_str())
    }

    /// The text of a key.
    pub fn text_of(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// The items of a sequence.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let items = self.outline.stream.items(self.node);
        items.iter().map(move |node| Self { node: *node, ..self })
    }

    /// The line on which it begins, from 1.
    pub fn line(self) -> usize {
        let at = self.outline.stream.at(self.node);
        self.outline.breaks.partition_point(|start| *start <= at).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_keys_with_their_lines() {
        let text = "a:\n  b:\n    - x: 1\n    - x: 2\n---\na: &n {c: d}\ne: *n\n";
        let outline = Outline::read(text).unwrap();
        let documents: Vec<Value<'_>> = outline.documents().collect();
        let items: Vec<Value<'_>> = documents[0].at(&["a", "b"]).unwrap().items().collect();
        assert_eq!(items[1].text_of("x"), Some("2"));
        assert_eq!(items[1].line(), 4);
        assert_eq!(documents[1].get("e").unwrap().text_of("c"), Some("d"));
        assert!(documents[0].get("c").is_none() && items[0].get("x").unwrap().get("y").is_none());
        assert!(Outline::read("a: 1\na: 2\n").is_none());
    }

    #[test]
    fn aliases_of_aliases_take_no_room() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..60 {
            let below = format!("*a{}", level - 1);
            text.extend([format!("a{level}: &a{level} [{below}, {below}, {below}, {below}]\n")]);
        }
        let outline = Outline::read(&text).unwrap();
        assert_eq!(outline.documents().next().unwrap().get("a59").unwrap().items().count(), 4);
    }
}
