//! `trust repo adopt`: a collection that another server's keys signed is handed to the server that
//! has it now, by a root rotation that its owner signs (`spec/carry-on.md` §3).
//!
//! The next root lists this server's timestamp key, and its snapshot key unless the owner holds
//! that. It is signed as rotations are, so readers follow it by themselves. Nothing is made here that
//! has to be kept: the server hands out the same keys until a root lists them, so that an adoption
//! that was cut off is begun again, and one that was done is found done.

use std::collections::BTreeMap;

use crate::actions::context::{ConnectionError, Context};
use crate::actions::publish::{PublishError, Published, hold, publish_locked};
use crate::actions::repo::doctor::keys_here;
use crate::actions::repo::import::{BringError, import};
use crate::actions::repo::renew::{RenewError, replace_root_certificates};
use crate::actions::update::{RefreshError, Source, update};
use crate::client::{FileVersion, NotaryClient, NotaryError};
use crate::clock::Timestamp;
use crate::crypto::{KeyId, KeyType, PublicKey};
use crate::limits::MAX_TIMESTAMP_BYTES;
use crate::store::StoreError;
use crate::store::rescue::RescueFolder;
use crate::tuf::editor::Draft;
use crate::tuf::health::{Horizon, examine};
use crate::tuf::metadata::Root;
use crate::tuf::trusted::{Expiry, TrustedRepository};
use crate::tuf::verify::RoleKeys;
use crate::tuf::{Gun, RoleName};

/// What an adoption takes and does.
#[derive(Debug)]
pub struct Adoption {
    /// The collection.
    pub gun: Gun,
    /// The version of the root that is there, and of the one that follows.
    pub roots: (u64, u64),
    /// The version of the timestamp that is there: the next ones go on from it.
    pub timestamp: u64,
    /// When the root, snapshot and timestamp that are there end: from the first of these on readers
    /// refuse the collection, until it is adopted.
    pub ends: Vec<(RoleName, Timestamp)>,
    /// What happens to each role that a server can sign.
    pub handed: Vec<(RoleName, Handed)>,
    /// The keys that have to sign, role by role.
    pub needs: Vec<Needed>,
    /// Targets and delegations that have expired or will within six months, when that is, and which
    /// keys can sign them again.
    pub expired: Vec<(Needed, Timestamp)>,
    /// Root keys whose certificate ended and is replaced: the old id in the root and the new one.
    pub certificates: Vec<(KeyId, KeyId)>,
    /// What was published; nothing if there was nothing to do, or only to be said what.
    pub published: Option<Published>,
    /// The server took it, and it could not be read back.
    pub not_confirmed: Option<RefreshError>,
}

/// Who signs a role that a server can sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The server has the key that the present root lists.
    Already(KeyId),
    /// The next root lists this key of the server's.
    Server(KeyId),
    /// The owner signs it, with a key that is here.
    Owner,
}

/// Keys of which some have to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// What they sign.
    pub role: RoleName,
    /// How many at least.
    pub threshold: u32,
    /// Canonical ids, and whether each is here.
    pub keys: Vec<(KeyId, bool)>,
}

impl Needed {
    /// Whether enough of them are here.
    pub fn are_enough(&self) -> bool {
        let here = self.keys.iter().filter(|(_, here)| *here).count();
        u32::try_from(here).unwrap_or(u32::MAX) >= self.threshold
    }
}

impl Adoption {
    /// Whether the server has all its keys already.
    pub fn is_done(&self) -> bool {
        !self.handed.iter().any(|(_, handed)| matches!(handed, Handed::Server(_)))
    }
}

