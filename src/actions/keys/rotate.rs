//! `trust key rotate`: other keys for a base role, published at once (notary.md §4.7).
//!
//! A rotation that is cut off is finished, resumed or undone by the next one: before anything is
//! sent, the new keys are stored, and a record in the repository's folder names them
//! ([`Rotation`]). What the server has then decides (`spec/key-files.md` §7):
//!
//! * the record is `preparing`: nothing was sent; the new keys are removed, and it begins anew;
//! * a root that lists the new keys is published: the old keys are removed, and the record;
//! * no such root is published: the same new keys are published now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::keys::KeyActionError;
use crate::actions::keys::import::open;
use crate::actions::keys::load::private_blocks;
use crate::actions::keys::rm::remove;
use crate::actions::publish::{PublishError, Published, hold, publish_locked};
use crate::actions::root_certificate::root_certificate_for;
use crate::actions::unlock::{UnlockError, unlock};
use crate::actions::update::{RefreshError, Source, update};
use crate::client::{FileVersion, NotaryClient, NotaryError};
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::crypto::{KeyError, KeyHeaders, KeyId, KeyType, Passphrase, PrivateKey, PublicKey};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_ROOT_BYTES, MAX_ROOT_ROTATIONS};
use crate::store::files::read_user_file;
use crate::store::{KeyStore, Rotation, RotationFile, Stage, StoreError};
use crate::tuf::editor::EditError;
use crate::tuf::metadata::{Root, Signed, Targets};
use crate::tuf::trusted::{Expiry, TrustedRepository, TrustedSet, UpdateError};
use crate::tuf::{Gun, Pin, RoleName};

/// What is to be rotated.
#[derive(Debug, Clone)]
pub struct Request {
    /// The repository.
    pub gun: Gun,
    /// The role, as it was named.
    pub role: String,
    /// The new key is to be the server's.
    pub server_managed: bool,
    /// Files with the new keys, one each; without any, one key is made.
    pub key_files: Vec<PathBuf>,
    /// Whose root keys sign besides those that must.
    pub legacy: Legacy,
}

/// From which roots before the present one keys sign the new root, too, if they are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Legacy {
    /// None.
    #[default]
    None,
    /// The last so many.
    Last(u64),
    /// Every one.
    All,
}

/// What became of a rotation that was begun earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// It had sent nothing; its new keys were removed.
    Undone {
        /// Its role.
        role: RoleName,
        /// The keys that were removed.
        removed: Vec<KeyId>,
    },
    /// It is published; what was left to do was done.
    Finished {
        /// Its role.
        role: RoleName,
        /// Old keys that were removed.
        removed: Vec<KeyId>,
    },
    /// It was not published; this one goes on with its keys.
    Resumed {
        /// Its role.
        role: RoleName,
    },
    /// It is not published, and stays as it is.
    Pending {
        /// Its role.
        role: RoleName,
    },
}

/// A rotation that is published.
#[derive(Debug)]
pub struct Rotated {
    /// The role.
    pub role: RoleName,
    /// Canonical ids of the new keys.
    pub new: Vec<KeyId>,
    /// Old private keys that were removed from the store.
    pub removed: Vec<KeyId>,
    /// Rotations found under way.
    pub earlier: Vec<Earlier>,
    /// What was signed now; nothing if it had been published before.
    pub published: Option<Published>,
    /// The server accepted it, and does not serve it: the old keys are kept.
    pub not_confirmed: Option<RefreshError>,
}

