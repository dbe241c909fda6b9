//! The images of a Dockerfile, as BuildKit reads it (images.md §1.1–1.5).
//!
//! What this program does not know of an instruction is left alone: only images are looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::actions::image_files::Unresolved;
use crate::actions::image_files::file::{Found, FoundImage, Malformed, SkippedBecause};
use crate::actions::image_files::traced::Traced;
use crate::actions::image_files::variables::{Dialect, expand};
use crate::dockerfile::{Argument, Outline, Rough, SyntaxError, Word};
use crate::limits::{MAX_FILE_IMAGES, MAX_GLOBAL_ARGUMENTS};

/// Finds the images of a Dockerfile.
pub(super) fn scan(text: &str) -> Result<Found, Malformed> {
    let mut outline = Outline::of(text)?;
    let escape = outline.directives().escape;
    let mut scan = Scan { text, escape, ..Scan::default() };
    if let Some(Word { text, at }) = outline.directives().syntax.clone() {
        scan.skipped.push((text, at.start, SkippedBecause::Frontend));
    }
    while let Some(instruction) = outline.instruction()? {
        scan.instruction(&instruction)?;
        if scan.images.len() > MAX_FILE_IMAGES {
            break;
        }
    }
    scan.finish()
}

/// Whether a text begins as a Dockerfile does, for want of a name that tells.
pub(super) fn is_one(text: &str) -> bool {
    let first = Outline::of(text).and_then(|mut outline| outline.instruction());
    first.ok().flatten().is_some_and(|first| {
        matches!(first.name.as_str(), "FROM" | "ARG") && !first.words.is_empty()
    })
}

impl From<SyntaxError> for Malformed {
    fn from(error: SyntaxError) -> Self {
        Self { at: error.at.start, problem: error.to_string() }
    }
}

#[derive(Debug, Default)]
struct Scan<'a> {
    text: &'a str,
    escape: char,
    /// The global ARGs, with the values the file gives them.
    arguments: BTreeMap<String, Result<Traced, Unresolved>>,
    /// Names of stages, in small letters.
    stages: BTreeSet<String>,
    has_stage: bool,
    images: Vec<FoundImage>,
    /// Images or stages; which, is known at the end.
    sources: Vec<FoundImage>,
    skipped: Vec<(String, usize, SkippedBecause)>,
}

impl Scan<'_> {
    fn instruction(&mut self, instruction: &Rough) -> Result<(), Malformed> {
        match instruction.name.as_str() {
            "FROM" => return self.from(instruction),
            "ARG" if !self.has_stage => {
                return self.global_arguments(&instruction.arguments, &instruction.at);
            }
            _ if !self.has_stage => {
                let problem = "an instruction stands before the first FROM".to_owned();
                return Err(Malformed { at: instruction.at.start, problem });
            }
            _ => {}
        }
        let trigger = instruction.trigger.iter().flat_map(|trigger| &trigger.sources);
        for source in instruction.sources.iter().chain(trigger) {
            let has_variable = source.text.contains('$');
            let image =
                if has_variable { Err(Unresolved::NotExpanded) } else { Ok(self.traced(source)) };
            self.sources.push(found(source, image));
        }
        Ok(())
    }

    fn from(&mut self, instruction: &Rough) -> Result<(), Malformed> {
        let (image, name) = match instruction.words.as_slice() {
            [image] => (image, None),
            [image, between, name] if between.text.eq_ignore_ascii_case("as") => {
                (image, Some(name.text.to_lowercase()))
            }
            _ => {
                let problem = "FROM takes an image, and a name after AS".to_owned();
                return Err(Malformed { at: instruction.at.start, problem });
            }
        };
        self.has_stage = true;
        let found = found(image, self.expand(image));
        let is_image = match &found.image {
            Ok(image) => {
                let image = image.text();
                image != SCRATCH && !self.stages.contains(&image.to_lowercase())
            }
            Err(_) => true,
        };
        if is_image {
            self.images.push(found);
        }
        self.stages.extend(name);
        Ok(())
    }

    fn global_arguments(
        &mut self,
        arguments: &[Argument],
        at: &Range<usize>,
    ) -> Result<(), Malformed> {
        for Argument { name, default } in arguments {
            // Without a value it takes nothing away from an earlier one.
            let Some(default) = default else { continue };
            let value = self.expand(default);
            self.arguments.insert(name.text.clone(), value);
            if self.arguments.len() > MAX_GLOBAL_ARGUMENTS {
                let problem = format!("there are more than {MAX_GLOBAL_ARGUMENTS} arguments");
                return Err(Malformed { at: at.start, problem });
            }
        }
        Ok(())
    }

    fn expand(&self, word: &Word) -> Result<Traced, Unresolved> {
        let dialect = Dialect::Dockerfile { escape: self.escape };
        expand(&self.traced(word).letters, dialect, &|name| self.arguments.get(name).cloned())
    }

    /// A word with the place of each of its letters, if it stands in the file in one piece.
    fn traced(&self, word: &Word) -> Traced {
        if self.text.get(word.at.clone()) == Some(word.text.as_str()) {
            Traced::at(&word.text, word.at.start)
        } else {
            Traced::nowhere(&word.text)
        }
    }

    fn finish(mut self) -> Result<Found, Malformed> {
        if !self.has_stage {
            return Err(Malformed { at: 0, problem: "there is no FROM".to_owned() });
        }
        for source in self.sources {
            let is_number =
                !source.written.is_empty() && source.written.bytes().all(|b| b.is_ascii_digit());
            let is_stage = self.stages.contains(&source.written.to_lowercase());
            if !is_number && !is_stage && source.written != SCRATCH {
                self.images.push(source);
            }
        }
        Ok(Found { images: self.images, skipped: self.skipped })
    }
}

