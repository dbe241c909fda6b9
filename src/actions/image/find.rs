//! Finding the image on this machine that a person means, by whatever they call it.
//!
//! [`find`] is for one image. [`Catalog`] is a layout read once, for who needs more of it.
//!
//! What is typed is looked for in this order, as docker does, and the first that is there counts:
//! * a name: `alpine` is `docker.io/library/alpine:latest`;
//! * a name with a digest: of the manifest or index, or of a manifest in the index;
//! * a name that others wrote, letter by letter: mostly a tag without a repository;
//! * a whole digest of a manifest, an index or a configuration;
//! * the beginning of an id, with or without `sha256:`, if no other image has an id like that.
//!
//! The id of an image is the digest of its configuration: it stays when layers are packed anew.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{MAX_IMAGE_CONFIG_BYTES, MAX_IMAGE_MANIFESTS, MAX_INDEX_DEPTH};
use crate::oci::manifest::is_manifest;
use crate::oci::{
    Descriptor, Digest, Entry, ImageConfig, ImageConfigError, ImageManifest, ImageName,
    LayoutIndex, Manifest, ManifestError, Platform, Reference,
};
use crate::store::{ImageLayout, ImageLayoutError};

/// An image on this machine, read and verified: all of it but its layers.
#[derive(Debug, Clone)]
pub struct LocalImage {
    /// The entry of the layout that was found; its descriptor may be that of an index.
    pub entry: Entry,
    /// Every name of the image, in the order of the layout; none if it is dangling.
    pub names: Vec<ImageName>,
    /// The image's manifest: the entry's, or the one of an index that was chosen.
    pub descriptor: Descriptor,
    /// The manifest, parsed.
    pub manifest: ImageManifest,
    /// The manifest, byte by byte.
    pub manifest_bytes: Vec<u8>,
    /// The configuration, parsed.
    pub config: ImageConfig,
    /// The configuration, byte by byte.
    pub config_bytes: Vec<u8>,
    /// The digest of the configuration, by which docker knows the image.
    pub id: Digest,
}

/// An entry of the layout and the id that it goes by.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The entry.
    pub entry: Entry,
    /// The digest of the configuration; of an entry whose manifest cannot be read, its own digest.
    pub id: Digest,
    /// The image's manifest, if it can be read.
    pub manifest: Option<Descriptor>,
}

/// What a person meant.
#[expect(clippy::large_enum_variant, reason = "one is held at a time")]
#[derive(Debug, Clone)]
pub enum Resolved {
    /// A name.
    Name(Entry),
    /// A name with a digest.
    NameAtDigest {
        /// As it was typed, without a tag.
        reference: Reference,
        /// An entry of that repository that is or has it.
        entry: Entry,
        /// The manifest in the entry's index that was meant, if it was not the index.
        part: Option<Descriptor>,
    },
    /// An id, the beginning of one, or another digest of an image.
    Id {
        /// The image's id.
        id: Digest,
        /// Every entry that is this image, in the order of the layout; at least one.
        entries: Vec<Entry>,
        /// The manifest in an index that was meant, if it is not the one that gives the index its
        /// id.
        part: Option<Descriptor>,
    },
}

/// Why there is no image to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Nothing is called that.
    #[error("No such image: {}", typed.escape_debug())]
    NotFound {
        /// What was typed.
        typed: String,
    },
    /// More than one image has an id that begins so.
    #[error("several images have an id that begins with {typed}: {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        typed: String,
        /// Their ids and names.
        candidates: Vec<String>,
    },
    /// The layout, or something that the image needs, cannot be read.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// What an image needs is missing or damaged.
    #[error("the image {image} cannot be read")]
    Damaged {
        /// How the image is called.
        image: String,
        /// What is wrong.
        #[source]
        cause: ImageLayoutError,
    },
    /// A manifest that is none.
    #[error("the image {image} has no usable manifest")]
    Manifest {
        /// How the image is called.
        image: String,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// A configuration that is none: this may be something else than an image.
    #[error("the image {image} has no usable configuration")]
    Config {
        /// How the image is called.
        image: String,
        /// What is wrong with it.
        #[source]
        cause: ImageConfigError,
    },
    /// An index without an image that is here.
    #[error("no image that the index {image} lists is here")]
    EmptyIndex {
        /// How the index is called.
        image: String,
    },
    /// An index without an image for this platform that is here.
    #[error("{image} is not here for {platform}")]
    NoPlatform {
        /// How the image is called.
        image: String,
        /// The platform that was asked for.
        platform: Platform,
    },
}

