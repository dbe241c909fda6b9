//! What a collection's trust data says that another system could be told.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::context::Context;
use crate::actions::image::{digest_of, pull_roles};
use crate::actions::repo::doctor::keys_here;
use crate::actions::update::{RefreshError, Source, Updated, update};
use crate::clock::Timestamp;
use crate::codec::pem::Pem;
use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyId, KeyType, PublicKey};
use crate::oci::Digest;
use crate::tuf::trusted::{Expiry, TrustedRepository};
use crate::tuf::verify::RoleKeys;
use crate::tuf::{Gun, RoleName};

/// A collection as another system could be told of it.
#[derive(Debug)]
pub struct Facts {
    /// Its name.
    pub gun: Gun,
    /// The instant by which all was judged.
    pub now: Timestamp,
    /// The version of the root.
    pub root_version: u64,
    /// The base roles root and targets, and every delegation, a parent before its children.
    pub roles: Vec<RoleFacts>,
    /// Every key of these, by its canonical id.
    pub keys: Vec<KeyFacts>,
    /// Every tag that counts.
    pub tags: Vec<TagFacts>,
    /// Until when the server's statement holds that this is the newest.
    pub fresh_until: Timestamp,
    /// The first of all metadata to expire.
    pub expires_first: (RoleName, Timestamp),
    /// What had expired.
    pub expired: Vec<(RoleName, Timestamp)>,
    /// Delegations that cannot be used, and so are left out.
    pub unusable: Vec<RoleName>,
    /// Root keys that were believed unseen.
    pub first_contact: Option<Vec<KeyId>>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its name.
    pub role: RoleName,
    /// How many different keys must sign.
    pub threshold: u32,
    /// Canonical ids of its keys.
    pub keys: Vec<KeyId>,
    /// The prefixes of what it may sign; `""` is all. Of base roles none are given.
    pub paths: Vec<String>,
    /// Whether its word alone makes an image trusted, as `docker pull` has it.
    pub counts: bool,
}

/// A key.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// Its canonical id: the name of its private half's file.
    pub id: KeyId,
    /// A name for files: of a signer, or what else it is, and the beginning of the id.
    pub name: String,
    /// `ecdsa`, `rsa` or `ed25519`.
    pub algorithm: String,
    /// The `PUBLIC KEY` in PEM, if it can be read.
    pub pem: Option<Vec<u8>>,
    /// The certificates that the trust data has with it; the leaf first.
    pub certificates: Vec<Certificate>,
    /// Roles that it may sign.
    pub roles: Vec<RoleName>,
    /// Whether it is of a role whose word alone makes an image trusted.
    pub counts: bool,
    /// Whether the private half is on this machine.
    pub here: bool,
}

/// A tag that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFacts {
    /// The tag, or the target's name.
    pub tag: String,
    /// The digest; none if it is signed without SHA-256.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// Every role that vouches for just this.
    pub signed_by: Vec<RoleName>,
}

/// Brings a collection up to date and takes the facts out of it. What has expired is told, not
/// refused: whoever moves away may be late.
pub async fn read(context: &Context, gun: &Gun, source: Source) -> Result<Facts, RefreshError> {
    let notary = context.connections.notary(gun, "pull")?;
    let Updated { trusted, .. } = update(context, gun, &notary, source, Expiry::Remembered).await?;
    let here = keys_here(context).unwrap_or_default();
    Ok(facts(&trusted, &here))
}

