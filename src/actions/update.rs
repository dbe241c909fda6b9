//! Bringing what is known of a repository up to date: the loop that feeds a
//! [`TrustedSet`] from the network and the cache.
//!
//! The order is Notary's (notary.md §4.2): timestamp, snapshot, targets; the root only when
//! something does not fit. Nothing is stored before the whole chain is accepted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::rescue::Shelf;
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryClient, NotaryError, TransportError};
use crate::clock::Timestamp;
use crate::limits::MAX_VERSION;
use crate::store::StoreError;
use crate::store::rescue::RescueFolderError;
use crate::tuf::metadata::{MetadataError, Root, Signed, TimestampFile};
use crate::tuf::rules::{RootWalk, Rules};
use crate::tuf::trusted::{
    Expiry, Note, RootStep, TrustedRepository, TrustedSet, Unpublished, UpdateError, Wanted,
};
use crate::tuf::{Gun, Pin, RoleName};

/// Most files asked for at the same time.
const MAX_AT_ONCE: usize = 16;

/// Where the answer is to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// The trust server; the cache saves downloads.
    #[default]
    Server,
    /// The cache alone, which must still be fresh.
    Cache,
    /// What was rescued ([`crate::actions::context::Connections::archive`]), as if a server had it.
    /// The cache keeps older files from being believed, and is not written.
    Folder,
}

/// What an update gave.
#[derive(Debug)]
pub struct Updated {
    /// The accepted chain.
    pub trusted: TrustedRepository,
    /// The cache could not be written: the next update begins where this one did.
    pub not_cached: Option<StoreError>,
}

/// Why what is known could not be brought up to date. The cache is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The server has nothing on this repository, and nothing was known before, or only what was
    /// set up on this machine and never published.
    #[error("{server} does not have trust data for {gun}")]
    NoTrustData {
        /// Host of the trust server.
        server: String,
        /// The repository.
        gun: Gun,
        /// It was set up on this machine.
        set_up_here: bool,
    },
    /// The server no longer has what it had.
    #[error("the trust data of {gun} was there before and is gone from the server")]
    Gone {
        /// The repository.
        gun: Gun,
        /// What the server answered.
        #[source]
        cause: NotaryError,
    },
    /// The server does not hand out a file that its own metadata names.
    #[error("the trust server withholds the {role} metadata of {gun} that it announces")]
    Withheld {
        /// The repository.
        gun: Gun,
        /// Whose file.
        role: RoleName,
        /// What the server answered.
        #[source]
        cause: NotaryError,
    },
    /// Nothing is cached, and the server was not to be asked.
    #[error("nothing is cached of {gun}, so nothing can be said of it offline")]
    NotCached {
        /// The repository.
        gun: Gun,
    },
    /// The cache answers only as long as a server confirmed it not too long ago.
    #[error("{}", stale(gun, confirmed.as_ref(), *limit))]
    TooStale {
        /// The repository.
        gun: Gun,
        /// When a server last confirmed what is cached, if that is known.
        confirmed: Option<Timestamp>,
        /// How long that may be ago.
        limit: SignedDuration,
    },
    /// The cached root, the anchor of all trust, does not verify.
    #[error("the cached root of {gun} is damaged")]
    BadAnchor {
        /// The repository.
        gun: Gun,
        /// What is wrong with it.
        #[source]
        cause: UpdateError,
    },
    /// What was offered breaks a rule.
    #[error("the trust data of {gun} is refused")]
    Refused {
        /// The repository.
        gun: Gun,
        /// Which rule.
        #[source]
        cause: UpdateError,
    },
    /// A root between the trusted and the newest one is not to be had, so the chain is broken.
    #[error("the trust server lacks root version {version} of {gun}")]
    MissingRoot {
        /// The repository.
        gun: Gun,
        /// The version.
        version: u64,
    },
    /// More root rotations than are followed in one go.
    #[error("the root of {gun} is {behind} versions ahead, more than are followed")]
    TooManyRoots {
        /// The repository.
        gun: Gun,
        /// Versions between the trusted and the offered root.
        behind: u64,
    },
    /// The server did not answer, or not with what was asked for.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The cache cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rescue folder cannot be read.
    #[error(transparent)]
    Folder(#[from] RescueFolderError),
}

/// Brings a repository up to date for somebody who reads, and caches what was accepted.
pub async fn refresh(
    context: &Context,
    gun: &Gun,
    source: Source,
) -> Result<Updated, RefreshError> {
    if source == Source::Folder {
        return from_folder(context, gun).await;
    }
    let notary = context.connections.notary(gun, "pull")?;
    update(context, gun, &notary, source, Expiry::Enforced).await
}

