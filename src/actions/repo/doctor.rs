//! Looking a repository over: what is about to expire, who can sign what from this machine, what
//! no longer verifies and where the chain breaks.
//!
//! Nothing is changed but the cache, and that only by a chain that was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Span;

use crate::actions::context::Context;
use crate::actions::update::{RefreshError, Source, Updated, last_confirmed, update};
use crate::client::{FileVersion, NotaryClient, NotaryError, TransportError};
use crate::clock::Timestamp;
use crate::crypto::{KeyFileError, KeyId, Sha256Hash};
use crate::limits::MAX_CLOCK_SKEW_SECONDS;
use crate::store::{KeyInfo, KeyStore, StoreError};
use crate::tuf::changelist::Change;
use crate::tuf::health::{Health, Horizon, LastFile, Severity, examine};
use crate::tuf::metadata::{Document, Root, Signed, Targets};
use crate::tuf::rules::{RootWalk, Rules};
use crate::tuf::trusted::{Expiry, RootStep, TrustedRepository, TrustedSet, UpdateError, Wanted};
use crate::tuf::{Gun, Pin, RoleName};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Ask the server, or judge the cache alone.
    pub source: Source,
    /// How far ahead to look; notary's six months if not given.
    pub within: Option<Span>,
}

/// What was found out about one repository.
#[derive(Debug)]
pub struct Report {
    /// The repository.
    pub gun: Gun,
    /// The server that was asked: its host and port.
    pub server: Option<String>,
    /// How many seconds its clock is ahead of ours; none if it did not say.
    pub clock_ahead: Option<i64>,
    /// The state of the roles, from the server or, if its chain was refused, from the cache.
    pub health: Option<Health>,
    /// Whether `health` is what the server has.
    pub is_current: bool,
    /// Root keys that were believed unseen.
    pub first_contact: Option<Vec<KeyId>>,
    /// Why the chain was refused.
    pub broken: Option<RefreshError>,
    /// How far a chain that was refused could be followed, file by file.
    pub steps: Vec<Step>,
    /// What is to be told besides.
    pub remarks: Vec<Remark>,
}

/// One file on the way through a chain.
#[derive(Debug)]
pub struct Step {
    /// Whose file.
    pub role: RoleName,
    /// Whether it came from the cache.
    pub cached: bool,
    /// Its version, or what is wrong with it.
    pub outcome: Result<u64, StepError>,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// It breaks a rule.
    #[error(transparent)]
    Rule(#[from] UpdateError),
    /// It was not to be had.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// The cache does not have it.
    #[error("it is not cached")]
    NotCached,
}

/// Something to be told of a repository besides the state of its metadata.
#[derive(Debug)]
#[non_exhaustive]
pub enum Remark {
    /// Changes are staged and not published.
    Staged {
        /// How many.
        count: usize,
        /// File names of those that cannot be read.
        unreadable: Vec<String>,
    },
    /// Another process is changing the repository.
    Locked,
    /// A change of the cache was begun and not ended.
    Interrupted,
    /// The clocks of server and machine differ.
    ClockSkew {
        /// Seconds that the server is ahead of us.
        ahead: i64,
    },
    /// The server does not hand out the present timestamp, so that nobody can read; what is told is
    /// of the one it made last.
    TimestampRefused(TransportError),
    /// The server has it from another one, and cannot renew its timestamps.
    Archive,
    /// Pinning decides which root keys count.
    Pinned(Pin),
    /// What was accepted could not be cached.
    NotCached(StoreError),
    /// The staged changes, the lock or the keys could not be looked at.
    Unreadable(StoreError),
}

/// What is to be told of the private keys on this machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyRemark {
    /// A file that ends in `.key` and holds no usable key.
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that holds another key than its name says.
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The id of the key in it.
        found: KeyId,
    },
    /// A key file that others may read or write.
    TooOpen(KeyInfo),
    /// A key that nothing published uses, as far as is known on this machine.
    Orphan(KeyInfo),
}

impl Remark {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Staged { unreadable, .. } if unreadable.is_empty() => Severity::Note,
            Self::Locked | Self::Interrupted | Self::Pinned(_) => Severity::Note,
            Self::TimestampRefused(_) => Severity::Problem,
            _ => Severity::Warning,
        }
    }

    /// The name that programs know it by; it never changes.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Staged { unreadable, .. } if unreadable.is_empty() => "staged-changes",
            Self::Staged { .. } => "staged-change-unreadable",
            Self::Locked => "locked",
            Self::Interrupted => "cache-change-unfinished",
            Self::ClockSkew { .. } => "clock-skew",
            Self::TimestampRefused(_) => "timestamp-refused",
            Self::Archive => "archive",
            Self::Pinned(_) => "pinned",
            Self::NotCached(_) => "cache-not-written",
            Self::Unreadable(_) => "store-unreadable",
        }
    }
}

