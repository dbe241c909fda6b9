//! Small files of the server: keys, certificates, configuration. With the content, the only files
//! outside the database.

#![expect(clippy::disallowed_methods, reason = "the small files are read and made here")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a secret is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Others may read a secret.
    #[error("others than its owner may open {} (mode {mode:03o})", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system refuses.
    #[error("cannot {step} {}", path.display())]
    Failed {
        /// What was tried.
        step: &'static str,
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
}

/// Reads a secret of at most `limit` bytes from a file that nobody but its owner can read.
pub fn read_secret(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FilesError> {
    let file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    let metadata = file.metadata().map_err(|cause| failed("inspect", path, cause))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FilesError::TooOpen { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|cause| failed("read", path, cause))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(FilesError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Makes a file that only its owner can read, durably, whole or not at all. A file that is there
/// already stays, and is an error of the kind [`io::ErrorKind::AlreadyExists`].
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
    let mut new = NewFile::begin(path)?;
    new.write_all(bytes).map_err(|cause| failed("write", path, cause))?;
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
    pub fn begin(path: &Path) -> Result<Self, FilesError> {
        if exists(path) {
            return Err(failed("make", path, io::ErrorKind::AlreadyExists.into()));
        }
        let name = format!(".trust-tmp-{}", uuid::Uuid::new_v4().simple());
        let temporary = folder_of(path).join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|cause| failed("make", path, cause))?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    /// Makes the file durable and gives it its name, unless somebody else took that meanwhile.
    pub fn finish(self) -> Result<(), FilesError> {
        let at = |cause| failed("make", &self.path, cause);
        self.file.sync_all().map_err(at)?;
        // Linking, unlike renaming, replaces nothing.
        fs::hard_link(&self.temporary, &self.path).map_err(at)?;
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

/// Removes a file; that there is none is no error.
pub fn remove(path: &Path) -> Result<(), FilesError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, cause)),
        _ => Ok(()),
    }
}

/// Makes a folder, and those above it that are missing, for their owner alone.
pub fn make_folder(folder: &Path) -> Result<(), FilesError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|cause| failed("make the folder", folder, cause))
}

/// The files under a folder, by their paths from it with slashes, at most `depth` folders deep.
/// Folders and files that `leave_out` says are passed over, and so is what is neither.
pub fn list(
    folder: &Path,
    depth: usize,
    leave_out: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, FilesError> {
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

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FilesError> {
    File::open(path).map_err(|cause| failed("open", path, cause))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(step: &'static str, path: &Path, cause: io::Error) -> FilesError {
    FilesError::Failed { step, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_secret(&path, b"secret").unwrap();
        assert_eq!(**read_secret(&path, 6).unwrap(), *b"secret");
        assert!(matches!(read_secret(&path, 5), Err(FilesError::TooLarge { .. })));
        for mode in [0o640, 0o604, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_secret(&path, 6);
            assert!(
                matches!(refused, Err(FilesError::TooOpen { mode: found, .. }) if found == mode)
            );
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(NewFile::begin(&path).unwrap());
        let late = NewFile::begin(&path).unwrap();
        create_secret(&path, b"first").unwrap();
        for refused in [create_secret(&path, b"second"), late.finish()] {
            let Err(FilesError::Failed { cause, .. }) = refused else { panic!("overwritten") };
            assert_eq!(cause.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
