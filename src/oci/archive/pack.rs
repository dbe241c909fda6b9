//! Packing a stream: the same bytes give the same bytes, however they come and wherever it runs.
//!
//! gzip is written in members of a fixed length of input each, every one by one call of the same
//! encoder at the same level, with a header that says nothing of time or system. So the outcome
//! depends neither on the sizes of writes nor on the number of threads (spec/canonical-image.md §4).

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use libdeflater::{CompressionLvl, Compressor};

use crate::oci::Digest;
use crate::oci::digest::Hasher;
use crate::oci::media_type::Compression;

/// Packs what is written to it.
#[derive(Debug)]
pub struct Packer<W: Write>(Encoder<W>);

/// Packs a layer, and computes the digest of what went in.
#[derive(Debug)]
pub struct LayerPacker<W: Write> {
    packer: Packer<W>,
    hasher: Hasher,
    unpacked: u64,
}

enum Encoder<W: Write> {
    Plain(W),
    Gzip(Members<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

/// Blocks of input that become members of a gzip stream, in their order.
struct Members<W> {
    inner: W,
    block: Vec<u8>,
    /// How many were begun.
    begun: usize,
    workers: Option<Workers>,
    /// Members that are being made, the next one first.
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
}

/// Threads that make members; they end when this is dropped.
struct Workers {
    jobs: SyncSender<Job>,
    count: usize,
}

type Job = (Vec<u8>, Sender<io::Result<Vec<u8>>>);

impl<W: Write> Packer<W> {
    /// Begins a stream.
    pub fn new(inner: W, compression: Compression) -> io::Result<Self> {
        Ok(Self(match compression {
            Compression::None => Encoder::Plain(inner),
            Compression::Gzip => Encoder::Gzip(Members {
                inner,
                block: Vec::new(),
                begun: 0,
                workers: None,
                pending: VecDeque::new(),
            }),
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(inner, ZSTD_LEVEL)?;
                // With threads the outcome does not depend on their number; it is another than
                // without.
                encoder.multithread(u32::try_from(threads()).unwrap_or(1))?;
                Encoder::Zstd(encoder)
            }
        }))
    }

    /// Writes what is left, and gives back what was written to.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Encoder::Plain(inner) => Ok(inner),
            Encoder::Gzip(members) => members.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Encoder::Plain(inner) => inner.write(bytes),
            Encoder::Gzip(members) => members.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Does nothing: what a flush writes would depend on when it was asked for.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> LayerPacker<W> {
    /// Begins a layer.
    pub fn new(inner: W, compression: Compression) -> io::Result<Self> {
        let packer = Packer::new(inner, compression)?;
        Ok(Self { packer, hasher: Hasher::sha256(), unpacked: 0 })
    }

    /// How many bytes went in.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Writes what is left; gives back what was written to, and the digest of what went in.
    pub fn finish(self) -> io::Result<(W, Digest)> {
        Ok((self.packer.finish()?, self.hasher.finish()))
    }
}

impl<W: Write> Write for LayerPacker<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packer.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.unpacked = self.unpacked.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl<W: Write> Members<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block waits for what comes after it: the last one is made by ourselves.
        if self.block.len() == MEMBER {
            let block = std::mem::replace(&mut self.block, Vec::with_capacity(MEMBER));
            self.hand_out(block)?;
        }
        let room = MEMBER - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn hand_out(&mut self, block: Vec<u8>) -> io::Result<()> {
        self.begun += 1;
        let workers = match &mut self.workers {
            Some(workers) => workers,
            none => none.insert(Workers::start()?),
        };
        while self.pending.len() > workers.count
            && let Some(next) = self.pending.pop_front()
        {
            self.inner.write_all(&receive(&next)?)?;
        }
        let (outcome, pending) = channel();
        workers.jobs.send((block, outcome)).map_err(|_| worker_lost())?;
        self.pending.push_back(pending);
        Ok(())
    }

    fn finish(mut self) -> io::Result<W> {
        // An empty stream has one member as well.
        let last = (self.begun == 0 || !self.block.is_empty()).then(|| member(&self.block));
        for next in &self.pending {
            self.inner.write_all(&receive(next)?)?;
        }
        if let Some(last) = last {
            self.inner.write_all(&last?)?;
        }
        Ok(self.inner)
    }
}

impl Workers {
    fn start() -> io::Result<Self> {
        let count = threads();
        let (jobs, queue) = sync_channel::<Job>(count);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("gzip".to_owned()).spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((block, outcome)) = job else { break };
                    // Nobody waits for it any more if this fails.
                    drop(outcome.send(member(&block)));
                }
            })?;
        }
        Ok(Self { jobs, count })
    }
}

