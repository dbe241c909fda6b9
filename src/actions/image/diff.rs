//! What two images have in common and what not: layers, configuration, files.
//!
//! Each layer is read once, and one that both begin with is read for both. Contents are hashed on
//! the way and not kept.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde_json::{Map, Value};

use crate::actions::image::entries::{ArchiveChange, entries};
use crate::actions::image::find::{FindError, LocalImage};
use crate::oci::archive::tree::{Inode, InodeId};
use crate::oci::archive::{EntryPath, Expansion, Kind, LayerPacker, Tree};
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, Digest};
use crate::store::images::layer_archive::{LayerError, pairs, read_layer};
use crate::store::{ImageLayout, ImageLayoutError};

/// What is different, and which layers are not.
#[derive(Debug, Default)]
pub struct Difference {
    /// Every layer of either image, base first; `None` if that was not asked.
    pub layers: Option<Vec<LayerChange>>,
    /// Members of the configuration, by their paths.
    pub config: Option<Vec<ConfigChange>>,
    /// Members of the manifest, by their paths.
    pub manifest: Option<Vec<ConfigChange>>,
    /// Files by their paths.
    pub files: Option<Vec<FileChange>>,
    /// Layers that stand for each other and are not the same, entry by entry.
    pub archives: Option<Vec<ArchiveChange>>,
}

/// What is to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part that may be asked for")]
pub struct Parts {
    /// The layers.
    pub layers: bool,
    /// The configurations.
    pub config: bool,
    /// The manifests.
    pub manifest: bool,
    /// The files.
    pub files: bool,
    /// The layers as archives.
    pub archives: Archives,
}

/// Whether layers are compared entry by entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archives {
    /// They are.
    Compared,
    /// They are if there is no difference between the files that would be a reason for other
    /// digests.
    WithoutOtherReason,
    /// They are not.
    Left,
}

/// One layer: in the first image, in the second, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// Its digest unpacked.
    pub diff_id: Digest,
    /// What the first image has of it.
    pub before: Option<Descriptor>,
    /// What the second image has of it.
    pub after: Option<Descriptor>,
}

/// A member of the configuration, or of the manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigChange {
    /// Names of members with dots between; of a list of objects the number, from zero; of the
    /// environment the name of the variable. Of a document that says the same in other bytes
    /// `configuration as bytes` or `manifest as bytes`, the values being how many.
    pub path: String,
    /// What the first image has.
    pub before: Option<Value>,
    /// What the second image has.
    pub after: Option<Value>,
}

/// A file that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where it is.
    pub path: EntryPath,
    /// What the first image has there.
    pub before: Option<Inode<Digest>>,
    /// What the second image has there.
    pub after: Option<Inode<Digest>>,
    /// What is different if both have it: `type`, `mode`, `owner`, `size`, `mtime`, `link`,
    /// `device`, `xattrs`, `content`.
    pub changed: Vec<&'static str>,
}

/// Why images cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// There is no such image, or it cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// An image of Windows: its layers have more than files.
    #[error("the files of an image for {os} cannot be told here")]
    Os {
        /// The operating system.
        os: String,
    },
}

/// Compares two images.
pub fn diff(
    layout: &ImageLayout,
    before: &LocalImage,
    after: &LocalImage,
    parts: Parts,
    expansion: Expansion,
) -> Result<Difference, DiffError> {
    let mut difference = Difference {
        layers: if parts.layers { Some(layers(before, after)?) } else { None },
        config: parts.config.then(|| config(before, after)),
        manifest: parts.manifest.then(|| manifest(before, after)),
        files: if parts.files { Some(files(layout, before, after, expansion)?) } else { None },
        archives: None,
    };
    let is_wanted = match parts.archives {
        Archives::Compared => true,
        Archives::WithoutOtherReason => difference.files.as_ref().is_some_and(Vec::is_empty),
        Archives::Left => false,
    };
    if is_wanted {
        difference.archives = Some(archives(layout, before, after, expansion)?);
    }
    Ok(difference)
}

