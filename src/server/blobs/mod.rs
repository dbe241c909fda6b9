//! Content: written under a name of its own, sealed when it is complete, and only then referenced
//! by the database; removed only when the database does not refer to it any more.
//!
//! Nothing outside knows whether it is a folder. What is served is hashed on its way, unless it was
//! found whole a short while ago: of what turns out to be damaged, the last piece is never sent.

pub mod disk;
pub mod error;
pub mod upload;

pub use disk::{ScannedObject, ScannedUpload};
pub use error::BlobError;
pub use upload::{Progress, Upload};

use std::fs::File;
use std::io::{Read, Seek as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::task::JoinHandle;

use crate::limits::BLOB_PIECE_BYTES;
use crate::oci::Digest;
use crate::oci::digest::Hasher;
use crate::server::blobs::disk::{Claim, Disk, OpenObject};

/// Where content is.
#[derive(Debug, Clone)]
pub struct BlobStore {
    disk: Arc<Disk>,
}

/// Content that can be read.
#[derive(Debug)]
pub struct Content {
    disk: Arc<Disk>,
    object: String,
    digest: Digest,
    opened: Arc<OpenObject>,
    verified: bool,
}

impl BlobStore {
    /// Content in this folder, which is made when there is something to keep.
    pub fn new(root: &Path) -> Self {
        Self { disk: Arc::new(Disk::new(root)) }
    }

    /// Keeps all others from an upload for as long as the claim lives, and what it opened.
    /// [`BlobError::Busy`] if somebody else does. `id` is letters, digits and hyphens.
    pub fn claim(&self, id: &str) -> Result<UploadClaim, BlobError> {
        Ok(UploadClaim { disk: Arc::clone(&self.disk), claim: Arc::new(self.disk.claim(id)?) })
    }

    /// Makes content of a file elsewhere, which stays as it is: by a second name for it, or by a
    /// copy. It is hashed first; [`BlobError::Corrupt`] if its digest is another one,
    /// [`BlobError::Source`] if it cannot be read to its end. `id` names no other upload.
    pub async fn adopt(
        &self,
        mut file: File,
        digest: &Digest,
        id: String,
        how: Adopt,
    ) -> Result<Adopted, BlobError> {
        let (disk, digest) = (Arc::clone(&self.disk), digest.clone());
        blocking(move || {
            if how == Adopt::Link {
                let size = hashed(&mut file, &digest, &mut |_, _| Ok(()))?;
                if let Some(object) = disk.link(&file, &digest, &id)? {
                    return Ok(Adopted { object, size, is_copy: false });
                }
                file.rewind().map_err(BlobError::Source)?;
            }
            let claim = Arc::new(disk.claim(&id)?);
            let upload = disk.open_upload(Arc::clone(&claim), 0)?;
            let written = hashed(&mut file, &digest, &mut |piece, at| upload.write(&[piece], at));
            let sealed = written.and_then(|size| Ok((upload.seal(&digest)?, size)));
            match sealed {
                Ok((object, size)) => Ok(Adopted { object, size, is_copy: true }),
                Err(error) => {
                    disk.remove_upload(&claim)?;
                    Err(error)
                }
            }
        })
        .await
    }

    /// Opens content that should have this digest and length. [`BlobError::Corrupt`] if its length
    /// is another one.
    pub async fn open(
        &self,
        object: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<Content, BlobError> {
        let (disk, name) = (Arc::clone(&self.disk), object.to_owned());
        let opened = blocking(move || disk.open(&name)).await?;
        if opened.size() != size {
            return Err(BlobError::Corrupt);
        }
        let verified = self.disk.is_verified(object, &opened);
        Ok(Content {
            disk: Arc::clone(&self.disk),
            object: object.to_owned(),
            digest: digest.clone(),
            opened: Arc::new(opened),
            verified,
        })
    }

    /// The length of content, in bytes.
    pub async fn size(&self, object: &str) -> Result<u64, BlobError> {
        let (disk, name) = (Arc::clone(&self.disk), object.to_owned());
        blocking(move || disk.size(&name)).await
    }

    /// Removes content; it is no error if there is none.
    pub async fn delete(&self, object: &str) -> Result<(), BlobError> {
        let (disk, name) = (Arc::clone(&self.disk), object.to_owned());
        blocking(move || disk.delete(&name)).await
    }

    /// All content of a shard; [`Self::shards`] names them. For garbage collection and checks only:
    /// what is sealed meanwhile may or may not be among it.
    pub async fn scan(&self, shard: &Shard) -> Result<Vec<ScannedObject>, BlobError> {
        let (disk, shard) = (Arc::clone(&self.disk), shard.clone());
        blocking(move || disk.scan(shard.algorithm, &shard.prefix)).await
    }

    /// The parts that content is scanned in.
    pub fn shards() -> impl Iterator<Item = Shard> {
        ["sha256", "sha512"].into_iter().flat_map(|algorithm| {
            (0..=u8::MAX).map(move |byte| Shard { algorithm, prefix: format!("{byte:02x}") })
        })
    }

    /// All uploads of which anything is kept, whether or not the database knows them.
    pub async fn scan_uploads(&self) -> Result<Vec<ScannedUpload>, BlobError> {
        let disk = Arc::clone(&self.disk);
        blocking(move || disk.scan_uploads()).await
    }
}

/// How content comes of a file elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// By a second name, or by a copy where that cannot be.
    Link,
    /// By a copy.
    Copy,
}

/// Content that came of a file elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its name here.
    pub object: String,
    /// Its length, in bytes.
    pub size: u64,
    /// Whether it is a copy.
    pub is_copy: bool,
}

