//! Files that a person names on the command line: keys to load, passphrases, exports.
//!
//! The stores' own files are the business of `store/files.rs`; these here may be pipes, are read
//! once and within a bound, and are never overwritten.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::store::StoreError;

/// Reads a file of at most `limit` bytes; a pipe will do.
pub fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    read_open(open(path)?, path, limit)
}

/// As [`read`], but only a file that nobody else can read or write (mode & 077 is 0).
///
/// The rights are asked of the open file, so that it cannot be exchanged in between.
pub fn read_private(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(failed("read", path))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(StoreError::TooOpen { path: path.to_owned() });
    }
    read_open(file, path, limit)
}

/// Writes a file for the owner alone (0600); one that is there already is left as it is.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = created.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => failed("create", path)(cause),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

/// Takes back a file that [`create`] has just made; one that is gone already is fine.
#[expect(clippy::disallowed_methods, reason = "this file owns the files that people name")]
pub fn remove(path: &Path) {
    drop(std::fs::remove_file(path));
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).open(path).map_err(failed("open", path))
}

fn read_open(file: File, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(StoreError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |cause| StoreError::Io { action, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        create(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap().as_slice(), b"12345");
        assert!(matches!(read(&path, 4), Err(StoreError::TooLarge { limit: 4, .. })));
    }

    #[test]
    fn a_created_file_is_the_owners_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        create(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(create(&path, b"second"), Err(StoreError::Exists { .. })));
        assert_eq!(read(&path, 10).unwrap().as_slice(), b"first");
    }

    #[test]
    fn a_private_file_must_be_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        create(&path, b"key").unwrap();
        assert!(read_private(&path, 10).is_ok());
        for mode in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read_private(&path, 10), Err(StoreError::TooOpen { .. })), "{mode:o}");
        }
    }
}
