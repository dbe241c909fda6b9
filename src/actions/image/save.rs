//! Writing images into an archive (`spec/image-archives.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use serde_json::{Map, Value, json};

use crate::actions::image::find::{Catalog, FindError, LocalImage, Resolved, shown};
use crate::limits::{MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH};
use crate::oci::archive::{ArchiveError, ArchiveWriter, Entry as Member, EntryPath, Kind};
use crate::oci::docker_archive::ListedImage;
use crate::oci::layout::{CONTAINERD_NAME, REF_NAME, SOURCE};
use crate::oci::manifest::{OCI_INDEX, is_manifest};
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Descriptor, Digest, Entry, ImageName, Manifest, Platform, Reference};
use crate::store::images::blobs::of_reading;
use crate::store::{ImageLayout, ImageLayoutError};

/// What kind of archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An image layout that docker's old and new versions take as well: one platform of each image.
    Docker,
    /// An image layout alone: every platform.
    Oci,
}

/// Why images were not saved, or not wholly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// There is no such image, or it cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The archive cannot be written.
    #[error("the archive cannot be written")]
    Write(#[source] io::Error),
    /// A name that no archive can have.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What an archive is to have: found and read, nothing written yet.
#[derive(Debug)]
pub struct Plan<'a> {
    layout: &'a ImageLayout,
    format: Format,
    images: Vec<Image>,
    /// What all images need, by digest; sizes in bytes.
    content: BTreeMap<Digest, u64>,
}

#[derive(Debug)]
struct Image {
    root: Descriptor,
    names: Vec<ImageName>,
    chosen: LocalImage,
}

/// Finds these images and everything that they need. A repository without a tag stands for all of
/// its tags that are here, as with docker.
pub fn plan<'a>(
    layout: &'a ImageLayout,
    typed: &[String],
    format: Format,
    platform: Option<&Platform>,
) -> Result<Plan<'a>, SaveError> {
    let catalog = Catalog::read(layout)?;
    let mut plan = Plan { layout, format, images: Vec::new(), content: BTreeMap::new() };
    for typed in typed {
        for (found, name) in meant(&catalog, typed)? {
            let image = catalog.load(&found, platform)?;
            let whole = format == Format::Oci && platform.is_none() && is_whole(&found);
            let root =
                if whole { image.entry.descriptor.clone() } else { image.descriptor.clone() };
            plan.add(root, name, image);
        }
    }
    let roots: Vec<Descriptor> = plan.images.iter().map(|image| image.root.clone()).collect();
    for root in &roots {
        plan.reach(root, 0)?;
    }
    Ok(plan)
}

/// As [`plan`], of an image or index that need not have a name in the layout, under these names.
pub fn plan_of<'a>(
    layout: &'a ImageLayout,
    root: &Descriptor,
    names: &[ImageName],
    format: Format,
) -> Result<Plan<'a>, SaveError> {
    let entry = Entry { descriptor: root.clone() };
    let chosen = Catalog::read(layout)?.load_entry(&entry, None)?;
    let image = Image { root: root.clone(), names: names.to_vec(), chosen };
    let mut plan = Plan { layout, format, images: vec![image], content: BTreeMap::new() };
    plan.reach(root, 0)?;
    Ok(plan)
}

