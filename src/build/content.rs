//! The bytes of files: where they are, without having them in memory.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

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

/// Files and what is in them: of a context, or of a stage as it is at some moment.
pub type Files = Tree<Content>;

/// How much is read at once, in bytes.
const PIECE: usize = 256 << 10;
