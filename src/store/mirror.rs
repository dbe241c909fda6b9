//! The folder of a mirror: what was rescued from one server, and how far it was brought to the other
//! (`spec/carry-on.md` §5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_MIRROR_STATE_BYTES;
use crate::store::StoreError;
use crate::store::files::{Base, FileLock, LockKind, PUBLIC_MODE};

/// The folder of a mirror.
#[derive(Debug, Clone)]
pub struct MirrorFolder {
    base: Base,
}

/// How far a mirror is: `mirror.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    format: String,
    version: u64,
    /// The server that is followed.
    pub from: String,
    /// The server that is kept in step.
    pub to: String,
    /// The last change of the global changefeed that was looked at; 0 for none.
    pub after: String,
    /// What that change was: if it is another one the next time, the feed is another, too.
    #[serde(default)]
    pub last: Option<LastChange>,
    /// Collections that are to be looked at again, whatever the feed says.
    pub pending: BTreeSet<String>,
    /// SHA-256, in hex, of the timestamp and the root of each collection that were brought last.
    pub brought: BTreeMap<String, String>,
}

/// The last change of the global changefeed that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastChange {
    /// The one before it, from which on it is asked for; 0 for none.
    pub before: String,
    /// The collection.
    pub gun: String,
    /// The timestamp's SHA-256 in hex; empty for a deletion.
    pub sha256: String,
}

/// Why the folder of a mirror cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorFolderError {
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its state is none.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// It is of a later form.
    #[error("{} has the version {version}, which is newer than is known here", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version.
        version: u64,
    },
    /// It belongs to a mirror of other servers.
    #[error("{} mirrors {from} to {to}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The server that is followed.
        from: String,
        /// The server that is kept in step.
        to: String,
    },
}

impl MirrorFolder {
    /// Names the folder; it need not exist.
    pub fn new(path: &Path) -> Self {
        Self { base: Base::new(path.to_owned()) }
    }

    /// Keeps other runs out until the lock is dropped.
    pub fn lock(&self) -> Result<FileLock, MirrorFolderError> {
        let place = self.base.path().join(LOCK);
        Ok(self.base.lock(&place, LockKind::Exclusive, LOCK_WAIT, "the mirror's folder")?)
    }

    /// The rescue folder in it.
    pub fn rescued(&self) -> PathBuf {
        self.base.path().join(RESCUED)
    }

    /// How far the mirror of these servers is.
    pub fn state(&self, from: &str, to: &str) -> Result<MirrorState, MirrorFolderError> {
        let path = self.base.path().join(STATE);
        let Some(content) = self.base.read(&path, MAX_MIRROR_STATE_BYTES)? else {
            return Ok(MirrorState {
                format: FORMAT.to_owned(),
                version: VERSION,
                from: from.to_owned(),
                to: to.to_owned(),
                after: "0".to_owned(),
                last: None,
                pending: BTreeSet::new(),
                brought: BTreeMap::new(),
            });
        };
        let state: MirrorState = serde_json::from_slice(&content.bytes)
            .map_err(|cause| MirrorFolderError::Damaged { path: path.clone(), cause })?;
        if state.format != FORMAT || state.version > VERSION {
            return Err(MirrorFolderError::Newer { path, version: state.version });
        }
        if state.from != from || state.to != to {
            let MirrorState { from, to, .. } = state;
            return Err(MirrorFolderError::Other { path, from, to });
        }
        Ok(state)
    }

    /// Notes how far it is.
    pub fn write(&self, state: &MirrorState) -> Result<(), MirrorFolderError> {
        let path = self.base.path().join(STATE);
        let mut bytes = serde_json::to_vec_pretty(state)
            .map_err(|cause| MirrorFolderError::Damaged { path: path.clone(), cause })?;
        bytes.push(b'\n');
        Ok(self.base.write(&path, &bytes, PUBLIC_MODE)?)
    }
}

const STATE: &str = "mirror.json";
const RESCUED: &str = "rescued";
const LOCK: &str = ".trust-lock";
const FORMAT: &str = "trust mirror state";
const VERSION: u64 = 1;
/// How long another run is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_that_of_its_servers() {
        let folder = tempfile::tempdir().unwrap();
        let folder = MirrorFolder::new(&folder.path().join("mirror"));
        let mut state = folder.state("a", "b").unwrap();
        assert_eq!(state.after, "0");
        state.after = "7".to_owned();
        state.brought.insert("x".to_owned(), "ff".to_owned());
        folder.write(&state).unwrap();
        assert_eq!(folder.state("a", "b").unwrap(), state);
        let other = folder.state("a", "c").unwrap_err();
        assert!(matches!(other, MirrorFolderError::Other { .. }), "{other}");
    }
}
