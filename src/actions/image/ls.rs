//! Listing the images on this machine.

use crate::actions::image::filter::{FilterError, Filters};
use crate::actions::image::find::Catalog;
use crate::actions::image::inventory::{Item, inventory};
use crate::clock::Timestamp;
use crate::oci::ImageName;
use crate::store::ImageLayout;

/// Lists the entries that pass the filters, the newest image first; an image with several names is
/// there once for each. Images that cannot be read come last.
pub fn list(layout: &ImageLayout, filters: &Filters) -> Result<Vec<Item>, FilterError> {
    let catalog = Catalog::read(layout)?;
    let mut items = inventory(&catalog);
    filters.apply(&catalog, &mut items)?;
    items.sort_by_cached_key(|item| {
        let created = item.facts.as_ref().ok().map(|facts| facts.created);
        let name = item.name.as_ref().map(ImageName::familiar);
        // Newest first, what is called alike together, names before none.
        (std::cmp::Reverse(created.map(no_earlier)), item.id.clone(), name.is_none(), name)
    });
    Ok(items)
}

/// No time is the oldest.
fn no_earlier(created: Option<Timestamp>) -> Timestamp {
    created.unwrap_or(Timestamp::MIN)
}
