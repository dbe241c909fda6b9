//! How files become those of a context, and which do not.

use std::io::Read;
use std::sync::Arc;

use crate::build::content::Files;
use crate::build::context::error::ContextError;
use crate::build::context::known::KnownFiles;
use crate::dockerfile::Ignore;
use crate::oci::archive::{Entry, Kind, Time};
use crate::oci::canonical::checkout_mode;

/// How the files of a context are taken.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Whether modes are kept as they are; else they become git's two.
    pub keeps_modes: bool,
    /// The time that all get, in seconds since 1970.
    pub epoch: i64,
    /// What is known of contents, and learns more.
    pub known: Arc<KnownFiles>,
}

/// Says what is left out of a context. Paths are bytes, from its top, without a slash at the
/// beginning.
pub trait Exclusion {
    /// Whether this is left out.
    fn excludes(&self, path: &[u8]) -> bool;

    /// Whether a folder is left out, and everything that may be below it.
    fn may_skip(&self, folder: &[u8]) -> bool;
}

/// Leaves out nothing.
impl Exclusion for () {
    fn excludes(&self, _path: &[u8]) -> bool {
        false
    }

    fn may_skip(&self, _folder: &[u8]) -> bool {
        false
    }
}

impl Exclusion for Ignore {
    fn excludes(&self, path: &[u8]) -> bool {
        self.excludes(path)
    }

    fn may_skip(&self, folder: &[u8]) -> bool {
        self.may_skip(folder)
    }
}

impl Reading {
    /// Makes an entry what it is in a context: root's, at the build's time, without attributes, and
    /// unless modes are kept with one of git's two.
    pub(super) fn settle(&self, entry: &mut Entry) {
        (entry.uid, entry.gid) = (0, 0);
        entry.mtime = Time { seconds: self.epoch, nanoseconds: 0 };
        entry.xattrs.clear();
        if !self.keeps_modes || matches!(entry.kind, Kind::Symlink(_)) {
            entry.mode = checkout_mode(&entry.kind, entry.mode);
        }
    }
}

/// The same files without what is left out. A folder that is left out is there if something in it
/// is.
pub fn without(files: &Files, exclusion: &dyn Exclusion) -> Result<Files, ContextError> {
    let mut kept = Files::default();
    for (path, id) in files.walk() {
        let Some(inode) = files.get(id) else { continue };
        if exclusion.excludes(path.as_bytes()) {
            continue;
        }
        for (above, folder) in files.above(&path) {
            if kept.at(&above).is_none()
                && let Some(folder) = files.get(folder)
            {
                kept.put(&folder.entry(above), None)?;
            }
        }
        kept.put(&inode.entry(path), inode.content.clone())?;
    }
    Ok(kept)
}

/// Reads a file of at most `limit` bytes; `None` if there is none at this path.
pub fn read_file(files: &Files, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ContextError> {
    let Some((found, id)) = files.find(path.as_bytes())? else { return Ok(None) };
    let Some(inode) = files.get(id).filter(|inode| inode.kind == Kind::File) else {
        return Ok(None);
    };
    let path = found.to_string();
    if inode.size > limit {
        return Err(ContextError::TooLarge { path, limit });
    }
    let mut bytes = Vec::new();
    if let Some(content) = &inode.content {
        let read = content.open().and_then(|reader| reader.take(limit).read_to_end(&mut bytes));
        read.map_err(|cause| ContextError::Content { path, cause })?;
    }
    Ok(Some(bytes))
}
