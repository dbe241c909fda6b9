//! A collection that is taken in: judged as a whole, and written in one transaction.
//!
//! Nothing is believed of whoever brings it. What does not verify is not stored; what contradicts
//! what is stored is refused, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::crypto::{KeyId, Sha256Hash};
use crate::limits::MAX_RESCUED_BYTES;
use crate::server::Server;
use crate::server::import::{Incoming, PastKey};
use crate::server::meta::audit::AuditEvent;
use crate::server::meta::feed::{FeedRow, Page, PastChange};
use crate::server::meta::keys::{KeyRow, KeyState, ServerKeys};
use crate::server::meta::trust::{CollectionState, HighestVersion, StoredFile, TargetChanges};
use crate::server::meta::{MetaError, Reading, Writing};
use crate::server::notary::publish::{Attempts, Base};
use crate::server::notary::validate::{held, listed_keys, signed_targets};
use crate::server::signer::{ServerKey, Signer, SignerError};
use crate::tuf::history::{Fault, Finding, History, KeptFile, examine};
use crate::tuf::metadata::{Document, MetadataError};
use crate::tuf::{Gun, RoleName, Root, Signed, Snapshot, Targets};

/// What came of a collection that was brought.
#[derive(Debug)]
pub struct TakenIn {
    /// Its name.
    pub gun: Gun,
    /// What was done.
    pub outcome: Outcome,
    /// How many files were stored.
    pub stored: usize,
    /// What was brought and does not verify, or belongs to nothing that does: it is not served.
    pub left_out: Vec<Finding>,
    /// Keys that were stored, or were here before.
    pub keys: usize,
    /// Whether it is an archive: this server has none of the keys that sign its timestamps.
    pub is_archive: bool,
    /// What of it ends first, and when: that may be in the past.
    pub expires: Option<(RoleName, Timestamp)>,
}

/// What was done with a collection that was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not here, and is now.
    New,
    /// It was here, and has more versions now.
    Continued,
    /// All of it was here.
    Unchanged,
    /// There is no collection: of one that was deleted its past is kept, and of one that nobody has
    /// published yet the keys that were handed out.
    Remembered,
}

/// Why a collection is not taken in. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The configuration says that no collection of this name is here.
    #[error("this server holds no collections of names such as {gun}")]
    NotHeld {
        /// The collection.
        gun: Gun,
    },
    /// No set of files that verify and name each other.
    #[error("no timestamp, snapshot, targets and root of {gun} verify and belong together")]
    NothingCurrent {
        /// The collection.
        gun: Gun,
        /// What is wrong with the first of the files that do not verify.
        #[source]
        cause: Option<Fault>,
    },
    /// What was served last where it comes from does not verify, or is lost.
    #[error(
        "timestamp version {served} of {gun} was served there, and nothing newer than version \
         {found} verifies and belongs together"
    )]
    Behind {
        /// The collection.
        gun: Gun,
        /// The version that readers were given last.
        served: u64,
        /// The newest of which a whole set verifies.
        found: u64,
        /// What is wrong with the first of the files that do not verify.
        #[source]
        cause: Option<Fault>,
    },
    /// It was deleted where it comes from, and is here.
    #[error("{gun} was deleted there, and is here")]
    DeletedThere {
        /// The collection.
        gun: Gun,
    },
    /// A key was brought that signs for another collection.
    #[error("a key of {gun} is that of another collection")]
    KeyOfAnother {
        /// The collection.
        gun: Gun,
    },
    /// There is more of it than is looked at at once.
    #[error("{gun} has more than {limit} bytes of files")]
    TooLarge {
        /// The collection.
        gun: Gun,
        /// How many bytes there may be.
        limit: u64,
    },
    /// Nothing of it belongs to what is stored.
    #[error("nothing that was brought of {gun} belongs to the collection that is stored")]
    Foreign {
        /// The collection.
        gun: Gun,
        /// What is wrong with the first of the files.
        #[source]
        cause: Option<Fault>,
    },
    /// Two histories: the same version of a role is two files, or goes on where nothing else does.
    #[error(
        "{gun} went two ways: the {role} metadata is stored up to version {stored}, and another \
         version {offered} was brought"
    )]
    Fork {
        /// The collection.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// The version that is stored.
        stored: u64,
        /// The version that was brought.
        offered: u64,
    },
    /// It would go back.
    #[error("{gun} would go back: {role} version {offered} was brought, and {stored} was here")]
    RolledBack {
        /// The collection.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// The version that is, or was, stored.
        stored: u64,
        /// The version that was brought.
        offered: u64,
    },
    /// Keys were brought, and another process keeps this server's.
    #[error("the keys of {gun} cannot be taken in: another signer keeps this server's keys")]
    SignerElsewhere {
        /// The collection.
        gun: Gun,
    },
    /// Keys were brought for what no server signs.
    #[error("a key of {gun} is for {role}, which no server signs")]
    KeyOfOwner {
        /// The collection.
        gun: Gun,
        /// The role.
        role: RoleName,
    },
    /// What verified before cannot be read.
    #[error("what is stored of {gun} cannot be read")]
    Unreadable {
        /// The collection.
        gun: Gun,
        /// What is wrong with it.
        #[source]
        cause: MetadataError,
    },
    /// The master key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The database.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// Others change the collection all the time.
    #[error("others change {gun} all the time")]
    Restless {
        /// The collection.
        gun: Gun,
    },
    /// The thread that checks ended early.
    #[error("the check of what was brought ended early")]
    Check(#[source] tokio::task::JoinError),
}

