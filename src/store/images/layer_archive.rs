//! Reading and storing layers: unpacked within bounds, every digest checked, names looked at.

use std::io::{self, Read, Write};

use crate::oci::archive::{ArchiveError, ArchiveReader, Entry, Expander, Expansion, LayerPacker};
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, Digest, ImageConfig, ImageManifest};
use crate::store::images::Lease;
use crate::store::{ImageLayout, ImageLayoutError};

/// Why a layer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The layer's archive.
    #[error("the layer {layer} cannot be used")]
    Archive {
        /// The layer: its digest, or where it is in an archive.
        layer: String,
        /// What is wrong with it.
        #[source]
        cause: ArchiveError,
    },
    /// The media type says another compression than the content has.
    #[error("the layer {layer} is {found}, but its media type is {said}")]
    OtherCompression {
        /// The layer.
        layer: Digest,
        /// Its media type.
        said: String,
        /// What it is.
        found: &'static str,
    },
    /// A media type that is no layer's.
    #[error("`{}` is not the media type of a layer that can be read", media_type.escape_debug())]
    NoLayer {
        /// The media type.
        media_type: String,
    },
    /// The layer is not the one that the configuration means.
    #[error("the layer {layer} unpacks to {actual}, but the image's configuration says {expected}")]
    WrongContent {
        /// The layer: its digest, or where it is in an archive.
        layer: String,
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The manifest and the configuration do not fit.
    #[error("the image has {layers} layers, but its configuration names {diff_ids}")]
    OtherCount {
        /// How many the manifest has.
        layers: usize,
        /// How many the configuration has.
        diff_ids: usize,
    },
}

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it comes if it is compressed, else so.
    AsItComes(Compression),
    /// So, whatever it was.
    Anew(Compression),
}

/// A layer that was stored.
#[derive(Debug, Clone)]
pub struct StoredLayer {
    /// The digest of the archive, unpacked.
    pub diff_id: Digest,
    /// What it is in the layout.
    pub descriptor: Descriptor,
}

impl LayerError {
    /// What went wrong with the archive of this layer; errors of the layout may be within.
    pub fn of(layer: &str, error: impl Into<ArchiveError>) -> Self {
        match error.into() {
            ArchiveError::Io(cause) => match cause.downcast::<ImageLayoutError>() {
                Ok(layout) => Self::Layout(layout),
                Err(cause) => {
                    Self::Archive { layer: layer.to_owned(), cause: ArchiveError::Io(cause) }
                }
            },
            cause => Self::Archive { layer: layer.to_owned(), cause },
        }
    }
}

/// The layers of an image, each with the digest that it has unpacked; base first.
pub fn pairs<'a>(
    manifest: &'a ImageManifest,
    config: &'a ImageConfig,
) -> Result<Vec<(&'a Descriptor, &'a Digest)>, LayerError> {
    let (layers, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if layers != diff_ids {
        return Err(LayerError::OtherCount { layers, diff_ids });
    }
    Ok(manifest.layers.iter().zip(&config.diff_ids).collect())
}

/// Reads a layer from its first entry to its last byte, each entry with its content; `take` need
/// not read that. At the end the layer was what it should be, or this fails.
pub fn read_layer<E: From<LayerError>>(
    layout: &ImageLayout,
    layer: &Descriptor,
    diff_id: &Digest,
    expansion: Expansion,
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let name = layer.digest.as_str();
    let of = |error: ArchiveError| LayerError::of(name, error);
    let Some(said) = Compression::of_layer(&layer.media_type) else {
        return Err(LayerError::NoLayer { media_type: layer.media_type.clone() }.into());
    };
    let blob = layout.open_blob(layer).map_err(LayerError::Layout)?;
    let expander = Expander::new(blob, expansion).map_err(of)?;
    // An empty file is anything.
    if expander.compression() != said && layer.size > 0 {
        return Err(LayerError::OtherCompression {
            layer: layer.digest.clone(),
            said: layer.media_type.clone(),
            found: word(expander.compression()),
        }
        .into());
    }
    let hasher =
        LayerPacker::new(io::sink(), Compression::None).map_err(|error| of(error.into()))?;
    let mut archive = ArchiveReader::new(Tee { inner: expander, sink: hasher });
    while let Some(entry) = archive.next_entry().map_err(of)? {
        take(&entry, &mut archive)?;
    }
    let tee = archive.finish().map_err(of)?;
    let (_, actual) = tee.sink.finish().map_err(|error| of(error.into()))?;
    if actual != *diff_id {
        let (layer, expected) = (name.to_owned(), diff_id.clone());
        return Err(LayerError::WrongContent { layer, expected, actual }.into());
    }
    Ok(())
}

/// Stores a layer that comes from somewhere else; `name` is what errors call it.
pub fn store_layer(
    lease: &Lease,
    name: &str,
    stream: &mut dyn Read,
    packing: Packing,
    expansion: Expansion,
) -> Result<StoredLayer, LayerError> {
    let of = |error: ArchiveError| LayerError::of(name, error);
    let of_io = |error: io::Error| LayerError::of(name, error);
    let mut start = Vec::new();
    stream.take(BLOCK).read_to_end(&mut start).map_err(of_io)?;
    let is_packed = Compression::of_bytes(&start);
    let stream = io::Cursor::new(start).chain(stream);
    let blob = lease.writer()?;
    let (compression, diff_id, blob) = match packing {
        Packing::AsItComes(_) if is_packed != Compression::None => {
            let expander = Expander::new(Tee { inner: stream, sink: blob }, expansion);
            let hasher = LayerPacker::new(io::sink(), Compression::None).map_err(of_io)?;
            let (expander, hasher) = looked_through(expander.map_err(of)?, hasher).map_err(of)?;
            let mut raw = expander.into_inner();
            io::copy(&mut raw, &mut io::sink()).map_err(of_io)?;
            (is_packed, hasher.finish().map_err(of_io)?.1, raw.sink)
        }
        Packing::AsItComes(compression) | Packing::Anew(compression) => {
            let expander = Expander::new(stream, expansion).map_err(of)?;
            let packer = LayerPacker::new(blob, compression).map_err(of_io)?;
            let (_, packer) = looked_through(expander, packer).map_err(of)?;
            let (blob, diff_id) = packer.finish().map_err(of_io)?;
            (compression, diff_id, blob)
        }
    };
    let (digest, size) = blob.finish(None)?;
    Ok(StoredLayer { diff_id, descriptor: Descriptor::new(compression.oci_layer(), digest, size) })
}

/// Reads an archive to its end, so that all of its entries were looked at and all of it went on.
fn looked_through<R: Read, W: Write>(inner: R, sink: W) -> Result<(R, W), ArchiveError> {
    let mut archive = ArchiveReader::new(Tee { inner, sink });
    while archive.next_entry()?.is_some() {}
    let Tee { inner, sink } = archive.finish()?;
    Ok((inner, sink))
}

/// Passes on what is read.
struct Tee<R, W> {
    inner: R,
    sink: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sink.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

/// A compression for people.
pub fn word(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "not compressed",
        Compression::Gzip => "compressed with gzip",
        Compression::Zstd => "compressed with zstd",
    }
}

const BLOCK: u64 = 512;
