//! Content: written under a name of its own, sealed when it is complete, and only then referenced
//! by the database.

use std::path::{Path, PathBuf};

/// Where content is. Nothing outside knows that it is a folder.
#[derive(Debug)]
pub struct BlobStore {
    root: PathBuf,
}

impl BlobStore {
    /// Content in this folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
