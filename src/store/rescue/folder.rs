//! A rescue folder as a whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_NAME_BYTES, MAX_RESCUE_MARK_BYTES, MAX_RESCUED_COLLECTIONS};
use crate::store::files::{Base, FileLock, LockKind, PUBLIC_MODE, is_temporary, names_in};
use crate::store::rescue::collection::RescuedCollection;
use crate::store::rescue::{FolderFinding, RescueFolderError};
use crate::tuf::Gun;

/// A folder that collections were rescued into.
#[derive(Debug, Clone)]
pub struct RescueFolder {
    base: Base,
}

/// `trust-rescue.json`: what the folder is, for programs and for whoever finds it.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    format: String,
    version: u64,
    #[serde(default)]
    about: String,
}

impl RescueFolder {
    /// Opens a folder that is one.
    pub fn open(path: &Path) -> Result<Self, RescueFolderError> {
        let base = Base::new(path.to_owned());
        let place = path.join(MARK);
        let not_one = || RescueFolderError::NotOne { path: path.to_owned() };
        let mark = base.read(&place, MAX_RESCUE_MARK_BYTES)?.ok_or_else(not_one)?;
        let mark: Mark = serde_json::from_slice(&mark.bytes)
            .map_err(|cause| RescueFolderError::Damaged { path: place.clone(), cause })?;
        if mark.format != FORMAT {
            return Err(not_one());
        }
        if mark.version > VERSION {
            return Err(RescueFolderError::Newer { path: place, version: mark.version });
        }
        Ok(Self { base })
    }

    /// Opens a folder, or makes it; one that has other things in it is refused.
    pub fn create(path: &Path) -> Result<Self, RescueFolderError> {
        match Self::open(path) {
            Err(RescueFolderError::NotOne { .. }) => {}
            other => return other,
        }
        let base = Base::new(path.to_owned());
        let mut names = names_in(path)?.into_iter();
        // Another run may have been cut off when it had written this.
        if names.any(|name| name != README && name != LOCK && !is_temporary(&name)) {
            return Err(RescueFolderError::NotEmpty { path: path.to_owned() });
        }
        let mark = Mark { format: FORMAT.to_owned(), version: VERSION, about: ABOUT.to_owned() };
        let place = path.join(MARK);
        let mut bytes = serde_json::to_vec_pretty(&mark)
            .map_err(|cause| RescueFolderError::Damaged { path: place.clone(), cause })?;
        bytes.push(b'\n');
        base.write(&path.join(README), README_TEXT.as_bytes(), PUBLIC_MODE)?;
        base.write(&place, &bytes, PUBLIC_MODE)?;
        Ok(Self { base })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.base.path()
    }

    /// Keeps others from writing to it until the lock is dropped.
    pub fn lock(&self) -> Result<FileLock, RescueFolderError> {
        let place = self.path().join(LOCK);
        Ok(self.base.lock(&place, LockKind::Exclusive, LOCK_WAIT, "the rescue folder")?)
    }

    /// A collection in it, whether there is anything of it or not.
    pub fn collection(&self, gun: &Gun) -> Result<RescuedCollection, RescueFolderError> {
        if gun.segments().any(|segment| segment == TRUST) {
            return Err(RescueFolderError::Reserved { gun: gun.clone() });
        }
        let folder = self.base.join([TOP].into_iter().chain(gun.segments()).chain([TRUST]))?;
        Ok(RescuedCollection::new(self.base.clone(), folder, gun.clone()))
    }

    /// The collections, by name, and what is there besides.
    pub fn collections(&self) -> Result<(Vec<Gun>, Vec<FolderFinding>), RescueFolderError> {
        let (mut guns, mut findings) = (Vec::new(), Vec::new());
        let known = [MARK, README, LOCK, TOP];
        for name in names_in(self.path())? {
            if !known.contains(&name.as_str()) && !is_temporary(&name) {
                findings.push(FolderFinding::Foreign { name });
            }
        }
        let mut pending = vec![String::new()];
        while let Some(name) = pending.pop() {
            let folder = self.place(&name);
            for inner in names_in(&folder)? {
                let path = if name.is_empty() { inner.clone() } else { format!("{name}/{inner}") };
                if !self.base.has_folder(&folder.join(&inner)) || path.len() > MAX_NAME_BYTES + 7 {
                    findings.push(FolderFinding::Foreign { name: format!("{TOP}/{path}") });
                } else if inner != TRUST {
                    pending.push(path);
                } else if let Ok(gun) = Gun::parse(&name) {
                    guns.push(gun);
                } else {
                    findings.push(FolderFinding::Foreign { name: format!("{TOP}/{path}") });
                }
            }
            if guns.len() > MAX_RESCUED_COLLECTIONS {
                let limit = MAX_RESCUED_COLLECTIONS;
                return Err(RescueFolderError::TooMany { limit });
            }
        }
        guns.sort();
        findings.sort_by_cached_key(ToString::to_string);
        Ok((guns, findings))
    }

    fn place(&self, name: &str) -> PathBuf {
        let top = self.path().join(TOP);
        if name.is_empty() { top } else { top.join(name) }
    }
}

const MARK: &str = "trust-rescue.json";
const README: &str = "README.txt";
const LOCK: &str = ".trust-lock";
const TOP: &str = "v2";
pub(super) const TRUST: &str = "_trust";
const FORMAT: &str = "trust rescue folder";
const VERSION: u64 = 1;
/// How long another run is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const ABOUT: &str = "Signed metadata of Docker Content Trust (Notary), rescued from a trust \
                     server or a client's cache with `trust rescue`. README.txt says what is \
                     where.";
const README_TEXT: &str = "\
This folder holds the signed metadata of image repositories, as Docker Content
Trust and Notary use it, rescued with `trust rescue` from a trust server or from
the cache of a client. Nothing in it is secret, and there are no private keys.

  trust-rescue.json    says what kind of folder this is
  v2/NAME/_trust/      all that was had of the repository NAME, such as
                       v2/docker.io/library/alpine/_trust/
    tuf/ROLE.HASH.json   its files, each as the server sent it, byte for byte,
                         named by its role and the SHA-256 of its content: the
                         name under which a Notary server serves it
    rescue.json          where they come from and when, the version of each,
                         until when it holds, whether its signatures are right,
                         which files are the current ones, what was missing

What can be done with it:

  trust rescue check THIS-FOLDER               see whether all is as it was
  trust verify --from THIS-FOLDER IMAGE:TAG    ask which digest was signed
  trust inspect --from THIS-FOLDER IMAGE       ask who signed what
  trust serve --import THIS-FOLDER             serve it, to docker and others

Whoever has no such program: the files are JSON, and their form is that of The
Update Framework (TUF). A signature is over the member `signed` in canonical
JSON; root.json says by whose key. A plain web server on this folder serves the
files under the very addresses that Notary clients use for files by hash.
";
