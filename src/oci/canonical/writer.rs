//! Writing a layer: the archive, before it is packed. What is not canonical is refused.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use crate::oci::archive::{ArchiveWriter, Entry, EntryPath, Kind};
use crate::oci::canonical::CanonicalError;
use crate::oci::canonical::entry::{check, normalized, whiteout};
use crate::oci::canonical::order::{Key, hidden_name, is_reserved};

/// Takes the entries of a layer in their order. What comes out is canonical, or nothing does.
#[derive(Debug)]
pub struct LayerWriter<W> {
    archive: ArchiveWriter<W>,
    epoch: i64,
    last: Option<Key>,
    /// The folders that the last entry is in, and it itself if it is one, the top first.
    folders: Vec<Folder>,
}

#[derive(Debug, Default)]
struct Folder {
    path: EntryPath,
    hidden: BTreeSet<Vec<u8>>,
}

impl<W: Write> LayerWriter<W> {
    /// Begins a layer; `epoch` is the time of all its entries, in seconds since 1970.
    pub fn new(inner: W, epoch: i64) -> Self {
        let archive = ArchiveWriter::new(inner);
        Self { archive, epoch, last: None, folders: vec![Folder::default()] }
    }

    /// Writes an entry with its content, which must have as many bytes as the entry says.
    pub fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), CanonicalError> {
        self.check(entry)?;
        Ok(self.archive.append(entry, content)?)
    }

    /// Writes an entry whose content is held.
    pub fn append_bytes(
        &mut self,
        entry: &Entry,
        mut content: &[u8],
    ) -> Result<(), CanonicalError> {
        self.append(entry, &mut content)
    }

    /// Writes the end, and gives back what was written to.
    pub fn finish(self) -> Result<W, CanonicalError> {
        Ok(self.archive.finish()?)
    }

    fn check(&mut self, entry: &Entry) -> Result<(), CanonicalError> {
        let path = || entry.path.to_string();
        let Some((above, name)) = entry.path.split() else {
            return Err(CanonicalError::NotNormal { path: path() });
        };
        check(entry)?;
        let key = Key::of(entry);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(CanonicalError::Order { path: path() });
        }
        while self.folders.len() > 1
            && self.folders.last().is_some_and(|folder| folder.path.as_bytes() != above)
        {
            self.folders.pop();
        }
        let folder = self.folders.last_mut().filter(|folder| folder.path.as_bytes() == above);
        let folder = folder.ok_or_else(|| CanonicalError::NoFolder { path: path() })?;
        if let Some(hidden) = hidden_name(&entry.path) {
            let target = EntryPath::parse(&[above, b"/", hidden].concat()).ok();
            let expected = target.filter(|target| !is_reserved(target) && !hidden.is_empty());
            // Nothing may lead elsewhere: `.wh...` would.
            let expected = expected.filter(|target| target.as_bytes().ends_with(hidden));
            let expected = expected.and_then(|target| whiteout(&target, self.epoch));
            if expected.as_ref() != Some(entry) {
                return Err(CanonicalError::Reserved { path: path() });
            }
            folder.hidden.insert(hidden.to_vec());
        } else {
            if is_reserved(&entry.path) {
                return Err(CanonicalError::Reserved { path: path() });
            }
            if *entry != normalized(entry.clone(), self.epoch) {
                return Err(CanonicalError::NotNormal { path: path() });
            }
            if folder.hidden.contains(name) {
                return Err(CanonicalError::Hidden { path: path() });
            }
            if let Kind::Hardlink(target) = &entry.kind
                && Key::new(target, false) >= key
            {
                let target = target.to_string();
                return Err(CanonicalError::LinkTarget { path: path(), target });
            }
        }
        if entry.kind == Kind::Folder {
            self.folders.push(Folder { path: entry.path.clone(), hidden: BTreeSet::new() });
        }
        self.last = Some(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::oci::archive::Time;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    /// `d/` is a folder, `.wh.x` a whiteout, `a=b` a hard link, all else a file.
    fn entry(text: &str) -> Entry {
        let entry = match text.split_once('=') {
            Some((name, target)) => Entry::new(path(name), Kind::Hardlink(path(target))),
            None if text.ends_with('/') => Entry::new(path(text), Kind::Folder),
            None => Entry::file(path(text), 0),
        };
        let is_whiteout = hidden_name(&entry.path).is_some();
        let mode = if is_whiteout { 0 } else { entry.mode };
        Entry { mode, ..normalized(entry, 5) }
    }

    fn write(entries: &[Entry]) -> Result<Vec<u8>, CanonicalError> {
        let mut writer = LayerWriter::new(Vec::new(), 5);
        for entry in entries {
            writer.append_bytes(entry, b"")?;
        }
        writer.finish()
    }

    fn all(texts: &[&str]) -> Result<Vec<u8>, CanonicalError> {
        write(&texts.iter().map(|text| entry(text)).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_canonical_is_written() {
        let entries = [".wh.x", "a", "d/", "d/.wh.a", "d/b", "d/e/", "d/e/f", "d/g", "e=a"];
        let archive = all(&entries).unwrap();
        assert_eq!(archive.len(), (entries.len() + 2) * 512);
        assert_eq!(all(&[]).unwrap(), [0; 1024]);
    }

    #[test_case(&["b", "a"])]
    #[test_case(&["a", "a"])]
    #[test_case(&["a", ".wh.b"])]
    #[test_case(&["d/", "d/x", "d-"])]
    fn another_order(entries: &[&str]) {
        assert!(matches!(all(entries), Err(CanonicalError::Order { .. })));
    }

    #[test_case(&["d/x"])]
    #[test_case(&["a/", "b/c"])]
    #[test_case(&["a", "a/b"] ; "in a file")]
    #[test_case(&["a/", "a/b/c"])]
    fn no_folder(entries: &[&str]) {
        assert!(matches!(all(entries), Err(CanonicalError::NoFolder { .. })));
    }

    #[test_case(".wh..wh..opq")]
    #[test_case(".wh.")]
    #[test_case(".wh..")]
    #[test_case(".wh...")]
    #[test_case(".wh.d/")]
    fn no_whiteout(name: &str) {
        assert!(matches!(all(&[name]), Err(CanonicalError::Reserved { .. })));
    }

    #[test]
    fn hidden_and_there() {
        for name in ["a", "a/"] {
            assert!(matches!(all(&[".wh.a", name]), Err(CanonicalError::Hidden { .. })), "{name}");
        }
        assert!(all(&[".wh.a", "b/", "b/a"]).is_ok());
    }

    #[test]
    fn links_lead_back() {
        assert!(matches!(all(&["a=b", "b"]), Err(CanonicalError::LinkTarget { .. })));
        assert!(matches!(all(&["a=a"]), Err(CanonicalError::LinkTarget { .. })));
    }

    #[test]
    fn other_forms() {
        let top = Entry::new(EntryPath::default(), Kind::Folder);
        let late = Entry { mtime: Time { seconds: 6, nanoseconds: 0 }, ..entry("a") };
        let named = Entry { xattrs: [(b"user.a".to_vec(), Vec::new())].into(), ..entry("a") };
        for wrong in [top, late, named] {
            assert!(matches!(write(&[wrong]), Err(CanonicalError::NotNormal { .. })));
        }
        let whiteout = Entry { mode: 0o644, ..entry(".wh.a") };
        assert!(matches!(write(&[whiteout]), Err(CanonicalError::Reserved { .. })));
        let device = Entry::new(path("a"), Kind::CharDevice { major: 1, minor: 1 << 21 });
        let device = normalized(device, 5);
        assert!(matches!(write(&[device]), Err(CanonicalError::Device { .. })));
    }
}
