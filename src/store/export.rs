//! Files of an image put into a folder that a person named.
//!
//! The folder may have things in it already, and the image may have been made by somebody hostile:
//! every name is looked up from the folder down, and no link is followed on the way.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chmodat, chownat, linkat,
    mkdirat, mknodat, open, openat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::oci::archive::{Entry, EntryPath, Kind};
use crate::store::StoreError;
use crate::store::files::failed;
use crate::store::streams::create_public_folder;

/// A folder that files are put into.
#[derive(Debug)]
pub struct ExportFolder {
    path: PathBuf,
    top: OwnedFd,
    /// Folders whose mode and time are set when all is in them.
    folders: Vec<Entry>,
    left_out: Vec<EntryPath>,
}

impl ExportFolder {
    /// Opens a folder, and makes it if it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        create_public_folder(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = open(path, flags, Mode::empty());
        let top = opened.map_err(|error| failed("open", path, error.into()))?;
        Ok(Self { path: path.to_owned(), top, folders: Vec::new(), left_out: Vec::new() })
    }

    /// Puts an entry in its place; folders come before what is in them. What is there already is
    /// replaced, but for a folder, which stays. Owners are set as far as that is allowed.
    pub fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), StoreError> {
        let Some((above, name)) = entry.path.split() else { return Ok(()) };
        let name = OsStr::from_bytes(name);
        let wrong = |cause: io::Error| failed("write", &self.shown(&entry.path), cause);
        let parent = self.folder(above).map_err(|error| wrong(error.into()))?;
        let parent = parent.as_fd();
        if entry.kind == Kind::Folder {
            match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) => {}
                Err(Errno::EXIST) => {
                    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
                    let found = found.map_err(|error| wrong(error.into()))?;
                    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                        unlinkat(parent, name, AtFlags::empty())
                            .and_then(|()| mkdirat(parent, name, Mode::from_raw_mode(0o700)))
                            .map_err(|error| wrong(error.into()))?;
                    }
                }
                Err(error) => return Err(wrong(error.into())),
            }
            self.folders.push(entry.clone());
            return Ok(());
        }
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // A folder of the person's is not ours to remove.
            Err(Errno::ISDIR | Errno::PERM) => {
                return Err(StoreError::Exists { path: self.shown(&entry.path) });
            }
            Err(error) => return Err(wrong(error.into())),
        }
        let made = match &entry.kind {
            Kind::File => write_file(parent, name, content),
            Kind::Symlink(target) => {
                symlinkat(OsStr::from_bytes(target), parent, name).map_err(io::Error::from)
            }
            Kind::Hardlink(target) => self.link(target, parent, name),
            Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {
                match make_node(&entry.kind, parent, name) {
                    // Only root makes devices.
                    Err(Errno::PERM) => {
                        self.left_out.push(entry.path.clone());
                        return Ok(());
                    }
                    made => made.map_err(io::Error::from),
                }
            }
            Kind::Folder => Ok(()),
        };
        made.map_err(wrong)?;
        if !matches!(entry.kind, Kind::Hardlink(_)) {
            settle(parent, name, entry).map_err(wrong)?;
        }
        Ok(())
    }

    /// Gives folders their modes and times. Returns what could not be put there.
    pub fn finish(self) -> Result<Vec<EntryPath>, StoreError> {
        for entry in self.folders.iter().rev() {
            let Some((above, name)) = entry.path.split() else { continue };
            let done = self.folder(above).and_then(|parent| {
                let name = OsStr::from_bytes(name);
                settle(parent.as_fd(), name, entry).map_err(|_| Errno::IO)
            });
            done.map_err(|error| failed("write", &self.shown(&entry.path), error.into()))?;
        }
        Ok(self.left_out)
    }

    /// Opens a folder below the top, name by name.
    fn folder(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = self.top.try_clone().map_err(|_| Errno::MFILE)?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let name = OsStr::from_bytes(name);
            folder = openat(folder.as_fd(), name, flags, Mode::empty())?;
        }
        Ok(folder)
    }

    fn link(&self, target: &EntryPath, parent: impl AsFd, name: &OsStr) -> Result<(), io::Error> {
        let Some((above, old)) = target.split() else { return Err(Errno::INVAL.into()) };
        let folder = self.folder(above)?;
        let old = OsStr::from_bytes(old);
        Ok(linkat(folder.as_fd(), old, parent, name, AtFlags::empty())?)
    }

    fn shown(&self, path: &EntryPath) -> PathBuf {
        self.path.join(OsStr::from_bytes(path.as_bytes()))
    }
}

