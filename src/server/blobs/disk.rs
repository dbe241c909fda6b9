//! Content in a folder of the local disk: `uploads/` holds what is still coming, under its upload's
//! name; `blobs/ALGORITHM/AB/HEX.UPLOAD` what is complete.
//!
//! The name of an object ends in that of the upload it came from, so that no two ever have the same
//! one: removing an object that nothing refers to cannot hit another that was sealed meanwhile.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions, ReadDir};
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;
use tokio::time::Instant;

use crate::limits::{MAX_VERIFIED_OBJECTS, VERIFIED_FOR_SECONDS};
use crate::oci::Digest;
use crate::server::blobs::BlobError;
use crate::server::kill;

/// The folder.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Uploads that a request is writing to.
    open: Mutex<HashSet<String>>,
    /// What was found to be whole since this process began.
    verified: Mutex<HashMap<String, (Stamp, Instant)>>,
}

/// What changes if a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Keeps others from an upload for as long as it lives.
#[derive(Debug)]
pub(super) struct Claim {
    disk: Arc<Disk>,
    id: String,
}

/// An upload that one request writes to.
#[derive(Debug)]
pub(super) struct OpenUpload {
    claim: Arc<Claim>,
    file: File,
    /// Whether its name is on the disk as well.
    is_named: AtomicBool,
}

/// Content that is complete.
#[derive(Debug)]
pub(super) struct OpenObject {
    file: File,
    stamp: Stamp,
}

/// One object found in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedObject {
    /// Its name, as the database has it.
    pub object: String,
    /// The digest that it should have.
    pub digest: Digest,
    /// Its length, in bytes.
    pub size: u64,
    /// How long ago it was written.
    pub age: Duration,
}

