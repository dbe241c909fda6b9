//! What is in a layer, remembered: its entries, and the hashes of their contents. So a layer is unpacked again only when somebody wants a content.
//!
//! It is kept in a file by the digest of the archive, and was made when that was computed or found
//! to be right. A file that is damaged is as if there was none.

use std::path::{Path, PathBuf};

use crate::crypto::hash::Sha256Hash;
use crate::limits::{MAX_INDEXED_BYTES, MAX_LAYER_INDEX_BYTES};
use crate::oci::Digest;
use crate::oci::archive::{Entry, EntryPath, Kind, Time};
use crate::store::files::{Base, PRIVATE_MODE};

/// The entries of a layer, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LayerIndex {
    pub(super) entries: Vec<Indexed>,
}

/// An entry, and its content if it is a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) entry: Entry,
    /// The hash of its content, if there is any.
    pub(super) sha256: Option<Sha256Hash>,
    /// The content itself, of the few files that builds look into.
    pub(super) held: Option<Vec<u8>>,
}

impl LayerIndex {
    /// Adds an entry.
    pub(super) fn add(&mut self, entry: Entry, sha256: Option<Sha256Hash>, held: Option<Vec<u8>>) {
        self.entries.push(Indexed { entry, sha256, held });
    }

    /// What is remembered of the layer with this digest, unpacked.
    pub(super) fn load(work: &Path, diff_id: &Digest) -> Option<Self> {
        let (base, path) = place(work, diff_id);
        let kept = base.read(&path, MAX_LAYER_INDEX_BYTES).ok().flatten()?;
        decode(&kept.bytes)
    }

    /// Remembers it, as far as that can be done.
    pub(super) fn save(&self, work: &Path, diff_id: &Digest) {
        let (base, path) = place(work, diff_id);
        let bytes = encode(self);
        if bytes.len() as u64 > MAX_LAYER_INDEX_BYTES {
            return;
        }
        // Without it the layer is unpacked once more.
        if let Err(error) = base.write(&path, &bytes, PRIVATE_MODE) {
            tracing::debug!(%error, "what is in a layer is not remembered");
        }
    }
}

/// Whether builds look into a file: who its owners and users are.
pub(super) fn is_held(entry: &Entry) -> bool {
    let is_small = (1..=MAX_INDEXED_BYTES).contains(&entry.size);
    is_small && matches!(entry.path.as_bytes(), b"etc/passwd" | b"etc/group")
}

fn place(work: &Path, diff_id: &Digest) -> (Base, PathBuf) {
    // A plain name by construction of a digest.
    let path = work.join(FOLDER).join(diff_id.hex());
    (Base::new(work.to_owned()), path)
}

fn encode(index: &LayerIndex) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for Indexed { entry, sha256, held } in &index.entries {
        let (kind, link, device) = match &entry.kind {
            Kind::File => (b'f', &[][..], None),
            Kind::Folder => (b'd', &[][..], None),
            Kind::Symlink(target) => (b's', &target[..], None),
            Kind::Hardlink(target) => (b'h', target.as_bytes(), None),
            Kind::CharDevice { major, minor } => (b'c', &[][..], Some((*major, *minor))),
            Kind::BlockDevice { major, minor } => (b'b', &[][..], Some((*major, *minor))),
            Kind::Fifo => (b'p', &[][..], None),
        };
        bytes.push(kind);
        put(&mut bytes, entry.path.as_bytes());
        put(&mut bytes, link);
        let (major, minor) = device.unwrap_or_default();
        for number in [entry.mode, major, minor, entry.mtime.nanoseconds] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let seconds = entry.mtime.seconds.cast_unsigned();
        for number in [entry.uid, entry.gid, seconds, entry.size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        put(&mut bytes, sha256.as_ref().map_or(&[][..], |hash| &hash.0));
        put(&mut bytes, held.as_deref().unwrap_or_default());
        put(&mut bytes, &(entry.xattrs.len() as u64).to_le_bytes());
        for (name, value) in &entry.xattrs {
            put(&mut bytes, name);
            put(&mut bytes, value);
        }
    }
    let sum = Sha256Hash::of(&bytes);
    bytes.extend_from_slice(&sum.0);
    bytes
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or_default();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(field.get(..length as usize).unwrap_or_default());
}

/// `None` if it was damaged, or is of another version.
fn decode(bytes: &[u8]) -> Option<LayerIndex> {
    let (rest, sum) = bytes.split_last_chunk::<32>()?;
    if Sha256Hash::of(rest).0 != *sum {
        return None;
    }
    let mut fields = Fields(rest.strip_prefix(MAGIC)?);
    let mut index = LayerIndex::default();
    while !fields.0.is_empty() {
        index.entries.push(fields.entry()?);
    }
    Some(index)
}

