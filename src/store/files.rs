//! The one file that touches the disk: bounded reads, atomic writes, locks, modes, containment.
//!
//! [`Base`] is for folders that are ours: nothing it does leaves them. The free functions are for
//! files that a person named. A crash at any point leaves a file as it was or as it should be,
//! never half of it; at worst a hidden `.trust-tmp-…` stays behind, until somebody writes in the
//! same folder: whoever makes such a file holds a lock on it, so one that is not locked is nobody's.
//!
//! To wait for the disk is what takes the time here. What has to last before the next step is
//! therefore gathered as [`Unsynced`] and waited for at once: a journal has it in one commit.

#![expect(clippy::disallowed_methods, reason = "the one file that touches the disk")]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use uuid::Uuid;

use crate::store::StoreError;
#[cfg(test)]
use crate::store::faults;
#[cfg(debug_assertions)]
use crate::store::kill;

/// Mode of files for their owner alone: keys, metadata, credentials.
pub const PRIVATE_MODE: u32 = 0o600;
/// Mode of files for everybody to read, the user's umask permitting.
pub const PUBLIC_MODE: u32 = 0o644;

const FOLDER_MODE: u32 = 0o700;
const TEMPORARY_PREFIX: &str = ".trust-tmp-";
const LOCK_POLL: Duration = Duration::from_millis(20);
/// How much of a file is held at once when it is passed on, in bytes.
const PIECE: usize = 64 << 10;

/// A folder that is ours, and that nothing done through it leaves.
///
/// The folder itself may be reached through symbolic links; below it a link is followed only to
/// places that are below it as well. Making a value touches nothing, and only writing creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    path: PathBuf,
}

/// What a file held when it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContents {
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// Its permission bits, such as `0o600`.
    pub mode: u32,
}

/// A lock on a file, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// A new file or a changed folder that a power cut can still undo; see [`Base::sync_all`].
#[derive(Debug)]
#[must_use = "lasts only once it is synced"]
pub struct Unsynced {
    path: PathBuf,
    /// The file as it was written: opened anew, it might not tell of a write that failed. `None`
    /// for a folder.
    written: Option<Arc<File>>,
}

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Other readers.
    Shared,
    /// Nobody.
    Exclusive,
}

impl Base {
    /// Names the folder; it need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of these segments below the folder, each a plain file name.
    pub fn join<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<PathBuf, StoreError> {
        let mut path = self.path.clone();
        for segment in segments {
            if !is_plain_name(segment) {
                return Err(self.escape(&path.join(segment)));
            }
            path.push(segment);
        }
        Ok(path)
    }