/// Judges a collection and takes it in, all in one transaction: every file that verifies, which of
/// them are current, what is signed, the changes of the past, and the keys, sealed with this
/// server's master key. `actor` is for the audit.
///
/// If the collection is here, what was brought must go on from it: then what is new is added.
/// A collection that was deleted here comes back if it is no older than it was.
pub async fn take_in(
    server: &Server,
    incoming: Incoming,
    actor: &str,
) -> Result<TakenIn, ImportError> {
    let Incoming { gun, files, at_least, feed, keys } = incoming;
    if !server.notary.holds(&gun) {
        return Err(ImportError::NotHeld { gun });
    }
    let keys = sealed(server, &gun, keys).await?;
    let (mut files, times): (Vec<KeptFile>, Vec<Option<Timestamp>>) = files.into_iter().unzip();
    let _turn = server.turns.wait(&gun).await;
    let mut attempts = Attempts::default();
    loop {
        let brought =
            Brought { gun: &gun, times: &times, at_least, feed: &feed, keys: &keys, actor };
        match attempt(server, &brought, &mut files).await {
            Ok(Some(taken)) => return Ok(taken),
            Ok(None) => {}
            Err(ImportError::Meta(error)) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
        if attempts.another().await.is_none() {
            return Err(ImportError::Restless { gun });
        }
    }
}

/// What was brought, but for its files.
struct Brought<'a> {
    gun: &'a Gun,
    times: &'a [Option<Timestamp>],
    at_least: u64,
    feed: &'a [PastChange],
    keys: &'a [SealedPastKey],
    actor: &'a str,
}

/// A key of the past, sealed.
struct SealedPastKey {
    role: RoleName,
    key: ServerKey,
    was_used: bool,
}

async fn sealed(
    server: &Server,
    gun: &Gun,
    keys: Vec<PastKey>,
) -> Result<Vec<SealedPastKey>, ImportError> {
    let mut all = Vec::new();
    for PastKey { role, key, was_used } in keys {
        if !matches!(role, RoleName::Timestamp | RoleName::Snapshot) {
            return Err(ImportError::KeyOfOwner { gun: gun.clone(), role });
        }
        let Signer::Local(signer) = &server.signer else {
            return Err(ImportError::SignerElsewhere { gun: gun.clone() });
        };
        let key = signer.take(gun, &role, &key).await?;
        all.push(SealedPastKey { role, key, was_used });
    }
    Ok(all)
}