/// The images of a layout, as its index had them when it was read.
#[derive(Debug)]
pub struct Catalog<'a> {
    layout: &'a ImageLayout,
    index: LayoutIndex,
    identified: OnceCell<Vec<Identified>>,
}

/// Finds the image that a person means. Of an image for several platforms it is the one for this
/// machine, or else the first that is here.
pub fn find(layout: &ImageLayout, typed: &str) -> Result<LocalImage, FindError> {
    let catalog = Catalog::read(layout)?;
    catalog.load(&catalog.resolve(typed)?, None)
}

/// As [`find`], but for this platform alone.
pub fn find_for(
    layout: &ImageLayout,
    typed: &str,
    platform: &Platform,
) -> Result<LocalImage, FindError> {
    let catalog = Catalog::read(layout)?;
    catalog.load(&catalog.resolve(typed)?, Some(platform))
}

/// Whether an entry is this manifest or index, or the twin of it.
fn is_of_digest(entry: &Entry, digest: &Digest) -> bool {
    let original = entry.descriptor.original();
    entry.descriptor.digest == *digest
        || original.is_some_and(|original| original.digest == *digest)
}

impl<'a> Catalog<'a> {
    /// Reads the index of a layout.
    pub fn read(layout: &'a ImageLayout) -> Result<Self, FindError> {
        Ok(Self::of(layout, layout.index()?))
    }

    /// The images of an index that was read already.
    pub fn of(layout: &'a ImageLayout, index: LayoutIndex) -> Self {
        Self { layout, index, identified: OnceCell::new() }
    }

