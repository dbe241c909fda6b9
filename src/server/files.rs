//! Small files of the server: keys, certificates, configuration. With the content, the only files
//! outside the database.

#![expect(clippy::disallowed_methods, reason = "the small files are read and made here")]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::server::kill;

/// Why a secret is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Others can read it.
    #[error("{} has mode {mode:03o}, so that others can read it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Reading or writing failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is larger than such a file is.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// It is no text.
    #[error("{} is not UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link leads out of the folder that is read.
    #[error("{} leads out of the folder", path.display())]
    Outside {
        /// The link, or what is behind it.
        path: PathBuf,
    },
    /// Another server works in the folder.
    #[error("another server works in {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// Holds a folder for one server, until it is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes a folder, which is made if it is missing; nobody else has it then.
    pub fn take(folder: &Path) -> Result<Self, FileError> {
        make_folder(folder)?;
        let path = folder.join(LOCK);
        let opened =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|cause| failed("open", &path, cause))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(failed("lock", &path, cause)),
        }
    }
}

/// Makes a folder, and those above it that are missing, for their owner alone.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|cause| failed("make the folder", folder, cause))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Not to block on a pipe that somebody put in the place of a file.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|cause| failed("open", path, cause))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let taken = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    taken.map_err(|cause| failed("read", path, cause))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// As [`read`]; `None` if there is no such file.
pub fn read_if_present(path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    match read(path, limit) {
        Err(FileError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// As [`read`], of text.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    let bytes = read(path, limit)?;
    let text = std::str::from_utf8(&bytes);
    Ok(text.map_err(|_| FileError::NotText { path: path.to_owned() })?.to_owned())
}

/// Replaces a file, or makes it, with these permissions, in one step that a crash cannot halve.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let name = format!(".trust-tmp-{}", uuid::Uuid::new_v4().simple());
    let temporary = folder_of(path).join(name);
    kill::step();
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
    let mut file = opened.map_err(|cause| failed("make", path, cause))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    kill::step();
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    kill::step();
    if let Err(cause) = replaced {
        drop(fs::remove_file(&temporary));
        return Err(failed("write", path, cause));
    }
    let synced = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    synced.map_err(|cause| failed("write", path, cause))
}

/// Makes an empty file for its owner alone, unless there is one.
pub fn ensure_private(path: &Path) -> Result<(), FileError> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.map(drop).map_err(|cause| failed("open", path, cause))
}

/// Removes a file; that there is none is no error.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, cause)),
        _ => Ok(()),
    }
}

/// Reads a secret of at most `limit` bytes from a file that nobody but its owner can read.
pub fn read_secret(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    let metadata = file.metadata().map_err(|cause| failed("inspect", path, cause))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|cause| failed("read", path, cause))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let cause = io::Error::other("it is too large");
        return Err(failed("read", path, cause));
    }
    Ok(bytes)
}

/// Makes a file that only its owner can read, durably, whole or not at all. A file that is there
/// already stays, and is an error of the kind [`io::ErrorKind::AlreadyExists`].
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut new = NewFile::begin(path)?;
    kill::step();
    new.file().write_all(bytes).map_err(|cause| failed("write", path, cause))?;
    new.finish()
}

/// Whether something is at this path.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A file on its way: nobody sees it before [`NewFile::finish`], and without that it is removed.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file of mode 0600 beside where it will be. The folder must exist.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        if exists(path) {
            return Err(failed("make", path, io::ErrorKind::AlreadyExists.into()));
        }
        let name = format!(".trust-tmp-{}", uuid::Uuid::new_v4().simple());
        let temporary = folder_of(path).join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|cause| failed("make", path, cause))?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    /// What is written to.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes the file durable and gives it its name, unless somebody else took that meanwhile.
    pub fn finish(self) -> Result<(), FileError> {
        let at = |cause| failed("make", &self.path, cause);
        self.file.sync_all().map_err(at)?;
        // Linking, unlike renaming, replaces nothing.
        kill::step();
        fs::hard_link(&self.temporary, &self.path).map_err(at)?;
        kill::step();
        File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all()).map_err(at)
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.temporary) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a temporary file stays");
        }
    }
}