/// Brings a repository up to date through a connection at hand, and caches what was accepted.
pub async fn update(
    context: &Context,
    gun: &Gun,
    notary: &NotaryClient,
    source: Source,
    expiry: Expiry,
) -> Result<Updated, RefreshError> {
    let cache = context.trust_dir.metadata(gun);
    let cached = cache.read()?;
    let confirmed = cache.last_update();
    let clock = context.clock.now();
    // What was fresh then is accepted no longer by turning the clock back.
    let now = confirmed.map_or(clock, |confirmed| confirmed.max(clock));
    if source == Source::Cache
        && cached.contains_key(&RoleName::Root)
        && let Some(limit) = context.strictness.max_staleness
        && confirmed.is_none_or(|confirmed| now.duration_since(confirmed) > limit)
    {
        return Err(RefreshError::TooStale { gun: gun.clone(), confirmed, limit });
    }
    let pin = context.pinning.rule(gun);
    let rules = context.strictness.rules;
    let origin = Origin::Server(notary);
    let update = Update { gun, origin, source, expiry, cached: &cached, rules };
    let set = update.anchor(now, expiry, pin).await?;
    let mut trusted = update.chain(set).await?;
    note_clock(&mut trusted, clock, now);
    let mut not_cached = cache.commit(&trusted.files(), &[]).err();
    if source == Source::Server && not_cached.is_none() && trusted.expired().is_empty() {
        not_cached = cache.record_update(now).err();
    }
    Ok(Updated { trusted, not_cached })
}

/// Answers from a rescue folder: by all the rules, from the cached root if there is one, and never
/// with anything older than what is cached. The cache stays as it is.
async fn from_folder(context: &Context, gun: &Gun) -> Result<Updated, RefreshError> {
    let archive = context.connections.archive.as_ref();
    let archive = archive.ok_or_else(|| RefreshError::NotCached { gun: gun.clone() })?;
    let cache = context.trust_dir.metadata(gun);
    let cached = cache.read()?;
    let clock = context.clock.now();
    let now = cache.last_update().map_or(clock, |confirmed| confirmed.max(clock));
    let shelf = Shelf::read(archive, gun, cached.get(&RoleName::Root).map(Vec::as_slice))?;
    let (source, expiry, rules) = (Source::Folder, archive.expiry, context.strictness.rules);
    let update =
        Update { gun, origin: Origin::Folder(&shelf), source, expiry, cached: &cached, rules };
    let set = update.anchor(now, expiry, context.pinning.rule(gun)).await?;
    let mut trusted = update.chain(set).await?;
    note_clock(&mut trusted, clock, now);
    Ok(Updated { trusted, not_cached: None })
}

fn note_clock(trusted: &mut TrustedRepository, clock: Timestamp, now: Timestamp) {
    if now.duration_since(clock) > CLOCK_TOLERANCE {
        trusted.note(Note::ClockBehind { clock, seen: now });
    }
}

/// When a server last confirmed what is cached of a repository, to the hour; `None` if it was
/// never asked, or by another program.
pub fn last_confirmed(context: &Context, gun: &Gun) -> Option<Timestamp> {
    context.trust_dir.metadata(gun).last_update()
}

fn stale(gun: &Gun, confirmed: Option<&Timestamp>, limit: SignedDuration) -> String {
    let hours = limit.as_hours();
    match confirmed {
        Some(confirmed) => format!(
            "what is cached of {gun} was last confirmed at {confirmed}, longer ago than the \
             {hours} hours allowed"
        ),
        None => format!(
            "it is not known when what is cached of {gun} was confirmed last, and {hours} hours \
             are allowed"
        ),
    }
}

/// How far the clock may be behind the last update before it is told.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What has the files that are not cached.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Server(&'a NotaryClient),
    Folder(&'a Shelf),
}

struct Update<'a> {
    gun: &'a Gun,
    origin: Origin<'a>,
    source: Source,
    expiry: Expiry,
    cached: &'a BTreeMap<RoleName, Vec<u8>>,
    rules: Rules,
}

