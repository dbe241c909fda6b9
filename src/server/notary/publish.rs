//! Publishing: all roles, what the server makes for them, the feed and the audit, in one
//! transaction.
//!
//! [`prepare`] checks and signs outside of any transaction, on top of one snapshot of the database;
//! [`Prepared::write`] writes it all into a transaction of the caller's, unless the collection has
//! changed since. [`publish`] does both, again if need be, in turn with others ([`Turns`]).

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::limits::MAX_WRITE_ATTEMPTS;
use crate::server::meta::attempts::pause;
use crate::server::meta::audit::AuditEvent;
use crate::server::meta::feed::Change;
use crate::server::meta::keys::ServerKeys;
use crate::server::meta::trust::{CollectionState, NewFile, TargetChanges};
use crate::server::meta::{MetaError, Writing};
use crate::server::notary::Invalid;
use crate::server::notary::signing::{Signing, signing_time};
use crate::server::notary::validate::{Files, Plan, PlannedSnapshot, validate};
use crate::server::{Refusal, Server};
use crate::tuf::metadata::FileMeta;
use crate::tuf::{Gun, RoleName};

/// A publication that is checked and signed, on top of one state of its collection.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) gun: Gun,
    pub(super) base: Base,
    pub(super) files: BTreeMap<RoleName, NewFile>,
    pub(super) restored: BTreeMap<RoleName, (u64, Timestamp)>,
    pub(super) gone: Vec<RoleName>,
    pub(super) targets: BTreeMap<RoleName, TargetChanges>,
    pub(super) keys: BTreeMap<RoleName, Vec<KeyId>>,
    pub(super) actor: String,
    pub(super) action: &'static str,
    pub(super) at: Timestamp,
}

/// Whose turn it is to publish to a collection, in this process. Those who publish to the same one
/// would only overtake each other; that they do not is a matter of speed and fairness alone, and
/// what the database holds does not rest on it.
#[derive(Debug)]
pub struct Turns {
    queues: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

/// A turn; the next one's begins when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _held: OwnedMutexGuard<()>,
}

impl Default for Turns {
    fn default() -> Self {
        let queues = (0..QUEUES).map(|_| Arc::default()).collect();
        Self { queues, hasher: RandomState::new() }
    }
}

impl Turns {
    /// Waits for a turn: from before [`prepare`] to after the commit.
    pub async fn wait(&self, gun: &Gun) -> Option<Turn> {
        let place = usize::try_from(self.hasher.hash_one(gun)).unwrap_or_default() % QUEUES;
        let queue = Arc::clone(self.queues.get(place)?);
        Some(Turn { _held: queue.lock_owned().await })
    }
}

/// Queues, each for many collections: so many that two that are busy seldom share one.
const QUEUES: usize = 1024;

/// The state of a collection that something was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// How many changes it had seen; 0 if there was none.
    pub seq: u64,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// What came of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is written, and happens with the commit.
    Done {
        /// The collection's number of changes from then on.
        seq: u64,
    },
    /// The collection has changed since: nothing of worth is written, and the transaction is to be
    /// given up. To prepare again tells whether the publication still fits.
    Stale,
}

impl Base {
    /// The base that a state is.
    pub fn of(state: &CollectionState) -> Self {
        let row = state.row.map(|row| (row.seq, row.deleted));
        let (seq, deleted) = row.unwrap_or_default();
        Self { seq, deleted }
    }
}

/// Checks files against what is stored of their collection, and makes the timestamp, and the
/// snapshot if it is the server's to make. Nothing is written. `actor` is for the audit. The
/// caller's rights are the caller's care.
pub async fn prepare(
    server: &Arc<Server>,
    gun: &Gun,
    files: &Files,
    actor: &str,
) -> Result<Prepared, Refusal> {
    let mut reading = server.meta.read().await?;
    let state = reading.collection_state(gun).await?;
    let keys = reading.server_keys(gun).await?;
    drop(reading);
    let at = signing_time(server.clock.now(), last_signing(&state))?;
    let checked = check(gun.clone(), state, keys, files.clone(), at).await;
    let (state, keys, plan) = checked?;
    let signing = Signing { server, gun, root: plan.root.body(), keys: &keys, at };
    let mut files = plan.files;
    let snapshot = match plan.snapshot {
        PlannedSnapshot::Sent(meta) => meta,
        PlannedSnapshot::ToMake { version, meta } => {
            let snapshot = signing.snapshot(version, meta, None).await?;
            let meta = FileMeta::of(&snapshot.file.bytes);
            files.insert(RoleName::Snapshot, snapshot);
            meta
        }
    };
    let timestamp = signing.timestamp(plan.timestamp_version, snapshot, None).await?;
    files.insert(RoleName::Timestamp, timestamp);
    Ok(Prepared {
        gun: gun.clone(),
        base: Base::of(&state),
        files,
        restored: plan.restored,
        gone: plan.gone,
        targets: plan.targets,
        keys: plan.keys,
        actor: actor.to_owned(),
        action: "trust.publish",
        at,
    })
}

/// When the server signed last for a collection.
pub(super) fn last_signing(state: &CollectionState) -> Option<Timestamp> {
    state.files.get(&RoleName::Timestamp).map(|file| file.created_at)
}