impl Plan<'_> {
    /// Writes the archive. The same images give the same bytes.
    pub fn write<W: Write>(&self, out: W) -> Result<W, SaveError> {
        let mut archive = ArchiveWriter::new(out);
        let folders: BTreeSet<String> =
            self.content.keys().map(|digest| format!("blobs/{}", digest.algorithm())).collect();
        for folder in ["blobs".to_owned()].into_iter().chain(folders) {
            let entry = Member::new(EntryPath::parse(folder.as_bytes())?, Kind::Folder);
            archive.append_bytes(&entry, b"").map_err(SaveError::Write)?;
        }
        // What tells of the rest comes first, so that who reads may know it in time.
        let mut documents = vec![
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
            ("index.json", self.index()),
        ];
        if self.format == Format::Docker {
            documents.push(("manifest.json", self.list()));
            documents.push(("repositories", self.repositories()));
        }
        for (name, document) in documents {
            let bytes = document.to_string();
            let entry = Member::file(EntryPath::parse(name.as_bytes())?, bytes.len() as u64);
            archive.append_bytes(&entry, bytes.as_bytes()).map_err(SaveError::Write)?;
        }
        for (digest, size) in &self.content {
            let entry = Member::file(EntryPath::parse(place(digest).as_bytes())?, *size);
            let blob = self.layout.open_blob(&Descriptor::new("", digest.clone(), *size))?;
            let mut blob = Watched { inner: blob, error: None };
            if let Err(error) = archive.append(&entry, &mut blob) {
                let path = self.layout.folder().join(place(digest));
                return Err(match blob.error {
                    Some(reading) => of_reading(&path, reading).into(),
                    None => SaveError::Write(error),
                });
            }
        }
        archive.finish().map_err(SaveError::Write)
    }

    fn add(&mut self, root: Descriptor, name: Option<ImageName>, image: LocalImage) {
        let known = self.images.iter_mut().find(|image| image.root.digest == root.digest);
        match known {
            Some(known) => {
                let new = name.filter(|name| !known.names.contains(name));
                known.names.extend(new);
            }
            None => {
                self.images.push(Image { root, names: name.into_iter().collect(), chosen: image });
            }
        }
    }

    /// Notes everything that a manifest or index needs, which must be there. Of an index that was
    /// taken in part, what is here counts; of foreign layers, those.
    fn reach(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), SaveError> {
        if self.content.contains_key(&descriptor.digest) {
            return Ok(());
        }
        let bytes = self.layout.manifest(descriptor)?;
        self.content.insert(descriptor.digest.clone(), bytes.len() as u64);
        let manifest = Manifest::parse(&descriptor.media_type, &bytes).map_err(|cause| {
            let image = descriptor.digest.to_string();
            FindError::Manifest { image, cause }
        })?;
        for needed in manifest.references() {
            let is_here = self.layout.has_blob(needed);
            let inner = is_manifest(&needed.media_type);
            let optional =
                inner || (is_foreign_layer(&needed.media_type) && self.format == Format::Oci);
            if !is_here && optional {
                continue;
            }
            if inner && depth < MAX_INDEX_DEPTH && self.content.len() < MAX_IMAGE_MANIFESTS * 10 {
                self.reach(needed, depth + 1)?;
            } else {
                // Opening it tells what is wrong.
                drop(self.layout.open_blob(needed)?);
                self.content.insert(needed.digest.clone(), needed.size);
            }
        }
        Ok(())
    }

    fn index(&self) -> Value {
        let mut manifests = Vec::new();
        for image in &self.images {
            let mut bare = image.root.clone();
            bare.annotations
                .retain(|key, _| ![REF_NAME, CONTAINERD_NAME, SOURCE].contains(&key.as_str()));
            for name in &image.names {
                let mut named = bare.clone();
                let short = match name.reference().map(|reference| (reference, reference.tag())) {
                    Some((reference, Some(tag))) => {
                        named.annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_string());
                        tag.to_owned()
                    }
                    _ => name.to_string(),
                };
                named.annotations.insert(REF_NAME.to_owned(), short);
                manifests.push(json!(named));
            }
            if image.names.is_empty() {
                manifests.push(json!(bare));
            }
        }
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
    }

    fn list(&self) -> Value {
        let listed = |image: &Image| {
            let tags: Vec<String> = tags(image).map(Reference::familiar).collect();
            ListedImage {
                config: place(&image.chosen.id),
                repo_tags: Some(tags).filter(|tags| !tags.is_empty()),
                layers: Some(
                    image.chosen.manifest.layers.iter().map(|l| place(&l.digest)).collect(),
                ),
            }
        };
        json!(self.images.iter().map(listed).collect::<Vec<_>>())
    }

    /// What docker read before it had `manifest.json`.
    fn repositories(&self) -> Value {
        let mut repositories = Map::new();
        for image in &self.images {
            let Some(top) = image.chosen.manifest.layers.last() else { continue };
            for reference in tags(image) {
                let familiar = reference.familiar();
                let Some((repository, tag)) = familiar.rsplit_once(':') else { continue };
                let of_it = repositories.entry(repository).or_insert_with(|| json!({}));
                if let Some(of_it) = of_it.as_object_mut() {
                    of_it.insert(tag.to_owned(), json!(top.digest.hex()));
                }
            }
        }
        Value::Object(repositories)
    }
}

fn tags(image: &Image) -> impl Iterator<Item = &Reference> {
    let references = image.names.iter().filter_map(ImageName::reference);
    references.filter(|reference| reference.tag().is_some())
}

/// Where content is in the archive.
fn place(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Whether an entry was meant, and not one manifest of its index.
fn is_whole(found: &Resolved) -> bool {
    match found {
        Resolved::Name(_) => true,
        Resolved::NameAtDigest { part, .. } | Resolved::Id { part, .. } => part.is_none(),
    }
}

/// The images that a person means, each with the name that it is saved by, if by one.
fn meant(
    catalog: &Catalog<'_>,
    typed: &str,
) -> Result<Vec<(Resolved, Option<ImageName>)>, FindError> {
    if let Ok(reference) = Reference::parse(typed)
        && reference.tag().is_none()
        && reference.digest().is_none()
    {
        let of_repository: Vec<_> = catalog
            .index()
            .entries()
            .filter_map(|entry| {
                let name = entry.name()?;
                let named = name.reference()?;
                let is_its = named.name() == reference.name() && named.tag().is_some();
                is_its.then(|| (Resolved::Name(entry.clone()), Some(name)))
            })
            .collect();
        if !of_repository.is_empty() {
            return Ok(of_repository);
        }
    }
    let found = catalog.resolve(typed)?;
    let name = match &found {
        Resolved::Name(entry) => entry.name(),
        _ => None,
    };
    tracing::debug!(typed, entry = found.entries().first().map(shown), "to be saved");
    Ok(vec![(found, name)])
}

/// Keeps the error of a reader, for who writes as well.
struct Watched<R> {
    inner: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}