    /// Reads a whole file of at most `limit` bytes; `None` if there is none.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Option<FileContents>, StoreError> {
        self.confine(path)?;
        let Some((file, metadata)) = open_regular(path, OFlags::empty())? else { return Ok(None) };
        let bytes = read_bounded(file, metadata.len(), path, limit)?;
        Ok(Some(FileContents { bytes, mode: metadata.permissions().mode() & 0o7777 }))
    }

    /// Replaces a file, or makes it, in one step that a crash cannot halve. Makes missing folders.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
        self.confine(path)?;
        replace(path, bytes, mode, make_folders(folder_of(path))?)
    }

    /// As [`Base::write`], but what has to be synced is the caller's to sync: until then a power
    /// cut may leave an empty file under the name.
    pub fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<Unsynced>, StoreError> {
        self.confine(path)?;
        let mut unsynced = make_folders(folder_of(path))?;
        let temporary = Temporary::fill(folder_of(path), bytes, mode)?;
        step("replace", path)?;
        fs::rename(&temporary.path, path).map_err(|cause| failed("replace", path, cause))?;
        unsynced.push(temporary.into_unsynced(path));
        unsynced.push(Unsynced::folder_of(path));
        Ok(unsynced)
    }

    /// Adds to the end of a file that exists.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.confine(path)?;
        step("write", path)?;
        let opened = OpenOptions::new().append(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(bytes));
        written.map_err(|cause| failed("write", path, cause))
    }

    /// Makes a file that must not exist yet, whole or not at all. Makes missing folders.
    pub fn create(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
        self.confine(path)?;
        create(path, bytes, mode, make_folders(folder_of(path))?)
    }

    /// Makes a file in a folder that nobody looks into yet; it and the folder are the caller's to
    /// sync.
    pub fn stage(&self, path: &Path, bytes: &[u8]) -> Result<Unsynced, StoreError> {
        self.confine(path)?;
        let file = write_fresh(path, bytes, PRIVATE_MODE)?;
        Ok(Unsynced { path: path.to_owned(), written: Some(Arc::new(file)) })
    }

    /// Makes a folder and those above it that are missing, each for its owner alone.
    pub fn create_folder(&self, folder: &Path) -> Result<(), StoreError> {
        sync_all(self.make_folder(folder)?)
    }

    /// As [`Base::create_folder`], but the folders that hold the new ones are the caller's to sync.
    pub fn make_folder(&self, folder: &Path) -> Result<Vec<Unsynced>, StoreError> {
        self.confine(folder)?;
        make_folders(folder)
    }

    /// Moves a file or folder to another place below the folder, replacing a file there.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.confine(folder_of(from))?;
        self.confine(folder_of(to))?;
        step("rename", from)?;
        fs::rename(from, to).map_err(|cause| failed("rename", from, cause))
    }

    /// Removes a file; returns whether there was one.
    pub fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        self.confine(folder_of(path))?;
        step("remove", path)?;
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(cause) if is_absence(&cause) => Ok(false),
            Err(cause) => Err(failed("remove", path, cause)),
        }
    }

    /// Removes a folder if it is empty; returns whether it is gone.
    pub fn remove_empty(&self, folder: &Path) -> Result<bool, StoreError> {
        self.confine(folder)?;
        step("remove", folder)?;
        match fs::remove_dir(folder) {
            Ok(()) => Ok(true),
            Err(cause) if is_absence(&cause) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(cause) => Err(failed("remove", folder, cause)),
        }
    }

    /// Removes the hidden files that crashed processes left directly in a folder, as far as that
    /// can be done.
    pub fn sweep(&self, folder: &Path) {
        if self.confine(folder).is_ok() {
            sweep(folder);
        }
    }

    /// Makes what was created, renamed or removed in a folder survive a power cut.
    pub fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        sync_all(vec![self.changed(folder)?])
    }

    /// Names a folder in which something was created, renamed or removed.
    pub fn changed(&self, folder: &Path) -> Result<Unsynced, StoreError> {
        self.confine(folder)?;
        Ok(Unsynced { path: folder.to_owned(), written: None })
    }

    /// Makes all of this survive a power cut, in no order and, where a journal allows, at once.
    pub fn sync_all(&self, unsynced: Vec<Unsynced>) -> Result<(), StoreError> {
        sync_all(unsynced)
    }

    /// Whether there is something other than a folder at this path.
    pub fn has(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir())
    }

    /// How many bytes there are at this path; none if nothing is there. A link is not followed.
    pub fn length(&self, path: &Path) -> u64 {
        fs::symlink_metadata(path).map_or(0, |found| found.len())
    }

    /// Whether there is a folder at this path; a link to one is none.
    pub fn has_folder(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
    }

    /// Lists all regular files below a folder, sorted; links are neither listed nor followed.
    ///
    /// A folder that does not exist has none.
    pub fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        self.confine(folder)?;
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder)? {
                let kind = entry.file_type();
                let kind = kind.map_err(|cause| failed("inspect", &entry.path(), cause))?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.push(entry.path());
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Lists the folders below a folder and the folder itself, innermost first; none if it is missing.
    pub fn list_folders(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        self.confine(folder)?;
        let mut found = Vec::new();
        let mut pending: Vec<PathBuf> =
            folder.is_dir().then(|| folder.to_owned()).into_iter().collect();
        while let Some(folder) = pending.pop() {
            for entry in entries(&folder)? {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(entry.path());
                }
            }
            found.push(folder);
        }
        found.reverse();
        Ok(found)
    }

    /// Locks a file, making it and its folders if missing; waits up to `wait`.
    ///
    /// `what` is named in [`StoreError::Locked`]. The file stays when the lock is released:
    /// removing it would let two processes lock different files of one name.
    pub fn lock(
        &self,
        path: &Path,
        kind: LockKind,
        wait: Duration,
        what: &str,
    ) -> Result<FileLock, StoreError> {
        if let Some(lock) = self.lock_existing(path, kind, wait, what)? {
            return Ok(lock);
        }
        self.create_folder(folder_of(path))?;
        step("create", path)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE_MODE)
            .open(path)
            .map_err(|cause| failed("open", path, cause))?;
        acquire(file, path, kind, wait, what)
    }

    /// Locks a file if it exists, as [`Base::lock`]; works on a read-only disk.
    pub fn lock_existing(
        &self,
        path: &Path,
        kind: LockKind,
        wait: Duration,
        what: &str,
    ) -> Result<Option<FileLock>, StoreError> {
        self.confine(path)?;
        match File::open(path) {
            Ok(file) => acquire(file, path, kind, wait, what).map(Some),
            Err(cause) if is_absence(&cause) => Ok(None),
            Err(cause) => Err(failed("open", path, cause)),
        }
    }

    /// Refuses a path that is not below the folder, by its text or through links.
    fn confine(&self, path: &Path) -> Result<(), StoreError> {
        let inner = path.strip_prefix(&self.path).map_err(|_| self.escape(path))?;
        if !inner.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.escape(path));
        }
        if self.is_free_of_links(inner) {
            return Ok(());
        }
        let Ok(real_base) = fs::canonicalize(&self.path) else {
            return Ok(()); // Nothing is there that could be a link; the operation itself will tell.
        };
        for existing in path.ancestors().take_while(|a| a.starts_with(&self.path)) {
            match fs::canonicalize(existing) {
                Ok(real) if real.starts_with(&real_base) => return Ok(()),
                Ok(_) => return Err(self.escape(path)),
                Err(cause) if is_absence(&cause) => {}
                Err(cause) => return Err(failed("resolve", existing, cause)),
            }
        }
        Ok(())
    }

    /// Whether no part of a path below the folder is a link, as far as there is anything: then it
    /// cannot lead elsewhere, and where all links lead need not be found out.
    fn is_free_of_links(&self, inner: &Path) -> bool {
        let mut current = self.path.clone();
        for part in inner.components() {
            current.push(part);
            match fs::symlink_metadata(&current) {
                Ok(found) if found.is_symlink() => return false,
                Ok(_) => {}
                Err(cause) => return is_absence(&cause),
            }
        }
        true
    }

    fn escape(&self, path: &Path) -> StoreError {
        StoreError::Escape { path: path.to_owned(), base: self.path.clone() }
    }
}

