//! Changing a repository: bring it up to date, edit, sign, publish; again if somebody was faster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::actions::contention::Contention;
use crate::actions::context::{ConnectionError, Context};
use crate::actions::initialize::{self, InitializeError, Plan};
use crate::actions::keys::rotate::{Earlier, settle};
use crate::actions::proposals::{Progress, Settled};
use crate::actions::unlock::{UnlockError, unlock};
use crate::actions::update::{RefreshError, Source, Updated, update};
use crate::client::{FileVersion, NotaryClient, NotaryError};
use crate::clock::Timestamp;
use crate::crypto::secret::PassphraseError;
use crate::crypto::{KeyId, PrivateKey};
use crate::limits::MAX_LEARNED_VERSION;
use crate::store::trust_dir::RepositoryLock;
use crate::store::{KeyStore, StoreError};
use crate::tuf::editor::{Draft, EditError, Need, Publication};
use crate::tuf::health::{Finding, Horizon, root_findings};
use crate::tuf::metadata::{Root, Signed, Targets};
use crate::tuf::trusted::{Expiry, TrustedRepository, Unpublished, UpdateError};
use crate::tuf::verify::{RoleKeys, Verified};
use crate::tuf::{Gun, RoleName};
use crate::wire::signed_push::SignedPush;

/// How long to wait for another process that changes the same repository.
const LOCK_WAIT: Duration = Duration::from_mins(1);
/// How long to wait before looking again.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What a change came to.
#[derive(Debug)]
pub struct Published {
    /// What was signed and accepted by the server; nothing when there was nothing to change.
    pub publication: Option<Publication>,
    /// The repository did not exist before.
    pub initialized: Option<initialize::Initialized>,
    /// Root keys that were believed unseen: nothing was known of the repository before.
    pub first_contact: Option<Vec<KeyId>>,
    /// Roles whose metadata had expired and was signed again.
    pub renewed: Vec<RoleName>,
    /// Delegations that have expired and were left so, for their keys are not here.
    pub still_expired: Vec<RoleName>,
    /// What of the root is about to expire and was not renewed along with this.
    pub foreseen: Vec<Finding>,
    /// Members of metadata that this program does not know and that were lost in signing.
    pub dropped_members: Vec<String>,
    /// Roles whose next file waits for the signatures of others: nobody sees it yet.
    pub proposed: Vec<Progress>,
    /// Roles that were to be changed and were not: a role above them waits for signatures first.
    pub postponed: Vec<RoleName>,
    /// Roles whose file others had signed before, and that our signatures completed.
    pub completed: Vec<RoleName>,
    /// What a person should know about what only pretends to be a proposal.
    pub warnings: Vec<String>,
    /// The metadata cache could not be written.
    pub not_cached: Option<StoreError>,
    /// A key rotation that was found under way, and what became of it.
    pub rotation: Option<Earlier>,
    /// The image went to the registry along with it, tag and all.
    pub pushed: bool,
}

/// What a change must be asked about first.
pub trait Facts {
    /// An image that the server takes along with what is signed of it, all or nothing.
    fn image(&self) -> Option<&SignedPush> {
        None
    }
}

impl Facts for () {}

impl Published {
    fn with(self, settled: Settled) -> Self {
        let Settled { proposed, postponed, completed, warnings } = settled;
        let mut renewed = self.renewed;
        // What waits is not renewed.
        let files = self.publication.as_ref().map(|publication| &publication.files);
        renewed.retain(|role| files.is_some_and(|files| files.contains_key(role)));
        Self { renewed, proposed, postponed, completed, warnings, ..self }
    }

    /// How far a role's next file is, if it still waits for signatures.
    pub fn waits(&self, role: &RoleName) -> Option<&Progress> {
        self.proposed.iter().find(|progress| progress.role == *role)
    }
}

