//! Setting up a repository that has no trust data yet, as docker does (notary.md §4.6, §5.3):
//! timestamp and snapshot keys are the server's, the root key is shared by all repositories, the
//! targets key is made for this one.

use std::collections::BTreeMap;

use crate::actions::context::Context;
use crate::actions::unlock::{UnlockError, unlock};
use crate::client::{NotaryClient, NotaryError};
use crate::crypto::certificate::Certificate;
use crate::crypto::secret::{PassphraseError, PassphraseRequest};
use crate::crypto::{KeyError, KeyHeaders, KeyId, KeyType, Passphrase, PrivateKey, PublicKey};
use crate::store::{KeyInfo, KeyStore, StoreError};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::{Draft, EditError, NewRepository};
use crate::tuf::{Gun, NameError, RoleName};

/// How a new repository is to be set up.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// A signer whose delegation, with `targets/releases`, is set up at once. Without one, tags
    /// are signed by the repository key alone, as `docker push` does.
    pub signer: Option<String>,
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
    let snapshot = server_key(notary, &RoleName::Snapshot).await?;
    let now = context.clock.now();
    let store = context.trust_dir.keys()?;
    let root = root_key(context, &store, gun)?;
    let targets = repository_key(context, &store, gun)?;
    let certificate = Certificate::self_signed(gun.as_str(), &root.key, now)?;
    let root_type = match root.key.public_key().key_type() {
        KeyType::Rsa => KeyType::RsaX509,
        _ => KeyType::EcdsaX509,
    };
    let keys = NewRepository {
        root: PublicKey::new(root_type, certificate),
        targets: targets.key.public_key().clone(),
        snapshot,
        timestamp,
    };
    let mut draft = Draft::new_repository(&keys, now);
    let mut initialized = Initialized {
        root_key: root.key.id(),
        root_certificate: keys.root.id(),
        root_is_new: root.new.is_some(),
        targets_key: targets.key.id(),
        signer: None,
        new: Vec::new(),
    };
    let mut held = vec![root, targets];
    if let Some(name) = &plan.signer {
        let signer = signer_key(context, &store, name, gun)?;
        let edit = DelegationEdit {
            add_keys: vec![signer.key.public_key().clone()],
            add_paths: vec![String::new()],
            ..DelegationEdit::default()
        };
        for role in [RoleName::delegation(name)?, RoleName::releases()] {
            draft.edit_delegation(&role, true, &edit, now)?;
        }
        initialized.signer = Some((name.clone(), signer.key.id()));
        held.push(signer);
    }
    let mut opened = BTreeMap::new();
    for HeldKey { key, new } in held {
        initialized.new.extend(new);
        opened.insert(key.id(), key);
    }
    Ok((draft, initialized, opened))
}

impl Initialized {
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

/// The root key that all repositories share: the one with the lowest id, as docker takes it.
fn root_key(context: &Context, store: &KeyStore, gun: &Gun) -> Result<HeldKey, InitializeError> {
    let mut roots: Vec<KeyInfo> =
        store.list()?.keys.into_iter().filter(|key| key.role == "root").collect();
    roots.sort_by(|a, b| a.id.cmp(&b.id));
    match roots.first() {
        Some(root) => open(context, store, &root.id, gun),
        None => make(context, "root", None),
    }
}

/// The targets key of this repository: one left by an attempt that failed, or a new one.
fn repository_key(
    context: &Context,
    store: &KeyStore,
    gun: &Gun,
) -> Result<HeldKey, InitializeError> {
    let keys = store.list()?.keys;
    let left =
        keys.iter().find(|key| key.role == "targets" && key.gun.as_deref() == Some(gun.as_str()));
    match left {
        Some(key) => open(context, store, &key.id, gun),
        None => make(context, "targets", Some(gun)),
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
