//! Putting the digests that trust vouches for into the files that name images.
//!
//! [`plan`] asks and changes nothing; [`rewrite`] and [`write()`] carry out what it found. A file is
//! changed as a whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::stream;
use futures_util::stream::StreamExt as _;

use crate::actions::context::Context;
use crate::actions::image_files::{ImageFile, ImageFileError, Place, Unresolved};
use crate::actions::resolve::{Demand, resolve};
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::limits::MAX_IMAGE_FILE_BYTES;
use crate::oci::reference::ReferenceError;
use crate::oci::{Digest, Reference};
use crate::store::StoreError;
use crate::store::files::{read_user_file, rewrite_file};

/// What was found of several files.
#[derive(Debug)]
pub struct Plan {
    /// For each file, what is to be done at each of its places, in the same order.
    pub files: Vec<Vec<Step>>,
    /// What trust was asked, each image once.
    pub asked: Vec<Asked>,
}

/// One question to trust.
#[derive(Debug)]
pub struct Asked {
    /// The image; without its digest if it has a tag.
    pub reference: Reference,
    /// What trust says.
    pub answer: Result<Verdict, VerifyImageError>,
}

/// What is to be done at a place.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it has the digest that is signed.
    Keep {
        /// The digest.
        digest: Digest,
    },
    /// A digest is to be put to it.
    Pin {
        /// What is to stand there.
        image: String,
        /// The digest.
        digest: Digest,
    },
    /// It has a digest, and another is signed for its tag now.
    Update {
        /// What is to stand there.
        image: String,
        /// The digest that is signed.
        digest: Digest,
    },
    /// No digest can be put there.
    Refuse(Refusal),
    /// Trust does not vouch for it: the number of the question in [`Plan::asked`].
    Unverified(usize),
}

/// Why no digest can be put to an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Which image it is cannot be told.
    #[error("which image this is cannot be told: {0}")]
    Unresolved(Unresolved),
    /// What stands there is not an image.
    #[error(transparent)]
    Reference(ReferenceError),
    /// The image stands nowhere in one piece.
    #[error(
        "{image} is put together from variables, escapes or several lines: no digest can be put to it"
    )]
    Scattered {
        /// What it comes to.
        image: String,
    },
}

/// Why a file was not rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new text does not name the images it should, which would be a fault of this program.
    #[error("{name} would not name the images it should; it was not changed")]
    Unfaithful {
        /// The file.
        name: String,
        /// If it could not be read at all.
        #[source]
        cause: Option<ImageFileError>,
    },
}

/// Asks trust about every image of these files, about each once.
pub async fn plan(context: &Context, files: &[&ImageFile], demand: &Demand) -> Plan {
    let mut questions: Vec<Reference> = Vec::new();
    let mut readings = Vec::new();
    for file in files {
        let reading = |place: &Place| {
            let reference = readable(place)?;
            let question = question(&reference);
            let known = questions.iter().position(|known| *known == question);
            let number = known.unwrap_or(questions.len());
            if known.is_none() {
                questions.push(question);
            }
            Ok((reference, number))
        };
        readings.push(file.images.iter().map(reading).collect::<Vec<_>>());
    }
    let asked = ask(context, questions, demand).await;
    let step_of = |(place, reading): (&Place, Result<(Reference, usize), Refusal>)| match reading {
        Err(refusal) => Step::Refuse(refusal),
        Ok((reference, number)) => match asked.get(number).map(|asked| &asked.answer) {
            Some(Ok(verdict)) => step(place, &reference, &verdict.digest),
            _ => Step::Unverified(number),
        },
    };
    let steps = files
        .iter()
        .zip(readings)
        .map(|(file, readings)| file.images.iter().zip(readings).map(step_of).collect());
    Plan { files: steps.collect(), asked }
}

/// Several repositories are asked about at once, the tags of one in turn: what is learned of a
/// repository with the first is known with the others.
async fn ask(context: &Context, questions: Vec<Reference>, demand: &Demand) -> Vec<Asked> {
    let mut repositories: BTreeMap<String, Vec<(usize, Reference)>> = BTreeMap::new();
    for (number, question) in questions.into_iter().enumerate() {
        repositories.entry(question.name()).or_default().push((number, question));
    }
    let of_one = |questions: Vec<(usize, Reference)>| async move {
        let mut answers = Vec::new();
        for (number, reference) in questions {
            let answer = resolve(context, &reference, demand).await;
            answers.push((number, Asked { reference, answer }));
        }
        answers
    };
    let all = stream::iter(repositories.into_values().map(of_one)).buffer_unordered(MAX_AT_ONCE);
    let mut answers: Vec<(usize, Asked)> = all.concat().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, asked)| asked).collect()
}

/// The text of a file with every step of its plan taken; the same text if none changes anything.
///
/// What is written is read again: the new text has to name the very images it should.
pub fn rewrite(name: &str, file: &ImageFile, steps: &[Step]) -> Result<String, PinError> {
    let unfaithful = |cause| PinError::Unfaithful { name: name.to_owned(), cause };
    let changes: Vec<(usize, String)> = steps
        .iter()
        .enumerate()
        .filter_map(|(number, step)| Some((number, step.image()?.to_owned())))
        .collect();
    let text = file.with_images(&changes).ok_or_else(|| unfaithful(None))?;
    let again = ImageFile::parse(name, Some(file.kind), text.clone());
    let again = again.map_err(|cause| unfaithful(Some(cause)))?;
    let is_so = again.images.len() == file.images.len()
        && file.images.iter().zip(steps).zip(&again.images).all(|((before, step), after)| {
            after.line == before.line && after.written == *step.image().unwrap_or(&before.written)
        });
    if is_so { Ok(text) } else { Err(unfaithful(None)) }
}

