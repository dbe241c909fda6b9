//! A context that is a folder of the user's.
//!
//! Folders, files and links are taken as they are, and so are pipes and devices, as names without
//! content; sockets are left out, for they mean nothing to anybody else. No link is followed.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::build::content::{Bytes, Content, Files, hash_of};
use crate::build::context::error::ContextError;
use crate::build::context::known::KnownFiles;
use crate::build::context::reading::{Exclusion, Reading};
use crate::crypto::hash::{ExpectedContent, Sha256Hash};
use crate::oci::archive::{Entry, EntryPath, Kind};
use crate::store::StoreError;
use crate::store::folders::{Found, FoundKind, Identity, UserFolder};

/// The files of a folder. Their contents are read when somebody wants them.
pub fn from_folder(
    folder: &Path,
    exclusion: &dyn Exclusion,
    how: &Reading,
) -> Result<Files, ContextError> {
    let folder = Arc::new(UserFolder::open(folder)?);
    let mut files = Files::default();
    // Folders to be looked into; those that are left out are made if something in them is not.
    let mut pending = vec![EntryPath::default()];
    while let Some(path) = pending.pop() {
        let listing = folder.list(&path)?;
        for (name, is_folder) in &listing.names {
            let path = path.child(name);
            let is_excluded = exclusion.excludes(path.as_bytes());
            if is_excluded {
                let is_folder = match is_folder {
                    Some(is_folder) => *is_folder,
                    None => listing.inspect(name)?.kind == FoundKind::Folder,
                };
                if is_folder && !exclusion.may_skip(path.as_bytes()) {
                    pending.push(path);
                }
                continue;
            }
            // The reader of an image could not follow it either.
            EntryPath::parse(path.as_bytes())?;
            let found = listing.inspect(name)?;
            if found.kind == FoundKind::Folder {
                pending.push(path.clone());
            }
            add(&mut files, &folder, path, found, how)?;
        }
    }
    Ok(files)
}

fn add(
    files: &mut Files,
    folder: &Arc<UserFolder>,
    path: EntryPath,
    found: Found,
    how: &Reading,
) -> Result<(), ContextError> {
    let Found { kind, mode, identity } = found;
    let kind = match kind {
        FoundKind::File => Kind::File,
        FoundKind::Folder => Kind::Folder,
        FoundKind::Symlink(target) => Kind::Symlink(target),
        FoundKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
        FoundKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
        FoundKind::Fifo => Kind::Fifo,
        FoundKind::Socket => return Ok(()),
    };
    make_folders_above(files, folder, &path, how)?;
    let size = if kind == Kind::File { identity.size } else { 0 };
    let mut entry = Entry { mode, size, ..Entry::new(path.clone(), kind) };
    how.settle(&mut entry);
    let content = (size > 0).then(|| {
        let sha256 = how.known.find(&identity).map_or_else(OnceLock::new, OnceLock::from);
        let folder = Arc::clone(folder);
        let known = Arc::clone(&how.known);
        Arc::new(FolderFile { folder, path, identity, known, sha256 }) as Content
    });
    Ok(files.put(&entry, content)?)
}

/// Adds the folders on the way that are left out themselves.
fn make_folders_above(
    files: &mut Files,
    folder: &UserFolder,
    path: &EntryPath,
    how: &Reading,
) -> Result<(), ContextError> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(path) = above.filter(|path| files.at(path).is_none()) {
        above = path.parent();
        missing.push(path);
    }
    for path in missing.into_iter().rev() {
        let Some((_, name)) = path.split() else { continue };
        let found = folder.list(&path.parent().unwrap_or_default())?.inspect(name)?;
        let mut entry = Entry { mode: found.mode, ..Entry::new(path, Kind::Folder) };
        how.settle(&mut entry);
        files.put(&entry, None)?;
    }
    Ok(())
}

/// The content of a file in a folder of the user's.
#[derive(Debug)]
struct FolderFile {
    folder: Arc<UserFolder>,
    path: EntryPath,
    identity: Identity,
    known: Arc<KnownFiles>,
    sha256: OnceLock<Sha256Hash>,
}

impl FolderFile {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let opened = self.folder.open_file(&self.path, &self.identity);
        Ok(Box::new(opened.map_err(io::Error::other)?))
    }

    /// Whether the file's state tells whether it was changed.
    fn is_settled(&self) -> bool {
        self.known.is_settled(&self.identity)
    }
}

impl Bytes for FolderFile {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let reader = self.reader()?;
        match self.sha256.get() {
            // It may be changed within the tick of the clock that it was looked at in; then it must
            // at least be what others in this build took it for.
            Some(expected) if !self.is_settled() => Ok(Box::new(Checked {
                reader,
                expected: ExpectedContent::new(self.identity.size, *expected),
                file: self,
            })),
            _ => Ok(reader),
        }
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        if let Some(hash) = self.sha256.get() {
            return Ok(*hash);
        }
        let (hash, _) = hash_of(&mut self.reader()?)?;
        self.learn_sha256(hash);
        Ok(self.sha256.get().copied().unwrap_or(hash))
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        self.sha256.get().copied()
    }

    fn learn_sha256(&self, hash: Sha256Hash) {
        if self.sha256.set(hash).is_ok() {
            self.known.learn(&self.identity, hash);
        }
    }
}

/// Reads a file that must be what it was taken for.
struct Checked<'a> {
    reader: Box<dyn Read + Send + 'a>,
    expected: ExpectedContent,
    file: &'a FolderFile,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if !self.expected.takes(buffer.get(..count).unwrap_or_default()) {
            let path = self.file.folder.place(&self.file.path);
            return Err(io::Error::other(StoreError::Changed { path }));
        }
        Ok(count)
    }
}
