//! Making an image anew by the canonical profile: the same files and settings, whoever made the
//! image and however (spec/canonical-image.md §8).

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde_json::{Map, Value, json};

use crate::actions::image::find::{FindError, LocalImage};
use crate::actions::image::import::{Made, made};
use crate::oci::archive::{Expansion, LayerPacker, Tree};
use crate::oci::canonical::{self, CanonicalError, LayerWriter};
use crate::oci::manifest::OCI_MANIFEST;
use crate::oci::media_type::{Compression, OCI_CONFIG};
use crate::oci::{Descriptor, Digest, ImageName};
use crate::store::images::layer_archive::{LayerError, StoredLayer, pairs, read_layer};
use crate::store::streams::Scratch;
use crate::store::{ImageLayout, ImageLayoutError, Lease};

/// The image that was made, and what became of each layer.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// The image.
    pub made: Made,
    /// Its layers, base first.
    pub layers: Vec<Remade>,
    /// Whether the configuration lost or changed members, apart from its layers and times.
    pub config_changed: bool,
}

/// A layer, before and after.
#[derive(Debug, Clone)]
pub struct Remade {
    /// The layer as it was.
    pub before: StoredLayer,
    /// The layer as it is.
    pub after: StoredLayer,
    /// How many entries it had.
    pub entries_before: usize,
    /// How many it has.
    pub entries_after: usize,
}

/// Why an image was not made canonical.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalizeError {
    /// There is no such image, or it cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// Something of the image has no canonical form.
    #[error("the image has no canonical form")]
    Canonical(#[from] CanonicalError),
    /// An image of Windows: its layers have more than files.
    #[error("the layers of an image for {os} cannot be made here")]
    Os {
        /// The operating system.
        os: String,
    },
}

/// Where a file's content is in the scratch file, and what it is.
#[derive(Debug, Clone)]
struct Place {
    start: u64,
    digest: Digest,
}

/// Makes the image, and gives it a name if there is one. `epoch` is the time of everything in it, in
/// seconds since 1970.
pub fn canonicalize(
    layout: &ImageLayout,
    image: &LocalImage,
    name: Option<&ImageName>,
    epoch: i64,
    compression: Compression,
    expansion: Expansion,
) -> Result<Canonical, CanonicalizeError> {
    let os = &image.config.platform.os;
    if os == "windows" {
        return Err(CanonicalizeError::Os { os: os.clone() });
    }
    let time = canonical::created(epoch)?;
    let mut layers = Vec::new();
    let made = made(layout, name, |lease| {
        let remaking = Remaking { lease, epoch, compression, expansion };
        layers = remaking.layers(layout, image)?;
        put_image(lease, image, &layers, &time)
    })?;
    let before = config_of(&image.config.raw, &image.config.diff_ids, &time);
    let after = serde_json::from_slice::<Map<String, Value>>(&canonical::config_bytes(&before)?);
    let config_changed = after.is_ok_and(|after| after != before);
    Ok(Canonical { made, layers, config_changed })
}

struct Remaking<'a> {
    lease: &'a Lease,
    epoch: i64,
    compression: Compression,
    expansion: Expansion,
}