/// One upload found in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedUpload {
    /// Its name.
    pub id: String,
    /// Its length, in bytes.
    pub size: u64,
    /// How long ago it was written to.
    pub age: Duration,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        let (open, verified) = (Mutex::default(), Mutex::default());
        Self { root: root.to_owned(), open, verified }
    }

    /// Keeps others from an upload.
    pub(super) fn claim(self: &Arc<Self>, id: &str) -> Result<Claim, BlobError> {
        if !lock(&self.open).insert(id.to_owned()) {
            return Err(BlobError::Busy);
        }
        Ok(Claim { disk: Arc::clone(self), id: id.to_owned() })
    }

    /// Opens an upload at an offset up to which it is complete; what is beyond it is cut off. At
    /// offset 0 it begins.
    pub(super) fn open_upload(
        &self,
        claim: Arc<Claim>,
        offset: u64,
    ) -> Result<OpenUpload, BlobError> {
        let file = self.upload_file(&claim.id, offset)?;
        Ok(OpenUpload { claim, file, is_named: AtomicBool::new(offset > 0) })
    }

    fn upload_file(&self, id: &str, offset: u64) -> Result<File, BlobError> {
        let path = self.upload_path(id);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        if offset > 0 {
            let file = options.open(&path).map_err(|e| BlobError::disk("open", e))?;
            let size = file.metadata().map_err(|e| BlobError::disk("open", e))?.len();
            if size < offset {
                return Err(BlobError::Missing);
            }
            kill::step();
            file.set_len(offset).map_err(|e| BlobError::disk("cut", e))?;
            return Ok(file);
        }
        options.create(true).truncate(true);
        kill::step();
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(&self.root.join(UPLOADS))?;
                options.open(&path).map_err(|e| BlobError::disk("begin", e))
            }
            opened => opened.map_err(|e| BlobError::disk("begin", e)),
        }
    }

    /// Removes what was uploaded so far; it is no error if there is nothing.
    #[expect(clippy::disallowed_methods, reason = "this file keeps the server's content")]
    pub(super) fn remove_upload(&self, claim: &Claim) -> Result<(), BlobError> {
        kill::step();
        match std::fs::remove_file(self.upload_path(&claim.id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobError::disk("remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Opens an object to read it.
    #[expect(clippy::disallowed_methods, reason = "this file keeps the server's content")]
    pub(super) fn open(&self, object: &str) -> Result<OpenObject, BlobError> {
        let path = self.object_path(object).ok_or(BlobError::Missing)?;
        let file = File::open(path).map_err(|e| BlobError::disk("open", e))?;
        let stamp = stamp(&file.metadata().map_err(|e| BlobError::disk("open", e))?);
        Ok(OpenObject { file, stamp })
    }

    /// The length of an object, in bytes.
    pub(super) fn size(&self, object: &str) -> Result<u64, BlobError> {
        let path = self.object_path(object).ok_or(BlobError::Missing)?;
        Ok(path.metadata().map_err(|e| BlobError::disk("look at", e))?.len())
    }

    /// Removes an object; it is no error if it is not there.
    #[expect(clippy::disallowed_methods, reason = "this file keeps the server's content")]
    pub(super) fn delete(&self, object: &str) -> Result<(), BlobError> {
        let Some(path) = self.object_path(object) else { return Ok(()) };
        lock(&self.verified).remove(object);
        kill::step();
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobError::disk("remove", error))
            }
            _ => Ok(()),
        }
    }

    /// All objects of which the name in the folder begins with these two digits, or none of them.
    pub(super) fn scan(
        &self,
        algorithm: &str,
        prefix: &str,
    ) -> Result<Vec<ScannedObject>, BlobError> {
        let folder = self.root.join(BLOBS).join(algorithm).join(prefix);
        let mut found = Vec::new();
        for (name, metadata) in files(&folder)? {
            let Some((hex, _)) = name.split_once('.') else { continue };
            let Ok(digest) = Digest::parse(&format!("{algorithm}:{hex}")) else { continue };
            let object = format!("{algorithm}/{prefix}/{name}");
            let age = age(&metadata);
            found.push(ScannedObject { object, digest, size: metadata.len(), age });
        }
        Ok(found)
    }

    /// All uploads.
    pub(super) fn scan_uploads(&self) -> Result<Vec<ScannedUpload>, BlobError> {
        let found = files(&self.root.join(UPLOADS))?;
        let upload = |(id, metadata): (String, std::fs::Metadata)| ScannedUpload {
            id,
            size: metadata.len(),
            age: age(&metadata),
        };
        Ok(found.into_iter().map(upload).collect())
    }

    /// Whether an object was found whole, and has not changed since.
    pub(super) fn is_verified(&self, object: &str, opened: &OpenObject) -> bool {
        let verified = lock(&self.verified);
        verified.get(object).is_some_and(|(stamp, at)| {
            *stamp == opened.stamp && at.elapsed() < Duration::from_secs(VERIFIED_FOR_SECONDS)
        })
    }

    /// Remembers that an object was found whole.
    pub(super) fn note_verified(&self, object: &str, stamp: Stamp) {
        let mut verified = lock(&self.verified);
        if verified.len() >= MAX_VERIFIED_OBJECTS {
            verified.clear();
        }
        verified.insert(object.to_owned(), (stamp, Instant::now()));
    }

    /// Makes an object of a file elsewhere by giving it a second name; its bytes must have this
    /// digest. `None` if the two are not on one file system, or it may not be.
    pub(super) fn link(
        &self,
        file: &File,
        digest: &Digest,
        id: &str,
    ) -> Result<Option<String>, BlobError> {
        // What cannot be made durable where it is can be as a copy.
        if file.sync_data().is_err() {
            return Ok(None);
        }
        let (object, target, folder) = self.new_object(digest, id)?;
        self.make_folder(&folder)?;
        // This file and no other that has come to its name meanwhile.
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        kill::step();
        match linkat(CWD, &source, CWD, &target, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => {}
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Err(BlobError::disk("link", io::ErrorKind::StorageFull.into()));
            }
            Err(_) => return Ok(None),
        }
        sync_folder(&folder)?;
        // It is not noted as verified: somebody else may still be able to write to it.
        Ok(Some(object))
    }

    /// The name of an object to be, where it is, and in which folder.
    fn new_object(
        &self,
        digest: &Digest,
        id: &str,
    ) -> Result<(String, PathBuf, PathBuf), BlobError> {
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        let prefix = hex.get(..2).unwrap_or_default();
        let object = format!("{algorithm}/{prefix}/{hex}.{id}");
        let target = self.object_path(&object).ok_or(BlobError::Missing)?;
        Ok((object, target, self.root.join(BLOBS).join(algorithm).join(prefix)))
    }

    fn upload_path(&self, id: &str) -> PathBuf {
        self.root.join(UPLOADS).join(id)
    }

    /// Where an object is; `None` if it is no name of one.
    fn object_path(&self, object: &str) -> Option<PathBuf> {
        let mut parts = object.split('/');
        let (algorithm, prefix, name) = (parts.next()?, parts.next()?, parts.next()?);
        let plain = |text: &str| {
            text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
                && !text.starts_with('.')
                && !text.is_empty()
        };
        let good = parts.next().is_none() && plain(algorithm) && plain(prefix) && plain(name);
        good.then(|| self.root.join(BLOBS).join(object))
    }

    /// Makes a folder and those above it, durably.
    fn make_folder(&self, folder: &Path) -> Result<(), BlobError> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|_| folder != self.root) {
            self.make_folder(above)?;
        } else if let Some(above) = folder.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(above)
                .map_err(|e| BlobError::disk("make a folder for", e))?;
        }
        kill::step();
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(BlobError::disk("make a folder for", error));
            }
            _ => {}
        }
        folder.parent().map_or(Ok(()), sync_folder)
    }
}

