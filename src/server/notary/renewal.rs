//! New timestamps and snapshots in place of old ones: on a read that finds one expired, and ahead
//! of time (notary.md §3.5).

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::clock::Timestamp;
use crate::server::Server;
use crate::server::meta::MetaError;
use crate::server::meta::keys::ServerKeys;
use crate::server::meta::trust::{CollectionState, NewFile};
use crate::server::notary::Invalid;
use crate::server::notary::publish::{Base, Prepared, Written, commit, last_signing};
use crate::server::notary::signing::{Signing, SigningError, signing_time};
use crate::server::notary::stored::Stored;
use crate::server::notary::validate::{held, next_version};
use crate::tuf::metadata::FileMeta;
use crate::tuf::{Gun, RoleName, Root, Signed, Snapshot, TimestampFile, Verified};

/// How long before its end a file is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// A timestamp.
    pub timestamp: SignedDuration,
    /// A snapshot.
    pub snapshot: SignedDuration,
}

impl Lead {
    /// Not before it has expired.
    pub const NONE: Self = Self { timestamp: SignedDuration::ZERO, snapshot: SignedDuration::ZERO };
}

/// What came of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// There are new files.
    Done,
    /// There was nothing to do, or somebody else is doing it.
    Nothing,
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// The database.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// What is stored must not be signed over.
    #[error(transparent)]
    Stored(#[from] Invalid),
    /// The signer, or the clock.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The thread that checks ended early.
    #[error("the check of what is stored ended early")]
    Check(#[source] tokio::task::JoinError),
}

/// Makes a new timestamp if the present one, or a snapshot that is the server's to make, is at its
/// end; and a new snapshot in the latter case.
pub async fn renew(server: &Server, gun: &Gun, lead: Lead) -> Result<Renewal, RenewalError> {
    let now = server.clock.now();
    let Some(current) = current(server, gun).await? else { return Ok(Renewal::Nothing) };
    let Current { state, keys, root, timestamp, snapshot, .. } = &current;
    let ends = |expires: Timestamp, lead| expires.duration_since(now) < lead;
    let timestamp_expires = timestamp.body().header.expires.instant();
    let snapshot_expires = snapshot.unverified().header.expires.instant();
    let snapshot_is_due = ends(snapshot_expires, lead.snapshot)
        && held(root.body(), &RoleName::Snapshot, keys).is_some();
    if !snapshot_is_due && !ends(timestamp_expires, lead.timestamp) {
        return Ok(Renewal::Nothing);
    }
    let next = |role: RoleName| next_version(state, &role);
    let of_snapshot = snapshot_is_due.then(|| next(RoleName::Snapshot)).transpose()?;
    let of_timestamp = next(RoleName::Timestamp)?;
    let files = current.made_anew(server, gun, of_snapshot, of_timestamp).await?;
    match commit(server, &current.prepared(gun, files, "trust.renew")).await? {
        Written::Done { .. } => Ok(Renewal::Done),
        Written::Stale => Ok(Renewal::Nothing),
    }
}

/// A collection whose files go together, on top of which the server may sign.
#[derive(Debug)]
pub(super) struct Current {
    /// What is stored.
    pub state: CollectionState,
    /// The server's keys.
    pub keys: ServerKeys,
    /// The root.
    pub root: Verified<Root>,
    /// The timestamp.
    pub timestamp: Verified<TimestampFile>,
    /// The snapshot.
    pub snapshot: Signed<Snapshot>,
    /// The time of what is signed now.
    at: Timestamp,
}

/// Reads a collection and checks that what is stored was published; `None` if there is none.
pub(super) async fn current(server: &Server, gun: &Gun) -> Result<Option<Current>, RenewalError> {
    let mut reading = server.meta.read().await?;
    let state = reading.collection_state(gun).await?;
    let keys = reading.server_keys(gun).await?;
    drop(reading);
    if state.files.is_empty() {
        return Ok(None);
    }
    let at = signing_time(server.clock.now(), last_signing(&state))?;
    let (state, keys, stored) = check(gun.clone(), state, keys).await?;
    let Stored { root: Some(root), timestamp: Some(timestamp), snapshot: Some(snapshot), .. } =
        stored
    else {
        return Ok(None);
    };
    Ok(Some(Current { state, keys, root, timestamp, snapshot, at }))
}

impl Current {
    /// A timestamp of this version, and a snapshot if there is a version for it, that say what
    /// those say that are there.
    pub(super) async fn made_anew(
        &self,
        server: &Server,
        gun: &Gun,
        of_snapshot: Option<u64>,
        of_timestamp: u64,
    ) -> Result<BTreeMap<RoleName, NewFile>, SigningError> {
        let signing =
            Signing { server, gun, root: self.root.body(), keys: &self.keys, at: self.at };
        let mut files = BTreeMap::new();
        let mut meta = FileMeta::of(self.snapshot.raw());
        if let Some(version) = of_snapshot {
            let before = self.snapshot.unverified();
            let expires = Some(before.header.expires.instant());
            let made = signing.snapshot(version, before.meta.clone(), expires).await?;
            meta = FileMeta::of(&made.file.bytes);
            files.insert(RoleName::Snapshot, made);
        }
        let expires = Some(self.timestamp.body().header.expires.instant());
        let made = signing.timestamp(of_timestamp, meta, expires).await?;
        files.insert(RoleName::Timestamp, made);
        Ok(files)
    }

    /// The server's own change of these files and nothing else. `action` is for the audit.
    pub(super) fn prepared(
        &self,
        gun: &Gun,
        files: BTreeMap<RoleName, NewFile>,
        action: &'static str,
    ) -> Prepared {
        Prepared {
            gun: gun.clone(),
            base: Base::of(&self.state),
            files,
            restored: BTreeMap::new(),
            gone: Vec::new(),
            targets: BTreeMap::new(),
            keys: BTreeMap::new(),
            actor: "(server)".to_owned(),
            action,
            at: self.at,
        }
    }
}

async fn check(
    gun: Gun,
    state: CollectionState,
    keys: ServerKeys,
) -> Result<(CollectionState, ServerKeys, Stored), RenewalError> {
    let check = tokio::task::spawn_blocking(move || {
        let stored = Stored::check(&gun, &state)?;
        Ok::<_, Invalid>((state, keys, stored))
    });
    Ok(check.await.map_err(RenewalError::Check)??)
}