/// Why keys are not rotated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// Not a base role.
    #[error("the keys of `{}` cannot be rotated", role.escape_debug())]
    NotRotatable {
        /// The role as named.
        role: String,
        /// It is a delegation.
        delegation: bool,
    },
    /// Root and targets keys are always the owner's.
    #[error("the trust server cannot have the {role} key")]
    NotTheServers {
        /// The role.
        role: RoleName,
    },
    /// The timestamp key is always the server's.
    #[error("only the trust server can have the {role} key")]
    OnlyTheServers {
        /// The role.
        role: RoleName,
    },
    /// Keys of earlier roots sign roots only.
    #[error("keys of earlier roots sign nothing but a new root key's root")]
    LegacyWithoutRoot,
    /// The role could not be signed any more.
    #[error("the {role} role needs {need} keys, and this would leave it {have}")]
    TooFewKeys {
        /// The role.
        role: RoleName,
        /// The threshold.
        need: u32,
        /// New keys.
        have: usize,
    },
    /// The new keys are the old ones.
    #[error("the new {role} keys are the present ones")]
    NothingNew {
        /// The role.
        role: RoleName,
    },
    /// A file with more than one private key.
    #[error("{} holds {count} private keys", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// The file's key is for something else.
    #[error("the key in {} is for {what}", path.display())]
    OtherPurpose {
        /// The file.
        path: PathBuf,
        /// What its headers say.
        what: String,
    },
    /// The same key twice.
    #[error("the key {id} is given twice")]
    TwiceTheSame {
        /// The key.
        id: KeyId,
    },
    /// Root keys need a certificate.
    #[error("a key of the type {key_type} cannot be a root key")]
    NotForRoot {
        /// The type.
        key_type: &'static str,
    },
    /// The server handed out a key that cannot sign, or the one that it has.
    #[error("the trust server hands out no new {role} key: {problem}")]
    ServerKey {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another rotation was begun and is not published.
    #[error("a rotation of the {role} key of {gun} was begun and is not published")]
    OtherPending {
        /// The repository.
        gun: Gun,
        /// Its role.
        role: RoleName,
    },
    /// A new key of a rotation that was begun is gone from the store.
    #[error("the rotation of the {role} key of {gun} cannot go on: its new key {id} is not here")]
    NewKeyGone {
        /// The repository.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// The key.
        id: KeyId,
    },
    /// There is nothing to abandon.
    #[error("no rotation of the {role} key of {gun} is under way")]
    NoneUnderWay {
        /// The repository.
        gun: Gun,
        /// The role.
        role: RoleName,
    },
    /// The new keys are stored, and the rotation is perhaps published, perhaps not.
    #[error("the rotation of the {role} key of {gun} was begun and is not finished")]
    Unfinished {
        /// The repository.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// What stopped it.
        #[source]
        cause: Box<PublishError>,
    },
    /// Roots of the past are not what they should be.
    #[error("root version {version} of {gun} does not belong to the chain")]
    BadChain {
        /// The repository.
        gun: Gun,
        /// The version.
        version: u64,
        /// What is wrong with it.
        #[source]
        cause: UpdateError,
    },
    /// Before anything was begun.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What is published could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The server.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A key file that cannot be used.
    #[error("the key in {} cannot be used", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: KeyActionError,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key cannot be opened, or is not to be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// No passphrase for a new key.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a base role other keys and publishes that, and nothing else.
pub async fn rotate(context: &Context, request: &Request) -> Result<Rotated, RotateError> {
    let role = check(request)?;
    let gun = &request.gun;
    let lock = hold(context, gun).await?;
    let notary = context.connections.notary(gun, "push,pull")?;
    let work = Work { context, gun, notary: &notary, file: context.trust_dir.rotation(gun) };
    let trusted = work.update().await?;
    let mut rotated = Rotated {
        role: role.clone(),
        new: Vec::new(),
        removed: Vec::new(),
        earlier: Vec::new(),
        published: None,
        not_confirmed: None,
    };
    let record = match work.resolve(&trusted, &mut rotated.earlier).await? {
        Some(record) if record.role == role && record.server_managed == request.server_managed => {
            Some(record)
        }
        Some(record) => {
            return Err(RotateError::OtherPending { gun: gun.clone(), role: record.role });
        }
        None => None,
    };
    let again = |earlier: &Earlier| matches!(earlier, Earlier::Finished { role: finished, .. } if *finished == role);
    if rotated.earlier.iter().any(again) {
        let spec = trusted.root().body().role_keys(&role);
        rotated.new = spec.iter().flat_map(|spec| ids(spec.keys.values())).collect();
        return Ok(rotated);
    }
    let earlier_keys = work.earlier_root_keys(&trusted, request.legacy).await?;
    let mut unlocked = work.open_root_keys(&trusted)?;
    let record = match record {
        Some(record) => {
            work.check_resumable(&record, request)?;
            rotated.earlier.push(Earlier::Resumed { role: role.clone() });
            record
        }
        None => work.begin(&trusted, &role, request, &mut unlocked).await?,
    };
    rotated.new = record.new_ids();
    let published: Result<Published, PublishError> =
        publish_locked(context, gun, None, &lock, unlocked, async { Ok(()) }, |draft, _, ()| {
            // An upload that had no answer may have been accepted all the same.
            if !lists(draft.root(), &record) {
                draft.set_base_keys(&role, &record.new);
                draft.co_sign_root(&earlier_keys);
            }
            Ok(())
        })
        .await;
    let published = published.map_err(|cause| RotateError::Unfinished {
        gun: gun.clone(),
        role: role.clone(),
        cause: Box::new(cause),
    })?;
    rotated.published = Some(published);
    match work.update().await {
        Ok(trusted) if lists(trusted.root().body(), &record) => {
            rotated.removed = work.finish(&trusted, &record)?;
        }
        // Somebody rotated again in this very moment: the next command sorts it out.
        Ok(_) => {}
        Err(error) => rotated.not_confirmed = Some(error),
    }
    Ok(rotated)
}

/// Undoes a rotation that was begun and is not published: its new keys are removed, unless they
/// were here before. One that turns out to be published is finished instead.
pub async fn abandon(context: &Context, gun: &Gun, role: &str) -> Result<Earlier, RotateError> {
    let role = base_role(role)?;
    let _lock = hold(context, gun).await?;
    let notary = context.connections.notary(gun, "pull")?;
    let work = Work { context, gun, notary: &notary, file: context.trust_dir.rotation(gun) };
    let found = work.file.read()?.filter(|record| record.role == role);
    if found.is_none() {
        return Err(RotateError::NoneUnderWay { gun: gun.clone(), role });
    }
    let trusted = work.update().await?;
    let mut earlier = Vec::new();
    match work.resolve(&trusted, &mut earlier).await? {
        Some(record) => {
            let removed = work.discard(&trusted, &record)?;
            Ok(Earlier::Undone { role, removed })
        }
        None => earlier.pop().ok_or(RotateError::NoneUnderWay { gun: gun.clone(), role }),
    }
}

/// Finishes a rotation whose root is in the cache, for those who publish something else; says
/// whether one is still not published. The repository must be locked and up to date.
pub(in crate::actions) fn settle(
    context: &Context,
    gun: &Gun,
) -> Result<Option<Earlier>, StoreError> {
    let file = context.trust_dir.rotation(gun);
    let Some(record) = file.read()? else { return Ok(None) };
    let role = record.role.clone();
    let cached = context.trust_dir.metadata(gun).read()?;
    let root = cached.get(&RoleName::Root);
    let root = root.and_then(|raw| Signed::<Root>::parse(&RoleName::Root, raw).ok());
    let Some(root) = root.filter(|root| lists(root.unverified(), &record)) else {
        return Ok(Some(Earlier::Pending { role }));
    };
    let used = used_by(&cached, root.unverified());
    let removed = remove_old(context, gun, &record, used)?;
    file.remove()?;
    Ok(Some(Earlier::Finished { role, removed }))
}

fn check(request: &Request) -> Result<RoleName, RotateError> {
    let role = base_role(&request.role)?;
    match (&role, request.server_managed) {
        (RoleName::Timestamp, false) => return Err(RotateError::OnlyTheServers { role }),
        (RoleName::Root | RoleName::Targets, true) => {
            return Err(RotateError::NotTheServers { role });
        }
        _ => {}
    }
    if request.legacy != Legacy::None && role != RoleName::Root {
        return Err(RotateError::LegacyWithoutRoot);
    }
    Ok(role)
}

fn base_role(name: &str) -> Result<RoleName, RotateError> {
    match RoleName::parse(name) {
        Ok(role) if !role.is_delegation() => Ok(role),
        other => {
            Err(RotateError::NotRotatable { role: name.to_owned(), delegation: other.is_ok() })
        }
    }
}

struct Work<'a> {
    context: &'a Context,
    gun: &'a Gun,
    notary: &'a NotaryClient,
    file: RotationFile,
}

