//! A context that comes as an archive.

use std::io::Read;
use std::path::Path;

use crate::build::content::Files;
use crate::build::context::error::ContextError;
use crate::build::context::reading::Reading;
use crate::build::draft::Draft;
use crate::build::layer::apply;
use crate::build::unpack::{Unpacking, unpack};

/// The files of an archive: tar, plain or packed with gzip, bzip2, xz or zstd. Contents wait in a
/// hidden file in the folder `scratch`, which is gone with the last of them. What `.dockerignore`
/// leaves out is for [`super::without`].
pub fn from_archive(
    stream: &mut dyn Read,
    scratch: &Path,
    how: &Reading,
) -> Result<Files, ContextError> {
    let nothing = Files::default();
    let mut draft = Draft::new(&nothing, how.epoch);
    let top = draft.top();
    unpack(stream, &mut draft, &top, Unpacking { owner: None, scratch })?;
    let mut unpacked = Files::default();
    apply(&mut unpacked, &draft.finish())?;
    // Two names of one file are two files, as they are in a folder.
    let mut files = Files::default();
    for (path, id) in unpacked.walk() {
        let Some(inode) = unpacked.get(id) else { continue };
        let mut entry = inode.entry(path);
        how.settle(&mut entry);
        files.put(&entry, inode.content.clone())?;
    }
    Ok(files)
}
