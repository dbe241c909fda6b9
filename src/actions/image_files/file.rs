//! One file: what kind it is of, where it names images, and how it reads with others.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::actions::image_files::dockerfile;
use crate::actions::image_files::traced::Traced;
use crate::actions::image_files::yaml;
use crate::limits::{MAX_FILE_IMAGES, MAX_IMAGE_FILE_BYTES};
use crate::store::StoreError;
use crate::store::files::{read_descriptor, read_user_file};

/// Where such a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Dockerfile, or Containerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// Kubernetes objects in YAML or JSON.
    Kubernetes,
}

/// A file and the images it names.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// What kind of file it is.
    pub kind: Kind,
    /// All of it.
    pub text: String,
    /// Where it names images, in the order of the file; no place twice.
    pub images: Vec<Place>,
    /// What looks like an image and was left alone, in the order of the file.
    pub skipped: Vec<Skipped>,
}

/// A place where a file names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// As the file has it, variables and all.
    pub written: String,
    /// The image, variables replaced by the values the file gives them.
    pub image: Result<String, Unresolved>,
    /// The bytes of the file that are the image and nothing else; none if there is no such piece.
    pub span: Option<Range<usize>>,
}

/// Why the name of an image cannot be told from the file alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unresolved {
    /// A variable gets its value from elsewhere.
    #[error("the file gives {variable} no value")]
    NoDefault {
        /// The variable.
        variable: String,
    },
    /// An expansion that is not known here, or is none.
    #[error("the expansion {text} is not understood")]
    BadExpansion {
        /// The expansion.
        text: String,
    },
    /// A quote or a brace is not closed.
    #[error("a quote or a brace is not closed")]
    Unclosed,
    /// No variables are expanded here, but one is written.
    #[error("variables are not expanded here")]
    NotExpanded,
    /// Expansions are nested too deeply, or come to too long a text.
    #[error("it is longer than the name of an image can be")]
    TooLong,
    /// There is something else than a text.
    #[error("it is not a text")]
    NotText,
    /// A Dockerfile inside a compose file.
    #[error("a Dockerfile inside a compose file is not looked into")]
    InlineDockerfile,
}

/// Something that looks like an image and was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// As the file has it.
    pub written: String,
    /// Why.
    pub because: SkippedBecause,
}

/// Why something that looks like an image was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkippedBecause {
    /// It names what a service builds.
    Built,
    /// It names the program that reads the Dockerfile (`# syntax=`).
    Frontend,
    /// It stands in an object at a place that is not a container's.
    NotAContainer,
}

/// Why a file cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFileError {
    /// It cannot be read, or is too large.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Neither its name nor what it holds tells what it is.
    #[error(
        "it cannot be told whether {name} is a Dockerfile, a compose file or a Kubernetes file"
    )]
    UnknownKind {
        /// The file.
        name: String,
    },
    /// It breaks the rules of its kind.
    #[error("{name}:{line}:{column}: {problem}")]
    Malformed {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// It names more images than are looked at.
    #[error("{name} names more than {MAX_FILE_IMAGES} images")]
    TooManyImages {
        /// The file.
        name: String,
    },
}

/// What a reader of one kind found, by byte offset.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) images: Vec<FoundImage>,
    pub(super) skipped: Vec<(String, usize, SkippedBecause)>,
}

/// An image as a reader found it.
#[derive(Debug)]
pub(super) struct FoundImage {
    /// Where the word begins that names it.
    pub(super) at: usize,
    /// The word as the file has it.
    pub(super) written: String,
    pub(super) image: Result<Traced, Unresolved>,
}

