//! Signing a draft: which keys it needs, and the files that come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::{KeyId, PrivateKey, Signature};
use crate::limits::{
    MAX_VERSION, ROOT_LIFETIME_DAYS, SNAPSHOT_LIFETIME_DAYS, TARGETS_LIFETIME_DAYS,
};
use crate::tuf::editor::draft::{Draft, lifetime};
use crate::tuf::editor::errors::EditError;
use crate::tuf::editor::proposing::Cosigned;
use crate::tuf::metadata::{Document, FileMeta, Header, Signed, Snapshot, encode_envelope};
use crate::tuf::names::RoleName;
use crate::tuf::verify::{RoleKeys, valid_signers};

/// Keys that a draft needs for one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The role to be signed.
    pub role: RoleName,
    /// How many of the candidates at least.
    pub threshold: u32,
    /// Canonical ids, by which private keys are kept; each once.
    pub candidates: Vec<KeyId>,
    /// The server signs this role if none of these keys is at hand.
    pub optional: bool,
}

/// Signed files, to be published together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The files' bytes by role: fixpoints of the reference's encoder (notary.md §1.10).
    pub files: BTreeMap<RoleName, Vec<u8>>,
    /// What is to be told of each.
    pub roles: BTreeMap<RoleName, PublishedRole>,
}

/// What was signed, by whom, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRole {
    /// The new version.
    pub version: u64,
    /// Until when it is to be believed.
    pub expires: Rfc3339,
    /// Canonical ids of the keys that signed.
    pub signed_by: Vec<KeyId>,
}

impl Draft {
    /// The keys that [`Self::sign`] needs, role by role: root first, snapshot last.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        if self.dirty.contains(&RoleName::Root) {
            needs.extend(self.root_keys_before.iter().map(|keys| need(keys, false)));
            if self.root_role_changed() {
                needs.extend(self.role_keys(&RoleName::Root).iter().map(|keys| need(keys, false)));
            }
            needs.extend(self.earlier_root_keys().iter().map(|keys| need(keys, true)));
        }
        let targets = self.dirty.iter().filter(|role| role.is_targets());
        for role in targets {
            let Some(keys) = self.role_keys(role) else { continue };
            let mut need = need(&keys, false);
            if let Some(cosigned) = self.cosigned.get(role) {
                need.candidates.retain(|id| !cosigned.signers.contains(id));
                let done = u32::try_from(cosigned.signers.len()).unwrap_or(u32::MAX);
                need.threshold = need.threshold.saturating_sub(done);
            }
            needs.push(need);
        }
        needs.extend(self.role_keys(&RoleName::Snapshot).iter().map(|keys| need(keys, true)));
        needs
    }

    /// Each as a role of its own: whichever is at hand signs.
    fn earlier_root_keys(&self) -> Vec<RoleKeys> {
        let keys = self.earlier_root_keys.iter();
        let keys = keys.map(|(id, key)| RoleKeys {
            role: RoleName::Root,
            keys: BTreeMap::from([(id.clone(), key.clone())]),
            threshold: NonZeroU32::MIN,
        });
        keys.collect()
    }

    fn root_role_changed(&self) -> bool {
        self.role_keys(&RoleName::Root) != self.root_keys_before
    }

    /// Signs every changed role with the keys handed in, by canonical id: version up by one, expiry
    /// anew. If none of the snapshot's keys is among them, the snapshot is left to the server.
    pub fn sign(
        &self,
        keys: &BTreeMap<KeyId, PrivateKey>,
        now: Timestamp,
    ) -> Result<Publication, EditError> {
        let mut publication = Publication { files: BTreeMap::new(), roles: BTreeMap::new() };
        if self.dirty.contains(&RoleName::Root) {
            self.check_base_roles()?;
            let mut signing: Vec<RoleKeys> = self.root_keys_before.iter().cloned().collect();
            if self.root_role_changed() {
                signing.extend(self.role_keys(&RoleName::Root));
            }
            let at_hand = |earlier: &RoleKeys| {
                need(earlier, true).candidates.iter().any(|id| keys.contains_key(id))
            };
            signing.extend(self.earlier_root_keys().into_iter().filter(at_hand));
            let header = self.next(&RoleName::Root, &self.root.header, now, ROOT_LIFETIME_DAYS)?;
            publication.add(&RoleName::Root, &self.root, &header, &signing, keys, None)?;
        } else if let Some(raw) = self.root_raw.as_ref().filter(|_| self.root_is_unsent) {
            publication.files.insert(RoleName::Root, raw.clone());
        }
        for role in self.dirty.iter().filter(|role| role.is_targets()) {
            let unknown = || EditError::UnknownRole { role: role.clone() };
            let file = self.targets.get(role).ok_or_else(unknown)?;
            let cosigned = self.cosigned.get(role);
            let header = match cosigned {
                Some(cosigned) => cosigned.header.clone(),
                None => self.next(role, &file.header, now, TARGETS_LIFETIME_DAYS)?,
            };
            let signing = self.role_keys(role).ok_or_else(unknown)?;
            publication.add(role, file.as_ref(), &header, &[signing], keys, cosigned)?;
        }
        self.sign_snapshot(&mut publication, keys, now)?;
        Ok(publication)
    }

    /// Refuses a root under which some role could never be signed again.
    pub(super) fn check_base_roles(&self) -> Result<(), EditError> {
        for role in [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            let unknown = || EditError::UnknownRole { role: role.clone() };
            let keys = self.role_keys(&role).ok_or_else(unknown)?;
            let Need { threshold, candidates, .. } = need(&keys, false);
            let have = u32::try_from(keys.different()).unwrap_or(u32::MAX);
            if have < threshold {
                return Err(EditError::NotEnoughKeys { role, have, need: threshold, candidates });
            }
        }
        Ok(())
    }

    pub(super) fn sign_snapshot(
        &self,
        publication: &mut Publication,
        keys: &BTreeMap<KeyId, PrivateKey>,
        now: Timestamp,
    ) -> Result<(), EditError> {
        let role = RoleName::Snapshot;
        let signing =
            self.role_keys(&role).ok_or_else(|| EditError::UnknownRole { role: role.clone() })?;
        if !need(&signing, true).candidates.iter().any(|id| keys.contains_key(id)) {
            return Ok(());
        }
        let fresh = Header { version: 0, expires: lifetime(now, SNAPSHOT_LIFETIME_DAYS) };
        let before = self.snapshot.clone();
        let mut snapshot =
            before.unwrap_or_else(|| Snapshot { header: fresh, meta: BTreeMap::new() });
        let header = self.next(&role, &snapshot.header, now, SNAPSHOT_LIFETIME_DAYS)?;
        if let Some(raw) = &self.root_raw {
            snapshot.meta.insert(RoleName::Root, FileMeta::of(raw));
        }
        let files = publication.files.iter();
        snapshot.meta.extend(files.map(|(role, raw)| (role.clone(), FileMeta::of(raw))));
        publication.add(&role, &snapshot, &header, &[signing], keys, None)
    }

    pub(super) fn next(
        &self,
        role: &RoleName,
        before: &Header,
        now: Timestamp,
        days: i64,
    ) -> Result<Header, EditError> {
        let floor = self.floors.get(role).copied().unwrap_or_default();
        let version = before.version.max(floor).saturating_add(1);
        if version > MAX_VERSION {
            return Err(EditError::VersionExhausted { role: role.clone() });
        }
        Ok(Header { version, expires: lifetime(now, days) })
    }
}

