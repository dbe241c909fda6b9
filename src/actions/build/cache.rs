//! Steps of builds handed on: to an OCI layout in a folder, or to a registry, and taken from there.
//!
//! A cache is a manifest of OCI's: its configuration lists steps as the layout's own list does, its
//! layers are those of the steps (`spec/image-layout.md`). Whoever can write to it decides what
//! steps come to, so with content trust a registry's must be signed, and what has another digest
//! unpacked than its step says is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::image::ImageError;
use crate::actions::push::{self, PushError, deliver};
use crate::actions::resolve::{Demand, resolve};
use crate::actions::transfer::remote::{Remote, RemoteError};
use crate::actions::transfer::sending::{Origin, Sending};
use crate::actions::transfer::sink::LayoutSink;
use crate::actions::transfer::source::LayoutBlob;
use crate::actions::transfer::tree::TreeError;
use crate::actions::transfer::{ImageTree, Platforms, Progress};
use crate::actions::verify::VerifyImageError;
use crate::client::registry::Destination;
use crate::client::{BlobSource, RegistryError};
use crate::limits::MAX_BUILD_CACHE_BYTES;
use crate::oci::archive::Expansion;
use crate::oci::manifest::OCI_MANIFEST;
use crate::oci::{Descriptor, Digest, ImageName, Manifest, ManifestError, Reference};
use crate::store::images::layer_archive::{LayerError, StoredLayer, read_layer};
use crate::store::images::{BuildSteps, StepRecord};
use crate::store::{ImageLayout, ImageLayoutError, Lease};

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheAt {
    /// An OCI layout in a folder.
    Folder(PathBuf),
    /// A registry.
    Registry(Reference),
}

