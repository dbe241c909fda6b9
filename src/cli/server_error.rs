//! The errors of the server's data, as kinds and hints: what [`crate::cli::error`] is for the layers
//! below.

use crate::cli::error::{Classified, ErrorKind, classified_by};
use crate::crypto::sealed::SealedError;
use crate::server::files::FileError;
use crate::server::meta::MetaError;
use crate::server::notary::bump::BumpError;
use crate::server::notary::{RenewalError, SigningError};
use crate::server::signer::SignerError;
use crate::server::signer::reseal::ResealError;
use crate::server::upkeep::backup::BackupError;

classified_by! {
    BackupError => classify_backup,
    MetaError => classify_meta,
    SignerError => classify_signer,
    ResealError => classify_reseal,
    BumpError => classify_bump,
}

fn classify_backup(error: &BackupError) -> Classified {
    match error {
        BackupError::Meta(cause) => classify_meta(cause),
        BackupError::Files(cause) => classify_files(cause),
        BackupError::Sealed(SealedError::Damaged) => {
            (ErrorKind::Key, Some("nothing of it was restored; take another copy of the backup"))
        }
        BackupError::Sealed(_) => (ErrorKind::Key, None),
        BackupError::NotEmpty { .. } => (
            ErrorKind::Storage,
            Some("a backup is restored into a new folder and a new database, and nothing else"),
        ),
        BackupError::Schema { .. } => {
            (ErrorKind::Usage, Some("restore it with the version of the program that made it"))
        }
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_files(error: &FileError) -> Classified {
    match error {
        FileError::Exposed { .. } => {
            (ErrorKind::Key, Some("take the rights of others away with `chmod 600`"))
        }
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_meta(error: &MetaError) -> Classified {
    match error {
        MetaError::Address { .. } => (ErrorKind::Usage, None),
        MetaError::Unavailable(_) => (ErrorKind::Network, None),
        MetaError::Contended(_) => (ErrorKind::Busy, None),
        MetaError::TooNew { .. } => {
            (ErrorKind::Usage, Some("a newer version of the program was here"))
        }
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_signer(error: &SignerError) -> Classified {
    match error {
        SignerError::Source { .. } => (
            ErrorKind::Usage,
            Some("a master key is `file:PATH`, `env:NAME` or `pkcs11:…` (spec/server-keys.md)"),
        ),
        SignerError::File(cause) => classify_files(cause),
        _ => (ErrorKind::Key, None),
    }
}

fn classify_reseal(error: &ResealError) -> Classified {
    match error {
        ResealError::Meta(cause) => classify_meta(cause),
        ResealError::Restless => (ErrorKind::Busy, None),
        _ => (ErrorKind::Key, Some("nothing was changed")),
    }
}

fn classify_bump(error: &BumpError) -> Classified {
    match error {
        BumpError::Absent { .. } => (ErrorKind::NotFound, None),
        BumpError::Archive { .. } => {
            (ErrorKind::Key, Some("its owner can let this server sign for it: `trust repo adopt`"))
        }
        BumpError::Overtaken { .. } => (ErrorKind::Busy, None),
        BumpError::Renewal(error) => match error {
            RenewalError::Meta(error) => classify_meta(error),
            RenewalError::Stored(_) => (
                ErrorKind::Tampered,
                Some("nothing is signed on top of it; `trust fsck` tells more"),
            ),
            RenewalError::Signing(SigningError::Signer(_) | SigningError::NoKey { .. }) => {
                (ErrorKind::Key, None)
            }
            _ => (ErrorKind::Internal, None),
        },
    }
}
