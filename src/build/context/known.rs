//! Contents that need not be read again to know what they are.

use std::path::Path;

/// What is known of the files of one folder.
#[derive(Debug, Default)]
pub struct KnownFiles {}

impl KnownFiles {
    /// What earlier builds learned of this folder; nothing if that cannot be read. `work` is the
    /// folder that builds keep things in.
    pub fn load(_work: &Path, _folder: &Path) -> Self {
        Self {}
    }

    /// Keeps what is known for later builds, as far as that can be done.
    pub fn save(&self) {}
}