impl LayerChange {
    /// Whether both have it, packed differently.
    pub fn is_repacked(&self) -> bool {
        let digests = (self.before.as_ref(), self.after.as_ref());
        matches!(digests, (Some(before), Some(after)) if before.digest != after.digest)
    }
}

/// The layers of both in one order, with as many in common as there can be.
fn layers(before: &LocalImage, after: &LocalImage) -> Result<Vec<LayerChange>, LayerError> {
    let (old, new) =
        (pairs(&before.manifest, &before.config)?, pairs(&after.manifest, &after.config)?);
    let common = common_base(&old, &new);
    let mut changes: Vec<LayerChange> =
        old.iter().zip(&new).take(common).map(|(old, new)| both(old, new)).collect();
    let (old, new) = (old.get(common..).unwrap_or_default(), new.get(common..).unwrap_or_default());
    // How many layers the rests have in common, from each pair of places on.
    let width = new.len() + 1;
    let mut longest = vec![0_u16; (old.len() + 1) * width];
    let at = |longest: &[u16], i: usize, j: usize| longest.get(i * width + j).copied().unwrap_or(0);
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            let best = if left.1 == right.1 {
                at(&longest, i + 1, j + 1) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1))
            };
            if let Some(place) = longest.get_mut(i * width + j) {
                *place = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(left), Some(right)) if left.1 == right.1 => {
                changes.push(both(left, right));
                (i, j) = (i + 1, j + 1);
            }
            (Some(left), right)
                if right.is_none() || at(&longest, i + 1, j) >= at(&longest, i, j + 1) =>
            {
                let (before, diff_id) = (Some(left.0.clone()), left.1.clone());
                changes.push(LayerChange { diff_id, before, after: None });
                i += 1;
            }
            (_, Some(right)) => {
                let (after, diff_id) = (Some(right.0.clone()), right.1.clone());
                changes.push(LayerChange { diff_id, before: None, after });
                j += 1;
            }
            (_, None) => return Ok(changes),
        }
    }
}

type Layer<'a> = (&'a Descriptor, &'a Digest);

fn both(old: &Layer<'_>, new: &Layer<'_>) -> LayerChange {
    let (before, after) = (Some(old.0.clone()), Some(new.0.clone()));
    LayerChange { diff_id: old.1.clone(), before, after }
}

fn common_base(old: &[Layer<'_>], new: &[Layer<'_>]) -> usize {
    old.iter().zip(new).take_while(|(old, new)| old.1 == new.1).count()
}

/// The layers that only one of the images has, each with the one that stands in its place.
fn archives(
    layout: &ImageLayout,
    before: &LocalImage,
    after: &LocalImage,
    expansion: Expansion,
) -> Result<Vec<ArchiveChange>, DiffError> {
    let (mut old, mut new) = (VecDeque::new(), VecDeque::new());
    let mut changes = Vec::new();
    for layer in layers(before, after)? {
        match (layer.before, layer.after) {
            (Some(_), Some(_)) => {
                old.clear();
                new.clear();
            }
            (Some(before), None) => old.push_back((before, layer.diff_id)),
            (None, Some(after)) => new.push_back((after, layer.diff_id)),
            (None, None) => {}
        }
        if let (Some(before), Some(after)) = (old.front(), new.front()) {
            let (before, after) = ((&before.0, &before.1), (&after.0, &after.1));
            changes.push(entries(layout, before, after, expansion)?);
            old.pop_front();
            new.pop_front();
        }
    }
    Ok(changes)
}

/// The configurations member by member, but for `rootfs`, which the layers tell.
fn config(before: &LocalImage, after: &LocalImage) -> Vec<ConfigChange> {
    let mut changes = members(&before.config.raw, &after.config.raw);
    let is_same = before.config.diff_ids == after.config.diff_ids;
    if changes.is_empty() && is_same && before.config_bytes != after.config_bytes {
        changes.push(form("configuration as bytes", &before.config_bytes, &after.config_bytes));
    }
    changes
}

