//! The files of a stage after a step.

use crate::build::changes::Changes;
use crate::build::content::Files;
use crate::oci::archive::{ArchiveError, Kind};

/// Makes these changes. Contents are shared, not read.
pub fn apply(files: &mut Files, changes: &Changes) -> Result<(), ArchiveError> {
    for (path, change) in &changes.paths {
        let is_folder = |kind: &Kind| *kind == Kind::Folder;
        let puts_folder = change.puts.as_ref().is_some_and(|(entry, _)| is_folder(&entry.kind));
        if change.removes || !puts_folder {
            files.remove(path);
        }
    }
    // Hard links lead to paths that may come later.
    for links in [false, true] {
        for (entry, content) in changes.paths.values().filter_map(|change| change.puts.as_ref()) {
            if matches!(entry.kind, Kind::Hardlink(_)) == links {
                files.put(entry, content.clone())?;
            }
        }
    }
    Ok(())
}
