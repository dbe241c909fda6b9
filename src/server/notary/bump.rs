//! New timestamps and snapshots with versions far beyond those that are stored: after a server came
//! back as it was some time ago, its clients have seen more than it knows of.

use crate::limits::MAX_VERSION;
use crate::server::Server;
use crate::server::meta::MetaError;
use crate::server::notary::Invalid;
use crate::server::notary::publish::{Attempts, Prepared, Written, commit};
use crate::server::notary::renewal::{Current, RenewalError, current};
use crate::server::notary::validate::{held, next_version};
use crate::tuf::{Gun, RoleName};

/// How far versions jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// By this many from the highest that was ever here.
    By(u64),
    /// Beyond this version, which somebody has seen; by one at least.
    Above(u64),
}

impl Jump {
    /// The version after the jump, for a role whose next one would be `next`; `None` if no file can
    /// have it.
    fn from(self, next: u64) -> Option<u64> {
        let version = match self {
            Self::By(count) => next.saturating_sub(1).checked_add(count)?.max(next),
            Self::Above(seen) => seen.checked_add(1)?.max(next),
        };
        (version <= MAX_VERSION).then_some(version)
    }
}

/// What a collection's versions were and are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bumped {
    /// The timestamp's, before and after.
    pub timestamp: (u64, u64),
    /// The snapshot's, before and after: the same if its owner signs it.
    pub snapshot: (u64, u64),
    /// Whether the owner signs snapshots, so that only the owner can make a newer one.
    pub owner_signs_snapshots: bool,
}

/// Why versions did not jump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BumpError {
    /// There is no such collection.
    #[error("there is no collection {gun} here")]
    Absent {
        /// The name.
        gun: Gun,
    },
    /// Its timestamps are not this server's to sign.
    #[error("{gun} is an archive: this server has no key for its timestamps")]
    Archive {
        /// The collection.
        gun: Gun,
    },
    /// The server did not sign.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// Others publish to it all the time.
    #[error("others change {gun} all the time")]
    Overtaken {
        /// The collection.
        gun: Gun,
    },
}

/// Makes a collection's timestamp anew, and its snapshot if the server signs it, with the same
/// content and versions that jump.
pub async fn bump(server: &Server, gun: &Gun, jump: Jump) -> Result<Bumped, BumpError> {
    let _turn = server.turns.wait(gun).await;
    let mut attempts = Attempts::default();
    loop {
        let Some(current) = current(server, gun).await? else {
            return Err(BumpError::Absent { gun: gun.clone() });
        };
        let root = current.root.body();
        if held(root, &RoleName::Timestamp, &current.keys).is_none() {
            return Err(BumpError::Archive { gun: gun.clone() });
        }
        let owner_signs_snapshots = held(root, &RoleName::Snapshot, &current.keys).is_none();
        let (prepared, bumped) = prepare(server, gun, &current, jump, owner_signs_snapshots)
            .await
            .map_err(BumpError::Renewal)?;
        match commit(server, &prepared).await {
            Ok(Written::Done { .. }) => return Ok(bumped),
            Ok(Written::Stale) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(RenewalError::Meta(error).into()),
        }
        let another = attempts.another().await;
        another.ok_or_else(|| BumpError::Overtaken { gun: gun.clone() })?;
    }
}

/// The names of all collections that are here, in the order in which they came.
pub async fn collections(server: &Server) -> Result<Vec<Gun>, MetaError> {
    let mut reading = server.meta.read().await?;
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let rows = reading.collections_from(after, AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.id;
        // A name of which nothing was published yet can have a row, too.
        let there = rows.iter().filter(|row| row.seq > 0 && !row.deleted);
        found.extend(there.filter_map(|row| Gun::parse(&row.gun).ok()));
    }
}

/// How many names are read at once.
const AT_ONCE: usize = 1_000;

async fn prepare(
    server: &Server,
    gun: &Gun,
    current: &Current,
    jump: Jump,
    owner_signs_snapshots: bool,
) -> Result<(Prepared, Bumped), RenewalError> {
    let Current { state, timestamp, snapshot, .. } = current;
    let beyond = |role: RoleName| {
        let next = next_version(state, &role)?;
        jump.from(next).ok_or(Invalid::Exhausted { role })
    };
    let seen = snapshot.unverified().header.version;
    let of_snapshot = (!owner_signs_snapshots).then(|| beyond(RoleName::Snapshot)).transpose()?;
    let of_timestamp = beyond(RoleName::Timestamp)?;
    let files = current.made_anew(server, gun, of_snapshot, of_timestamp).await?;
    let bumped = Bumped {
        timestamp: (timestamp.body().header.version, of_timestamp),
        snapshot: (seen, of_snapshot.unwrap_or(seen)),
        owner_signs_snapshots,
    };
    Ok((current.prepared(gun, files, "trust.bump"), bumped))
}

#[cfg(test)]
mod tests {
    use crate::limits::MAX_VERSION;
    use crate::server::notary::bump::Jump;

    #[test]
    fn a_jump_never_stays_or_goes_back_and_never_leaves_what_a_file_can_say() {
        assert_eq!(Jump::By(1).from(8), Some(8));
        assert_eq!(Jump::By(1000).from(8), Some(1007));
        assert_eq!(Jump::By(0).from(8), Some(8));
        assert_eq!(Jump::Above(3).from(8), Some(8));
        assert_eq!(Jump::Above(8).from(8), Some(9));
        assert_eq!(Jump::Above(MAX_VERSION - 1).from(8), Some(MAX_VERSION));
        assert_eq!(Jump::Above(MAX_VERSION).from(8), None);
        assert_eq!(Jump::By(u64::MAX).from(8), None);
    }
}