/// Shows no contents: the file may be a key.
impl std::fmt::Debug for FileContents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileContents")
            .field("bytes", &self.bytes.len())
            .field("mode", &format_args!("{:o}", self.mode))
            .finish()
    }
}

/// Reads a file that a person named, of at most `limit` bytes. Links and pipes are followed.
pub fn read_user_file(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    let metadata = file.metadata().map_err(|cause| failed("inspect", path, cause))?;
    if metadata.is_dir() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    read_bounded(file, metadata.len(), path, limit)
}

/// As [`read_user_file`], `None` if there is no such file.
pub fn read_user_file_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    match read_user_file(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::Io { cause, .. }) if is_absence(&cause) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file that nobody named and that was found where it is looked for; `None` if there is no
/// such file. What is no regular file is refused: whoever opened a pipe would wait for ever.
pub fn read_found_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((file, metadata)) = open_regular(path, OFlags::empty())? else { return Ok(None) };
    read_bounded(file, metadata.len(), path, limit).map(Some)
}

/// Opens a file for reading if there is one, with these flags besides. What is no regular file is
/// refused, and not waited for: somebody may have put a pipe in the place of a file.
pub(super) fn open_regular(
    path: &Path,
    flags: OFlags,
) -> Result<Option<(File, fs::Metadata)>, StoreError> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(cause) if is_absence(&cause) => return Ok(None),
        Err(cause) => return Err(failed("open", path, cause)),
    };
    let metadata = file.metadata().map_err(|cause| failed("inspect", path, cause))?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    Ok(Some((file, metadata)))
}

/// Passes a file that a person named on, piece by piece; returns its size in bytes.
pub fn pass_user_file(path: &Path, take: &mut dyn FnMut(&[u8])) -> Result<u64, StoreError> {
    let mut file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    if file.metadata().map_err(|cause| failed("inspect", path, cause))?.is_dir() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    let mut piece = vec![0; PIECE];
    let mut size = 0_u64;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(size),
            Ok(read) => {
                take(piece.get(..read).unwrap_or_default());
                size = size.saturating_add(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed("read", path, cause)),
        }
    }
}

/// Reads an inherited file descriptor to its end, at most `limit` bytes.
pub fn read_descriptor(descriptor: u32, limit: u64) -> Result<Vec<u8>, StoreError> {
    let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
    if descriptor == 0 {
        return read_bounded(io::stdin().lock(), 0, &path, limit);
    }
    read_user_file(&path, limit)
}

/// Makes a file that a person named, which must not exist yet, whole or not at all.
///
/// The folder must exist.
pub fn create_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    create(path, bytes, mode, Vec::new())
}

/// Replaces a file that a person named, or makes it, in one step. The folder must exist.
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    replace(path, bytes, mode, Vec::new())
}

/// Replaces what a file that a person named holds in one step, if it still holds `before`. The new
/// file has the mode and, as far as that is allowed, the owner of the old one; a link to it stays.
pub fn rewrite_file(path: &Path, before: &[u8], after: &[u8]) -> Result<(), StoreError> {
    let path = &fs::canonicalize(path).map_err(|cause| failed("open", path, cause))?;
    let metadata = fs::metadata(path).map_err(|cause| failed("inspect", path, cause))?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    let is_unchanged = metadata.len() == before.len() as u64
        && read_user_file(path, metadata.len()).is_ok_and(|bytes| bytes == before);
    if !is_unchanged {
        return Err(StoreError::Changed { path: path.to_owned() });
    }
    let temporary = Temporary::write(folder_of(path), after, PRIVATE_MODE)?;
    temporary.take_after(&metadata)?;
    temporary.rename_to(path)?;
    sync_all(vec![Unsynced::folder_of(path)])
}

/// Makes a link at a path that a person named, in the place of a file that may be there, in one
/// step. The folder must exist.
pub fn link_user_file(target: &Path, path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let temporary = folder.join(format!("{TEMPORARY_PREFIX}{}", Uuid::new_v4()));
    step("create", path)?;
    symlink(target, &temporary).map_err(|cause| failed("create", path, cause))?;
    step("replace", path)?;
    if let Err(cause) = fs::rename(&temporary, path) {
        drop(fs::remove_file(&temporary));
        return Err(failed("replace", path, cause));
    }
    sync_all(vec![Unsynced::folder_of(path)])
}

/// Removes a file or a link that a person named; returns whether there was one.
pub fn remove_user_file(path: &Path) -> Result<bool, StoreError> {
    step("remove", path)?;
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(cause) if is_absence(&cause) => return Ok(false),
        Err(cause) => return Err(failed("remove", path, cause)),
    }
    sync_all(vec![Unsynced::folder_of(path)])?;
    Ok(true)
}

