//! Setting up a repository that has no trust data yet (notary.md §4.6, §5.3): the timestamp key is
//! the server's, the snapshot key the server's as docker has it or the owner's as notary has it, the
//! root key is shared by all repositories, the targets key is made for this one.

use std::collections::BTreeMap;

use crate::actions::context::Context;
use crate::actions::root_certificate::root_certificate_for;
use crate::actions::unlock::{UnlockError, unlock};
use crate::client::{NotaryClient, NotaryError};
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::crypto::{KeyError, KeyHeaders, KeyId, Passphrase, PrivateKey, PublicKey};
use crate::store::{KeyInfo, KeyStore, StoreError};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::{Draft, EditError, NewRepository};
use crate::tuf::trusted::Unpublished;
use crate::tuf::{Gun, NameError, RoleName};

/// How a new repository is to be set up.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// A signer whose delegation, with `targets/releases`, is set up at once. Without one, tags
    /// are signed by the repository key alone, as `docker push` does.
    pub signer: Option<String>,
    /// Who signs snapshots.
    pub snapshot: Keeper,
    /// The root keys; none for the one that all repositories share.
    pub root: Vec<RootKey>,
}

/// Who has a key and signs with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeper {
    /// The trust server, as docker sets repositories up.
    #[default]
    Server,
    /// Whoever owns the repository, as notary sets them up.
    Owner,
}

/// A root key in the store.
#[derive(Debug, Clone)]
pub struct RootKey {
    /// Its canonical id.
    pub id: KeyId,
    /// The certificate to use it with; one is made if there is none.
    pub certificate: Option<PublicKey>,
}

/// Keys made or opened for a new repository.
#[derive(Debug)]
pub struct Initialized {
    /// Canonical id of the root key.
    pub root_key: KeyId,
    /// The id the root key has in metadata, in its certificate for this repository.
    pub root_certificate: KeyId,
    /// Whether the root key was made just now, and should be backed up.
    pub root_is_new: bool,
    /// Canonical id of the snapshot key, if its owner signs snapshots.
    pub snapshot_key: Option<KeyId>,
    /// Canonical id of the repository key.
    pub targets_key: KeyId,
    /// The signer, and the canonical id of its key.
    pub signer: Option<(String, KeyId)>,
    new: Vec<NewKey>,
}

#[derive(Debug)]
struct NewKey {
    id: KeyId,
    headers: KeyHeaders,
    passphrase: Passphrase,
}

struct HeldKey {
    key: PrivateKey,
    /// How it is to be stored, if it is new.
    new: Option<NewKey>,
}

/// Why a repository cannot be set up. Nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitializeError {
    /// A key cannot be made or used.
    #[error("cannot make or use a key")]
    Key(#[from] KeyError),
    /// No passphrase for a new key.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A signer's name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A key cannot be opened, or is not to be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The key store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server did not hand out its keys.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// The draft cannot be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What was set up on this machine has no key for a role.
    #[error("no key is listed for {role}")]
    NoKey {
        /// The role.
        role: RoleName,
    },
    /// The server handed out a key that cannot sign.
    #[error("the trust server's {role} key, of type `{key_type}`, is not usable")]
    ServerKey {
        /// `timestamp` or `snapshot`.
        role: RoleName,
        /// Its type.
        key_type: String,
        /// What is wrong with it.
        #[source]
        cause: KeyError,
    },
}

