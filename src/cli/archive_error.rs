//! What the errors of layers and archives are to a person: the kind, and what can be done.

use crate::actions::image::canonicalize::CanonicalizeError;
use crate::actions::image::diff::DiffError;
use crate::actions::image::flatten::FlattenError;
use crate::actions::image::import::ImportError;
use crate::actions::image::load::LoadError;
use crate::actions::image::save::SaveError;
use crate::cli::error::{CliError, ErrorKind};
use crate::oci::archive::ArchiveError;
use crate::oci::canonical::CanonicalError;
use crate::store::images::layer_archive::LayerError;

impl From<LayerError> for CliError {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Layout(cause) => cause.into(),
            LayerError::Archive { ref cause, .. } => {
                let (kind, hint) = archive(cause);
                hinted(Self::new(kind, error), hint)
            }
            LayerError::WrongContent { .. } | LayerError::OtherCompression { .. } => {
                Self::new(ErrorKind::Tampered, error)
            }
            _ => Self::new(ErrorKind::Storage, error),
        }
    }
}

impl From<SaveError> for CliError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Find(cause) => cause.into(),
            SaveError::Layout(cause) => cause.into(),
            SaveError::Write(cause) => cause.into(),
            SaveError::Archive(_) => Self::new(ErrorKind::Internal, error),
        }
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        let (kind, hint) = match error {
            LoadError::Layout(cause) => return cause.into(),
            LoadError::Layer(cause) => return cause.into(),
            LoadError::Archive(ref cause) => archive(cause),
            LoadError::WrongBlob { .. } | LoadError::Disagree { .. } => (ErrorKind::Tampered, None),
            LoadError::NoPlatform { .. } => (ErrorKind::NotFound, None),
            LoadError::TooOld => {
                (ErrorKind::Storage, Some("load it with docker, and save it anew from there"))
            }
            LoadError::NoImages => (
                ErrorKind::Storage,
                Some("`trust image import` makes an image of an archive of files"),
            ),
            _ => (ErrorKind::Storage, None),
        };
        hinted(Self::new(kind, error), hint)
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Change(_) => Self::new(ErrorKind::Usage, error),
            ImportError::Layer(cause) => cause.into(),
            ImportError::Layout(cause) => cause.into(),
        }
    }
}

impl From<FlattenError> for CliError {
    fn from(error: FlattenError) -> Self {
        match error {
            FlattenError::Find(cause) => cause.into(),
            FlattenError::Layer(cause) => cause.into(),
            FlattenError::Layout(cause) => cause.into(),
            _ => Self::new(ErrorKind::Usage, error),
        }
    }
}

impl From<CanonicalizeError> for CliError {
    fn from(error: CanonicalizeError) -> Self {
        match error {
            CanonicalizeError::Find(cause) => cause.into(),
            CanonicalizeError::Layer(cause) => cause.into(),
            CanonicalizeError::Layout(cause) => cause.into(),
            CanonicalizeError::Canonical(CanonicalError::Io(cause)) => {
                LayerError::of("of files", cause).into()
            }
            CanonicalizeError::Canonical(CanonicalError::Epoch { .. })
            | CanonicalizeError::Os { .. } => Self::new(ErrorKind::Usage, error),
            CanonicalizeError::Canonical(_) => Self::new(ErrorKind::Storage, error),
        }
    }
}

impl From<DiffError> for CliError {
    fn from(error: DiffError) -> Self {
        match error {
            DiffError::Find(cause) => cause.into(),
            DiffError::Layer(cause) => cause.into(),
            DiffError::Layout(cause) => cause.into(),
            _ => Self::new(ErrorKind::Usage, error),
        }
    }
}

fn hinted(error: CliError, hint: Option<&'static str>) -> CliError {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What kind of failure an archive is that cannot be used.
pub(super) fn kind_of(error: &ArchiveError) -> ErrorKind {
    archive(error).0
}

/// What is no honest archive is told apart from what is broken.
fn archive(error: &ArchiveError) -> (ErrorKind, Option<&'static str>) {
    let more = Some("`--max-size` allows more, if you know where this comes from");
    match error {
        ArchiveError::Escapes { .. } => (ErrorKind::Tampered, None),
        ArchiveError::Bomb { .. } => (ErrorKind::Tampered, more),
        ArchiveError::TooLarge { .. } => (ErrorKind::Policy, more),
        ArchiveError::ForeignCompression { .. } => {
            (ErrorKind::Storage, Some("unpack it first; gzip and zstd are read as they are"))
        }
        _ => (ErrorKind::Storage, None),
    }
}
