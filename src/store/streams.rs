//! Files too large to be held: written piece by piece, read piece by piece.
//!
//! With [`crate::store::files`] the only place that touches the disk.

#![expect(clippy::disallowed_methods, reason = "files that are too large to be held")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::store::StoreError;
use crate::store::files::{
    Base, PRIVATE_MODE, Temporary, Unsynced, failed, is_absence, open_regular, pass_user_file,
    resolve, step, sync_all,
};

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

/// Copies a file that a person named to another path, in the place of one that may be there, in one
/// step. The folder must exist.
pub fn copy_user_file(from: &Path, to: &Path, mode: u32) -> Result<(), StoreError> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut spool = Spool::begin(folder.unwrap_or(Path::new(".")), mode)?;
    let mut written = Ok(());
    pass_user_file(from, &mut |piece| {
        if written.is_ok() {
            written = spool.write(piece);
        }
    })?;
    written?;
    sync_all(vec![spool.name(to)?, Unsynced::folder_of(to)])
}

/// A hidden file that is written once and read in any order; gone when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    spool: Spool,
    reader: File,
}

/// Reads a part of a [`Scratch`].
#[derive(Debug)]
pub struct Part<'a> {
    scratch: &'a Scratch,
    at: u64,
    left: u64,
}

impl Scratch {
    /// Begins a file in a folder that exists.
    pub fn begin(folder: &Path) -> Result<Self, StoreError> {
        let spool = Spool::begin(folder, PRIVATE_MODE)?;
        let reader = spool.reader()?;
        Ok(Self { spool, reader })
    }

    /// How many bytes it has: where the next ones will be.
    pub fn written(&self) -> u64 {
        self.spool.written()
    }

    /// The bytes from here on, this many.
    pub fn part(&self, at: u64, length: u64) -> Part<'_> {
        Part { scratch: self, at, left: length }
    }
}

impl Write for Scratch {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.spool.write(piece).map(|()| piece.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let wanted = buffer.get_mut(..most).unwrap_or_default();
        let count = self.scratch.reader.read_at(wanted, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// A file that a person named, written piece by piece. A regular file appears, or is replaced, when
/// it is whole; a device or a pipe is written to at once.
#[derive(Debug)]
pub struct UserFile {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Hidden(Spool),
    Open(File),
}

impl UserFile {
    /// Begins the file, for its owner alone; its folder must exist.
    pub fn begin(path: &Path) -> Result<Self, StoreError> {
        let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        // What a link leads to is written, and the link stays.
        let path = if special { path.to_owned() } else { resolve(path) };
        let target = if special {
            let opened = File::options().write(true).open(&path);
            Target::Open(opened.map_err(|cause| failed("open", &path, cause))?)
        } else {
            Target::Hidden(Spool::begin(folder_of(&path), PRIVATE_MODE)?)
        };
        Ok(Self { path, target })
    }

    /// Gives the file its name, once it lasts.
    pub fn finish(self) -> Result<(), StoreError> {
        let Target::Hidden(spool) = self.target else { return Ok(()) };
        let base = Base::new(folder_of(&self.path).to_owned());
        let file = spool.name(&self.path)?;
        let folder = base.changed(base.path())?;
        base.sync_all(vec![file, folder])
    }
}

impl Write for UserFile {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Hidden(spool) => {
                spool.write(piece).map(|()| piece.len()).map_err(io::Error::other)
            }
            Target::Open(file) => file.write(piece),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

/// Opens a file for reading if there is one, and tells its size; links are not followed.
pub fn open(path: &Path) -> Result<Option<(File, u64)>, StoreError> {
    let opened = open_regular(path, OFlags::NOFOLLOW)?;
    Ok(opened.map(|(file, metadata)| (file, metadata.len())))
}

/// The size of a regular file, in bytes, and how long ago it was last written, in seconds; `None`
/// if there is no such file.
pub fn size_and_age(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let age = metadata.modified().ok().and_then(|time| time.elapsed().ok());
    metadata.is_file().then(|| (metadata.len(), age.unwrap_or_default().as_secs()))
}

/// Whether a person named a folder; links are followed.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Removes everything in a folder of ours. No link is followed.
pub fn remove_kept(folder: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(folder).map_err(|cause| failed("list", folder, cause))?;
    for entry in entries {
        let path = entry.map_err(|cause| failed("list", folder, cause))?.path();
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(cause) if is_absence(&cause) => continue,
            Err(cause) => return Err(failed("inspect", &path, cause)),
        };
        step("remove", &path)?;
        let removed =
            if metadata.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|cause| failed("remove", &path, cause))?;
    }
    Ok(())
}

/// How many bytes the files below a folder have, as far as that can be told.
pub fn size_below(folder: &Path) -> u64 {
    let mut bytes = 0_u64;
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                Ok(metadata) => bytes = bytes.saturating_add(metadata.len()),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Whether there is a folder, and no link to one.
pub fn is_real_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
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
