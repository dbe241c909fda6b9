//! The errors of commands of images, as kinds and hints.

use crate::actions::commit::CommitError;
use crate::actions::run::RunImageError;
use crate::build::layer::write::WriteError;
use crate::build::runner::RunError;
use crate::cli::error::{Classified, CliError, ErrorKind, classified_by, classify_image_layout};

classified_by! {
    RunError => classify_run,
}

/// What an error of a sandbox is for the exit code.
pub(super) fn classify_run(error: &RunError) -> Classified {
    match error {
        RunError::NotInImage { .. } => (ErrorKind::NoProgram, None),
        RunError::NotExecutable { .. } => (ErrorKind::NotExecutable, None),
        RunError::Interrupted => (ErrorKind::Interrupted, None),
        RunError::Unsupported { .. } => (ErrorKind::Usage, None),
        RunError::Layout(cause) => classify_image_layout(cause),
        _ => (ErrorKind::Storage, None),
    }
}

impl From<RunImageError> for CliError {
    fn from(error: RunImageError) -> Self {
        match error {
            RunImageError::Pull(cause) => cause.into(),
            RunImageError::Find(cause) => cause.into(),
            RunImageError::Layer(cause) => cause.into(),
            RunImageError::Run(cause) => cause.into(),
            RunImageError::Layout(cause) | RunImageError::Write(WriteError::Layout(cause)) => {
                cause.into()
            }
            RunImageError::NoCommand => {
                Self::new(ErrorKind::Usage, error).hint("give one after the name of the image")
            }
            RunImageError::Write(_) | RunImageError::Canonical(_) => {
                Self::new(ErrorKind::Storage, error)
            }
        }
    }
}

impl From<CommitError> for CliError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Find(cause) => cause.into(),
            CommitError::Layout(cause) => cause.into(),
            CommitError::Change(_) | CommitError::Canonical(_) => {
                Self::new(ErrorKind::Usage, error)
            }
        }
    }
}