fn write_file(parent: impl AsFd, name: &OsStr, content: &mut dyn Read) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(parent, name, flags, Mode::from_raw_mode(0o600))?;
    let mut file = std::fs::File::from(file);
    io::copy(content, &mut file)?;
    file.flush()
}

fn make_node(kind: &Kind, parent: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let (file_type, major, minor) = match *kind {
        Kind::CharDevice { major, minor } => (FileType::CharacterDevice, major, minor),
        Kind::BlockDevice { major, minor } => (FileType::BlockDevice, major, minor),
        _ => (FileType::Fifo, 0, 0),
    };
    let device = rustix::fs::makedev(major, minor);
    mknodat(parent, name, file_type, Mode::from_raw_mode(0o600), device)
}

/// Owner, mode and time, in this order: a new owner takes bits of the mode away.
fn settle(parent: impl AsFd, name: &OsStr, entry: &Entry) -> io::Result<()> {
    let parent = parent.as_fd();
    let number = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
    if let (Some(uid), Some(gid)) = (number(entry.uid), number(entry.gid)) {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW) {
            // It is ours then.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !matches!(entry.kind, Kind::Symlink(_)) {
        // Nobody else writes here, and what has this name was just made.
        chmodat(parent, name, Mode::from_raw_mode(entry.mode & 0o7777), AtFlags::empty())?;
    }
    let time =
        Timespec { tv_sec: entry.mtime.seconds, tv_nsec: i64::from(entry.mtime.nanoseconds) };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn files_folders_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/out");
        let mut export = ExportFolder::open(&out).unwrap();
        let mut closed = Entry::new(path("a"), Kind::Folder);
        closed.mode = 0o500;
        export.put(&closed, &mut io::empty()).unwrap();
        let mut file = Entry::file(path("a/f"), 3);
        file.mode = 0o640;
        file.mtime.seconds = 7;
        export.put(&file, &mut &b"abc"[..]).unwrap();
        let link = Entry::new(path("a/hard"), Kind::Hardlink(path("a/f")));
        export.put(&link, &mut io::empty()).unwrap();
        let link = Entry::new(path("soft"), Kind::Symlink(b"../x".to_vec().into()));
        export.put(&link, &mut io::empty()).unwrap();
        export.put(&Entry::new(path("pipe"), Kind::Fifo), &mut io::empty()).unwrap();
        assert_eq!(export.finish().unwrap(), []);
        assert_eq!(fs::read(out.join("a/hard")).unwrap(), b"abc");
        let metadata = fs::metadata(out.join("a/f")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o640, 7));
        assert_eq!(metadata.nlink(), 2);
        assert_eq!(fs::read_link(out.join("soft")).unwrap(), Path::new("../x"));
        assert_eq!(fs::metadata(out.join("a")).unwrap().permissions().mode() & 0o7777, 0o500);
    }

    #[test]
    fn no_link_that_is_there_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let [out, outside] = ["out", "outside"].map(|name| folder.path().join(name));
        fs::create_dir(&out).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("f"), b"mine").unwrap();
        symlink(&outside, out.join("a")).unwrap();
        symlink(outside.join("f"), out.join("f")).unwrap();
        let mut export = ExportFolder::open(&out).unwrap();
        let below = export.put(&Entry::file(path("a/f"), 1), &mut &b"x"[..]);
        assert!(matches!(below, Err(StoreError::Io { .. })), "{below:?}");
        export.put(&Entry::new(path("a"), Kind::Folder), &mut io::empty()).unwrap();
        export.put(&Entry::file(path("a/f"), 1), &mut &b"x"[..]).unwrap();
        export.put(&Entry::file(path("f"), 1), &mut &b"x"[..]).unwrap();
        export.finish().unwrap();
        assert_eq!(fs::read(outside.join("f")).unwrap(), b"mine");
        assert_eq!(fs::read(out.join("a/f")).unwrap(), b"x");
        assert!(fs::symlink_metadata(out.join("a")).unwrap().is_dir());
    }

    #[test]
    fn a_folder_of_the_person_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("f")).unwrap();
        let mut export = ExportFolder::open(folder.path()).unwrap();
        let error = export.put(&Entry::file(path("f"), 0), &mut io::empty()).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    }
}