/// The manifests member by member, but for digests and sizes, which layers and configurations tell.
fn manifest(before: &LocalImage, after: &LocalImage) -> Vec<ConfigChange> {
    let document = |image: &LocalImage| {
        let bytes = &image.manifest_bytes;
        let mut document: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
        let parts = document.get_mut("layers").and_then(Value::as_array_mut);
        let parts = parts.map(std::mem::take).unwrap_or_default().into_iter();
        let described = |mut part: Value| {
            if let Some(part) = part.as_object_mut() {
                part.shift_remove("digest");
                part.shift_remove("size");
            }
            part
        };
        let layers: Vec<Value> = parts.map(described).collect();
        document.insert("layers".to_owned(), Value::Array(layers));
        if let Some(config) = document.get_mut("config") {
            *config = described(config.take());
        }
        Map::from_iter([("manifest".to_owned(), Value::Object(document))])
    };
    let mut changes = members(&document(before), &document(after));
    let parts = |image: &LocalImage| {
        let layers: Vec<_> = image.manifest.layers.iter().map(|l| l.digest.clone()).collect();
        (image.id.clone(), layers)
    };
    let is_same = parts(before) == parts(after);
    if changes.is_empty() && is_same && before.manifest_bytes != after.manifest_bytes {
        changes.push(form("manifest as bytes", &before.manifest_bytes, &after.manifest_bytes));
    }
    changes
}

/// Documents that say the same in other bytes.
fn form(path: &str, before: &[u8], after: &[u8]) -> ConfigChange {
    let length = |bytes: &[u8]| Some(Value::from(bytes.len()));
    let (before, after) = (length(before), length(after));
    ConfigChange { path: path.to_owned(), before, after }
}

fn members(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<ConfigChange> {
    let members = |document: &Map<String, Value>| {
        let mut members = BTreeMap::new();
        for (name, value) in document.iter().filter(|(name, _)| *name != "rootfs") {
            spread(name, value, &mut members);
        }
        members
    };
    let (mut old, mut new) = (members(before), members(after));
    let paths: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    let mut changes: BTreeMap<String, ConfigChange> = BTreeMap::new();
    for path in paths {
        let (before, after) = (old.remove(&path), new.remove(&path));
        if before != after {
            changes.insert(path.clone(), ConfigChange { path, before, after });
        }
    }
    changes.into_values().collect()
}

/// What is in a value, by path. What is empty is nothing: some write it and some do not.
fn spread(path: &str, value: &Value, members: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (name, value) in object {
                let is_marker = value.as_object().is_some_and(Map::is_empty);
                let path = format!("{path}.{name}");
                if is_marker {
                    members.insert(path, value.clone());
                } else {
                    spread(&path, value, members);
                }
            }
        }
        Value::Array(list) if path.ends_with(".Env") => {
            for (number, variable) in list.iter().enumerate() {
                match variable.as_str().and_then(|text| text.split_once('=')) {
                    Some((name, value)) => {
                        members.insert(format!("{path}.{name}"), Value::from(value));
                    }
                    None => drop(members.insert(format!("{path}.{number}"), variable.clone())),
                }
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (number, value) in list.iter().enumerate() {
                spread(&format!("{path}.{number}"), value, members);
            }
        }
        Value::Null | Value::Object(_) => {}
        Value::Array(list) if list.is_empty() => {}
        Value::String(text) if text.is_empty() => {}
        other => drop(members.insert(path.to_owned(), other.clone())),
    }
}

fn files(
    layout: &ImageLayout,
    before: &LocalImage,
    after: &LocalImage,
    expansion: Expansion,
) -> Result<Vec<FileChange>, DiffError> {
    for image in [before, after] {
        let os = &image.config.platform.os;
        if os == "windows" {
            return Err(DiffError::Os { os: os.clone() });
        }
    }
    let (old, new) =
        (pairs(&before.manifest, &before.config)?, pairs(&after.manifest, &after.config)?);
    let common = common_base(&old, &new);
    let mut base = Tree::default();
    add(layout, &mut base, old.get(..common).unwrap_or_default(), expansion)?;
    let (mut old_tree, mut new_tree) = (base.clone(), base);
    add(layout, &mut old_tree, old.get(common..).unwrap_or_default(), expansion)?;
    add(layout, &mut new_tree, new.get(common..).unwrap_or_default(), expansion)?;
    Ok(compare(&old_tree, &new_tree))
}

