//! Taking images out of an archive or a layout into ours (`spec/image-archives.md`).
//!
//! An archive is read once, from its first byte to its last. What says by its name which content
//! it is goes into the layout as it comes; so do layers, packed on the way. Small members are held.
//! At the end, when it is known what belongs to what, every image is checked: configuration,
//! layers, their digests. Only then it gets its names; what was not needed is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::mem;

use serde_json::json;

use crate::limits::{
    MAX_ARCHIVE_LIST_BYTES, MAX_HELD_BYTES, MAX_IMAGE_ARCHIVE_MEMBERS, MAX_IMAGE_CONFIG_BYTES,
    MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH, MAX_LINKS_FOLLOWED,
};
use crate::oci::archive::reader::looks_like_archive;
use crate::oci::archive::{ArchiveError, ArchiveReader, EntryPath, Expander, Expansion, Kind};
use crate::oci::docker_archive::{ListError, ListedImage};
use crate::oci::manifest::{OCI_MANIFEST, is_manifest};
use crate::oci::media_type::{DOCKER_CONFIG, OCI_CONFIG, is_foreign_layer};
use crate::oci::{
    Descriptor, Digest, ImageConfig, ImageConfigError, ImageManifest, ImageName, LayoutIndex,
    LayoutIndexError, Manifest, ManifestError, Platform, ReferenceError,
};
use crate::store::images::Lease;
use crate::store::images::layer_archive::{
    LayerError, Packing, StoredLayer, pairs, read_layer, store_layer,
};
use crate::store::{ImageLayout, ImageLayoutError};

/// How images are taken in.
#[derive(Debug, Clone)]
pub struct Options {
    /// The platform that is wanted of images for several; `None` for all.
    pub platform: Option<Platform>,
    /// How layers are stored that come without a digest of their own.
    pub packing: Packing,
    /// How much may come out of one layer.
    pub expansion: Expansion,
}

/// An image that was taken in.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The digest of its configuration; of what is no image, that of its manifest.
    pub id: Digest,
    /// Its manifest or index.
    pub descriptor: Descriptor,
    /// Its names.
    pub names: Vec<ImageName>,
    /// Names that another image had, and that image's manifest or index.
    pub replaced: Vec<(ImageName, Digest)>,
}

