//! One entry of an archive.

use std::collections::BTreeMap;

use crate::oci::archive::path::EntryPath;

/// A file, folder, link or device, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: EntryPath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with those for set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Number of the user.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
    /// When it was last changed.
    pub mtime: Time,
    /// Length of the content, in bytes; zero for everything but files.
    pub size: u64,
    /// Extended attributes by their full names, such as `security.capability`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; its target is text that means something inside the image alone.
    Symlink(Box<[u8]>),
    /// Another name of a file in the same image.
    Hardlink(EntryPath),
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
}

/// A time since 1970, which may be before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that, below a thousand million.
    pub nanoseconds: u32,
}

impl Entry {
    /// An entry of root's, without a time, that everybody may read.
    pub fn new(path: EntryPath, kind: Kind) -> Self {
        let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
        let mtime = Time::default();
        Self { path, kind, mode, uid: 0, gid: 0, mtime, size: 0, xattrs: BTreeMap::new() }
    }

    /// A file of this length, in bytes.
    pub fn file(path: EntryPath, size: u64) -> Self {
        Self { size, ..Self::new(path, Kind::File) }
    }
}

impl Kind {
    /// The word for people and programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "directory",
            Self::Symlink(_) => "symlink",
            Self::Hardlink(_) => "hardlink",
            Self::CharDevice { .. } => "character device",
            Self::BlockDevice { .. } => "block device",
            Self::Fifo => "fifo",
        }
    }
}
