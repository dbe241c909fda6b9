//! New timestamps and snapshots in place of old ones: on a read that finds one expired, and ahead
//! of time (notary.md §3.5).

use std::collections::BTreeMap;

use jiff::SignedDuration;

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
use crate::tuf::{Gun, RoleName};

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
    let mut reading = server.meta.read().await?;
    let state = reading.collection_state(gun).await?;
    let keys = reading.server_keys(gun).await?;
    drop(reading);
    if state.files.is_empty() {
        return Ok(Renewal::Nothing);
    }
    let now = server.clock.now();
    let at = signing_time(now, last_signing(&state))?;
    let (state, keys, stored) = check(gun.clone(), state, keys).await?;
    let Stored { root: Some(root), timestamp: Some(timestamp), snapshot: Some(snapshot), .. } =
        stored
    else {
        return Ok(Renewal::Nothing);
    };
    let ends = |expires: jiff::Timestamp, lead| expires.duration_since(now) < lead;
    let timestamp_expires = timestamp.body().header.expires.instant();
    let snapshot_expires = snapshot.unverified().header.expires.instant();
    let snapshot_is_due = ends(snapshot_expires, lead.snapshot)
        && held(root.body(), &RoleName::Snapshot, &keys).is_some();
    if !snapshot_is_due && !ends(timestamp_expires, lead.timestamp) {
        return Ok(Renewal::Nothing);
    }
    let signing = Signing { server, gun, root: root.body(), keys: &keys, at };
    let mut files: BTreeMap<RoleName, NewFile> = BTreeMap::new();
    let mut meta = FileMeta::of(snapshot.raw());
    if snapshot_is_due {
        let version = next_version(&state, &RoleName::Snapshot)?;
        let entries = snapshot.unverified().meta.clone();
        let made = signing.snapshot(version, entries, Some(snapshot_expires)).await?;
        meta = FileMeta::of(&made.file.bytes);
        files.insert(RoleName::Snapshot, made);
    }
    let version = next_version(&state, &RoleName::Timestamp)?;
    let made = signing.timestamp(version, meta, Some(timestamp_expires)).await?;
    files.insert(RoleName::Timestamp, made);
    let prepared = Prepared {
        gun: gun.clone(),
        base: Base::of(&state),
        files,
        gone: Vec::new(),
        targets: BTreeMap::new(),
        keys: BTreeMap::new(),
        actor: "(server)".to_owned(),
        action: "trust.renew",
        at,
    };
    match commit(server, &prepared).await? {
        Written::Done { .. } => Ok(Renewal::Done),
        Written::Stale => Ok(Renewal::Nothing),
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