/// Why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// A layer of it.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// It is not trusted, or that cannot be told.
    #[error(transparent)]
    Verify(#[from] VerifyImageError),
    /// There is no way to the registry.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// It cannot be had from the registry.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It was not sent, or not signed.
    #[error(transparent)]
    Push(#[from] PushError),
    /// A manifest in it is none.
    #[error("{digest} is not a usable manifest")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// It cannot be read as a whole.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// It has no steps of builds.
    #[error("{place} is no cache of builds")]
    NoCache {
        /// The folder, or the name.
        place: String,
    },
}

/// Takes the steps of a cache into the layout; returns how many are new.
pub async fn take(
    context: &Context,
    layout: &ImageLayout,
    from: &CacheAt,
    trusted: bool,
    progress: &Arc<dyn Progress>,
) -> Result<usize, CacheError> {
    let lease = Arc::new(layout.lease()?);
    let taken = match from {
        CacheAt::Folder(folder) => take_folder(&lease, folder)?,
        CacheAt::Registry(reference) => {
            take_registry(context, &lease, reference, trusted, progress).await?
        }
    };
    keep(&lease, &taken)
}

/// Keeps steps whose layers are here, after a look at these; returns how many are new.
fn keep(lease: &Lease, taken: &BuildSteps) -> Result<usize, CacheError> {
    let layout = lease.layout();
    let known = layout.build_steps()?;
    let mut new = Vec::new();
    for (inputs, step) in taken.iter().filter(|(inputs, _)| known.get(inputs).is_none()) {
        if let Some(StoredLayer { diff_id, descriptor }) = step.layer() {
            // What it is said to be unpacked counts in an image that has it.
            read_layer(layout, &descriptor, &diff_id, Expansion::default(), |_, _| {
                Ok::<_, LayerError>(())
            })?;
        }
        new.push((inputs.clone(), step.clone()));
    }
    let count = new.len();
    lease.keep_steps(new)?;
    Ok(count)
}

/// Hands on these steps, as far as they are kept.
pub async fn give(
    context: &Context,
    layout: &ImageLayout,
    steps: &BTreeSet<Digest>,
    to: &CacheAt,
    signed: bool,
    progress: &Arc<dyn Progress>,
) -> Result<(), CacheError> {
    let lease = layout.lease()?;
    let mut chosen = layout.build_steps()?;
    chosen.retain(|inputs, _| steps.contains(inputs));
    match to {
        CacheAt::Folder(folder) => give_folder(layout, &chosen, folder)?,
        CacheAt::Registry(reference) => {
            let name = ImageName::of_reference(reference.clone());
            let named = name.reference().unwrap_or(reference);
            lease.protect(&chosen.layers())?;
            let manifest = document(&lease, &chosen)?;
            let tree = ImageTree::load(layout, &manifest)?;
            let registry = context.connections.registry(named)?;
            let destination = Destination::new(named.path(), &[]);
            let sending = Sending {
                registry: &registry,
                to: &destination,
                tree: &tree,
                progress: Arc::clone(progress),
            };
            let Some(root) = tree.root() else { return Ok(()) };
            let request = push::Request { reference: named.clone(), signed, signer: None };
            let origin = Here { layout };
            let tag = named.tag().unwrap_or_default().to_owned();
            Box::pin(deliver(context, &request, &sending, &origin, root, &tag)).await?;
            drop(tree);
            lease.tidy()?;
        }
    }
    Ok(())
}

fn give_folder(layout: &ImageLayout, steps: &BuildSteps, folder: &Path) -> Result<(), CacheError> {
    let lease = ImageLayout::new(folder.to_owned()).lease()?;
    for layer in layers(steps) {
        copy(layout, &lease, &layer)?;
    }
    let manifest = document(&lease, steps)?;
    lease.commit(|index| {
        index.set(&ImageName::Bare(NAME.to_owned()), &manifest, None);
        Ok(())
    })
}

fn take_folder(lease: &Lease, folder: &Path) -> Result<BuildSteps, CacheError> {
    let other = ImageLayout::new(folder.to_owned());
    let mut all = BuildSteps::default();
    let mut found = false;
    for entry in other.index()?.entries() {
        let bytes = other.manifest(&entry.descriptor)?;
        let parsed = Manifest::parse(&entry.descriptor.media_type, &bytes);
        let Ok(Manifest::Image(image)) = parsed else { continue };
        if image.config.media_type != STEPS {
            continue;
        }
        found = true;
        let steps = other.blob(&image.config.digest, MAX_BUILD_CACHE_BYTES)?;
        let steps = read(&steps, &folder.display().to_string())?;
        for layer in layers(&steps) {
            copy(&other, lease, &layer)?;
        }
        all.add(steps.iter().map(|(inputs, step)| (inputs.clone(), step.clone())));
    }
    if found { Ok(all) } else { Err(CacheError::NoCache { place: folder.display().to_string() }) }
}

async fn take_registry(
    context: &Context,
    lease: &Arc<Lease>,
    reference: &Reference,
    trusted: bool,
    progress: &Arc<dyn Progress>,
) -> Result<BuildSteps, CacheError> {
    let name = ImageName::of_reference(reference.clone());
    let reference = name.reference().unwrap_or(reference);
    let verdict =
        if trusted { Some(resolve(context, reference, &Demand::now(&[])).await?) } else { None };
    let registry = context.connections.registry(reference)?;
    let layout = lease.layout().clone();
    let remote = Remote { registry: &registry, reference, layout: Some(&layout) };
    let (_, node) = remote.resolve(verdict.as_ref(), &Platforms::All).await?;
    let no_cache = || CacheError::NoCache { place: reference.familiar() };
    let Manifest::Image(image) = &node.manifest else { return Err(no_cache()) };
    if image.config.media_type != STEPS || image.config.size > MAX_BUILD_CACHE_BYTES {
        return Err(no_cache());
    }
    let listed: BTreeMap<Digest, Descriptor> =
        image.layers.iter().map(|layer| (layer.digest.clone(), layer.clone())).collect();
    fetch(&registry, lease, reference, &image.config, progress).await?;
    let bytes = layout.blob(&image.config.digest, MAX_BUILD_CACHE_BYTES)?;
    let mut steps = read(&bytes, &reference.familiar())?;
    let known = layout.build_steps()?;
    // A step whose layer the manifest does not list was not handed on.
    steps.retain(|inputs, step| {
        let layer = step.layer();
        let is_listed = layer.is_none_or(|layer| {
            listed.get(&layer.descriptor.digest).is_some_and(|l| l.size == layer.descriptor.size)
        });
        known.get(inputs).is_none() && is_listed
    });
    for layer in layers(&steps) {
        fetch(&registry, lease, reference, &layer, progress).await?;
    }
    Ok(steps)
}

async fn fetch(
    registry: &crate::client::RegistryClient,
    lease: &Arc<Lease>,
    reference: &Reference,
    blob: &Descriptor,
    progress: &Arc<dyn Progress>,
) -> Result<(), CacheError> {
    if lease.has(blob)? {
        return Ok(());
    }
    progress.begins(blob);
    let mut sink = LayoutSink::begin(Arc::clone(lease), blob, Arc::clone(progress));
    registry.fetch_blob(reference.path(), blob, &mut sink).await?;
    sink.finish().await?;
    progress.ends(&blob.digest, &crate::actions::transfer::Ended::Fetched);
    Ok(())
}

/// Stores the configuration and the manifest of a cache.
fn document(lease: &Lease, steps: &BuildSteps) -> Result<Descriptor, ImageLayoutError> {
    let bytes = steps.to_bytes();
    let config = Descriptor::new(STEPS, lease.put(&bytes)?, bytes.len() as u64);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": STEPS,
        "config": config,
        "layers": layers(steps),
    });
    let bytes = manifest.to_string().into_bytes();
    Ok(Descriptor::new(OCI_MANIFEST, lease.put(&bytes)?, bytes.len() as u64))
}

fn read(bytes: &[u8], place: &str) -> Result<BuildSteps, CacheError> {
    BuildSteps::parse(bytes).ok_or_else(|| CacheError::NoCache { place: place.to_owned() })
}