    /// The layout.
    pub fn layout(&self) -> &'a ImageLayout {
        self.layout
    }

    /// The index.
    pub fn index(&self) -> &LayoutIndex {
        &self.index
    }

    /// Takes entries out of the index that was read, and no others.
    pub fn forget(&mut self, entries: &[Entry]) {
        self.index.remove_entries(entries);
        if let Some(identified) = self.identified.get_mut() {
            identified.retain(|its| !entries.contains(&its.entry));
        }
    }

    /// Changes the index that was read, so that entries are no more what they were.
    pub fn change(&mut self, edit: impl FnOnce(&mut LayoutIndex)) {
        edit(&mut self.index);
        self.identified.take();
    }

    /// Every entry with its id, in the order of the index. Manifests are read for it, once.
    pub fn identified(&self) -> &[Identified] {
        self.identified.get_or_init(|| {
            let mut known: BTreeMap<Digest, (Digest, Option<Descriptor>)> = BTreeMap::new();
            let identify = |entry: &Entry| {
                let own = &entry.descriptor.digest;
                let (id, manifest) = known
                    .entry(own.clone())
                    .or_insert_with(|| match self.choose(entry, None) {
                        Ok((manifest, image, _)) => (image.config.digest, Some(manifest)),
                        Err(_) => (own.clone(), None),
                    })
                    .clone();
                Identified { entry: entry.clone(), id, manifest }
            };
            self.index.entries().map(identify).collect()
        })
    }

    /// The names of the image with this id, in the order of the index.
    pub fn names_of(&self, id: &Digest) -> Vec<ImageName> {
        let its = self.identified().iter().filter(|image| image.id == *id);
        its.filter_map(|image| image.entry.name()).collect()
    }

    /// Finds what a person means, without reading more of it than that needs: it may be damaged.
    pub fn resolve(&self, typed: &str) -> Result<Resolved, FindError> {
        let name = ImageName::parse(typed).ok();
        if let Some(ImageName::Reference(reference)) = &name
            && let Some(digest) = reference.digest()
        {
            let reference = reference.with_digest(digest.clone());
            if let Some(found) = self.at_digest(&reference, digest) {
                return Ok(found);
            }
        }
        let bare = ImageName::Bare(typed.to_owned());
        let named = name.and_then(|name| self.index.get(&name));
        if let Some(entry) = named.or_else(|| self.index.get(&bare)) {
            return Ok(Resolved::Name(entry.clone()));
        }
        if let Ok(digest) = Digest::parse(typed)
            && let Some(found) = self.with_digest(&digest)
        {
            return Ok(found);
        }
        self.with_id(typed)
    }

    /// Reads the image that was found; without a platform the one for this machine, or else the
    /// first that is here.
    pub fn load(
        &self,
        found: &Resolved,
        platform: Option<&Platform>,
    ) -> Result<LocalImage, FindError> {
        let (entry, part) = match found {
            Resolved::Name(entry) => (entry, None),
            Resolved::NameAtDigest { entry, part, .. } => (entry, part.as_ref()),
            Resolved::Id { entries, part, .. } => match entries.first() {
                Some(entry) => (entry, part.as_ref()),
                None => return Err(FindError::NotFound { typed: String::new() }),
            },
        };
        let mut image = match part {
            Some(part) => {
                let alone = Entry { descriptor: part.clone() };
                let image = self.load_entry(&alone, platform)?;
                LocalImage { entry: entry.clone(), ..image }
            }
            None => self.load_entry(entry, platform)?,
        };
        image.names = self.names_of(&image.id);
        Ok(image)
    }

    /// Reads the image of an entry, with no other name than the entry's.
    pub fn load_entry(
        &self,
        entry: &Entry,
        platform: Option<&Platform>,
    ) -> Result<LocalImage, FindError> {
        let (descriptor, manifest, manifest_bytes) = self.choose(entry, platform)?;
        let shown = shown(entry);
        let id = manifest.config.digest.clone();
        let config_bytes = match self.layout.blob(&id, MAX_IMAGE_CONFIG_BYTES) {
            Ok(bytes) => bytes,
            Err(cause) => return Err(FindError::Damaged { image: shown, cause }),
        };
        let config = match ImageConfig::parse(&config_bytes) {
            Ok(config) => config,
            Err(cause) => return Err(FindError::Config { image: shown, cause }),
        };
        let names = entry.name().into_iter().collect();
        let entry = entry.clone();
        Ok(LocalImage {
            entry,
            names,
            descriptor,
            manifest,
            manifest_bytes,
            config,
            config_bytes,
            id,
        })
    }

    /// An entry of this repository that is, or has, this manifest or index.
    fn at_digest(&self, reference: &Reference, digest: &Digest) -> Option<Resolved> {
        let name = reference.name();
        let of_repository = |entry: &&Entry| {
            let named = entry.name();
            let named = named.as_ref().and_then(ImageName::reference);
            named.is_some_and(|named| named.name() == name)
                || entry.source().is_some_and(|source| source.name() == name)
        };
        let found = |entry: &Entry, part| Resolved::NameAtDigest {
            reference: reference.clone(),
            entry: entry.clone(),
            part,
        };
        let direct = self.index.entries().filter(of_repository).find(|entry| {
            let source = entry.source();
            is_of_digest(entry, digest)
                || source
                    .is_some_and(|source| source.name() == name && source.digest() == Some(digest))
        });
        if let Some(entry) = direct {
            return Some(found(entry, None));
        }
        self.index.entries().filter(of_repository).find_map(|entry| {
            let parts = self.parts(&entry.descriptor);
            let part = parts.into_iter().find(|(part, _)| part.digest == *digest)?.0;
            Some(found(entry, Some(part)))
        })
    }

    /// What has this whole digest: a manifest, an index or a configuration.
    fn with_digest(&self, digest: &Digest) -> Option<Resolved> {
        let images = self.identified();
        let is_it = |image: &&Identified| {
            image.id == *digest
                || is_of_digest(&image.entry, digest)
                || image.manifest.as_ref().is_some_and(|manifest| manifest.digest == *digest)
        };
        if let Some(found) = images.iter().find(is_it) {
            return Some(self.by_id(&found.id, None));
        }
        images.iter().find_map(|image| {
            let parts = self.parts(&image.entry.descriptor);
            let (part, _) = parts
                .into_iter()
                .find(|(part, config)| part.digest == *digest || config.as_ref() == Some(digest))?;
            Some(self.by_id(&image.id, Some(part)))
        })
    }

    fn by_id(&self, id: &Digest, part: Option<Descriptor>) -> Resolved {
        let its = self.identified().iter().filter(|image| image.id == *id);
        let entries = its.map(|image| image.entry.clone()).collect();
        Resolved::Id { id: id.clone(), entries, part }
    }

    fn with_id(&self, typed: &str) -> Result<Resolved, FindError> {
        let (algorithm, hex) = typed.split_once(':').unwrap_or(("sha256", typed));
        let is_hex = !hex.is_empty() && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let begins_so = |id: &Digest| id.algorithm() == algorithm && id.hex().starts_with(hex);
        let mut ids: Vec<&Digest> = Vec::new();
        if is_hex {
            ids = self.identified().iter().map(|image| &image.id).collect();
            ids.retain(|id| begins_so(id));
            ids.sort();
            ids.dedup();
        }
        match ids.as_slice() {
            [] => Err(FindError::NotFound { typed: typed.to_owned() }),
            [id] => Ok(self.by_id(id, None)),
            several => {
                let candidates = several.iter().map(|id| self.called(id)).collect();
                Err(FindError::Ambiguous { typed: typed.to_owned(), candidates })
            }
        }
    }

    fn called(&self, id: &Digest) -> String {
        let names: Vec<String> = self.names_of(id).iter().map(ImageName::familiar).collect();
        match names.as_slice() {
            [] => short_id(id).to_owned(),
            names => format!("{} ({})", short_id(id), names.join(", ")),
        }
    }

    /// The manifest of an entry: its own, or one of its index.
    fn choose(
        &self,
        entry: &Entry,
        platform: Option<&Platform>,
    ) -> Result<(Descriptor, ImageManifest, Vec<u8>), FindError> {
        let image = || shown(entry);
        let (manifest, bytes) = self.read_manifest(entry, &entry.descriptor)?;
        let Manifest::Index(_) = &manifest else {
            return Ok((entry.descriptor.clone(), into_image(manifest, image)?, bytes));
        };
        let parts = self.parts(&entry.descriptor);
        let images = || parts.iter().filter(|(part, config)| config.is_some() && is_image(part));
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let fits = |part: &Descriptor| {
            part.platform.as_ref().is_some_and(|offered| wanted.matches(offered))
        };
        let chosen = images().find(|(part, _)| fits(part));
        let (chosen, _) = match (chosen, platform) {
            (Some(chosen), _) => chosen,
            (None, Some(platform)) => {
                let platform = platform.clone();
                return Err(FindError::NoPlatform { image: image(), platform });
            }
            (None, None) => {
                images().next().ok_or_else(|| FindError::EmptyIndex { image: image() })?
            }
        };
        let (manifest, bytes) = self.read_manifest(entry, chosen)?;
        Ok((chosen.clone(), into_image(manifest, image)?, bytes))
    }

    fn read_manifest(
        &self,
        entry: &Entry,
        descriptor: &Descriptor,
    ) -> Result<(Manifest, Vec<u8>), FindError> {
        let bytes = match self.layout.manifest(descriptor) {
            Ok(bytes) => bytes,
            Err(cause) => return Err(FindError::Damaged { image: shown(entry), cause }),
        };
        match Manifest::parse(&descriptor.media_type, &bytes) {
            Ok(manifest) => Ok((manifest, bytes)),
            Err(cause) => Err(FindError::Manifest { image: shown(entry), cause }),
        }
    }

    /// The manifests below an index that are here, in its order, each image's with the digest of
    /// its configuration.
    fn parts(&self, root: &Descriptor) -> Vec<(Descriptor, Option<Digest>)> {
        let mut found = Vec::new();
        // Somebody may list one manifest ten thousand times.
        let mut seen = BTreeSet::new();
        let mut pending = vec![(root.clone(), 0)];
        while let Some((descriptor, depth)) = pending.pop() {
            let enough = seen.len() >= MAX_IMAGE_MANIFESTS || depth > MAX_INDEX_DEPTH;
            if enough || !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            let Ok(bytes) = self.layout.manifest(&descriptor) else { continue };
            let Ok(manifest) = Manifest::parse(&descriptor.media_type, &bytes) else { continue };
            let config = match &manifest {
                Manifest::Image(image) => Some(image.config.digest.clone()),
                Manifest::Index(index) => {
                    let inner = index.manifests.iter().rev();
                    let inner = inner.filter(|inner| is_manifest(&inner.media_type));
                    pending.extend(inner.map(|inner| (inner.clone(), depth + 1)));
                    None
                }
            };
            if depth > 0 {
                found.push((descriptor, config));
            }
        }
        found
    }
}

