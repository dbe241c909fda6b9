//! Reading tar archives that anybody may have made: POSIX's, GNU's and older ones.
//!
//! Where programs understand an archive differently we go with Go's `archive/tar`, which docker and
//! the other engines read layers with: what we see in a layer is what they would unpack.

use std::io::{self, Read};

use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_ENTRY_PATH_BYTES, MAX_EXTENSION_BYTES};
use crate::oci::archive::entry::{Entry, Kind, Time};
use crate::oci::archive::header::{self, BLOCK, Block, Header};
use crate::oci::archive::path::shown;
use crate::oci::archive::pax::{self, Records};
use crate::oci::archive::{ArchiveError, EntryPath, Written};
use crate::oci::media_type::Compression;

/// Reads entries one after the other. Between two, it reads the content of the first.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    inner: R,
    /// How many bytes of the archive were read.
    offset: u64,
    entries: usize,
    /// What is left of the entry's content, and the zeros after it, in bytes.
    content: u64,
    padding: u64,
    ended: bool,
    /// Where the end begins, once it was reached.
    end: u64,
    written: Written,
}

/// What extended headers before an entry say of it.
#[derive(Default)]
struct Extensions {
    records: Records,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    fn written(&self, block: &Block) -> Written {
        let mut written = Written::of(block);
        for (key, value) in self.records.iter() {
            written.add("pax", key, value);
        }
        let long = [("name", &self.name), ("linkname", &self.link)];
        for (name, value) in
            long.iter().filter_map(|(name, value)| Some((*name, (*value).as_ref()?)))
        {
            written.add("gnu", name.as_bytes(), value);
        }
        written
    }
}

