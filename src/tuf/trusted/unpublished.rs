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
    /// a server, which would have left a timestamp.
    pub fn is_in(cached: &BTreeMap<RoleName, Vec<u8>>) -> bool {
        cached.contains_key(&RoleName::Root)
            && cached.contains_key(&RoleName::Targets)
            && !cached.contains_key(&RoleName::Timestamp)
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

fn base<T: Document>(
    root: &Verified<Root>,
    role: &RoleName,
    cached: &BTreeMap<RoleName, Vec<u8>>,
) -> Result<Option<Verified<T>>, UpdateError> {
    let Some(raw) = cached.get(role) else { return Ok(None) };
    let keys = root.body().role_keys(role).ok_or(UpdateError::OutOfOrder)?;
    Ok(Some(verify(parse::<T>(role, raw)?, &keys)?))
}