/// Whether something has this path, be it a link that leads nowhere.
pub fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a folder that a person named, and those above it that are missing, each for its owner
/// alone.
pub fn create_user_folder(path: &Path) -> Result<(), StoreError> {
    sync_all(make_folders(path)?)
}

/// A folder for its owner alone, gone with all that is in it when this value is dropped.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a folder of a name that nobody knows.
    pub fn create(parent: &Path) -> Result<Self, StoreError> {
        let path = parent.join(format!("trust-{}", Uuid::new_v4().simple()));
        let made = DirBuilder::new().mode(FOLDER_MODE).create(&path);
        made.map_err(|cause| failed("create", &path, cause))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Lets it stay.
    pub fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Nobody is left to be told.
            drop(fs::remove_dir_all(&self.0));
        }
    }
}

/// Gives a whole folder its place in one step. Nothing must be there, or an empty folder: else it is
/// [`StoreError::Exists`].
pub fn place_folder(from: &Path, to: &Path) -> Result<(), StoreError> {
    step("rename", to)?;
    match fs::rename(from, to) {
        Ok(()) => sync_all(vec![Unsynced::folder_of(to)]),
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::AlreadyExists
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(StoreError::Exists { path: to.to_owned() })
        }
        Err(cause) => Err(failed("rename", to, cause)),
    }
}

/// Removes the hidden files that crashed processes left in a folder that a person named, as far as
/// that can be done.
pub fn sweep_user_folder(folder: &Path) {
    sweep(folder);
}

/// Returns the permission bits of a file that a person named, such as `0o600`; follows links.
pub fn mode(path: &Path) -> Result<u32, StoreError> {
    let metadata = fs::metadata(path).map_err(|cause| failed("inspect", path, cause))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

/// Whether somebody besides the owner may do anything with a file of this mode.
pub fn is_open_to_others(mode: u32) -> bool {
    mode & 0o077 != 0
}

/// Whether something can be found at this path; follows links.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Returns where a path leads when all links are followed; itself, if it leads nowhere.
pub fn resolve(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the names in a folder that a person named, sorted; none if it does not exist.
///
/// Names that are not Unicode are left out.
pub fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<String> =
        entries(folder)?.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Whether a file of this name is hidden and on its way to become another.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX)
}

/// Whether a text is the name of one file: not empty, not `.` or `..`, no separator or control.
pub fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

fn create(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    mut unsynced: Vec<Unsynced>,
) -> Result<(), StoreError> {
    if fs::symlink_metadata(path).is_ok() {
        // Perhaps a crashed process made it, and left the other name of it behind.
        sweep(folder_of(path));
        return Err(StoreError::Exists { path: path.to_owned() });
    }
    let temporary = Temporary::write(folder_of(path), bytes, mode)?;
    step("create", path)?;
    match fs::hard_link(&temporary.path, path) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        // A file system without links, or one that forbids them.
        Err(_) => write_synced(path, bytes, mode)?,
    }
    drop(temporary);
    unsynced.push(Unsynced::folder_of(path));
    sync_all(unsynced)
}

fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    mut unsynced: Vec<Unsynced>,
) -> Result<(), StoreError> {
    Temporary::write(folder_of(path), bytes, mode)?.rename_to(path)?;
    unsynced.push(Unsynced::folder_of(path));
    sync_all(unsynced)
}

/// Makes missing folders; returns those that hold the new ones.
fn make_folders(folder: &Path) -> Result<Vec<Unsynced>, StoreError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|a| !a.exists()).collect();
    let mut changed = Vec::new();
    for &path in missing.iter().rev().filter(|path| !path.as_os_str().is_empty()) {
        step("create", path)?;
        match DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Ok(()) => {}
            // Made by another process, which may not have synced it yet.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(cause) => return Err(failed("create", path, cause)),
        }
        changed.push(Unsynced::folder_of(path));
    }
    Ok(changed)
}

/// A hidden file that becomes another or is removed.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    keep: bool,
    /// Locked as long as it is open.
    file: Arc<File>,
}