fn add(
    layout: &ImageLayout,
    tree: &mut Tree<Digest>,
    layers: &[Layer<'_>],
    expansion: Expansion,
) -> Result<(), DiffError> {
    for (layer, diff_id) in layers {
        tree.begin_layer();
        let name = layer.digest.as_str();
        let of = |error: io::Error| LayerError::of(name, error);
        read_layer(layout, layer, diff_id, expansion, |entry, content| {
            let file = tree.apply(entry).map_err(|error| LayerError::of(name, error))?;
            let Some(file) = file else { return Ok(()) };
            let mut hasher = LayerPacker::new(io::sink(), Compression::None).map_err(of)?;
            io::copy(content, &mut hasher).map_err(of)?;
            tree.set_content(file, hasher.finish().map_err(of)?.1);
            Ok::<_, DiffError>(())
        })?;
    }
    Ok(())
}

fn compare(before: &Tree<Digest>, after: &Tree<Digest>) -> Vec<FileChange> {
    let (old, mut new): (BTreeMap<EntryPath, InodeId>, BTreeMap<EntryPath, InodeId>) =
        (before.walk().collect(), after.walk().collect());
    let mut changes = Vec::new();
    for (path, id) in old {
        let (Some(old), new) = (before.get(id), new.remove(&path).and_then(|id| after.get(id)))
        else {
            continue;
        };
        let changed = new.map(|new| changed(old, new)).unwrap_or_default();
        if new.is_none() || !changed.is_empty() {
            let (before, after) = (Some(old.alone()), new.map(Inode::alone));
            changes.push(FileChange { path, before, after, changed });
        }
    }
    for (path, id) in new {
        let after = after.get(id).map(Inode::alone);
        changes.push(FileChange { path, before: None, after, changed: Vec::new() });
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

fn changed(old: &Inode<Digest>, new: &Inode<Digest>) -> Vec<&'static str> {
    let same_kind = std::mem::discriminant(&old.kind) == std::mem::discriminant(&new.kind);
    let details = same_kind && old.kind != new.kind;
    let is_link = matches!(old.kind, Kind::Symlink(_));
    let differences = [
        ("type", !same_kind),
        ("mode", old.mode != new.mode),
        ("owner", (old.uid, old.gid) != (new.uid, new.gid)),
        ("size", same_kind && old.size != new.size),
        ("mtime", old.mtime != new.mtime),
        ("link", details && is_link),
        ("device", details && !is_link),
        ("xattrs", old.xattrs != new.xattrs),
        ("content", same_kind && old.content != new.content),
    ];
    differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let object = |value: &Value| value.as_object().unwrap().clone();
        members(&object(before), &object(after)).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn configurations_member_by_member() {
        let before = json!({"created": "x", "rootfs": {"a": 1}, "config": {"Env": ["A=1", "B=2"],
            "Cmd": ["a"], "Labels": null, "User": "", "ExposedPorts": {"80/tcp": {}}},
            "history": [{"created_by": "x"}]});
        let after = json!({"created": "x", "rootfs": {"a": 2}, "config": {"Env": ["B=2", "A=2", "C=3"],
            "Cmd": ["a", "b"], "Labels": {"l": "1"}}, "history": [{"created_by": "y"}]});
        assert_eq!(
            paths(&before, &after),
            [
                "config.Cmd",
                "config.Env.A",
                "config.Env.C",
                "config.ExposedPorts.80/tcp",
                "config.Labels.l",
                "history.0.created_by"
            ]
        );
        assert_eq!(paths(&before, &before), [""; 0]);
    }
}
