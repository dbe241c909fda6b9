//! The order of a layer's entries (spec/canonical-image.md §3).

use crate::oci::archive::{Entry, EntryPath, Kind};

/// Compares as entries are ordered: whiteouts of a folder, then what else is in it by the bytes of
/// its names, a folder's ending in a slash; and what is in a folder right after the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    /// Of a folder, or of something else at this path.
    pub(super) fn new(path: &EntryPath, is_folder: bool) -> Self {
        let bytes = path.as_bytes();
        let mut key = Vec::with_capacity(bytes.len() + 8);
        for (place, name) in path.names().enumerate() {
            if place > 0 {
                key.push(b'/');
            }
            key.push(if name.starts_with(WHITEOUT) { FIRST } else { SECOND });
            key.extend_from_slice(name);
        }
        if is_folder && !path.is_top() {
            key.push(b'/');
        }
        Self(key.into_boxed_slice())
    }

    pub(super) fn of(entry: &Entry) -> Self {
        Self::new(&entry.path, entry.kind == Kind::Folder)
    }
}

/// The name that an entry hides in its folder, if it is a whiteout.
pub(super) fn hidden_name(path: &EntryPath) -> Option<&[u8]> {
    path.split().and_then(|(_, name)| name.strip_prefix(WHITEOUT))
}

/// Whether a name on the way, or the last one, means something else in layers.
pub(super) fn is_reserved(path: &EntryPath) -> bool {
    path.names().any(|name| name.starts_with(WHITEOUT))
}

pub(super) const WHITEOUT: &[u8] = b".wh.";
const FIRST: u8 = 1;
const SECOND: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_first_then_names_as_they_are_written() {
        let sorted = [
            ".wh.z", "+", "a", "a+b/", "a+b/c", "a-b", "a/", "a/.wh.+", "a/.wh.x", "a/+", "a/-",
            "a/b/", "a/b/c", "a0", "é", "~",
        ];
        let key = |text: &str| {
            let path = EntryPath::parse(text.as_bytes()).unwrap();
            Key::new(&path, text.ends_with('/'))
        };
        let mut expected: Vec<&str> = sorted.to_vec();
        expected.sort_by_key(|text| key(text));
        assert_eq!(
            expected,
            [
                ".wh.z", "+", "a", "a+b/", "a+b/c", "a-b", "a/", "a/.wh.+", "a/.wh.x", "a/+",
                "a/-", "a/b/", "a/b/c", "a0", "~", "é",
            ]
        );
    }
}
