//! The images of compose and Kubernetes files.
//!
//! A document is read into nodes that know where they stand; anchors and merges are followed, so
//! that what is written once and used often is found once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::actions::image_files::Unresolved;
use crate::actions::image_files::file::{
    BYTE_ORDER_MARK, Found, FoundImage, Kind, Malformed, SkippedBecause,
};
use crate::actions::image_files::traced::{Letter, Traced};
use crate::actions::image_files::variables::{Dialect, expand};
use crate::limits::{MAX_IMAGE_TEXT_CHARS, MAX_YAML_DEPTH, MAX_YAML_NODES};

/// Finds the images of a file of this kind.
pub(super) fn scan(text: &str, kind: Kind) -> Result<Found, Malformed> {
    let stream = Stream::read(text)?;
    let mut scan = Scan { stream: &stream, found: Found::default(), seen: BTreeSet::new() };
    match kind {
        Kind::Kubernetes => scan.kubernetes(),
        _ => scan.compose(),
    }
    Ok(scan.found)
}

/// Tells a compose file and a Kubernetes file from others.
pub(super) fn kind_of(text: &str) -> Result<Option<Kind>, Malformed> {
    let stream = Stream::read(text)?;
    let roots = || stream.documents.iter();
    if roots().any(|root| stream.is_kubernetes(*root)) {
        return Ok(Some(Kind::Kubernetes));
    }
    let has_services = |root: &usize| {
        stream.get(*root, "services").is_some_and(|services| stream.mapping(services).is_some())
    };
    Ok(roots().any(has_services).then_some(Kind::Compose))
}

/// All documents of a file.
#[derive(Debug, Default)]
pub(super) struct Stream {
    nodes: Vec<Node>,
    /// The outermost node of each document.
    pub(super) documents: Vec<usize>,
}

#[derive(Debug)]
struct Node {
    /// Where it begins, in bytes.
    at: usize,
    kind: NodeKind,
}

#[derive(Debug)]
enum NodeKind {
    Scalar(Scalar),
    Sequence(Vec<usize>),
    Mapping(Mapping),
    /// Another node, which stands before this one.
    Alias(usize),
}

/// A text; nothing at all counts as one, too.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) value: String,
    /// Where the value begins in the file, if it stands there without folds and escapes.
    literal_at: Option<usize>,
    is_null: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mapping {
    /// Keys and values, as they are written.
    pub(super) pairs: Vec<(usize, usize)>,
    /// The values of the keys that mean something here, merged ones included.
    known: BTreeMap<&'static str, usize>,
}

impl Stream {
    pub(super) fn read(text: &str) -> Result<Self, Malformed> {
        Reader::new(text).read()
    }

    /// The node itself, or the one that it stands for.
    fn resolve(&self, node: usize) -> usize {
        match self.nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Alias(target)) => *target,
            _ => node,
        }
    }

    fn kind(&self, node: usize) -> Option<&NodeKind> {
        self.nodes.get(self.resolve(node)).map(|node| &node.kind)
    }

    pub(super) fn at(&self, node: usize) -> usize {
        self.nodes.get(self.resolve(node)).map_or(0, |node| node.at)
    }

    pub(super) fn scalar(&self, node: usize) -> Option<&Scalar> {
        match self.kind(node) {
            Some(NodeKind::Scalar(scalar)) => Some(scalar),
            _ => None,
        }
    }

    pub(super) fn mapping(&self, node: usize) -> Option<&Mapping> {
        match self.kind(node) {
            Some(NodeKind::Mapping(mapping)) => Some(mapping),
            _ => None,
        }
    }

    /// Every mapping, aliases left out.
    pub(super) fn mappings(&self) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(at, node)| matches!(node.kind, NodeKind::Mapping(_)).then_some(at))
    }

    pub(super) fn items(&self, node: usize) -> &[usize] {
        match self.kind(node) {
            Some(NodeKind::Sequence(items)) => items,
            _ => &[],
        }
    }

    /// The value of one of the keys that mean something here, unless it is null.
    fn get(&self, node: usize, key: &str) -> Option<usize> {
        let value = self.mapping(node)?.known.get(key).copied()?;
        let is_null = self.scalar(value).is_some_and(|scalar| scalar.is_null);
        (!is_null).then_some(value)
    }

    fn is_kubernetes(&self, root: usize) -> bool {
        let is_text = |key| self.get(root, key).is_some_and(|value| self.scalar(value).is_some());
        is_text("apiVersion") && is_text("kind")
    }
}