/// What is stored of a collection before.
struct Before {
    state: CollectionState,
    keys: ServerKeys,
    /// Versions and hashes of all files.
    kept: BTreeMap<(RoleName, u64), Sha256Hash>,
}

impl Before {
    async fn read(reading: &mut Reading, gun: &Gun) -> Result<Self, MetaError> {
        let state = reading.collection_state(gun).await?;
        let keys = reading.server_keys(gun).await?;
        let kept = match state.row {
            Some(row) => reading.kept_versions(row.id).await?,
            None => Vec::new(),
        };
        let kept = kept.into_iter().map(|(role, version, hash)| ((role, version), hash));
        Ok(Self { kept: kept.collect(), state, keys })
    }

    /// Whether the collection is here, and not only remembered.
    fn is_here(&self) -> bool {
        !self.state.files.is_empty()
    }

    fn has(&self, role: &RoleName, sha256: Sha256Hash) -> bool {
        let from = (role.clone(), 0);
        let until = (role.clone(), u64::MAX);
        self.kept.range(from..=until).any(|(_, kept)| *kept == sha256)
    }
}

/// One attempt; `None` if others changed the collection meanwhile.
async fn attempt(
    server: &Server,
    brought: &Brought<'_>,
    files: &mut Vec<KeptFile>,
) -> Result<Option<TakenIn>, ImportError> {
    let gun = brought.gun;
    let mut reading = server.meta.read().await?;
    let before = Before::read(&mut reading, gun).await?;
    let known = |file: &KeptFile| before.has(&file.role, Sha256Hash::of(&file.bytes));
    let has_keys = brought.keys.iter().all(|key| {
        let here = before.keys.get(&key.role);
        here.is_some_and(|here| here.contains_key(&key.key.public.id()))
    });
    if !files.is_empty() && before.is_here() && has_keys && files.iter().all(known) {
        return Ok(Some(unchanged(&before, gun)));
    }
    if files.is_empty() {
        let deletion = brought.feed.last().filter(|change| change.is_deletion);
        if before.is_here()
            && let Some(deletion) = deletion
            && !tells_of(&mut reading, gun, deletion, server.clock.now()).await?
        {
            return Err(ImportError::DeletedThere { gun: gun.clone() });
        }
        drop(reading);
        let written = remember(server, brought, &before).await?;
        let outcome = if before.is_here() { Outcome::Unchanged } else { Outcome::Remembered };
        let taken = TakenIn { outcome, ..unchanged(&before, gun) };
        return Ok(written.then_some(TakenIn { keys: brought.keys.len(), ..taken }));
    }
    let count = files.len();
    let brought_bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    let stored_bytes = match before.state.row {
        Some(row) if before.is_here() => reading.kept_bytes(row.id).await?,
        _ => 0,
    };
    let limit = MAX_RESCUED_BYTES;
    if stored_bytes.saturating_add(u64::try_from(brought_bytes).unwrap_or(u64::MAX)) > limit {
        return Err(ImportError::TooLarge { gun: gun.clone(), limit });
    }
    let mut anchor = None;
    if before.is_here()
        && let Some(row) = before.state.row
    {
        // The oldest root that is stored is the one that everything has to follow from.
        let brought: BTreeSet<(RoleName, Sha256Hash)> =
            (files.iter()).map(|file| (file.role.clone(), Sha256Hash::of(&file.bytes))).collect();
        for (role, file) in reading.kept_files(row.id).await? {
            if role == RoleName::Root && anchor.is_none() {
                anchor = Some(file.bytes.clone());
            }
            if brought.contains(&(role.clone(), file.sha256)) {
                continue;
            }
            files.push(KeptFile { role, bytes: file.bytes });
        }
    }
    drop(reading);
    let history = judge(gun, files, anchor).await?;
    let judged = Judged { gun, files, count, history, before: &before };
    let plan = judged.plan(server.clock.now(), brought);
    files.truncate(count);
    let plan = plan?;
    let written = plan.write(server, brought, &before).await?;
    Ok(written.then_some(plan.taken))
}