/// Why a collection is not adopted. The server has what it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The server does not have the collection.
    #[error("{server} does not have {gun}")]
    NotThere {
        /// Host of the trust server.
        server: String,
        /// The collection.
        gun: Gun,
    },
    /// The server takes no collections as they are, and could not go on with this one.
    #[error("{server} cannot go on with {gun}")]
    OtherServer {
        /// Host of the trust server.
        server: String,
        /// The collection.
        gun: Gun,
        /// The newest root's version, if it is known.
        root: Option<u64>,
        /// What it said.
        #[source]
        cause: Box<BringError>,
    },
    /// Keys that have to sign are not here.
    #[error("the keys that have to sign the next root of {gun} are not here")]
    Keys {
        /// The collection.
        gun: Gun,
        /// What is needed, and lacks keys.
        needs: Vec<Needed>,
    },
    /// The server handed out a key that cannot sign.
    #[error("the trust server hands out no usable {role} key")]
    ServerKey {
        /// The role.
        role: RoleName,
    },
    /// The collection could not be brought.
    #[error(transparent)]
    Bring(#[from] BringError),
    /// A root certificate.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// What is published now could not be learned.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The change.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is no way to a server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refused or did not answer.
    #[error(transparent)]
    Server(#[from] NotaryError),
    /// Keys or lock.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adopts a collection; with `folder`, one that the server does not have is brought first. With
/// `dry_run` it is only said what would be done; then nothing is brought either.
pub async fn adopt(
    context: &Context,
    gun: &Gun,
    folder: Option<&RescueFolder>,
    dry_run: bool,
) -> Result<Adoption, AdoptError> {
    let notary = context.connections.notary(gun, "push,pull")?;
    if let Some(folder) = folder
        && !dry_run
        && !is_there(&notary).await?
    {
        bring(context, folder, gun).await?;
    }
    let lock = hold(context, gun).await?;
    let trusted = look(context, gun, &notary).await?;
    let (mut adoption, keys) = plan(context, &notary, &trusted).await?;
    if dry_run || adoption.is_done() {
        return Ok(adoption);
    }
    let lacking: Vec<Needed> =
        adoption.needs.iter().filter(|need| !need.are_enough()).cloned().collect();
    if !lacking.is_empty() {
        return Err(AdoptError::Keys { gun: gun.clone(), needs: lacking });
    }
    let mut certificates = Vec::new();
    let mut made = BTreeMap::new();
    let nothing = async { Ok::<_, AdoptError>(()) };
    let unlocked = BTreeMap::new();
    let published =
        publish_locked(context, gun, None, &lock, unlocked, nothing, |draft, now, ()| {
            for (role, key) in &keys {
                // An upload that had no answer may have been accepted all the same.
                if !lists(draft.root(), role, key) {
                    draft.set_base_keys(role, std::slice::from_ref(key));
                }
            }
            if let Some(trusted) = now {
                certificates = replace_root_certificates(context, trusted, draft, &mut made)?;
            }
            Ok::<_, AdoptError>(())
        });
    adoption.published = Some(Box::pin(published).await?);
    adoption.certificates = certificates;
    adoption.not_confirmed = match look(context, gun, &notary).await {
        Err(AdoptError::Refresh(error)) => Some(error),
        _ => None,
    };
    Ok(adoption)
}

async fn is_there(notary: &NotaryClient) -> Result<bool, NotaryError> {
    let role = RoleName::Timestamp;
    match notary.file(&role, FileVersion::Current, MAX_TIMESTAMP_BYTES).await {
        Ok(_) => Ok(true),
        Err(NotaryError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn bring(context: &Context, folder: &RescueFolder, gun: &Gun) -> Result<(), AdoptError> {
    match import(context, folder, gun).await {
        Ok(_) => Ok(()),
        Err(BringError::NotTaken { server }) => {
            let record = folder.collection(gun).and_then(|collection| collection.record());
            let roots = record.ok().flatten().into_iter().flat_map(|record| record.files);
            let roots = roots.filter(|file| file.role == RoleName::Root);
            Err(AdoptError::OtherServer {
                server: server.clone(),
                gun: gun.clone(),
                root: roots.filter_map(|file| file.version).max(),
                cause: Box::new(BringError::NotTaken { server }),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// What is there now, however old.
async fn look(
    context: &Context,
    gun: &Gun,
    notary: &NotaryClient,
) -> Result<TrustedRepository, AdoptError> {
    match update(context, gun, notary, Source::Server, Expiry::Remembered).await {
        Ok(updated) => Ok(updated.trusted),
        Err(RefreshError::NoTrustData { server, gun, .. }) => {
            Err(AdoptError::NotThere { server, gun })
        }
        Err(error) => Err(error.into()),
    }
}

/// What is to be done, and the keys that the next root is to list.
async fn plan(
    context: &Context,
    notary: &NotaryClient,
    trusted: &TrustedRepository,
) -> Result<(Adoption, Vec<(RoleName, PublicKey)>), AdoptError> {
    let root = trusted.root().body();
    let here = keys_here(context)?;
    let needed = |keys: &RoleKeys| {
        let ids = keys.keys.values().filter_map(|key| key.canonical_id().ok());
        let mut ids: Vec<_> = ids.map(|id| (here.contains(&id), id)).collect();
        ids.sort();
        ids.dedup();
        Needed {
            role: keys.role.clone(),
            threshold: keys.threshold.get(),
            keys: ids.into_iter().map(|(here, id)| (id, here)).collect(),
        }
    };
    let (mut handed, mut next) = (Vec::new(), Vec::new());
    for role in [RoleName::Timestamp, RoleName::Snapshot] {
        let keys = root.role_keys(&role);
        let is_owners = role == RoleName::Snapshot
            && keys.as_ref().is_some_and(|keys| needed(keys).are_enough());
        if is_owners {
            handed.push((role, Handed::Owner));
            continue;
        }
        let key = notary.server_key(&role).await?;
        let usable = !matches!(key.key_type(), KeyType::Unknown(_));
        let id = key.canonical_id().ok().filter(|_| usable);
        let id = id.ok_or_else(|| AdoptError::ServerKey { role: role.clone() })?;
        if keys.is_some_and(|keys| keys.keys.contains_key(&key.id())) {
            handed.push((role, Handed::Already(id)));
        } else {
            handed.push((role.clone(), Handed::Server(id)));
            next.push((role, key));
        }
    }
    let version = root.header.version;
    let mut adoption = Adoption {
        gun: trusted.gun().clone(),
        roots: (version, version.saturating_add(1)),
        timestamp: trusted.timestamp().body().header.version,
        ends: vec![
            (RoleName::Root, root.header.expires.instant()),
            (RoleName::Snapshot, trusted.snapshot().body().header.expires.instant()),
            (RoleName::Timestamp, trusted.timestamp().body().header.expires.instant()),
        ],
        handed,
        needs: Vec::new(),
        expired: Vec::new(),
        certificates: Vec::new(),
        published: None,
        not_confirmed: None,
    };
    if !adoption.is_done() {
        adoption.needs.extend(root.role_keys(&RoleName::Root).iter().map(needed));
        if adoption.handed.contains(&(RoleName::Snapshot, Handed::Owner)) {
            adoption.needs.extend(root.role_keys(&RoleName::Snapshot).iter().map(needed));
        }
    }
    let draft = Draft::from_trusted(trusted);
    let horizon = Horizon::usual(context.clock.now());
    let health = examine(trusted, &here, &BTreeMap::new(), horizon);
    for due in health.due(&[]).into_iter().filter(|due| due.file && due.role.is_targets()) {
        let keys = draft.role_keys(&due.role);
        adoption.expired.extend(keys.iter().map(|keys| (needed(keys), due.expires)));
    }
    Ok((adoption, next))
}

/// Whether a root gives a role just this key.
fn lists(root: &Root, role: &RoleName, key: &PublicKey) -> bool {
    let spec = root.roles.get(role.as_str());
    spec.is_some_and(|spec| spec.key_ids == [key.id()])
}