fn found(word: &Word, image: Result<Traced, Unresolved>) -> FoundImage {
    FoundImage { at: word.at.start, written: word.text.clone(), image }
}

/// The base of an image that has none.
const SCRATCH: &str = "scratch";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::actions::image_files::{ImageFile, ImageFileError, Kind};
    use crate::limits::MAX_DOCKERFILE_LINE_BYTES;

    fn read(text: &str) -> ImageFile {
        ImageFile::parse("Dockerfile", Some(Kind::Dockerfile), text.to_owned()).unwrap()
    }

    /// The images as `LINE:COLUMN TEXT`, and behind them what is wrong, or what they come to.
    fn found(text: &str) -> Vec<String> {
        let file = read(text);
        let line = |place: &crate::actions::image_files::Place| {
            let at = format!("{}:{} {}", place.line, place.column, place.written);
            match (&place.image, &place.span) {
                (Err(problem), _) => format!("{at} ({problem})"),
                (Ok(image), None) => format!("{at} = {image}"),
                (Ok(_), Some(span)) => {
                    assert_eq!(text.get(span.clone()), Some(place.written.as_str()));
                    at
                }
            }
        };
        file.images.iter().map(line).collect()
    }

    #[test_case("FROM alpine:3.20", &["1:6 alpine:3.20"]; "plain")]
    #[test_case("  from\talpine AS build\nFROM build", &["1:8 alpine"]; "a stage is no image")]
    #[test_case("FROM a AS B\nFROM b", &["1:6 a"]; "stages know no case")]
    #[test_case("FROM b\nFROM a AS b", &["1:6 b", "2:6 a"]; "a later stage is no base")]
    #[test_case("FROM scratch", &[]; "scratch")]
    #[test_case("FROM --platform=$BUILDPLATFORM alpine", &["1:32 alpine"]; "platform")]
    #[test_case("FROM --platform=\"linux/amd64\" alpine", &["1:31 alpine"]; "quoted platform")]
    #[test_case("FROM \"alpine:3.20\"", &["1:7 alpine:3.20"]; "quoted")]
    #[test_case("FROM \\\n  alpine", &["2:3 alpine"]; "continued")]
    #[test_case("FROM \\ \t\n# why\n\n  alpine \\\n AS x", &["4:3 alpine"]; "comments inside")]
    #[test_case("FROM alp\\\nine", &["1:6 alpine = alpine"]; "broken over lines")]
    #[test_case("# escape=`\nFROM `\nalpine", &["3:1 alpine"]; "other escape")]
    #[test_case("#escape = `\n#\nFROM C:\\x", &["3:6 C:\\x"]; "escape of windows")]
    #[test_case("# why\n# escape=`\nFROM \\\nalpine", &["4:1 alpine"]; "a directive after a comment is none")]
    #[test_case("\u{feff}FROM alpine\r\nFROM b\r\n", &["1:6 alpine", "2:6 b"]; "byte order mark and line ends")]
    fn bases(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("ARG B=alpine:3.20\nFROM $B", &["1:7 alpine:3.20"]; "default")]
    #[test_case("ARG B=\"alpine:3.20\"\nFROM ${B} AS x", &["1:8 alpine:3.20"]; "quoted default")]
    #[test_case("ARG A=1 B=alpine\nFROM $B", &["1:11 alpine"]; "several in a line")]
    #[test_case("ARG A=alpine\nARG B=$A\nFROM $B", &["1:7 alpine"]; "chain")]
    #[test_case("ARG B=a\nFROM $B\nFROM $B", &["1:7 a"]; "used twice")]
    #[test_case("ARG B=a\nARG B=b\nARG B\nFROM $B", &["2:7 b"]; "the last counts")]
    #[test_case("FROM ${B:-alpine}", &["1:11 alpine"]; "default on the spot")]
    #[test_case("ARG V=3.20\nFROM alpine:${V}", &["2:6 alpine:${V} = alpine:3.20"]; "partly variable")]
    #[test_case("ARG B=a\nFROM $B\nFROM $B-x", &["1:7 a", "3:6 $B-x = a-x"]; "whole and part")]
    #[test_case("ARG B\nFROM $B", &["2:6 $B (the file gives B no value)"]; "no default")]
    #[test_case("FROM x-$TARGETARCH", &["1:6 x-$TARGETARCH (the file gives TARGETARCH no value)"]; "set by the builder")]
    #[test_case("FROM a\nARG B=b\nFROM $B", &["1:6 a", "3:6 $B (the file gives B no value)"]; "not global")]
    #[test_case("ARG S=base\nFROM a AS base\nFROM $S", &["2:6 a"]; "variable stage")]
    #[test_case("FROM ${B", &["1:6 ${B (a quote or a brace is not closed)"]; "not closed")]
    fn variables(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("COPY --from=nginx:1 /a /b", &["2:13 nginx:1"]; "copy")]
    #[test_case("copy --chown=1:1 --FROM=nginx:1 /a /b", &["2:25 nginx:1"]; "any case")]
    #[test_case("COPY --from=0 /a /b", &[]; "index")]
    #[test_case("COPY --from=BASE /a /b", &[]; "stage")]
    #[test_case("COPY --from=later /a /b\nFROM scratch AS later", &[]; "later stage")]
    #[test_case("COPY --from=\"nginx\" /a /b", &["2:14 nginx"]; "quoted")]
    #[test_case("COPY --from=$X /a /b", &["2:13 $X (variables are not expanded here)"]; "variable")]
    #[test_case("COPY -- --from=nginx /b", &[]; "after the flags")]
    #[test_case("COPY a --from=nginx /b", &[]; "not a flag")]
    #[test_case("RUN --mount=type=bind,from=nginx:1,target=/x true", &["2:28 nginx:1"]; "mount")]
    #[test_case("RUN --network=none --mount=from=a --mount=type=cache,from=b x", &["2:33 a", "2:59 b"]; "mounts")]
    #[test_case("RUN --mount=type=bind,\\\"from=a,b\\\" x", &["2:30 a,b"]; "mount in quotes")]
    #[test_case("RUN --mount=type=bind,from=base,target=/x true", &[]; "mount of a stage")]
    #[test_case("RUN echo --mount=from=nginx", &[]; "no mount")]
    #[test_case("ONBUILD COPY --from=nginx /a /b", &["2:21 nginx"]; "onbuild copy")]
    #[test_case("onbuild run --mount=from=nginx true", &["2:26 nginx"]; "onbuild run")]
    #[test_case("ONBUILD ONBUILD COPY --from=nginx /a /b", &[]; "onbuild twice is nothing")]
    #[test_case("LABEL x=\"FROM y\" \\\n FROM=z", &[]; "a word like an instruction")]
    #[test_case("RUN \\\n# FROM x\nFROM y", &[]; "continued over a comment")]
    #[test_case("RUN true \\\\\nFROM y", &["3:6 y"]; "two escapes continue nothing")]
    fn sources(text: &str, expected: &[&str]) {
        let all = found(&format!("FROM scratch AS base\n{text}\n"));
        assert_eq!(all, expected);
    }

    #[test_case("RUN <<EOF\nFROM x\nEOF", &["5:6 last"]; "run")]
    #[test_case("RUN cat <<-\"E F\" <<2\nFROM x\n\tE F\nFROM y\n2", &["7:6 last"]; "two, quoted, with tabs")]
    #[test_case("COPY <<EOF /x\nFROM x\n EOF\nEOF", &["6:6 last"]; "copy")]
    #[test_case("ONBUILD RUN 3<<EOF\nFROM x\nEOF", &["5:6 last"]; "onbuild")]
    #[test_case("RUN cat <<< EOF\nFROM x", &["3:6 x", "4:6 last"]; "here-string")]
    #[test_case("RUN [\"cat\", \"<<EOF\"]\nFROM x", &["3:6 x", "4:6 last"]; "json")]
    #[test_case("RUN [\"cat\"] <<EOF\nFROM x\nEOF", &["5:6 last"]; "json and more is a line")]
    #[test_case("RUN echo \"a <<EOF\"\nFROM x", &["3:6 x", "4:6 last"]; "inside quotes")]
    #[test_case("RUN echo \\<<EOF\nFROM x", &["3:6 x", "4:6 last"]; "escaped")]
    #[test_case("CMD cat <<EOF\nFROM x", &["3:6 x", "4:6 last"]; "not on this instruction")]
    #[test_case("RUN [ -f x ] <<EOF\nFROM x\nEOF", &["5:6 last"]; "a bracket that is no json")]
    fn here_documents(text: &str, expected: &[&str]) {
        let all = found(&format!("FROM scratch\n{text}\nFROM last\n"));
        assert_eq!(all, expected);
    }

    #[test_case("", "there is no FROM"; "nothing")]
    #[test_case("# only a comment\n", "there is no FROM"; "comment")]
    #[test_case("ARG X=1\n", "there is no FROM"; "arguments alone")]
    #[test_case("RUN true\nFROM x", "before the first FROM"; "out of order")]
    #[test_case("FROM", "FROM takes an image"; "no image")]
    #[test_case("FROM a b c", "FROM takes an image"; "too many words")]
    #[test_case("# escape=x\nFROM a", "backslash or a backtick"; "strange escape")]
    #[test_case("# escape=`\n# escape=`\nFROM a", "twice"; "two escapes")]
    #[test_case("FROM a\nRUN <<EOF\nx", "EOF has no end"; "here-document without end")]
    fn what_no_builder_takes_is_refused(text: &str, words: &str) {
        let text = text.to_owned();
        let error = ImageFile::parse("f", Some(Kind::Dockerfile), text).unwrap_err();
        assert!(matches!(error, ImageFileError::Malformed { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn the_frontend_is_named_and_left_alone() {
        let file = read("# syntax=docker/dockerfile:1\n# check=skip=all\nFROM a\n");
        let [skipped] = file.skipped.as_slice() else { panic!("{file:?}") };
        assert_eq!((skipped.line, skipped.column), (1, 10));
        assert_eq!(skipped.written, "docker/dockerfile:1");
        assert_eq!(skipped.because, SkippedBecause::Frontend);
    }

    #[test]
    fn lines_and_arguments_are_bounded_on_both_sides() {
        let parse = |text: String| ImageFile::parse("f", Some(Kind::Dockerfile), text);
        let line = |length: usize| format!("FROM a\nRUN {}\n", "x".repeat(length - 4));
        assert!(parse(line(MAX_DOCKERFILE_LINE_BYTES)).is_ok());
        let error = parse(line(MAX_DOCKERFILE_LINE_BYTES + 1)).unwrap_err();
        assert!(error.to_string().contains("f:2:1: the line has more than"), "{error}");
        let arguments = |count: usize| {
            let mut text = String::new();
            (0..count).for_each(|n| writeln!(text, "ARG A{n}=1").unwrap());
            text + "FROM a\n"
        };
        assert!(parse(arguments(MAX_GLOBAL_ARGUMENTS)).is_ok());
        let error = parse(arguments(MAX_GLOBAL_ARGUMENTS + 1)).unwrap_err();
        assert!(error.to_string().contains("f:1025:1: there are more than"), "{error}");
    }

    #[test]
    fn arguments_that_double_do_not_fill_memory() {
        let mut text = "ARG A0=aaaaaaaaaa\n".to_owned();
        for n in 0..100 {
            writeln!(text, "ARG A{}=$A{n}$A{n}", n + 1).unwrap();
        }
        let all = found(&(text + "FROM $A100\n"));
        assert_eq!(all, ["102:6 $A100 (it is longer than the name of an image can be)"]);
    }

    proptest! {
        /// Whatever the file is, what is written is found, and nothing else changes.
        #[test]
        fn only_images_change(
            lines in proptest::collection::vec(proptest::sample::select(LINES), 1..12),
            ends in proptest::sample::select(&["\n", "\r\n"][..]),
        ) {
            let text = lines.join(ends);
            let Ok(file) = ImageFile::parse("f", Some(Kind::Dockerfile), text) else {
                return Ok(());
            };
            crate::actions::image_files::proofs::only_places_change(&file);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            drop(scan(&text));
        }
    }

    const LINES: &[&str] = &[
        "# syntax=docker/dockerfile:1",
        "# größe 画像",
        "\u{feff}FROM alpine",
        "ARG BASE=alpine:3.20",
        "ARG OTHER=\"registry.example.com/ä:1\" V='1'",
        "FROM ${BASE}",
        "FROM --platform=$X \"$OTHER\" AS build",
        "FROM alpine:$V",
        "FROM x \\",
        "",
        "  # comment",
        "AS y",
        "COPY --from=build /ä /ö",
        "COPY --from=busybox@sha256:abc /ä /ö",
        "RUN --mount=type=bind,from=golang:1.2 <<EOF cat",
        "FROM inside",
        "EOF",
        "\tONBUILD COPY --from='a b' x y",
    ];
}