/// Validation parses and hashes megabytes: on a thread of its own.
async fn check(
    gun: Gun,
    state: CollectionState,
    keys: ServerKeys,
    files: Files,
    at: Timestamp,
) -> Result<(CollectionState, ServerKeys, Plan), Refusal> {
    let check = tokio::task::spawn_blocking(move || {
        let plan = validate(&gun, &state, &keys, &files, at)?;
        Ok::<_, Invalid>((state, keys, plan))
    });
    match check.await {
        Ok(checked) => Ok(checked?),
        Err(error) => Err(Refusal::internal(&error)),
    }
}

impl Prepared {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// What it changes in the targets that each role signs; roles that are [`Self::gone`] sign
    /// nothing any more.
    pub fn targets(&self) -> &BTreeMap<RoleName, TargetChanges> {
        &self.targets
    }

    /// The files to be stored, those that the server made among them.
    pub fn files(&self) -> &BTreeMap<RoleName, NewFile> {
        &self.files
    }

    /// Roles that have no current file any more.
    pub fn gone(&self) -> &[RoleName] {
        &self.gone
    }

    /// Writes it all, if the collection is still what this was prepared for. The feed and the audit
    /// are held from here to the commit: what else belongs to the transaction is better written
    /// before.
    pub async fn write(&self, writing: &mut Writing) -> Result<Written, MetaError> {
        let row = writing.lock_collection(&self.gun).await?;
        if self.base != (Base { seq: row.seq, deleted: row.deleted }) {
            return Ok(Written::Stale);
        }
        let seq = row.seq.saturating_add(1);
        for (role, keys) in &self.keys {
            // A key that was handed out long ago may have been forgotten since.
            if !writing.settle_keys(&self.gun, role, keys).await? {
                return Ok(Written::Stale);
            }
        }
        writing.store_files(row.id, &self.files).await?;
        for (role, (version, expires)) in &self.restored {
            writing.set_current(row.id, role, *version, *expires, false).await?;
        }
        for role in &self.gone {
            writing.drop_current(row.id, role).await?;
            writing.end_targets(row.id, Some(role), seq, self.at).await?;
        }
        for (role, changes) in &self.targets {
            writing.change_targets(row.id, role, changes, seq, self.at).await?;
        }
        writing.set_seq(row.id, seq, None).await?;
        if let Some(timestamp) = self.files.get(&RoleName::Timestamp) {
            let change = Change::Update(timestamp.file.version, timestamp.file.sha256);
            writing.add_change(&self.gun, change, self.at).await?;
        }
        writing.add_audit(&self.audit()).await?;
        Ok(Written::Done { seq })
    }

    fn audit(&self) -> AuditEvent {
        let files = self.files.iter();
        let files = files.map(|(role, file)| {
            (role.to_string(), serde_json::json!([file.file.version, file.file.sha256.to_hex()]))
        });
        let files: serde_json::Map<_, _> = files.collect();
        AuditEvent {
            at: self.at,
            actor: self.actor.clone(),
            action: self.action.to_owned(),
            subject: self.gun.to_string(),
            detail: serde_json::Value::Object(files).to_string(),
        }
    }
}

/// Publishes files in a transaction of their own. If others change the collection meanwhile, it is
/// tried again on top of what they did, which a refusal may be the end of.
pub async fn publish(
    server: &Arc<Server>,
    gun: &Gun,
    files: &Files,
    actor: &str,
) -> Result<u64, Refusal> {
    let _turn = server.turns.wait(gun).await;
    let mut attempts = Attempts::default();
    loop {
        let prepared = prepare(server, gun, files, actor).await?;
        match commit(server, &prepared).await {
            Ok(Written::Done { seq }) => return Ok(seq),
            Ok(Written::Stale) => attempts.stale().await?,
            Err(error) => attempts.failed(error).await?,
        }
    }
}

/// Writes something prepared in a transaction of its own.
pub async fn commit(server: &Server, prepared: &Prepared) -> Result<Written, MetaError> {
    let mut writing = server.meta.write().await?;
    let written = prepared.write(&mut writing).await?;
    if matches!(written, Written::Done { .. }) {
        writing.commit().await?;
    }
    Ok(written)
}

/// How often a change was tried.
#[derive(Debug, Default)]
pub struct Attempts(u32);

impl Attempts {
    /// After an attempt that others overtook: waits a little, or gives up.
    pub async fn stale(&mut self) -> Result<(), Refusal> {
        self.another().await.ok_or_else(|| Refusal::unavailable(&Overtaken))
    }

    /// After an attempt that failed: waits a little if the same may succeed, or gives up.
    pub async fn failed(&mut self, error: MetaError) -> Result<(), Refusal> {
        let again = if error.is_transient() { self.another().await } else { None };
        again.ok_or_else(|| error.into())
    }

    /// Waits a little before another attempt; `None` if there were enough of them.
    pub async fn another(&mut self) -> Option<()> {
        self.0 += 1;
        if self.0 >= MAX_WRITE_ATTEMPTS {
            return None;
        }
        let least = Duration::from_millis(u64::from(self.0.min(20)) * 2);
        pause(least, Duration::from_millis(32)).await;
        Some(())
    }
}

/// Others were faster, again and again.
#[derive(Debug, thiserror::Error)]
#[error("others change the collection all the time")]
struct Overtaken;
