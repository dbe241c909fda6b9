//! The layers of an image, and whether they are here.

use crate::actions::image::find::{Catalog, FindError};
use crate::actions::image::history::steps;
use crate::oci::image_config::chain_ids;
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Descriptor, Digest, Platform};
use crate::store::{ImageLayout, ImageLayoutError};

/// One layer.
#[derive(Debug)]
pub struct Layer {
    /// The layer as it is stored.
    pub descriptor: Descriptor,
    /// The digest of its archive, uncompressed, if the image says it.
    pub diff_id: Option<Digest>,
    /// Stands for this layer and all below it.
    pub chain_id: Option<Digest>,
    /// The command that made it; empty if unsaid.
    pub created_by: String,
    /// Whether it is here.
    pub presence: Presence,
}

/// Whether a layer is here.
#[derive(Debug)]
pub enum Presence {
    /// It is.
    Here,
    /// It is not, and need not be: its descriptor says where to get it.
    Foreign,
    /// It is missing, or is not what it should be.
    Broken(ImageLayoutError),
}

/// Lists the layers of an image, base first; with `verify` each is read to its end. Without a
/// platform the image is the one for this machine, or else the first that is here.
pub fn layers(
    layout: &ImageLayout,
    typed: &str,
    platform: Option<&Platform>,
    verify: bool,
) -> Result<Vec<Layer>, FindError> {
    let catalog = Catalog::read(layout)?;
    let image = catalog.load(&catalog.resolve(typed)?, platform)?;
    let diff_ids = &image.config.diff_ids;
    let chain_ids = chain_ids(diff_ids);
    let made = steps(&image).into_iter().filter_map(|step| Some((step.layer?, step.entry)));
    let layers = made.enumerate().map(|(place, (descriptor, entry))| Layer {
        presence: presence(layout, &descriptor, verify),
        descriptor,
        diff_id: diff_ids.get(place).cloned(),
        chain_id: chain_ids.get(place).cloned(),
        created_by: entry.created_by,
    });
    Ok(layers.collect())
}

fn presence(layout: &ImageLayout, layer: &Descriptor, verify: bool) -> Presence {
    let found = if verify {
        layout.verify_blob(layer)
    } else {
        // Its size is looked at, and not a byte is read.
        layout.open_blob(layer).map(drop)
    };
    match found {
        Ok(()) => Presence::Here,
        Err(ImageLayoutError::Missing { .. }) if is_foreign_layer(&layer.media_type) => {
            Presence::Foreign
        }
        Err(error) => Presence::Broken(error),
    }
}