/// Makes nodes of the events of the parser.
struct Reader<'a> {
    /// Without a byte order mark.
    text: &'a str,
    offsets: Offsets,
    stream: Stream,
    open: Vec<Open>,
    anchors: BTreeMap<usize, usize>,
}

/// A sequence or mapping that is not closed yet.
struct Open {
    node: usize,
    anchor: usize,
    members: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let after = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let offsets = Offsets::of(after, text.len().saturating_sub(after.len()));
        let (open, anchors) = (Vec::new(), BTreeMap::new());
        Self { text: after, offsets, stream: Stream::default(), open, anchors }
    }

    fn read(mut self) -> Result<Stream, Malformed> {
        let mut parser = Parser::new_from_str(self.text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| Malformed {
                at: self.offsets.in_file(error.marker().index()),
                problem: error.info().to_owned(),
            })?;
            self.take(event, span)?;
        }
        Ok(self.stream)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Malformed> {
        let at = self.offsets.in_file(span.start.index());
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let bytes = self.offsets.in_text(span.start.index())
                    ..self.offsets.in_text(span.end.index());
                let is_reset = tag.is_some_and(|tag| tag.handle == "!" && tag.suffix == "reset");
                let scalar = self.scalar(&value, style, bytes, is_reset);
                let node = self.add(Node { at, kind: NodeKind::Scalar(scalar) })?;
                self.name(anchor, node);
                self.place(node);
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    let problem = "an alias of what it is a part of".to_owned();
                    return Err(Malformed { at, problem });
                };
                let node = self.add(Node { at, kind: NodeKind::Alias(target) })?;
                self.place(node);
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(anchor, Node { at, kind: NodeKind::Sequence(Vec::new()) })?;
            }
            Event::MappingStart(anchor, _) => {
                self.begin(anchor, Node { at, kind: NodeKind::Mapping(Mapping::default()) })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<usize, Malformed> {
        let number = self.stream.nodes.len();
        if number >= MAX_YAML_NODES {
            let problem = format!("there are more than {MAX_YAML_NODES} values");
            return Err(Malformed { at: node.at, problem });
        }
        self.stream.nodes.push(node);
        Ok(number)
    }

    /// Gives a complete node its anchor.
    fn name(&mut self, anchor: usize, node: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
    }

    /// Puts a node where it belongs.
    fn place(&mut self, node: usize) {
        match self.open.last_mut() {
            Some(open) => open.members.push(node),
            None => self.stream.documents.push(node),
        }
    }

    fn begin(&mut self, anchor: usize, node: Node) -> Result<(), Malformed> {
        if self.open.len() >= MAX_YAML_DEPTH {
            let problem = format!("values are nested more than {MAX_YAML_DEPTH} deep");
            return Err(Malformed { at: node.at, problem });
        }
        let node = self.add(node)?;
        self.open.push(Open { node, anchor, members: Vec::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        let Some(Open { node, anchor, members }) = self.open.pop() else { return Ok(()) };
        let is_mapping = self.stream.mapping(node).is_some();
        let kind = if is_mapping {
            let pairs = members.chunks_exact(2).filter_map(|pair| match pair {
                [key, value] => Some((*key, *value)),
                _ => None,
            });
            NodeKind::Mapping(self.mapping(pairs.collect())?)
        } else {
            NodeKind::Sequence(members)
        };
        if let Some(node) = self.stream.nodes.get_mut(node) {
            node.kind = kind;
        }
        self.name(anchor, node);
        self.place(node);
        Ok(())
    }

    /// Refuses a key that is given twice, and merges what is to be merged.
    fn mapping(&self, pairs: Vec<(usize, usize)>) -> Result<Mapping, Malformed> {
        let mut known = BTreeMap::new();
        let mut merged = Vec::new();
        let mut keys = BTreeSet::new();
        for (key, value) in &pairs {
            let Some(scalar) = self.stream.scalar(*key) else { continue };
            if !keys.insert(scalar.value.as_str()) {
                let problem = format!("the key `{}` is given twice", scalar.value.escape_debug());
                return Err(Malformed { at: self.stream.at(*key), problem });
            }
            if scalar.value == MERGE {
                merged = match self.stream.kind(*value) {
                    Some(NodeKind::Sequence(several)) => several.clone(),
                    _ => vec![*value],
                };
            } else if let Some(key) = KEYS.iter().find(|key| **key == scalar.value) {
                known.insert(*key, *value);
            }
        }
        for mapping in merged.iter().filter_map(|node| self.stream.mapping(*node)) {
            for (key, value) in &mapping.known {
                known.entry(key).or_insert(*value);
            }
        }
        Ok(Mapping { pairs, known })
    }

    fn scalar(
        &self,
        value: &str,
        style: ScalarStyle,
        bytes: Range<usize>,
        is_reset: bool,
    ) -> Scalar {
        let all = self.text.get(bytes.clone()).unwrap_or_default();
        let raw = without_properties(all);
        let start = bytes.start.saturating_add(all.len().saturating_sub(raw.len()));
        let (start, is_literal) = match style {
            ScalarStyle::Plain => (start, raw == value),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let mark = if style == ScalarStyle::SingleQuoted { '\'' } else { '"' };
                let rest = raw.strip_prefix(mark).and_then(|rest| rest.strip_prefix(value));
                (start.saturating_add(1), rest.is_some_and(|rest| rest.starts_with(mark)))
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                (start, !value.is_empty() && raw.trim_end() == value)
            }
        };
        let is_plain = style == ScalarStyle::Plain;
        Scalar {
            value: value.to_owned(),
            literal_at: is_literal.then(|| self.offsets.shifted(start)),
            is_null: is_reset || (is_plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")),
        }
    }
}

/// Takes the anchor and the tag off that stand before a value.
fn without_properties(raw: &str) -> &str {
    let mut rest = raw;
    while rest.starts_with(['&', '!']) {
        rest = rest.trim_start_matches(|char: char| !char.is_ascii_whitespace()).trim_start();
    }
    rest
}

/// Byte offsets of characters, which is what the parser counts.
struct Offsets {
    /// Bytes of the file before the text.
    before: usize,
    /// The offset of each character, unless that is its number.
    of_characters: Option<Vec<usize>>,
    end: usize,
}

impl Offsets {
    fn of(text: &str, before: usize) -> Self {
        let of_characters =
            (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        Self { before, of_characters, end: text.len() }
    }

    /// The byte of the text where a character begins.
    fn in_text(&self, character: usize) -> usize {
        match &self.of_characters {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.end),
            None => character.min(self.end),
        }
    }

    /// The same, of the file.
    fn in_file(&self, character: usize) -> usize {
        self.shifted(self.in_text(character))
    }

    fn shifted(&self, byte: usize) -> usize {
        byte.saturating_add(self.before)
    }
}

/// What a node is looked at as; as each it is looked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Image,
    Services,
    Service,
    Contexts,
    Volumes,
    Containers,
    Anything,
}

struct Scan<'a> {
    stream: &'a Stream,
    found: Found,
    seen: BTreeSet<(Role, usize)>,
}