impl Resolved {
    /// The entries that were meant, at least one.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Self::Name(entry) | Self::NameAtDigest { entry, .. } => std::slice::from_ref(entry),
            Self::Id { entries, .. } => entries,
        }
    }
}

/// How an entry is called in messages: by its name, or else its digest.
pub fn shown(entry: &Entry) -> String {
    match entry.name() {
        Some(name) => name.familiar(),
        None => entry.descriptor.digest.to_string(),
    }
}

/// The first twelve digits of an id, as docker shows it.
pub fn short_id(id: &Digest) -> &str {
    id.hex().get(..12).unwrap_or_default()
}

/// Whether a manifest of an index is an image's and not a statement about one.
fn is_image(part: &Descriptor) -> bool {
    let unknown = part.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
    !unknown && !part.annotations.contains_key(ATTESTATION)
}

fn into_image(
    manifest: Manifest,
    image: impl FnOnce() -> String,
) -> Result<ImageManifest, FindError> {
    match manifest {
        Manifest::Image(manifest) => Ok(manifest),
        Manifest::Index(_) => Err(FindError::EmptyIndex { image: image() }),
    }
}

/// The annotation of manifests in an index that are statements about another one, as docker's
/// builder writes it.
const ATTESTATION: &str = "vnd.docker.reference.type";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::image::testing::World;

    fn foreign() -> &'static str {
        if Platform::host().architecture == "arm64" { "linux/amd64" } else { "linux/arm64" }
    }

    fn not_found(world: &World, typed: &str) {
        let error = find(&world.layout, typed).unwrap_err();
        assert!(matches!(error, FindError::NotFound { .. }), "{typed}: {error}");
        assert_eq!(error.to_string(), format!("No such image: {typed}"));
    }

    #[test]
    fn by_every_way_to_call_it() {
        let world = World::new();
        let image = world.image(&["one"], "linux/amd64");
        let source = format!("h.example/app@{}", image.digest);
        world.name_from("h.example/app:v1", &image, Some(&source));
        world.name("alpine", &image);
        let other = world.image(&["two"], "linux/amd64");
        world.bare("V1", &other);
        let id = world.id(&image);
        let names = ["h.example/app:v1", "docker.io/library/alpine:latest"];
        for typed in [
            "alpine",
            "docker.io/library/alpine:latest",
            "h.example/app:v1",
            source.as_str(),
            &format!("alpine@{}", image.digest),
            &format!("alpine:latest@{}", image.digest),
            id.as_str(),
            id.hex(),
            short_id(&id),
            &format!("sha256:{}", short_id(&id)),
            image.digest.as_str(),
        ] {
            let found = find(&world.layout, typed).unwrap();
            assert_eq!((&found.id, &found.descriptor.digest), (&id, &image.digest), "{typed}");
            let all: Vec<String> = found.names.iter().map(ToString::to_string).collect();
            assert_eq!(all, names, "{typed}");
            assert_eq!(Digest::sha256_of(&found.config_bytes), id);
            assert_eq!(Digest::sha256_of(&found.manifest_bytes), image.digest);
        }
        assert_eq!(find(&world.layout, "V1").unwrap().id, world.id(&other));
        for typed in ["alpine:v1", "h.example/app", "v1", "", "-", "sha256:", "xyz", "sha512:a"] {
            not_found(&world, typed);
        }
        not_found(&world, &format!("other@{}", image.digest));
        not_found(&world, &format!("alpine@{}", other.digest));
        not_found(&world, Digest::sha256_of(b"no").as_str());
    }

    #[test]
    fn names_go_before_ids_and_a_prefix_must_be_unique() {
        let world = World::new();
        let images: Vec<Descriptor> =
            (0..20).map(|n| world.image(&[&n.to_string()], "linux/amd64")).collect();
        for (number, image) in images.iter().enumerate() {
            world.name(&format!("app:{number}"), image);
        }
        // Twenty ids cannot all begin with another digit.
        let ambiguous =
            (0..16).map(|n| format!("{n:x}")).find_map(|digit| match find(&world.layout, &digit) {
                Err(FindError::Ambiguous { candidates, .. }) => Some((digit, candidates)),
                _ => None,
            });
        let (digit, candidates) = ambiguous.unwrap();
        assert!(candidates.len() > 1 && candidates[0].starts_with(&digit), "{candidates:?}");
        assert!(candidates[0].contains("(app:"), "{candidates:?}");
        world.name(&digit, &images[3]);
        assert_eq!(find(&world.layout, &digit).unwrap().id, world.id(&images[3]));
    }

    #[test]
    fn one_manifest_of_an_index_is_the_image() {
        let world = World::new();
        let host = Platform::host().to_string();
        let [other, ours] = [foreign(), host.as_str()].map(|name| world.image(&["x"], name));
        let mut statement = world.image(&["statement"], "unknown/unknown");
        statement.annotations.insert(ATTESTATION.to_owned(), "attestation-manifest".to_owned());
        let index = world.index(&[statement.clone(), other.clone(), ours.clone()]);
        world.name_from("app", &index, Some(&format!("app@{}", index.digest)));
        let (id, other_id) = (world.id(&ours), world.id(&other));
        for typed in ["app", &format!("app@{}", index.digest), index.digest.as_str(), id.as_str()] {
            let found = find(&world.layout, typed).unwrap();
            assert_eq!((&found.id, &found.entry.descriptor.digest), (&id, &index.digest));
        }
        for typed in [&format!("app@{}", other.digest), other.digest.as_str(), other_id.as_str()] {
            let found = find(&world.layout, typed).unwrap();
            assert_eq!((&found.id, &found.entry.descriptor.digest), (&other_id, &index.digest));
        }
        let platform = Platform::parse(foreign()).unwrap();
        assert_eq!(find_for(&world.layout, "app", &platform).unwrap().id, other_id);
        let platform = Platform::parse("linux/s390x").unwrap();
        let error = find_for(&world.layout, "app", &platform).unwrap_err();
        assert!(matches!(error, FindError::NoPlatform { .. }), "{error}");

        // Of an index that was taken in part, what is here counts.
        let mut absent = ours;
        absent.digest = Digest::sha256_of(b"absent");
        let index = world.index(&[absent.clone(), other]);
        world.name("part", &index);
        assert_eq!(find(&world.layout, "part").unwrap().id, other_id);
        let index = world.index(&[absent, statement]);
        world.name("none", &index);
        let error = find(&world.layout, "none").unwrap_err();
        assert!(matches!(error, FindError::EmptyIndex { .. }), "{error}");
        // It can still be told from others, and removed.
        let catalog = Catalog::read(&world.layout).unwrap();
        assert_eq!(catalog.resolve(index.digest.as_str()).unwrap().entries().len(), 1);
    }

    #[test]
    fn a_manifest_listed_again_and_again_is_read_once() {
        let world = World::new();
        let image = world.image(&["x"], foreign());
        let mut index = world.index(&vec![image.clone(); 200]);
        for _ in 0..3 {
            index = world.index(&vec![index; 200]);
        }
        world.name("deep", &index);
        assert_eq!(find(&world.layout, "deep").unwrap().id, world.id(&image));
    }

    #[test]
    fn what_is_no_image() {
        let world = World::new();
        let text = world.put("text/plain", b"text");
        let manifest = json!({"schemaVersion": 2, "mediaType": crate::oci::manifest::OCI_MANIFEST,
            "config": text, "layers": []});
        let media_type = crate::oci::manifest::OCI_MANIFEST;
        let artifact = world.put(media_type, manifest.to_string().as_bytes());
        world.name("artifact", &artifact);
        let error = find(&world.layout, "artifact").unwrap_err();
        assert!(matches!(error, FindError::Config { .. }), "{error}");
        let odd = world.put(media_type, b"{}");
        world.name("odd", &odd);
        let error = find(&world.layout, "odd").unwrap_err();
        assert!(matches!(error, FindError::Manifest { .. }), "{error}");
        let gone = Descriptor::new(media_type, Digest::sha256_of(b"gone"), 4);
        world.name("gone", &gone);
        let error = find(&world.layout, "gone").unwrap_err();
        let FindError::Damaged { cause: ImageLayoutError::Missing { .. }, .. } = error else {
            panic!("{error}")
        };
    }
}
