//! Changes as a layer in the layout.
//!
//! One thread reads the files and makes the archive of them, hashing it on the way; this one packs
//! it, with those that compress, and stores it. What is in memory is a few pieces of the archive.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use sha2::Digest as _;

use crate::build::changes::Changes;
use crate::build::content::{Content, Files};
use crate::build::layer::index::{LayerIndex, is_held};
use crate::crypto::hash::Sha256Hash;
use crate::limits::MAX_LAYER_BYTES;
use crate::oci::archive::{Entry, Packer};
use crate::oci::canonical::{CanonicalError, Change, LayerWriter, arrange};
use crate::oci::digest::Hasher;
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, Digest};
use crate::store::images::layer_archive::StoredLayer;
use crate::store::{ImageLayoutError, Lease};

/// How layers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// How they are packed.
    pub compression: Compression,
    /// The time of all that is in them, in seconds since 1970.
    pub epoch: i64,
}

/// Why a layer cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The changes are none that a layer can make.
    #[error("the changes are none that a layer can make")]
    Canonical(#[from] CanonicalError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// A content cannot be read.
    #[error("`{path}` cannot be read")]
    Content {
        /// Whose.
        path: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// Too many bytes.
    #[error("the files come to more than {MAX_LAYER_BYTES} bytes, and `{path}` has {size}")]
    TooLarge {
        /// The largest of them.
        path: String,
        /// How many bytes it has.
        size: u64,
    },
    /// The layer cannot be packed.
    #[error("the layer cannot be packed")]
    Packing(#[source] io::Error),
}

/// Writes changes to `before`, the files that the layers below come to, as a layer. `work` is the
/// folder that builds keep things in: what is in the layer is remembered there.
pub fn write(
    lease: &Lease,
    before: &Files,
    changes: &Changes,
    format: Format,
    work: &Path,
) -> Result<StoredLayer, WriteError> {
    let change = |change: &crate::build::changes::Change| Change {
        removes: change.removes,
        puts: change.puts.clone(),
    };
    let changes = changes.paths.iter().map(|(path, one)| (path.clone(), change(one))).collect();
    let entries = arrange(before, changes, format.epoch)?;
    check_size(&entries)?;
    let blob = lease.writer()?;
    let packer = Packer::new(blob, format.compression).map_err(WriteError::Packing)?;
    let (pieces, received) = sync_channel(PIECES);
    let (give_back, empty) = channel();
    let (archived, packed) = thread::scope(|scope| {
        let archiving = scope.spawn(move || archive(entries, format.epoch, pieces, empty));
        let packed = pack(packer, &received, &give_back);
        // Whoever makes pieces must not wait for us if that failed.
        drop((received, give_back));
        let ended = || WriteError::Packing(io::Error::other("the thread that reads has ended"));
        (archiving.join().unwrap_or_else(|_| Err(ended())), packed)
    });
    // If packing failed, reading did as well, and for that reason.
    let packer = packed?;
    let (index, diff_id) = archived?;
    let blob = packer.finish().map_err(packing)?;
    let (digest, size) = blob.finish(None)?;
    index.save(work, &diff_id);
    let descriptor = Descriptor::new(format.compression.oci_layer(), digest, size);
    Ok(StoredLayer { diff_id, descriptor })
}

/// A layer that nobody could read again is not begun.
fn check_size(entries: &[(Entry, Option<Content>)]) -> Result<(), WriteError> {
    let total = entries.iter().fold(0_u64, |sum, (entry, _)| sum.saturating_add(entry.size));
    let largest = entries.iter().map(|(entry, _)| entry).max_by_key(|entry| entry.size);
    match largest {
        Some(largest) if total > MAX_LAYER_BYTES => {
            Err(WriteError::TooLarge { path: largest.path.to_string(), size: largest.size })
        }
        _ => Ok(()),
    }
}

fn pack<W: Write>(
    mut packer: Packer<W>,
    pieces: &Receiver<Vec<u8>>,
    give_back: &Sender<Vec<u8>>,
) -> Result<Packer<W>, WriteError> {
    for mut piece in pieces {
        packer.write_all(&piece).map_err(packing)?;
        piece.clear();
        // The other side may be done with it.
        drop(give_back.send(piece));
    }
    Ok(packer)
}

fn packing(error: io::Error) -> WriteError {
    match error.downcast::<ImageLayoutError>() {
        Ok(error) => WriteError::Layout(error),
        Err(error) => WriteError::Packing(error),
    }
}

/// Makes the archive, and passes it on in pieces. Returns what is in it, and its digest.
fn archive(
    entries: Vec<(Entry, Option<Content>)>,
    epoch: i64,
    pieces: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
) -> Result<(LayerIndex, Digest), WriteError> {
    let piece = Vec::with_capacity(PIECE);
    let sink = Pieces { piece, full: pieces, empty, hasher: Hasher::sha256() };
    let mut writer = LayerWriter::new(sink, epoch);
    let mut index = LayerIndex::default();
    for (entry, content) in entries {
        let sha256 = append(&mut writer, &entry, content.as_ref())?;
        let held = content.filter(|_| is_held(&entry)).and_then(|content| {
            let mut bytes = Vec::new();
            content.open().ok()?.read_to_end(&mut bytes).ok()?;
            (Some(Sha256Hash::of(&bytes)) == sha256).then_some(bytes)
        });
        index.add(entry, sha256, held);
    }
    let diff_id = writer.finish()?.finish().map_err(WriteError::Packing)?;
    Ok((index, diff_id))
}

/// Writes one entry. Returns the hash of its content, if it has one.
fn append(
    writer: &mut LayerWriter<Pieces>,
    entry: &Entry,
    content: Option<&Content>,
) -> Result<Option<Sha256Hash>, WriteError> {
    let unread = |cause| WriteError::Content { path: entry.path.to_string(), cause };
    let of_content = |error| match error {
        CanonicalError::Io(cause) => unread(cause),
        error => WriteError::Canonical(error),
    };
    let Some(content) = content.filter(|_| entry.size > 0) else {
        writer.append(entry, &mut io::empty()).map_err(of_content)?;
        return Ok(None);
    };
    let mut reader = content.open().map_err(unread)?;
    if let Some(known) = content.known_sha256() {
        writer.append(entry, &mut reader).map_err(of_content)?;
        return Ok(Some(known));
    }
    let mut hashing = Hashing { inner: &mut reader, hasher: sha2::Sha256::new() };
    writer.append(entry, &mut hashing).map_err(of_content)?;
    let hash = Sha256Hash(hashing.hasher.finalize().into());
    content.learn_sha256(hash);
    Ok(Some(hash))
}

/// Passes on what is written in pieces of one length.
struct Pieces {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    /// Pieces that were used, to be filled again.
    empty: Receiver<Vec<u8>>,
    hasher: Hasher,
}

impl Pieces {
    fn pass_on(&mut self) -> io::Result<()> {
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, next);
        self.hasher.update(&piece);
        self.full.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<Digest> {
        if !self.piece.is_empty() {
            self.pass_on()?;
        }
        Ok(self.hasher.finish())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.pass_on()?;
        }
        let taken = bytes.get(..PIECE - self.piece.len()).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hashing<R> {
    inner: R,
    hasher: sha2::Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Length of a piece of the archive, in bytes.
const PIECE: usize = 1 << 20;
/// How many pieces may wait to be packed.
const PIECES: usize = 4;
