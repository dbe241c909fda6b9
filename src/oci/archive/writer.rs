//! Writing tar archives: the same entries give the same bytes.

use std::io::{self, Read, Write};

use crate::oci::archive::entry::Entry;
use crate::oci::archive::header::{BLOCK, ZERO, encode};

/// Writes entries one after the other.
///
/// POSIX's format alone, never GNU's; owners as numbers only.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    inner: W,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes an entry with its content, which must have as many bytes as the entry says.
    pub fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let Some(blocks) = encode(entry) else {
            let words = "an extended attribute has a name that no archive can hold";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        };
        self.inner.write_all(&blocks)?;
        if entry.size == 0 {
            return Ok(());
        }
        if io::copy(&mut content.take(entry.size), &mut self.inner)? != entry.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = usize::try_from(entry.size.next_multiple_of(BLOCK as u64) - entry.size);
        let padding = padding.unwrap_or_default();
        self.inner.write_all(ZERO.get(..padding).unwrap_or_default())
    }

    /// Writes an entry whose content is held.
    pub fn append_bytes(&mut self, entry: &Entry, mut content: &[u8]) -> io::Result<()> {
        self.append(entry, &mut content)
    }

    /// Writes the end, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&ZERO)?;
        self.inner.write_all(&ZERO)?;
        Ok(self.inner)
    }
}
