//! A repository that was set up on this machine and that no server knows yet (notary.md §2.1):
//! root and targets at version 1, a snapshot if its owner signs it, and never a timestamp.

use std::collections::BTreeMap;

use crate::tuf::metadata::{Document, Root, Snapshot, Targets};
use crate::tuf::names::{Gun, RoleName};
use crate::tuf::trusted::errors::UpdateError;
use crate::tuf::trusted::{parse, self_signed_root};
use crate::tuf::verify::{Verified, verify};

/// The files of a repository that was not published yet, each signed as its root says.
#[derive(Debug, Clone)]
pub struct Unpublished {
    /// The root to be published as it is.
    pub root: Verified<Root>,
    /// The targets file to begin with.
    pub targets: Verified<Targets>,
    /// The snapshot to begin with, if the owner signs snapshots.
    pub snapshot: Option<Verified<Snapshot>>,
}

impl Unpublished {
    /// Whether the cached files are those of a repository that was set up and never read back from
    /// a server, which would have left a timestamp; later versions were published once.
    pub fn is_in(cached: &BTreeMap<RoleName, Vec<u8>>) -> bool {
        cached.contains_key(&RoleName::Root)
            && cached.contains_key(&RoleName::Targets)
            && !cached.contains_key(&RoleName::Timestamp)
            && !is_later::<Root>(&RoleName::Root, cached)
            && !is_later::<Targets>(&RoleName::Targets, cached)
    }

    /// Verifies such files; `None` if the cache holds something else. Dates do not matter: whoever
    /// may publish them may also sign them anew.
    pub fn load(
        gun: &Gun,
        cached: &BTreeMap<RoleName, Vec<u8>>,
    ) -> Result<Option<Self>, UpdateError> {
        if !Self::is_in(cached) {
            return Ok(None);
        }
        let root = cached.get(&RoleName::Root).ok_or(UpdateError::OutOfOrder)?;
        let root = self_signed_root(gun, root)?;
        let targets = base::<Targets>(&root, &RoleName::Targets, cached)?;
        let Some(targets) = targets else { return Ok(None) };
        let snapshot = base::<Snapshot>(&root, &RoleName::Snapshot, cached)?;
        Ok(Some(Self { root, targets, snapshot }))
    }
}

/// Whether a file is signed as the root says, and not the first of its role.
fn is_later<T: Document>(role: &RoleName, cached: &BTreeMap<RoleName, Vec<u8>>) -> bool {
    let version = || {
        let root = parse::<Root>(&RoleName::Root, cached.get(&RoleName::Root)?).ok()?;
        let keys = root.unverified().role_keys(role)?;
        let file = verify(parse::<T>(role, cached.get(role)?).ok()?, &keys).ok()?;
        Some(file.body().header().version)
    };
    version().is_some_and(|version| version > 1)
}

fn base<T: Document>(
    root: &Verified<Root>,
    role: &RoleName,
    cached: &BTreeMap<RoleName, Vec<u8>>,
) -> Result<Option<Verified<T>>, UpdateError> {
    let Some(raw) = cached.get(role) else { return Ok(None) };
    let keys = root.body().role_keys(role).ok_or(UpdateError::OutOfOrder)?;
    Ok(Some(verify(parse::<T>(role, raw)?, &keys)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::editor::Draft;
    use crate::tuf::metadata::Signed;
    use crate::tuf::testing::{Files, Repo, TestKey, now};
    use crate::tuf::verify::VerifyError;

    fn local(repo: &Repo) -> Files {
        let mut files = repo.files();
        files.remove(&RoleName::Timestamp);
        files
    }

    fn load(repo: &Repo, files: &Files) -> Result<Option<Unpublished>, UpdateError> {
        Unpublished::load(&repo.gun, files)
    }

    #[test]
    fn what_was_read_back_from_a_server_is_not_unpublished() {
        let repo = Repo::new();
        assert!(load(&repo, &local(&repo)).unwrap().is_some());
        assert!(load(&repo, &repo.files()).unwrap().is_none());
        for role in [RoleName::Root, RoleName::Targets] {
            let mut files = local(&repo);
            files.remove(&role);
            assert!(load(&repo, &files).unwrap().is_none(), "{role}");
        }
        let mut files = local(&repo);
        files.remove(&RoleName::Snapshot);
        assert!(load(&repo, &files).unwrap().unwrap().snapshot.is_none());
    }

    #[test]
    fn what_the_root_did_not_name_as_signer_is_refused() {
        for role in [RoleName::Root, RoleName::Targets, RoleName::Snapshot] {
            let mut repo = Repo::new();
            repo.signed_by(&role, vec![TestKey::bare()]);
            let error = load(&repo, &local(&repo)).unwrap_err();
            let UpdateError::Signatures(VerifyError::ThresholdNotMet { role: whose, .. }) = error
            else {
                panic!("{error:?}");
            };
            assert_eq!(whose, role);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let repo = Repo::new();
        for role in [RoleName::Root, RoleName::Targets, RoleName::Snapshot] {
            let mut files = local(&repo);
            files.insert(role.clone(), b"{".to_vec());
            let error = load(&repo, &files).unwrap_err();
            assert!(matches!(error, UpdateError::Metadata { role: whose, .. } if whose == role));
        }
    }

    #[test]
    fn the_root_goes_out_as_it_is_and_the_rest_one_version_higher() {
        let repo = Repo::new();
        let files = local(&repo);
        let draft = Draft::from_unpublished(&load(&repo, &files).unwrap().unwrap());
        let keys = repo.signers.values().flatten().map(|key| {
            let copy = key.private.to_pkcs8().unwrap();
            let copy = crate::crypto::PrivateKey::from_pkcs8(&copy).unwrap();
            (copy.id(), copy)
        });
        let publication = draft.sign(&keys.collect(), now()).unwrap();
        assert_eq!(publication.files[&RoleName::Root], files[&RoleName::Root]);
        let before = repo.files();
        for role in [RoleName::Targets, RoleName::Snapshot] {
            let version = |raw: &[u8]| match role {
                RoleName::Targets => {
                    Signed::<Targets>::parse(&role, raw).unwrap().unverified().header.version
                }
                _ => Signed::<Snapshot>::parse(&role, raw).unwrap().unverified().header.version,
            };
            let next = version(&publication.files[&role]);
            assert_eq!(next, version(&before[&role]) + 1, "{role}");
        }
    }
}