/// A private key that is to be stored.
struct NewKey {
    key: PrivateKey,
    public: PublicKey,
    passphrase: Passphrase,
}

impl Work<'_> {
    async fn update(&self) -> Result<TrustedRepository, RefreshError> {
        let Self { context, gun, notary, .. } = self;
        let updated = update(context, gun, notary, Source::Server, Expiry::Remembered).await?;
        Ok(updated.trusted)
    }

    /// Looks what became of a rotation that was begun earlier; returns it if it is still to be
    /// published.
    async fn resolve(
        &self,
        trusted: &TrustedRepository,
        earlier: &mut Vec<Earlier>,
    ) -> Result<Option<Rotation>, RotateError> {
        let Some(record) = self.file.read()? else { return Ok(None) };
        let role = record.role.clone();
        if record.stage == Stage::Preparing {
            let removed = self.discard(trusted, &record)?;
            earlier.push(Earlier::Undone { role, removed });
            return Ok(None);
        }
        let published = lists(trusted.root().body(), &record)
            || self
                .roots_since(trusted, record.base.saturating_add(1))
                .await?
                .iter()
                .any(|root| lists(root, &record));
        if published {
            let removed = self.finish(trusted, &record)?;
            earlier.push(Earlier::Finished { role, removed });
            return Ok(None);
        }
        Ok(Some(record))
    }

    /// A rotation goes on with the keys it began with, and with no others.
    fn check_resumable(&self, record: &Rotation, request: &Request) -> Result<(), RotateError> {
        let (gun, role) = (self.gun.clone(), record.role.clone());
        if record.server_managed {
            return Ok(());
        }
        let store = self.context.trust_dir.keys()?;
        for id in record.new_ids() {
            if store.find(&id)?.is_none() {
                return Err(RotateError::NewKeyGone { gun, role, id });
            }
        }
        if !request.key_files.is_empty() {
            let given: BTreeSet<KeyId> =
                self.given(&role, request)?.iter().map(|(key, _)| key.id()).collect();
            if given != record.new_ids().into_iter().collect() {
                return Err(RotateError::OtherPending { gun, role });
            }
        }
        Ok(())
    }

    /// Opens as many of the present root keys as a new root needs, before anything is begun.
    fn open_root_keys(
        &self,
        trusted: &TrustedRepository,
    ) -> Result<BTreeMap<KeyId, PrivateKey>, RotateError> {
        let store = self.context.trust_dir.keys()?;
        let Some(spec) = trusted.root().body().role_keys(&RoleName::Root) else {
            return Ok(BTreeMap::new());
        };
        let candidates: BTreeSet<KeyId> = ids(spec.keys.values()).collect();
        let need = spec.threshold.get();
        let mut opened = BTreeMap::new();
        for id in &candidates {
            if opened.len() < usize::try_from(need).unwrap_or(usize::MAX)
                && store.find(id)?.is_some()
            {
                opened.insert(id.clone(), unlock(self.context, &store, id, self.gun)?);
            }
        }
        let have = u32::try_from(opened.len()).unwrap_or(u32::MAX);
        if have < need {
            let candidates = candidates.into_iter().collect();
            let error = EditError::NotEnoughKeys { role: RoleName::Root, have, need, candidates };
            return Err(PublishError::from(error).into());
        }
        Ok(opened)
    }

    /// Makes or takes the new keys, records and stores them.
    async fn begin(
        &self,
        trusted: &TrustedRepository,
        role: &RoleName,
        request: &Request,
        unlocked: &mut BTreeMap<KeyId, PrivateKey>,
    ) -> Result<Rotation, RotateError> {
        let root = trusted.root().body();
        let spec = root.role_keys(role);
        let need = spec.as_ref().map_or(1, |spec| spec.threshold.get());
        let old: BTreeSet<KeyId> = spec.iter().flat_map(|spec| ids(spec.keys.values())).collect();
        let mut record = Rotation {
            role: role.clone(),
            base: root.header.version,
            new: Vec::new(),
            here_before: Vec::new(),
            old: old.iter().cloned().collect(),
            server_managed: request.server_managed,
            stage: Stage::Ready,
        };
        let count = request.key_files.len().max(1);
        if u32::try_from(count).unwrap_or(u32::MAX) < need {
            return Err(RotateError::TooFewKeys { role: role.clone(), need, have: count });
        }
        if request.server_managed {
            let key = self.server_key(role, &old).await?;
            record.new.push(key);
            self.file.write(&record)?;
            return Ok(record);
        }
        let new = self.new_keys(role, request)?;
        let new_ids: BTreeSet<KeyId> = new.iter().map(|new| new.key.id()).collect();
        if new_ids == old {
            return Err(RotateError::NothingNew { role: role.clone() });
        }
        let store = self.context.trust_dir.keys()?;
        for id in &new_ids {
            if store.find(id)?.is_some() {
                record.here_before.push(id.clone());
            }
        }
        record.new = new.iter().map(|new| new.public.clone()).collect();
        record.stage = Stage::Preparing;
        self.file.write(&record)?;
        let gun = (*role != RoleName::Root).then(|| self.gun.as_str().to_owned());
        for NewKey { key, passphrase, .. } in new {
            let headers = KeyHeaders { role: Some(role.to_string()), gun: gun.clone(), path: None };
            store.add(&key, &headers, &passphrase)?;
            unlocked.insert(key.id(), key);
        }
        record.stage = Stage::Ready;
        self.file.write(&record)?;
        Ok(record)
    }

    async fn server_key(
        &self,
        role: &RoleName,
        old: &BTreeSet<KeyId>,
    ) -> Result<PublicKey, RotateError> {
        let key = self.notary.rotate_server_key(role).await?;
        let refuse = |problem| RotateError::ServerKey { role: role.clone(), problem };
        match key.canonical_id() {
            Ok(_) if matches!(key.key_type(), KeyType::Unknown(_)) => {
                Err(refuse("it is of an unknown type"))
            }
            Ok(id) if old.contains(&id) => Err(refuse("it is the present one")),
            Ok(_) => Ok(key),
            Err(_) => Err(refuse("it is not usable")),
        }
    }

    fn new_keys(&self, role: &RoleName, request: &Request) -> Result<Vec<NewKey>, RotateError> {
        let mut keys = Vec::new();
        for (key, passphrase) in self.given(role, request)? {
            let passphrase = match passphrase {
                Some(passphrase) => passphrase,
                None => self.new_passphrase(role, &key)?,
            };
            keys.push((key, passphrase));
        }
        if request.key_files.is_empty() {
            let key = PrivateKey::generate_ecdsa()?;
            let passphrase = self.new_passphrase(role, &key)?;
            keys.push((key, passphrase));
        }
        let now = self.context.clock.now();
        let listed = |(key, passphrase): (PrivateKey, Passphrase)| {
            let public = match role {
                RoleName::Root => root_certificate_for(&key, self.gun, now)?,
                _ => key.public_key().clone(),
            };
            Ok(NewKey { key, public, passphrase })
        };
        keys.into_iter().map(listed).collect()
    }

    /// The keys of the files that were named, with the passphrase that opened each.
    fn given(
        &self,
        role: &RoleName,
        request: &Request,
    ) -> Result<Vec<(PrivateKey, Option<Passphrase>)>, RotateError> {
        let mut keys: Vec<(PrivateKey, Option<Passphrase>)> = Vec::new();
        for path in &request.key_files {
            let text = Zeroizing::new(read_user_file(path, MAX_KEY_FILE_BYTES)?);
            let unusable =
                |cause: KeyActionError| RotateError::KeyFile { path: path.clone(), cause };
            let mut blocks = private_blocks(path, &text).map_err(unusable)?;
            let count = blocks.len();
            let Some(block) = blocks.pop().filter(|_| count == 1) else {
                return Err(RotateError::SeveralKeys { path: path.clone(), count });
            };
            let headers = block.headers();
            let other = |what: String| RotateError::OtherPurpose { path: path.clone(), what };
            if let Some(named) = headers.role.as_deref().filter(|named| !named.is_empty())
                && named != role.as_str()
            {
                return Err(other(format!("the role {}", named.escape_debug())));
            }
            if let Some(named) = headers.gun.as_deref().filter(|named| !named.is_empty())
                && named != self.gun.as_str()
            {
                return Err(other(format!("the repository {}", named.escape_debug())));
            }
            let (key, passphrase) = if block.is_encrypted() {
                let role = Some(role.to_string());
                let headers = KeyHeaders { role, gun: None, path: None };
                let (key, passphrase) = open(self.context, &block, &headers).map_err(unusable)?;
                (key, Some(passphrase))
            } else {
                (block.decrypt(None).map_err(|cause| unusable(cause.into()))?, None)
            };
            if *role == RoleName::Root && *key.public_key().key_type() == KeyType::Ed25519 {
                return Err(RotateError::NotForRoot { key_type: "ed25519" });
            }
            if keys.iter().any(|(known, _)| known.id() == key.id()) {
                return Err(RotateError::TwiceTheSame { id: key.id() });
            }
            keys.push((key, passphrase));
        }
        Ok(keys)
    }

    fn new_passphrase(
        &self,
        role: &RoleName,
        key: &PrivateKey,
    ) -> Result<Passphrase, PassphraseError> {
        self.context.passphrases.passphrase(&PassphraseRequest {
            role: role.to_string(),
            key_id: key.id(),
            gun: (*role != RoleName::Root).then(|| self.gun.as_str().to_owned()),
            new: true,
            attempt: 1,
        })
    }

    /// Keys of the root role in roots before the present one, by their id in metadata.
    async fn earlier_root_keys(
        &self,
        trusted: &TrustedRepository,
        legacy: Legacy,
    ) -> Result<BTreeMap<KeyId, PublicKey>, RotateError> {
        let present = trusted.root().body();
        let version = present.header.version;
        let oldest = match legacy {
            Legacy::None => return Ok(BTreeMap::new()),
            Legacy::Last(count) => version.saturating_sub(count).max(1),
            Legacy::All => 1,
        };
        let mut keys = BTreeMap::new();
        for root in self.roots_since(trusted, oldest).await? {
            keys.extend(root.role_keys(&RoleName::Root).into_iter().flat_map(|spec| spec.keys));
        }
        Ok(keys)
    }

    /// The roots from a version up to the present one, oldest first. Each vouches for the next, so
    /// that the present one vouches for the chain.
    async fn roots_since(
        &self,
        trusted: &TrustedRepository,
        oldest: u64,
    ) -> Result<Vec<Root>, RotateError> {
        let present = trusted.root();
        let newest = present.body().header.version;
        if newest.saturating_sub(oldest) > MAX_ROOT_ROTATIONS {
            let behind = newest.saturating_sub(oldest);
            return Err(RefreshError::TooManyRoots { gun: self.gun.clone(), behind }.into());
        }
        let mut roots = Vec::new();
        let mut chain: Option<TrustedSet> = None;
        for version in oldest..=newest {
            let raw = if version == newest {
                present.raw().to_vec()
            } else {
                let number = FileVersion::Number(version);
                self.notary.file(&RoleName::Root, number, MAX_ROOT_BYTES).await?
            };
            let bad = |cause| RotateError::BadChain { gun: self.gun.clone(), version, cause };
            chain = Some(match chain.take() {
                None => {
                    let (gun, now) = (self.gun.clone(), trusted.now());
                    TrustedSet::first_use(gun, now, Expiry::Remembered, Pin::FirstUse, &raw)
                        .map_err(bad)?
                }
                Some(mut chain) => {
                    chain.accept_root(&raw).map_err(bad)?;
                    chain
                }
            });
            let parsed = Signed::<Root>::parse(&RoleName::Root, &raw).map_err(|cause| {
                bad(UpdateError::Metadata { role: RoleName::Root, cause: Box::new(cause) })
            })?;
            let root = parsed.unverified().clone();
            if root.header.version != version {
                let offered = root.header.version;
                let trusted = version.saturating_sub(1);
                return Err(bad(UpdateError::NotTheNextRoot { trusted, offered }));
            }
            roots.push(root);
        }
        Ok(roots)
    }

    /// Removes what a published rotation made needless: the old private keys, and the record.
    fn finish(
        &self,
        trusted: &TrustedRepository,
        record: &Rotation,
    ) -> Result<Vec<KeyId>, StoreError> {
        let used = used_by(&trusted.files(), trusted.root().body());
        let removed = remove_old(self.context, self.gun, record, used)?;
        self.file.remove()?;
        Ok(removed)
    }

    /// Removes the new keys of a rotation that is not published, and the record.
    fn discard(
        &self,
        trusted: &TrustedRepository,
        record: &Rotation,
    ) -> Result<Vec<KeyId>, StoreError> {
        let store = self.context.trust_dir.keys()?;
        let mut removed = Vec::new();
        // A new repository may have taken the key meanwhile.
        if let Some(mut used) = used_elsewhere(self.context, self.gun)? {
            used.extend(ids(trusted.root().body().keys.values()));
            used.extend(used_by(&trusted.files(), trusted.root().body()));
            for id in record.new_ids() {
                let ours = !record.server_managed
                    && !record.here_before.contains(&id)
                    && !used.contains(&id);
                if let Some(info) = store.find(&id)?.filter(|_| ours) {
                    remove_key(self.context, &store, &info.id)?;
                    removed.push(id);
                }
            }
        }
        self.file.remove()?;
        Ok(removed)
    }
}

