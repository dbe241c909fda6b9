//! Content on its way in.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::limits::BLOB_PIECE_BYTES;
use crate::oci::Digest;
use crate::oci::digest::Hasher;
use crate::server::blobs::disk::OpenUpload;
use crate::server::blobs::{BlobError, blocking};

/// An upload that this request alone writes to. Writing and hashing of a batch go on while the next
/// one is received.
#[derive(Debug)]
pub struct Upload {
    open: Arc<OpenUpload>,
    hasher: Option<Hasher>,
    size: u64,
    working: Option<(Working<()>, Working<Hasher>)>,
}

type Working<T> = JoinHandle<Result<T, BlobError>>;

/// How far an upload is, to go on from later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes there are.
    pub size: u64,
    /// `sha256` or `sha512`: how they were hashed.
    pub algorithm: String,
    /// Where the hash stood after them; empty if there are none.
    pub hash_state: Vec<u8>,
}

impl Progress {
    /// Of an upload that has not begun, to be hashed so.
    pub fn none(algorithm: &str) -> Self {
        Self { size: 0, algorithm: algorithm.to_owned(), hash_state: Vec::new() }
    }

    pub(super) fn hasher(&self) -> Option<Hasher> {
        if self.size == 0 {
            return Hasher::named(&self.algorithm);
        }
        Hasher::resumed(&self.algorithm, &self.hash_state)
    }
}

impl Upload {
    pub(super) fn new(open: OpenUpload, hasher: Hasher, size: u64) -> Self {
        Self { open: Arc::new(open), hasher: Some(hasher), size, working: None }
    }

    /// How many bytes it has, those being written among them.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes and hashes these pieces at the end, once those before are done; returns before these
    /// are.
    pub async fn append(&mut self, pieces: Vec<Bytes>) -> Result<(), BlobError> {
        self.settle().await?;
        let Some(mut hasher) = self.hasher.take() else { return Err(BlobError::Stopping) };
        let (open, at) = (Arc::clone(&self.open), self.size);
        self.size = pieces.iter().fold(at, |sum, piece| sum.saturating_add(piece.len() as u64));
        let copies = pieces.clone();
        let written = tokio::task::spawn_blocking(move || open.write(&pieces, at));
        let hashed = tokio::task::spawn_blocking(move || {
            for piece in &copies {
                hasher.update(piece);
            }
            Ok(hasher)
        });
        self.working = Some((written, hashed));
        Ok(())
    }

    /// Returns when all that was appended is written and hashed; an error is that of a write.
    pub async fn settle(&mut self) -> Result<(), BlobError> {
        let Some((written, hashed)) = self.working.take() else { return Ok(()) };
        let (written, hashed) = futures_util::future::join(written, hashed).await;
        self.hasher = Some(hashed.unwrap_or(Err(BlobError::Stopping))?);
        written.unwrap_or(Err(BlobError::Stopping))
    }

    /// How far it is; `None` while something is still being written.
    pub fn progress(&self) -> Option<Progress> {
        let hasher = self.hasher.as_ref()?;
        Some(Progress {
            size: self.size,
            algorithm: hasher.algorithm().to_owned(),
            hash_state: hasher.state(),
        })
    }

    /// Returns when what is written now is on the disk. May go on beside further appending.
    pub fn sync(&self) -> impl Future<Output = Result<(), BlobError>> + Send + use<> {
        let open = Arc::clone(&self.open);
        blocking(move || open.sync())
    }

    /// The digest of all bytes, by an algorithm. If they were hashed by another one, they are read
    /// once more.
    pub async fn digest(&mut self, algorithm: &str) -> Result<Digest, BlobError> {
        self.settle().await?;
        let hasher = self.hasher.as_ref().filter(|hasher| hasher.algorithm() == algorithm);
        if let Some(hasher) = hasher {
            return Ok(hasher.clone().finish());
        }
        let mut hasher = Hasher::named(algorithm).ok_or(BlobError::Corrupt)?;
        let (open, size) = (Arc::clone(&self.open), self.size);
        blocking(move || {
            let mut at = 0;
            while at < size {
                let piece = open.read(at, BLOB_PIECE_BYTES)?;
                if piece.is_empty() {
                    return Err(BlobError::Corrupt);
                }
                hasher.update(&piece);
                at = at.saturating_add(piece.len() as u64);
            }
            Ok(hasher.finish())
        })
        .await
    }

    /// Makes content of it, under a name that no other has or had; returns that name when it is
    /// durable. The digest must be that of its bytes.
    pub async fn seal(mut self, digest: &Digest) -> Result<String, BlobError> {
        self.settle().await?;
        let (open, digest) = (Arc::clone(&self.open), digest.clone());
        blocking(move || open.seal(&digest)).await
    }
}
