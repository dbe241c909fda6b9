//! `trust pin FILE…`

use std::path::PathBuf;

use serde::Serialize;

use crate::actions::image_files::{ImageFile, Input, Place};
use crate::actions::pin::{Asked, PinError, Plan, Refusal, Step, plan, rewrite, write};
use crate::actions::resolve::Demand;
use crate::actions::update::Source;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::image_files::{KindArg, SkippedRow, input_of, read};
use crate::cli::outcome::{InTurn, say_verdict, unverified};
use crate::cli::output::{Output, OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::ui::printable;

/// Put the digests that are signed to the images a file names
///
/// Rewrites Dockerfiles, compose files and Kubernetes files in place, comments and layout kept:
/// NAME:TAG becomes NAME:TAG@DIGEST. A file in which one image cannot be verified is not changed.
/// `-` reads stdin and writes to stdout.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files that name images
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Change nothing; fail if an image does not have the digest that is signed
    #[arg(long)]
    pub check: bool,

    /// What kind of files these are [default: told by name and content]
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<KindArg>,

    /// This signer must have signed each image ; may be given again, and then each of them must
    #[arg(long = "signer", value_name = "NAME")]
    pub signers: Vec<String>,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,

    /// How to print what was done.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A file that could be read, and the number of its report.
struct Opened {
    input: Input,
    file: ImageFile,
    number: usize,
}

impl Args {
    /// Asks trust about all images of all files, then changes the files one by one.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Document::sample())?;
        self.refuse_two_uses(&output)?;
        let context = session.context()?;
        let mut documents = Vec::new();
        let mut turns = InTurn::new(session, 1);
        let opened = self.open(session, &mut turns, &mut documents);
        let files: Vec<&ImageFile> = opened.iter().map(|opened| &opened.file).collect();
        let source = if self.offline { Source::Cache } else { Source::Server };
        let demand = Demand { source, signers: self.signers.clone() };
        let planned = async { Ok::<_, CliError>(plan(&context, &files, &demand).await) };
        let Plan { files: steps, asked } = match session.block_on(planned) {
            Ok(plan) => plan,
            Err(error) => {
                turns.take("", || Err(error));
                return turns.finish();
            }
        };
        let mut problems = Vec::new();
        for (number, Asked { reference, answer }) in asked.into_iter().enumerate() {
            let mut problem = Problem::default();
            match answer {
                Ok(verdict) => say_verdict(session, &reference, &verdict),
                Err(error) => {
                    let error = unverified(&context, &reference, error);
                    problem = Problem::of(&error);
                    let places = places_of(number, &opened, &steps);
                    let words = format!("{places}: {} is not verified", reference.familiar());
                    turns.take("", || Err(error.context(words)));
                }
            }
            problems.push(problem);
        }
        for (opened, steps) in opened.iter().zip(&steps) {
            let Some(document) = documents.get_mut(opened.number) else { continue };
            document.images = rows(&opened.file, steps, &problems);
            self.carry_out(session, &output, &mut turns, opened, steps, document);
        }
        let printed = output.print(session, &documents);
        verdict_first(session, turns.finish(), printed)
    }

    /// Reads the files, and begins a report of each.
    fn open(
        &self,
        session: &Session,
        turns: &mut InTurn<'_>,
        documents: &mut Vec<Document>,
    ) -> Vec<Opened> {
        let mut opened = Vec::new();
        for typed in &self.files {
            let input = input_of(typed);
            let mut document = Document { file: input.to_string(), ..Document::default() };
            match read(session, &input, self.kind) {
                Ok(file) => {
                    document.kind = Some(file.kind.as_str());
                    document.skipped = file.skipped.iter().map(SkippedRow::of).collect();
                    opened.push(Opened { input, file, number: documents.len() });
                }
                Err(error) => {
                    document.problem = Problem::of(&error);
                    turns.take("", || Err(error));
                }
            }
            documents.push(document);
        }
        opened
    }

    /// Checks or changes one file.
    fn carry_out(
        &self,
        session: &Session,
        output: &Output,
        turns: &mut InTurn<'_>,
        opened: &Opened,
        steps: &[Step],
        document: &mut Document,
    ) {
        let Opened { input, file, .. } = opened;
        let refused = refusals(opened, steps);
        let is_refused =
            !refused.is_empty() || steps.iter().any(|step| matches!(step, Step::Unverified(_)));
        for error in refused {
            turns.take("", || Err(error));
        }
        turns.take("", || {
            if self.check {
                return check(session, output, opened, steps);
            }
            if is_refused {
                session.ui.status(format!("{input} was not changed"));
                return Ok(());
            }
            let changed = change(session, input, file, steps);
            document.problem = changed.as_ref().err().map_or_else(Problem::default, Problem::of);
            document.changed = changed?;
            Ok(())
        });
        let is_kept = steps.iter().all(|step| matches!(step, Step::Keep { .. }));
        document.pinned = is_kept || document.changed;
    }

    /// Refuses to read stdin twice, and to write two things to stdout.
    fn refuse_two_uses(&self, output: &Output) -> Result<(), CliError> {
        let stdins = self.files.iter().filter(|file| input_of(file) == Input::Stdin).count();
        if stdins > 1 {
            return Err(CliError::usage("stdin can be read only once"));
        }
        if stdins > 0 && !output.is_text() && !self.check {
            let words = "stdout cannot have both the file and a report";
            return Err(CliError::usage(words).hint("`--check` writes only the report"));
        }
        Ok(())
    }
}