/// Whether the feed here has this deletion already.
async fn tells_of(
    reading: &mut Reading,
    gun: &Gun,
    deletion: &PastChange,
    now: Timestamp,
) -> Result<bool, MetaError> {
    let ours = reading.changes(Some(gun), Page::Newest, MOST_CHANGES).await?;
    let is_it = |ours: &FeedRow| match deletion.id {
        Some(id) => ours.id == id,
        None => ours.created_at.as_microsecond() == deletion.at.min(now).as_microsecond(),
    };
    Ok(ours.iter().any(|ours| ours.category == "deletion" && is_it(ours)))
}

/// Keeps the keys and the past of what is no collection there now; tells whether nobody came
/// between.
async fn remember(
    server: &Server,
    brought: &Brought<'_>,
    before: &Before,
) -> Result<bool, ImportError> {
    let (gun, now) = (brought.gun, server.clock.now());
    let mut writing = server.meta.write().await?;
    let row = writing.lock_collection(gun).await?;
    if Base::of(&before.state) != (Base { seq: row.seq, deleted: row.deleted }) {
        return Ok(false);
    }
    keep_keys(&mut writing, brought, now).await?;
    if !before.is_here() {
        let deleted = brought.feed.last().filter(|change| change.is_deletion && row.seq == 0);
        if let Some(deletion) = deleted {
            // Whoever comes next goes on above what readers may remember.
            let ever = brought.feed.iter().map(|change| change.version).max().unwrap_or_default();
            let highest = HighestVersion { live: 0, ever };
            writing.raise_versions(row.id, &RoleName::Timestamp, highest).await?;
            writing.set_seq(row.id, 1, Some(deletion.at.min(now))).await?;
        }
        // Of changes without numbers the deletion alone, once: the others tell of nothing here.
        let numbered = brought.feed.iter().filter(|change| change.id.is_some());
        for change in numbered.chain(deleted.filter(|change| change.id.is_none())) {
            let change = PastChange { at: change.at.min(now), ..change.clone() };
            writing.add_past_change(gun, &change).await?;
        }
    }
    writing.add_audit(&audit(brought, "{}".to_owned(), now)).await?;
    writing.commit().await?;
    Ok(true)
}

/// Stores the keys that were brought, none of which may be another collection's: files of
/// timestamps and snapshots do not say whose they are.
async fn keep_keys(
    writing: &mut Writing,
    brought: &Brought<'_>,
    at: Timestamp,
) -> Result<(), ImportError> {
    for SealedPastKey { role, key, was_used } in brought.keys {
        if writing.has_key_of_another(brought.gun, &key.public.id()).await? {
            return Err(ImportError::KeyOfAnother { gun: brought.gun.clone() });
        }
        writing.put_key(brought.gun, role, key, !was_used, at).await?;
    }
    Ok(())
}

fn audit(brought: &Brought<'_>, detail: String, at: Timestamp) -> AuditEvent {
    AuditEvent {
        at,
        actor: brought.actor.to_owned(),
        action: "trust.import".to_owned(),
        subject: brought.gun.to_string(),
        detail,
    }
}

async fn judge(
    gun: &Gun,
    files: &mut Vec<KeptFile>,
    anchor: Option<Vec<u8>>,
) -> Result<History, ImportError> {
    let (name, taken) = (gun.clone(), std::mem::take(files));
    let judging = tokio::task::spawn_blocking(move || {
        let history = examine(&name, &taken, anchor.as_deref());
        (taken, history)
    });
    let (taken, history) = judging.await.map_err(ImportError::Check)?;
    *files = taken;
    Ok(history)
}

fn unchanged(before: &Before, gun: &Gun) -> TakenIn {
    let root = before.state.files.get(&RoleName::Root);
    let root = root.and_then(|root| Signed::<Root>::parse(&RoleName::Root, &root.bytes).ok());
    let makes = root
        .is_some_and(|root| held(root.unverified(), &RoleName::Timestamp, &before.keys).is_some());
    TakenIn {
        gun: gun.clone(),
        outcome: Outcome::Unchanged,
        stored: 0,
        left_out: Vec::new(),
        keys: before.keys.values().map(BTreeMap::len).sum(),
        is_archive: !makes,
        expires: None,
    }
}