/// Drafts a new repository, and returns the opened keys to sign it with. Keys that do not exist yet
/// are made here and stored by `Initialized::store_keys`, right before the first publish.
pub async fn initialize(
    context: &Context,
    gun: &Gun,
    notary: &NotaryClient,
    plan: &Plan,
) -> Result<(Draft, Initialized, BTreeMap<KeyId, PrivateKey>), InitializeError> {
    // The server first: if it does not answer, nobody is asked for a passphrase.
    let timestamp = server_key(notary, &RoleName::Timestamp).await?;
    let servers_snapshot = match plan.snapshot {
        Keeper::Server => Some(server_key(notary, &RoleName::Snapshot).await?),
        Keeper::Owner => None,
    };
    let now = context.clock.now();
    let store = context.trust_dir.keys()?;
    let roots = root_keys(context, &store, gun, plan)?;
    let targets = repository_key(context, &store, &RoleName::Targets, gun)?;
    let certified: Vec<PublicKey> = roots.iter().map(|(_, certified)| certified.clone()).collect();
    let (root, root_certificate) = match (roots.first(), certified.first()) {
        (Some((held, _)), Some(certified)) => (held, certified.clone()),
        _ => return Err(InitializeError::NoKey { role: RoleName::Root }),
    };
    let mut initialized = Initialized {
        root_key: root.key.id(),
        root_certificate: root_certificate.id(),
        root_is_new: root.new.is_some(),
        snapshot_key: None,
        targets_key: targets.key.id(),
        signer: None,
        new: Vec::new(),
    };
    let targets_public = targets.key.public_key().clone();
    let mut held: Vec<HeldKey> = roots.into_iter().map(|(held, _)| held).collect();
    held.push(targets);
    let snapshot = if let Some(key) = servers_snapshot {
        key
    } else {
        let own = repository_key(context, &store, &RoleName::Snapshot, gun)?;
        let public = own.key.public_key().clone();
        initialized.snapshot_key = Some(own.key.id());
        held.push(own);
        public
    };
    let keys =
        NewRepository { root: root_certificate, targets: targets_public, snapshot, timestamp };
    let mut draft = Draft::new_repository(&keys, now);
    if certified.len() > 1 {
        draft.set_base_keys(&RoleName::Root, &certified);
    }
    if let Some(name) = &plan.signer {
        held.push(add_signer(context, &store, gun, &mut draft, name)?);
    }
    initialized.signer = signer_of(plan, &held);
    Ok((draft, initialized.with(&mut held), open_keys(held)))
}

/// Drafts the first publication of a repository that was set up on this machine before.
pub(super) fn resume(
    context: &Context,
    gun: &Gun,
    local: &Unpublished,
    plan: &Plan,
) -> Result<(Draft, Initialized, BTreeMap<KeyId, PrivateKey>), InitializeError> {
    let root = local.root.body();
    let first = |role: RoleName| {
        let keys = root.role_keys(&role).and_then(|keys| keys.keys.into_values().next());
        keys.ok_or(InitializeError::NoKey { role })
    };
    let root_certificate = first(RoleName::Root)?;
    let snapshot_key = match &local.snapshot {
        Some(_) => Some(first(RoleName::Snapshot)?.canonical_id()?),
        None => None,
    };
    let mut initialized = Initialized {
        root_key: root_certificate.canonical_id()?,
        root_certificate: root_certificate.id(),
        root_is_new: false,
        snapshot_key,
        targets_key: first(RoleName::Targets)?.canonical_id()?,
        signer: None,
        new: Vec::new(),
    };
    let mut draft = Draft::from_unpublished(local);
    let mut held = Vec::new();
    if let Some(name) = &plan.signer {
        let store = context.trust_dir.keys()?;
        held.push(add_signer(context, &store, gun, &mut draft, name)?);
    }
    initialized.signer = signer_of(plan, &held);
    Ok((draft, initialized.with(&mut held), open_keys(held)))
}

/// Gives a signer a delegation, and the right to release.
fn add_signer(
    context: &Context,
    store: &KeyStore,
    gun: &Gun,
    draft: &mut Draft,
    name: &str,
) -> Result<HeldKey, InitializeError> {
    let signer = signer_key(context, store, name, gun)?;
    let edit = DelegationEdit {
        add_keys: vec![signer.key.public_key().clone()],
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    };
    for role in [RoleName::delegation(name)?, RoleName::releases()] {
        draft.edit_delegation(&role, true, &edit, context.clock.now())?;
    }
    Ok(signer)
}

/// The signer's key is the last that is held.
fn signer_of(plan: &Plan, held: &[HeldKey]) -> Option<(String, KeyId)> {
    let name = plan.signer.as_ref()?;
    Some((name.clone(), held.last()?.key.id()))
}

fn open_keys(held: Vec<HeldKey>) -> BTreeMap<KeyId, PrivateKey> {
    held.into_iter().map(|held| (held.key.id(), held.key)).collect()
}

impl Initialized {
    /// Takes over what is needed to store the keys that are new.
    fn with(mut self, held: &mut [HeldKey]) -> Self {
        self.new.extend(held.iter_mut().filter_map(|held| held.new.take()));
        self
    }

