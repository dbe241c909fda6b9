//! The index of an image layout: which images it has, and by what names (OCI image-spec, "Image
//! Layout").
//!
//! Others write the same file. What they wrote is kept: members and descriptors that say more than
//! is understood here, and entries that cannot be followed.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::limits::MAX_LAYOUT_ENTRIES;
use crate::oci::descriptor::RawDescriptor;
use crate::oci::manifest::{OCI_INDEX, is_manifest};
use crate::oci::{Descriptor, Digest, Reference, ReferenceError};

/// `index.json` of an image layout.
#[derive(Debug, Clone, PartialEq)]
pub struct LayoutIndex {
    members: Map<String, Value>,
    slots: Vec<Slot>,
}

/// One entry of the index: an image, and perhaps a name for it. An image with several names has
/// several entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The image's manifest or index, with the entry's annotations.
    pub descriptor: Descriptor,
}

/// An entry as it was read, understood or not.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    raw: Value,
    entry: Option<Entry>,
}

/// What an image is called in a layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageName {
    /// A reference with a tag or a digest.
    Reference(Reference),
    /// What others wrote, mostly a tag without a repository.
    Bare(String),
}

/// Why bytes are not the index of an image layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutIndexError {
    /// Not JSON.
    #[error("the index of the image layout is not well-formed")]
    Malformed(#[source] serde_json::Error),
    /// JSON, but no index.
    #[error("the index of the image layout has no `manifests`")]
    NoManifests,
    /// More entries than are followed.
    #[error("the index of the image layout has {count} entries, more than {limit}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many are followed.
        limit: usize,
    },
}

/// The annotation that names an entry (OCI image-spec, "Pre-Defined Annotation Keys").
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation by which docker and containerd name an entry in full.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The annotation that says from where, and by which digest, an entry was pulled or to where it
/// was pushed: `name@digest` (`spec/image-layout.md`). The digest may be that of an index which
/// has the entry's manifest.
pub const SOURCE: &str = "vnd.trust.image.source";

/// The annotation of an entry that is the OCI twin of an image in docker's dialect: the original's
/// descriptor, as JSON (`spec/image-layout.md`).
pub const ORIGINAL: &str = "vnd.trust.image.original";

impl LayoutIndex {
    /// The index of a layout without images.
    pub fn empty() -> Self {
        let mut members = Map::new();
        members.insert("schemaVersion".to_owned(), json!(2));
        members.insert("mediaType".to_owned(), json!(OCI_INDEX));
        Self { members, slots: Vec::new() }
    }