/// Reads a file to its end, piece by piece, and returns its length; [`BlobError::Corrupt`] if it
/// has another digest.
fn hashed(
    file: &mut File,
    digest: &Digest,
    take: &mut dyn FnMut(Bytes, u64) -> Result<(), BlobError>,
) -> Result<u64, BlobError> {
    let (mut hasher, mut size) = (Hasher::like(digest), 0_u64);
    loop {
        let mut piece = Vec::with_capacity(BLOB_PIECE_BYTES);
        let read = Read::by_ref(file).take(BLOB_PIECE_BYTES as u64).read_to_end(&mut piece);
        if read.map_err(BlobError::Source)? == 0 {
            break;
        }
        hasher.update(&piece);
        let length = piece.len() as u64;
        take(piece.into(), size)?;
        size = size.saturating_add(length);
    }
    if hasher.finish() == *digest { Ok(size) } else { Err(BlobError::Corrupt) }
}

/// An upload that nobody else can open.
#[derive(Debug)]
pub struct UploadClaim {
    disk: Arc<Disk>,
    claim: Arc<Claim>,
}

impl UploadClaim {
    /// Opens the upload: at 0 it begins, else it goes on where it was last known to be on the disk,
    /// and what is beyond is cut off. [`BlobError::Missing`] if less is there than there should be.
    pub async fn open(&self, progress: &Progress) -> Result<Upload, BlobError> {
        let hasher = progress.hasher().ok_or(BlobError::Missing)?;
        let (disk, claim, size) = (Arc::clone(&self.disk), Arc::clone(&self.claim), progress.size);
        let open = blocking(move || disk.open_upload(claim, size)).await?;
        Ok(Upload::new(open, hasher, size))
    }

    /// Removes what was uploaded; it is no error if there is nothing.
    pub async fn remove(&self) -> Result<(), BlobError> {
        let (disk, claim) = (Arc::clone(&self.disk), Arc::clone(&self.claim));
        blocking(move || disk.remove_upload(&claim)).await
    }
}

/// A part of all content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    algorithm: &'static str,
    prefix: String,
}

impl Content {
    /// Its length, in bytes.
    pub fn size(&self) -> u64 {
        self.opened.size()
    }

    /// Reads all of it at once; for what fits into one piece. [`BlobError::Corrupt`] if its digest
    /// is another one.
    pub async fn bytes(self) -> Result<Bytes, BlobError> {
        blocking(move || {
            let length = usize::try_from(self.size()).map_err(|_| BlobError::Corrupt)?;
            let bytes = self.opened.read(0, length)?;
            if bytes.len() != length {
                return Err(BlobError::Corrupt);
            }
            if !self.verified {
                if !self.digest.matches(&bytes) {
                    return Err(BlobError::Corrupt);
                }
                self.disk.note_verified(&self.object, self.opened.stamp());
            }
            Ok(bytes.into())
        })
        .await
    }

    /// Reads some of it, piece by piece. Where it is the whole, it is hashed unless that was done a
    /// short while ago, and the last piece comes only if the digest is right. A part of a whole
    /// cannot be checked.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, BlobError>> + Send {
        let is_whole = range == (0..self.size());
        let hasher = (is_whole && !self.verified).then(|| Hasher::like(&self.digest));
        let mut reader =
            Reader { content: Arc::new(self), at: range.start, end: range.end, next: None };
        reader.start(hasher);
        stream::unfold(reader, |mut reader| async move {
            let next = reader.next.take()?;
            let read = match next.await {
                Ok(read) => read,
                Err(_) => Err(BlobError::Stopping),
            };
            match read {
                Ok((bytes, hasher)) => {
                    reader.start(hasher);
                    Some((Ok(bytes), reader))
                }
                Err(error) => Some((Err(error), reader)),
            }
        })
    }
}

/// Reads one piece ahead of what is asked for.
struct Reader {
    content: Arc<Content>,
    at: u64,
    end: u64,
    next: Option<JoinHandle<Result<Piece, BlobError>>>,
}

/// A piece, and the hash up to it where there is more to hash.
type Piece = (Bytes, Option<Hasher>);

impl Reader {
    fn start(&mut self, hasher: Option<Hasher>) {
        if self.at >= self.end {
            return;
        }
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(BLOB_PIECE_BYTES);
        let (content, at) = (Arc::clone(&self.content), self.at);
        self.at = self.at.saturating_add(length as u64);
        let is_last = self.at >= self.end;
        self.next = Some(tokio::task::spawn_blocking(move || {
            let bytes = content.opened.read(at, length)?;
            if bytes.len() != length {
                return Err(BlobError::Corrupt);
            }
            let Some(mut hasher) = hasher else { return Ok((bytes.into(), None)) };
            hasher.update(&bytes);
            if !is_last {
                return Ok((bytes.into(), Some(hasher)));
            }
            if hasher.finish() != content.digest {
                return Err(BlobError::Corrupt);
            }
            content.disk.note_verified(&content.object, content.opened.stamp());
            Ok((bytes.into(), None))
        }));
    }
}

/// Runs what waits for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BlobError::Stopping))
}