/// Fields that were not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn entry(&mut self) -> Option<Indexed> {
        let [kind] = self.take()?;
        let path = self.path()?;
        let link = self.field()?;
        let [mode, major, minor, nanoseconds] =
            [self.small()?, self.small()?, self.small()?, self.small()?];
        let [uid, gid, seconds, size] =
            [self.number()?, self.number()?, self.number()?, self.number()?];
        let sha256 = match self.field()? {
            [] => None,
            hash => Some(Sha256Hash(hash.try_into().ok()?)),
        };
        let held = Some(self.field()?.to_vec()).filter(|held| !held.is_empty());
        let count = u64::from_le_bytes(self.field()?.try_into().ok()?);
        let mut xattrs = std::collections::BTreeMap::new();
        for _ in 0..count {
            xattrs.insert(self.field()?.to_vec(), self.field()?.to_vec());
        }
        let kind = match kind {
            b'f' => Kind::File,
            b'd' => Kind::Folder,
            b's' => Kind::Symlink(link.into()),
            b'h' => Kind::Hardlink(EntryPath::parse(link).ok()?),
            b'c' => Kind::CharDevice { major, minor },
            b'b' => Kind::BlockDevice { major, minor },
            b'p' => Kind::Fifo,
            _ => return None,
        };
        let mtime = Time { seconds: seconds.cast_signed(), nanoseconds };
        let entry = Entry { path, kind, mode, uid, gid, mtime, size, xattrs };
        Some(Indexed { entry, sha256, held })
    }

    fn path(&mut self) -> Option<EntryPath> {
        match self.field()? {
            [] => Some(EntryPath::default()),
            path => EntryPath::parse(path).ok(),
        }
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.small()?).ok()?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn small(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
}

/// Where they are kept under the builds' folder, a file a layer.
const FOLDER: &str = "layers";
const MAGIC: &[u8] = b"trust layer index 1\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind) -> Entry {
        let path = EntryPath::parse(path.as_bytes()).unwrap();
        let mtime = Time { seconds: -5, nanoseconds: 7 };
        let xattrs = [(b"user.x".to_vec(), b"1".to_vec()), (b"y".to_vec(), Vec::new())].into();
        Entry { mode: 0o4711, uid: 1, gid: 1 << 40, mtime, xattrs, ..Entry::new(path, kind) }
    }

    fn index() -> LayerIndex {
        let kinds = [
            Kind::Folder,
            Kind::Fifo,
            Kind::Symlink(b"a/../\xff".as_slice().into()),
            Kind::Hardlink(EntryPath::parse(b"x").unwrap()),
            Kind::CharDevice { major: 1, minor: 2 },
            Kind::BlockDevice { major: 3, minor: 4 },
        ];
        let mut index = LayerIndex::default();
        for (number, kind) in kinds.into_iter().enumerate() {
            index.add(entry(&format!("d/{number}"), kind), None, None);
        }
        let file = Entry { size: 9, ..entry("f", Kind::File) };
        let (sha256, held) = (Some(Sha256Hash::of(b"f")), Some(b"f".to_vec()));
        index.add(file, sha256, held);
        index.add(Entry { path: EntryPath::default(), ..entry("x", Kind::Folder) }, None, None);
        index
    }

    #[test]
    fn what_is_remembered_is_what_there_was() {
        let dir = tempfile::tempdir().unwrap();
        let diff_id = Digest::sha256_of(b"layer");
        assert!(LayerIndex::load(dir.path(), &diff_id).is_none());
        index().save(dir.path(), &diff_id);
        assert_eq!(LayerIndex::load(dir.path(), &diff_id), Some(index()));
        assert!(LayerIndex::load(dir.path(), &Digest::sha256_of(b"other")).is_none());
    }

    #[test]
    fn damage_is_as_if_nothing_was_remembered() {
        let whole = encode(&index());
        assert_eq!(decode(&whole), Some(index()));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&whole[..at]), None, "cut at {at}");
        }
        // With a sum that is right, but nonsense before it.
        for at in MAGIC.len()..whole.len() - 32 {
            let mut cut = whole[..at].to_vec();
            let sum = Sha256Hash::of(&cut);
            cut.extend_from_slice(&sum.0);
            assert!(decode(&cut).is_none_or(|short| short.entries.len() < 8), "cut at {at}");
        }
    }
}