/// The layers of steps, each once.
fn layers(steps: &BuildSteps) -> Vec<Descriptor> {
    let layers = steps.iter().filter_map(|(_, step)| StepRecord::layer(step));
    let once: BTreeMap<Digest, Descriptor> =
        layers.map(|layer| (layer.descriptor.digest.clone(), layer.descriptor)).collect();
    once.into_values().collect()
}

fn copy(from: &ImageLayout, into: &Lease, content: &Descriptor) -> Result<(), ImageLayoutError> {
    if into.has(content)? {
        return Ok(());
    }
    let mut blob = from.open_blob(content)?;
    let mut writer = into.writer()?.hashed_like(&content.digest);
    std::io::copy(&mut blob, &mut writer)
        .map_err(|error| crate::store::images::blobs::of_reading(from.folder(), error))?;
    writer.finish(Some(content)).map(drop)
}

/// Blobs of the layout.
struct Here<'a> {
    layout: &'a ImageLayout,
}

impl Origin for Here<'_> {
    fn open(&self, blob: &Descriptor) -> Result<Arc<dyn BlobSource>, RegistryError> {
        Ok(Arc::new(LayoutBlob { layout: self.layout.clone(), blob: blob.clone() }))
    }

    fn mounts(&self, _: &Descriptor) -> &[String] {
        &[]
    }

    fn is_elsewhere(&self, _: &Descriptor) -> bool {
        false
    }
}

impl From<ImageError> for CacheError {
    fn from(error: ImageError) -> Self {
        Self::Remote(error.into())
    }
}

/// The media type of a list of steps.
const STEPS: &str = "application/vnd.trust.build-cache.v1+json";
/// What a cache is called in a layout.
const NAME: &str = "build-cache";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::archive::{ArchiveWriter, Entry, EntryPath};
    use crate::oci::media_type::OCI_LAYER;

    fn layout(folder: &Path, name: &str) -> ImageLayout {
        ImageLayout::new(folder.join(name))
    }

    /// A step whose layer has one file.
    fn step(layout: &ImageLayout, text: &str, said: Option<&str>) -> Digest {
        let mut archive = ArchiveWriter::new(Vec::new());
        let path = EntryPath::parse(text.as_bytes()).unwrap();
        archive.append_bytes(&Entry::file(path, 1), b"x").unwrap();
        let bytes = archive.finish().unwrap();
        let lease = layout.lease().unwrap();
        let digest = lease.put(&bytes).unwrap();
        let diff_id = Digest::sha256_of(said.map_or(&bytes[..], str::as_bytes));
        let descriptor = Descriptor::new(OCI_LAYER, digest, bytes.len() as u64);
        let inputs = Digest::sha256_of(text.as_bytes());
        let record =
            StepRecord::new(Some(&StoredLayer { diff_id, descriptor }), text.to_owned(), 7);
        lease.keep_steps([(inputs.clone(), record)]).unwrap();
        inputs
    }

    fn taken(layout: &ImageLayout, folder: &Path) -> Result<usize, CacheError> {
        let lease = layout.lease().unwrap();
        let steps = take_folder(&lease, folder)?;
        keep(&lease, &steps)
    }

    fn given(layout: &ImageLayout, wanted: &Digest, folder: &Path) {
        let mut steps = layout.build_steps().unwrap();
        steps.retain(|inputs, _| inputs == wanted);
        give_folder(layout, &steps, folder).unwrap();
    }

    #[test]
    fn steps_travel_through_a_folder_and_only_those_that_are_meant() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| layout(folder.path(), name));
        let (one, other) = (step(&here, "one", None), step(&here, "other", None));
        let cache = folder.path().join("cache");
        given(&here, &one, &cache);
        assert_eq!(taken(&there, &cache).unwrap(), 1);
        let known = there.build_steps().unwrap();
        assert!(known.get(&one).is_some() && known.get(&other).is_none());
        let layer = known.get(&one).unwrap().layer().unwrap();
        assert!(there.has_blob(&layer.descriptor));
        assert_eq!(taken(&there, &cache).unwrap(), 0);
    }

    #[test]
    fn a_layer_that_is_not_what_its_step_says_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| layout(folder.path(), name));
        let one = step(&here, "one", Some("something else"));
        let cache = folder.path().join("cache");
        given(&here, &one, &cache);
        let error = taken(&there, &cache).unwrap_err();
        let is_it = matches!(error, CacheError::Layer(LayerError::WrongContent { .. }));
        assert!(is_it, "{error}");
        assert!(there.build_steps().unwrap().is_empty());
    }

    #[test]
    fn a_layout_of_images_is_no_cache() {
        let world = crate::actions::image::testing::World::new();
        world.name("app", &world.image(&["app"], "linux/amd64"));
        let folder = tempfile::tempdir().unwrap();
        let there = layout(folder.path(), "there");
        let error = taken(&there, world.layout.folder()).unwrap_err();
        assert!(matches!(error, CacheError::NoCache { .. }), "{error}");
    }
}