    /// Reads `index.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LayoutIndexError> {
        let mut members: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(LayoutIndexError::Malformed)?;
        let manifests = match members.shift_remove("manifests") {
            // Go writes it for a list that is empty.
            Some(Value::Null) => Vec::new(),
            Some(Value::Array(manifests)) => manifests,
            _ => return Err(LayoutIndexError::NoManifests),
        };
        if manifests.len() > MAX_LAYOUT_ENTRIES {
            let (count, limit) = (manifests.len(), MAX_LAYOUT_ENTRIES);
            return Err(LayoutIndexError::TooMany { count, limit });
        }
        Ok(Self { members, slots: manifests.into_iter().map(Slot::read).collect() })
    }

    /// The bytes of `index.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut document = self.members.clone();
        let manifests = self.slots.iter().map(|slot| slot.raw.clone()).collect();
        document.insert("manifests".to_owned(), Value::Array(manifests));
        Value::Object(document).to_string().into_bytes()
    }

    /// The entries that can be followed, in the order of the file.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// How many entries cannot be followed; they are kept.
    pub fn unknown(&self) -> usize {
        self.slots.iter().filter(|slot| slot.entry.is_none()).count()
    }

    /// The entry of this name.
    pub fn get(&self, name: &ImageName) -> Option<&Entry> {
        // Others may have written a name twice: the last one stands, as with umoci and skopeo.
        self.entries().rev().find(|entry| entry.name().as_ref() == Some(name))
    }

    /// Gives an image a name; returns the image that had it, if that was another.
    ///
    /// An image whose last name this takes away stays, without a name. `source` is from where the
    /// image came, if that is known: `name@digest`.
    pub fn set(
        &mut self,
        name: &ImageName,
        image: &Descriptor,
        source: Option<&Reference>,
    ) -> Option<Descriptor> {
        let is_known = |slot: &&Slot| {
            let its = slot.entry.as_ref().map(|entry| &entry.descriptor.digest);
            its == Some(&image.digest) || slot.is_called(name)
        };
        let known: Vec<Value> =
            self.slots.iter().filter(is_known).map(|slot| slot.raw.clone()).collect();
        let before = self.remove(name);
        let replaced = before.filter(|before| before.descriptor.digest != image.digest);
        if let Some(replaced) = &replaced
            && !self.has(&replaced.descriptor.digest)
        {
            self.slots.push(Slot::of(replaced.without_name().descriptor).with_unknown_of(&known));
        }
        self.slots.retain(|slot| {
            let entry = slot.entry.as_ref();
            entry.is_none_or(|entry| {
                entry.name().is_some() || entry.descriptor.digest != image.digest
            })
        });
        let mut named = image.clone();
        named.annotations.remove(CONTAINERD_NAME);
        named.annotations.insert(REF_NAME.to_owned(), name.to_string());
        match source {
            Some(source) => named.annotations.insert(SOURCE.to_owned(), source.to_string()),
            None => named.annotations.remove(SOURCE),
        };
        self.slots.push(Slot::of(named).with_unknown_of(&known));
        replaced.map(|entry| entry.descriptor)
    }

    /// Adds an image without a name, unless it is there already.
    pub fn add(&mut self, image: &Descriptor, source: Option<&Reference>) {
        if self.has(&image.digest) {
            return;
        }
        let mut nameless = image.clone();
        nameless.annotations.retain(|key, _| key != REF_NAME && key != CONTAINERD_NAME);
        if let Some(source) = source {
            nameless.annotations.insert(SOURCE.to_owned(), source.to_string());
        }
        self.slots.push(Slot::of(nameless));
    }

    /// Takes a name away, every time it is written; returns the last entry that had it.
    pub fn remove(&mut self, name: &ImageName) -> Option<Entry> {
        let found = self.get(name).cloned();
        self.slots.retain(|slot| {
            slot.entry.as_ref().is_none_or(|entry| entry.name().as_ref() != Some(name))
        });
        found
    }

    /// Takes these entries away.
    pub fn remove_entries(&mut self, entries: &[Entry]) {
        self.slots.retain(|slot| slot.entry.as_ref().is_none_or(|entry| !entries.contains(entry)));
    }

    /// Takes a name away, every time it is written; an image that has no other entry stays,
    /// without a name.
    pub fn unname(&mut self, name: &ImageName) {
        while let Some(at) = self.slots.iter().position(|slot| slot.is_called(name)) {
            let slot = self.slots.remove(at);
            let Some(entry) = &slot.entry else { continue };
            if !self.has(&entry.descriptor.digest) {
                self.slots.insert(
                    at,
                    Slot::of(entry.without_name().descriptor).with_unknown_of(&[slot.raw]),
                );
            }
        }
    }

    /// Forgets of these entries from where they came, as [`SOURCE`] has it.
    pub fn remove_source(&mut self, entries: &[Entry]) {
        for slot in &mut self.slots {
            let Some(entry) = slot.entry.as_mut().filter(|entry| entries.contains(entry)) else {
                continue;
            };
            entry.descriptor.annotations.remove(SOURCE);
            let raw = std::mem::take(&mut slot.raw);
            *slot = Slot::of(entry.descriptor.clone()).with_unknown_of(&[raw]);
        }
    }

    /// Every digest that the entries mention, those that cannot be followed too, each with the media
    /// type beside it; empty if there is none.
    pub fn mentions(&self) -> Vec<(Digest, String)> {
        let mut found = Vec::new();
        self.slots.iter().for_each(|slot| mentions(&slot.raw, &mut found));
        found
    }

    /// Whether an entry is this image.
    pub fn has(&self, digest: &Digest) -> bool {
        self.entries().any(|entry| entry.descriptor.digest == *digest)
    }
}

