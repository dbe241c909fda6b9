//! What is known of every image of a layout, for listings and for what removes images.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::actions::image::find::{Catalog, FindError, LocalImage};
use crate::clock::Timestamp;
use crate::oci::image_config::chain_ids;
use crate::oci::{Descriptor, Digest, Entry, ImageManifest, ImageName, Reference};

/// One entry of a layout: a name of an image, or an image without a name.
#[derive(Debug, Clone)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Its name, if it has one.
    pub name: Option<ImageName>,
    /// The image's id; of an entry that cannot be read, its own digest.
    pub id: Digest,
    /// What the image says of itself, or why it cannot be read.
    pub facts: Result<Rc<Facts>, Rc<FindError>>,
}

/// What an image says of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The image's manifest.
    pub descriptor: Descriptor,
    /// When it was made, if it says so.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The chain ids of the layers, base first: each stands for a layer and all below it.
    pub chain_ids: Vec<Digest>,
    /// What it takes to hold it, in bytes: [`stored_size`].
    pub size: u64,
}

/// Reads what is known of every entry, in the order of the index; content that several share is
/// read once.
pub fn inventory(catalog: &Catalog<'_>) -> Vec<Item> {
    let mut known: BTreeMap<Digest, Item> = BTreeMap::new();
    let mut items = Vec::new();
    for identified in catalog.identified() {
        let entry = &identified.entry;
        let item = known
            .entry(entry.descriptor.digest.clone())
            .or_insert_with(|| Item::of(catalog, entry, identified.id.clone()))
            .clone();
        items.push(Item { entry: entry.clone(), name: entry.name(), ..item });
    }
    items
}

/// How many bytes the layers and the configuration of an image take as they are stored: packed,
/// and each once.
pub fn stored_size(manifest: &ImageManifest) -> u64 {
    let mut seen = BTreeSet::new();
    let parts = manifest.layers.iter().chain([&manifest.config]);
    let once = parts.filter(|part| seen.insert(&part.digest));
    once.fold(0, |sum: u64, part| sum.saturating_add(part.size))
}

impl Facts {
    fn of(image: &LocalImage) -> Self {
        let label = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            descriptor: image.descriptor.clone(),
            created: image.config.created,
            labels: image.config.labels().into_iter().map(label).collect(),
            chain_ids: chain_ids(&image.config.diff_ids),
            size: stored_size(&image.manifest),
        }
    }

    /// Whether this image was made of another one: it has all of its layers, and more.
    pub fn is_based_on(&self, base: &Self) -> bool {
        let Some(at) = base.chain_ids.len().checked_sub(1) else { return false };
        self.chain_ids.len() > base.chain_ids.len()
            && self.chain_ids.get(at) == base.chain_ids.last()
    }

    /// Whether it has this layer at this place, counted from the base.
    pub fn has_layer(&self, place: usize, chain_id: &Digest) -> bool {
        self.chain_ids.get(place) == Some(chain_id)
    }
}

impl Item {
    fn of(catalog: &Catalog<'_>, entry: &Entry, id: Digest) -> Self {
        let facts = match catalog.load_entry(entry, None) {
            Ok(image) => Ok(Rc::new(Facts::of(&image))),
            Err(error) => Err(Rc::new(error)),
        };
        Self { entry: entry.clone(), name: entry.name(), id, facts }
    }

    /// The repository of a name with a tag.
    pub fn tagged_repository(&self) -> Option<String> {
        let named = self.name.as_ref().and_then(ImageName::reference);
        named.filter(|named| named.tag().is_some()).map(Reference::name)
    }

    /// The repository of a name with a digest and no tag.
    pub fn digest_repository(&self) -> Option<String> {
        let named = self.name.as_ref().and_then(ImageName::reference);
        let named = named.filter(|named| named.tag().is_none() && named.digest().is_some());
        named.map(Reference::name)
    }

    /// As [`repo_digest`].
    pub fn repo_digest(&self) -> Option<Reference> {
        repo_digest(&self.entry)
    }
}

/// Where an image was pulled from or pushed to, as `name@digest`; or else a name with a digest that
/// it has.
pub fn repo_digest(entry: &Entry) -> Option<Reference> {
    let name = entry.name();
    let named = name.as_ref().and_then(ImageName::reference);
    let named = named.filter(|named| named.digest().is_some()).cloned();
    let reference = entry.source().or(named)?;
    let digest = reference.digest()?.clone();
    Some(reference.with_digest(digest))
}
