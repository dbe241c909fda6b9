//! How an image was made, step by step.

use crate::actions::image::find::{Catalog, FindError, LocalImage};
use crate::oci::image_config::HistoryEntry;
use crate::oci::{Descriptor, Digest, Platform};
use crate::store::ImageLayout;

/// How an image was made.
#[derive(Debug, Clone)]
pub struct History {
    /// The image's id.
    pub id: Digest,
    /// The steps, the last one first.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// What the image says of it; empty for a layer of which it says nothing.
    pub entry: HistoryEntry,
    /// The layer it made, if there is one.
    pub layer: Option<Descriptor>,
}

/// Reads how an image was made; without a platform the one for this machine, or else the first
/// that is here.
pub fn history(
    layout: &ImageLayout,
    typed: &str,
    platform: Option<&Platform>,
) -> Result<History, FindError> {
    let catalog = Catalog::read(layout)?;
    let image = catalog.load(&catalog.resolve(typed)?, platform)?;
    let mut steps = steps(&image);
    steps.reverse();
    Ok(History { id: image.id, steps })
}

/// The steps, oldest first, each with the layer it made. Where the image says nothing of layers
/// they stand at the end; a step that should have made a layer may have none.
pub(super) fn steps(image: &LocalImage) -> Vec<Step> {
    let mut layers = image.manifest.layers.iter();
    let told = image.config.history.iter().map(|entry| {
        let layer = if entry.empty_layer { None } else { layers.next() };
        Step { entry: entry.clone(), layer: layer.cloned() }
    });
    let mut steps: Vec<Step> = told.collect();
    let untold =
        layers.map(|layer| Step { entry: HistoryEntry::default(), layer: Some(layer.clone()) });
    steps.extend(untold);
    steps
}