impl<'a> Scan<'a> {
    /// Whether the node is looked at as this for the first time.
    fn first(&mut self, role: Role, node: usize) -> bool {
        self.seen.insert((role, self.stream.resolve(node)))
    }

    /// The images of a compose file. What one service builds, others have from there: compose does
    /// not pull an image of the same name.
    fn compose(&mut self) {
        let stream = self.stream;
        let services = self.services();
        let mut built = BTreeSet::new();
        let mut images = Vec::new();
        for service in services {
            if let Some(image) = stream.get(service, "image") {
                images.push(image);
                let is_built = stream.get(service, "build").is_some();
                built.extend(stream.scalar(image).filter(|_| is_built).map(|image| &image.value));
            }
            self.service(service);
        }
        for image in images {
            if stream.scalar(image).is_some_and(|image| built.contains(&image.value)) {
                self.skip(image, SkippedBecause::Built);
            } else {
                self.image(image, "");
            }
        }
    }

    /// The services of a compose file, each once.
    fn services(&mut self) -> Vec<usize> {
        let stream = self.stream;
        let of_root = |root: &usize| stream.get(*root, "services");
        let mut pending: Vec<usize> = stream.documents.iter().filter_map(of_root).collect();
        let mut found = Vec::new();
        while let Some(services) = pending.pop() {
            if !self.first(Role::Services, services) {
                continue;
            }
            pending.extend(stream.items(services));
            for (key, value) in stream.mapping(services).iter().flat_map(|mapping| &mapping.pairs) {
                match stream.scalar(*key) {
                    Some(key) if key.value == MERGE => pending.push(*value),
                    _ if self.first(Role::Service, *value) => found.push(*value),
                    _ => {}
                }
            }
        }
        found
    }