impl KeyRemark {
    /// How grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Orphan(_) => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// The name that programs know it by; it never changes.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "key-file-unusable",
            Self::Mismatch { .. } => "key-file-mismatch",
            Self::TooOpen(_) => "key-file-open-to-others",
            Self::Orphan(_) => "key-unused",
        }
    }
}

/// Looks a repository over.
pub async fn doctor(context: &Context, gun: &Gun, request: &Request) -> Report {
    let mut report = Report {
        gun: gun.clone(),
        server: None,
        clock_ahead: None,
        health: None,
        is_current: false,
        first_contact: None,
        broken: None,
        steps: Vec::new(),
        remarks: local_remarks(context, gun),
    };
    match context.connections.notary(gun, "pull") {
        Ok(notary) => look(context, gun, &notary, request, &mut report).await,
        Err(error) => report.broken = Some(error.into()),
    }
    report
}

async fn look(
    context: &Context,
    gun: &Gun,
    notary: &NotaryClient,
    request: &Request,
    report: &mut Report,
) {
    let online = request.source == Source::Server;
    if online {
        report.server = Some(notary.server().to_owned());
    }
    let now = context.clock.now();
    match update(context, gun, notary, request.source, Expiry::Remembered).await {
        Ok(updated) => {
            report.is_current = online;
            if updated.trusted.is_first_use() {
                report.first_contact = Some(updated.trusted.root_key_ids());
            }
            judge(context, notary, request, updated, report).await;
        }
        Err(error) => {
            let reached = !matches!(&error, RefreshError::Connection(_) | RefreshError::Store(_));
            if reached && !is_offline(&error) {
                report.steps = follow(context, gun, notary, request.source).await;
            }
            let nothing_known =
                matches!(error, RefreshError::NoTrustData { .. } | RefreshError::BadAnchor { .. });
            report.broken = Some(error);
            if online && !nothing_known {
                let source = Source::Cache;
                if let Ok(cached) = update(context, gun, notary, source, Expiry::Remembered).await {
                    let request = Request { source, ..*request };
                    judge(context, notary, &request, cached, report).await;
                }
            }
        }
    }
    if online
        && report.broken.as_ref().is_none_or(|error| !is_offline(error))
        && let Ok(probe) = notary.probe().await
    {
        let ahead = probe.time.map(|time| time.as_second().saturating_sub(now.as_second()));
        report.clock_ahead = ahead;
        let skew = ahead.filter(|ahead| ahead.abs() > MAX_CLOCK_SKEW_SECONDS);
        report.remarks.extend(skew.map(|ahead| Remark::ClockSkew { ahead }));
        if report.is_current {
            report.remarks.extend(probe.is_archive.then_some(Remark::Archive));
            report.remarks.extend(probe.refused.map(Remark::TimestampRefused));
        }
    }
}

/// Whether no server could be asked at all.
fn is_offline(error: &RefreshError) -> bool {
    match error {
        RefreshError::Server(NotaryError::Transport(cause)) => {
            cause.is_offline() || matches!(cause, TransportError::Tls { .. })
        }
        RefreshError::Connection(_) | RefreshError::Store(_) => true,
        _ => false,
    }
}

async fn judge(
    context: &Context,
    notary: &NotaryClient,
    request: &Request,
    updated: Updated,
    report: &mut Report,
) {
    let Updated { trusted, not_cached } = updated;
    report.remarks.extend(not_cached.map(Remark::NotCached));
    let now = trusted.now();
    let horizon = match request.within {
        Some(span) => Horizon::ahead(now, span),
        None => Horizon::usual(now),
    };
    let here = match keys_here(context) {
        Ok(here) => here,
        Err(error) => {
            report.remarks.push(Remark::Unreadable(error));
            BTreeSet::new()
        }
    };
    let last = match request.source {
        Source::Server => last_files(context, notary, &trusted).await,
        Source::Cache | Source::Folder => BTreeMap::new(),
    };
    report.health = Some(examine(&trusted, &here, &last, horizon));
}

