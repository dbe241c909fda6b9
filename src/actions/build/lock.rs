//! The lock file of a build: which digests its bases, downloads and repositories had
//! (`spec/build-lock.md`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::client::git::is_commit;
use crate::limits::MAX_BUILD_LOCK_BYTES;
use crate::oci::{Digest, Reference};
use crate::store::StoreError;
use crate::store::files::{read_found_file, replace_file};

/// What a lock file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locked {
    /// Images by their full names with tags: the digest of the index or manifest.
    pub images: BTreeMap<String, Digest>,
    /// Downloads by URL: the digest of the bytes.
    pub downloads: BTreeMap<String, Digest>,
    /// Repositories by address: the commit.
    pub repositories: BTreeMap<String, String>,
}

/// What is done with a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// What it has is obeyed, what it lacks is added.
    Add,
    /// What it has is obeyed, what it lacks is refused. It is not written.
    Only,
    /// What it has is not looked at. It is written anew.
    Anew,
}

/// A lock file in use.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    mode: LockMode,
    is_there: bool,
    before: Locked,
    used: Mutex<Locked>,
}

/// Why a lock file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not one.
    #[error("{} is not a lock file of a build: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is not there, and must be.
    #[error("there is no lock file {}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// Something is not in it, and must be.
    #[error("{what} is not in the lock file {}", path.display())]
    Unlocked {
        /// An image, a URL or a repository.
        what: String,
        /// The file.
        path: PathBuf,
    },
}

impl Lock {
    /// Reads the file, if it is there.
    pub fn open(path: &Path, mode: LockMode) -> Result<Self, LockError> {
        let read = match mode {
            LockMode::Anew => None,
            _ => read_found_file(path, MAX_BUILD_LOCK_BYTES)?,
        };
        let is_there = read.is_some();
        let before = match read {
            Some(bytes) => Locked::parse(&bytes)
                .map_err(|problem| LockError::Format { path: path.to_owned(), problem })?,
            None if mode == LockMode::Only => {
                return Err(LockError::Absent { path: path.to_owned() });
            }
            None => Locked::default(),
        };
        Ok(Self { path: path.to_owned(), mode, is_there, before, used: Mutex::default() })
    }

    /// The digest that an image must have; `None` if nothing says.
    pub fn image(&self, name: &Reference) -> Result<Option<Digest>, LockError> {
        self.found(self.before.images.get(&name.to_string()).cloned(), || name.familiar())
    }

    /// The digest that a download must have; `None` if nothing says.
    pub fn download(&self, url: &str) -> Result<Option<Digest>, LockError> {
        self.found(self.before.downloads.get(url).cloned(), || url.to_owned())
    }

    /// The commit that a repository must be at; `None` if nothing says.
    pub fn repository(&self, address: &str) -> Result<Option<String>, LockError> {
        self.found(self.before.repositories.get(address).cloned(), || address.to_owned())
    }

    /// Notes which digest an image has.
    pub fn note_image(&self, name: &Reference, digest: &Digest) {
        self.used().images.insert(name.to_string(), digest.clone());
    }

    /// Notes which digest a download has.
    pub fn note_download(&self, url: &str, digest: &Digest) {
        self.used().downloads.insert(url.to_owned(), digest.clone());
    }

    /// Notes at which commit a repository is.
    pub fn note_repository(&self, address: &str, commit: &str) {
        self.used().repositories.insert(address.to_owned(), commit.to_owned());
    }

