//! The errors of collections that are carried from server to server, as kinds and hints: what
//! [`crate::cli::error`] is for the layers below.

use crate::actions::mirror::MirrorError;
use crate::actions::repo::adopt::{AdoptError, Needed};
use crate::actions::repo::import::BringError;
use crate::cli::error::{Classified, CliError, ErrorKind, classified_by};
use crate::client::NotaryError;
use crate::crypto::KeyId;
use crate::server::import::ImportError;
use crate::store::mirror::MirrorFolderError;

classified_by! {
    ImportError => classify_import,
}

impl From<BringError> for CliError {
    fn from(error: BringError) -> Self {
        match error {
            BringError::Folder(error) => error.into(),
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

impl From<AdoptError> for CliError {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Bring(error) => error.into(),
            AdoptError::Renew(error) => error.into(),
            AdoptError::Refresh(error) => error.into(),
            AdoptError::Publish(error) => error.into(),
            AdoptError::Connection(error) => error.into(),
            AdoptError::Server(error) => error.into(),
            AdoptError::Store(error) => error.into(),
            AdoptError::NotThere { .. } => Self::new(ErrorKind::NotFound, error).hint(
                "bring it first, with `trust repo import` or `trust serve --import`; `--from DIR` \
                 does both",
            ),
            AdoptError::OtherServer { root, .. } => {
                let root = match root {
                    Some(root) if root > 1 => format!(
                        "a server of the reference begins with root 1 or 2, and the next one of \
                         this collection would be {}",
                        root.saturating_add(1)
                    ),
                    _ => "a server of the reference takes the next root".to_owned(),
                };
                Self::new(ErrorKind::Failed, error).hint(format!(
                    "{root}; it counts timestamps from 1, which clients that saw later ones \
                     refuse: use a server of `trust serve`"
                ))
            }
            AdoptError::Keys { ref needs, .. } => {
                let hints: Vec<String> = needs.iter().map(needed_words).collect();
                let error = hints.into_iter().fold(Self::new(ErrorKind::Key, error), Self::hint);
                error.hint(
                    "`trust key import` and `trust key restore` bring keys; without the root key \
                     the collection stays an archive",
                )
            }
            AdoptError::ServerKey { .. } => Self::new(ErrorKind::Network, error),
        }
    }
}

impl From<MirrorError> for CliError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Rescue(error) => error.into(),
            MirrorError::Bring(error) => error.into(),
            MirrorError::Publish(error) => error.into(),
            MirrorError::Edit(error) => error.into(),
            MirrorError::Connection(error) => error.into(),
            MirrorError::Server(error) => error.into(),
            MirrorError::Store(error) | MirrorError::Folder(MirrorFolderError::Store(error)) => {
                error.into()
            }
            MirrorError::Rescued(error) => error.into(),
            MirrorError::Refresh(error) => error.into(),
            MirrorError::Unknown { .. } => Self::new(ErrorKind::Untrusted, error).hint(
                "compare its root key id once (`trust inspect`), or pin it (`trust repo pin`)",
            ),
            MirrorError::Name { .. } => Self::new(ErrorKind::Usage, error),
            MirrorError::Feed { .. } => Self::new(ErrorKind::Network, error),
            MirrorError::Folder(error @ MirrorFolderError::Other { .. }) => {
                Self::new(ErrorKind::Usage, error)
                    .hint("`--folder DIR` takes another folder for other servers")
            }
            MirrorError::Folder(error) => Self::new(ErrorKind::Storage, error)
                .hint("move the file away: everything is looked at again, and nothing twice"),
        }
    }
}

/// Which keys are needed, and in which files they are.
pub fn needed_words(needed: &Needed) -> String {
    let Needed { role, threshold, keys } = needed;
    let file = |(id, here): &(KeyId, bool)| {
        let place = if *here { "here" } else { "not here" };
        format!("private/{id}.key ({place})")
    };
    let keys: Vec<String> = keys.iter().map(file).collect();
    format!("{role} is signed by {threshold} of: {}", keys.join(", "))
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
        ImportError::Behind { .. } => (
            ErrorKind::Tampered,
            Some(
                "rows of its newest files are lost or were altered: restore them, and import again",
            ),
        ),
        ImportError::Foreign { .. } | ImportError::Fork { .. } | ImportError::RolledBack { .. } => {
            (ErrorKind::Tampered, Some(CONTRADICTS))
        }
        ImportError::DeletedThere { .. } => (
            ErrorKind::Policy,
            Some(
                "`trust repo delete --remote` deletes it here as well; until then it is served on",
            ),
        ),
        ImportError::TooLarge { .. } | ImportError::NotHeld { .. } => (ErrorKind::Policy, None),
        ImportError::SignerElsewhere { .. }
        | ImportError::KeyOfOwner { .. }
        | ImportError::KeyOfAnother { .. } => (ErrorKind::Key, None),
        ImportError::Restless { .. } => (ErrorKind::Busy, None),
        ImportError::Check(_) => (ErrorKind::Internal, None),
        _ => (ErrorKind::Storage, None),
    }
}

const NOTHING_CURRENT: &str = "`trust rescue check` says what is wrong with each file; what cannot \
                               be verified is not served";
const CONTRADICTS: &str = "nothing was changed: what the server has was seen by readers, who would \
                           refuse the other";
