//! Bringing what is known of a repository up to date: the loop that feeds a
//! [`TrustedSet`] from the network and the cache.
//!
//! The order is Notary's (notary.md §4.2): timestamp, snapshot, targets; the root only when
//! something does not fit. Nothing is stored before the whole chain is accepted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::actions::context::{ConnectionError, Context};
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryClient, NotaryError, TransportError};
use crate::clock::Timestamp;
use crate::limits::{MAX_ROOT_BYTES, MAX_ROOT_ROTATIONS, MAX_TIMESTAMP_BYTES, MAX_VERSION};
use crate::store::StoreError;
use crate::tuf::metadata::{MetadataError, Root, Signed, TimestampFile};
use crate::tuf::trusted::{Expiry, RootStep, TrustedRepository, TrustedSet, UpdateError, Wanted};
use crate::tuf::{Gun, Pin, RoleName};

/// Where the answer is to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// The trust server; the cache saves downloads.
    #[default]
    Server,
    /// The cache alone, which must still be fresh.
    Cache,
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
    /// The server has nothing on this repository, and nothing was known before.
    #[error("{server} does not have trust data for {gun}")]
    NoTrustData {
        /// Host of the trust server.
        server: String,
        /// The repository.
        gun: Gun,
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
}

/// Brings a repository up to date for somebody who reads, and caches what was accepted.
pub async fn refresh(
    context: &Context,
    gun: &Gun,
    source: Source,
) -> Result<Updated, RefreshError> {
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
    let now = context.clock.now();
    let pin = context.pinning.rule(gun);
    let update = Update { gun, notary, source, expiry, cached: &cached };
    let set = update.anchor(now, expiry, pin).await?;
    let trusted = update.chain(set).await?;
    let not_cached = cache.commit(&trusted.files(), &[]).err();
    Ok(Updated { trusted, not_cached })
}

struct Update<'a> {
    gun: &'a Gun,
    notary: &'a NotaryClient,
    source: Source,
    expiry: Expiry,
    cached: &'a BTreeMap<RoleName, Vec<u8>>,
}

impl Update<'_> {
    async fn anchor(
        &self,
        now: Timestamp,
        expiry: Expiry,
        pin: Pin,
    ) -> Result<TrustedSet, RefreshError> {
        let gun = self.gun.clone();
        if self.cached.contains_key(&RoleName::Root) {
            return TrustedSet::resume(gun.clone(), now, expiry, pin, self.cached)
                .map_err(|cause| RefreshError::BadAnchor { gun, cause });
        }
        if self.source == Source::Cache {
            return Err(RefreshError::NotCached { gun });
        }
        let root = self.notary.file(&RoleName::Root, FileVersion::Current, MAX_ROOT_BYTES).await;
        let root = match root {
            Err(NotaryError::NotFound { server, seen: NotFoundBody::Notary, .. }) => {
                return Err(RefreshError::NoTrustData { server, gun });
            }
            other => other?,
        };
        TrustedSet::first_use(gun, now, expiry, pin, &root).map_err(|cause| self.refused(cause))
    }

    /// Takes the chain below the root; if something does not fit, takes newer roots and tries
    /// again.
    async fn chain(&self, mut set: TrustedSet) -> Result<TrustedRepository, RefreshError> {
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
            let files = try_join_all(wanted.into_iter().map(|wanted| self.by_hash(wanted))).await?;
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
        let current = self.notary.file(&role, FileVersion::Current, MAX_TIMESTAMP_BYTES).await;
        // A server of the reference has no answer once a snapshot that is not its to sign has
        // expired (notary.md §3.5), which its owner must be able to sign again all the same.
        if let Err(NotaryError::Transport(TransportError::Status { status: 500, .. })) = &current
            && self.expiry == Expiry::Remembered
            && let Some(last) = self.last_timestamp().await
        {
            return Ok(last);
        }
        current.map_err(|error| match error {
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
        self.notary.file(&RoleName::Timestamp, number, MAX_TIMESTAMP_BYTES).await.ok()
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
        match self.notary.file(&wanted.role, version, wanted.length).await {
            Ok(raw) => Ok((wanted.role, Cow::Owned(raw))),
            Err(NotaryError::Transport(TransportError::TooLarge { .. })) => {
                let listed = wanted.length;
                let got = listed.saturating_add(1);
                Err(self.refused(UpdateError::Length { role: wanted.role, listed, got }))
            }
            Err(cause @ NotaryError::NotFound { seen: NotFoundBody::Notary, .. }) => {
                let (gun, role) = (self.gun.clone(), wanted.role);
                Err(RefreshError::Withheld { gun, role, cause })
            }
            Err(error) => Err(error.into()),
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
        let newest = self.notary.file(&role, version, MAX_ROOT_BYTES).await?;
        let offered = Signed::<Root>::parse(&role, &newest)
            .map_err(|cause: MetadataError| {
                self.refused(UpdateError::Metadata { role: role.clone(), cause: Box::new(cause) })
            })?
            .unverified()
            .header
            .version;
        let behind = offered.saturating_sub(set.root_version());
        if behind > MAX_ROOT_ROTATIONS {
            return Err(RefreshError::TooManyRoots { gun: self.gun.clone(), behind });
        }
        for version in set.root_version().saturating_add(1)..offered {
            let between = self.notary.file(&role, FileVersion::Number(version), MAX_ROOT_BYTES);
            let between = match between.await {
                Err(NotaryError::NotFound { .. }) => {
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
