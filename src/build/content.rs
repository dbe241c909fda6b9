//! The bytes of files: where they are, without having them in memory.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::Digest as _;

use crate::crypto::hash::Sha256Hash;
use crate::oci::archive::Tree;

/// Bytes that can be read, as often as somebody wants.
pub trait Bytes: Send + Sync + fmt::Debug {
    /// Begins to read them, from the first one on.
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Their SHA-256. They are read for it unless somebody knows it.
    fn sha256(&self) -> io::Result<Sha256Hash>;

    /// Their SHA-256, if it is known without reading them.
    fn known_sha256(&self) -> Option<Sha256Hash>;

    /// Takes note of their SHA-256, from somebody who has read all of them.
    fn learn_sha256(&self, _hash: Sha256Hash) {}
}

/// A file's bytes.
pub type Content = Arc<dyn Bytes>;

/// Reads all that there is for its SHA-256, and counts it.
pub fn hash_of(reader: &mut dyn Read) -> io::Result<(Sha256Hash, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0_u64;
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok((Sha256Hash(hasher.finalize().into()), size)),
            Ok(count) => {
                hasher.update(piece.get(..count).unwrap_or_default());
                size = size.saturating_add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Learns the SHA-256 of all of these that are not known yet, on several threads.
pub fn hash_all(contents: &[&Content]) -> io::Result<()> {
    let unknown: Vec<&Content> =
        contents.iter().copied().filter(|content| content.known_sha256().is_none()).collect();
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(content) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
            content.sha256()?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(MAX_THREADS).min(unknown.len());
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread that hashes has ended")))
        });
        theirs.fold(mine, Result::and)
    })
}

/// Files and what is in them: of a context, or of a stage as it is at some moment.
pub type Files = Tree<Content>;

/// How much is read at once, in bytes.
const PIECE: usize = 256 << 10;
/// More only wait for the same disk.
const MAX_THREADS: usize = 8;
