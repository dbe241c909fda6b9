//! Leases: what a process is about to give a name is not removed by another.
//!
//! A lease is a file that its process holds a lock on. It lists digests, one a line. Whoever removes
//! content does so under the layout's lock, and leaves alone what a lease that is still held lists.
//! A digest is listed, under the same lock, before its content is looked for; so content that was
//! found stays. The lease of a process that is gone is nobody's, and is swept up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::oci::{Descriptor, Digest, LayoutIndex};
use crate::store::files::{FileLock, LockKind, Unsynced};
use crate::store::images::blobs::BlobWriter;
use crate::store::images::error::ImageLayoutError;
use crate::store::images::layout::{ImageLayout, Locked};
use crate::store::streams::Scratch;

/// The right to add content, and to rely on what is there; for as long as it is kept.
#[derive(Debug)]
pub struct Lease {
    layout: ImageLayout,
    path: PathBuf,
    /// `None` once it is given back.
    lock: Option<FileLock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    protected: BTreeSet<Digest>,
    /// Content of the images that there were when it was first asked for. It was whole when they
    /// got their names, and what is listed here by then stays.
    referenced: Option<BTreeSet<Digest>>,
    unsynced: Vec<Unsynced>,
    written: BTreeSet<Digest>,
}

impl Lease {
    pub(super) fn take(layout: &ImageLayout) -> Result<Self, ImageLayoutError> {
        // Under the lock, so that nobody sweeps it before it is locked.
        let locked = layout.lock()?;
        let path = layout.base.path().join(FOLDER).join(Uuid::new_v4().to_string());
        let what = "a lease".to_owned();
        let lock = layout.base.lock(&path, LockKind::Exclusive, Duration::ZERO, &what)?;
        drop(locked);
        Ok(Self { layout: layout.clone(), path, lock: Some(lock), state: Mutex::default() })
    }

    /// The layout.
    pub fn layout(&self) -> &ImageLayout {
        &self.layout
    }

    /// Keeps content of these digests, there or to come, from being removed.
    pub fn protect<'a>(
        &self,
        digests: impl IntoIterator<Item = &'a Digest>,
    ) -> Result<(), ImageLayoutError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let new = digests.into_iter().filter(|digest| !state.protected.contains(digest));
        let new: BTreeSet<Digest> = new.cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        // The line before may be half of one, if the disk was full.
        let lines: Vec<&str> = new.iter().map(Digest::as_str).collect();
        let lines = format!("\n{}\n", lines.join("\n"));
        let _locked = self.layout.lock()?;
        // In place, for the lock is on the file; and at its end, for what it lists must stay.
        self.layout.base.append(&self.path, lines.as_bytes())?;
        state.protected.extend(new);
        Ok(())
    }

    /// Whether the content is there, and stays. Content that no image has yet is read and
    /// verified: a crash may have left it unfinished.
    pub fn has(&self, content: &Descriptor) -> Result<bool, ImageLayoutError> {
        self.protect([&content.digest])?;
        if !self.layout.has_blob(content) {
            return Ok(false);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let referenced = match &mut state.referenced {
            Some(referenced) => referenced,
            none => none.insert(self.layout.referenced()?),
        };
        let is_referenced = referenced.contains(&content.digest);
        drop(state);
        Ok(is_referenced || self.layout.verify_blob(content).is_ok())
    }

    /// Begins to write content.
    pub fn writer(&self) -> Result<BlobWriter<'_>, ImageLayoutError> {
        BlobWriter::begin(self)
    }

    /// Adds content that is held; returns its digest.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ImageLayoutError> {
        let digest = Digest::sha256_of(bytes);
        let content = Descriptor::new("", digest.clone(), bytes.len() as u64);
        if !self.has(&content)? {
            let mut writer = self.writer()?;
            writer.write(bytes)?;
            writer.finish(Some(&content))?;
        }
        Ok(digest)
    }

    /// Begins a file for what has to be read again in another order.
    pub fn scratch(&self) -> Result<Scratch, ImageLayoutError> {
        Ok(Scratch::begin(&self.layout.incoming())?)
    }

    /// Gives the lease back, and removes what was written under it that no image has: of work that
    /// failed everything, of work that is done what was not needed after all.
    pub fn tidy(self) -> Result<(), ImageLayoutError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (layout, written) = (self.layout.clone(), state.written.clone());
        drop(state);
        drop(self);
        if written.is_empty() {
            return Ok(());
        }
        let locked = layout.lock()?;
        let (mut kept, leased) = (layout.referenced()?, locked.leased()?);
        kept.extend(layout.build_steps()?.layers());
        for digest in written.iter().filter(|one| !kept.contains(one) && !leased.contains(one)) {
            locked.remove_blob(digest)?;
        }
        Ok(())
    }

    /// Changes which images there are, once all that was written lasts.
    pub fn commit<T, E: From<ImageLayoutError>>(
        &self,
        edit: impl FnOnce(&mut LayoutIndex) -> Result<T, E>,
    ) -> Result<T, E> {
        self.sync()?;
        self.layout.lock()?.change(edit)
    }

    pub(super) fn wrote(
        &self,
        digest: &Digest,
        unsynced: Unsynced,
    ) -> Result<(), ImageLayoutError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written.insert(digest.clone());
        state.unsynced.push(unsynced);
        // Each holds a file open.
        if state.unsynced.len() < MAX_UNSYNCED {
            return Ok(());
        }
        let unsynced = std::mem::take(&mut state.unsynced);
        drop(state);
        Ok(self.layout.base.sync_all(unsynced)?)
    }

    pub(super) fn sync(&self) -> Result<(), ImageLayoutError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unsynced = std::mem::take(&mut state.unsynced);
        drop(state);
        for algorithm in ["sha256", "sha512"] {
            let folder = self.layout.base.path().join(super::layout::BLOBS).join(algorithm);
            if self.layout.base.has_folder(&folder) {
                unsynced.push(self.layout.base.changed(&folder)?);
            }
        }
        unsynced
            .push(self.layout.base.changed(&self.layout.base.path().join(super::layout::BLOBS))?);
        Ok(self.layout.base.sync_all(unsynced)?)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whoever comes next sweeps it if this fails.
        drop(self.layout.base.remove(&self.path));
        self.lock = None;
    }
}

impl Locked<'_> {
    /// What processes that are at work rely on. Leases of those that are gone are removed.
    pub fn leased(&self) -> Result<BTreeSet<Digest>, ImageLayoutError> {
        let base = &self.layout().base;
        let mut digests = BTreeSet::new();
        for path in base.list(&base.path().join(FOLDER))? {
            // Whoever holds it makes us fail to; the lock is gone with the value.
            if base.lock_existing(&path, LockKind::Exclusive, Duration::ZERO, "a lease").is_ok() {
                base.remove(&path)?;
                continue;
            }
            let contents = base.read(&path, MAX_LEASE_BYTES)?.map(|contents| contents.bytes);
            let text = String::from_utf8(contents.unwrap_or_default()).unwrap_or_default();
            digests.extend(text.lines().filter_map(|line| Digest::parse(line).ok()));
        }
        Ok(digests)
    }
}

/// Where leases are.
pub(super) const FOLDER: &str = ".trust-leases";
/// Most files kept open until they are synced together.
const MAX_UNSYNCED: usize = 64;
/// A digest has at most 136 bytes.
const MAX_LEASE_BYTES: u64 = 64 << 20;