    /// What a service uses besides its image.
    fn service(&mut self, service: usize) {
        let stream = self.stream;
        if let Some(build) = stream.get(service, "build") {
            if let Some(inline) = stream.get(build, "dockerfile_inline") {
                self.refuse(inline, Unresolved::InlineDockerfile);
            }
            if let Some(contexts) = stream.get(build, "additional_contexts") {
                self.contexts(contexts);
            }
        }
        if let Some(volumes) = stream.get(service, "volumes")
            && self.first(Role::Volumes, volumes)
        {
            for volume in stream.items(volumes) {
                let kind = stream.get(*volume, "type").and_then(|kind| stream.scalar(kind));
                if kind.is_some_and(|kind| kind.value == "image")
                    && let Some(source) = stream.get(*volume, "source")
                {
                    self.image(source, "");
                }
            }
        }
    }

    /// `NAME: docker-image://IMAGE`, or a list of `NAME=docker-image://IMAGE`.
    fn contexts(&mut self, contexts: usize) {
        let stream = self.stream;
        let mut pending = vec![contexts];
        while let Some(contexts) = pending.pop() {
            if !self.first(Role::Contexts, contexts) {
                continue;
            }
            for (key, value) in stream.mapping(contexts).iter().flat_map(|mapping| &mapping.pairs) {
                match stream.scalar(*key) {
                    Some(key) if key.value == MERGE => pending.push(*value),
                    _ => self.context(*value),
                }
            }
            for item in stream.items(contexts) {
                if stream.mapping(*item).is_some() {
                    pending.push(*item);
                } else {
                    self.context(*item);
                }
            }
        }
    }

    fn context(&mut self, value: usize) {
        let Some(scalar) = self.stream.scalar(value) else { return };
        if let Some((before, _)) = scalar.value.split_once(IMAGE_CONTEXT)
            && (before.is_empty() || before.ends_with('='))
        {
            self.image(value, IMAGE_CONTEXT);
        }
    }

    /// The objects of a Kubernetes file, at any depth.
    fn kubernetes(&mut self) {
        let stream = self.stream;
        let mut pending: Vec<usize> = stream.documents.iter().rev().copied().collect();
        let mut others = Vec::new();
        while let Some(node) = pending.pop() {
            if !self.first(Role::Anything, node) {
                continue;
            }
            pending.extend(stream.items(node).iter().rev());
            let Some(mapping) = stream.mapping(node) else { continue };
            pending.extend(mapping.pairs.iter().rev().map(|(_, value)| *value));
            for key in CONTAINERS {
                let containers = stream.get(node, key);
                self.each_image(containers, |stream, container| stream.get(container, "image"));
            }
            let volumes = stream.get(node, "volumes");
            self.each_image(volumes, |stream, volume| {
                stream.get(stream.get(volume, "image")?, "reference")
            });
            others
                .extend(stream.get(node, "image").filter(|image| stream.scalar(*image).is_some()));
        }
        for image in others {
            self.skip(image, SkippedBecause::NotAContainer);
        }
    }

    fn each_image(
        &mut self,
        list: Option<usize>,
        image_of: impl Fn(&Stream, usize) -> Option<usize>,
    ) {
        let Some(list) = list else { return };
        if self.first(Role::Containers, list) {
            for item in self.stream.items(list) {
                if let Some(image) = image_of(self.stream, *item) {
                    self.image_as_is(image);
                }
            }
        }
    }

