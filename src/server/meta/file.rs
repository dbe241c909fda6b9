//! The file that SQLite is in: one process at a time may open it, on a disk of this machine, and
//! what has gone missing since the last time is noticed before anything is written.
//!
//! Beside `trust.db` is `trust.db-lock`, locked (flock(2)) while a process has the database open.
//! Its text is empty until the database was opened once, then `running` and the process, then
//! `closed` when that process left as it should.

#![expect(
    clippy::disallowed_methods,
    reason = "the database is the other thing on the disk, and this is its lock"
)]

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::server::meta::MetaError;

/// A database file, and the right to open it.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    lock: Mutex<Option<File>>,
    /// Whether the lock says `running` because of this process.
    is_noted: AtomicBool,
}

impl Drop for DatabaseFile {
    /// A database that is given up without being closed: its connections end after this, and the
    /// last of them removes the write-ahead log, which nobody is to miss.
    fn drop(&mut self) {
        if self.is_noted.load(Ordering::Relaxed)
            && let Err(error) = self.closing()
        {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "the end of this process is not noted");
        }
    }
}

/// What the lock's file says about the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastTime {
    Never,
    Running,
    Closed,
}

impl DatabaseFile {
    /// Takes the lock and looks whether everything is there that was there the last time.
    pub(super) fn claim(path: &Path) -> Result<Self, MetaError> {
        let path = std::path::absolute(path).map_err(|source| disk(path, source))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let kind = rustix::fs::statfs(folder).map_err(|source| disk(folder, source.into()))?.f_type;
        // The type's width is the machine's.
        if let Some(name) = network_file_system(u32::try_from(kind).unwrap_or_default()) {
            return Err(MetaError::NetworkFileSystem { folder: folder.to_owned(), name });
        }
        let lock_path = beside(&path, "-lock");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|source| disk(&lock_path, source))?;
        let mut text = String::new();
        lock.read_to_string(&mut text).map_err(|source| disk(&lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = text.strip_prefix("running ").and_then(|id| id.trim().parse().ok());
                return Err(MetaError::InUse { path, process });
            }
            Err(TryLockError::Error(source)) => return Err(disk(&lock_path, source)),
        }
        let last_time = match text.split_whitespace().next() {
            None => LastTime::Never,
            Some("running") => LastTime::Running,
            Some(_) => LastTime::Closed,
        };
        look(&path, &lock_path, last_time)?;
        Ok(Self { path, lock: Mutex::new(Some(lock)), is_noted: AtomicBool::new(false) })
    }

    /// Whether there is a database at this path.
    pub(super) fn is_at(path: &Path) -> bool {
        path.exists()
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the database is open: from here on there is a write-ahead log to miss.
    pub(super) fn opened(&self) -> Result<(), MetaError> {
        if beside(&self.path, "-wal").exists() {
            self.note(&format!("running {}\n", std::process::id()))?;
            self.is_noted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes that the write-ahead log is about to be merged and removed.
    pub(super) fn closing(&self) -> Result<(), MetaError> {
        self.note("closed\n")
    }

    /// Lets others open it.
    pub(super) fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn note(&self, text: &str) -> Result<(), MetaError> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut file) = lock.as_ref() else { return Ok(()) };
        let mut write = || {
            file.rewind()?;
            file.set_len(0)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write().map_err(|source| disk(&beside(&self.path, "-lock"), source))
    }
}

/// Refuses what SQLite would take for a fresh start.
fn look(path: &Path, lock: &Path, last_time: LastTime) -> Result<(), MetaError> {
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => {
            file.take(HEADER_BYTES)
                .read_to_end(&mut header)
                .map_err(|source| disk(path, source))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(disk(path, source)),
    }
    let (path, lock) = (path.to_owned(), lock.to_owned());
    if header.is_empty() {
        return match last_time {
            LastTime::Never => Ok(()),
            LastTime::Running | LastTime::Closed => Err(MetaError::Gone { path, lock }),
        };
    }
    if !header.starts_with(MAGIC) {
        return Err(MetaError::NotADatabase { path });
    }
    // SQLite removes the log itself when it closes the database; a crash leaves it.
    let log = beside(&path, "-wal");
    let logs = header.get(READ_VERSION) == Some(&WAL);
    if last_time == LastTime::Running && logs && !log.exists() {
        return Err(MetaError::LogGone { path, lock });
    }
    // What is not in the file yet may be in the log, or in the journal of the first start.
    let pending = [log, beside(&path, "-journal")];
    if pending.iter().any(|file| file.metadata().is_ok_and(|file| file.len() > 0)) {
        return Ok(());
    }
    let wanted = whole_size(&header);
    let found = path.metadata().map_err(|source| disk(&path, source))?.len();
    if wanted.is_none_or(|wanted| found < wanted) {
        return Err(MetaError::Cut { path });
    }
    Ok(())
}

/// How large a file is that begins with this header (SQLite's file format, §1.3).
fn whole_size(header: &[u8]) -> Option<u64> {
    let page = u16::from_be_bytes(*header.get(16..)?.first_chunk()?);
    let pages = u32::from_be_bytes(*header.get(28..)?.first_chunk()?);
    // The number of pages is right if both of these are of the same change.
    let counters = [24, 92].map(|at| header.get(at..)?.first_chunk::<4>().copied());
    let [Some(changed), Some(counted)] = counters else { return None };
    let page = if page == 1 { 65536 } else { u64::from(page) };
    if changed == counted { Some(page * u64::from(pages)) } else { Some(page) }
}

/// The name of a file system that another machine may have open, too: SQLite's log is shared memory.
fn network_file_system(kind: u32) -> Option<&'static str> {
    // linux/magic.h, and the numbers of those that are not in it.
    Some(match kind {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "SMB",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        _ => return None,
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn disk(path: &Path, source: io::Error) -> MetaError {
    MetaError::Disk { path: path.to_owned(), source }
}

/// How a database of SQLite's begins (its file format, §1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the header says how the database is read, and that it is through a write-ahead log.
const READ_VERSION: usize = 19;
const WAL: u8 = 2;
/// How long the header is.
const HEADER_BYTES: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_other_machines_are_known() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0xff53_4d42), Some("SMB"));
        // ext4, XFS, tmpfs, overlayfs.
        for local in [0xef53, 0x5846_5342, 0x0102_1994, 0x794c_7630] {
            assert_eq!(network_file_system(local), None);
        }
    }

    #[test]
    fn whoever_comes_second_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.db");
        let first = DatabaseFile::claim(&path).unwrap();
        std::fs::write(beside(&path, "-wal"), "").unwrap();
        first.opened().unwrap();
        let error = DatabaseFile::claim(&path).unwrap_err();
        let process = Some(std::process::id());
        assert!(
            matches!(&error, MetaError::InUse { process: p, .. } if *p == process),
            "{error:?}"
        );
        first.release();
        std::fs::write(&path, "").unwrap();
        let error = DatabaseFile::claim(&path).unwrap_err();
        assert!(matches!(error, MetaError::Gone { .. }), "{error:?}");
    }
}
