//! Folders of the user's that are read through and through: the contexts of builds.
//!
//! With [`crate::store::files`] and [`crate::store::streams`] what touches the disk. Nothing here
//! leaves the folder: every path begins at its descriptor, and no symbolic link is followed, not
//! even one that took the place of a folder or file a moment ago. Names are bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2,
    readlinkat, statat,
};
use rustix::io::Errno;

use crate::oci::archive::EntryPath;
use crate::store::StoreError;
use crate::store::files::failed;

/// A folder that a person named, held open.
#[derive(Debug)]
pub struct UserFolder {
    top: OwnedFd,
    path: PathBuf,
}

/// What is in one folder, by name.
#[derive(Debug)]
pub struct Listing {
    folder: Dir,
    path: PathBuf,
    /// The names, sorted, each with whether it is a folder, if that is known without asking.
    pub names: Vec<(Box<[u8]>, Option<bool>)>,
}

/// What there is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// Permission bits, with those for set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Which file it is, and since when it has been as it is.
    pub identity: Identity,
}

/// What something on the disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKind {
    /// A file with content.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, and what it says.
    Symlink(Box<[u8]>),
    /// A device of characters.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A device of blocks.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What tells one state of one file from another, as far as that is possible without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file.
    pub inode: u64,
    /// Its length, in bytes.
    pub size: u64,
    /// When its content was last changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
    /// When anything of it was last changed: seconds since 1970, and nanoseconds.
    pub changed: (i64, u32),
}

/// Reads a file that was found, to the length that it had. Its last read fails if it was changed
/// meanwhile.
#[derive(Debug)]
pub struct FoundReader {
    file: File,
    path: PathBuf,
    expected: Identity,
    left: u64,
}

impl UserFolder {
    /// Opens a folder; links that lead to it are followed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(path, flags, Mode::empty());
        let top = opened.map_err(|cause| failed("open", path, cause.into()))?;
        Ok(Self { top, path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in a folder of it.
    pub fn list(&self, folder: &EntryPath) -> Result<Listing, StoreError> {
        let path = self.place(folder);
        let failed = |cause: Errno| self.failure("open", folder, cause);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = self.open_below(folder, flags).map_err(failed)?;
        let mut dir = Dir::new(descriptor).map_err(failed)?;
        let mut names = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(|cause| self.failure("list", folder, cause))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => None,
                kind => Some(kind == FileType::Directory),
            };
            names.push((name.into(), is_folder));
        }
        names.sort_unstable();
        Ok(Listing { folder: dir, path, names })
    }

    /// Opens a file for reading; it must be the one that was found here before, as it was.
    pub fn open_file(
        &self,
        path: &EntryPath,
        expected: &Identity,
    ) -> Result<FoundReader, StoreError> {
        // Not to wait for the other end of a pipe that took the place of the file.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.open_below(path, flags);
        let file = File::from(opened.map_err(|cause| self.failure("open", path, cause))?);
        let (path, expected) = (self.place(path), *expected);
        let reader = FoundReader { file, path, expected, left: expected.size };
        reader.check_unchanged()?;
        Ok(reader)
    }

    /// Opens what is below, through no link.
    fn open_below(&self, path: &EntryPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let whole: &[u8] = if path.is_top() { b"." } else { path.as_bytes() };
        match openat2(&self.top, whole, flags, Mode::empty(), resolve) {
            // An old kernel, or a filter of system calls that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(path, flags),
            opened => opened,
        }
    }

    fn open_step_by_step(&self, path: &EntryPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some((above, last)) = path.split() else {
            return openat(&self.top, c".", flags, Mode::empty());
        };
        let mut folder: Option<OwnedFd> = None;
        for name in above.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let from = folder.as_ref().unwrap_or(&self.top).as_fd();
            folder = Some(openat(from, name, through, Mode::empty())?);
        }
        openat(folder.as_ref().unwrap_or(&self.top), last, flags, Mode::empty())
    }

    /// Where something in it is on this machine.
    pub fn place(&self, path: &EntryPath) -> PathBuf {
        if path.is_top() { self.path.clone() } else { joined(&self.path, path.as_bytes()) }
    }

    fn failure(&self, action: &'static str, path: &EntryPath, cause: Errno) -> StoreError {
        let path = self.place(path);
        match cause {
            // It was there, and no link, when its folder was listed.
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO => {
                StoreError::Changed { path }
            }
            cause => failed(action, &path, cause.into()),
        }
    }
}

impl Listing {
    /// What has this name here.
    pub fn inspect(&self, name: &[u8]) -> Result<Found, StoreError> {
        let failed = |cause: Errno| match cause {
            Errno::NOENT => StoreError::Changed { path: joined(&self.path, name) },
            cause => failed("inspect", &joined(&self.path, name), cause.into()),
        };
        let folder = self.folder.fd().map_err(failed)?;
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FoundKind::File,
            FileType::Directory => FoundKind::Folder,
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(failed)?;
                FoundKind::Symlink(target.into_bytes().into_boxed_slice())
            }
            FileType::CharacterDevice => FoundKind::CharDevice { major, minor },
            FileType::BlockDevice => FoundKind::BlockDevice { major, minor },
            FileType::Fifo => FoundKind::Fifo,
            _ => FoundKind::Socket,
        };
        Ok(Found { kind, mode: stat.st_mode & 0o7777, identity: Identity::of(&stat) })
    }
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        let nanoseconds = |count| u32::try_from(count).unwrap_or_default();
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }
}

impl FoundReader {
    /// Reads all of it into a buffer, in the place of what that has.
    pub fn read_whole(mut self, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        buffer.clear();
        let size = usize::try_from(self.expected.size).unwrap_or_default();
        buffer.reserve(size.saturating_add(1));
        match self.read_to_end(buffer) {
            Ok(_) => Ok(()),
            Err(cause) => match cause.downcast::<StoreError>() {
                Ok(error) => Err(error),
                Err(cause) => Err(failed("read", &self.path, cause)),
            },
        }
    }

    /// Whether this is the file that was found, with a content that nobody changed since. Another
    /// mode or another name of it would change the third time, and no content.
    fn check_unchanged(&self) -> Result<(), StoreError> {
        let stat = fstat(&self.file);
        let stat = stat.map_err(|cause| failed("inspect", &self.path, cause.into()))?;
        let actual = Identity { changed: self.expected.changed, ..Identity::of(&stat) };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && actual == self.expected {
            return Ok(());
        }
        Err(StoreError::Changed { path: self.path.clone() })
    }
}

impl Read for FoundReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(wanted) = buffer.get_mut(..most).filter(|wanted| !wanted.is_empty()) else {
            return Ok(0);
        };
        let count = self.file.read(wanted)?;
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 {
            return Err(io::Error::other(StoreError::Changed { path: self.path.clone() }));
        }
        // With the last byte already, for not everybody reads on to the end.
        if self.left == 0 {
            self.check_unchanged().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

fn joined(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}