    /// An image of a compose file, behind this prefix.
    fn image(&mut self, node: usize, prefix: &str) {
        if !self.first(Role::Image, node) {
            return;
        }
        let scalar = match self.text(node) {
            Ok(scalar) => scalar,
            Err(problem) => return self.refuse(node, problem),
        };
        let skipped =
            scalar.value.find(prefix).map_or(0, |index| index.saturating_add(prefix.len()));
        let written = scalar.value.get(skipped..).unwrap_or_default().to_owned();
        let letters = traced(scalar).letters;
        let skipped = scalar.value.get(..skipped).unwrap_or_default().chars().count();
        let word: &[Letter] = letters.get(skipped..).unwrap_or_default();
        let image = expand(word, Dialect::Compose, &|_| None);
        self.found.images.push(FoundImage { at: self.stream.at(node), written, image });
    }

    /// An image of a Kubernetes file, which knows no variables.
    fn image_as_is(&mut self, node: usize) {
        if !self.first(Role::Image, node) {
            return;
        }
        let scalar = match self.text(node) {
            Ok(scalar) => scalar,
            Err(problem) => return self.refuse(node, problem),
        };
        let (at, written) = (self.stream.at(node), scalar.value.clone());
        self.found.images.push(FoundImage { at, written, image: Ok(traced(scalar)) });
    }

    /// The text that names an image.
    fn text(&self, node: usize) -> Result<&'a Scalar, Unresolved> {
        let stream = self.stream;
        let scalar = stream.scalar(node).ok_or(Unresolved::NotText)?;
        let is_long = scalar.value.chars().nth(MAX_IMAGE_TEXT_CHARS).is_some();
        if is_long { Err(Unresolved::TooLong) } else { Ok(scalar) }
    }

    fn refuse(&mut self, node: usize, problem: Unresolved) {
        let written = match problem {
            Unresolved::InlineDockerfile => "dockerfile_inline".to_owned(),
            _ => "image".to_owned(),
        };
        let at = self.stream.at(node);
        self.found.images.push(FoundImage { at, written, image: Err(problem) });
    }

    fn skip(&mut self, node: usize, because: SkippedBecause) {
        if self.first(Role::Image, node)
            && let Some(scalar) = self.stream.scalar(node)
        {
            let at = scalar.literal_at.unwrap_or_else(|| self.stream.at(node));
            self.found.skipped.push((scalar.value.clone(), at, because));
        }
    }
}

fn traced(scalar: &Scalar) -> Traced {
    match scalar.literal_at {
        Some(at) => Traced::at(&scalar.value, at),
        None => Traced::nowhere(&scalar.value),
    }
}