/// Why a change was not published. The server has the old state, or, after a network failure
/// during the upload, perhaps the new one; never half of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// What is published now could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The repository cannot be set up.
    #[error(transparent)]
    Initialize(#[from] InitializeError),
    /// The change cannot be made or signed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Metadata that is not ours to sign again has expired, so nobody could use what we sign.
    #[error("the {role} metadata of {gun} expired on {since}, and none of its keys is here")]
    ExpiredAbove {
        /// The repository.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// When.
        since: Timestamp,
        /// Canonical ids of the keys that can sign it again.
        candidates: Vec<KeyId>,
    },
    /// What was set up on this machine, and is not published yet, does not verify.
    #[error("the trust data of {gun} on this machine, which is not published yet, is damaged")]
    BadUnpublished {
        /// The repository.
        gun: Gun,
        /// What is wrong with it.
        #[source]
        cause: UpdateError,
    },
    /// The server refuses everything, for the certificate of the root that it has stored is out of
    /// date (notary.md §3.4).
    #[error("the root certificate of {gun} is out of date, and the trust server takes no change")]
    RootOutOfDate {
        /// The repository.
        gun: Gun,
        /// What the server says.
        #[source]
        cause: NotaryError,
    },
    /// Others publish faster than we can.
    #[error("others published to {gun} {attempts} times while this change was made")]
    TooBusy {
        /// The repository.
        gun: Gun,
        /// How often it was tried.
        attempts: u32,
    },
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// A key cannot be opened, or is not to be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// Keys or lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a repository with `edit` and publishes it in one go. `edit` is called again on newer
/// metadata if somebody else published in between, so it must say what is wanted, not count on
/// what it saw. `plan` sets up a repository that the server does not know; without one that is
/// an error.
pub async fn publish<E>(
    context: &Context,
    gun: &Gun,
    plan: Option<&Plan>,
    mut edit: impl FnMut(&mut Draft, Option<&TrustedRepository>) -> Result<(), E>,
) -> Result<Published, E>
where
    E: From<PublishError>,
{
    let nothing = async { Ok(()) };
    publish_with(context, gun, plan, nothing, |draft, trusted, ()| edit(draft, trusted)).await
}

/// Publishes as [`publish`] does a change that something else must be asked about first: `facts`
/// is learned while the trust server answers. What is wrong with it is told before what is wrong
/// with the repository, and before a repository is set up.
pub async fn publish_with<F: Facts, E>(
    context: &Context,
    gun: &Gun,
    plan: Option<&Plan>,
    facts: impl Future<Output = Result<F, E>>,
    edit: impl FnMut(&mut Draft, Option<&TrustedRepository>, &F) -> Result<(), E>,
) -> Result<Published, E>
where
    E: From<PublishError>,
{
    let lock = hold(context, gun).await.map_err(PublishError::from)?;
    publish_held(context, gun, &lock, plan, facts, edit).await
}

/// Publishes as [`publish_with`] does, under a lock that the caller holds and keeps.
pub(super) async fn publish_held<F: Facts, E>(
    context: &Context,
    gun: &Gun,
    lock: &RepositoryLock,
    plan: Option<&Plan>,
    facts: impl Future<Output = Result<F, E>>,
    edit: impl FnMut(&mut Draft, Option<&TrustedRepository>, &F) -> Result<(), E>,
) -> Result<Published, E>
where
    E: From<PublishError>,
{
    let unlocked = BTreeMap::new();
    let work = publish_locked(context, gun, plan, lock, unlocked, facts, edit);
    let mut published = Box::pin(work).await?;
    published.rotation = settle(context, gun).unwrap_or_else(|error| {
        tracing::debug!("the rotation under way in {gun} is not settled: {error}");
        None
    });
    Ok(published)
}

/// Publishes as [`publish_held`] does, with keys that are open already, and leaves a rotation that
/// is under way to the caller.
pub(super) async fn publish_locked<F: Facts, E>(
    context: &Context,
    gun: &Gun,
    plan: Option<&Plan>,
    _lock: &RepositoryLock,
    unlocked: BTreeMap<KeyId, PrivateKey>,
    facts: impl Future<Output = Result<F, E>>,
    mut edit: impl FnMut(&mut Draft, Option<&TrustedRepository>, &F) -> Result<(), E>,
) -> Result<Published, E>
where
    E: From<PublishError>,
{
    let notary = context.connections.notary(gun, "push,pull").map_err(PublishError::from)?;
    let keys = context.trust_dir.keys().map_err(PublishError::from)?;
    let mut change = Change { context, gun, notary: &notary, keys, unlocked };
    let (mut updated, facts) = tokio::join!(change.update(), facts);
    let facts = facts?;
    let mut contention = Contention::new();
    let mut refused_since = None;
    loop {
        let mut base = change.base(updated, plan).await?;
        let before = base.draft.clone();
        let mut outcome = (Vec::new(), Vec::new());
        let mut make = |change: &mut Change<'_>, base: &mut Base| {
            edit(&mut base.draft, base.trusted.as_ref(), &facts)?;
            outcome = change.renew(base)?;
            let now = change.context.clock.now();
            base.draft.keep_companions(now).map_err(PublishError::from)?;
            change.take_over_companions(base).map_err(PublishError::from)?;
            Ok::<_, E>(())
        };
        make(&mut change, &mut base)?;
        if !base.draft.is_dirty() {
            return Ok(base.unchanged());
        }
        if change.learn_floors(&mut base).await? {
            updated = change.again(&mut contention, &mut refused_since).await?;
            continue;
        }
        let settled = change.settle(&mut base, &before, make)?;
        let (renewed, still_expired) = outcome;
        if !base.draft.is_dirty() {
            return Ok(base.unchanged().with(settled));
        }
        if change.learn_floors(&mut base).await? {
            updated = change.again(&mut contention, &mut refused_since).await?;
            continue;
        }
        let publication = change.sign(&base.draft)?;
        let files: Vec<_> = publication.files.clone().into_iter().collect();
        if let Some(initialized) = &base.initialized {
            initialized.store_keys(context, &change.unlocked).map_err(PublishError::from)?;
        }
        // What waits for signatures is no reason to move a tag.
        let image = facts.image().filter(|_| settled.is_all_signed());
        let sent = match image {
            Some(image) => notary.push(image, &files).await,
            None => notary.publish(&files).await,
        };
        match sent {
            Ok(()) => {
                let mut published = change.published(base, publication, renewed, still_expired);
                published.pushed = image.is_some();
                return Ok(published.with(settled));
            }
            Err(NotaryError::Conflict { .. }) => {}
            Err(error) => return Err(change.refused(base.trusted.as_ref(), error).into()),
        }
        updated = change.again(&mut contention, &mut refused_since).await?;
    }
}

