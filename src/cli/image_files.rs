//! What `pin` and `verify --file` say alike about files that name images.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::actions::image_files::{
    ImageFile, ImageFileError, Input, Kind, Skipped, SkippedBecause,
};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;

/// What kind of file it is, where its name and what it holds do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A Dockerfile, or Containerfile
    Dockerfile,
    /// A compose file
    Compose,
    /// Kubernetes objects
    Kubernetes,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Dockerfile => Self::Dockerfile,
            KindArg::Compose => Self::Compose,
            KindArg::Kubernetes => Self::Kubernetes,
        }
    }
}

/// A file as it was typed: `-` is stdin.
pub fn input_of(typed: &Path) -> Input {
    if typed == Path::new("-") { Input::Stdin } else { Input::File(typed.to_owned()) }
}

/// Reads a file, and says what in it was left alone.
pub fn read(
    session: &Session,
    input: &Input,
    kind: Option<KindArg>,
) -> Result<ImageFile, CliError> {
    let file = ImageFile::read(input, kind.map(Kind::from))?;
    for Skipped { line, column, written, because } in &file.skipped {
        let written = written.trim_end();
        let why = because_words(*because);
        session.ui.status(format!("{input}:{line}:{column}: {written} is left alone: {why}"));
    }
    if file.images.is_empty() {
        session.ui.status(format!("{input} names no image"));
    }
    Ok(file)
}

fn because_words(because: SkippedBecause) -> &'static str {
    match because {
        SkippedBecause::Built => "it names what a service builds",
        SkippedBecause::Frontend => "it names what reads the Dockerfile",
        SkippedBecause::NotAContainer => "it is not the image of a container",
    }
}

/// Something that looks like an image and was left alone (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
pub struct SkippedRow {
    line: usize,
    column: usize,
    written: String,
    because: &'static str,
}

impl SkippedRow {
    /// Shows it to programs.
    pub fn of(skipped: &Skipped) -> Self {
        Self {
            line: skipped.line,
            column: skipped.column,
            written: skipped.written.clone(),
            because: match skipped.because {
                SkippedBecause::Built => "built",
                SkippedBecause::Frontend => "frontend",
                SkippedBecause::NotAContainer => "not a container",
            },
        }
    }
}

impl From<ImageFileError> for CliError {
    fn from(error: ImageFileError) -> Self {
        match error {
            ImageFileError::Store(error) => error.into(),
            ImageFileError::UnknownKind { .. } => Self::new(ErrorKind::Usage, error)
                .hint("`--type` tells it: dockerfile, compose or kubernetes"),
            error => Self::new(ErrorKind::Storage, error),
        }
    }
}
