//! Archives that are unpacked into the files of a build: those of `ADD`, and contexts.
//!
//! They are unpacked as `tar` would, never outside the tree: parents may be symbolic links, which
//! lead to places inside it, an entry takes the place of what is there, and folders are one with
//! those that are there. Names by which layers say that a file is gone mean nothing.

use std::io::Read;
use std::path::Path;

use crate::build::draft::{Draft, NewFolder, Place};
use crate::build::spool::ContentSpool;
use crate::oci::archive::{ArchiveError, ArchiveReader, Entry, Expander, Expansion, Kind};
use crate::store::StoreError;

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What becomes of entries.
#[derive(Debug, Clone, Copy)]
pub struct Unpacking<'a> {
    /// Who gets them, if not whom the archive says.
    pub owner: Option<(u32, u32)>,
    /// A folder where contents wait.
    pub scratch: &'a Path,
}

/// Whether a stream is an archive: tar, plain or packed, with at least one entry. An archive with
/// something wrong in it is one.
pub fn is_archive(stream: &mut dyn Read) -> Result<bool, ArchiveError> {
    let first = Expander::of_any(stream, Expansion::default())
        .and_then(|expander| ArchiveReader::new(expander).next_entry());
    match first {
        Ok(first) => Ok(first.is_some()),
        Err(ArchiveError::Io(cause)) => Err(ArchiveError::Io(cause)),
        Err(ArchiveError::NoHeader { .. } | ArchiveError::Truncated | ArchiveError::Damaged(_)) => {
            Ok(false)
        }
        Err(_) => Ok(true),
    }
}

/// Unpacks an archive into a folder, which is there.
pub fn unpack(
    stream: &mut dyn Read,
    draft: &mut Draft<'_>,
    folder: &Place,
    how: Unpacking<'_>,
) -> Result<(), UnpackError> {
    let mut archive = ArchiveReader::new(Expander::of_any(stream, Expansion::default())?);
    let mut spool = ContentSpool::begin(how.scratch)?;
    while let Some(mut entry) = archive.next_entry()? {
        let Some((above, last)) = entry.path.split() else { continue };
        let above = [folder.path.as_bytes(), above].join(&b'/');
        let parent = draft.resolve(&above)?;
        let new = NewFolder { mode: 0o755, owner: (0, 0) };
        draft.make_folders(&parent, new)?;
        let path = parent.path.child(last);
        if let Kind::Hardlink(target) = &entry.kind {
            let Some((above, name)) = target.split() else {
                return Err(not_a_file(&entry, target.to_string()).into());
            };
            let above = draft.resolve(&[folder.path.as_bytes(), above].join(&b'/'))?;
            let found = draft.child(&above, name);
            if draft.link(&path, &found).is_none() {
                return Err(not_a_file(&entry, target.to_string()).into());
            }
            continue;
        }
        let content = if entry.size > 0 {
            Some(spool.take(&mut archive).map_err(ArchiveError::from)?)
        } else {
            None
        };
        entry.path = path;
        if let Some((uid, gid)) = how.owner {
            (entry.uid, entry.gid) = (uid.into(), gid.into());
        }
        if matches!(entry.kind, Kind::Symlink(_)) {
            entry.mode = 0o777;
        }
        draft.put(entry, content)?;
    }
    archive.finish()?;
    spool.finish();
    Ok(())
}

fn not_a_file(entry: &Entry, target: String) -> ArchiveError {
    ArchiveError::LinkTarget { path: entry.path.to_string(), target }
}
