//! How an entry is written, as far as two that mean the same may differ.

use std::collections::BTreeMap;

use crate::oci::archive::header::{BLOCK, Block};

/// The header of an entry, and what extended headers before it say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Each field that is not empty, by the name that POSIX gives it; `pax:KEY` for a record of an
    /// extended header, `gnu:name` and `gnu:linkname` for GNU's long ones. As bytes, without the
    /// zeros at the end.
    pub fields: BTreeMap<String, Vec<u8>>,
}

impl Written {
    pub(super) fn of(block: &Block) -> Self {
        let mut fields = BTreeMap::new();
        for (name, from, to) in FIELDS {
            let bytes = block.get(from..to).unwrap_or_default();
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                fields.insert(name.to_owned(), bytes.get(..end).unwrap_or_default().to_vec());
            }
        }
        Self { fields }
    }

    pub(super) fn add(&mut self, name: &str, key: &[u8], value: &[u8]) {
        self.fields.insert(format!("{name}:{}", String::from_utf8_lossy(key)), value.to_vec());
    }
}

/// Fields, each with the byte where it begins and the one after its last; but for the checksum,
/// which follows from the others.
const FIELDS: [(&str, usize, usize); 16] = [
    ("name", 0, 100),
    ("mode", 100, 108),
    ("uid", 108, 116),
    ("gid", 116, 124),
    ("size", 124, 136),
    ("mtime", 136, 148),
    ("typeflag", 156, 157),
    ("linkname", 157, 257),
    ("magic", 257, 263),
    ("version", 263, 265),
    ("uname", 265, 297),
    ("gname", 297, 329),
    ("devmajor", 329, 337),
    ("devminor", 337, 345),
    ("prefix", 345, 500),
    ("after prefix", 500, BLOCK),
];