impl Update<'_> {
    async fn file(
        &self,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<Vec<u8>, NotaryError> {
        match self.origin {
            Origin::Server(notary) => notary.file(role, version, limit).await,
            Origin::Folder(shelf) => shelf.file(role, version),
        }
    }

    async fn anchor(
        &self,
        now: Timestamp,
        expiry: Expiry,
        pin: Pin,
    ) -> Result<TrustedSet, RefreshError> {
        let gun = self.gun.clone();
        if self.cached.contains_key(&RoleName::Root) {
            return TrustedSet::resume(gun.clone(), now, expiry, pin, self.cached)
                .map(|set| set.with_rules(self.rules))
                .map_err(|cause| RefreshError::BadAnchor { gun, cause });
        }
        if self.source == Source::Cache {
            return Err(RefreshError::NotCached { gun });
        }
        let limit = self.rules.bounds.root;
        let root = self.file(&RoleName::Root, FileVersion::Current, limit).await;
        let root = match root {
            Err(NotaryError::NotFound { server, seen: NotFoundBody::Notary, .. }) => {
                return Err(RefreshError::NoTrustData { server, gun, set_up_here: false });
            }
            other => other?,
        };
        TrustedSet::first_use(gun, now, expiry, pin, &root)
            .map(|set| set.with_rules(self.rules))
            .map_err(|cause| self.refused(cause))
    }

    /// Takes the chain below the root; if something does not fit, takes newer roots and tries
    /// again.
    async fn chain(&self, mut set: TrustedSet) -> Result<TrustedRepository, RefreshError> {
        let mut rounds: u64 = 0;
        loop {
            let error = match self.below_root(&mut set).await {
                Ok(()) => return set.finish().map_err(|cause| self.refused(cause)),
                Err(RefreshError::Refused { cause, .. }) => cause,
                Err(other) => return Err(other),
            };
            let listed = match &error {
                UpdateError::RootBehind { wanted, .. } => Some(wanted.clone()),
                UpdateError::Signatures(_) => None,
                _ => return Err(self.refused(error)),
            };
            if self.source == Source::Cache {
                return Err(self.refused(error));
            }
            // A server may have one root more each time, or, where versions need not grow, go
            // round in circles.
            rounds += 1;
            if rounds > self.rules.bounds.rotations {
                return Err(RefreshError::TooManyRoots { gun: self.gun.clone(), behind: rounds });
            }
            tracing::debug!("looking for a newer root of {}: {error}", self.gun);
            if self.advance_root(&mut set, listed).await? == RootStep::Unchanged {
                return Err(self.refused(error));
            }
        }
    }

    async fn below_root(&self, set: &mut TrustedSet) -> Result<(), RefreshError> {
        let timestamp = self.timestamp().await?;
        set.accept_timestamp(&timestamp).map_err(|cause| self.refused(cause))?;
        let wanted = set.wanted_snapshot().map_err(|cause| self.refused(cause))?;
        let (_, snapshot) = self.by_hash(wanted).await?;
        set.accept_snapshot(&snapshot).map_err(|cause| self.refused(cause))?;
        loop {
            let wanted = set.wanted_targets().map_err(|cause| self.refused(cause))?;
            if wanted.is_empty() {
                return Ok(());
            }
            let files = wanted.into_iter().map(|wanted| self.by_hash(wanted));
            // A thousand connections at once would serve nobody.
            let files: Vec<_> = stream::iter(files).buffered(MAX_AT_ONCE).try_collect().await?;
            for (role, raw) in files {
                set.accept_targets(&role, &raw).map_err(|cause| self.refused(cause))?;
            }
        }
    }

    async fn timestamp(&self) -> Result<Vec<u8>, RefreshError> {
        let role = RoleName::Timestamp;
        if self.source == Source::Cache {
            let cached = self.cached.get(&role).cloned();
            return cached.ok_or_else(|| RefreshError::NotCached { gun: self.gun.clone() });
        }
        let limit = self.rules.bounds.timestamp;
        let current = self.file(&role, FileVersion::Current, limit).await;
        // A server of the reference has no answer once a snapshot that is not its to sign has
        // expired (notary.md §3.5), which its owner must be able to sign again all the same.
        if let Err(NotaryError::Transport(TransportError::Status { status: 500, .. })) = &current
            && self.expiry == Expiry::Remembered
            && let Some(last) = self.last_timestamp().await
        {
            return Ok(last);
        }
        current.map_err(|error| match error {
            NotaryError::NotFound { server, seen: NotFoundBody::Notary, .. }
                if Unpublished::is_in(self.cached) =>
            {
                RefreshError::NoTrustData { server, gun: self.gun.clone(), set_up_here: true }
            }
            NotaryError::NotFound { seen: NotFoundBody::Notary, .. } => {
                RefreshError::Gone { gun: self.gun.clone(), cause: error }
            }
            other => other.into(),
        })
    }

    /// The timestamp that was made last, found by the numbers that there are: each is one above the
    /// one before.
    async fn last_timestamp(&self) -> Option<Vec<u8>> {
        let role = RoleName::Timestamp;
        let cached = self.cached.get(&role).and_then(|raw| {
            let file = Signed::<TimestampFile>::parse(&role, raw).ok()?;
            Some(file.unverified().header.version)
        });
        let (mut there, mut step) = (cached.unwrap_or(1), 1_u64);
        let mut last = self.numbered_timestamp(there).await?;
        let mut absent = None;
        while absent.is_none_or(|absent| there + 1 < absent) {
            let next = match absent {
                None => there.saturating_add(step),
                Some(absent) => there + (absent - there) / 2,
            };
            if next > MAX_VERSION {
                return None;
            }
            match self.numbered_timestamp(next).await {
                Some(raw) => (last, there) = (raw, next),
                None => absent = Some(next),
            }
            step = step.saturating_mul(2);
        }
        Some(last)
    }

    async fn numbered_timestamp(&self, version: u64) -> Option<Vec<u8>> {
        let number = FileVersion::Number(version);
        self.file(&RoleName::Timestamp, number, self.rules.bounds.timestamp).await.ok()
    }

    /// The file of this hash: the cached one if it is that, else the server's.
    async fn by_hash(&self, wanted: Wanted) -> Result<(RoleName, Cow<'_, [u8]>), RefreshError> {
        let cached = self.cached.get(&wanted.role);
        if let Some(raw) = cached
            && crate::crypto::Sha256Hash::of(raw) == wanted.sha256
        {
            return Ok((wanted.role, Cow::Borrowed(raw.as_slice())));
        }
        if self.source == Source::Cache {
            return Err(RefreshError::NotCached { gun: self.gun.clone() });
        }
        let version = FileVersion::Hash(wanted.sha256);
        match self.file(&wanted.role, version, wanted.length).await {
            Ok(raw) => Ok((wanted.role, Cow::Owned(raw))),
            Err(NotaryError::Transport(TransportError::TooLarge { .. })) => {
                let listed = wanted.length;
                let got = listed.saturating_add(1);
                Err(self.refused(UpdateError::Length { role: wanted.role, listed, got }))
            }
            Err(error) => Err(self.not_handed_out(&wanted.role, error)),
        }
    }

    /// A file that must be there and that the server says it does not have.
    fn not_handed_out(&self, role: &RoleName, cause: NotaryError) -> RefreshError {
        match cause {
            NotaryError::NotFound { seen: NotFoundBody::Notary, .. } => {
                RefreshError::Withheld { gun: self.gun.clone(), role: role.clone(), cause }
            }
            other => other.into(),
        }
    }

    /// Follows the roots one by one to the newest, or to the one the snapshot lists.
    async fn advance_root(
        &self,
        set: &mut TrustedSet,
        listed: Option<Wanted>,
    ) -> Result<RootStep, RefreshError> {
        let version = match &listed {
            Some(wanted) => FileVersion::Hash(wanted.sha256),
            None => FileVersion::Current,
        };
        let role = RoleName::Root;
        let newest = self.file(&role, version, self.rules.bounds.root).await;
        let newest = newest.map_err(|error| self.not_handed_out(&role, error))?;
        let offered = Signed::<Root>::parse(&role, &newest)
            .map_err(|cause: MetadataError| {
                self.refused(UpdateError::Metadata { role: role.clone(), cause: Box::new(cause) })
            })?
            .unverified()
            .header
            .version;
        let behind = offered.saturating_sub(set.root_version());
        if behind > self.rules.bounds.rotations {
            return Err(RefreshError::TooManyRoots { gun: self.gun.clone(), behind });
        }
        if behind > 1 && self.rules.root_walk == RootWalk::Notary {
            // As the reference: one that the trusted root signed needs none in between.
            match set.accept_root(&newest) {
                Err(UpdateError::RootNotVouchedFor { .. }) => {}
                step => return step.map_err(|cause| self.refused(cause)),
            }
        }
        for version in set.root_version().saturating_add(1)..offered {
            let limit = self.rules.bounds.root;
            let between = self.file(&role, FileVersion::Number(version), limit);
            let between = match between.await {
                Err(NotaryError::NotFound { seen: NotFoundBody::Notary, .. }) => {
                    return Err(RefreshError::MissingRoot { gun: self.gun.clone(), version });
                }
                other => other?,
            };
            set.accept_root(&between).map_err(|cause| self.refused(cause))?;
        }
        set.accept_root(&newest).map_err(|cause| self.refused(cause))
    }

    fn refused(&self, cause: UpdateError) -> RefreshError {
        RefreshError::Refused { gun: self.gun.clone(), cause }
    }
}
