//! The layout as a whole: its folder, its index, and who may change it when.
//!
//! `index.json` is replaced in one step, under a lock that is held for that step alone. Content is
//! added without a lock, under a [`Lease`] that keeps others from removing it meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::MAX_LAYOUT_INDEX_BYTES;
use crate::oci::{Digest, LayoutIndex};
use crate::store::files::{Base, FileLock, LockKind, PUBLIC_MODE, is_temporary};
use crate::store::images::error::ImageLayoutError;
use crate::store::images::lease::{self, Lease};
use crate::store::{StoreError, streams};

/// One OCI image layout. Making a value touches nothing.
#[derive(Debug, Clone)]
pub struct ImageLayout {
    pub(super) base: Base,
}

/// The layout while nobody else may change which images it has; made by [`ImageLayout::lock`].
#[derive(Debug)]
pub struct Locked<'a> {
    layout: &'a ImageLayout,
    _lock: FileLock,
}

impl ImageLayout {
    /// Names the folder; it need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { base: Base::new(folder) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.base.path()
    }

    /// Reads which images there are: none if there is no layout.
    pub fn index(&self) -> Result<LayoutIndex, ImageLayoutError> {
        if !self.exists()? {
            return Ok(LayoutIndex::empty());
        }
        match self.base.read(&self.index_path(), MAX_LAYOUT_INDEX_BYTES)? {
            Some(contents) => LayoutIndex::parse(&contents.bytes)
                .map_err(|cause| ImageLayoutError::Index { folder: self.shown(), cause }),
            None => Ok(LayoutIndex::empty()),
        }
    }

    /// Whether there is a layout.
    pub fn is_there(&self) -> Result<bool, ImageLayoutError> {
        self.exists()
    }

    /// Makes the layout if there is none, and lets content be added to it.
    pub fn lease(&self) -> Result<Lease, ImageLayoutError> {
        self.create()?;
        Lease::take(self)
    }

    /// Keeps others of our kind from changing which images there are. Makes the layout if there is
    /// none.
    pub fn lock(&self) -> Result<Locked<'_>, ImageLayoutError> {
        self.create()?;
        let path = self.base.path().join(LOCK_FILE);
        let what = format!("the images in {}", self.shown());
        let lock = self.base.lock(&path, LockKind::Exclusive, LOCK_WAIT, &what)?;
        Ok(Locked { layout: self, _lock: lock })
    }

    /// Removes hidden files that crashed processes left, as far as that can be done; for who holds
    /// the lock.
    fn sweep(&self) {
        self.base.sweep(self.base.path());
        self.base.sweep(&self.incoming());
    }

    /// Where content of this digest is.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        // Both are plain names by construction of a digest.
        self.base.path().join(BLOBS).join(digest.algorithm()).join(digest.hex())
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.base.path().join(INCOMING)
    }

    /// Whether there is a layout, of a version that we know. A folder with other things in it is
    /// none, and is left alone.
    fn exists(&self) -> Result<bool, ImageLayoutError> {
        let wrong = |problem| ImageLayoutError::NotALayout { folder: self.shown(), problem };
        let Some(marker) = self.base.read(&self.base.path().join(MARKER), MAX_MARKER_BYTES)? else {
            let foreign = crate::store::files::names_in(self.base.path())?
                .iter()
                .any(|name| !OURS.contains(&name.as_str()) && !is_temporary(name));
            if foreign {
                return Err(wrong("it has other things in it, and no `oci-layout`"));
            }
            return Ok(false);
        };
        let marker: serde_json::Value = serde_json::from_slice(&marker.bytes)
            .map_err(|_| wrong("its `oci-layout` is not well-formed"))?;
        match marker.get("imageLayoutVersion").and_then(serde_json::Value::as_str) {
            Some(VERSION) => Ok(true),
            _ => Err(wrong("its `oci-layout` says another version")),
        }
    }

    fn create(&self) -> Result<(), ImageLayoutError> {
        let folder = self.base.path();
        if !self.exists()? {
            streams::create_public_folder(folder)?;
        }
        for inner in [format!("{BLOBS}/sha256"), INCOMING.to_owned(), lease::FOLDER.to_owned()] {
            streams::create_public_folder(&folder.join(inner))?;
        }
        if !self.base.has(&self.index_path()) {
            let index = LayoutIndex::empty().to_bytes();
            exists_is_fine(self.base.create(&self.index_path(), &index, PUBLIC_MODE))?;
        }
        if !self.base.has(&folder.join(MARKER)) {
            let marker = format!(r#"{{"imageLayoutVersion":"{VERSION}"}}"#);
            exists_is_fine(self.base.create(&folder.join(MARKER), marker.as_bytes(), PUBLIC_MODE))?;
        }
        Ok(())
    }

    fn index_path(&self) -> PathBuf {
        self.base.path().join(INDEX)
    }

    fn shown(&self) -> String {
        self.base.path().display().to_string()
    }
}

impl Locked<'_> {
    /// The layout.
    pub fn layout(&self) -> &ImageLayout {
        self.layout
    }

    /// Removes hidden files that processes left which are gone, as far as that can be done.
    pub fn sweep(&self) {
        self.layout.sweep();
    }

    /// Replaces the index in one step. What it names must be there, and on the disk.
    pub fn write(&self, index: &LayoutIndex) -> Result<(), ImageLayoutError> {
        Ok(self.layout.base.write(&self.layout.index_path(), &index.to_bytes(), PUBLIC_MODE)?)
    }

    /// Reads the index, lets it be changed, and writes it if it was.
    pub fn change<T, E: From<ImageLayoutError>>(
        &self,
        edit: impl FnOnce(&mut LayoutIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.layout.index()?;
        let mut index = before.clone();
        let outcome = edit(&mut index)?;
        if index != before {
            self.write(&index)?;
        }
        Ok(outcome)
    }
}

fn exists_is_fine(made: Result<(), StoreError>) -> Result<(), StoreError> {
    match made {
        Err(StoreError::Exists { .. }) => Ok(()),
        other => other,
    }
}

const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";
pub(super) const BLOBS: &str = "blobs";
/// Where content is while it is written.
const INCOMING: &str = ".trust-incoming";
const LOCK_FILE: &str = ".trust-lock";
/// What a layout that is being made may have before it has a marker.
const OURS: [&str; 5] = [INDEX, BLOBS, INCOMING, LOCK_FILE, lease::FOLDER];
const VERSION: &str = "1.0.0";
const MAX_MARKER_BYTES: u64 = 4096;
/// The lock is held for moments.
const LOCK_WAIT: Duration = Duration::from_mins(1);