    /// Stores the new keys, before anything that they signed is published: a published repository
    /// whose keys are lost is lost itself.
    pub(super) fn store_keys(
        &self,
        context: &Context,
        opened: &BTreeMap<KeyId, PrivateKey>,
    ) -> Result<(), StoreError> {
        let store = context.trust_dir.keys()?;
        for new in &self.new {
            if let Some(key) = opened.get(&new.id) {
                store.add(key, &new.headers, &new.passphrase)?;
            }
        }
        Ok(())
    }
}

async fn server_key(notary: &NotaryClient, role: &RoleName) -> Result<PublicKey, InitializeError> {
    let key = notary.server_key(role).await?;
    // With a key that verifies nothing the repository would be dead once its root is signed.
    match key.check() {
        Ok(()) => Ok(key),
        Err(cause) => {
            let key_type = key.key_type().as_str().to_owned();
            Err(InitializeError::ServerKey { role: role.clone(), key_type, cause })
        }
    }
}

/// The root keys, each in its certificate for this repository.
fn root_keys(
    context: &Context,
    store: &KeyStore,
    gun: &Gun,
    plan: &Plan,
) -> Result<Vec<(HeldKey, PublicKey)>, InitializeError> {
    let mut keys = Vec::new();
    for wanted in &plan.root {
        let held = open(context, store, &wanted.id, gun)?;
        let certified = match &wanted.certificate {
            Some(certified) => certified.clone(),
            None => root_certificate_for(&held.key, gun, context.clock.now())?,
        };
        keys.push((held, certified));
    }
    if keys.is_empty() {
        let held = shared_root_key(context, store, gun)?;
        let certified = root_certificate_for(&held.key, gun, context.clock.now())?;
        keys.push((held, certified));
    }
    Ok(keys)
}

/// The root key that all repositories share: the one with the lowest id, as docker takes it.
fn shared_root_key(
    context: &Context,
    store: &KeyStore,
    gun: &Gun,
) -> Result<HeldKey, InitializeError> {
    let mut roots: Vec<KeyInfo> =
        store.list()?.keys.into_iter().filter(|key| key.role == "root").collect();
    roots.sort_by(|a, b| a.id.cmp(&b.id));
    match roots.first() {
        Some(root) => open(context, store, &root.id, gun),
        None => make(context, "root", None),
    }
}

/// The targets or snapshot key of this repository: one left by an attempt that failed, or a new
/// one.
fn repository_key(
    context: &Context,
    store: &KeyStore,
    role: &RoleName,
    gun: &Gun,
) -> Result<HeldKey, InitializeError> {
    let keys = store.list()?.keys;
    let left = keys
        .iter()
        .find(|key| key.role == role.as_str() && key.gun.as_deref() == Some(gun.as_str()));
    match left {
        Some(key) => open(context, store, &key.id, gun),
        None => make(context, role.as_str(), Some(gun)),
    }
}

/// A signer's key: the one that bears the name, or a new one.
fn signer_key(
    context: &Context,
    store: &KeyStore,
    name: &str,
    gun: &Gun,
) -> Result<HeldKey, InitializeError> {
    let full = format!("targets/{name}");
    let keys = store.list()?.keys;
    match keys.iter().find(|key| key.role == name || key.role == full) {
        Some(key) => open(context, store, &key.id, gun),
        None => make(context, name, None),
    }
}

fn open(
    context: &Context,
    store: &KeyStore,
    id: &KeyId,
    gun: &Gun,
) -> Result<HeldKey, InitializeError> {
    Ok(HeldKey { key: unlock(context, store, id, gun)?, new: None })
}

fn make(context: &Context, role: &str, gun: Option<&Gun>) -> Result<HeldKey, InitializeError> {
    let key = PrivateKey::generate_ecdsa()?;
    let gun = gun.map(|gun| gun.as_str().to_owned());
    let request = PassphraseRequest {
        role: role.to_owned(),
        key_id: key.id(),
        gun: gun.clone(),
        new: true,
        attempt: 1,
    };
    let passphrase = context.passphrases.passphrase(&request)?;
    let headers = KeyHeaders { role: Some(role.to_owned()), gun, path: None };
    Ok(HeldKey { new: Some(NewKey { id: key.id(), headers, passphrase }), key })
}
