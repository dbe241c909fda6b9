//! Unpacking a compressed stream, by what it is, within bounds.

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::limits::{
    MAX_EXPANSION_RATIO, MAX_FREE_EXPANSION_BYTES, MAX_LAYER_BYTES, MAX_XZ_MEMORY_KIB,
};
use crate::oci::archive::ArchiveError;
use crate::oci::media_type::Compression;

/// How much may come out of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion {
    /// Most bytes.
    pub limit: u64,
    /// Most times the bytes that went in, beyond what is free for all; `None` if any number.
    pub ratio: Option<u64>,
}

/// Reads what a stream unpacks to: gzip of any number of members, zstd of any number of frames, or
/// the stream as it is; and where a layer is not what is expected, bzip2 and xz as well.
pub struct Expander<R: Read> {
    decoder: Decoder<R>,
    compression: Compression,
    expansion: Expansion,
    unpacked: u64,
    meter: Arc<Meter>,
}

type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, Counted<R>>>;

enum Decoder<R: Read> {
    Plain(Box<Source<R>>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
    Bzip2(Box<MultiBzDecoder<Source<R>>>),
    Xz(Box<XzReader<Source<R>>>),
}

/// Counts what is read, and remembers whether the stream itself failed.
struct Counted<R> {
    inner: R,
    meter: Arc<Meter>,
}

/// What was read so far; beside the decoders, for not all of them can be asked after a failure.
#[derive(Debug, Default)]
struct Meter {
    count: AtomicU64,
    failed: AtomicBool,
}

impl Default for Expansion {
    fn default() -> Self {
        Self { limit: MAX_LAYER_BYTES, ratio: Some(MAX_EXPANSION_RATIO) }
    }
}

impl Expansion {
    /// What a person allowed: this many bytes, from whatever little.
    pub fn allowed(limit: u64) -> Self {
        Self { limit, ratio: None }
    }
}

impl<R: Read> Expander<R> {
    /// Looks at how the stream begins.
    pub fn new(inner: R, expansion: Expansion) -> Result<Self, ArchiveError> {
        Self::begin(inner, expansion, Foreign::Refused)
    }

    /// As [`Expander::new`], for archives that are no layers: they may be packed with bzip2 or xz.
    pub fn of_any(inner: R, expansion: Expansion) -> Result<Self, ArchiveError> {
        Self::begin(inner, expansion, Foreign::Unpacked)
    }

    fn begin(mut inner: R, expansion: Expansion, foreign: Foreign) -> Result<Self, ArchiveError> {
        let mut start = Vec::new();
        inner.by_ref().take(MAGIC).read_to_end(&mut start)?;
        let (is_bzip2, is_xz) = (start.starts_with(b"BZh"), start.starts_with(b"\xfd7zXZ\0"));
        if foreign == Foreign::Refused && (is_bzip2 || is_xz) {
            let name = if is_xz { "xz" } else { "bzip2" };
            return Err(ArchiveError::ForeignCompression { name });
        }
        let compression = Compression::of_bytes(&start);
        let count = AtomicU64::new(start.len() as u64);
        let meter = Arc::new(Meter { count, ..Meter::default() });
        let counted = Counted { inner, meter: Arc::clone(&meter) };
        let source = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(counted));
        let decoder = match compression {
            _ if is_bzip2 => Decoder::Bzip2(Box::new(MultiBzDecoder::new(source))),
            _ if is_xz => {
                Decoder::Xz(Box::new(XzReader::new_mem_limit(source, true, MAX_XZ_MEMORY_KIB)))
            }
            Compression::None => Decoder::Plain(Box::new(source)),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                Decoder::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(source)?))
            }
        };
        Ok(Self { decoder, compression, expansion, unpacked: 0, meter })
    }

    /// How the stream is packed, if it is as layers are.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How many bytes came out so far.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// The stream; what it has after what was read is left in it, but for what was read ahead.
    pub fn into_inner(self) -> R {
        let source = match self.decoder {
            Decoder::Plain(source) => *source,
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.finish(),
            Decoder::Bzip2(decoder) => decoder.into_inner(),
            Decoder::Xz(decoder) => decoder.into_inner(),
        };
        source.into_inner().into_inner().1.inner
    }

    /// How many bytes went in so far.
    fn packed(&self) -> u64 {
        self.meter.count.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let Expansion { limit, ratio } = self.expansion;
        let (packed, unpacked) = (self.packed(), self.unpacked);
        if unpacked > limit {
            return Err(ArchiveError::TooLarge { limit });
        }
        let too_many = ratio.is_some_and(|ratio| unpacked > packed.saturating_mul(ratio));
        if too_many && unpacked > MAX_FREE_EXPANSION_BYTES {
            return Err(ArchiveError::Bomb { packed, unpacked });
        }
        Ok(())
    }
}