/// Canonical ids of the private keys on this machine.
pub(in crate::actions) fn keys_here(context: &Context) -> Result<BTreeSet<KeyId>, StoreError> {
    let keys = context.trust_dir.keys()?.list()?.keys;
    Ok(keys.into_iter().map(|key| key.id).collect())
}

/// The files of delegations that are not usable, from the server; one that is not to be had tells
/// nothing.
async fn last_files(
    context: &Context,
    notary: &NotaryClient,
    trusted: &TrustedRepository,
) -> BTreeMap<RoleName, LastFile> {
    let cached = context.trust_dir.metadata(trusted.gun()).read().unwrap_or_default();
    let mut last = BTreeMap::new();
    for role in trusted.unusable().keys() {
        let limit = context.strictness.rules.bounds.targets;
        let Some(wanted) = trusted.listed(role).filter(|wanted| wanted.length <= limit) else {
            continue;
        };
        let version = FileVersion::Hash(wanted.sha256);
        let Ok(raw) = notary.file(role, version, wanted.length).await else { continue };
        if Sha256Hash::of(&raw) == wanted.sha256
            && let Ok(file) = Signed::<Targets>::parse(role, &raw)
        {
            let ids = file.signatures().iter().map(|signature| signature.key_id.clone());
            let seen = cached.get(role) == Some(&raw);
            last.insert(role.clone(), LastFile { claimed: ids.collect(), seen });
        }
    }
    last
}

fn local_remarks(context: &Context, gun: &Gun) -> Vec<Remark> {
    let mut remarks = Vec::new();
    // Before the cache is read: that finishes what was begun.
    if context.trust_dir.metadata(gun).is_being_changed() {
        remarks.push(Remark::Interrupted);
    }
    match context.trust_dir.is_locked(gun) {
        Ok(true) => remarks.push(Remark::Locked),
        Ok(false) => {}
        Err(error) => remarks.push(Remark::Unreadable(error)),
    }
    match context.trust_dir.changelist(gun).read() {
        Ok(staged) if staged.is_empty() => {}
        Ok(staged) => {
            let bad = staged.iter().filter(|(_, bytes)| Change::parse(bytes).is_err());
            let unreadable = bad.map(|(name, _)| name.clone()).collect();
            remarks.push(Remark::Staged { count: staged.len(), unreadable });
        }
        Err(error) => remarks.push(Remark::Unreadable(error)),
    }
    let pin = context.pinning.rule(gun);
    if !matches!(pin, Pin::FirstUse) {
        remarks.push(Remark::Pinned(pin));
    }
    remarks
}

/// The time that an update goes by: what was fresh once is not accepted by turning the clock back.
fn now_of(context: &Context, gun: &Gun) -> Timestamp {
    let clock = context.clock.now();
    last_confirmed(context, gun).map_or(clock, |confirmed| confirmed.max(clock))
}

/// Follows a chain that was refused, file by file, as far as it goes. What is accepted on the way
/// is not kept.
async fn follow(context: &Context, gun: &Gun, notary: &NotaryClient, source: Source) -> Vec<Step> {
    let Ok(cached) = context.trust_dir.metadata(gun).read() else { return Vec::new() };
    let rules = context.strictness.rules;
    let mut walk = Walk { notary, source, cached: &cached, rules, steps: Vec::new() };
    let now = now_of(context, gun);
    if let Some(mut set) = walk.root(gun, now, context.pinning.rule(gun)).await {
        // Where it stops is the last step.
        drop(walk.below(&mut set).await);
    }
    walk.steps
}

struct Walk<'a> {
    notary: &'a NotaryClient,
    source: Source,
    cached: &'a BTreeMap<RoleName, Vec<u8>>,
    rules: Rules,
    steps: Vec<Step>,
}

/// The walk is at its end; the last step says why.
struct Stopped;