impl Temporary {
    /// Makes an empty file, and sweeps up what crashed processes left beside it.
    pub(super) fn begin(folder: &Path, mode: u32) -> Result<Self, StoreError> {
        let (path, file) = Self::make(folder, mode)?;
        let temporary = Self { path, keep: false, file: Arc::new(file) };
        sweep(folder);
        Ok(temporary)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is written to.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What the caller has to sync once it has renamed it to `path`.
    pub(super) fn into_unsynced(mut self, path: &Path) -> Unsynced {
        self.keep = true;
        Unsynced { path: path.to_owned(), written: Some(Arc::clone(&self.file)) }
    }

    fn write(folder: &Path, bytes: &[u8], mode: u32) -> Result<Self, StoreError> {
        let temporary = Self::fill(folder, bytes, mode)?;
        step("sync", &temporary.path)?;
        temporary.file.sync_all().map_err(|cause| failed("sync", &temporary.path, cause))?;
        sweep(folder);
        Ok(temporary)
    }

    /// Makes a file with this content, and syncs nothing.
    fn fill(folder: &Path, bytes: &[u8], mode: u32) -> Result<Self, StoreError> {
        let (path, mut file) = Self::make(folder, mode)?;
        let written = write_in_halves(&mut file, &path, bytes);
        let temporary = Self { path, keep: false, file: Arc::new(file) };
        written.map(|()| temporary)
    }

    /// Makes a file and locks it. Between the two somebody may have swept it away.
    fn make(folder: &Path, mode: u32) -> Result<(PathBuf, File), StoreError> {
        loop {
            let path = folder.join(format!("{TEMPORARY_PREFIX}{}", Uuid::new_v4()));
            let file = open_fresh(&path, mode)?;
            match file.lock() {
                // A file system without locks: nobody sweeps there.
                Err(cause) if cause.kind() == io::ErrorKind::Unsupported => {}
                Err(cause) => {
                    discard(&path);
                    return Err(failed("lock", &path, cause));
                }
                Ok(()) => {}
            }
            let metadata = file.metadata().map_err(|cause| failed("inspect", &path, cause))?;
            if metadata.nlink() > 0 {
                return Ok((path, file));
            }
        }
    }

    /// Takes the mode of another file and, if that is allowed, its owner and group.
    fn take_after(&self, other: &fs::Metadata) -> Result<(), StoreError> {
        step("write", &self.path)?;
        let owner = std::os::unix::fs::fchown(&self.file, Some(other.uid()), Some(other.gid()));
        // Others than root may not, and then have a file of their own.
        drop(owner);
        let permissions = fs::Permissions::from_mode(other.mode() & 0o7777);
        let taken = self.file.set_permissions(permissions).and_then(|()| self.file.sync_all());
        taken.map_err(|cause| failed("write", &self.path, cause))
    }

    fn rename_to(mut self, path: &Path) -> Result<(), StoreError> {
        step("replace", path)?;
        fs::rename(&self.path, path).map_err(|cause| failed("replace", path, cause))?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            discard(&self.path);
        }
    }
}

/// Removes a file that came to nothing. A failure is not told: a stray hidden file does no harm.
fn discard(path: &Path) {
    if step("remove", path).is_ok() {
        drop(fs::remove_file(path));
    }
}

/// Writes a file that does not exist yet and syncs it; leaves none if that fails.
fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let written = Some(Arc::new(write_fresh(path, bytes, mode)?));
    let synced = sync_all(vec![Unsynced { path: path.to_owned(), written }]);
    if synced.is_err() {
        discard(path);
    }
    synced
}

/// Removes hidden files that nobody holds a lock on: whoever made them is gone. A failure is not
/// told: a stray hidden file does no harm.
fn sweep(folder: &Path) {
    for entry in entries(folder).unwrap_or_default() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_ours || !is_file {
            continue;
        }
        let path = entry.path();
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else {
            continue;
        };
        // Held until the file is gone, for its maker may be about to lock it.
        if file.try_lock().is_ok() {
            discard(&path);
        }
    }
}

/// Writes a file that does not exist yet; leaves none if that fails.
fn write_fresh(path: &Path, bytes: &[u8], mode: u32) -> Result<File, StoreError> {
    let mut file = open_fresh(path, mode)?;
    let written = write_in_halves(&mut file, path, bytes);
    if written.is_err() {
        discard(path);
    }
    written.map(|()| file)
}

/// Makes an empty file that does not exist yet.
fn open_fresh(path: &Path, mode: u32) -> Result<File, StoreError> {
    step("create", path)?;
    match OpenOptions::new().create_new(true).write(true).mode(mode).open(path) {
        Ok(file) => Ok(file),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists { path: path.to_owned() })
        }
        Err(cause) => Err(failed("create", path, cause)),
    }
}

/// In two halves, for the tests to see half a file.
fn write_in_halves(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first).map_err(|cause| failed("write", path, cause))?;
    step("write", path)?;
    file.write_all(second).map_err(|cause| failed("write", path, cause))
}

fn read_bounded(
    reader: impl Read,
    expected: u64,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let too_large = || StoreError::TooLarge { path: path.to_owned(), limit };
    if expected > limit {
        return Err(too_large());
    }
    // One byte more than expected, so that a secret is not copied about by growing.
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
    let mut reader = reader.take(limit.saturating_add(1));
    reader.read_to_end(&mut bytes).map_err(|cause| failed("read", path, cause))?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            entries.collect::<Result<_, _>>().map_err(|cause| failed("list", folder, cause))
        }
        Err(cause) if is_absence(&cause) => Ok(Vec::new()),
        Err(cause) => Err(failed("list", folder, cause)),
    }
}

fn acquire(
    file: File,
    path: &Path,
    kind: LockKind,
    wait: Duration,
    what: &str,
) -> Result<FileLock, StoreError> {
    let start = Instant::now();
    loop {
        let attempt = match kind {
            LockKind::Shared => file.try_lock_shared(),
            LockKind::Exclusive => file.try_lock(),
        };
        match attempt {
            Ok(()) => return Ok(FileLock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let left = wait.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Err(StoreError::Locked { what: what.to_owned() });
                }
                thread::sleep(left.min(LOCK_POLL));
            }
            // A file system without locks is better used without than not at all.
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => {
                return Ok(FileLock { _file: file });
            }
            Err(TryLockError::Error(cause)) => return Err(failed("lock", path, cause)),
        }
    }
}

