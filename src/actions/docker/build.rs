//! A Dockerfile in which every image has the digest that is signed, for a builder that knows no
//! content trust.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::actions::context::Context;
use crate::actions::docker::known::{Known, known};
use crate::actions::verify::VerifyImageError;
use crate::dockerfile::{ExpansionError, Outline, Rough, SyntaxError, Word, expand};
use crate::limits::MAX_FILE_IMAGES;
use crate::oci::Reference;
use crate::oci::reference::ReferenceError;

/// What a build is told besides its Dockerfile, as far as it decides about images.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The values of `--build-arg`.
    pub arguments: BTreeMap<String, String>,
    /// The names of `--build-context`: what is named so is none of a registry's.
    pub contexts: BTreeSet<String>,
}

/// A Dockerfile with the images that it names.
#[derive(Debug)]
pub struct Pinned {
    /// All of it, every image with its digest.
    pub text: String,
    /// Each image once, in the order of the file.
    pub images: Vec<Known>,
}

/// Why nothing is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildRefusal {
    /// It is no Dockerfile.
    #[error("line {line}: {cause}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        cause: SyntaxError,
    },
    /// An instruction that cannot be where it is.
    #[error("line {line}: {problem}")]
    Instruction {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Which image it is cannot be told.
    #[error("line {line}: which image `{}` is cannot be told: {cause}", written.escape_debug())]
    Expansion {
        /// From 1.
        line: usize,
        /// As the file has it.
        written: String,
        /// Why not.
        cause: ExpansionError,
    },
    /// A variable has its value from the builder.
    #[error(
        "line {line}: which image `{}` is cannot be told: the builder gives {variable} its value",
        written.escape_debug()
    )]
    Builders {
        /// From 1.
        line: usize,
        /// As the file has it.
        written: String,
        /// The variable.
        variable: String,
    },
    /// It is not the name of an image.
    #[error("line {line}: {cause}")]
    Reference {
        /// From 1.
        line: usize,
        /// What is wrong.
        cause: ReferenceError,
    },
    /// It is broken over lines, so that no digest can be put in its place.
    #[error("line {line}: `{}` does not stand in one line", written.escape_debug())]
    Scattered {
        /// From 1.
        line: usize,
        /// As it reads.
        written: String,
    },
    /// It names more images than are looked at.
    #[error("it names more than {MAX_FILE_IMAGES} images")]
    TooMany,
    /// The program that reads the Dockerfile is an image that is not signed, or that cannot be told.
    #[error("line {line}: the image that reads this file: {cause}")]
    Frontend {
        /// From 1.
        line: usize,
        /// Why not.
        cause: Box<VerifyImageError>,
        /// The image.
        image: Reference,
    },
    /// An image is not signed, or that cannot be told.
    #[error("line {line}: {cause}")]
    Image {
        /// From 1.
        line: usize,
        /// The image.
        image: Reference,
        /// Why not.
        cause: Box<VerifyImageError>,
    },
    /// What was written does not name the images it should, which would be a fault of this program.
    #[error("the rewritten Dockerfile would not name the images it should")]
    Unfaithful,
}

/// An image of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    at: Range<usize>,
    image: Reference,
    is_frontend: bool,
}

/// Asks trust about every image of a Dockerfile, and puts the digests into it.
pub async fn build(context: &Context, text: &str, given: &Given) -> Result<Pinned, BuildRefusal> {
    let sources = sources(text, given)?;
    let mut images: Vec<(Reference, Known)> = Vec::new();
    for source in &sources {
        if images.iter().any(|(image, _)| *image == source.image) {
            continue;
        }
        let found = known(context, &source.image).await.map_err(|cause| {
            let (line, image) = (line_of(text, &source.at), source.image.clone());
            let cause = Box::new(cause);
            if source.is_frontend {
                BuildRefusal::Frontend { line, cause, image }
            } else {
                BuildRefusal::Image { line, image, cause }
            }
        })?;
        images.push((source.image.clone(), found));
    }
    let pinned_of = |image: &Reference| {
        images.iter().find(|(known, _)| known == image).map(|(_, known)| known.pinned.clone())
    };
    let text = rewritten(text, &sources, &pinned_of, given)?;
    Ok(Pinned { text, images: images.into_iter().map(|(_, known)| known).collect() })
}

