//! YAML as nodes that know where they stand.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::limits::{MAX_SERVER_CONFIG_DEPTH, MAX_SERVER_CONFIG_NODES};
use crate::server::config::ConfigError;
use crate::server::config::error::Place;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text, a number or a truth value: which, depends on the key.
    Scalar {
        /// As it is written.
        text: String,
        /// Whether it is written without quotes.
        plain: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Values by name, in order.
    Map(Vec<(Key, Node)>),
}

/// The name of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// Nothing, at this place.
    pub fn empty(place: Place) -> Self {
        Self { place, value: Value::Null }
    }

    /// The value of a key directly below.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, node)| node)
    }

    /// A key directly below, and its value.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Self)> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
    }

    /// What is at a key at any depth, `a.b.c`, and where the key stands; a number is an item of a
    /// list.
    pub fn find(&self, path: &str) -> Option<(&Place, &Self)> {
        let (first, rest) =
            path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let (place, node) = match &self.value {
            Value::List(items) => {
                let item = items.get(first.parse::<usize>().ok()?)?;
                (&item.place, item)
            }
            _ => self.entry(first).map(|(key, node)| (&key.place, node))?,
        };
        rest.map_or(Some((place, node)), |rest| node.find(rest))
    }

    /// Takes a key at any depth away.
    pub fn remove(&mut self, path: &str) {
        let Value::Map(entries) = &mut self.value else { return };
        match path.split_once('.') {
            None => entries.retain(|(key, _)| key.name != path),
            Some((first, rest)) => {
                if let Some((_, node)) = entries.iter_mut().find(|(key, _)| key.name == first) {
                    node.remove(rest);
                }
            }
        }
    }

    /// Whether nothing is said: null, an empty text, or only such.
    pub fn says_nothing(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar { text, .. } => text.is_empty(),
            Value::List(items) => items.iter().all(Self::says_nothing),
            Value::Map(entries) => entries.iter().all(|(_, node)| node.says_nothing()),
        }
    }

    /// Puts a value at a path of keys; what stands in the way and has no keys is replaced. A number
    /// names an item of a list that is there, or the next.
    pub fn put(&mut self, path: &[&str], place: &Place, node: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if let (Value::List(items), Ok(index)) = (&mut self.value, first.parse::<usize>()) {
            if index == items.len() {
                items.push(Self::empty(place.clone()));
            }
            if let Some(item) = items.get_mut(index) {
                item.put(rest, place, node);
            }
            return;
        }
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        if let Value::Map(entries) = &mut self.value {
            if let Some((_, entry)) = entries.iter_mut().find(|(key, _)| key.name == *first) {
                entry.put(rest, place, node);
                return;
            }
            let key = Key { name: (*first).to_owned(), place: place.clone() };
            let mut entry = Self::empty(place.clone());
            entry.put(rest, place, node);
            entries.push((key, entry));
        }
    }
}

/// Reads one document; a text without one is null. `place` names where the text is if it is not a
/// file.
pub fn parse(text: &str, place: Option<&Place>) -> Result<Node, ConfigError> {
    let mut reader =
        Reader { place, anchors: HashMap::new(), open: Vec::new(), document: None, nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| ConfigError::Syntax {
            place: reader.place_of(*error.marker()),
            problem: error.info().to_owned(),
        })?;
        reader.take(event, span)?;
    }
    let start = Place::File { line: 1, column: 1 };
    Ok(reader.document.unwrap_or_else(|| Node::empty(place.cloned().unwrap_or(start))))
}

struct Reader<'a> {
    place: Option<&'a Place>,
    anchors: HashMap<usize, Node>,
    open: Vec<Open>,
    document: Option<Node>,
    nodes: usize,
}

/// A list or map that is not closed yet.
struct Open {
    place: Place,
    anchor: usize,
    is_map: bool,
    key: Option<Key>,
    items: Vec<Node>,
    entries: Vec<(Key, Node)>,
}

