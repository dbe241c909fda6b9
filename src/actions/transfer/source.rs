//! Content on its way from the layout to a registry.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::client::error::Cause;
use crate::client::{BlobSource, Pieces};
use crate::oci::Descriptor;
use crate::store::ImageLayout;
use crate::store::images::blobs::of_reading;

/// A blob of the layout; verified as it is read from its beginning.
#[derive(Debug)]
pub(crate) struct LayoutBlob {
    pub(crate) layout: ImageLayout,
    pub(crate) blob: Descriptor,
}

impl BlobSource for LayoutBlob {
    fn open(&self, offset: u64) -> BoxFuture<'_, Result<Pieces, Cause>> {
        Box::pin(async move {
            let mut reader = self.layout.open_blob_at(&self.blob, offset)?;
            if self.blob.size - offset <= PIECE {
                let mut bytes = Vec::new();
                let path = self.layout.folder();
                reader.read_to_end(&mut bytes).map_err(|error| of_reading(path, error))?;
                let piece = futures_util::stream::iter([Ok(Bytes::from(bytes))]);
                return Ok(Box::pin(piece) as Pieces);
            }
            let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
            let folder = self.layout.folder().to_owned();
            // Reading and hashing go on while the network is busy.
            drop(tokio::task::spawn_blocking(move || {
                loop {
                    let piece = read_piece(&mut reader).map_err(|error| of_reading(&folder, error));
                    let ends = !matches!(&piece, Ok(piece) if !piece.is_empty());
                    let piece = piece.map_err(Cause::from);
                    if matches!(&piece, Ok(piece) if piece.is_empty())
                        || sender.blocking_send(piece).is_err()
                        || ends
                    {
                        return;
                    }
                }
            }));
            let pieces = futures_util::stream::unfold(pieces, |mut pieces| async move {
                pieces.recv().await.map(|piece| (piece, pieces))
            });
            Ok(Box::pin(pieces) as Pieces)
        })
    }
}

/// The next piece, empty at the end.
fn read_piece(reader: &mut impl Read) -> std::io::Result<Bytes> {
    let mut piece = BytesMut::zeroed(usize::try_from(PIECE).unwrap_or(usize::MAX));
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(piece.freeze())
}

/// How much is read at once, in bytes.
const PIECE: u64 = 256 << 10;
/// Most pieces that wait for the network.
const PIECES_IN_FLIGHT: usize = 8;