/// Puts the images in their places, and reads the outcome again.
fn rewritten(
    text: &str,
    sources: &[Source],
    pinned_of: &dyn Fn(&Reference) -> Option<Reference>,
    given: &Given,
) -> Result<String, BuildRefusal> {
    let mut in_place: Vec<&Source> = sources.iter().collect();
    in_place.sort_by_key(|source| source.at.start);
    let mut new = String::with_capacity(text.len());
    let mut end = 0;
    for source in in_place {
        let before = text.get(end..source.at.start).ok_or(BuildRefusal::Unfaithful)?;
        let image = pinned_of(&source.image).ok_or(BuildRefusal::Unfaithful)?;
        new.push_str(before);
        new.push_str(&image.familiar());
        end = source.at.end;
    }
    new.push_str(text.get(end..).ok_or(BuildRefusal::Unfaithful)?);
    let again = self::sources(&new, given).map_err(|_| BuildRefusal::Unfaithful)?;
    let is_so = again.len() == sources.len()
        && again.iter().zip(sources).all(|(after, before)| {
            pinned_of(&before.image).is_some_and(|image| image == after.image)
        });
    if is_so { Ok(new) } else { Err(BuildRefusal::Unfaithful) }
}

/// Finds the images of a Dockerfile, in the order in which they are read.
fn sources(text: &str, given: &Given) -> Result<Vec<Source>, BuildRefusal> {
    if text.strip_prefix('\u{feff}').is_some_and(|text| text.starts_with("#!")) {
        let problem = "a byte order mark before `#!`";
        return Err(BuildRefusal::Instruction { line: 1, problem });
    }
    let syntax =
        |cause: SyntaxError| BuildRefusal::Syntax { line: line_of(text, &cause.at), cause };
    let mut outline = Outline::of(text).map_err(syntax)?;
    let mut scan = Scan {
        text,
        given,
        escape: outline.directives().escape,
        arguments: BTreeMap::new(),
        stages: BTreeSet::new(),
        has_stage: false,
        images: Vec::new(),
        others: Vec::new(),
    };
    if let Some(frontend) = outline.directives().syntax.clone() {
        scan.add(&frontend, &frontend.text, true)?;
    }
    while let Some(instruction) = outline.instruction().map_err(syntax)? {
        scan.instruction(&instruction)?;
    }
    scan.finish()
}

#[derive(Debug)]
struct Scan<'a> {
    text: &'a str,
    given: &'a Given,
    escape: char,
    /// The global ARGs that have a value.
    arguments: BTreeMap<String, String>,
    /// Names of stages, in small letters.
    stages: BTreeSet<String>,
    has_stage: bool,
    images: Vec<Source>,
    /// Images or stages of a later place; which, is known at the end.
    others: Vec<Word>,
}