impl Reader<'_> {
    fn place_of(&self, marker: saphyr_parser::Marker) -> Place {
        let in_file = || Place::File { line: marker.line(), column: marker.col() + 1 };
        self.place.cloned().unwrap_or_else(in_file)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigError> {
        let place = self.place_of(span.start);
        match event {
            Event::DocumentStart(_) if self.document.is_some() => {
                Err(wrong(place, "there is more than one document"))
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let is_null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null {
                    Value::Null
                } else {
                    Value::Scalar { text: text.into_owned(), plain }
                };
                self.add(Node { place, value }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.count(size(&node), &place)?;
                    self.add(node, 0)
                }
                None => Err(wrong(place, "an alias of what it is a part of")),
            },
            Event::SequenceStart(anchor, _) => self.begin(place, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(place, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, is_map: bool) -> Result<(), ConfigError> {
        if self.open.len() >= MAX_SERVER_CONFIG_DEPTH {
            return Err(wrong(place, "values are nested too deep"));
        }
        let (key, items, entries) = (None, Vec::new(), Vec::new());
        self.open.push(Open { place, anchor, is_map, key, items, entries });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = if open.is_map { Value::Map(open.entries) } else { Value::List(open.items) };
        self.add(Node { place: open.place, value }, open.anchor)
    }

    fn count(&mut self, more: usize, place: &Place) -> Result<(), ConfigError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_SERVER_CONFIG_NODES {
            return Err(wrong(place.clone(), "there are too many values"));
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), ConfigError> {
        self.count(1, &node.place)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        if !open.is_map {
            open.items.push(node);
            return Ok(());
        }
        match open.key.take() {
            None => {
                let Value::Scalar { text, .. } = node.value else {
                    return Err(wrong(node.place, "a key is not a text"));
                };
                open.key = Some(Key { name: text, place: node.place });
            }
            Some(key) if key.name == "<<" => {
                return Err(wrong(key.place, "mappings are not merged here: write the keys out"));
            }
            Some(key) => {
                if open.entries.iter().any(|(known, _)| known.name == key.name) {
                    return Err(wrong(key.place, &format!("`{}` stands here twice", key.name)));
                }
                open.entries.push((key, node));
            }
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 1,
        Value::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum::<usize>() + 1,
    }
}

fn wrong(place: Place, problem: &str) -> ConfigError {
    ConfigError::Syntax { place, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn keys_know_where_they_stand() {
        let text = "a:\n  b: &x [1, \"2\"]\n  c: *x\n";
        let document = parse(text, None).unwrap();
        let (place, node) = document.find("a.b").unwrap();
        assert_eq!(*place, Place::File { line: 2, column: 3 });
        assert_eq!(document.find("a.c").unwrap().1, node);
        assert!(document.find("a.d").is_none());
    }

    #[test_case("a: 1\na: 2\n", "line 2, column 1: `a` stands here twice"; "twice")]
    #[test_case("a: [1", "line 2, column 1: "; "not closed")]
    #[test_case("a: 1\n---\nb: 1\n", "line 2, column 1: there is more than one document"; "two")]
    #[test_case("<<: {a: 1}\n", "line 1, column 1: mappings are not merged"; "merge")]
    fn what_is_no_configuration(text: &str, expected: &str) {
        let error = parse(text, None).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn a_bomb_is_found_out() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text = format!("{text}a{level}: &a{level} [{before}]\n");
        }
        let error = parse(&text, None).unwrap_err().to_string();
        assert!(error.ends_with("there are too many values"), "{error}");
        assert!(parse(&"[".repeat(100_000), None).is_err());
    }

    #[test]
    fn values_are_put_where_they_belong() {
        let place = Place::Variable("X".to_owned());
        let mut document = parse("a: {b: 1}\nl: [x]\n", None).unwrap();
        let value = || Node { place: place.clone(), value: Value::Null };
        document.put(&["a", "b"], &place, value());
        document.put(&["c", "d"], &place, value());
        document.put(&["l", "1"], &place, value());
        document.put(&["l", "9"], &place, value());
        assert_eq!(document.find("a.b").unwrap().1.place, place);
        assert_eq!(*document.find("c.d").unwrap().0, place);
        let Value::List(items) = &document.get("l").unwrap().value else { panic!("no list") };
        assert_eq!(items.len(), 2);
    }
}