/// Why images were not taken in; nothing of them is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The layout, or the one that is read.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The archive itself.
    #[error("this is not an archive of images that can be read")]
    Archive(#[source] ArchiveError),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The archive has too many members.
    #[error("the archive has more than {MAX_IMAGE_ARCHIVE_MEMBERS} members")]
    TooManyMembers,
    /// Small members make up too much.
    #[error("the archive has more than {MAX_HELD_BYTES} bytes that are no layers")]
    TooMuchHeld,
    /// A name that is there twice.
    #[error("the archive has `{path}` twice")]
    Twice {
        /// The member.
        path: EntryPath,
    },
    /// A member that is not what others say it is.
    #[error("`{path}` {problem}")]
    Member {
        /// The member, as others call it.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Content whose name is not its digest.
    #[error("the content of `{path}` is {actual}")]
    WrongBlob {
        /// The member.
        path: EntryPath,
        /// What it is.
        actual: Digest,
    },
    /// Content that is needed and not there.
    #[error("{digest} is needed and not in the archive")]
    Absent {
        /// The content.
        digest: Digest,
    },
    /// Neither docker's list nor an index.
    #[error("the archive has no images: neither `index.json` nor `manifest.json` is in it")]
    NoImages,
    /// An archive of a docker before 2016.
    #[error("the archive was written before docker had `manifest.json`, which is not supported")]
    TooOld,
    /// Docker's list cannot be read.
    #[error("the list of images `manifest.json` cannot be used")]
    List(#[from] ListError),
    /// The index cannot be read.
    #[error("the index of the archive cannot be used")]
    Index(#[from] LayoutIndexError),
    /// The list and the index tell of different images.
    #[error("`manifest.json` lists {config}, which `index.json` does not have")]
    Disagree {
        /// Where the configuration is, as the list has it.
        config: String,
    },
    /// A manifest that is none.
    #[error("{digest} is not a usable manifest")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// A configuration that is none.
    #[error("`{config}` is not a usable configuration")]
    Config {
        /// The configuration: its digest, or where it is.
        config: String,
        /// What is wrong with it.
        #[source]
        cause: ImageConfigError,
    },
    /// A name that is none.
    #[error("the archive has an image with an unusable name")]
    Name(#[source] ReferenceError),
    /// No image for this platform.
    #[error("there is no image for {platform} in it")]
    NoPlatform {
        /// What was asked for.
        platform: Platform,
    },
    /// Indexes in indexes, or more manifests than are followed.
    #[error("{digest} lists more manifests than are followed")]
    TooDeep {
        /// The index.
        digest: Digest,
    },
}

/// Takes in the images of an archive: docker's, OCI's, compressed or not.
pub fn load(
    layout: &ImageLayout,
    stream: &mut dyn Read,
    options: &Options,
) -> Result<Vec<Loaded>, LoadError> {
    with_lease(layout, |lease| {
        let mut members = Members::new(lease, options);
        members.read(stream)?;
        let members = members.done;
        let images = match (&members.index, &members.list) {
            (Some(index), list) => {
                let index = LayoutIndex::parse(index)?;
                let images = Taker::new(lease, options).index(&index)?;
                if let (Some(list), None) = (list, &options.platform) {
                    agree(&ListedImage::parse_list(list)?, &images)?;
                }
                images
            }
            (None, Some(list)) => {
                let list = ListedImage::parse_list(list)?;
                members.docker(lease, options, &list)?
            }
            (None, None) if members.has_repositories => return Err(LoadError::TooOld),
            (None, None) => return Err(LoadError::NoImages),
        };
        Ok(images)
    })
}

/// Takes in the images of another layout.
pub fn load_layout(
    layout: &ImageLayout,
    from: &ImageLayout,
    options: &Options,
) -> Result<Vec<Loaded>, LoadError> {
    let index = from.index()?;
    if index.entries().next().is_none() {
        return Err(LoadError::NoImages);
    }
    with_lease(layout, |lease| {
        let roots = index.entries().map(|entry| &entry.descriptor);
        for (digest, size) in from.reachable(roots)? {
            let content = Descriptor::new("", digest, size);
            if !from.has_blob(&content) || lease.has(&content)? {
                continue;
            }
            let mut blob = from.open_blob(&content)?;
            let mut writer = lease.writer()?.hashed_like(&content.digest);
            io::copy(&mut blob, &mut writer).map_err(|error| {
                LoadError::Layout(crate::store::images::blobs::of_reading(from.folder(), error))
            })?;
            writer.finish(Some(&content))?;
        }
        Taker::new(lease, options).index(&index)
    })
}

/// An image that is whole, before it has its names.
#[derive(Debug)]
struct Taken {
    descriptor: Descriptor,
    /// The configurations of its images, the one that is its id first.
    configs: Vec<Digest>,
    names: Vec<ImageName>,
}

/// Lets images be taken in, gives them their names, and removes what was not needed.
fn with_lease(
    layout: &ImageLayout,
    work: impl FnOnce(&Lease) -> Result<Vec<Taken>, LoadError>,
) -> Result<Vec<Loaded>, LoadError> {
    let lease = layout.lease()?;
    let outcome = work(&lease).and_then(|images| {
        lease.commit(|index| Ok(images.into_iter().map(|image| named(index, image)).collect()))
    });
    let outcome = outcome.map_err(|error| match error {
        LoadError::Layout(ImageLayoutError::Missing { digest })
        | LoadError::Layer(LayerError::Layout(ImageLayoutError::Missing { digest })) => {
            LoadError::Absent { digest }
        }
        other => other,
    });
    // What it failed for matters more than what is left behind then.
    match (outcome, lease.tidy()) {
        (Ok(_), Err(error)) => Err(error.into()),
        (outcome, _) => outcome,
    }
}

fn named(index: &mut LayoutIndex, image: Taken) -> Loaded {
    let Taken { descriptor, configs, names } = image;
    let mut replaced = Vec::new();
    for name in &names {
        let before = index.set(name, &descriptor, None);
        replaced.extend(before.map(|before| (name.clone(), before.digest)));
    }
    if names.is_empty() {
        index.add(&descriptor, None);
    }
    let id = configs.into_iter().next().unwrap_or_else(|| descriptor.digest.clone());
    Loaded { id, descriptor, names, replaced }
}

/// What is known of an archive at its end.
#[derive(Debug, Default)]
struct Known {
    index: Option<Vec<u8>>,
    list: Option<Vec<u8>>,
    has_repositories: bool,
    /// Small members that may be configurations.
    documents: BTreeMap<EntryPath, Vec<u8>>,
    /// Members that look like layers, stored.
    layers: BTreeMap<EntryPath, StoredLayer>,
    /// Members whose name says which content they are, stored; with their size in bytes.
    blobs: BTreeMap<EntryPath, (Digest, u64)>,
    links: BTreeMap<EntryPath, EntryPath>,
    seen: BTreeSet<EntryPath>,
}

/// Reads an archive, member by member.
struct Members<'a> {
    lease: &'a Lease,
    options: &'a Options,
    held: u64,
    done: Known,
}

impl<'a> Members<'a> {
    fn new(lease: &'a Lease, options: &'a Options) -> Self {
        Self { lease, options, held: 0, done: Known::default() }
    }

    fn read(&mut self, stream: &mut dyn Read) -> Result<(), LoadError> {
        // The archive as a whole may hold many layers, so each is bounded by itself.
        let unbounded = Expansion { limit: u64::MAX, ratio: self.options.expansion.ratio };
        let expander = Expander::new(stream, unbounded).map_err(LoadError::Archive)?;
        let mut archive = ArchiveReader::new(expander);
        let mut count = 0;
        while let Some(entry) = archive.next_entry().map_err(LoadError::Archive)? {
            count += 1;
            if count > MAX_IMAGE_ARCHIVE_MEMBERS {
                return Err(LoadError::TooManyMembers);
            }
            match entry.kind {
                Kind::File => {
                    if !self.done.seen.insert(entry.path.clone()) {
                        return Err(LoadError::Twice { path: entry.path });
                    }
                    self.file(entry.path, entry.size, &mut archive)?;
                }
                Kind::Hardlink(target) => {
                    self.done.links.insert(entry.path, target);
                }
                Kind::Symlink(target) => {
                    let above = entry.path.split().map_or(&b""[..], |(above, _)| above);
                    let target = [b"./", above, b"/", &target].concat();
                    let target = EntryPath::parse(&target).map_err(LoadError::Archive)?;
                    self.done.links.insert(entry.path, target);
                }
                _ => {}
            }
        }
        archive.finish().map_err(LoadError::Archive)?;
        Ok(())
    }

    fn file(
        &mut self,
        path: EntryPath,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), LoadError> {
        match path.to_str().unwrap_or_default() {
            "index.json" => self.done.index = Some(self.hold(content, size)?),
            "manifest.json" => self.done.list = Some(self.hold(content, size)?),
            "repositories" => self.done.has_repositories = true,
            name => match digest_of(name) {
                Some(digest) => self.blob(path, digest, size, content)?,
                None => self.other(path, size, content)?,
            },
        }
        Ok(())
    }

    fn hold(&mut self, content: &mut dyn Read, size: u64) -> Result<Vec<u8>, LoadError> {
        self.held = self.held.saturating_add(size);
        if size > MAX_ARCHIVE_LIST_BYTES || self.held > MAX_HELD_BYTES {
            return Err(LoadError::TooMuchHeld);
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| LoadError::Archive(error.into()))?;
        Ok(bytes)
    }

    fn blob(
        &mut self,
        path: EntryPath,
        digest: Digest,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), LoadError> {
        let described = Descriptor::new("", digest.clone(), size);
        if !self.lease.has(&described)? {
            let mut writer = self.lease.writer()?.hashed_like(&digest);
            io::copy(content, &mut writer).map_err(of_archive)?;
            match writer.finish(Some(&described)) {
                Err(ImageLayoutError::Mismatch { actual, .. }) => {
                    return Err(LoadError::WrongBlob { path, actual });
                }
                finished => drop(finished?),
            }
        }
        self.done.blobs.insert(path, (digest, size));
        Ok(())
    }

    /// A member that may be a layer, a configuration, or nothing that matters.
    fn other(
        &mut self,
        path: EntryPath,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), LoadError> {
        let mut start = Vec::new();
        content.take(BLOCK).read_to_end(&mut start).map_err(of_archive)?;
        let is_layer = looks_like_archive(&start);
        let mut content = Cursor::new(start).chain(content);
        if is_layer {
            let Options { packing, expansion, .. } = self.options;
            let name = path.to_string();
            let layer = store_layer(self.lease, &name, &mut content, *packing, *expansion)?;
            self.done.layers.insert(path, layer);
        } else if size <= MAX_IMAGE_CONFIG_BYTES {
            let bytes = self.hold(&mut content, size)?;
            self.done.documents.insert(path, bytes);
        }
        Ok(())
    }
}

impl Known {
    /// The images of docker's list.
    fn docker(
        mut self,
        lease: &Lease,
        options: &Options,
        list: &[ListedImage],
    ) -> Result<Vec<Taken>, LoadError> {
        let mut images = Vec::new();
        let mut others = 0;
        for listed in list {
            let (config_bytes, config) = self.config(lease.layout(), &listed.config)?;
            if options.platform.as_ref().is_some_and(|wanted| !wanted.matches(&config.platform)) {
                others += 1;
                continue;
            }
            let (layers, diff_ids) = (listed.layers().len(), config.diff_ids.len());
            if layers != diff_ids {
                return Err(LayerError::OtherCount { layers, diff_ids }.into());
            }
            let mut descriptors = Vec::new();
            for (path, expected) in listed.layers().iter().zip(&config.diff_ids) {
                let layer = self.layer(lease, options, path)?;
                if layer.diff_id != *expected {
                    let (layer, actual) = (path.clone(), layer.diff_id);
                    let expected = expected.clone();
                    return Err(LayerError::WrongContent { layer, expected, actual }.into());
                }
                descriptors.push(layer.descriptor);
            }
            let id = lease.put(&config_bytes)?;
            let described = Descriptor::new(OCI_CONFIG, id.clone(), config_bytes.len() as u64);
            let descriptor = put_manifest(lease, &described, &descriptors)?;
            let names = listed.repo_tags().iter().map(|name| ImageName::parse(name));
            let names = names.collect::<Result<_, _>>().map_err(LoadError::Name)?;
            images.push(Taken { descriptor, configs: vec![id], names });
        }
        match &options.platform {
            Some(platform) if images.is_empty() && others > 0 => {
                Err(LoadError::NoPlatform { platform: platform.clone() })
            }
            _ if images.is_empty() => Err(LoadError::NoImages),
            _ => Ok(images),
        }
    }

    fn config(
        &self,
        layout: &ImageLayout,
        path: &str,
    ) -> Result<(Vec<u8>, ImageConfig), LoadError> {
        let place = self.follow(path)?;
        let bytes = match (self.documents.get(&place), self.blobs.get(&place)) {
            (Some(bytes), _) => bytes.clone(),
            (None, Some((digest, _))) => layout.blob(digest, MAX_IMAGE_CONFIG_BYTES)?,
            (None, None) => return Err(self.missing(path, &place)),
        };
        let config = ImageConfig::parse(&bytes)
            .map_err(|cause| LoadError::Config { config: path.to_owned(), cause })?;
        Ok((bytes, config))
    }

    fn layer(
        &mut self,
        lease: &Lease,
        options: &Options,
        path: &str,
    ) -> Result<StoredLayer, LoadError> {
        let place = self.follow(path)?;
        if let Some(layer) = self.layers.get(&place) {
            return Ok(layer.clone());
        }
        let stored = |content: &mut dyn Read| {
            store_layer(lease, path, content, options.packing, options.expansion)
        };
        let layer = if let Some((digest, size)) = self.blobs.get(&place) {
            let content = Descriptor::new("", digest.clone(), *size);
            stored(&mut lease.layout().open_blob(&content)?)?
        } else if let Some(bytes) = self.documents.get(&place) {
            stored(&mut bytes.as_slice())?
        } else {
            return Err(self.missing(path, &place));
        };
        self.layers.insert(place, layer.clone());
        Ok(layer)
    }

    /// Where a member is that others call so.
    fn follow(&self, path: &str) -> Result<EntryPath, LoadError> {
        let mut place = EntryPath::parse(path.as_bytes()).map_err(LoadError::Archive)?;
        for _ in 0..MAX_LINKS_FOLLOWED {
            match self.links.get(&place) {
                Some(target) if !self.seen.contains(&place) => place = target.clone(),
                _ => return Ok(place),
            }
        }
        Err(LoadError::Member { path: path.to_owned(), problem: "is a link that leads in circles" })
    }

    fn missing(&self, path: &str, place: &EntryPath) -> LoadError {
        let problem = if self.layers.contains_key(place) {
            "is a layer and not a configuration"
        } else if self.seen.contains(place) {
            "is too large for a configuration"
        } else {
            "is listed and not in the archive"
        };
        LoadError::Member { path: path.to_owned(), problem }
    }
}

/// Checks images whose content is in the layout already.
struct Taker<'a> {
    lease: &'a Lease,
    options: &'a Options,
    /// Layers that were read and what they are unpacked.
    checked: BTreeMap<Digest, Digest>,
    manifests: usize,
}

impl<'a> Taker<'a> {
    fn new(lease: &'a Lease, options: &'a Options) -> Self {
        Self { lease, options, checked: BTreeMap::new(), manifests: 0 }
    }

    fn index(&mut self, index: &LayoutIndex) -> Result<Vec<Taken>, LoadError> {
        let mut images: Vec<Taken> = Vec::new();
        let mut others = false;
        for entry in index.entries() {
            let Some((descriptor, configs)) = self.entry(&entry.descriptor)? else {
                others = true;
                continue;
            };
            let name = entry.name();
            match images.iter_mut().find(|image| image.descriptor.digest == descriptor.digest) {
                Some(known) => known.names.extend(name),
                None => {
                    images.push(Taken { descriptor, configs, names: name.into_iter().collect() });
                }
            }
        }
        match &self.options.platform {
            Some(platform) if images.is_empty() && others => {
                Err(LoadError::NoPlatform { platform: platform.clone() })
            }
            _ if images.is_empty() => Err(LoadError::NoImages),
            _ => Ok(images),
        }
    }

    /// The manifest or index that is taken of an entry, and its configurations; `None` if it is
    /// for another platform.
    fn entry(&mut self, root: &Descriptor) -> Result<Option<(Descriptor, Vec<Digest>)>, LoadError> {
        let Some(platform) = self.options.platform.clone() else {
            let mut configs = Vec::new();
            self.manifest(root, 0, &mut configs)?;
            self.prefer_host(root, &mut configs);
            return Ok(Some((plain(root), configs)));
        };
        let chosen = match self.parse(root)? {
            Manifest::Index(index) => {
                let fits = |part: &&Descriptor| {
                    part.platform.as_ref().is_some_and(|offered| platform.matches(offered))
                };
                let Some(part) = index.manifests.iter().find(fits) else { return Ok(None) };
                plain(part)
            }
            Manifest::Image(image) => {
                let config = self.config(&image.config)?;
                if config.is_some_and(|config| !platform.matches(&config.platform)) {
                    return Ok(None);
                }
                plain(root)
            }
        };
        let mut configs = Vec::new();
        self.manifest(&chosen, 0, &mut configs)?;
        Ok(Some((chosen, configs)))
    }

    /// The id of an image for several platforms is that of the one for this machine.
    fn prefer_host(&self, root: &Descriptor, configs: &mut [Digest]) {
        let host = Platform::host();
        let Ok(Manifest::Index(index)) = self.parse(root) else { return };
        let fits = |part: &&Descriptor| {
            part.platform.as_ref().is_some_and(|offered| host.matches(offered))
        };
        let Some(part) = index.manifests.iter().find(fits) else { return };
        let Ok(Manifest::Image(image)) = self.parse(part) else { return };
        if let Some(at) = configs.iter().position(|config| *config == image.config.digest) {
            configs.swap(0, at);
        }
    }

    fn parse(&self, descriptor: &Descriptor) -> Result<Manifest, LoadError> {
        let bytes = self.lease.layout().manifest(descriptor)?;
        if bytes.len() as u64 != descriptor.size {
            return Err(ImageLayoutError::WrongSize {
                digest: descriptor.digest.clone(),
                expected: descriptor.size,
                actual: bytes.len() as u64,
            }
            .into());
        }
        Manifest::parse(&descriptor.media_type, &bytes)
            .map_err(|cause| LoadError::Manifest { digest: descriptor.digest.clone(), cause })
    }

    /// Checks that a manifest has all it needs. Of an index, what is here counts.
    fn manifest(
        &mut self,
        descriptor: &Descriptor,
        depth: usize,
        configs: &mut Vec<Digest>,
    ) -> Result<(), LoadError> {
        self.manifests += 1;
        if depth > MAX_INDEX_DEPTH || self.manifests > MAX_IMAGE_MANIFESTS {
            return Err(LoadError::TooDeep { digest: descriptor.digest.clone() });
        }
        match self.parse(descriptor)? {
            Manifest::Image(image) => self.image(&image, configs),
            Manifest::Index(index) => {
                let is_here = |part: &&Descriptor| self.lease.layout().has_blob(part);
                let here: Vec<&Descriptor> = index.manifests.iter().filter(is_here).collect();
                if let (true, Some(absent)) = (here.is_empty(), index.manifests.first()) {
                    let digest = absent.digest.clone();
                    return Err(ImageLayoutError::Missing { digest }.into());
                }
                let here = here.into_iter().filter(|part| is_manifest(&part.media_type));
                here.into_iter().try_for_each(|part| self.manifest(part, depth + 1, configs))
            }
        }
    }

    fn image(&mut self, image: &ImageManifest, configs: &mut Vec<Digest>) -> Result<(), LoadError> {
        let layout = self.lease.layout();
        let Some(config) = self.config(&image.config)? else {
            // Something else than an image: its content is there and whole, more cannot be said.
            for content in image.layers.iter().chain([&image.config]) {
                layout.verify_blob(content)?;
            }
            return Ok(());
        };
        configs.push(image.config.digest.clone());
        for (layer, diff_id) in pairs(image, &config)? {
            if is_foreign_layer(&layer.media_type) && !layout.has_blob(layer) {
                continue;
            }
            if self.checked.get(&layer.digest) == Some(diff_id) {
                continue;
            }
            let pass = |_: &_, _: &mut dyn Read| Ok::<_, LayerError>(());
            read_layer(layout, layer, diff_id, self.options.expansion, pass)?;
            self.checked.insert(layer.digest.clone(), diff_id.clone());
        }
        Ok(())
    }

    /// A configuration, if this is an image's.
    fn config(&self, config: &Descriptor) -> Result<Option<ImageConfig>, LoadError> {
        if !matches!(config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            return Ok(None);
        }
        let bytes = self.lease.layout().blob(&config.digest, MAX_IMAGE_CONFIG_BYTES)?;
        let parsed = ImageConfig::parse(&bytes);
        let named = |cause| LoadError::Config { config: config.digest.to_string(), cause };
        parsed.map(Some).map_err(named)
    }
}

/// Whoever reads docker's list sees the images that the index has.
fn agree(list: &[ListedImage], images: &[Taken]) -> Result<(), LoadError> {
    for listed in list {
        let is_its = |config: &Digest| digest_of(&listed.config).as_ref() == Some(config);
        let known = images.iter().any(|image| image.configs.iter().any(is_its));
        if !known && digest_of(&listed.config).is_some() {
            return Err(LoadError::Disagree { config: listed.config.clone() });
        }
    }
    Ok(())
}

/// Stores the manifest of an image.
pub fn put_manifest(
    lease: &Lease,
    config: &Descriptor,
    layers: &[Descriptor],
) -> Result<Descriptor, ImageLayoutError> {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = lease.put(&bytes)?;
    Ok(Descriptor::new(OCI_MANIFEST, digest, bytes.len() as u64))
}

/// The digest that a member's name says: `blobs/sha256/…`.
fn digest_of(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

/// What a descriptor says of the content itself.
fn plain(descriptor: &Descriptor) -> Descriptor {
    let mut plain = descriptor.clone();
    mem::take(&mut plain.annotations);
    plain
}

fn of_archive(error: io::Error) -> LoadError {
    match error.downcast::<ImageLayoutError>() {
        Ok(layout) => layout.into(),
        Err(error) => LoadError::Archive(error.into()),
    }
}

const BLOCK: u64 = 512;