impl Walk<'_> {
    async fn root(&mut self, gun: &Gun, now: Timestamp, pin: Pin) -> Option<TrustedSet> {
        let role = RoleName::Root;
        let expiry = Expiry::Remembered;
        let mut known = None;
        if self.cached.contains_key(&role) {
            let set = TrustedSet::resume(gun.clone(), now, expiry, pin.clone(), self.cached)
                .map(|set| set.with_rules(self.rules));
            let set =
                self.note(&role, true, set.map_err(StepError::from), TrustedSet::root_version);
            known = Some(set.ok()?);
        }
        if self.source == Source::Cache {
            return known;
        }
        let raw = self.notary.file(&role, FileVersion::Current, self.rules.bounds.root).await;
        let raw = match raw {
            Ok(raw) => raw,
            Err(error) => {
                self.fail(&role, error);
                return known;
            }
        };
        let Some(mut set) = known else {
            let set = TrustedSet::first_use(gun.clone(), now, expiry, pin, &raw)
                .map(|set| set.with_rules(self.rules));
            return self
                .note(&role, false, set.map_err(StepError::from), TrustedSet::root_version)
                .ok();
        };
        let offered = version::<Root>(&role, &raw);
        let trusted = set.root_version();
        if self.rules.root_walk == RootWalk::Notary
            && offered.is_some_and(|offered| offered > trusted.saturating_add(1))
            && set.accept_root(&raw).is_ok()
        {
            let outcome = Ok(set.root_version());
            self.steps.push(Step { role, cached: false, outcome });
            return Some(set);
        }
        for number in
            trusted.saturating_add(1)..offered.unwrap_or(trusted).min(trusted + MOST_ROOTS)
        {
            let file = FileVersion::Number(number);
            match self.notary.file(&role, file, self.rules.bounds.root).await {
                Ok(between) => {
                    let step = set.accept_root(&between).map_err(StepError::from);
                    let stops = step.is_err();
                    self.steps.push(Step {
                        role: role.clone(),
                        cached: false,
                        outcome: step.map(|_| number),
                    });
                    if stops {
                        return Some(set);
                    }
                }
                Err(error) => {
                    self.fail(&role, error);
                    return Some(set);
                }
            }
        }
        let step = set.accept_root(&raw).map_err(StepError::from);
        let outcome = step.map(|_: RootStep| offered.unwrap_or(trusted));
        self.steps.push(Step { role, cached: false, outcome });
        Some(set)
    }

    async fn below(&mut self, set: &mut TrustedSet) -> Result<(), Stopped> {
        let role = RoleName::Timestamp;
        let raw = match self.source {
            Source::Cache | Source::Folder => {
                self.cached.get(&role).cloned().ok_or(StepError::NotCached)
            }
            Source::Server => {
                let file = self
                    .notary
                    .file(&role, FileVersion::Current, self.rules.bounds.timestamp)
                    .await;
                file.map_err(StepError::from)
            }
        };
        let cached = self.source == Source::Cache;
        let accepted = raw.and_then(|raw| {
            set.accept_timestamp(&raw)?;
            Ok(version::<crate::tuf::TimestampFile>(&role, &raw).unwrap_or_default())
        });
        self.note(&role, cached, accepted, |version| *version)?;
        let role = RoleName::Snapshot;
        let wanted = set.wanted_snapshot().map_err(StepError::from);
        let wanted = self.note_failure(&role, wanted)?;
        let (raw, cached) = self.fetch(&wanted).await?;
        let accepted = set.accept_snapshot(&raw).map_err(StepError::from);
        let accepted =
            accepted.map(|()| version::<crate::tuf::Snapshot>(&role, &raw).unwrap_or_default());
        self.note(&role, cached, accepted, |version| *version)?;
        let mut seen = BTreeSet::new();
        loop {
            let wanted = set.wanted_targets().map_err(StepError::from);
            let wanted = self.note_failure(&RoleName::Targets, wanted)?;
            let fresh: Vec<Wanted> =
                wanted.into_iter().filter(|wanted| seen.insert(wanted.role.clone())).collect();
            if fresh.is_empty() {
                return Ok(());
            }
            for wanted in fresh {
                let outcome = self.targets(set, &wanted).await;
                // Behind a delegation that is refused there may be others that are not.
                if !wanted.role.is_delegation() {
                    outcome?;
                }
            }
        }
    }

    async fn targets(&mut self, set: &mut TrustedSet, wanted: &Wanted) -> Result<(), Stopped> {
        let role = &wanted.role;
        let (raw, cached) = self.fetch(wanted).await?;
        let accepted = set.accept_targets(role, &raw).map_err(StepError::from);
        let accepted = accepted.map(|()| version::<Targets>(role, &raw).unwrap_or_default());
        self.note(role, cached, accepted, |version| *version).map(|_| ())
    }

    async fn fetch(&mut self, wanted: &Wanted) -> Result<(Vec<u8>, bool), Stopped> {
        let role = &wanted.role;
        let cached = self.cached.get(role).filter(|raw| Sha256Hash::of(raw) == wanted.sha256);
        if let Some(raw) = cached {
            return Ok((raw.clone(), true));
        }
        if self.source == Source::Cache {
            return Err(self.fail(role, StepError::NotCached));
        }
        let version = FileVersion::Hash(wanted.sha256);
        match self.notary.file(role, version, wanted.length).await {
            Ok(raw) => Ok((raw, false)),
            Err(error) => Err(self.fail(role, error)),
        }
    }

    fn note<T>(
        &mut self,
        role: &RoleName,
        cached: bool,
        outcome: Result<T, StepError>,
        version: impl Fn(&T) -> u64,
    ) -> Result<T, Stopped> {
        match outcome {
            Ok(value) => {
                let outcome = Ok(version(&value));
                self.steps.push(Step { role: role.clone(), cached, outcome });
                Ok(value)
            }
            Err(error) => {
                self.steps.push(Step { role: role.clone(), cached, outcome: Err(error) });
                Err(Stopped)
            }
        }
    }

    fn note_failure<T>(
        &mut self,
        role: &RoleName,
        outcome: Result<T, StepError>,
    ) -> Result<T, Stopped> {
        outcome.map_err(|error| self.fail(role, error))
    }

    fn fail(&mut self, role: &RoleName, error: impl Into<StepError>) -> Stopped {
        self.steps.push(Step { role: role.clone(), cached: false, outcome: Err(error.into()) });
        Stopped
    }
}