impl Scan<'_> {
    fn instruction(&mut self, instruction: &Rough) -> Result<(), BuildRefusal> {
        match instruction.name.as_str() {
            "FROM" => return self.from(instruction),
            "ARG" if !self.has_stage => return self.global_arguments(instruction),
            _ if !self.has_stage => {
                let problem = "an instruction stands before the first FROM";
                let line = line_of(self.text, &instruction.at);
                return Err(BuildRefusal::Instruction { line, problem });
            }
            _ => {}
        }
        self.others.extend(instruction.sources.iter().cloned());
        if self.others.len() > MAX_FILE_IMAGES {
            return Err(BuildRefusal::TooMany);
        }
        Ok(())
    }

    fn from(&mut self, instruction: &Rough) -> Result<(), BuildRefusal> {
        let (image, name) = match instruction.words.as_slice() {
            [image] => (image, None),
            [image, between, name] if between.text.eq_ignore_ascii_case("as") => {
                (image, Some(name.text.to_lowercase()))
            }
            _ => {
                let problem = "FROM takes an image, and a name after AS";
                let line = line_of(self.text, &instruction.at);
                return Err(BuildRefusal::Instruction { line, problem });
            }
        };
        self.has_stage = true;
        let value = self.expand(image)?;
        if value != SCRATCH && !self.stages.contains(&value.to_lowercase()) {
            self.add(image, &value, false)?;
        }
        self.stages.extend(name);
        Ok(())
    }

    fn global_arguments(&mut self, instruction: &Rough) -> Result<(), BuildRefusal> {
        for argument in &instruction.arguments {
            let name = &argument.name.text;
            let value = match (self.given.arguments.get(name), &argument.default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => self.expand(default)?,
                // Without a value it takes nothing away from an earlier one.
                (None, None) => continue,
            };
            self.arguments.insert(name.clone(), value);
        }
        Ok(())
    }

    fn expand(&self, word: &Word) -> Result<String, BuildRefusal> {
        let line = || line_of(self.text, &word.at);
        let builders = std::cell::RefCell::new(None);
        let lookup = |name: &str| {
            if is_builders(name) {
                builders.replace(Some(name.to_owned()));
            }
            self.arguments.get(name).cloned()
        };
        let expanded = expand(word, self.escape, &lookup);
        if let Some(variable) = builders.take() {
            let (line, written) = (line(), word.text.clone());
            return Err(BuildRefusal::Builders { line, written, variable });
        }
        expanded.map_err(|cause| BuildRefusal::Expansion {
            line: line(),
            written: word.text.clone(),
            cause,
        })
    }

    /// Takes an image, unless it is the name of a context.
    fn add(&mut self, word: &Word, image: &str, is_frontend: bool) -> Result<(), BuildRefusal> {
        if !is_frontend && self.given.contexts.contains(&context_name(image)) {
            return Ok(());
        }
        let line = line_of(self.text, &word.at);
        let image =
            Reference::parse(image).map_err(|cause| BuildRefusal::Reference { line, cause })?;
        if self.text.get(word.at.clone()) != Some(word.text.as_str()) {
            return Err(BuildRefusal::Scattered { line, written: word.text.clone() });
        }
        self.images.push(Source { at: word.at.clone(), image, is_frontend });
        if self.images.len() > MAX_FILE_IMAGES {
            return Err(BuildRefusal::TooMany);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Source>, BuildRefusal> {
        if !self.has_stage {
            return Err(BuildRefusal::Instruction { line: 1, problem: "there is no FROM" });
        }
        for word in std::mem::take(&mut self.others) {
            let written = word.text.trim_matches('"');
            let is_number =
                !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
            let is_stage = self.stages.contains(&written.to_lowercase());
            if !is_number && !is_stage && written != SCRATCH {
                self.add(&word, &word.text, false)?;
            }
        }
        Ok(self.images)
    }
}

/// The name under which buildx looks for a context in an image's place.
pub fn context_name(name: &str) -> String {
    match Reference::parse(name) {
        Ok(reference) => {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
        }
        Err(_) => name.to_lowercase(),
    }
}

/// Whether the builder sets a variable by itself, or may.
fn is_builders(name: &str) -> bool {
    let platform = ["TARGET", "BUILD"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let is_platform = platform
        .is_some_and(|rest| matches!(rest, "PLATFORM" | "OS" | "ARCH" | "VARIANT" | "STAGE"));
    let is_proxy = matches!(
        name.to_ascii_lowercase().as_str(),
        "http_proxy" | "https_proxy" | "ftp_proxy" | "no_proxy" | "all_proxy"
    );
    is_platform || is_proxy
}

/// The line of a place, from 1.
fn line_of(text: &str, at: &Range<usize>) -> usize {
    1 + text.get(..at.start).unwrap_or_default().matches('\n').count()
}

/// The base of an image that has none.
const SCRATCH: &str = "scratch";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::oci::Digest;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn given() -> Given {
        let pairs = [("B", "given:1"), ("TARGETARCH", "arm64")];
        let arguments = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let contexts = ["base", "ctx.example/a:2"].map(context_name);
        Given { arguments: arguments.into(), contexts: contexts.into() }
    }

    /// The file with the digest D at every image.
    fn pinned(text: &str) -> Result<String, BuildRefusal> {
        let found = sources(text, &given())?;
        let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
        let pin = |image: &Reference| Some(image.with_digest(digest.clone()));
        Ok(rewritten(text, &found, &pin, &given())?.replace(&format!("sha256:{HEX}"), "D"))
    }

    #[test_case("FROM a:1\n", "FROM a@D\n")]
    #[test_case("FROM docker.io/library/a", "FROM a@D"; "docker writes it short")]
    #[test_case("FROM h.example/a:1 AS x\nFROM x\n", "FROM h.example/a@D AS x\nFROM x\n"; "stages stay")]
    #[test_case("FROM scratch", "FROM scratch")]
    #[test_case("FROM --platform=linux/arm64 a", "FROM --platform=linux/arm64 a@D")]
    #[test_case("FROM \"a:1\"", "FROM a@D"; "quotes go")]
    #[test_case("FROM a:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "FROM a@D"; "pinned already")]
    #[test_case("ARG T=1\nFROM a:$T", "ARG T=1\nFROM a@D"; "a variable of the file")]
    #[test_case("ARG B=evil\nFROM $B", "ARG B=evil\nFROM given@D"; "a variable that was given")]
    #[test_case("ARG B\nFROM ${B}", "ARG B\nFROM given@D"; "a variable that is only given")]
    #[test_case("FROM ${X:-a}", "FROM a@D"; "a default on the spot")]
    #[test_case("FROM a\nCOPY --from=b:1 / /", "FROM a@D\nCOPY --from=b@D / /")]
    #[test_case("FROM a\nCOPY --from=0 / /\nCOPY --from=x / /\nFROM b AS X", "FROM a@D\nCOPY --from=0 / /\nCOPY --from=x / /\nFROM b@D AS X"; "numbers and later stages")]
    #[test_case(
        "FROM a\nRUN --mount=type=bind,from=b,target=/b true",
        "FROM a@D\nRUN --mount=type=bind,from=b@D,target=/b true"
    )]
    #[test_case("# syntax=docker/dockerfile:1\nFROM a", "# syntax=docker/dockerfile@D\nFROM a@D"; "what reads the file is an image")]
    #[test_case("#!/usr/bin/x\n# syntax=evil\nFROM a", "#!/usr/bin/x\n# syntax=evil@D\nFROM a@D"; "in a script too")]
    #[test_case("FROM base\nFROM Base\n", "FROM base\nFROM Base\n"; "contexts are no images")]
    #[test_case("FROM ctx.example/a:2", "FROM ctx.example/a:2"; "a context in an image's place")]
    #[test_case("FROM ctx.example/a:3", "FROM ctx.example/a@D"; "another tag than a context's")]
    #[test_case("FROM a\nRUN <<E\nFROM evil\nE\n", "FROM a@D\nRUN <<E\nFROM evil\nE\n"; "here documents")]
    #[test_case("FROM a\r\nFROM b\r\n", "FROM a@D\r\nFROM b@D\r\n")]
    fn every_image_gets_its_digest(text: &str, expected: &str) {
        assert_eq!(pinned(text).unwrap(), expected);
    }

    #[test_case("FROM a-$TARGETARCH", "the builder gives TARGETARCH its value"; "given or not")]
    #[test_case("FROM ${http_proxy:-a}", "the builder gives http_proxy its value")]
    #[test_case("FROM $NOTHING", "repository name must have at least one component")]
    #[test_case("FROM ${X", "the brace of a variable is not closed")]
    #[test_case("FROM al\\\npine", "does not stand in one line")]
    #[test_case("FROM Alpine", "must be lowercase")]
    #[test_case("FROM a\nCOPY --from=$X / /", "invalid reference format"; "no variables there")]
    #[test_case("FROM a b", "FROM takes an image")]
    #[test_case("RUN x\nFROM a", "before the first FROM")]
    #[test_case("{\"syntax\": \"evil\"}\nFROM a", "before the first FROM"; "another way to say syntax")]
    #[test_case("// syntax=evil\nFROM a", "before the first FROM"; "and another")]
    #[test_case("\u{feff}#!x\n# syntax=evil\nFROM a", "byte order mark"; "hidden syntax")]
    #[test_case("", "there is no FROM")]
    fn what_cannot_be_told_is_refused(text: &str, words: &str) {
        let refusal = pinned(text).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }

    #[test]
    fn a_refusal_names_the_line() {
        let refusal = pinned("FROM a\n\nFROM B\n").unwrap_err().to_string();
        assert!(refusal.starts_with("line 3: "), "{refusal}");
    }
}
