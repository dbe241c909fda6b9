//! What a move to another signing system would need of a collection, and what is lost with it
//! (`spec/policy-export.md`).
//!
//! * [`read`] brings the collection up to date and takes the [`Facts`] out of it
//! * `losses` says what the other system cannot know
//! * [`policy_files`] writes keys, certificates and policy in its form
//! * [`write()`] puts all of it into a new folder at once

mod facts;
mod losses;
mod policies;

use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::files::{TemporaryFolder, create_file, place_folder};
use crate::store::streams::create_public_folder;

pub use facts::{Facts, KeyFacts, RoleFacts, TagFacts, read};
pub use losses::{Loss, NotCarried, losses};
pub use policies::{PolicyFile, policy_files, store_name};

/// For which system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The trust policy and trust store of Notary Project's notation.
    Notation,
    /// Cosign, and Sigstore's policy controller.
    Cosign,
    /// `policy.json` of podman, skopeo, buildah and CRI-O.
    Containers,
}

impl Policy {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notation => "notation",
            Self::Cosign => "cosign",
            Self::Containers => "containers",
        }
    }
}

/// Writes files into a folder that must not exist yet, or be empty: all of them or none.
pub fn write(folder: &Path, files: &[PolicyFile]) -> Result<(), StoreError> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    create_public_folder(&parent)?;
    let temporary = TemporaryFolder::create(&parent)?;
    let inner = temporary.path().join("export");
    create_public_folder(&inner)?;
    for file in files {
        let path = inner.join(&file.path);
        if let Some(above) = path.parent() {
            create_public_folder(above)?;
        }
        create_file(&path, &file.bytes, file.mode)?;
    }
    place_folder(&inner, folder)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at what was written")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_is_written_whole_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/out");
        let files = [PolicyFile::new("x/y.json", b"{}".to_vec()), PolicyFile::new("z", Vec::new())];
        write(&target, &files).unwrap();
        assert_eq!(fs::read(target.join("x/y.json")).unwrap(), b"{}");
        let error = write(&target, &files).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");
        let empty = dir.path().join("a/empty");
        fs::create_dir(&empty).unwrap();
        write(&empty, &files).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(dir.path().join("a")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["empty", "out"]);
    }

    #[test]
    fn a_file_in_the_way_stays() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        fs::write(&target, "mine").unwrap();
        let error = write(&target, &[PolicyFile::new("z", Vec::new())]).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    }
}