/// Puts the new text into the file, unless somebody changed it to something else since it was read.
pub fn write(path: &Path, file: &ImageFile, text: &str) -> Result<(), PinError> {
    match rewrite_file(path, file.text.as_bytes(), text.as_bytes()) {
        Err(StoreError::Changed { .. })
            if read_user_file(path, MAX_IMAGE_FILE_BYTES)
                .is_ok_and(|now| now == text.as_bytes()) =>
        {
            Ok(())
        }
        done => Ok(done?),
    }
}

impl Step {
    /// What is to stand there instead.
    pub fn image(&self) -> Option<&String> {
        match self {
            Self::Pin { image, .. } | Self::Update { image, .. } => Some(image),
            _ => None,
        }
    }
}

/// The image of a place, if it can be told and a digest can be put to it or is there.
fn readable(place: &Place) -> Result<Reference, Refusal> {
    let image = place.image.as_ref().map_err(|problem| Refusal::Unresolved(problem.clone()))?;
    let reference = Reference::parse(image).map_err(Refusal::Reference)?;
    if place.span.is_none() && reference.digest().is_none() {
        return Err(Refusal::Scattered { image: image.clone() });
    }
    Ok(reference)
}

/// What trust is asked: about the tag, or about the digest if there is no tag.
fn question(reference: &Reference) -> Reference {
    match reference.tag() {
        Some(_) => reference.without_digest(),
        None => reference.clone(),
    }
}

fn step(place: &Place, reference: &Reference, signed: &Digest) -> Step {
    let digest = signed.clone();
    if reference.digest() == Some(signed) {
        return Step::Keep { digest };
    }
    let Ok(image) = &place.image else { return Step::Keep { digest } };
    if place.span.is_none() {
        return Step::Refuse(Refusal::Scattered { image: image.clone() });
    }
    let (named, was_pinned) =
        image.split_once('@').map_or((image.as_str(), false), |(named, _)| (named, true));
    let tag = if reference.tag().is_some() { "" } else { ":latest" };
    let image = format!("{named}{tag}@{digest}");
    if was_pinned { Step::Update { image, digest } } else { Step::Pin { image, digest } }
}

/// How many repositories are asked about at once.
const MAX_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::actions::image_files::Kind;

    const OLD: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const NEW: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn read(text: &str) -> ImageFile {
        ImageFile::parse("Dockerfile", Some(Kind::Dockerfile), text.to_owned()).unwrap()
    }

    /// What a Dockerfile with this image becomes if the new digest is signed.
    fn pinned(image: &str) -> Result<String, Refusal> {
        let file = read(&format!("ARG V=3.20\nFROM {image} AS x\n"));
        let place = &file.images[0];
        let reference = readable(place)?;
        let steps = vec![match step(place, &reference, &Digest::parse(NEW).unwrap()) {
            Step::Refuse(refusal) => return Err(refusal),
            step => step,
        }];
        let text = rewrite("Dockerfile", &file, &steps).unwrap();
        let image = text.strip_prefix("ARG V=3.20\nFROM ").unwrap();
        Ok(image.strip_suffix(" AS x\n").unwrap().to_owned())
    }

    #[test_case("alpine:3.20", "alpine:3.20@NEW"; "as it is spelt")]
    #[test_case("docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20@NEW"; "in full")]
    #[test_case("alpine", "alpine:latest@NEW"; "without a tag")]
    #[test_case("localhost:5000/app", "localhost:5000/app:latest@NEW"; "port and no tag")]
    #[test_case("[::1]:5000/app:1", "[::1]:5000/app:1@NEW"; "ipv6")]
    #[test_case("alpine:3.20@OLD", "alpine:3.20@NEW"; "another digest is signed now")]
    #[test_case("alpine:3.20@NEW", "alpine:3.20@NEW"; "pinned")]
    #[test_case("alpine@NEW", "alpine@NEW"; "digest alone")]
    #[test_case("\"alpine:3.20\"", "\"alpine:3.20@NEW\""; "quotes stay")]
    #[test_case("alpine:${V}@NEW", "alpine:${V}@NEW"; "put together, but pinned")]
    fn becomes(image: &str, expected: &str) {
        let real = |text: &str| text.replace("OLD", OLD).replace("NEW", NEW);
        assert_eq!(pinned(&real(image)).unwrap(), real(expected));
    }

    #[test_case("alpine:${V}"; "partly variable")]
    #[test_case("alpine:${V}@OLD"; "partly variable and outdated")]
    fn what_is_put_together_is_refused(image: &str) {
        let refusal = pinned(&image.replace("OLD", OLD)).unwrap_err();
        assert!(matches!(refusal, Refusal::Scattered { .. }), "{refusal}");
    }

    #[test]
    fn what_cannot_be_told_or_is_no_image_is_refused() {
        let refusal = pinned("$NOWHERE").unwrap_err();
        assert!(matches!(refusal, Refusal::Unresolved(Unresolved::NoDefault { .. })), "{refusal}");
        let refusal = pinned("Alpine").unwrap_err();
        assert!(matches!(refusal, Refusal::Reference(ReferenceError::Uppercase { .. })));
    }

    #[test]
    fn a_text_that_would_not_name_the_image_is_not_written() {
        let file = read("FROM alpine\n");
        let image = "alpine AS x".to_owned();
        let steps = [Step::Pin { image, digest: Digest::parse(NEW).unwrap() }];
        let error = rewrite("Dockerfile", &file, &steps).unwrap_err();
        assert!(matches!(error, PinError::Unfaithful { .. }), "{error}");
    }
}