/// Syncs files and folders, all of which were written before: the first sync takes most of them to
/// the disk, and the others find little left to do.
pub(super) fn sync_all(mut unsynced: Vec<Unsynced>) -> Result<(), StoreError> {
    unsynced.sort_by(|a, b| a.path.cmp(&b.path));
    unsynced.dedup_by(|a, b| a.path == b.path);
    unsynced.iter().try_for_each(|one| {
        step("sync", &one.path)?;
        one.sync()
    })
}

impl Unsynced {
    pub(super) fn folder_of(path: &Path) -> Self {
        Self { path: folder_of(path).to_owned(), written: None }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let synced = match &self.written {
            Some(file) => file.sync_all(),
            None => match File::open(&self.path).and_then(|folder| folder.sync_all()) {
                // Some network file systems cannot sync a folder; they do it by themselves.
                Err(cause) if is_unsupported(&cause) => Ok(()),
                synced => synced,
            },
        };
        synced.map_err(|cause| failed("sync", &self.path, cause))
    }
}

fn is_unsupported(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(super) fn is_absence(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn failed(action: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), cause }
}

/// Stands before every change to the disk; tests make it fail, or end the process there.
#[cfg_attr(
    not(test),
    expect(clippy::unnecessary_wraps, reason = "fails in tests, where the disk is made to fail")
)]
pub(super) fn step(action: &'static str, path: &Path) -> Result<(), StoreError> {
    #[cfg(debug_assertions)]
    kill::step();
    #[cfg(test)]
    faults::step(action, path).map_err(|cause| failed(action, path, cause))?;
    let _ = (action, path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::faults::Mode;

    fn names(dir: &Path) -> Vec<String> {
        names_in(dir).unwrap()
    }

    #[test]
    fn joins_plain_names_only() {
        let base = Base::new(PathBuf::from("/base"));
        assert_eq!(base.join(["a", "b:5000"]).unwrap(), Path::new("/base/a/b:5000"));
        for segment in ["", ".", "..", "a/b", "/etc", "a\\b", "a\0b", "a\nb"] {
            let error = base.join(["x", segment]).unwrap_err();
            assert!(matches!(error, StoreError::Escape { .. }), "{segment:?}");
        }
    }

    #[test]
    fn every_operation_stays_below_the_base() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        create_file(&outside.path().join("secret"), b"secret", 0o600).unwrap();
        let base = Base::new(dir.path().join("base"));
        base.create_folder(base.path()).unwrap();
        symlink(outside.path(), base.path().join("link")).unwrap();
        symlink(outside.path().join("secret"), base.path().join("file")).unwrap();
        for path in [
            base.path().join("link/secret"),
            base.path().join("file"),
            base.path().join("../base/../x"),
            outside.path().join("secret"),
        ] {
            let read = base.read(&path, 100).unwrap_err();
            assert!(matches!(read, StoreError::Escape { .. }), "{}: {read:?}", path.display());
            let written = base.write(&path, b"x", 0o600).unwrap_err();
            assert!(
                matches!(written, StoreError::Escape { .. }),
                "{}: {written:?}",
                path.display()
            );
        }
        let link = base.path().join("link");
        let inside = link.join("secret");
        assert!(matches!(base.remove(&inside), Err(StoreError::Escape { .. })));
        assert!(matches!(base.create(&link.join("n"), b"", 0o600), Err(StoreError::Escape { .. })));
        assert!(matches!(base.list(&link), Err(StoreError::Escape { .. })));
        assert!(matches!(base.create_folder(&link.join("n")), Err(StoreError::Escape { .. })));
        assert!(matches!(base.rename(&inside, &link.join("y")), Err(StoreError::Escape { .. })));
        let lock = base.lock(&link.join("l"), LockKind::Exclusive, Duration::ZERO, "x");
        assert!(matches!(lock, Err(StoreError::Escape { .. })));
        assert_eq!(names(outside.path()), ["secret"]);
        assert_eq!(read_user_file(&outside.path().join("secret"), 100).unwrap(), b"secret");
    }

    #[test]
    fn base_may_be_reached_by_a_link_and_links_may_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        create_user_folder(&real).unwrap();
        symlink(&real, dir.path().join("base")).unwrap();
        let base = Base::new(dir.path().join("base"));
        base.write(&base.path().join("a/file"), b"text", 0o600).unwrap();
        symlink(real.join("a"), real.join("b")).unwrap();
        assert_eq!(base.read(&base.path().join("b/file"), 100).unwrap().unwrap().bytes, b"text");
    }

    #[test]
    fn reads_up_to_the_limit_and_nothing_but_files() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let file = dir.path().join("file");
        base.write(&file, b"12345", 0o600).unwrap();
        assert_eq!(base.read(&file, 5).unwrap().unwrap().bytes, b"12345");
        let error = base.read(&file, 4).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { limit: 4, .. }), "{error:?}");
        let error = read_user_file(Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { limit: 1000, .. }), "{error:?}");
        assert!(base.read(&dir.path().join("none"), 5).unwrap().is_none());
        assert!(base.read(&file.join("below"), 5).unwrap().is_none());
        assert!(matches!(base.read(dir.path(), 5), Err(StoreError::NotAFile { .. })));
        assert!(matches!(read_user_file(dir.path(), 5), Err(StoreError::NotAFile { .. })));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let pipe = base.read(&dir.path().join("pipe"), 5);
        assert!(matches!(pipe, Err(StoreError::NotAFile { .. })), "{pipe:?}");
    }

    #[test]
    fn files_and_folders_are_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().join("trust"));
        let file = base.path().join("a/b/file");
        base.write(&file, b"1", PRIVATE_MODE).unwrap();
        for folder in ["", "a", "a/b"] {
            assert_eq!(mode(&base.path().join(folder)).unwrap(), 0o700, "{folder}");
        }
        assert_eq!(mode(&file).unwrap(), 0o600);
        base.write(&file, b"1", 0o640).unwrap();
        assert_eq!(mode(&file).unwrap(), 0o640);
        assert!(is_open_to_others(0o640) && is_open_to_others(0o602) && !is_open_to_others(0o700));
    }

    #[test]
    fn folder_of_a_person_may_be_named_by_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/../b/c");
        create_user_folder(&dir.path().join("a")).unwrap();
        create_user_folder(&folder).unwrap();
        create_user_folder(&folder).unwrap();
        assert_eq!(mode(&dir.path().join("b/c")).unwrap(), 0o700);
        create_file(&dir.path().join("file"), b"", 0o600).unwrap();
        let error = create_user_folder(&dir.path().join("file/x")).unwrap_err();
        assert!(matches!(error, StoreError::Io { action: "create", .. }), "{error:?}");
    }

    #[test]
    fn creating_never_overwrites_not_even_a_dangling_link() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        create_file(&file, b"first", 0o600).unwrap();
        let error = create_file(&file, b"second", 0o600).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");
        assert_eq!(read_user_file(&file, 100).unwrap(), b"first");
        let link = dir.path().join("link");
        symlink(dir.path().join("nowhere"), &link).unwrap();
        let error = create_file(&link, b"second", 0o600).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");
        assert_eq!(names(dir.path()), ["file", "link"]);
    }

    #[test]
    fn replacing_survives_a_crash_at_any_step() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("file");
            create_file(&file, b"old contents", 0o600).unwrap();
            let replace = || replace_file(&file, b"new", 0o600);
            let (result, crashed) = faults::with_fault(step, Mode::Crash, replace);
            let after = read_user_file(&file, 100).unwrap();
            assert!(after == b"old contents" || after == b"new", "step {step}: {after:?}");
            assert_eq!(result.is_err(), crashed);
            if !crashed {
                assert_eq!(after, b"new");
                break;
            }
        }
    }

    #[test]
    fn a_rewritten_file_keeps_its_mode_and_a_link_to_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        create_user_folder(&folder).unwrap();
        let (file, link) = (folder.join("file"), dir.path().join("link"));
        create_file(&file, b"old", 0o600).unwrap();
        // More than any umask would leave.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        symlink("folder/file", &link).unwrap();
        rewrite_file(&link, b"old", b"new contents").unwrap();
        assert_eq!(read_user_file(&file, 100).unwrap(), b"new contents");
        assert_eq!(mode(&file).unwrap(), 0o666);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(&folder), ["file"]);
    }

    #[test]
    fn what_somebody_else_changed_is_not_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        for theirs in [&b"theirs"[..], b"the1rs", b"longer than before", b""] {
            replace_file(&file, theirs, 0o600).unwrap();
            let error = rewrite_file(&file, b"before", b"after").unwrap_err();
            assert!(matches!(error, StoreError::Changed { .. }), "{error}");
            assert_eq!(read_user_file(&file, 100).unwrap(), theirs);
        }
        let error = rewrite_file(dir.path(), b"", b"x").unwrap_err();
        assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
        let error = rewrite_file(&dir.path().join("none"), b"", b"x").unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_crash_while_rewriting_leaves_the_old_or_the_new() {
        for mode in [Mode::Crash, Mode::FullOnce, Mode::ReadOnly] {
            for step in 0.. {
                let dir = tempfile::tempdir().unwrap();
                let file = dir.path().join("file");
                create_file(&file, b"old contents", 0o640).unwrap();
                let rewrite = || rewrite_file(&file, b"old contents", b"new");
                let (outcome, hit) = faults::with_fault(step, mode, rewrite);
                let after = read_user_file(&file, 100).unwrap();
                assert!(after == b"old contents" || after == b"new", "{mode:?} at {step}");
                assert_eq!(super::mode(&file).unwrap(), 0o640);
                if outcome.is_ok() {
                    assert_eq!(after, b"new");
                }
                if !hit {
                    break;
                }
            }
        }
    }

    #[test]
    fn new_file_and_the_folders_made_for_it_are_synced() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().join("trust"));
        let file = base.path().join("a/b/file");
        let (result, trace) = faults::traced(|| base.create(&file, b"key", PRIVATE_MODE));
        result.unwrap();
        let position = |action, path: &Path| {
            trace.iter().position(|(a, p)| *a == action && p == path).unwrap()
        };
        let named = position("create", &file);
        let synced = trace.iter().position(|(action, _)| *action == "sync").unwrap();
        assert!(synced < named, "contents before the name: {trace:#?}");
        for folder in ["", "trust", "trust/a", "trust/a/b"] {
            assert!(named < position("sync", &dir.path().join(folder)), "{folder}: {trace:#?}");
        }
    }

    #[test]
    fn many_are_synced_at_once_and_one_that_fails_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let all = || {
            let files =
                (0..50).map(|n| base.stage(&dir.path().join(Uuid::new_v4().to_string()), &[n]));
            let mut all: Vec<Unsynced> = files.map(Result::unwrap).collect();
            all.push(base.changed(dir.path()).unwrap());
            all
        };
        base.sync_all(all()).unwrap();
        base.sync_all(Vec::new()).unwrap();
        let cases = [("!first", false), ("!first", true), ("~last", false), ("~last", true)];
        for (missing, broken_file) in cases {
            let missing = dir.path().join(missing);
            let mut all = all();
            // A device that cannot be synced, in the place of a file whose disk is broken.
            let written = broken_file.then(|| Arc::new(File::open("/dev/null").unwrap()));
            all.push(Unsynced { path: missing.clone(), written });
            let error = base.sync_all(all).unwrap_err();
            assert!(
                matches!(&error, StoreError::Io { action: "sync", path, .. } if *path == missing),
                "{error:?}"
            );
        }
    }

    #[test]
    fn full_disk_leaves_no_litter_and_can_be_told() {
        for step in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("file");
            let create = || create_file(&file, b"contents", 0o600);
            let (result, _) = faults::with_fault(step, Mode::FullOnce, create);
            let error = result.unwrap_err();
            assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull));
            assert!(error.is_unwritable());
            assert_eq!(names(dir.path()), Vec::<String>::new(), "step {step}");
        }
    }

    #[test]
    fn what_a_crash_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let crash = || create_file(&dir.path().join("key"), b"contents", 0o600);
        let (_, crashed) = faults::with_fault(1, Mode::Crash, crash);
        assert!(crashed);
        let left = names(dir.path());
        assert!(matches!(left.as_slice(), [one] if one.starts_with(TEMPORARY_PREFIX)), "{left:?}");
        // Somebody else is writing; links and folders are nobody's; other names are not ours.
        let held = Temporary::write(dir.path(), b"held", 0o600).unwrap();
        let held_name = held.path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(names(dir.path()), [held_name.as_str()], "swept by whoever writes next");
        symlink(&held.path, dir.path().join(".trust-tmp-link")).unwrap();
        base.create_folder(&dir.path().join(".trust-tmp-folder")).unwrap();
        fs::write(dir.path().join(".trust-tmp-stale"), b"half").unwrap();
        fs::write(dir.path().join(".other-tmp"), b"other").unwrap();
        base.sweep(dir.path());
        let mut kept =
            [".other-tmp", ".trust-tmp-folder", &held_name, ".trust-tmp-link"].map(str::to_owned);
        kept.sort();
        assert_eq!(names(dir.path()), kept);
        assert_eq!(fs::read(&held.path).unwrap(), b"held");
        drop(held);
        base.sweep(&dir.path().join("none"));
    }

    #[test]
    fn a_temporary_file_that_is_swept_before_it_is_locked_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        thread::scope(|scope| {
            let sweeper = scope.spawn(|| (0..2000).for_each(|_| sweep(dir.path())));
            while !sweeper.is_finished() {
                replace_file(&file, b"contents", 0o600).unwrap();
            }
        });
        assert_eq!(read_user_file(&file, 100).unwrap(), b"contents");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn lists_files_but_not_what_links_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let files = [dir.path().join("a/1"), dir.path().join("a/b/2"), dir.path().join("c")];
        for file in &files {
            base.write(file, b"", 0o600).unwrap();
        }
        symlink("c", dir.path().join("link")).unwrap();
        symlink(".", dir.path().join("a/loop")).unwrap();
        assert_eq!(base.list(dir.path()).unwrap(), files);
        assert_eq!(base.list(&dir.path().join("none")).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn shared_locks_go_together_and_keep_writers_out() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::new(dir.path().to_owned());
        let path = dir.path().join("lock");
        let lock = |kind| base.lock(&path, kind, Duration::from_millis(1), "it");
        let existing = base.lock_existing(&path, LockKind::Shared, Duration::ZERO, "it").unwrap();
        assert!(existing.is_none() && !exists(&path));
        let first = lock(LockKind::Shared).unwrap();
        let second = lock(LockKind::Shared).unwrap();
        assert!(matches!(lock(LockKind::Exclusive), Err(StoreError::Locked { .. })));
        drop((first, second));
        let _writer = lock(LockKind::Exclusive).unwrap();
        assert!(matches!(lock(LockKind::Shared), Err(StoreError::Locked { .. })));
    }

    #[test]
    fn missing_descriptor_is_an_error() {
        let error = read_descriptor(987_654, 100).unwrap_err();
        assert!(matches!(error, StoreError::Io { action: "open", .. }), "{error:?}");
    }
}