/// Where an image stands that trust was asked about: `FILE:LINE:COLUMN`, several with commas.
fn places_of(number: usize, opened: &[Opened], steps: &[Vec<Step>]) -> String {
    let mut places = Vec::new();
    for (Opened { input, file, .. }, steps) in opened.iter().zip(steps) {
        for (place, step) in file.images.iter().zip(steps) {
            if matches!(step, Step::Unverified(asked) if *asked == number) {
                places.push(at(input, place));
            }
        }
    }
    places.join(", ")
}

fn at(input: &Input, place: &Place) -> String {
    format!("{input}:{}:{}", place.line, place.column)
}

/// An error for each image that no digest can be put to.
fn refusals(opened: &Opened, steps: &[Step]) -> Vec<CliError> {
    let Opened { input, file, .. } = opened;
    let of_step = |(place, step): (&Place, &Step)| {
        let Step::Refuse(refusal) = step else { return None };
        let (kind, words) = (refusal_kind(refusal), refusal.to_string());
        let error = CliError::new(kind, words);
        let error = match refusal {
            Refusal::Scattered { .. } => {
                error.hint("write the image as a whole, or as the whole default of one variable")
            }
            _ => error,
        };
        Some(error.context(format!("{}: {}", at(input, place), place.written.trim_end())))
    };
    file.images.iter().zip(steps).filter_map(of_step).collect()
}

fn refusal_kind(refusal: &Refusal) -> ErrorKind {
    match refusal {
        Refusal::Reference(_) => ErrorKind::Usage,
        _ => ErrorKind::Policy,
    }
}

/// Prints each image of a file that is not as it should be.
fn check(
    session: &Session,
    output: &Output,
    opened: &Opened,
    steps: &[Step],
) -> Result<(), CliError> {
    let Opened { input, file, .. } = opened;
    let mut wrong = 0_usize;
    for (place, step) in file.images.iter().zip(steps) {
        let problem = match step {
            Step::Pin { digest, .. } => format!("is not pinned: {digest} is signed"),
            Step::Update { digest, .. } => format!("is outdated: {digest} is signed now"),
            _ => continue,
        };
        wrong += 1;
        if output.is_text() {
            let line = format!("{}: {} {problem}", at(input, place), place.written);
            session.ui.line(printable(&line))?;
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let of_all = file.images.len();
    let words =
        format!("{input}: {wrong} of {of_all} images do not have the digest that is signed");
    Err(CliError::new(ErrorKind::Policy, words).hint("`trust pin FILE` puts it there"))
}

/// Writes a file with its images pinned; returns whether that changed it.
fn change(
    session: &Session,
    input: &Input,
    file: &ImageFile,
    steps: &[Step],
) -> Result<bool, CliError> {
    let text = rewrite(&input.to_string(), file, steps)?;
    let changed = text != file.text;
    match input {
        Input::Stdin => session.ui.data(&text)?,
        Input::File(path) if changed => write(path, file, &text)?,
        Input::File(_) => {}
    }
    for (place, step) in file.images.iter().zip(steps) {
        if let Some(image) = step.image() {
            session.ui.status(format!("{}: {} is {image} now", at(input, place), place.written));
        }
    }
    if !changed && !steps.is_empty() {
        session.ui.status(format!("{input}: every image has the digest that is signed"));
    }
    Ok(changed)
}

impl From<PinError> for CliError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Store(error) => error.into(),
            error => Self::new(ErrorKind::Internal, error),
        }
    }
}

fn rows(file: &ImageFile, steps: &[Step], problems: &[Problem]) -> Vec<ImageRow> {
    let row = |(place, step): (&Place, &Step)| {
        let (state, digest) = match step {
            Step::Keep { digest } => ("pinned", Some(digest)),
            Step::Pin { digest, .. } => ("unpinned", Some(digest)),
            Step::Update { digest, .. } => ("outdated", Some(digest)),
            Step::Refuse(_) => ("refused", None),
            Step::Unverified(_) => ("unverified", None),
        };
        ImageRow {
            line: place.line,
            column: place.column,
            written: place.written.clone(),
            image: place.image.clone().ok(),
            state,
            digest: digest.map(ToString::to_string),
            becomes: step.image().cloned(),
            problem: match step {
                Step::Refuse(refusal) => Problem {
                    exit_code: Some(refusal_kind(refusal).exit_code()),
                    error: Some(refusal.to_string()),
                    causes: Vec::new(),
                },
                Step::Unverified(number) => problems.get(*number).cloned().unwrap_or_default(),
                _ => Problem::default(),
            },
        }
    };
    file.images.iter().zip(steps).map(row).collect()
}

/// What was found of a file and done to it, as `--json` and `--format` print it
/// (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Document {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    pinned: bool,
    changed: bool,
    images: Vec<ImageRow>,
    skipped: Vec<SkippedRow>,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Debug, Default, Serialize)]
struct ImageRow {
    line: usize,
    column: usize,
    written: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    becomes: Option<String>,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

impl Problem {
    fn of(error: &CliError) -> Self {
        Self {
            exit_code: Some(error.kind.exit_code()),
            error: Some(error.source.to_string()),
            causes: error.causes(),
        }
    }

    /// One of everything that it can hold.
    fn sample() -> Self {
        Self { exit_code: Some(0), error: Some(String::new()), causes: vec![String::new()] }
    }
}

impl Document {
    /// One of everything that a report can hold.
    fn sample() -> Self {
        let image = ImageRow {
            image: Some(String::new()),
            digest: Some(String::new()),
            becomes: Some(String::new()),
            problem: Problem::sample(),
            ..ImageRow::default()
        };
        Self {
            kind: Some(""),
            images: vec![image],
            skipped: vec![SkippedRow::default()],
            problem: Problem::sample(),
            ..Self::default()
        }
    }
}
