//! Changes as a layer in the layout.

use crate::build::changes::Changes;
use crate::oci::media_type::Compression;
use crate::store::Lease;
use crate::store::images::layer_archive::{LayerError, StoredLayer};

/// How layers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// How they are packed.
    pub compression: Compression,
    /// The time of what says that a file is gone, in seconds since 1970.
    pub epoch: i64,
}

/// Writes changes as a layer.
pub fn write(
    _lease: &Lease,
    _files: &crate::build::content::Files,
    _changes: &Changes,
    _format: Format,
) -> Result<StoredLayer, LayerError> {
    Err(LayerError::NoLayer { media_type: String::new() })
}
