//! What a step changes in the files of a stage.

use std::collections::BTreeMap;

use crate::build::content::Content;
use crate::oci::archive::{Entry, EntryPath};

/// What becomes of paths; each at most once, whatever a step did on the way.
///
/// An entry for a folder says what the folder is, and leaves what is in it. Anything else takes the
/// place of what was there, and so does what is put where something was removed in the same step.
/// Hard links lead to paths of the same changes.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What is done, by path.
    pub paths: BTreeMap<EntryPath, Change>,
}

/// What becomes of a path.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whether what the layers below have there goes, with all that is in it.
    pub removes: bool,
    /// What is there then, with its bytes if it is a file that is not empty.
    pub puts: Option<(Entry, Option<Content>)>,
}

impl Changes {
    /// Puts something at its path.
    pub fn put(&mut self, entry: Entry, content: Option<Content>) {
        let path = entry.path.clone();
        self.paths.insert(path, Change { removes: false, puts: Some((entry, content)) });
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}