fn receive(pending: &Receiver<io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    pending.recv().map_err(|_| worker_lost())?
}

fn worker_lost() -> io::Error {
    io::Error::other("a thread that compresses has ended")
}

/// One gzip member of this input.
fn member(block: &[u8]) -> io::Result<Vec<u8>> {
    let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut encoder = Compressor::new(level);
    let mut packed = vec![0; encoder.gzip_compress_bound(block.len())];
    let length = encoder.gzip_compress(block, &mut packed).map_err(io::Error::other)?;
    packed.truncate(length);
    Ok(packed)
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Input of one gzip member, in bytes.
const MEMBER: usize = 1 << 20;
/// The level that layers are compressed with, as everywhere.
const GZIP_LEVEL: i32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// More give little beside the hashing, and each holds some MiB.
const MAX_THREADS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that compress a little, the same every time.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 28).unwrap()
        };
        (0..length).map(|_| next()).collect()
    }

    fn packed(bytes: &[u8], piece: usize, compression: Compression) -> (Digest, Digest) {
        let mut packer = LayerPacker::new(Vec::new(), compression).unwrap();
        for piece in bytes.chunks(piece) {
            packer.write_all(piece).unwrap();
            packer.flush().unwrap();
        }
        assert_eq!(packer.unpacked(), bytes.len() as u64);
        let (packed, diff_id) = packer.finish().unwrap();
        (Digest::sha256_of(&packed), diff_id)
    }

    #[test]
    fn the_outcome_does_not_depend_on_how_the_bytes_come() {
        let bytes = noise(5 * MEMBER + 17);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let at_once = packed(&bytes, bytes.len(), compression);
            assert_eq!(at_once.1, Digest::sha256_of(&bytes));
            for piece in [1000, MEMBER - 1, MEMBER, MEMBER + 1] {
                assert_eq!(packed(&bytes, piece, compression), at_once, "{compression:?} {piece}");
            }
        }
    }

    #[test]
    fn members_are_made_in_fixed_blocks() {
        let bytes = noise(2 * MEMBER);
        let mut packer = Packer::new(Vec::new(), Compression::Gzip).unwrap();
        packer.write_all(&bytes).unwrap();
        let packed = packer.finish().unwrap();
        let by_hand: Vec<u8> =
            bytes.chunks(MEMBER).flat_map(|block| member(block).unwrap()).collect();
        assert_eq!(packed, by_hand);
        assert_eq!(&packed[..10], b"\x1f\x8b\x08\0\0\0\0\0\0\xff");
    }

    /// Layers that were signed must come out the same from the next version.
    #[test]
    fn the_recipe_is_what_it_was() {
        let bytes = noise(3 * MEMBER / 2);
        let gzip = packed(&bytes, 4096, Compression::Gzip).0;
        let zstd = packed(&bytes, 4096, Compression::Zstd).0;
        let empty = packed(b"", 1, Compression::Gzip).0;
        assert_eq!([gzip.as_str(), zstd.as_str(), empty.as_str()], GOLDEN);
    }

    const GOLDEN: [&str; 3] = [
        "sha256:992abcdc9bb4e2519a417cac4b9edfb33096e9a516e2f43e18aff266b9523eb3",
        "sha256:e15ec39ae5a8986bae5d3ac2d7ebf6271d62ab0ccc93db14f060392001d1c75b",
        "sha256:30e6fa98fb48c2b132824d1ac5e2243c0be9e9082ff32598d34d7687ca7f6c7f",
    ];
}
