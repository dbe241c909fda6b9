//! Staged changes: one file a change, in the order of their names (spec: notary.md §2.6).

use std::path::PathBuf;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::limits::MAX_CHANGE_BYTES;
use crate::store::StoreError;
use crate::store::files::{Base, PRIVATE_MODE, is_plain_name};

/// The staged changes of one repository, `<base>/tuf/<gun>/changelist`.
///
/// The bytes of a change are the caller's; here they are kept and ordered.
#[derive(Debug, Clone)]
pub struct ChangelistDir {
    base: Base,
    folder: PathBuf,
}

impl ChangelistDir {
    pub(crate) fn new(base: Base, folder: PathBuf) -> Self {
        Self { base, folder }
    }

    /// Returns the file name and the bytes of every change, in the order they are to be applied.
    pub fn read(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut changes = Vec::new();
        for name in self.names()? {
            let path = self.folder.join(&name);
            // One that is gone was published by another process meanwhile.
            if let Some(file) = self.base.read(&path, MAX_CHANGE_BYTES)? {
                changes.push((name, file.bytes));
            }
        }
        Ok(changes)
    }

    /// Adds a change behind all others, as `<20-digit UnixNano>_<uuid4>.change`; returns the name.
    /// If that fails, nothing of it is left.
    ///
    /// When the clock has gone back, or stands still, the name gets the next nanosecond after the
    /// last one, so that changes keep the order in which they were made.
    pub fn append(&self, now: Timestamp, change: &[u8]) -> Result<String, StoreError> {
        let last = self.names()?.last().and_then(|name| nanoseconds(name));
        let now = u128::try_from(now.as_nanosecond()).unwrap_or(0);
        let stamp = last.map_or(now, |last| now.max(last + 1)).min(MAX_STAMP);
        let name = format!("{stamp:020}_{}.change", Uuid::new_v4());
        let path = self.folder.join(&name);
        match self.base.create(&path, change, PRIVATE_MODE) {
            Ok(()) => Ok(name),
            Err(error) => {
                // It may be in its place, and only not be safe there.
                drop(self.base.remove(&path));
                Err(error)
            }
        }
    }

    /// Removes these changes; one that is gone already is no error.
    pub fn remove(&self, names: &[String]) -> Result<(), StoreError> {
        for name in names {
            let path = self.folder.join(name);
            if !is_plain_name(name) {
                return Err(StoreError::Escape { path, base: self.folder.clone() });
            }
            self.base.remove(&path)?;
        }
        if names.is_empty() {
            return Ok(());
        }
        self.base.sweep(&self.folder);
        self.base.sync(&self.folder)
    }

    /// Removes all changes.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.remove(&self.names()?)
    }

    /// The names of the change files directly in the folder, sorted.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for path in self.base.list(&self.folder)? {
            if path.parent() == Some(&self.folder)
                && path.extension().is_some_and(|extension| extension == "change")
                && let Some(name) = path.file_name().and_then(|name| name.to_str())
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

/// The time in a change's name, at most [`MAX_STAMP`].
fn nanoseconds(name: &str) -> Option<u128> {
    let digits = name.split_once('_')?.0;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

/// The largest number of 20 digits.
const MAX_STAMP: u128 = 99_999_999_999_999_999_999;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::TrustDir;
    use crate::store::faults::{self, Mode};
    use crate::tuf::Gun;

    fn list(directory: &Path) -> ChangelistDir {
        let gun = Gun::parse("example.com/app").unwrap();
        TrustDir::new(directory.to_owned()).changelist(&gun)
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn contents(list: &ChangelistDir) -> Vec<Vec<u8>> {
        list.read().unwrap().into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn names_are_twenty_digits_and_a_uuid_as_notary_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let name = list(dir.path()).append(time("2026-11-23T15:04:43.5Z"), b"{}").unwrap();
        let (digits, rest) = name.split_once('_').unwrap();
        assert_eq!(digits, "01795446283500000000");
        let uuid = Uuid::parse_str(rest.strip_suffix(".change").unwrap()).unwrap();
        assert_eq!(uuid.get_version_num(), 4);
        assert!(dir.path().join("tuf/example.com/app/changelist").join(name).is_file());
    }

    #[test]
    fn changes_keep_their_order_when_the_clock_stands_still_or_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let list = list(dir.path());
        for n in 0..20_u8 {
            list.append(time("2026-01-01T00:00:00Z"), &[n]).unwrap();
        }
        list.append(time("2020-01-01T00:00:00Z"), &[20]).unwrap();
        assert_eq!(contents(&list), (0..=20).map(|n| vec![n]).collect::<Vec<_>>());
    }

    #[test]
    fn removes_what_is_named_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let list = list(dir.path());
        let first = list.append(time("2026-01-01T00:00:00Z"), b"1").unwrap();
        list.append(time("2026-01-01T00:00:00Z"), b"2").unwrap();
        list.remove(&[first.clone(), first]).unwrap();
        assert_eq!(contents(&list), [b"2"]);
        let error = list.remove(&["../metadata/root.json".to_owned()]).unwrap_err();
        assert!(matches!(error, StoreError::Escape { .. }), "{error:?}");
        list.clear().unwrap();
        assert_eq!(contents(&list), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn crash_while_appending_leaves_the_change_whole_or_not_at_all() {
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let list = list(dir.path());
            let append = || list.append(time("2026-01-01T00:00:00Z"), b"change");
            let (_, crashed) = faults::with_fault(step, Mode::Crash, append);
            let after = contents(&list);
            assert!(after.is_empty() || after == [b"change"], "step {step}: {after:?}");
            if !crashed {
                assert_eq!(after, [b"change"]);
                break;
            }
        }
    }

    #[test]
    fn reading_and_clearing_nothing_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("trust");
        assert_eq!(list(&base).read().unwrap(), []);
        list(&base).clear().unwrap();
        assert!(!base.exists());
    }

    #[test]
    fn changes_written_by_notary_are_read_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors");
        let source = Base::new(vectors.join("cl-delegations"));
        let list = list(dir.path());
        for path in source.list(source.path()).unwrap() {
            let bytes = source.read(&path, MAX_CHANGE_BYTES).unwrap().unwrap().bytes;
            let place = list.folder.join(path.file_name().unwrap());
            list.base.write(&place, &bytes, PRIVATE_MODE).unwrap();
        }
        let names: Vec<String> = list.read().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 4);
        assert!(names.is_sorted());
        let appended = list.append(time("2020-01-01T00:00:00Z"), b"{}").unwrap();
        assert!(names.iter().all(|name| *name < appended));
    }
}