/// The files under a folder, by their paths from it with slashes, at most `depth` folders deep.
/// Folders and files that `leave_out` says are passed over, and so is what is neither.
pub fn list(
    folder: &Path,
    depth: usize,
    leave_out: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, FileError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new(), depth)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        let at = |cause| failed("read the folder", &folder, cause);
        for entry in fs::read_dir(&folder).map_err(at)? {
            let entry = entry.map_err(at)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(at)?;
            if leave_out(&path) {
                continue;
            }
            if kind.is_file() {
                found.push(path);
            } else if kind.is_dir() && depth > 1 {
                folders.push((entry.path(), format!("{path}/"), depth - 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A folder of somebody else's that is only read, and nothing outside it: symbolic links in it are
/// followed as long as they stay in it.
#[derive(Debug)]
pub struct ForeignFolder {
    top: OwnedFd,
    path: PathBuf,
}

impl ForeignFolder {
    /// Opens a folder.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty());
        let top = top.map_err(|cause| failed("open the folder", path, cause.into()))?;
        Ok(Self { top, path: path.to_owned() })
    }

    /// Opens a plain file by its path from the folder, to read it; `None` if there is none.
    pub fn open_file(&self, path: &str) -> Result<Option<File>, FileError> {
        // Not to block on a pipe that somebody put in the place of a file.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Some(opened) = self.open_below(path, flags)? else { return Ok(None) };
        let file = File::from(opened);
        let metadata = file.metadata().map_err(|cause| self.failed("inspect", path, cause))?;
        Ok(metadata.is_file().then_some(file))
    }

    /// Reads a whole file of at most `limit` bytes; `None` if there is none.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
        let Some(file) = self.open_file(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let taken = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        taken.map_err(|cause| self.failed("read", path, cause))?;
        if bytes.len() as u64 > limit {
            return Err(FileError::TooLarge { path: self.path.join(path), limit });
        }
        Ok(Some(bytes))
    }

    /// The names in a folder, sorted; none if there is no such folder. Names that are no text are
    /// left out.
    pub fn names(&self, path: &str) -> Result<Vec<String>, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Some(opened) = self.open_below(path, flags)? else { return Ok(Vec::new()) };
        let at = |cause: Errno| self.failed("read the folder", path, cause.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(opened).map_err(at)? {
            let entry = entry.map_err(at)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open_below(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>, FileError> {
        // Registries make no links, and a folder that leads back to itself has no end.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.top, path, flags, Mode::empty(), resolve) {
            Ok(opened) => Ok(Some(opened)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::XDEV | Errno::LOOP) => {
                Err(FileError::Outside { path: self.path.join(path) })
            }
            Err(cause) => Err(self.failed("open", path, cause.into())),
        }
    }

    fn failed(&self, what: &'static str, path: &str, cause: io::Error) -> FileError {
        failed(what, &self.path.join(path), cause)
    }
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|cause| failed("open", path, cause))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(what: &'static str, path: &Path, cause: io::Error) -> FileError {
    FileError::Io { what, path: path.to_owned(), cause }
}

/// The file that is locked.
const LOCK: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let lock = FolderLock::take(&data).unwrap();
        assert!(matches!(FolderLock::take(&data), Err(FileError::InUse { .. })));
        drop(lock);
        FolderLock::take(&data).unwrap();
    }

    #[test]
    fn files_are_bounded_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read_if_present(&path, 10).unwrap().is_none());
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"three", 0o644).unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "three");
        assert!(matches!(read(&path, 4), Err(FileError::TooLarge { .. })));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_secret_that_others_can_read_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_secret(&path, b"secret").unwrap();
        assert_eq!(**read_secret(&path, 6).unwrap(), *b"secret");
        assert!(matches!(read_secret(&path, 5), Err(FileError::Io { .. })));
        for mode in [0o640, 0o604, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_secret(&path, 6);
            assert!(
                matches!(refused, Err(FileError::Exposed { mode: found, .. }) if found == mode)
            );
        }
    }

    #[test]
    fn nothing_outside_a_foreign_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        fs::create_dir_all(inside.join("a")).unwrap();
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        fs::write(inside.join("a/file"), b"file").unwrap();
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
        link("a", "to-a");
        link("../secret", "up");
        link("/etc", "absolute");
        let foreign = ForeignFolder::open(&inside).unwrap();
        assert_eq!(foreign.names(".").unwrap(), ["a", "absolute", "to-a", "up"]);
        assert_eq!(foreign.read("a/file", 4).unwrap().unwrap(), b"file");
        assert!(matches!(foreign.read("a/file", 3), Err(FileError::TooLarge { .. })));
        assert!(foreign.read("a", 9).unwrap().is_none());
        assert!(foreign.read("b", 9).unwrap().is_none());
        assert_eq!(foreign.names("b").unwrap(), [""; 0]);
        for path in
            ["up", "to-a/file", "absolute/passwd", "../secret", "/etc/passwd", "a/../../secret"]
        {
            let refused = foreign.read(path, 9);
            assert!(matches!(refused, Err(FileError::Outside { .. })), "{path}: {refused:?}");
        }
        assert!(matches!(foreign.names("absolute"), Err(FileError::Outside { .. })));
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(NewFile::begin(&path).unwrap());
        let late = NewFile::begin(&path).unwrap();
        create_secret(&path, b"first").unwrap();
        for refused in [create_secret(&path, b"second"), late.finish()] {
            let Err(FileError::Io { cause, .. }) = refused else { panic!("overwritten") };
            assert_eq!(cause.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