/// The keys that mean something here.
const KEYS: [&str; 14] = [
    "additional_contexts",
    "apiVersion",
    "build",
    "containers",
    "dockerfile_inline",
    "ephemeralContainers",
    "image",
    "initContainers",
    "kind",
    "reference",
    "services",
    "source",
    "type",
    "volumes",
];
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// The key whose mappings are merged into the one that has it.
const MERGE: &str = "<<";
/// What stands before an image where a folder could stand as well.
const IMAGE_CONTEXT: &str = "docker-image://";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::actions::image_files::{ImageFile, ImageFileError, proofs};

    fn read(kind: Kind, text: &str) -> ImageFile {
        ImageFile::parse("f", Some(kind), text.to_owned()).unwrap()
    }

    /// The images as `LINE:COLUMN TEXT`, and behind them what is wrong, or what they come to; what
    /// was skipped in brackets.
    fn found(kind: Kind, text: &str) -> Vec<String> {
        let file = read(kind, text);
        proofs::only_places_change(&file);
        let mut lines = Vec::new();
        for place in &file.images {
            let at = format!("{}:{} {}", place.line, place.column, place.written);
            lines.push(match (&place.image, &place.span) {
                (Err(problem), _) => format!("{at} ({problem})"),
                (Ok(image), None) => format!("{at} = {image}"),
                (Ok(_), Some(_)) => at,
            });
        }
        for skipped in &file.skipped {
            lines.push(format!("[{}:{} {}]", skipped.line, skipped.column, skipped.written));
        }
        lines
    }

    #[test_case("services:\n  web:\n    image: alpine:3.20 # why\n", &["3:12 alpine:3.20"]; "plain")]
    #[test_case("services: {web: {image: alpine:3.20}, db: {image: b}}", &["1:25 alpine:3.20", "1:51 b"]; "flow")]
    #[test_case("services:\n  web:\n    image: \"alpine:3.20\"  # why\n", &["3:13 alpine:3.20"]; "double quotes")]
    #[test_case("services:\n  web:\n    'image' : 'alpine:3.20'\n", &["3:16 alpine:3.20"]; "single quotes")]
    #[test_case("services:\n  web:\n    image: \"alp\\x69ne\"\n", &["3:12 alpine = alpine"]; "escaped")]
    #[test_case("services:\n  web:\n    image: >-\n      alpine:3.20\n", &["4:7 alpine:3.20"]; "folded")]
    #[test_case("services:\n  web:\n    image: |\n      alpine\n", &["4:7 alpine\n = alpine\n"]; "literal with its line end")]
    #[test_case("\u{feff}# größe 画像\r\nservices:\r\n  größe: {x: 画, image: alpine}\r\n  b:\r\n    image: c\r\n", &["3:24 alpine", "5:12 c"]; "characters of several bytes")]
    #[test_case("services:\n  web:\n    image:\n  b:\n    image: ~\n  c: {}\n  d:\n", &[]; "nothing")]
    #[test_case("services:\n  web:\n    image: !reset null\n", &[]; "reset")]
    #[test_case("services:\n  web:\n    image: {{ .Values.image }}\n", &["3:12 image (it is not a text)"]; "a template")]
    #[test_case("services:\n  web:\n    image: !!str &i \"alpine\"\n", &["3:22 alpine"]; "tag and anchor")]
    #[test_case("services:\n  web:\n    image: [a]\n", &["3:12 image (it is not a text)"]; "a list")]
    #[test_case("services:\n  web:\n    image: app\n    build: .\n", &["[3:12 app]"]; "built")]
    #[test_case("services:\n  a: {image: app}\n  b: {build: ., image: app}\n  c: {image: c}\n", &["4:14 c", "[2:14 app]", "[3:24 app]"]; "built by another")]
    #[test_case("services:\n  a: {image: &i app, build: .}\n  b: {image: *i}\n", &["[2:17 app]"]; "built and used by its anchor")]
    #[test_case("services:\n  web:\n    image: app\n    build:\n", &["3:12 app"]; "built from nothing")]
    #[test_case("image: a\nx: {services: {w: {image: b}}}\nservices: {}\n", &[]; "elsewhere")]
    #[test_case("services:\n  a: {image: a}\n---\nservices:\n  b: {image: b}\n", &["2:14 a", "5:14 b"]; "two documents")]
    fn compose(text: &str, expected: &[&str]) {
        assert_eq!(found(Kind::Compose, text), expected);
    }

    #[test_case("x-i: &i alpine\nservices:\n  a: {image: *i}\n  b: {image: *i}\n", &["1:9 alpine"]; "alias of a text")]
    #[test_case("x-s: &s\n  image: alpine\nservices:\n  a: *s\n  b:\n    <<: *s\n", &["2:10 alpine"]; "alias and merge of a service")]
    #[test_case("x-s: &s {image: a}\nservices:\n  b:\n    <<: *s\n    image: b\n", &["5:12 b"]; "own goes before merged")]
    #[test_case("x-s: &s {image: a}\nx-t: &t {image: b}\nservices:\n  b:\n    <<: [*t, *s]\n", &["2:17 b"]; "the first of several")]
    #[test_case("x-s: &s {build: .}\nservices:\n  b:\n    <<: *s\n    image: b\n", &["[5:12 b]"]; "build is merged")]
    #[test_case("x-a: &a {image: a}\nx-b: &b {<<: *a}\nservices:\n  c: {<<: *b}\n", &["1:17 a"]; "merge of a merge")]
    #[test_case("x-s: &s {a: {image: a}}\nservices:\n  <<: *s\n  b: {image: b}\n", &["1:21 a", "4:14 b"]; "merged services")]
    #[test_case("services:\n  a: &a {image: alpine}\n  b: *a\n", &["2:17 alpine"]; "anchor on a service")]
    fn anchors(text: &str, expected: &[&str]) {
        assert_eq!(found(Kind::Compose, text), expected);
    }

    #[test_case("${IMAGE:-alpine:3.20}", &["1:35 alpine:3.20"]; "whole default")]
    #[test_case("alpine:${V:-3.20}", &["1:25 alpine:${V:-3.20} = alpine:3.20"]; "partly variable")]
    #[test_case("${IMAGE}", &["1:25 ${IMAGE} (the file gives IMAGE no value)"]; "no default")]
    #[test_case("$IMAGE", &["1:25 $IMAGE (the file gives IMAGE no value)"]; "no braces")]
    #[test_case("${IMAGE:?say it}", &["1:25 ${IMAGE:?say it} (the file gives IMAGE no value)"]; "demanded")]
    #[test_case("a$$b", &["1:25 a$$b = a$b"]; "dollar")]
    #[test_case("${A:-${B:-b}}", &["1:36 b"]; "nested")]
    fn interpolation(image: &str, expected: &[&str]) {
        let text = format!("services: {{web: {{image: \"{image}\"}}}}");
        assert_eq!(found(Kind::Compose, &text), expected);
    }

    #[test]
    fn other_images_of_a_service() {
        let text = "
services:
  web:
    build:
      context: .
      additional_contexts:
        base: docker-image://alpine:3.20
        other: https://example.com/docker-image://x
        ${A:-more}: docker-image://${B:-b}
    volumes:
      - ./a:/b
      - {type: image, source: data:1, target: /c}
      - {type: volume, source: data, target: /d}
  list:
    build:
      additional_contexts:
        - base=docker-image://busybox
        - plain=./folder
  inline:
    build:
      dockerfile_inline: |
        FROM x
";
        let expected = [
            "7:30 alpine:3.20",
            "9:41 b",
            "12:31 data:1",
            "17:31 busybox",
            "22:9 dockerfile_inline (a Dockerfile inside a compose file is not looked into)",
        ];
        assert_eq!(found(Kind::Compose, text), expected);
    }

    #[test]
    fn kubernetes_objects_at_any_depth() {
        let text = "
# Größe
apiVersion: v1
kind: Pod
spec:
  initContainers:
  - {name: é, image: init:1}
  containers:
  - name: web
    image: 'web:1' # why
    env: [{name: image, value: no}]
  - name: none
  ephemeralContainers:
  - image: debug
  volumes:
  - name: data
    image: {reference: data:1, pullPolicy: Always}
  - name: other
    emptyDir: {}
---
apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: job}]}}}}}
- apiVersion: example.com/v1
  kind: Custom
  spec:
    image: operator:1
    podTemplates:
      a: {spec: {containers: [{\"image\": \"custom:1\"}]}}
---
apiVersion: v1
kind: ConfigMap
data:
  containers: text
  image: |
    more text
";
        let expected = [
            "7:22 init:1",
            "10:13 web:1",
            "14:12 debug",
            "17:24 data:1",
            "26:70 job",
            "32:42 custom:1",
            "[30:12 operator:1]",
            "[39:5 more text\n]",
        ];
        assert_eq!(found(Kind::Kubernetes, text), expected);
    }

    #[test]
    fn a_schema_that_speaks_of_containers_names_no_image() {
        let text = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec: {schema: {properties: {containers: {items: {properties: {image: {type: string}}}}}}}
";
        assert_eq!(found(Kind::Kubernetes, text), [""; 0]);
    }

    #[test]
    fn a_container_of_an_anchor_is_found_once() {
        let text = "
apiVersion: v1
kind: Pod
spec:
  containers:
  - &c {image: a}
  - *c
  - <<: *c
    name: x
";
        assert_eq!(found(Kind::Kubernetes, text), ["6:16 a"]);
    }

    #[test]
    fn kubernetes_knows_no_variables() {
        let text = "{apiVersion: v1, kind: Pod, spec: {containers: [{image: \"${A:-b}\"}]}}";
        assert_eq!(found(Kind::Kubernetes, text), ["1:58 ${A:-b}"]);
    }

    #[test_case("services:\n  a:\n    image: a\n    image: b\n", "4:5: the key `image` is given twice"; "duplicate key")]
    #[test_case("services: {a: 1, \"a\": 2}\n", "1:18: the key `a` is given twice"; "duplicate key in quotes")]
    #[test_case("a: &a [*a]\n", "1:8: an alias of what it is a part of"; "circle")]
    #[test_case("a: *b\n", "1:4: "; "unknown anchor")]
    #[test_case("a: [\n", ": "; "not closed")]
    #[test_case("a: b: c\n", "1:"; "not yaml")]
    #[test_case("a:\n{{ if .Values.x }}\n  b: c\n", ":"; "a template")]
    fn what_is_no_yaml_is_refused(text: &str, words: &str) {
        let error = ImageFile::parse("f", Some(Kind::Compose), text.to_owned()).unwrap_err();
        assert!(matches!(error, ImageFileError::Malformed { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test_case(&"[".repeat(100_000); "brackets")]
    #[test_case(&"{a: ".repeat(100_000); "braces")]
    #[test_case(&"- ".repeat(100_000); "dashes")]
    #[test_case(&"? ".repeat(100_000); "question marks")]
    #[test_case(&steps(1000); "indentation")]
    fn endless_nesting_is_refused(text: &str) {
        let error = ImageFile::parse("f", Some(Kind::Compose), text.to_owned()).unwrap_err();
        assert!(matches!(error, ImageFileError::Malformed { .. }), "{error}");
    }

    fn steps(depth: usize) -> String {
        (0..depth).fold(String::new(), |mut text, level| {
            writeln!(text, "{}a:", " ".repeat(level)).unwrap();
            text
        })
    }

    #[test]
    fn nesting_is_bounded_on_both_sides() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Stream::read(&nested(MAX_YAML_DEPTH)).is_ok());
        let error = Stream::read(&nested(MAX_YAML_DEPTH + 1)).unwrap_err();
        assert!(error.problem.contains("nested more than"), "{error:?}");
    }

    #[test]
    fn values_are_bounded_on_both_sides() {
        let many = |count: usize| format!("[{}]", "a,".repeat(count - 1));
        assert!(Stream::read(&many(MAX_YAML_NODES)).is_ok());
        let error = Stream::read(&many(MAX_YAML_NODES + 1)).unwrap_err();
        assert!(error.problem.contains("values"), "{error:?}");
    }

    /// Each line has the one before ten times: followed one by one they would never end.
    #[test]
    fn anchors_of_anchors_are_followed_once() {
        let mut text = "x0: &x0 {image: a}\n".to_owned();
        for n in 0..50 {
            let several = vec![format!("*x{n}"); 10].join(", ");
            writeln!(text, "x{}: &x{} [{several}]", n + 1, n + 1).unwrap();
        }
        text += "apiVersion: v1\nkind: Pod\ncontainers: *x50\n";
        assert_eq!(found(Kind::Kubernetes, &text), ["[1:17 a]"]);
    }

    proptest! {
        /// Whatever the file is, what is written is found, and nothing else changes.
        #[test]
        fn only_images_change(
            lines in proptest::collection::vec(proptest::sample::select(LINES), 1..16),
            ends in proptest::sample::select(&["\n", "\r\n"][..]),
            kind in proptest::sample::select(&[Kind::Compose, Kind::Kubernetes][..]),
        ) {
            let text = format!("services:{ends}  a:{ends}{}", lines.join(ends));
            if let Ok(file) = ImageFile::parse("f", Some(kind), text) {
                proofs::only_places_change(&file);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}", marks in "[-a:{}\\[\\],&*!|>'\"%#?\n\t é]{0,60}") {
            drop(scan(&text, Kind::Compose));
            drop(scan(&marks, Kind::Kubernetes));
        }
    }

    const LINES: &[&str] = &[
        "    image: alpine:3.20",
        "    image: \"alpine\" # größe",
        "    image: &i 'größe'",
        "    image: *i",
        "    image: ${A:-b}",
        "    image: >-\n      folded",
        "    <<: &m {image: merged}",
        "  b: {größe: 画, image: alpine}",
        "  c: {<<: *m}",
        "  d:",
        "# größe 画像",
        "",
        "    containers: [{image: x}, {image: \"y\", z: *i}]",
        "    containers:",
        "    - image: a",
        "      name: ö",
        "---",
        "services:",
        "  a:",
    ];
}