fn version<T: Document>(role: &RoleName, raw: &[u8]) -> Option<u64> {
    Some(Signed::<T>::parse(role, raw).ok()?.unverified().header().version)
}

/// Looks at every key file, and for keys that nothing published uses: neither the repositories of
/// these reports nor any whose trust data is cached.
pub fn keys(context: &Context, reports: &[Report]) -> Result<Vec<KeyRemark>, StoreError> {
    let store = context.trust_dir.keys()?;
    let list = store.list()?;
    let used = used_keys(context, reports)?;
    let mut remarks: Vec<KeyRemark> = list
        .unusable
        .into_iter()
        .map(|(path, reason)| KeyRemark::Unusable { path, reason })
        .collect();
    for key in list.keys {
        remarks.extend(mismatch(&store, &key));
        let is_used = used.contains(&key.id);
        if key.mode_too_open {
            remarks.push(KeyRemark::TooOpen(key.clone()));
        }
        if !is_used {
            remarks.push(KeyRemark::Orphan(key));
        }
    }
    Ok(remarks)
}

/// What an unencrypted file holds can be looked at without asking anybody.
fn mismatch(store: &KeyStore, key: &KeyInfo) -> Option<KeyRemark> {
    if key.encrypted {
        return None;
    }
    let path = key.path.clone();
    let opened = store.read(&key.id).map_err(|error| error.to_string());
    let opened = opened
        .and_then(|block| block.decrypt(None).map_err(|error: KeyFileError| error.to_string()));
    match opened {
        Ok(private) if private.id() == key.id => None,
        Ok(private) => Some(KeyRemark::Mismatch { path, found: private.id() }),
        Err(reason) => Some(KeyRemark::Unusable { path, reason }),
    }
}

/// Canonical ids of all keys that repositories known on this machine list. The cache is taken at
/// its word: it only decides what is said to be unused.
fn used_keys(context: &Context, reports: &[Report]) -> Result<BTreeSet<KeyId>, StoreError> {
    let states = reports.iter().filter_map(|report| report.health.as_ref());
    let keys = states.flat_map(|health| &health.roles).flat_map(|state| &state.keys);
    let mut used: BTreeSet<KeyId> = keys.filter_map(|key| key.canonical.clone()).collect();
    for gun in context.trust_dir.guns()? {
        let Ok(files) = context.trust_dir.metadata(&gun).read() else { continue };
        for (role, raw) in &files {
            let keys = match role {
                RoleName::Root => Signed::<Root>::parse(role, raw)
                    .map(|file| file.unverified().keys.values().cloned().collect::<Vec<_>>()),
                role if role.is_targets() => Signed::<Targets>::parse(role, raw).map(|file| {
                    file.unverified().delegations.keys.values().cloned().collect::<Vec<_>>()
                }),
                _ => continue,
            };
            let keys = keys.unwrap_or_default();
            used.extend(keys.iter().filter_map(|key| key.canonical_id().ok()));
        }
    }
    Ok(used)
}

/// Most roots that are shown on the way to the newest: more tell nothing more.
const MOST_ROOTS: u64 = 64;