impl Descriptor {
    /// The image in docker's dialect that this is the twin of, if it is one: what is signed, and
    /// what is sent on.
    pub fn original(&self) -> Option<Self> {
        let text = self.annotations.get(ORIGINAL)?;
        let raw = serde_json::from_str::<RawDescriptor>(text).ok()?;
        raw.check().ok().filter(|original| is_manifest(&original.media_type))
    }

    /// Notes the image in docker's dialect that this is the twin of.
    #[must_use]
    pub fn twin_of(mut self, original: &Self) -> Self {
        let bare = Self::new(original.media_type.clone(), original.digest.clone(), original.size);
        // It fails for sizes beyond any file's alone.
        let text = serde_json::to_string(&bare).unwrap_or_default();
        self.annotations.insert(ORIGINAL.to_owned(), text);
        self
    }
}

impl Entry {
    /// What the image is called, if it has a name.
    pub fn name(&self) -> Option<ImageName> {
        let annotation = |key| self.descriptor.annotations.get(key).filter(|text| !text.is_empty());
        if let Some(full) = annotation(CONTAINERD_NAME)
            && let Ok(reference) = Reference::parse(full)
        {
            return Some(ImageName::of_reference(reference));
        }
        annotation(REF_NAME).map(|text| ImageName::of_annotation(text))
    }

    /// The same image without a name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        let mut descriptor = self.descriptor.clone();
        descriptor.annotations.retain(|key, _| key != REF_NAME && key != CONTAINERD_NAME);
        Self { descriptor }
    }

    /// From where the image was pulled, or to where it was pushed: a name with a digest.
    pub fn source(&self) -> Option<Reference> {
        let text = self.descriptor.annotations.get(SOURCE)?;
        Reference::parse(text).ok().filter(|reference| reference.digest().is_some())
    }
}

impl ImageName {
    /// A name that is typed: a reference, `latest` if it has neither tag nor digest.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Reference::parse(text).map(Self::of_reference)
    }

    /// The name of a reference: `latest` if it has neither tag nor digest; of one with both it is
    /// the digest that says which image is meant.
    pub fn of_reference(reference: Reference) -> Self {
        match (reference.digest().cloned(), reference.tag()) {
            (Some(digest), _) => Self::Reference(reference.with_digest(digest)),
            (None, Some(_)) => Self::Reference(reference),
            (None, None) => Self::Reference(reference.with_tag("latest").unwrap_or(reference)),
        }
    }

    /// What others wrote as a name: what says no more than a tag is no reference.
    fn of_annotation(text: &str) -> Self {
        if !text.contains(['/', ':', '@']) {
            return Self::Bare(text.to_owned());
        }
        Self::parse(text).unwrap_or_else(|_| Self::Bare(text.to_owned()))
    }

    /// The reference, if it is one.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::Bare(_) => None,
        }
    }

    /// The short form that people type and see.
    pub fn familiar(&self) -> String {
        match self {
            Self::Reference(reference) => reference.familiar(),
            Self::Bare(text) => text.clone(),
        }
    }
}

/// The full form, as it is written into a layout.
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => reference.fmt(f),
            Self::Bare(text) => f.write_str(text),
        }
    }
}

impl Slot {
    fn read(raw: Value) -> Self {
        let parsed = serde_json::from_value::<RawDescriptor>(raw.clone());
        let descriptor = parsed.ok().and_then(|raw| raw.check().ok());
        let entry = descriptor
            .filter(|descriptor| is_manifest(&descriptor.media_type))
            .map(|descriptor| Entry { descriptor });
        Self { raw, entry }
    }

    fn of(descriptor: Descriptor) -> Self {
        // It fails for sizes beyond any file's alone.
        let raw = serde_json::to_value(&descriptor).unwrap_or_default();
        Self { raw, entry: Some(Entry { descriptor }) }
    }

    fn is_called(&self, name: &ImageName) -> bool {
        self.entry.as_ref().and_then(Entry::name).as_ref() == Some(name)
    }