impl Remaking<'_> {
    fn layers(
        &self,
        layout: &ImageLayout,
        image: &LocalImage,
    ) -> Result<Vec<Remade>, CanonicalizeError> {
        let mut files: Tree<Place> = Tree::default();
        let mut contents = self.lease.scratch()?;
        let mut layers = Vec::new();
        for (layer, diff_id) in pairs(&image.manifest, &image.config)? {
            let before = files.clone();
            let entries_before = self.read(layout, (layer, diff_id), &mut files, &mut contents)?;
            let (after, entries_after) = self.write(&before, &files, &contents)?;
            let before = StoredLayer { diff_id: diff_id.clone(), descriptor: layer.clone() };
            layers.push(Remade { before, after, entries_before, entries_after });
        }
        Ok(layers)
    }

    /// Puts a layer on top; what its files have in them goes into `contents`.
    fn read(
        &self,
        layout: &ImageLayout,
        (layer, diff_id): (&Descriptor, &Digest),
        files: &mut Tree<Place>,
        contents: &mut Scratch,
    ) -> Result<usize, CanonicalizeError> {
        files.begin_layer();
        let mut entries = 0;
        let name = layer.digest.as_str();
        let of = |error: io::Error| LayerError::of(name, error);
        read_layer(layout, layer, diff_id, self.expansion, |entry, content| {
            entries += 1;
            let file = files.apply(entry).map_err(|error| LayerError::of(name, error))?;
            let Some(file) = file else { return Ok(()) };
            let start = contents.written();
            let hasher = LayerPacker::new(io::sink(), Compression::None).map_err(of)?;
            let mut content = Hashed { inner: content, hasher };
            io::copy(&mut content, contents).map_err(of)?;
            let digest = content.hasher.finish().map_err(of)?.1;
            files.set_content(file, Place { start, digest });
            Ok::<_, CanonicalizeError>(())
        })?;
        Ok(entries)
    }

    fn write(
        &self,
        before: &Tree<Place>,
        after: &Tree<Place>,
        contents: &Scratch,
    ) -> Result<(StoredLayer, usize), CanonicalizeError> {
        let changes = canonical::between(before, after, |old, new| old.digest == new.digest);
        let entries = canonical::arrange(before, changes, self.epoch)?;
        let of = |error: io::Error| CanonicalError::Io(error);
        let packer = LayerPacker::new(self.lease.writer()?, self.compression).map_err(of)?;
        let mut archive = LayerWriter::new(packer, self.epoch);
        for (entry, content) in &entries {
            let start = content.as_ref().map(|place| place.start).unwrap_or_default();
            archive.append(entry, &mut contents.part(start, entry.size))?;
        }
        let (blob, diff_id) = archive.finish()?.finish().map_err(of)?;
        let (digest, size) = blob.finish(None)?;
        let descriptor = Descriptor::new(self.compression.oci_layer(), digest, size);
        Ok((StoredLayer { diff_id, descriptor }, entries.len()))
    }
}

/// Passes on what is read, and hashes it.
struct Hashed<'a> {
    inner: &'a mut dyn Read,
    hasher: LayerPacker<io::Sink>,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        io::Write::write_all(&mut self.hasher, buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

fn put_image(
    lease: &Lease,
    image: &LocalImage,
    layers: &[Remade],
    time: &str,
) -> Result<Made, CanonicalizeError> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.after.diff_id.clone()).collect();
    let config = canonical::config_bytes(&config_of(&image.config.raw, &diff_ids, time))?;
    let id = lease.put(&config)?;
    let described = Descriptor::new(OCI_CONFIG, id.clone(), config.len() as u64);
    let layers: Vec<Descriptor> =
        layers.iter().map(|layer| layer.after.descriptor.clone()).collect();
    let profile = (canonical::PROFILE_ANNOTATION.to_owned(), canonical::PROFILE.to_owned());
    let annotations = BTreeMap::from([profile]);
    let manifest = canonical::manifest_bytes(&described, &layers, &annotations, None)?;
    let digest = lease.put(&manifest)?;
    let descriptor = Descriptor::new(OCI_MANIFEST, digest, manifest.len() as u64);
    Ok(Made { id, descriptor })
}

/// The configuration with these layers, everything in it made at this time.
fn config_of(raw: &Map<String, Value>, diff_ids: &[Digest], time: &str) -> Map<String, Value> {
    let mut config = raw.clone();
    let diff_ids: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
    config.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
    config.insert("created".to_owned(), json!(time));
    let steps = config.get_mut("history").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_object_mut) {
        step.insert("created".to_owned(), json!(time));
    }
    config
}