pub(super) fn facts(trusted: &TrustedRepository, here: &BTreeSet<KeyId>) -> Facts {
    let mut roles = Vec::new();
    let mut keys: BTreeMap<KeyId, KeyFacts> = BTreeMap::new();
    let root = trusted.root().body();
    let base = [RoleName::Root, RoleName::Targets].into_iter();
    let base = base.filter_map(|role| root.role_keys(&role));
    let delegated = trusted.walk().into_iter().filter_map(|parent| trusted.targets().get(parent));
    let delegated = delegated.flat_map(|file| {
        let children = file.body().delegations.roles.iter();
        children.filter_map(|child| file.body().role_keys(&child.name))
    });
    for role_keys in base.chain(delegated) {
        let RoleKeys { role, keys: of_role, threshold } = role_keys;
        let counts = pull_roles().contains(&role);
        let mut ids = Vec::new();
        for key in of_role.values() {
            let Ok(id) = key.canonical_id() else { continue };
            let known = keys.entry(id.clone()).or_insert_with(|| key_facts(&id, key, here));
            known.roles.push(role.clone());
            known.counts |= counts;
            if known.certificates.is_empty() {
                known.certificates = certificates(key);
            }
            ids.push(id);
        }
        let paths = if role.is_delegation() { trusted.paths(&role).to_vec() } else { Vec::new() };
        roles.push(RoleFacts { role, threshold: threshold.get(), keys: ids, paths, counts });
    }
    let mut keys: Vec<KeyFacts> = keys.into_values().collect();
    for key in &mut keys {
        key.name = name_of(key);
    }
    Facts {
        gun: trusted.gun().clone(),
        now: trusted.now(),
        root_version: root.header.version,
        roles,
        keys,
        tags: tags(trusted),
        fresh_until: trusted.timestamp().body().header.expires.instant(),
        expires_first: trusted.expires_first(),
        expired: trusted.expired().to_vec(),
        unusable: trusted.unusable().keys().cloned().collect(),
        first_contact: trusted.is_first_use().then(|| trusted.root_key_ids()),
    }
}

impl Facts {
    /// The keys whose word alone makes an image trusted.
    pub fn counting(&self) -> impl Iterator<Item = &KeyFacts> {
        self.keys.iter().filter(|key| key.counts)
    }

    /// The delegations.
    pub fn delegations(&self) -> impl Iterator<Item = &RoleFacts> {
        self.roles.iter().filter(|role| role.role.is_delegation())
    }
}

fn key_facts(id: &KeyId, key: &PublicKey, here: &BTreeSet<KeyId>) -> KeyFacts {
    let bare = key.bare().ok();
    let algorithm = bare.as_ref().unwrap_or(key).key_type().as_str().to_owned();
    let usable = bare.filter(|bare| bare.check().is_ok());
    KeyFacts {
        id: id.clone(),
        name: String::new(),
        algorithm,
        pem: usable.as_ref().and_then(public_pem),
        certificates: certificates(key),
        roles: Vec::new(),
        counts: false,
        here: here.contains(id),
    }
}

fn certificates(key: &PublicKey) -> Vec<Certificate> {
    if key.key_type().is_x509() {
        Certificate::parse_bundle(key.public()).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// The PEM text of a bare key.
fn public_pem(key: &PublicKey) -> Option<Vec<u8>> {
    let der = match key.key_type() {
        KeyType::Ed25519 => [ED25519_PREFIX, key.public()].concat(),
        // Some RSA keys stand in metadata as PEM.
        KeyType::Rsa if key.public().starts_with(b"-----") => {
            Pem::parse_all(key.public()).ok()?.into_iter().next()?.contents.to_vec()
        }
        KeyType::Ecdsa | KeyType::Rsa => key.public().to_vec(),
        _ => return None,
    };
    Some(Pem::new("PUBLIC KEY", der).encode().to_vec())
}

/// The signer's name if it is one signer's, else what the key is.
fn name_of(key: &KeyFacts) -> String {
    let signer =
        key.roles.iter().find(|role| role.is_delegation() && **role != RoleName::releases());
    let what = match signer {
        Some(role) => {
            let role = role.as_str();
            role.strip_prefix("targets/").unwrap_or(role).replace('/', "-")
        }
        None if key.roles.contains(&RoleName::releases()) => "releases".to_owned(),
        None if key.roles.contains(&RoleName::Targets) => "repository".to_owned(),
        None => "root".to_owned(),
    };
    format!("{what}-{}", key.id.short(SHORT_ID))
}

fn tags(trusted: &TrustedRepository) -> Vec<TagFacts> {
    let listed = trusted.list(&pull_roles()).into_iter();
    let listed = listed.map(|(name, found)| {
        let same = trusted.all(name).into_iter();
        let same = same.filter(|other| other.target.hashes == found.target.hashes);
        TagFacts {
            tag: name.to_string(),
            digest: digest_of(found.target),
            size: found.target.length,
            signed_by: same.map(|other| other.role.clone()).collect(),
        }
    });
    listed.collect()
}

/// The head of an Ed25519 key's `SubjectPublicKeyInfo` (RFC 8410 §4), before its 32 bytes.
const ED25519_PREFIX: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Digits of an id in the name of a file.
const SHORT_ID: usize = 8;
