//! The errors of collections that are carried from server to server, as kinds and hints: what
//! [`crate::cli::error`] is for the layers below.

use crate::actions::repo::import::BringError;
use crate::cli::error::{Classified, CliError, ErrorKind, classified_by};
use crate::client::NotaryError;
use crate::server::import::ImportError;
use crate::store::rescue::RescueFolderError;

classified_by! {
    ImportError => classify_import,
}

impl From<BringError> for CliError {
    fn from(error: BringError) -> Self {
        match error {
            BringError::Folder(error) => of_folder(error),
            BringError::Connection(error) => error.into(),
            BringError::Server(error) => of_server(error),
            BringError::NothingCurrent { .. } => {
                Self::new(ErrorKind::Untrusted, error).hint(NOTHING_CURRENT)
            }
            BringError::NotTaken { .. } => Self::new(ErrorKind::Failed, error).hint(
                "only a server of `trust serve` takes collections as they are; others sign \
                 timestamps of their own, which clients that saw later ones refuse",
            ),
            BringError::TooLarge { .. } => Self::new(ErrorKind::Failed, error)
                .hint("the server's configuration says how large a publication may be"),
        }
    }
}

/// A refusal of a collection by a server of ours.
fn of_server(error: NotaryError) -> CliError {
    let name = match &error {
        NotaryError::Rejected { name, .. } => name.as_deref().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match name.as_str() {
        "ErrFork" | "ErrRolledBack" | "ErrForeign" => {
            CliError::new(ErrorKind::Tampered, error).hint(CONTRADICTS)
        }
        "ErrNothingCurrent" => CliError::new(ErrorKind::Untrusted, error).hint(NOTHING_CURRENT),
        _ => error.into(),
    }
}

pub(super) fn classify_import(error: &ImportError) -> Classified {
    match error {
        ImportError::NothingCurrent { .. } => (ErrorKind::Untrusted, Some(NOTHING_CURRENT)),
        ImportError::Foreign { .. } | ImportError::Fork { .. } | ImportError::RolledBack { .. } => {
            (ErrorKind::Tampered, Some(CONTRADICTS))
        }
        ImportError::NotHeld { .. } => (ErrorKind::Policy, None),
        ImportError::SignerElsewhere { .. } | ImportError::KeyOfOwner { .. } => {
            (ErrorKind::Key, None)
        }
        ImportError::Restless { .. } => (ErrorKind::Busy, None),
        ImportError::Check(_) => (ErrorKind::Internal, None),
        _ => (ErrorKind::Storage, None),
    }
}

/// An error of a rescue folder that is brought to a server.
pub fn of_folder(error: RescueFolderError) -> CliError {
    match error {
        RescueFolderError::Store(error) => error.into(),
        RescueFolderError::NotOne { .. } => CliError::new(ErrorKind::Usage, error)
            .hint("`trust rescue` makes such folders (spec/rescue.md)"),
        RescueFolderError::NoCollection { .. } => CliError::new(ErrorKind::NotFound, error),
        error => CliError::new(ErrorKind::Storage, error),
    }
}

const NOTHING_CURRENT: &str = "`trust rescue check` says what is wrong with each file; what cannot \
                               be verified is not served";
const CONTRADICTS: &str = "nothing was changed: what the server has was seen by readers, who would \
                           refuse the other";
