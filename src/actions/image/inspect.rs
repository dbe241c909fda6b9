//! All that is known of an image on this machine.

use crate::actions::image::find::{Catalog, FindError, LocalImage};
use crate::actions::image::inventory::{repo_digest, stored_size};
use crate::oci::{ImageName, Platform, Reference};

/// An image, and what is known of it beside its own words.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The image.
    pub image: LocalImage,
    /// Its names with a tag, and what others wrote as its name.
    pub tags: Vec<ImageName>,
    /// Where it was pulled from or pushed to, as `name@digest`.
    pub digests: Vec<Reference>,
    /// How many bytes it takes, as [`stored_size`].
    pub size: u64,
}

/// Reads an image; without a platform the one for this machine, or else the first that is here.
pub fn inspect(
    catalog: &Catalog<'_>,
    typed: &str,
    platform: Option<&Platform>,
) -> Result<Inspected, FindError> {
    let image = catalog.load(&catalog.resolve(typed)?, platform)?;
    let is_tag = |name: &ImageName| {
        name.reference().is_none_or(|name| name.tag().is_some() || name.digest().is_none())
    };
    let tags = image.names.iter().filter(|name| is_tag(name)).cloned().collect();
    let its = catalog.identified().iter().filter(|its| {
        let own = &its.entry.descriptor.digest;
        its.id == image.id || *own == image.entry.descriptor.digest
    });
    let mut digests: Vec<Reference> = its.filter_map(|its| repo_digest(&its.entry)).collect();
    digests.sort_by_key(ToString::to_string);
    digests.dedup();
    let size = stored_size(&image.manifest);
    Ok(Inspected { image, tags, digests, size })
}
