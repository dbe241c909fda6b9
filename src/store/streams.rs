//! Files too large to be held: written piece by piece, read piece by piece.
//!
//! With [`crate::store::files`] the only place that touches the disk.

#![expect(clippy::disallowed_methods, reason = "files that are too large to be held")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::store::StoreError;
use crate::store::files::{Temporary, Unsynced, failed, is_absence, step};

/// A hidden file that grows piece by piece, and gets its name when it is whole. Dropped before
/// that, it is gone.
#[derive(Debug)]
pub struct Spool {
    temporary: Temporary,
    written: u64,
}

impl Spool {
    /// Begins a file in a folder that exists, on the disk where it is to stay.
    pub fn begin(folder: &Path, mode: u32) -> Result<Self, StoreError> {
        Ok(Self { temporary: Temporary::begin(folder, mode)?, written: 0 })
    }

    /// How many bytes it has.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Takes the next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        let mut file = self.temporary.file();
        let written = file.write_all(piece);
        written.map_err(|cause| failed("write", self.temporary.path(), cause))?;
        self.written = self.written.saturating_add(piece.len() as u64);
        Ok(())
    }

    /// Throws away what was written.
    pub fn rewind(&mut self) -> Result<(), StoreError> {
        let mut file = self.temporary.file();
        let rewound = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        rewound.map_err(|cause| failed("write", self.temporary.path(), cause))?;
        self.written = 0;
        Ok(())
    }

    /// Opens what was written so far for reading, from its beginning.
    pub fn reader(&self) -> Result<File, StoreError> {
        let path = self.temporary.path();
        File::open(path).map_err(|cause| failed("open", path, cause))
    }

    /// Gives the file its name, in the place of one that may be there. The file and its folder are
    /// the caller's to sync.
    pub fn name(self, path: &Path) -> Result<Unsynced, StoreError> {
        step("replace", path)?;
        fs::rename(self.temporary.path(), path).map_err(|cause| failed("replace", path, cause))?;
        Ok(self.temporary.into_unsynced(path))
    }
}

/// Opens a file for reading if there is one, and tells its size; links are not followed.
pub fn open(path: &Path) -> Result<Option<(File, u64)>, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if is_absence(&cause) => return Ok(None),
        Err(cause) => return Err(failed("open", path, cause)),
    };
    let metadata = file.metadata().map_err(|cause| failed("inspect", path, cause))?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    Ok(Some((file, metadata.len())))
}

/// The size of a regular file, in bytes, and how long ago it was last written, in seconds; `None`
/// if there is no such file.
pub fn size_and_age(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let age = metadata.modified().ok().and_then(|time| time.elapsed().ok());
    metadata.is_file().then(|| (metadata.len(), age.unwrap_or_default().as_secs()))
}

/// Opens a file that a person named, for reading; `-` is the standard input.
pub fn open_user_file(path: &Path) -> Result<Box<dyn Read + Send>, StoreError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    if file.metadata().map_err(|cause| failed("inspect", path, cause))?.is_dir() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    Ok(Box::new(file))
}

/// Makes a folder for everybody to read, the user's umask permitting, and those above it.
pub fn create_public_folder(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    step("create", path)?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|cause| failed("create", path, cause))
}

/// Moves on in an open file.
pub(super) fn skip(file: &mut File, path: &Path, offset: u64) -> Result<(), StoreError> {
    let moved = file.seek(SeekFrom::Start(offset));
    moved.map(drop).map_err(|cause| failed("read", path, cause))
}
