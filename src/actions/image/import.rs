//! Making an image of one layer from an archive of files, as `docker import` does.
//!
//! The archive stays what it is, byte by byte, so the layer has the same digest unpacked as with
//! docker. It is always packed by ourselves: the same files give the same image, however they came.

use std::io::{self, Read};

use serde_json::{Map, Value, json};

use crate::actions::image::load::put_manifest;
use crate::clock::Timestamp;
use crate::dockerfile::config_change::{self, ChangeError};
use crate::oci::archive::Expansion;
use crate::oci::media_type::{Compression, OCI_CONFIG};
use crate::oci::{Descriptor, Digest, ImageName, Platform};
use crate::store::images::Lease;
use crate::store::images::layer_archive::{LayerError, Packing, StoredLayer, store_layer};
use crate::store::{ImageLayout, ImageLayoutError};

/// What the image is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// A note in the image's history.
    pub message: String,
    /// Instructions for its configuration.
    pub changes: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// How its layer is stored.
    pub compression: Compression,
    /// When it was made.
    pub created: Timestamp,
    /// How much may come out of the archive.
    pub expansion: Expansion,
}

/// The image that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its manifest.
    pub descriptor: Descriptor,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// An instruction.
    #[error("the configuration cannot be changed so")]
    Change(#[from] ChangeError),
    /// The archive.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// Makes the image, and gives it a name if there is one.
pub fn import(
    layout: &ImageLayout,
    files: &mut dyn Read,
    name: Option<&ImageName>,
    options: &Options,
) -> Result<Made, ImportError> {
    let mut config = Map::new();
    config_change::apply(&mut config, &options.changes)?;
    made(layout, name, |lease| {
        let packing = Packing::Anew(options.compression);
        let layer = store_layer(lease, "of files", files, packing, options.expansion)?;
        let history = json!([{"created": time(options.created), "comment": options.message}]);
        let mut document = Map::new();
        document.insert("created".to_owned(), json!(time(options.created)));
        let Platform { os, architecture, variant } = &options.platform;
        document.insert("architecture".to_owned(), json!(architecture));
        if let Some(variant) = variant {
            document.insert("variant".to_owned(), json!(variant));
        }
        document.insert("os".to_owned(), json!(os));
        document.insert("config".to_owned(), Value::Object(config));
        Ok(put_image(lease, document, &[layer], history)?)
    })
}

/// Stores an image of these layers, with this configuration but for `rootfs` and `history`.
pub fn put_image(
    lease: &Lease,
    mut config: Map<String, Value>,
    layers: &[StoredLayer],
    history: Value,
) -> Result<Made, ImageLayoutError> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    config.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
    config.insert("history".to_owned(), history);
    let bytes = Value::Object(config).to_string().into_bytes();
    let id = lease.put(&bytes)?;
    let described = Descriptor::new(OCI_CONFIG, id.clone(), bytes.len() as u64);
    let layers: Vec<Descriptor> = layers.iter().map(|layer| layer.descriptor.clone()).collect();
    let descriptor = put_manifest(lease, &described, &layers)?;
    Ok(Made { id, descriptor })
}

/// Makes an image under a lease, names it, and leaves nothing behind if it fails.
pub fn made<E: From<ImageLayoutError>>(
    layout: &ImageLayout,
    name: Option<&ImageName>,
    work: impl FnOnce(&Lease) -> Result<Made, E>,
) -> Result<Made, E> {
    let lease = layout.lease()?;
    let outcome = work(&lease).and_then(|made| {
        lease.commit(|index| {
            match name {
                Some(name) => drop(index.set(name, &made.descriptor, None)),
                None => index.add(&made.descriptor, None),
            }
            Ok(made)
        })
    });
    match (outcome, lease.tidy()) {
        (Ok(_), Err(error)) => Err(error.into()),
        (outcome, _) => outcome,
    }
}

/// A time as configurations have it, in whole seconds.
fn time(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        LayerError::of("of files", error).into()
    }
}