/// Publishes files that were signed elsewhere, with a snapshot of them if its key is here. Done
/// once: what they build on must be what is published.
pub async fn publish_files(
    context: &Context,
    gun: &Gun,
    notary: &NotaryClient,
    trusted: &TrustedRepository,
    root: &Root,
    files: BTreeMap<RoleName, Vec<u8>>,
) -> Result<Publication, PublishError> {
    let _lock = hold(context, gun).await?;
    let keys = context.trust_dir.keys()?;
    let mut change = Change { context, gun, notary, keys, unlocked: BTreeMap::new() };
    let draft = Draft::under(trusted, root);
    for need in draft.needs() {
        change.unlock(&need)?;
    }
    let publication = draft.complete(files, &change.unlocked, context.clock.now())?;
    let files: Vec<_> = publication.files.clone().into_iter().collect();
    notary.publish(&files).await?;
    Ok(publication)
}

/// Waits for the repository without blocking, so that an interruption is heard.
pub(super) async fn hold(context: &Context, gun: &Gun) -> Result<RepositoryLock, StoreError> {
    let patience = tokio::time::Instant::now() + LOCK_WAIT;
    loop {
        match context.trust_dir.lock(gun, Duration::ZERO) {
            Err(StoreError::Locked { .. }) if tokio::time::Instant::now() < patience => {
                tracing::debug!("another process is changing {gun}; waiting");
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

pub(super) struct Change<'a> {
    pub(super) context: &'a Context,
    gun: &'a Gun,
    notary: &'a NotaryClient,
    keys: KeyStore,
    pub(super) unlocked: BTreeMap<KeyId, PrivateKey>,
}

pub(super) struct Base {
    pub(super) draft: Draft,
    trusted: Option<TrustedRepository>,
    initialized: Option<initialize::Initialized>,
    not_cached: Option<StoreError>,
}

impl Base {
    fn first_contact(&self) -> Option<Vec<KeyId>> {
        let unseen = self.trusted.as_ref().filter(|trusted| trusted.is_first_use());
        unseen.map(TrustedRepository::root_key_ids)
    }

    fn unchanged(self) -> Published {
        Published {
            publication: None,
            initialized: None,
            first_contact: self.first_contact(),
            renewed: Vec::new(),
            still_expired: Vec::new(),
            foreseen: Vec::new(),
            dropped_members: Vec::new(),
            proposed: Vec::new(),
            postponed: Vec::new(),
            completed: Vec::new(),
            warnings: Vec::new(),
            not_cached: self.not_cached,
            rotation: None,
            pushed: false,
        }
    }
}

impl Change<'_> {
    async fn update(&self) -> Result<Updated, RefreshError> {
        update(self.context, self.gun, self.notary, Source::Server, Expiry::Remembered).await
    }

    /// Looks again, after a pause, because somebody else published; gives up after a while.
    async fn again(
        &self,
        contention: &mut Contention,
        refused_since: &mut Option<tokio::time::Instant>,
    ) -> Result<Result<Updated, RefreshError>, PublishError> {
        let gun = self.gun;
        let since = *refused_since.get_or_insert_with(tokio::time::Instant::now);
        let Some(pause) = contention.pause(since.elapsed()) else {
            let (gun, attempts) = (gun.clone(), contention.refused());
            return Err(PublishError::TooBusy { gun, attempts });
        };
        tracing::debug!("somebody else published to {gun}; trying again in {pause:?}");
        tokio::time::sleep(pause).await;
        Ok(self.update().await)
    }

    async fn base(
        &mut self,
        updated: Result<Updated, RefreshError>,
        plan: Option<&Plan>,
    ) -> Result<Base, PublishError> {
        match (updated, plan) {
            (Ok(Updated { trusted, not_cached }), _) => Ok(Base {
                draft: Draft::from_trusted(&trusted),
                trusted: Some(trusted),
                initialized: None,
                not_cached,
            }),
            (Err(RefreshError::NoTrustData { .. }), Some(plan)) => {
                let cached = self.context.trust_dir.metadata(self.gun).read()?;
                let local = Unpublished::load(self.gun, &cached).map_err(|cause| {
                    PublishError::BadUnpublished { gun: self.gun.clone(), cause }
                })?;
                let (draft, initialized, opened) = match local {
                    Some(local) => initialize::resume(self.context, self.gun, &local, plan)?,
                    None => {
                        initialize::initialize(self.context, self.gun, self.notary, plan).await?
                    }
                };
                self.unlocked.extend(opened);
                Ok(Base { draft, trusted: None, initialized: Some(initialized), not_cached: None })
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Marks what has expired to be signed again, as far as the keys are here; what readers need
    /// and we cannot renew stops the change, unless all it does is to renew something else.
    fn renew(&mut self, base: &mut Base) -> Result<(Vec<RoleName>, Vec<RoleName>), PublishError> {
        let Some(trusted) = &base.trusted else { return Ok((Vec::new(), Vec::new())) };
        let only_renews = only_renews(&base.draft, trusted);
        let (mut renewed, mut still_expired) = (Vec::new(), Vec::new());
        for (role, since) in trusted.expired() {
            if matches!(role, RoleName::Timestamp | RoleName::Snapshot) {
                // The server makes a new one; a snapshot of ours is signed with every change.
                if *role == RoleName::Snapshot && self.can_sign(&base.draft, role)? {
                    base.draft.touch(&RoleName::Snapshot);
                }
                continue;
            }
            if base.draft.dirty().contains(role) || self.can_sign(&base.draft, role)? {
                base.draft.touch(role);
                renewed.push(role.clone());
            } else if role.is_delegation() || only_renews {
                still_expired.push(role.clone());
            } else {
                let keys = base.draft.role_keys(role);
                let keys = keys.iter().flat_map(|keys| keys.keys.values());
                return Err(PublishError::ExpiredAbove {
                    gun: self.gun.clone(),
                    role: role.clone(),
                    since: *since,
                    candidates: keys.filter_map(|key| key.canonical_id().ok()).collect(),
                });
            }
        }
        if self.renew_root_in_time(&mut base.draft)? {
            renewed.push(RoleName::Root);
        }
        Ok((renewed, still_expired))
    }

    /// Has a companion signed again whose last signers the change takes away, if a key of it is
    /// here: readers would miss the file.
    fn take_over_companions(&self, base: &mut Base) -> Result<(), StoreError> {
        let Some(trusted) = &base.trusted else { return Ok(()) };
        for (role, file) in trusted.targets() {
            if !base.draft.is_companion(role) || base.draft.dirty().contains(role) {
                continue;
            }
            let Some(keys) = base.draft.role_keys(role) else { continue };
            let stays = file
                .signed()
                .signatures()
                .iter()
                .any(|signature| keys.keys.contains_key(&signature.key_id));
            if !stays && self.can_sign(&base.draft, role)? {
                base.draft.touch(role);
            }
        }
        Ok(())
    }

    /// Has a root that is about to expire signed along with any change, as the reference does
    /// (notary.md §4.5), if its keys are here and open: it is no reason to let the change fail.
    fn renew_root_in_time(&mut self, draft: &mut Draft) -> Result<bool, PublishError> {
        let expires = draft.root().header.expires.instant();
        let is_due = Horizon::usual(self.context.clock.now()).reaches(expires);
        if !draft.is_dirty() || draft.dirty().contains(&RoleName::Root) || !is_due {
            return Ok(false);
        }
        if !self.can_sign(draft, &RoleName::Root)? {
            return Ok(false);
        }
        let mut with_root = draft.clone();
        with_root.touch(&RoleName::Root);
        for need in with_root.needs().iter().filter(|need| need.role == RoleName::Root) {
            match self.unlock(need) {
                Ok(()) => {}
                Err(PublishError::Unlock(UnlockError::Store(StoreError::Passphrase(
                    cause @ PassphraseError::Cancelled,
                )))) => return Err(StoreError::Passphrase(cause).into()),
                Err(error) => {
                    tracing::debug!("the root is not signed along: {error}");
                    return Ok(false);
                }
            }
        }
        draft.touch(&RoleName::Root);
        Ok(true)
    }

    /// What a server's refusal means for the repository.
    fn refused(&self, trusted: Option<&TrustedRepository>, cause: NotaryError) -> PublishError {
        let horizon = Horizon::usual(self.context.clock.now());
        let is_out_of_date = trusted.is_some_and(|trusted| {
            let findings = root_findings(trusted, horizon);
            findings.iter().any(|finding| matches!(finding, Finding::RootOutOfDate { .. }))
        });
        match cause {
            NotaryError::Rejected { .. } if is_out_of_date => {
                PublishError::RootOutOfDate { gun: self.gun.clone(), cause }
            }
            cause => cause.into(),
        }
    }

    fn can_sign(&self, draft: &Draft, role: &RoleName) -> Result<bool, StoreError> {
        let Some(keys) = draft.role_keys(role) else { return Ok(false) };
        let here = self.keys_here(&keys)?.len();
        // One owner of several can propose to make the top of it all valid again.
        let enough = if *role == RoleName::Targets { 1 } else { keys.threshold.get() };
        Ok(u32::try_from(here).unwrap_or(u32::MAX) >= enough)
    }

    /// Canonical ids of a role's keys that are at hand.
    pub(super) fn keys_here(&self, keys: &RoleKeys) -> Result<BTreeSet<KeyId>, StoreError> {
        let mut here = BTreeSet::new();
        for id in keys.keys.values().filter_map(|key| key.canonical_id().ok()) {
            if self.unlocked.contains_key(&id) || self.keys.find(&id)?.is_some() {
                here.insert(id);
            }
        }
        Ok(here)
    }

    /// A delegation that is new to us may have had a life before, whose versions the server
    /// remembers: the new file must exceed them (notary.md §4.8). True if what the server has is no
    /// earlier life, but was published since we looked: exceeding that would undo it.
    async fn learn_floors(&self, base: &mut Base) -> Result<bool, PublishError> {
        let Some(trusted) = &base.trusted else { return Ok(false) };
        let mut unlisted = Vec::new();
        let limit = self.context.strictness.rules.bounds.targets;
        for role in base.draft.newborn() {
            // A snapshot that its owner signs does not list what was removed; the server still
            // takes nothing older.
            let asked = match trusted.listed(&role) {
                Some(wanted) if wanted.length > limit => {
                    let length = wanted.length;
                    let cause = UpdateError::TooLarge { role, length, limit };
                    return Err(RefreshError::Refused { gun: self.gun.clone(), cause }.into());
                }
                Some(wanted) => {
                    let version = FileVersion::Hash(wanted.sha256);
                    self.notary.file(&role, version, wanted.length).await
                }
                None => self.notary.file(&role, FileVersion::Current, limit).await,
            };
            match asked {
                Ok(raw) => {
                    if trusted.listed(&role).is_some() {
                        trusted.check_listed(&role, &raw).map_err(|cause| {
                            RefreshError::Refused { gun: self.gun.clone(), cause }
                        })?;
                    } else {
                        // Whatever it says, it is not ours to write over unseen.
                        unlisted.push(role.clone());
                    }
                    let Ok(file) = Signed::<Targets>::parse(&role, &raw) else { continue };
                    // Nobody's signature over it can be checked any more: whoever signs the
                    // snapshot says what it is, and must not use our versions up.
                    let version = file.unverified().header.version;
                    if version > MAX_LEARNED_VERSION {
                        return Err(EditError::VersionExhausted { role }.into());
                    }
                    base.draft.set_floor(role, version);
                }
                Err(NotaryError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if unlisted.is_empty() {
            return Ok(false);
        }
        let now = self.update().await?.trusted;
        Ok(unlisted.iter().any(|role| now.listed(role).is_some()))
    }

    fn sign(&mut self, draft: &Draft) -> Result<Publication, PublishError> {
        for need in draft.needs() {
            self.unlock(&need)?;
        }
        Ok(draft.sign(&self.unlocked, self.context.clock.now())?)
    }

    /// Opens as many keys as the role needs, of those that are here.
    pub(super) fn unlock(&mut self, need: &Need) -> Result<(), PublishError> {
        let open = need.candidates.iter().filter(|id| self.unlocked.contains_key(id)).count();
        let mut missing =
            usize::try_from(need.threshold).unwrap_or(usize::MAX).saturating_sub(open);
        for id in &need.candidates {
            if missing == 0 {
                break;
            }
            if self.unlocked.contains_key(id) || self.keys.find(id)?.is_none() {
                continue;
            }
            let key = unlock(self.context, &self.keys, id, self.gun)?;
            self.unlocked.insert(id.clone(), key);
            missing -= 1;
        }
        Ok(())
    }

    fn published(
        &self,
        base: Base,
        publication: Publication,
        renewed: Vec<RoleName>,
        still_expired: Vec<RoleName>,
    ) -> Published {
        let first_contact = base.first_contact();
        let mut not_cached = base.not_cached;
        if base.initialized.is_some()
            && let Some(root) = publication.files.get(&RoleName::Root)
        {
            // Our own root is the anchor from now on: no trust on first use for its maker. What was
            // there before it was published is not what a server has.
            let anchor = BTreeMap::from([(RoleName::Root, root.clone())]);
            let unpublished = [RoleName::Targets, RoleName::Snapshot];
            let cache = self.context.trust_dir.metadata(self.gun);
            not_cached = cache.commit(&anchor, &unpublished).err();
        }
        let dropped_members = base.trusted.iter().flat_map(|trusted| {
            let signed = |role: &RoleName| publication.files.contains_key(role);
            trusted.targets().iter().filter(move |(role, _)| signed(role)).flat_map(
                |(role, file)| {
                    file.signed()
                        .unknown_members()
                        .into_iter()
                        .map(move |name| format!("{role}: {name}"))
                },
            )
        });
        let foreseen =
            base.trusted.iter().filter(|_| !publication.files.contains_key(&RoleName::Root));
        let horizon = Horizon::usual(self.context.clock.now());
        let foreseen = foreseen.flat_map(|trusted| root_findings(trusted, horizon)).collect();
        Published {
            foreseen,
            dropped_members: dropped_members.collect(),
            first_contact,
            publication: Some(publication),
            initialized: base.initialized,
            renewed,
            still_expired,
            proposed: Vec::new(),
            postponed: Vec::new(),
            completed: Vec::new(),
            warnings: Vec::new(),
            not_cached,
            rotation: None,
            pushed: false,
        }
    }
}

/// Whether a draft changes nothing but versions, expiry, the certificates of root keys, and who
/// signs timestamps and snapshots: of images it says no more than what was signed before.
fn only_renews(draft: &Draft, trusted: &TrustedRepository) -> bool {
    let same = |role: &RoleName| match role {
        RoleName::Root => base_keys(draft.root()) == base_keys(trusted.root().body()),
        role if role.is_targets() => {
            let before = trusted.targets().get(role).map(Verified::body);
            // What was not changed is shared.
            before.zip(draft.targets(role)).is_some_and(|(old, new)| std::ptr::eq(old, new))
        }
        _ => true,
    };
    draft.is_dirty() && draft.dirty().iter().all(same)
}

/// Who signs roots and targets, whatever certificates the keys are in.
fn base_keys(root: &Root) -> Vec<Option<(BTreeSet<KeyId>, u32)>> {
    let roles = [RoleName::Root, RoleName::Targets];
    let keys = roles.iter().map(|role| root.role_keys(role));
    keys.map(|keys| {
        let keys = keys?;
        let ids = keys.keys.values().filter_map(|key| key.canonical_id().ok()).collect();
        Some((ids, keys.threshold.get()))
    })
    .collect()
}