    /// Writes the file, if there is none or there is something new. Returns whether it was written.
    pub fn write(&self) -> Result<bool, LockError> {
        if self.mode == LockMode::Only {
            return Ok(false);
        }
        let used = self.used().clone();
        let mut after = self.before.clone();
        after.images.extend(used.images);
        after.downloads.extend(used.downloads);
        after.repositories.extend(used.repositories);
        if self.mode == LockMode::Add && self.is_there && after == self.before {
            return Ok(false);
        }
        replace_file(&self.path, &after.to_bytes(), FILE_MODE)?;
        Ok(true)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Locked> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found<T>(
        &self,
        found: Option<T>,
        what: impl FnOnce() -> String,
    ) -> Result<Option<T>, LockError> {
        if found.is_none() && self.mode == LockMode::Only {
            return Err(LockError::Unlocked { what: what(), path: self.path.clone() });
        }
        Ok(found)
    }
}

impl Locked {
    /// Reads the text of a lock file.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON ({error})"))?;
        let members = document.as_object().ok_or("it is no JSON object")?;
        match members.get("version") {
            Some(version) if *version == VERSION => {}
            Some(version) => return Err(format!("its version {version} is not known")),
            None => return Err("it has no version".to_owned()),
        }
        let known = ["version", "images", "downloads", "repositories"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("its member `{name}` is not known"));
        }
        Ok(Self {
            images: entries(members, "images", |text| Digest::parse(text).ok())?,
            downloads: entries(members, "downloads", |text| Digest::parse(text).ok())?,
            repositories: entries(members, "repositories", |text| {
                is_commit(text).then(|| text.to_owned())
            })?,
        })
    }

    /// The text of a lock file: the same for the same content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let document = json!({
            "version": VERSION,
            "images": self.images.iter().map(|(name, digest)| (name.clone(), json!(digest.as_str())))
                .collect::<Map<_, _>>(),
            "downloads": self.downloads.iter()
                .map(|(url, digest)| (url.clone(), json!(digest.as_str()))).collect::<Map<_, _>>(),
            "repositories": self.repositories,
        });
        format!("{document:#}\n").into_bytes()
    }
}

fn entries<T>(
    members: &Map<String, Value>,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<BTreeMap<String, T>, String> {
    let Some(value) = members.get(name) else { return Ok(BTreeMap::new()) };
    let value = value.as_object().ok_or_else(|| format!("`{name}` is no JSON object"))?;
    let entry = |(key, value): (&String, &Value)| match value.as_str().and_then(&read) {
        Some(found) => Ok((key.clone(), found)),
        None => Err(format!("what `{name}` has for `{}` is no digest", key.escape_debug())),
    };
    value.iter().map(entry).collect()
}

/// The name of a lock file that nobody names otherwise.
pub const LOCK_FILE: &str = "trust-build.lock";
const VERSION: u64 = 1;
/// For everybody to read: it goes into repositories.
const FILE_MODE: u32 = 0o644;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use test_case::test_case;

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::sha256_of(text.as_bytes())
    }

    #[test]
    fn what_is_noted_is_obeyed_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let name = Reference::parse("debian:12").unwrap();
        let commit = "a".repeat(40);
        let first = Lock::open(&path, LockMode::Add).unwrap();
        assert_eq!(first.image(&name).unwrap(), None);
        first.note_image(&name, &digest("one"));
        first.note_download("https://example.com/x", &digest("two"));
        first.note_repository("https://example.com/x.git#main", &commit);
        assert!(first.write().unwrap());
        let second = Lock::open(&path, LockMode::Only).unwrap();
        assert_eq!(second.image(&name).unwrap(), Some(digest("one")));
        assert_eq!(second.download("https://example.com/x").unwrap(), Some(digest("two")));
        let repository = second.repository("https://example.com/x.git#main").unwrap();
        assert_eq!(repository, Some(commit));
        let other = Reference::parse("debian:13").unwrap();
        assert!(matches!(second.image(&other), Err(LockError::Unlocked { .. })));
        assert!(!second.write().unwrap());
        let third = Lock::open(&path, LockMode::Add).unwrap();
        third.note_image(&name, &digest("one"));
        assert!(!third.write().unwrap(), "nothing is new");
        let anew = Lock::open(&path, LockMode::Anew).unwrap();
        assert_eq!(anew.image(&name).unwrap(), None);
        anew.note_image(&other, &digest("three"));
        assert!(anew.write().unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("debian:13") && !text.contains("debian:12"), "{text}");
    }

    #[test]
    fn a_lock_file_that_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lock::open(&folder.path().join("x"), LockMode::Only).unwrap_err();
        assert!(matches!(error, LockError::Absent { .. }), "{error}");
    }

    #[test_case("", "not JSON")]
    #[test_case("[]", "no JSON object")]
    #[test_case("{}", "no version")]
    #[test_case(r#"{"version": 2}"#, "version 2")]
    #[test_case(r#"{"version": 1, "x": 1}"#, "`x` is not known")]
    #[test_case(r#"{"version": 1, "images": {"a": "latest"}}"#, "no digest")]
    #[test_case(r#"{"version": 1, "images": []}"#, "`images` is no")]
    #[test_case(r#"{"version": 1, "repositories": {"a": "main"}}"#, "no digest")]
    fn refused(text: &str, expected: &str) {
        let problem = Locked::parse(text.as_bytes()).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}
