//! How two layers differ as archives: entries, their order, and each field of their headers.

use std::collections::BTreeMap;
use std::io;

use crate::oci::archive::{
    ArchiveError, ArchiveReader, EntryPath, Expander, Expansion, LayerPacker, Written,
};
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayout;
use crate::store::images::layer_archive::LayerError;

/// Two layers that stand for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveChange {
    /// The first one's digest unpacked.
    pub before: Digest,
    /// The second one's.
    pub after: Digest,
    /// Entries that are in one alone, or written differently; by their paths.
    pub entries: Vec<EntryChange>,
    /// The first entry of the second archive that stands before one that it comes after in the
    /// first, and that one.
    pub order: Option<(EntryPath, EntryPath)>,
    /// Bytes after the last entry, if they differ.
    pub end: Option<(u64, u64)>,
}

/// An entry that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryChange {
    /// Where it is.
    pub path: EntryPath,
    /// Which entry of this path, from zero, for some archives have several.
    pub number: usize,
    /// Whether the first archive has it.
    pub before: bool,
    /// Whether the second archive has it.
    pub after: bool,
    /// What differs if both have it.
    pub fields: Vec<FieldChange>,
}

/// A field of a header, or the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// As in [`Written`], or `content`.
    pub field: String,
    /// What the first archive has; of the content its digest.
    pub before: Option<Vec<u8>>,
    /// What the second archive has.
    pub after: Option<Vec<u8>>,
}

struct Facts {
    place: usize,
    written: Written,
    content: Option<Digest>,
}

type Key = (EntryPath, usize);

/// Compares two layers, each with its digest unpacked.
pub fn entries(
    layout: &ImageLayout,
    before: (&Descriptor, &Digest),
    after: (&Descriptor, &Digest),
    expansion: Expansion,
) -> Result<ArchiveChange, LayerError> {
    let mut old = BTreeMap::new();
    let old_end = read(layout, before.0, expansion, |key, facts| drop(old.insert(key, facts)))?;
    let mut changes = Vec::new();
    // The entry of the second archive that was last in the first one, so far.
    let mut furthest: Option<(usize, EntryPath)> = None;
    let mut order = None;
    let new_end = read(layout, after.0, expansion, |key, new| {
        let Some(old) = old.remove(&key) else {
            changes.push(change(key, false, true, Vec::new()));
            return;
        };
        match &furthest {
            Some((place, path)) if *place > old.place => {
                // It comes after this one in the first archive.
                order.get_or_insert_with(|| (path.clone(), key.0.clone()));
            }
            _ => furthest = Some((old.place, key.0.clone())),
        }
        let fields = fields(&old, &new);
        if !fields.is_empty() {
            changes.push(change(key, true, true, fields));
        }
    })?;
    changes.extend(old.into_keys().map(|key| change(key, true, false, Vec::new())));
    changes.sort_by(|one, other| (&one.path, one.number).cmp(&(&other.path, other.number)));
    Ok(ArchiveChange {
        before: before.1.clone(),
        after: after.1.clone(),
        entries: changes,
        order,
        end: (old_end != new_end).then_some((old_end, new_end)),
    })
}

fn change((path, number): Key, before: bool, after: bool, fields: Vec<FieldChange>) -> EntryChange {
    EntryChange { path, number, before, after, fields }
}

fn fields(old: &Facts, new: &Facts) -> Vec<FieldChange> {
    let (before, after) = (&old.written.fields, &new.written.fields);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let field = |name: &String| {
        let (before, after) = (before.get(name), after.get(name));
        (before != after).then(|| FieldChange {
            field: name.clone(),
            before: before.cloned(),
            after: after.cloned(),
        })
    };
    let mut changes: Vec<FieldChange> = names.into_iter().filter_map(field).collect();
    if old.content != new.content {
        let bytes = |digest: &Option<Digest>| {
            digest.as_ref().map(|digest| digest.as_str().as_bytes().to_vec())
        };
        changes.push(FieldChange {
            field: "content".to_owned(),
            before: bytes(&old.content),
            after: bytes(&new.content),
        });
    }
    changes
}

/// Reads a layer; returns how many bytes come after its last entry.
fn read(
    layout: &ImageLayout,
    layer: &Descriptor,
    expansion: Expansion,
    mut take: impl FnMut(Key, Facts),
) -> Result<u64, LayerError> {
    let of = |error: ArchiveError| LayerError::of(layer.digest.as_str(), error);
    let of_io = |error: io::Error| LayerError::of(layer.digest.as_str(), error);
    let expander = Expander::new(layout.open_blob(layer)?, expansion).map_err(of)?;
    let mut archive = ArchiveReader::new(expander);
    let mut numbers: BTreeMap<EntryPath, usize> = BTreeMap::new();
    let mut place = 0;
    while let Some(entry) = archive.next_entry().map_err(of)? {
        let written = archive.written().clone();
        let content = if entry.size > 0 {
            let mut hasher = LayerPacker::new(io::sink(), Compression::None).map_err(of_io)?;
            io::copy(&mut archive, &mut hasher).map_err(of_io)?;
            Some(hasher.finish().map_err(of_io)?.1)
        } else {
            None
        };
        let number = numbers.entry(entry.path.clone()).or_default();
        let key = (entry.path, *number);
        *number += 1;
        take(key, Facts { place, written, content });
        place += 1;
    }
    let end = archive.end();
    let expander = archive.finish().map_err(of)?;
    Ok(expander.unpacked().saturating_sub(end))
}
