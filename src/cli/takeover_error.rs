//! The errors of servers that are taken over, as kinds and hints: what [`crate::cli::error`] is for
//! the layers below.

use crate::cli::carry_error::classify_import;
use crate::cli::error::{Classified, ErrorKind, classified_by};
use crate::server::files::FileError;
use crate::server::import::keys::PastKeyError;
use crate::server::import::notary::{Refused, TakeoverError};
use crate::server::import::registry::{FolderError, NotTaken};
use crate::server::import::source::SourceError;
use crate::server::import::sql_dump::DumpError;

classified_by! {
    TakeoverError => classify_takeover,
    SourceError => classify_source,
    Refused => classify_refused,
    FolderError => classify_folder,
    NotTaken => classify_not_taken,
}

fn classify_takeover(error: &TakeoverError) -> Classified {
    match error {
        TakeoverError::Source(error) => classify_source(error),
        TakeoverError::Passphrase(error) => classify_key(error),
        TakeoverError::ChangeNumber { .. } => (ErrorKind::Tampered, None),
        TakeoverError::SignerElsewhere => (
            ErrorKind::Key,
            Some(
                "leave the signer's keys where they are, or take `signer.remote` out of the \
                  configuration",
            ),
        ),
        TakeoverError::Import(error) => classify_import(error),
        TakeoverError::Keys(_) => (ErrorKind::Internal, None),
    }
}

fn classify_key(error: &PastKeyError) -> Classified {
    let hint = match error {
        PastKeyError::NoPassphrase { .. } | PastKeyError::Sealed { .. } => {
            Some("set the variables that notary-signer was started with; nothing was changed")
        }
        _ => None,
    };
    (ErrorKind::Key, hint)
}

fn classify_source(error: &SourceError) -> Classified {
    match error {
        SourceError::Dump(error) => classify_dump(error),
        SourceError::Address => (ErrorKind::Usage, None),
        SourceError::Database(_) => (ErrorKind::Network, None),
        SourceError::Spool(_) => (
            ErrorKind::Storage,
            Some("as much room is needed as the dump has, in $TMPDIR or in /var/tmp"),
        ),
        SourceError::NoTable { .. } => (
            ErrorKind::NotFound,
            Some("the server's tables are tuf_files and changefeed, the signer's private_keys"),
        ),
        SourceError::Reader(_) => (ErrorKind::Internal, None),
        SourceError::Value { .. } => (ErrorKind::Storage, None),
    }
}

fn classify_dump(error: &DumpError) -> Classified {
    match error {
        DumpError::Packed { .. } => (
            ErrorKind::Usage,
            Some(
                "`pg_dump -Fp` writes plain text, and `pg_restore -f FILE` makes it of an \
                  archive; gzip is read as it is, all else must be unpacked before",
            ),
        ),
        DumpError::Truncated { .. } => {
            (ErrorKind::Storage, Some("write the dump again, and copy all of it"))
        }
        DumpError::NoTable => (
            ErrorKind::NotFound,
            Some("dump the databases of notary-server and notary-signer, with their data"),
        ),
        DumpError::NoColumns { .. } => (
            ErrorKind::Usage,
            Some(
                "dump the tables with their definitions, or with `--complete-insert` \
                  (mysqldump) or `--column-inserts` (pg_dump)",
            ),
        ),
        DumpError::TwoDatabases { .. } => {
            (ErrorKind::Usage, Some("dump the databases of one notary only"))
        }
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_refused(error: &Refused) -> Classified {
    match error {
        Refused::Name(_) => (ErrorKind::Usage, None),
        Refused::Hash { .. } | Refused::Twice { .. } => (
            ErrorKind::Tampered,
            Some(
                "somebody changed notary's table: restore the rows from a backup, and import \
                  again",
            ),
        ),
        Refused::Keys { .. } => (
            ErrorKind::Tampered,
            Some(
                "no collection comes to so many by itself: delete the keys that no root lists from \
                  the signer's table, and import again",
            ),
        ),
        Refused::Roots { .. } => (
            ErrorKind::Tampered,
            Some("no client follows so many: delete those that nobody needs, and import again"),
        ),
        Refused::Key(error) => classify_key(error),
        Refused::Import(error) => classify_import(error),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_folder(error: &FolderError) -> Classified {
    match error {
        FolderError::NotOne { .. } => (
            ErrorKind::Usage,
            Some("name the folder that the registry's configuration calls `rootdirectory`"),
        ),
        FolderError::File(error) => classify_file(error),
        FolderError::Reader(_) => (ErrorKind::Internal, None),
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_file(error: &FileError) -> Classified {
    match error {
        FileError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
            (ErrorKind::NotFound, None)
        }
        _ => (ErrorKind::Storage, None),
    }
}

fn classify_not_taken(error: &NotTaken) -> Classified {
    match error {
        NotTaken::Damaged { .. } => (
            ErrorKind::Tampered,
            Some("the disk of the old registry lost it: push the image again"),
        ),
        NotTaken::Unreadable { .. } => (
            ErrorKind::Storage,
            Some("the disk of the old registry does not give it out: push the image again"),
        ),
        NotTaken::Name | NotTaken::TagName { .. } => (ErrorKind::Usage, None),
        NotTaken::TagDiffers { .. } => {
            (ErrorKind::Failed, Some("what is here stays; move the tag by hand if it is wrong"))
        }
        _ => (ErrorKind::Storage, None),
    }
}