impl<R: Read> Read for Expander<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(source) => source.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Bzip2(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
        };
        match read {
            Ok(count) => {
                self.unpacked = self.unpacked.saturating_add(count as u64);
                self.check()?;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) if self.meter.failed.load(Ordering::Relaxed) => Err(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ArchiveError::Truncated.into())
            }
            Err(error) => Err(ArchiveError::Damaged(error).into()),
        }
    }
}

impl<R: Read> fmt::Debug for Expander<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expander")
            .field("compression", &self.compression)
            .field("packed", &self.packed())
            .field("unpacked", &self.unpacked)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.meter.count.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
            Err(error) => {
                let is_over = error.kind() != io::ErrorKind::Interrupted;
                self.meter.failed.store(is_over, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

/// What becomes of streams that are packed as no layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    Refused,
    Unpacked,
}

/// As many bytes as it takes to know how a stream is packed.
const MAGIC: u64 = 6;
const BUFFER: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::oci::archive::Packer;

    fn packed(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut packer = Packer::new(Vec::new(), compression).unwrap();
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn expand(bytes: &[u8], expansion: Expansion) -> Result<Vec<u8>, ArchiveError> {
        let mut expander = Expander::new(bytes, expansion)?;
        let mut unpacked = Vec::new();
        expander.read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    #[test]
    fn streams_are_unpacked_by_what_they_are() {
        for compression in ALL {
            for text in [&b"some text"[..], b""] {
                let once = packed(text, compression);
                assert_eq!(expand(&once, Expansion::default()).unwrap(), text);
                let twice = once.repeat(2);
                assert_eq!(expand(&twice, Expansion::default()).unwrap(), text.repeat(2));
            }
        }
    }

    #[test]
    fn streams_that_are_cut_off_or_damaged() {
        let text = b"some text that is not very long".repeat(100);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let whole = packed(&text, compression);
            for length in 6..whole.len() {
                let error = expand(&whole[..length], Expansion::default()).unwrap_err();
                assert!(matches!(error, ArchiveError::Truncated), "{length}: {error}");
            }
            let with_more = [&whole[..], b"more"].concat();
            let error = expand(&with_more, Expansion::default()).unwrap_err();
            assert!(
                matches!(error, ArchiveError::Damaged(_) | ArchiveError::Truncated),
                "{error:?}"
            );
        }
        let mut damaged = packed(&text, Compression::Gzip);
        let length = damaged.len();
        damaged[length - 6] ^= 1;
        let error = expand(&damaged, Expansion::default()).unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged(_)), "{error}");
    }

    #[test]
    fn other_compressions_are_named() {
        for (start, expected) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0\x04", "xz")] {
            let error = expand(start, Expansion::default()).unwrap_err();
            assert!(matches!(error, ArchiveError::ForeignCompression { name } if name == expected));
        }
    }

    #[test]
    fn no_more_comes_out_than_may() {
        for compression in ALL {
            let bytes = packed(&[0; 5000], compression);
            let error = expand(&bytes, Expansion::allowed(4999)).unwrap_err();
            assert!(matches!(error, ArchiveError::TooLarge { limit: 4999 }), "{error}");
            assert_eq!(expand(&bytes, Expansion::allowed(5000)).unwrap().len(), 5000);
        }
    }

    #[test]
    fn bombs_are_put_out() {
        // Two thousand million zeros, of one member again and again.
        let member = packed(&vec![0; 64 << 20], Compression::Gzip);
        let bomb = member.repeat(32);
        let mut expander = Expander::new(&bomb[..], Expansion::default()).unwrap();
        let error = io::copy(&mut expander, &mut io::sink()).unwrap_err();
        assert!(matches!(ArchiveError::from(error), ArchiveError::Bomb { .. }));
        assert!(expander.unpacked() <= MAX_FREE_EXPANSION_BYTES + (1 << 20));
    }

    #[test]
    fn errors_of_the_stream_itself_are_left_alone() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk"))
            }
        }
        let start = packed(b"text", Compression::Gzip);
        let stream = start[..10].chain(Broken);
        let mut expander = Expander::new(stream, Expansion::default()).unwrap();
        let error = io::copy(&mut expander, &mut io::sink()).unwrap_err();
        assert!(matches!(ArchiveError::from(error), ArchiveError::Io(_)));
    }
}