/// All files, judged: those that were brought, and after them those that are stored.
struct Judged<'a> {
    gun: &'a Gun,
    files: &'a [KeptFile],
    count: usize,
    history: History,
    before: &'a Before,
}

/// A file that is the current one of its role.
struct CurrentFile {
    version: u64,
    sha256: Sha256Hash,
    expires: Timestamp,
}

impl Judged<'_> {
    /// What is to be written, or why nothing is.
    fn plan(mut self, now: Timestamp, brought: &Brought<'_>) -> Result<Plan, ImportError> {
        let current = self.current()?;
        self.check_served(&current, brought.at_least)?;
        if self.before.is_here() {
            self.check_fork(&current)?;
            self.check_current(&current)?;
        } else {
            self.check_remembered(&current)?;
        }
        let Sorted { new, highest, left_out } = self.sort(&current, now, brought.times);
        if self.before.is_here() && new.is_empty() && brought.keys.is_empty() {
            let cause = left_out.into_iter().find_map(|finding| finding.refused);
            return Err(ImportError::Foreign { gun: self.gun.clone(), cause });
        }
        let targets = self.target_changes(&current)?;
        let root = self.root(&current)?;
        let stored = new.len();
        let expires = current.iter().min_by_key(|(_, file)| file.expires);
        let taken = TakenIn {
            gun: self.gun.clone(),
            outcome: if self.before.is_here() { Outcome::Continued } else { Outcome::New },
            stored,
            left_out,
            keys: brought.keys.len(),
            is_archive: true,
            expires: expires.map(|(role, file)| (role.clone(), file.expires)),
        };
        let mut keys = self.before.keys.clone();
        for SealedPastKey { role, key, .. } in brought.keys {
            let row = KeyRow { key: key.clone(), state: KeyState::Retired };
            keys.entry(role.clone()).or_default().entry(key.public.id()).or_insert(row);
        }
        let server_roles = [RoleName::Timestamp, RoleName::Snapshot];
        let made_here = server_roles.clone().into_iter();
        let made_here: BTreeSet<RoleName> =
            made_here.filter(|role| held(&root, role, &keys).is_some()).collect();
        let active = server_roles.map(|role| {
            let listed = listed_keys(&root, &role, &keys);
            (role, listed)
        });
        let taken = TakenIn { is_archive: !made_here.contains(&RoleName::Timestamp), ..taken };
        let changes = self.changes(&current, &new, now, brought.feed);
        let gone = self.before.state.files.keys().filter(|role| !current.contains_key(*role));
        let gone = gone.cloned().collect();
        Ok(Plan {
            taken,
            new,
            highest,
            current,
            gone,
            made_here,
            active: active.into(),
            targets,
            changes,
            at: now,
        })
    }

    fn current(&mut self) -> Result<BTreeMap<RoleName, CurrentFile>, ImportError> {
        let mut current = BTreeMap::new();
        for (role, place) in &self.history.current {
            let Some(finding) = self.history.findings.get(*place) else { continue };
            if let (Some(version), Some(expires)) = (finding.version, finding.expires) {
                let sha256 = finding.sha256;
                current.insert(role.clone(), CurrentFile { version, sha256, expires });
            }
        }
        let base = [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];
        if base.iter().all(|role| current.contains_key(role)) && self.names_its_root(&current) {
            return Ok(current);
        }
        let mut findings = self.history.findings.drain(..).take(self.count);
        let cause = findings.find_map(|finding| finding.refused);
        Err(ImportError::NothingCurrent { gun: self.gun.clone(), cause })
    }

    /// Refuses an older set in place of one that was lost or altered.
    fn check_served(
        &self,
        current: &BTreeMap<RoleName, CurrentFile>,
        served: u64,
    ) -> Result<(), ImportError> {
        let found = current.get(&RoleName::Timestamp).map_or(0, |file| file.version);
        if found >= served {
            return Ok(());
        }
        let cause = self.brought().find_map(|finding| finding.refused.clone());
        Err(ImportError::Behind { gun: self.gun.clone(), served, found, cause })
    }

    /// Whether the snapshot names the newest root: readers go by that.
    fn names_its_root(&self, current: &BTreeMap<RoleName, CurrentFile>) -> bool {
        let snapshot = self.bytes(&RoleName::Snapshot);
        let parsed = snapshot.map(|bytes| Signed::<Snapshot>::parse(&RoleName::Snapshot, bytes));
        let Some(Ok(snapshot)) = parsed else { return false };
        let named = snapshot.unverified().meta.get(&RoleName::Root);
        let named = named.and_then(|meta| meta.sha256().ok());
        named.is_some() && named == current.get(&RoleName::Root).map(|root| root.sha256)
    }

    fn brought(&self) -> impl Iterator<Item = &Finding> {
        self.history.findings.iter().take(self.count)
    }

    /// Refuses a second file of a version that is stored, and what the server would have to make
    /// itself, and somebody else did.
    fn check_fork(&self, current: &BTreeMap<RoleName, CurrentFile>) -> Result<(), ImportError> {
        let fork = |role: &RoleName, stored: u64, offered: u64| ImportError::Fork {
            gun: self.gun.clone(),
            role: role.clone(),
            stored,
            offered,
        };
        for finding in self.brought() {
            let Some(version) = finding.version else { continue };
            let role = &finding.role;
            let is_other = |kept: &Sha256Hash| *kept != finding.sha256;
            let collides = self.before.kept.get(&(role.clone(), version)).is_some_and(is_other);
            let counts = match &finding.refused {
                None | Some(Fault::Twin { .. } | Fault::Root { .. }) => true,
                Some(_) => false,
            };
            if collides && counts {
                let stored = self.before.state.files.get(role).map_or(version, |f| f.version);
                return Err(fork(role, stored, version));
            }
            let ahead = current.get(role).filter(|file| version > file.version);
            if finding.refused.is_none()
                && !role.is_targets()
                && let Some(file) = ahead
            {
                return Err(fork(role, file.version, version));
            }
        }
        Ok(())
    }

    /// Refuses a set that goes back behind what is stored.
    fn check_current(&self, current: &BTreeMap<RoleName, CurrentFile>) -> Result<(), ImportError> {
        for (role, stored) in &self.before.state.files {
            let Some(file) = current.get(role) else { continue };
            if file.version < stored.version {
                return Err(ImportError::RolledBack {
                    gun: self.gun.clone(),
                    role: role.clone(),
                    stored: stored.version,
                    offered: file.version,
                });
            }
            if file.version == stored.version && file.sha256 != stored.sha256 {
                return Err(ImportError::Fork {
                    gun: self.gun.clone(),
                    role: role.clone(),
                    stored: stored.version,
                    offered: file.version,
                });
            }
        }
        Ok(())
    }

    /// Refuses what is older than what was deleted: readers remember it.
    fn check_remembered(
        &self,
        current: &BTreeMap<RoleName, CurrentFile>,
    ) -> Result<(), ImportError> {
        for role in [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot] {
            let ever = self.before.state.versions.get(&role).map_or(0, |highest| highest.ever);
            if let Some(file) = current.get(&role)
                && file.version < ever
            {
                let (gun, stored, offered) = (self.gun.clone(), ever, file.version);
                return Err(ImportError::RolledBack { gun, role, stored, offered });
            }
        }
        Ok(())
    }

    /// Sorts what was brought: what is stored, how far versions came, and what is left out.
    fn sort(
        &mut self,
        current: &BTreeMap<RoleName, CurrentFile>,
        now: Timestamp,
        times: &[Option<Timestamp>],
    ) -> Sorted {
        let mut new: BTreeMap<(RoleName, u64), StoredFile> = BTreeMap::new();
        let mut highest: BTreeMap<RoleName, HighestVersion> = BTreeMap::new();
        let mut left_out = Vec::new();
        let findings: Vec<Finding> = self.history.findings.drain(..).collect();
        let places: BTreeSet<usize> = self.history.current.values().copied().collect();
        let all = findings.into_iter().zip(self.files).zip(times).enumerate();
        for (place, ((finding, file), time)) in all.take(self.count) {
            // Of a delegation that lacks signatures readers want the file all the same.
            let counts = finding.refused.is_none() || places.contains(&place);
            let Some(version) = finding.version.filter(|_| counts) else {
                left_out.push(finding);
                continue;
            };
            let place = (finding.role.clone(), version);
            let far = highest.entry(finding.role.clone()).or_default();
            far.ever = far.ever.max(version);
            // What is newer than what belongs together was caught in the middle of a publication.
            let is_ahead = current.get(&finding.role).is_some_and(|file| version > file.version);
            if is_ahead {
                left_out.push(finding);
                continue;
            }
            far.live = far.live.max(version);
            if self.before.kept.contains_key(&place) {
                continue;
            }
            let created_at = time.unwrap_or(now).min(now);
            let sha256 = finding.sha256;
            let bytes = file.bytes.clone();
            new.insert(place, StoredFile { version, sha256, bytes, created_at });
        }
        let new = new.into_iter().map(|((role, _), file)| (role, file)).collect();
        Sorted { new, highest, left_out }
    }

    fn bytes(&self, role: &RoleName) -> Option<&[u8]> {
        let place = self.history.current.get(role)?;
        Some(&self.files.get(*place)?.bytes)
    }

    fn parse<T: Document>(&self, role: &RoleName, bytes: &[u8]) -> Result<Signed<T>, ImportError> {
        Signed::parse(role, bytes)
            .map_err(|cause| ImportError::Unreadable { gun: self.gun.clone(), cause })
    }

    fn root(&self, current: &BTreeMap<RoleName, CurrentFile>) -> Result<Root, ImportError> {
        let bytes = self.bytes(&RoleName::Root).filter(|_| current.contains_key(&RoleName::Root));
        let nothing = || ImportError::NothingCurrent { gun: self.gun.clone(), cause: None };
        let root = self.parse::<Root>(&RoleName::Root, bytes.ok_or_else(nothing)?)?;
        Ok(root.unverified().clone())
    }

    /// What changes in the targets that each role signs.
    fn target_changes(
        &self,
        current: &BTreeMap<RoleName, CurrentFile>,
    ) -> Result<BTreeMap<RoleName, TargetChanges>, ImportError> {
        let mut changes = BTreeMap::new();
        for (role, file) in current.iter().filter(|(role, _)| role.is_targets()) {
            let stored = self.before.state.files.get(role);
            if stored.is_some_and(|stored| stored.sha256 == file.sha256) {
                continue;
            }
            let old = match stored {
                Some(stored) => signed_targets(&self.parse::<Targets>(role, &stored.bytes)?),
                None => BTreeSet::new(),
            };
            let Some(bytes) = self.bytes(role) else { continue };
            let new = signed_targets(&self.parse::<Targets>(role, bytes)?);
            let change = TargetChanges {
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            };
            changes.insert(role.clone(), change);
        }
        Ok(changes)
    }

    /// The lines of the feed, the present one last. Lines with numbers come from a server's own
    /// database, and are kept as they are; of others, those that tell of timestamps that are here
    /// and go up.
    fn changes(
        &self,
        current: &BTreeMap<RoleName, CurrentFile>,
        new: &[(RoleName, StoredFile)],
        now: Timestamp,
        feed: &[PastChange],
    ) -> Vec<PastChange> {
        let Some(present) = current.get(&RoleName::Timestamp) else { return Vec::new() };
        let mut last = self.before.state.files.get(&RoleName::Timestamp).map_or(0, |f| f.version);
        let timestamps = new.iter().filter(|(role, _)| *role == RoleName::Timestamp);
        let timestamps: BTreeMap<u64, String> =
            timestamps.map(|(_, file)| (file.version, file.sha256.to_hex())).collect();
        // After a deletion versions may begin anew, there.
        let begin = feed.iter().rposition(|change| change.is_deletion).map_or(0, |at| at + 1);
        let mut changes = Vec::new();
        for (place, change) in feed.iter().enumerate() {
            let is_here = timestamps.get(&change.version) == Some(&change.sha256);
            let goes_up = place >= begin && change.version > last;
            if change.id.is_some() || (is_here && goes_up) {
                changes.push(PastChange { at: change.at.min(now), ..change.clone() });
            }
            if place >= begin && (change.id.is_some() || is_here) {
                last = last.max(change.version);
            }
        }
        if present.version > last {
            let (version, sha256) = (present.version, present.sha256.to_hex());
            changes.push(PastChange { id: None, at: now, version, sha256, is_deletion: false });
        }
        changes
    }
}

