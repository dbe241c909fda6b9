//! Where things live under `~/.docker/trust`.
//!
//! The layout is docker's and notary's (spec: notary.md §2.1):
//!
//! ```text
//! <base>/private/<key id>.key
//! <base>/tuf/<gun>/metadata/{root,targets,snapshot,timestamp}.json
//! <base>/tuf/<gun>/metadata/targets/<name>.json
//! <base>/tuf/<gun>/changelist/<20-digit UnixNano>_<uuid4>.change
//! ```
//!
//! Ours are only names starting with `.trust-`, which no repository name can have and which docker
//! and notary do not look at: `.trust-lock`, `.trust-cache-lock`, `.trust-pending`, `.trust-commit`,
//! `.trust-rotation`, `.trust-seen`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::files::{Base, FileLock, LockKind};
use crate::store::{ChangelistDir, KeyStore, MetadataCache, RotationFile, StoreError};
use crate::tuf::Gun;

/// A trust directory in docker's layout. Creates nothing until something is written.
#[derive(Debug, Clone)]
pub struct TrustDir {
    base: Base,
}

/// Held while one process changes a repository; released on drop.
#[derive(Debug)]
pub struct RepositoryLock {
    _lock: FileLock,
}

impl TrustDir {
    /// Names the directory; it need not exist.
    pub fn new(base: PathBuf) -> Self {
        Self { base: Base::new(base) }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.base.path()
    }

    /// Opens the key store; brings the layout of notary before 0.6 up to date, if it may write.
    pub fn keys(&self) -> Result<KeyStore, StoreError> {
        KeyStore::open(self.base.clone())
    }

    /// The cached metadata of a repository.
    pub fn metadata(&self, gun: &Gun) -> MetadataCache {
        MetadataCache::new(self.base.clone(), self.folder(gun), gun)
    }

    /// The staged changes of a repository.
    pub fn changelist(&self, gun: &Gun) -> ChangelistDir {
        ChangelistDir::new(self.base.clone(), self.folder(gun).join("changelist"))
    }

    /// The record of a key rotation in a repository that is under way.
    pub fn rotation(&self, gun: &Gun) -> RotationFile {
        RotationFile::new(self.base.clone(), self.folder(gun).join(".trust-rotation"))
    }

    /// Locks a repository against other processes of ours; waits up to `wait`, then
    /// [`StoreError::Locked`].
    ///
    /// Docker and notary know no locks and are not kept out.
    pub fn lock(&self, gun: &Gun, wait: Duration) -> Result<RepositoryLock, StoreError> {
        let path = self.folder(gun).join(".trust-lock");
        let lock = self.base.lock(&path, LockKind::Exclusive, wait, gun.as_str())?;
        Ok(RepositoryLock { _lock: lock })
    }

    /// Tells whether another process of ours is changing a repository; creates nothing.
    pub fn is_locked(&self, gun: &Gun) -> Result<bool, StoreError> {
        let path = self.folder(gun).join(".trust-lock");
        match self.base.lock_existing(&path, LockKind::Exclusive, Duration::ZERO, gun.as_str()) {
            Ok(_) => Ok(false),
            Err(StoreError::Locked { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns the repositories that have a cached root or staged changes, sorted.
    pub fn guns(&self) -> Result<Vec<Gun>, StoreError> {
        let tuf = self.base.path().join("tuf");
        let mut guns = BTreeSet::new();
        for path in self.base.list(&tuf)? {
            let Ok(inner) = path.strip_prefix(&tuf) else { continue };
            let Some((folders, file)) = inner.to_str().and_then(|text| text.rsplit_once('/'))
            else {
                continue;
            };
            let Some((gun, folder)) = folders.rsplit_once('/') else { continue };
            let is_repository = match folder {
                "metadata" => file == "root.json",
                "changelist" => Path::new(file).extension().is_some_and(|e| e == "change"),
                _ => false,
            };
            if is_repository && let Ok(gun) = Gun::parse(gun) {
                guns.insert(gun);
            }
        }
        Ok(guns.into_iter().collect())
    }

    /// `<base>/tuf/<gun>`: each segment of a GUN is a safe folder name.
    fn folder(&self, gun: &Gun) -> PathBuf {
        let mut folder = self.base.path().join("tuf");
        folder.extend(gun.segments());
        folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    #[test]
    fn second_locker_is_turned_away_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let trust = TrustDir::new(dir.path().join("trust"));
        let first = trust.lock(&gun("example.com/app"), Duration::ZERO).unwrap();
        let error = trust.lock(&gun("example.com/app"), Duration::ZERO).unwrap_err();
        assert!(matches!(&error, StoreError::Locked { what } if what == "example.com/app"));
        trust.lock(&gun("example.com/other"), Duration::ZERO).unwrap();
        drop(first);
        trust.lock(&gun("example.com/app"), Duration::ZERO).unwrap();
    }

    #[test]
    fn lock_is_not_in_the_way_of_a_commit() {
        let dir = tempfile::tempdir().unwrap();
        let trust = TrustDir::new(dir.path().to_owned());
        let app = gun("example.com/app");
        let _lock = trust.lock(&app, Duration::ZERO).unwrap();
        let roles = [(crate::tuf::RoleName::Root, b"{}".to_vec())].into();
        trust.metadata(&app).commit(&roles, &[]).unwrap();
        assert_eq!(trust.metadata(&app).read().unwrap(), roles);
    }

    #[test]
    fn lists_the_repositories_docker_and_notary_know() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors");
        let docker = TrustDir::new(vectors.join("docker-trust-signed"));
        assert_eq!(docker.guns().unwrap(), [gun("localhost:15005/survey/gv")]);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(TrustDir::new(dir.path().join("none")).guns().unwrap(), []);
        assert!(!dir.path().join("none").exists());
    }
}