    /// Takes over the members not known here that another entry of the same image has.
    fn with_unknown_of(mut self, others: &[Value]) -> Self {
        let digest = self.raw.get("digest").cloned();
        let Some(other) = others.iter().find(|other| other.get("digest") == digest.as_ref()) else {
            return self;
        };
        take_over(&mut self.raw, other);
        self
    }
}

/// Adds what one JSON object has and another has not, inside of `platform` too; never annotations.
fn take_over(ours: &mut Value, other: &Value) {
    let (Some(ours), Some(other)) = (ours.as_object_mut(), other.as_object()) else { return };
    for (name, value) in other {
        match ours.get_mut(name) {
            Some(inner) if name == "platform" => take_over(inner, value),
            None if name != "annotations" => drop(ours.insert(name.clone(), value.clone())),
            _ => {}
        }
    }
}

/// Every digest that a JSON document mentions, with the media type beside it.
pub fn mentions(document: &Value, found: &mut Vec<(Digest, String)>) {
    match document {
        Value::Array(parts) => parts.iter().for_each(|part| mentions(part, found)),
        Value::Object(members) => {
            let text = |name| members.get(name).and_then(Value::as_str);
            // The second is what manifests before 2016 call it.
            for digest in [text("digest"), text("blobSum")].into_iter().flatten() {
                if let Ok(digest) = Digest::parse(digest) {
                    found.push((digest, text("mediaType").unwrap_or_default().to_owned()));
                }
            }
            // A twin leads to its original.
            let original = text(ORIGINAL).and_then(|text| serde_json::from_str(text).ok());
            if let Some(original) = original {
                mentions(&original, found);
            }
            // What a statement is about does not belong to it.
            let parts = members.iter().filter(|(name, _)| *name != "subject");
            parts.for_each(|(_, part)| mentions(part, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::oci::manifest::OCI_MANIFEST;

    fn image(text: &str) -> Descriptor {
        Descriptor::new(OCI_MANIFEST, Digest::sha256_of(text.as_bytes()), text.len() as u64)
    }

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    #[test]
    fn what_others_wrote_is_kept() {
        let digest = Digest::sha256_of(b"x");
        let text = format!(
            r#"{{"schemaVersion":2,"x":1,"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1,"annotations":{{"{REF_NAME}":"v1"}},"data":"eA=="}},{{"mediaType":"a/b","digest":"{digest}","size":1}},{{"digest":"md5:1"}}]}}"#
        );
        let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
        assert_eq!(index.entries().count(), 1);
        assert_eq!(index.unknown(), 2);
        assert_eq!(index.entries().next().unwrap().name(), Some(ImageName::Bare("v1".to_owned())));
        index.set(&name("a/b:c"), &image("y"), None);
        let text = String::from_utf8(index.to_bytes()).unwrap();
        for kept in [r#""x":1"#, r#""data":"eA==""#, r#""md5:1""#, r#""a/b""#] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert_eq!(LayoutIndex::parse(text.as_bytes()).unwrap(), index);
    }

    #[test]
    fn names_of_others() {
        let entry = |annotations: &[(&str, &str)]| {
            let mut descriptor = image("x");
            let pairs = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            descriptor.annotations.extend(pairs);
            Entry { descriptor }.name().map(|name| name.to_string())
        };
        assert_eq!(entry(&[]), None);
        assert_eq!(entry(&[(REF_NAME, "")]), None);
        assert_eq!(entry(&[(REF_NAME, "latest")]).unwrap(), "latest");
        assert_eq!(entry(&[(REF_NAME, "app:v1")]).unwrap(), "docker.io/library/app:v1");
        assert_eq!(entry(&[(REF_NAME, "h.example/app")]).unwrap(), "h.example/app:latest");
        assert_eq!(entry(&[(REF_NAME, "Some:Thing:odd")]).unwrap(), "Some:Thing:odd");
        let both = [(REF_NAME, "v1"), (CONTAINERD_NAME, "docker.io/me/app:v1")];
        assert_eq!(entry(&both).unwrap(), "docker.io/me/app:v1");
    }

    /// Takes every entry of an image away; returns how many there were.
    fn remove_image(index: &mut LayoutIndex, digest: &Digest) -> usize {
        let entries = index.entries().filter(|entry| entry.descriptor.digest == *digest);
        let entries: Vec<Entry> = entries.cloned().collect();
        index.remove_entries(&entries);
        entries.len()
    }

    #[test]
    fn a_name_moves_and_its_image_stays_without() {
        let mut index = LayoutIndex::empty();
        let (a, b) = (image("a"), image("b"));
        assert_eq!(index.set(&name("x:1"), &a, None), None);
        assert_eq!(index.set(&name("x:1"), &a, None), None);
        assert_eq!(index.set(&name("x:2"), &a, None), None);
        assert_eq!(index.entries().count(), 2);
        assert_eq!(index.set(&name("x:1"), &b, None).unwrap().digest, a.digest);
        assert_eq!(index.entries().count(), 2, "it has another name");
        assert_eq!(index.set(&name("x:2"), &b, None).unwrap().digest, a.digest);
        let nameless: Vec<_> = index.entries().filter(|entry| entry.name().is_none()).collect();
        assert_eq!(nameless.len(), 1);
        assert_eq!(nameless[0].descriptor.digest, a.digest);
        index.set(&name("x:3"), &a, None);
        assert!(index.entries().all(|entry| entry.name().is_some()), "it has a name again");
        assert_eq!(remove_image(&mut index, &b.digest), 2);
        assert_eq!(index.remove(&name("x:3")).unwrap().descriptor.digest, a.digest);
        assert_eq!(index, LayoutIndex::empty());
    }

    #[test]
    fn members_of_others_go_with_the_image() {
        let digest = Digest::sha256_of(b"x");
        let text = format!(
            r#"{{"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1,"data":"eA==",
            "platform":{{"os":"windows","architecture":"amd64","os.version":"10"}},
            "annotations":{{"{REF_NAME}":"a:1","note":"n"}}}}]}}"#
        );
        let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
        let image = index.entries().next().unwrap().descriptor.clone();
        index.set(&name("b:2"), &image, None);
        index.remove(&name("a:1"));
        index.set(&name("b:2"), &self::image("y"), None);
        let nameless = index.entries().next().unwrap();
        assert_eq!((nameless.name(), &nameless.descriptor.digest), (None, &digest));
        let text = String::from_utf8(index.to_bytes()).unwrap();
        for kept in [r#""data":"eA==""#, r#""os.version":"10""#, r#""note":"n""#] {
            assert_eq!(text.matches(kept).count(), 1, "{kept}: {text}");
        }
    }

    #[test]
    fn names_sources_and_entries_are_taken_away() {
        let mut index = LayoutIndex::empty();
        let (a, b) = (image("a"), image("b"));
        let source = Reference::parse("x").unwrap().with_digest(a.digest.clone());
        index.set(&name("x:1"), &a, Some(&source));
        index.set(&name("x:2"), &a, None);
        index.set(&name("y:1"), &b, Some(&source));
        index.unname(&name("x:1"));
        index.unname(&name("y:1"));
        let names: Vec<_> = index.entries().map(Entry::name).collect();
        assert_eq!(names, [Some(name("x:2")), None]);
        let nameless = index.entries().nth(1).unwrap().clone();
        assert_eq!((&nameless.descriptor.digest, nameless.source()), (&b.digest, Some(source)));
        index.remove_source(std::slice::from_ref(&nameless));
        assert_eq!(index.entries().nth(1).unwrap().source(), None);
        assert_eq!(LayoutIndex::parse(&index.to_bytes()).unwrap(), index);
        let all: Vec<Entry> = index.entries().cloned().collect();
        index.remove_entries(&all);
        assert_eq!(index, LayoutIndex::empty());
    }

    #[test]
    fn what_cannot_be_followed_is_mentioned() {
        let (a, b, c) = (image("a").digest, image("b").digest, image("c").digest);
        let text = format!(
            r#"{{"manifests":[{{"digest":"{a}","x":[{{"digest":"{b}","mediaType":"t"}}]}},
            {{"subject":{{"digest":"{c}"}}}},{{"digest":"md5:1"}}]}}"#
        );
        let index = LayoutIndex::parse(text.as_bytes()).unwrap();
        assert_eq!(index.mentions(), [(a, String::new()), (b, "t".to_owned())]);
    }

    #[test]
    fn the_source_goes_with_the_entry() {
        let mut index = LayoutIndex::empty();
        let source = Reference::parse("h.example/app").unwrap().with_digest(image("i").digest);
        index.set(&name("h.example/app:1"), &image("a"), Some(&source));
        assert_eq!(index.entries().next().unwrap().source(), Some(source));
        let entry = index.entries().next().unwrap().descriptor.clone();
        index.set(&name("other:1"), &entry, None);
        assert_eq!(index.get(&name("other:1")).unwrap().source(), None);
    }

    #[test]
    fn a_twin_knows_its_original() {
        let twin = image("twin").twin_of(&image("original"));
        assert_eq!(twin.original(), Some(image("original")));
        assert_eq!(image("x").original(), None);
        let mut index = LayoutIndex::empty();
        index.set(&name("a:1"), &twin, None);
        let entry = index.get(&name("a:1")).unwrap().descriptor.clone();
        index.set(&name("b:1"), &entry, None);
        let read = LayoutIndex::parse(&index.to_bytes()).unwrap();
        let other = read.get(&name("b:1")).unwrap();
        assert_eq!(other.descriptor.original(), Some(image("original")));
        let mentioned: BTreeSet<Digest> =
            read.mentions().into_iter().map(|(digest, _)| digest).collect();
        assert_eq!(mentioned, BTreeSet::from([twin.digest, image("original").digest]));
    }

    #[test]
    fn what_is_no_index() {
        let parse = |text: &str| LayoutIndex::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(parse("{"), LayoutIndexError::Malformed(_)));
        assert!(matches!(parse("{}"), LayoutIndexError::NoManifests));
        assert!(matches!(parse(r#"{"manifests":{}}"#), LayoutIndexError::NoManifests));
        let many = vec!["0"; MAX_LAYOUT_ENTRIES + 1].join(",");
        let error = parse(&format!(r#"{{"manifests":[{many}]}}"#));
        assert!(matches!(error, LayoutIndexError::TooMany { .. }));
        assert_eq!(LayoutIndex::parse(br#"{"manifests":null}"#).unwrap().entries().count(), 0);
    }

    proptest! {
        /// Whatever is done, no image is lost but by being removed, and no name is there twice.
        #[test]
        fn names_move_and_images_stay(
            steps in proptest::collection::vec((0..4_u8, 0..4_usize, 0..3_usize), 0..40)
        ) {
            let images = ["a", "b", "c", "d"].map(image);
            let names = ["x:1", "x:2", "y:1"].map(name);
            let mut index = LayoutIndex::empty();
            let mut present = BTreeSet::new();
            for (what, image, called) in steps {
                let (image, called) = (&images[image], &names[called]);
                match what {
                    0 => {
                        index.set(called, image, None);
                        present.insert(image.digest.clone());
                        prop_assert_eq!(&index.get(called).unwrap().descriptor.digest, &image.digest);
                    }
                    1 => {
                        index.add(image, None);
                        present.insert(image.digest.clone());
                    }
                    2 => index.unname(called),
                    _ => {
                        remove_image(&mut index, &image.digest);
                        present.remove(&image.digest);
                    }
                }
                let found: BTreeSet<Digest> =
                    index.entries().map(|entry| entry.descriptor.digest.clone()).collect();
                prop_assert_eq!(&found, &present);
                let named: Vec<ImageName> = index.entries().filter_map(Entry::name).collect();
                prop_assert_eq!(named.len(), named.iter().collect::<HashSet<_>>().len());
                prop_assert_eq!(&LayoutIndex::parse(&index.to_bytes()).unwrap(), &index);
            }
        }

        #[test]
        fn any_bytes_are_an_index_or_none(text in r#"\{"manifests":\[(\{("digest|"mediaType|"size|":|,|"|[0-9a-f]){0,9}\}|,){0,3}\]\}|.{0,40}"#) {
            if let Ok(index) = LayoutIndex::parse(text.as_bytes()) {
                prop_assert_eq!(LayoutIndex::parse(&index.to_bytes()).unwrap(), index);
            }
        }
    }
}