/// Whether a root gives the role of a rotation its new keys, just these.
fn lists(root: &Root, record: &Rotation) -> bool {
    let Some(spec) = root.roles.get(record.role.as_str()) else { return false };
    let listed: BTreeSet<&KeyId> = spec.key_ids.iter().collect();
    let new: Vec<KeyId> = record.new.iter().map(PublicKey::id).collect();
    listed == new.iter().collect()
}

fn ids<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> impl Iterator<Item = KeyId> {
    keys.filter_map(|key| key.canonical_id().ok())
}

/// Canonical ids of the keys that the roles of a repository list.
fn used_by(files: &BTreeMap<RoleName, Vec<u8>>, root: &Root) -> BTreeSet<KeyId> {
    let mut used = BTreeSet::new();
    for spec in root.roles.values() {
        used.extend(ids(spec.key_ids.iter().filter_map(|id| root.keys.get(id))));
    }
    for (role, raw) in files.iter().filter(|(role, _)| role.is_targets()) {
        if let Ok(file) = Signed::<Targets>::parse(role, raw) {
            used.extend(ids(file.unverified().delegations.keys.values()));
        }
    }
    used
}

/// Canonical ids of the keys that the other repositories known here list; `None` if one of them
/// cannot be read, so that nobody knows.
fn used_elsewhere(context: &Context, gun: &Gun) -> Result<Option<BTreeSet<KeyId>>, StoreError> {
    let mut used = BTreeSet::new();
    for other in context.trust_dir.guns()?.into_iter().filter(|other| other != gun) {
        let files = context.trust_dir.metadata(&other).read()?;
        let Some(raw) = files.get(&RoleName::Root) else { continue };
        match Signed::<Root>::parse(&RoleName::Root, raw) {
            Ok(root) => used.extend(used_by(&files, root.unverified())),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(used))
}

/// Removes the private keys that a published rotation replaced. A root key stays: who trusts an
/// old root can need its signature. Any other goes only if its file says that it is this role's of
/// this repository, and no repository known here lists it: to lose a key is worse than to keep one.
fn remove_old(
    context: &Context,
    gun: &Gun,
    record: &Rotation,
    mut used: BTreeSet<KeyId>,
) -> Result<Vec<KeyId>, StoreError> {
    if record.role == RoleName::Root {
        return Ok(Vec::new());
    }
    let store = context.trust_dir.keys()?;
    let mut candidates = Vec::new();
    for id in &record.old {
        let ours = store.find(id)?.filter(|info| {
            info.role == record.role.as_str() && info.gun.as_deref() == Some(gun.as_str())
        });
        candidates.extend(ours);
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    match used_elsewhere(context, gun)? {
        Some(elsewhere) => used.extend(elsewhere),
        None => return Ok(Vec::new()),
    }
    let mut removed = Vec::new();
    for info in candidates.into_iter().filter(|info| !used.contains(&info.id)) {
        remove_key(context, &store, &info.id)?;
        removed.push(info.id);
    }
    Ok(removed)
}

/// Removes a key, and its passphrase from the keyring.
fn remove_key(context: &Context, store: &KeyStore, id: &KeyId) -> Result<(), StoreError> {
    match store.find(id)? {
        Some(info) => match remove(context, &info) {
            Ok(()) | Err(KeyActionError::NoSuchKey { .. }) => Ok(()),
            Err(KeyActionError::Store(error)) => Err(error),
            Err(_) => Err(StoreError::NoSuchKey(id.to_string())),
        },
        None => Ok(()),
    }
}
