//! Contents that come once, kept in a hidden file until nobody wants them any more.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::build::content::{Bytes, Content, hash_of};
use crate::crypto::hash::Sha256Hash;
use crate::store::StoreError;
use crate::store::streams::Scratch;

/// Takes contents one after the other. They can be read once it is finished.
#[derive(Debug)]
pub struct ContentSpool {
    scratch: Scratch,
    shared: Arc<OnceLock<Scratch>>,
}

/// A content in the file.
#[derive(Debug)]
struct Spooled {
    shared: Arc<OnceLock<Scratch>>,
    at: u64,
    size: u64,
    sha256: Sha256Hash,
}

impl ContentSpool {
    /// Begins a file in a folder that exists.
    pub fn begin(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { scratch: Scratch::begin(folder)?, shared: Arc::default() })
    }

    /// Takes a content to its end.
    pub fn take(&mut self, reader: &mut dyn Read) -> io::Result<Content> {
        let at = self.scratch.written();
        let (sha256, size) = hash_of(&mut Tee { inner: reader, sink: &mut self.scratch })?;
        Ok(Arc::new(Spooled { shared: Arc::clone(&self.shared), at, size, sha256 }))
    }

    /// Lets the contents be read.
    pub fn finish(self) {
        // Nobody else sets it.
        drop(self.shared.set(self.scratch));
    }
}

impl Bytes for Spooled {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let early = || io::Error::other("the content is not there yet");
        let scratch = self.shared.get().ok_or_else(early)?;
        Ok(Box::new(scratch.part(self.at, self.size)))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Ok(self.sha256)
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        Some(self.sha256)
    }
}

struct Tee<'a> {
    inner: &'a mut dyn Read,
    sink: &'a mut Scratch,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sink.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