/// What breaks the rules of a kind of file, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) problem: String,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Kind {
    /// Every kind with the word for it.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Dockerfile, "dockerfile"),
        (Self::Compose, "compose"),
        (Self::Kubernetes, "kubernetes"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dockerfile => "dockerfile",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// Tells the kind by the name of the file, where that alone tells it.
    fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let words = ["dockerfile", "containerfile"];
        if extension == "dockerignore" || extension == "containerignore" {
            return None;
        }
        let first = name.split('.').next().unwrap_or_default();
        if words.contains(&first) || words.contains(&extension) {
            return Some(Self::Dockerfile);
        }
        let is_yaml = matches!(extension, "yaml" | "yml");
        let is_compose = ["compose", "docker-compose"].iter().any(|word| {
            stem.strip_prefix(word)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        });
        (is_yaml && is_compose).then_some(Self::Compose)
    }

    /// Tells the kind by what the file holds; the name tells whether it is meant to be YAML.
    fn of_text(name: &str, text: &str) -> Result<Option<Self>, Malformed> {
        let is_yaml = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
        match yaml::kind_of(text) {
            Ok(Some(kind)) => Ok(Some(kind)),
            Err(malformed) if is_yaml => Err(malformed),
            _ => Ok(dockerfile::is_one(text).then_some(Self::Dockerfile)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ImageFile {
    /// Reads a file and finds its images; `kind` is what the person says it is.
    pub fn read(input: &Input, kind: Option<Kind>) -> Result<Self, ImageFileError> {
        let (bytes, path) = match input {
            Input::Stdin => (read_descriptor(0, MAX_IMAGE_FILE_BYTES)?, PathBuf::from("stdin")),
            Input::File(path) => (read_user_file(path, MAX_IMAGE_FILE_BYTES)?, path.clone()),
        };
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or(StoreError::NotText { path })?;
        let kind = kind.or_else(|| match input {
            Input::Stdin => None,
            Input::File(path) => Kind::of_name(path),
        });
        Self::parse(&input.to_string(), kind, text)
    }

    /// Finds the images of a text that stands in a file of this name, or would.
    pub fn named(path: &Path, text: String) -> Result<Self, ImageFileError> {
        Self::parse(&path.display().to_string(), Kind::of_name(path), text)
    }

    /// Finds the images of a text; `name` is for messages. Without a kind, the text has to tell.
    pub fn parse(name: &str, kind: Option<Kind>, text: String) -> Result<Self, ImageFileError> {
        let malformed = |Malformed { at, problem }| {
            let (line, column) = Cursor::of(&text).go_to(at);
            ImageFileError::Malformed { name: name.to_owned(), line, column, problem }
        };
        let kind = match kind {
            Some(kind) => kind,
            None => Kind::of_text(name, &text)
                .map_err(malformed)?
                .ok_or_else(|| ImageFileError::UnknownKind { name: name.to_owned() })?,
        };
        let found = match kind {
            Kind::Dockerfile => dockerfile::scan(&text),
            Kind::Compose | Kind::Kubernetes => yaml::scan(&text, kind),
        };
        let found = found.map_err(malformed)?;
        if found.images.len().max(found.skipped.len()) > MAX_FILE_IMAGES {
            return Err(ImageFileError::TooManyImages { name: name.to_owned() });
        }
        let images = places(&text, found.images);
        let skipped = skipped(&text, found.skipped);
        Ok(Self { kind, text, images, skipped })
    }

    /// The text with other images in some of its places, each given with its number in
    /// [`Self::images`]; none if one has no place of its own.
    pub fn with_images(&self, others: &[(usize, String)]) -> Option<String> {
        let mut spans = Vec::new();
        for (number, image) in others {
            spans.push((self.images.get(*number)?.span.clone()?, image));
        }
        spans.sort_by_key(|(span, _)| span.start);
        let mut text = String::with_capacity(self.text.len() + spans.len() * LONGEST_ADDITION);
        let mut done = 0;
        for (span, image) in spans {
            text.push_str(self.text.get(done..span.start)?);
            text.push_str(image);
            done = span.end;
        }
        text.push_str(self.text.get(done..)?);
        Some(text)
    }
}

/// The places in the order of the file, each once.
fn places(text: &str, found: Vec<FoundImage>) -> Vec<Place> {
    let start = |found: &FoundImage| {
        let span = found.image.as_ref().ok().and_then(Traced::span);
        (span.as_ref().map_or(found.at, |span| span.start), span)
    };
    let mut found: Vec<_> = found.into_iter().map(|found| (start(&found), found)).collect();
    found.sort_by_key(|((at, _), _)| *at);
    found.dedup_by_key(|((at, _), _)| *at);
    let mut cursor = Cursor::of(text);
    let place = |((at, span), found): ((usize, Option<Range<usize>>), FoundImage)| {
        let (line, column) = cursor.go_to(at);
        let image = found.image.map(|image| image.text());
        let written = match &span {
            Some(_) => image.clone().unwrap_or_default(),
            None => found.written,
        };
        Place { line, column, written, image, span }
    };
    found.into_iter().map(place).collect()
}

fn skipped(text: &str, mut found: Vec<(String, usize, SkippedBecause)>) -> Vec<Skipped> {
    found.sort_by_key(|(_, at, _)| *at);
    let mut cursor = Cursor::of(text);
    let skipped = |(written, at, because)| {
        let (line, column) = cursor.go_to(at);
        Skipped { line, column, written, because }
    };
    found.into_iter().map(skipped).collect()
}

/// Goes through a text and knows its line and column, both from 1, the column in characters.
struct Cursor<'a> {
    rest: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn of(text: &'a str) -> Self {
        // A byte order mark is no character.
        let rest = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self { rest, at: text.len().saturating_sub(rest.len()), line: 1, column: 1 }
    }

    /// Goes on to a byte that is not before the last one; returns its line and column.
    fn go_to(&mut self, at: usize) -> (usize, usize) {
        let (passed, rest) =
            self.rest.split_at_checked(at.saturating_sub(self.at)).unwrap_or((self.rest, ""));
        let last = passed.rsplit('\n').next().unwrap_or_default();
        let breaks = passed.bytes().filter(|byte| *byte == b'\n').count();
        if breaks > 0 {
            self.line = self.line.saturating_add(breaks);
            self.column = 1;
        }
        self.column = self.column.saturating_add(last.chars().count());
        self.at = self.at.saturating_add(passed.len());
        self.rest = rest;
        (self.line, self.column)
    }
}

/// What may stand before the first character of a text.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';
/// Bytes that `:latest` and a digest add.
const LONGEST_ADDITION: usize = 80;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Dockerfile", Some(Kind::Dockerfile))]
    #[test_case("a/b/dockerfile.dev", Some(Kind::Dockerfile))]
    #[test_case("web.Dockerfile", Some(Kind::Dockerfile))]
    #[test_case("Containerfile", Some(Kind::Dockerfile))]
    #[test_case("Dockerfile.dockerignore", None)]
    #[test_case("compose.yaml", Some(Kind::Compose))]
    #[test_case("docker-compose.prod.yml", Some(Kind::Compose))]
    #[test_case("docker-compose-prod.yml", Some(Kind::Compose))]
    #[test_case("composer.yml", None)]
    #[test_case("compose.txt", None)]
    #[test_case("deployment.yaml", None)]
    #[test_case("..", None)]
    fn a_name_tells_the_kind(name: &str, kind: Option<Kind>) {
        assert_eq!(Kind::of_name(Path::new(name)), kind);
    }

    #[test_case("# a comment\n\nARG X=1\nFROM alpine\n", Some(Kind::Dockerfile); "dockerfile")]
    #[test_case("from alpine as x", Some(Kind::Dockerfile); "small letters")]
    #[test_case("services:\n  web:\n    image: alpine\n", Some(Kind::Compose); "compose")]
    #[test_case("apiVersion: v1\nkind: Pod\n", Some(Kind::Kubernetes); "kubernetes")]
    #[test_case("---\n# first\n---\nkind: Pod\napiVersion: v1\n", Some(Kind::Kubernetes); "second document")]
    #[test_case("{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", Some(Kind::Kubernetes); "json")]
    #[test_case("apiVersion: v1\nkind: Pod\nservices: {}\n", Some(Kind::Kubernetes); "both")]
    #[test_case("replicas: 3\n", None; "other yaml")]
    #[test_case("From: somebody\nTo: somebody else\n", None; "a letter")]
    #[test_case("", None; "nothing")]
    fn what_it_holds_tells_the_kind(text: &str, kind: Option<Kind>) {
        assert_eq!(Kind::of_text("x", text), Ok(kind));
    }

    #[test]
    fn what_is_wrong_with_yaml_is_told_of_a_file_that_is_named_so() {
        let text = "apiVersion: v1\nkind: Pod\nkind: Pod\n";
        let error = ImageFile::parse("pod.yaml", None, text.to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "pod.yaml:3:1: the key `kind` is given twice");
        let error = ImageFile::parse("pod", None, text.to_owned()).unwrap_err();
        assert!(matches!(error, ImageFileError::UnknownKind { .. }), "{error}");
    }

    #[test]
    fn columns_are_characters_and_a_byte_order_mark_is_none() {
        let text = "\u{feff}größe\nx é y";
        let mut cursor = Cursor::of(text);
        assert_eq!(cursor.go_to(0), (1, 1));
        assert_eq!(cursor.go_to(text.find('e').unwrap()), (1, 5));
        assert_eq!(cursor.go_to(text.find('x').unwrap()), (2, 1));
        assert_eq!(cursor.go_to(text.find('y').unwrap()), (2, 5));
        assert_eq!(cursor.go_to(1000), (2, 6));
    }

    #[test]
    fn more_images_than_anybody_has_are_refused() {
        let text = |count: usize| "FROM a\n".repeat(count);
        let kind = Some(Kind::Dockerfile);
        assert!(ImageFile::parse("x", kind, text(MAX_FILE_IMAGES)).is_ok());
        let error = ImageFile::parse("x", kind, text(MAX_FILE_IMAGES + 1)).unwrap_err();
        assert!(matches!(error, ImageFileError::TooManyImages { .. }), "{error}");
    }
}