/// What was brought, sorted.
struct Sorted {
    /// What is stored.
    new: Vec<(RoleName, StoredFile)>,
    /// How far versions came.
    highest: BTreeMap<RoleName, HighestVersion>,
    /// What is not stored.
    left_out: Vec<Finding>,
}

/// What is to be written.
struct Plan {
    taken: TakenIn,
    new: Vec<(RoleName, StoredFile)>,
    highest: BTreeMap<RoleName, HighestVersion>,
    current: BTreeMap<RoleName, CurrentFile>,
    gone: Vec<RoleName>,
    made_here: BTreeSet<RoleName>,
    active: BTreeMap<RoleName, Vec<KeyId>>,
    targets: BTreeMap<RoleName, TargetChanges>,
    changes: Vec<PastChange>,
    at: Timestamp,
}

impl Plan {
    /// Writes it all, if the collection is still what it was; tells whether it was.
    async fn write(
        &self,
        server: &Server,
        brought: &Brought<'_>,
        before: &Before,
    ) -> Result<bool, ImportError> {
        let gun = brought.gun;
        let mut writing = server.meta.write().await?;
        let row = writing.lock_collection(gun).await?;
        if Base::of(&before.state) != (Base { seq: row.seq, deleted: row.deleted }) {
            return Ok(false);
        }
        let seq = row.seq.saturating_add(1);
        keep_keys(&mut writing, brought, self.at).await?;
        for (role, keys) in &self.active {
            if !writing.settle_keys(gun, role, keys).await? {
                return Ok(false);
            }
        }
        let new: Vec<_> = self.new.iter().map(|(role, file)| (role, file)).collect();
        writing.keep_files(row.id, &new).await?;
        for (role, highest) in &self.highest {
            writing.raise_versions(row.id, role, *highest).await?;
        }
        for (role, file) in &self.current {
            let made_here = self.made_here.contains(role);
            writing.set_current(row.id, role, file.version, file.expires, made_here).await?;
        }
        for role in &self.gone {
            writing.drop_current(row.id, role).await?;
            writing.end_targets(row.id, Some(role), seq, self.at).await?;
        }
        for (role, changes) in &self.targets {
            writing.change_targets(row.id, role, changes, seq, self.at).await?;
        }
        writing.set_seq(row.id, seq, None).await?;
        self.tell(&mut writing, brought).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// The feed, and last the audit.
    async fn tell(&self, writing: &mut Writing, brought: &Brought<'_>) -> Result<(), MetaError> {
        for change in &self.changes {
            writing.add_past_change(brought.gun, change).await?;
        }
        let files = self.current.iter().map(|(role, file)| {
            (role.to_string(), serde_json::json!([file.version, file.sha256.to_hex()]))
        });
        let files: serde_json::Map<_, _> = files.collect();
        let detail = serde_json::Value::Object(files).to_string();
        writing.add_audit(&audit(brought, detail, self.at)).await
    }
}

/// Changes of a collection that are looked at for its deletion.
const MOST_CHANGES: u32 = 1000;
