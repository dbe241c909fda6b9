//! Making one layer of all the layers of an image: the same files, nothing that was hidden.
//!
//! The layer is written in the order of its paths, so it depends on the files alone and not on how
//! they came to be there: images with the same files get the same layer.

use std::io;

use serde_json::{Map, Value, json};

use crate::actions::image::find::{FindError, LocalImage};
use crate::actions::image::import::{Made, made, put_image};
use crate::oci::archive::{ArchiveWriter, Expansion, Kind, LayerPacker, Tree};
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, ImageName};
use crate::store::images::Lease;
use crate::store::images::layer_archive::{LayerError, StoredLayer, pairs, read_layer};
use crate::store::streams::Scratch;
use crate::store::{ImageLayout, ImageLayoutError};

/// Why an image was not flattened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlattenError {
    /// There is no such image, or it cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// An image of Windows: its layers have more than files.
    #[error("the layers of an image for {os} cannot be put together here")]
    Os {
        /// The operating system.
        os: String,
    },
}

/// Makes the image, and gives it a name.
pub fn flatten(
    layout: &ImageLayout,
    image: &LocalImage,
    name: &ImageName,
    compression: Compression,
    expansion: Expansion,
) -> Result<Made, FlattenError> {
    let os = &image.config.platform.os;
    if os == "windows" {
        return Err(FlattenError::Os { os: os.clone() });
    }
    made(layout, Some(name), |lease| {
        let mut contents = lease.scratch()?;
        let tree = collect(layout, image, &mut contents, expansion)?;
        let layer = write(lease, &tree, &contents, compression)?;
        let (config, history) = configuration(image);
        Ok(put_image(lease, config, &[layer], history)?)
    })
}

/// Puts the layers together; each file's content is where it begins in `contents`.
pub(crate) fn collect(
    layout: &ImageLayout,
    image: &LocalImage,
    contents: &mut Scratch,
    expansion: Expansion,
) -> Result<Tree<u64>, FlattenError> {
    let mut tree = Tree::default();
    for (layer, diff_id) in pairs(&image.manifest, &image.config)? {
        tree.begin_layer();
        let of = |error| LayerError::of(layer.digest.as_str(), error);
        read_layer(layout, layer, diff_id, expansion, |entry, content| {
            let Some(file) =
                tree.apply(entry).map_err(|error| LayerError::of(layer.digest.as_str(), error))?
            else {
                return Ok(());
            };
            tree.set_content(file, contents.written());
            io::copy(content, contents).map_err(of)?;
            Ok::<_, FlattenError>(())
        })?;
    }
    Ok(tree)
}

fn write(
    lease: &Lease,
    tree: &Tree<u64>,
    contents: &Scratch,
    compression: Compression,
) -> Result<StoredLayer, FlattenError> {
    let of = |error: io::Error| LayerError::of("of all files", error);
    let packer = LayerPacker::new(lease.writer()?, compression).map_err(of)?;
    let mut archive = ArchiveWriter::new(packer);
    for (entry, file) in tree.entries() {
        let start = tree.get(file).and_then(|inode| inode.content).unwrap_or_default();
        let length = if entry.kind == Kind::File { entry.size } else { 0 };
        archive.append(&entry, &mut contents.part(start, length)).map_err(of)?;
    }
    let packer = archive.finish().map_err(of)?;
    let (blob, diff_id) = packer.finish().map_err(of)?;
    let (digest, size) = blob.finish(None)?;
    Ok(StoredLayer { diff_id, descriptor: Descriptor::new(compression.oci_layer(), digest, size) })
}

/// The image's configuration, and a history of one step.
fn configuration(image: &LocalImage) -> (Map<String, Value>, Value) {
    let mut config = image.config.raw.clone();
    // Of the container that the last layer was made in.
    for member in ["container", "container_config", "parent", "id"] {
        config.shift_remove(member);
    }
    let mut step = Map::new();
    if let Some(created) = config.get("created") {
        step.insert("created".to_owned(), created.clone());
    }
    let note = format!("flattened from {}", image.id);
    step.insert("comment".to_owned(), json!(note));
    (config, json!([step]))
}