impl Publication {
    fn add<T: Document>(
        &mut self,
        role: &RoleName,
        document: &T,
        header: &Header,
        signing: &[RoleKeys],
        keys: &BTreeMap<KeyId, PrivateKey>,
        cosigned: Option<&Cosigned>,
    ) -> Result<(), EditError> {
        let body = document.to_json_under(header);
        // A file that nobody can read would lock every reader out, and us. This looks at the
        // document, and what is below at the file: at once they would take twice the memory.
        let unwritable =
            |cause| EditError::Unwritable { role: role.clone(), cause: Box::new(cause) };
        T::from_json(role, &body).map_err(unwritable)?;
        let message = body.to_canonical();
        let mut signatures = Vec::new();
        let mut signed_by = Vec::new();
        let mut done = BTreeSet::new();
        for role_keys in signing {
            // One key under two ids, or in two forms, counts once for whoever verifies, so it does
            // here.
            let mut have = BTreeSet::new();
            if let Some(cosigned) = cosigned {
                // Whoever signed first is trusted no further than a reader would trust them.
                let valid = valid_signers(&cosigned.signatures, &message, role_keys)
                    .map_err(|_| EditError::UnusableRole { role: role.clone() })?;
                for signature in &cosigned.signatures {
                    let known = role_keys.keys.get(&signature.key_id);
                    let Some(id) = known.and_then(|key| key.canonical_id().ok()) else { continue };
                    let Some(key) = known else { continue };
                    if valid.contains(&signature.key_id) && have.insert(key.fingerprint()) {
                        done.insert(signature.key_id.clone());
                        signatures.push(signature.clone());
                        signed_by.push(id);
                    }
                }
            }
            for (id, public) in &role_keys.keys {
                let Ok(canonical) = public.canonical_id() else { continue };
                let Some(private) = keys.get(&canonical) else { continue };
                have.insert(public.fingerprint());
                if !done.insert(id.clone()) {
                    continue;
                }
                let (method, bytes) = private
                    .sign(&message)
                    .map_err(|cause| EditError::Key { role: role.clone(), cause })?;
                signatures.push(Signature { key_id: id.clone(), method, bytes });
                if !signed_by.contains(&canonical) {
                    signed_by.push(canonical);
                }
            }
            let wanted = need(role_keys, false);
            let have = u32::try_from(have.len()).unwrap_or(u32::MAX);
            if have < wanted.threshold {
                return Err(EditError::NotEnoughKeys {
                    role: role.clone(),
                    have,
                    need: wanted.threshold,
                    candidates: wanted.candidates,
                });
            }
        }
        let file = encode_envelope(&body, &signatures);
        drop(body);
        Signed::<T>::check(&file, &message).map_err(unwritable)?;
        drop(message);
        self.roles.insert(
            role.clone(),
            PublishedRole { version: header.version, expires: header.expires, signed_by },
        );
        self.files.insert(role.clone(), file);
        Ok(())
    }
}

pub(super) fn need(keys: &RoleKeys, optional: bool) -> Need {
    // A key that is listed bare and in a certificate is one key.
    let ids: BTreeSet<KeyId> =
        keys.keys.values().filter_map(|key| key.canonical_id().ok()).collect();
    Need {
        role: keys.role.clone(),
        threshold: keys.threshold.get(),
        candidates: ids.into_iter().collect(),
        optional,
    }
}