impl<R: Read> ArchiveReader<R> {
    /// Begins to read.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            offset: 0,
            entries: 0,
            content: 0,
            padding: 0,
            ended: false,
            end: 0,
            written: Written::default(),
        }
    }

    /// How the last entry is written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Where the end of the archive begins, in bytes from its beginning, once it was reached.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The next entry; what was not read of the content of the one before is passed over. `None`
    /// at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut extensions = Extensions::default();
        loop {
            self.pass_over()?;
            let start = self.offset;
            let Some(block) = self.header_block()? else {
                return Ok(None);
            };
            self.entries += 1;
            if self.entries > MAX_ARCHIVE_ENTRIES {
                return Err(ArchiveError::TooManyEntries);
            }
            let header = Header::of(&block).ok_or(ArchiveError::NoHeader { offset: start })?;
            match header.kind() {
                b'x' => {
                    let body = self.extension(start, &header)?;
                    let records = Records::parse(&body);
                    let wrong = ArchiveError::Extension { offset: start };
                    extensions.records = records.ok_or(wrong)?;
                }
                // For all entries that follow; container engines do not follow it either.
                b'g' => drop(self.extension(start, &header)?),
                b'L' => {
                    let body = self.extension(start, &header)?;
                    extensions.name = Some(header::text(&body).to_vec());
                }
                b'K' => {
                    let body = self.extension(start, &header)?;
                    extensions.link = Some(header::text(&body).to_vec());
                }
                _ => {
                    self.written = extensions.written(&block);
                    let entry = entry(&header, extensions)?;
                    self.expect(entry.size);
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// Reads what is after the end of the archive, so that whoever hashes the stream has all of it.
    /// Returns what was read from.
    pub fn finish(mut self) -> Result<R, ArchiveError> {
        if !self.ended {
            while self.next_entry()?.is_some() {}
        }
        io::copy(&mut self.inner, &mut io::sink())?;
        Ok(self.inner)
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn pass_over(&mut self) -> Result<(), ArchiveError> {
        let mut scrap = [0; 16 << 10];
        while self.content > 0 {
            let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(scrap.len());
            if self.read(scrap.get_mut(..most).unwrap_or_default())? == 0 {
                return Err(ArchiveError::Truncated);
            }
        }
        let padding = std::mem::take(&mut self.padding);
        let padding = usize::try_from(padding).unwrap_or_default();
        let zeros = scrap.get_mut(..padding).unwrap_or_default();
        // The last entry's may be missing: some programs leave it out with the end.
        let read = self.fill(zeros)?;
        if read != 0 && read != padding {
            return Err(ArchiveError::Truncated);
        }
        Ok(())
    }

    /// The next block that is no end; `None` at the end, which may be marked or not.
    fn header_block(&mut self) -> Result<Option<Block>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let start = self.offset;
        let mut block = header::ZERO;
        for is_first in [true, false] {
            match self.fill(&mut block)? {
                0 => break,
                BLOCK => {}
                _ => return Err(ArchiveError::Truncated),
            }
            if block != header::ZERO {
                // One block of zeros alone is no end.
                return if is_first {
                    Ok(Some(block))
                } else {
                    Err(ArchiveError::NoHeader { offset: start })
                };
            }
        }
        (self.ended, self.end) = (true, start);
        Ok(None)
    }

    /// The content of a header that belongs to the next one.
    fn extension(&mut self, start: u64, header: &Header<'_>) -> Result<Vec<u8>, ArchiveError> {
        let size = header.size()?;
        let length = usize::try_from(size).ok().filter(|_| size <= MAX_EXTENSION_BYTES);
        let length = length.ok_or(ArchiveError::LongExtension { offset: start, size })?;
        self.expect(size);
        let mut body = vec![0; length];
        if self.fill(&mut body)? != length {
            return Err(ArchiveError::Truncated);
        }
        self.content = 0;
        Ok(body)
    }

    /// Reads until the buffer is full or the stream is at its end.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset = self.offset.saturating_add(filled as u64);
        Ok(filled)
    }
}

/// Whether a stream that begins so is an archive, or one that is compressed.
pub fn looks_like_archive(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else {
        return Compression::of_bytes(start) != Compression::None;
    };
    let is_compressed = Compression::of_bytes(start) != Compression::None;
    is_compressed || *block == header::ZERO || Header::of(block).is_some()
}

/// The content of the entry.
impl<R: Read> Read for ArchiveReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let Some(wanted) = buffer.get_mut(..most).filter(|wanted| !wanted.is_empty()) else {
            return Ok(0);
        };
        let count = self.inner.read(wanted)?;
        if count == 0 {
            return Err(ArchiveError::Truncated.into());
        }
        self.content -= count as u64;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

fn entry(header: &Header<'_>, extensions: Extensions) -> Result<Entry, ArchiveError> {
    let Extensions { records, name, link } = extensions;
    let said = |key| records.get(key).map(<[u8]>::to_vec);
    let name = name.or_else(|| said("path")).unwrap_or_else(|| header.name());
    let link = link.or_else(|| said("linkpath")).unwrap_or_else(|| header.link());
    let path = EntryPath::parse(&name)?;
    if header.kind() == b'S' || records.is_sparse() {
        return Err(ArchiveError::Sparse { path: shown(&name) });
    }
    let number = |key: &'static str, otherwise: Result<u64, ArchiveError>| {
        let wrong = |_| ArchiveError::Number { path: shown(&name), field: key };
        records.number(key).map_err(wrong)?.map_or(otherwise, Ok)
    };
    let size = number("size", header.size())?;
    let kind = match header.kind() {
        // Before POSIX, a folder was a file whose name ends so.
        0 if name.ends_with(b"/") => Kind::Folder,
        0 | header::FILE | b'7' => Kind::File,
        header::HARDLINK => Kind::Hardlink(EntryPath::parse(&link)?),
        header::SYMLINK => Kind::Symlink(link_text(&name, link)?),
        header::CHAR_DEVICE => {
            let (major, minor) = header.device()?;
            Kind::CharDevice { major, minor }
        }
        header::BLOCK_DEVICE => {
            let (major, minor) = header.device()?;
            Kind::BlockDevice { major, minor }
        }
        header::FOLDER => Kind::Folder,
        header::FIFO => Kind::Fifo,
        kind => return Err(ArchiveError::UnknownKind { path: shown(&name), kind }),
    };
    let mtime = match records.get("mtime") {
        Some(text) => pax::read_time(text)
            .ok_or_else(|| ArchiveError::Number { path: shown(&name), field: "mtime" })?,
        None => Time { seconds: header.mtime()?, nanoseconds: 0 },
    };
    Ok(Entry {
        size: if kind == Kind::File { size } else { 0 },
        path,
        kind,
        mode: header.mode()?,
        uid: number("uid", header.uid())?,
        gid: number("gid", header.gid())?,
        mtime,
        xattrs: records.xattrs(),
    })
}

fn link_text(name: &[u8], target: Vec<u8>) -> Result<Box<[u8]>, ArchiveError> {
    let wrong = |problem| Err(ArchiveError::Name { path: shown(name), problem });
    match target.len() {
        0 => wrong("it is a link to nothing"),
        _ if target.contains(&0) => wrong("it is a link to a name with a zero byte"),
        length if length > MAX_ENTRY_PATH_BYTES => Err(ArchiveError::LongName { length }),
        _ => Ok(target.into_boxed_slice()),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