impl OpenUpload {
    /// Writes pieces one after the other, from an offset on.
    pub(super) fn write(&self, pieces: &[Bytes], mut offset: u64) -> Result<(), BlobError> {
        for piece in pieces {
            kill::step();
            self.file.write_all_at(piece, offset).map_err(|e| BlobError::disk("write", e))?;
            offset = offset.saturating_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Returns when what was written is on the disk, and the upload's name with it.
    pub(super) fn sync(&self) -> Result<(), BlobError> {
        kill::step();
        self.file.sync_data().map_err(|e| BlobError::disk("save", e))?;
        if !self.is_named.load(Ordering::Acquire) {
            sync_folder(&self.claim.disk.root.join(UPLOADS))?;
            self.is_named.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Reads the next bytes from an offset on; none at the end.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let mut piece = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let read = self
                .file
                .read_at(rest, offset.saturating_add(filled as u64))
                .map_err(|e| BlobError::disk("read", e))?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        piece.truncate(filled);
        Ok(piece)
    }

    /// Makes an object of it: durable, and under its final name.
    #[expect(clippy::disallowed_methods, reason = "this file keeps the server's content")]
    pub(super) fn seal(&self, digest: &Digest) -> Result<String, BlobError> {
        kill::step();
        self.file.sync_data().map_err(|e| BlobError::disk("save", e))?;
        let (object, target, folder) = self.claim.disk.new_object(digest, &self.claim.id)?;
        let source = self.claim.disk.upload_path(&self.claim.id);
        kill::step();
        let moved = match std::fs::rename(&source, &target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.claim.disk.make_folder(&folder)?;
                std::fs::rename(&source, &target)
            }
            moved => moved,
        };
        moved.map_err(|e| BlobError::disk("seal", e))?;
        sync_folder(&folder)?;
        let metadata = self.file.metadata().map_err(|e| BlobError::disk("seal", e))?;
        // Its hash was computed from the very bytes that were written.
        self.claim.disk.note_verified(&object, stamp(&metadata));
        Ok(object)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.disk.open).remove(&self.id);
    }
}

impl OpenObject {
    /// Its length, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.stamp.size
    }

    /// What changes if the file does.
    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads this many bytes from an offset on; fewer only if there are no more.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let mut piece = Vec::with_capacity(length);
        let mut file = &self.file;
        io::Seek::seek(&mut file, io::SeekFrom::Start(offset))
            .and_then(|_| file.take(length as u64).read_to_end(&mut piece))
            .map_err(|e| BlobError::disk("read", e))?;
        Ok(piece)
    }
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}

/// The plain files of a folder, which need not be there.
fn files(folder: &Path) -> Result<Vec<(String, std::fs::Metadata)>, BlobError> {
    let entries: ReadDir = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BlobError::disk("list", error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| BlobError::disk("list", e))?;
        // One that is gone again is none.
        let Ok(metadata) = entry.metadata() else { continue };
        if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
            found.push((name, metadata));
        }
    }
    Ok(found)
}

/// How long a file is as it is: since it was written to, and since it got its name, which an upload
/// does that waited for a long time.
fn age(metadata: &std::fs::Metadata) -> Duration {
    let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    written.max(changed).elapsed().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "this file keeps the server's content")]
fn sync_folder(folder: &Path) -> Result<(), BlobError> {
    kill::step();
    let folder = File::open(folder).map_err(|e| BlobError::disk("save", e))?;
    folder.sync_all().map_err(|e| BlobError::disk("save", e))
}

/// A panic elsewhere leaves sets of names as good as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const UPLOADS: &str = "uploads";
const BLOBS: &str = "blobs";
