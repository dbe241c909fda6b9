//! A root ceremony: the next root as a file that several people sign, each where their key is
//! (`spec/root-ceremony.md`).
//!
//! The file is carried by hand and believed by nobody: everything in it is checked against the
//! present root, which it holds, and what it changes is computed, not read.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::codec::canonical_json::{JsonError, Value};
use crate::codec::text::{from_base64, to_base64};
use crate::crypto::{KeyError, KeyId, PrivateKey, Signature};
use crate::limits::{MAX_SIGNATURES, ROOT_LIFETIME_DAYS, TARGETS_LIFETIME_DAYS};
use crate::tuf::metadata::{
    Document, MetadataError, Root, Signed, Targets, encode_envelope, read_signature,
    write_signature,
};
use crate::tuf::names::{Gun, NameError, RoleName};
use crate::tuf::proposal::is_companion_role;
use crate::tuf::root_trust::{Dates, RootTrustError, certified_keys};
use crate::tuf::verify::{
    RoleKeys, Verified, VerifyError, valid_signers, verify, verify_successor,
};

/// A ceremony whose parts fit together: the present root verifies, the next one follows it.
#[derive(Debug, Clone)]
pub struct Ceremony {
    gun: Gun,
    current: Verified<Root>,
    root: Part<Root>,
    /// The `targets` file that is to be signed with the next root's keys, if those change.
    targets: Option<(Verified<Targets>, Part<Targets>)>,
}

/// A file to be signed: its canonical body, and what it was signed with so far.
#[derive(Debug, Clone)]
struct Part<T> {
    body: T,
    message: Vec<u8>,
    signatures: Vec<Signature>,
}

/// How far the signing by one group of keys is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Whose signatures these are, in words.
    pub group: &'static str,
    /// Different keys that have signed.
    pub have: u32,
    /// How many are needed.
    pub need: u32,
    /// Canonical ids of the keys that have not.
    pub missing: Vec<KeyId>,
}

/// Why a ceremony file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// It is not JSON.
    #[error("the ceremony file is not well-formed")]
    Json(#[from] JsonError),
    /// A part is missing or of another kind.
    #[error("the ceremony file is no such file: {0}")]
    Malformed(&'static str),
    /// It is of a later format.
    #[error("the ceremony file has format version {0}, which is not known here")]
    Format(i64),
    /// The repository's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file in it breaks a rule of metadata.
    #[error("the {part} of the ceremony breaks a rule of metadata")]
    Metadata {
        /// Which.
        part: &'static str,
        /// What.
        #[source]
        cause: Box<MetadataError>,
    },
    /// What would be signed is not written as this program would write it, so that what is shown
    /// would not be all that is signed.
    #[error("the {part} of the ceremony has something that cannot be shown")]
    Unshown {
        /// Which.
        part: &'static str,
    },
    /// No key of a root has a certificate for the repository.
    #[error("the {part} of the ceremony is not of this repository")]
    Root {
        /// Which.
        part: &'static str,
        /// What is wrong.
        #[source]
        cause: RootTrustError,
    },
    /// The present file is not signed as it should be.
    #[error("the {part} of the ceremony does not verify")]
    Unverified {
        /// Which.
        part: &'static str,
        /// What is missing.
        #[source]
        cause: VerifyError,
    },
    /// A version does not follow.
    #[error("the ceremony's next {role} has version {offered}, where {wanted} comes next")]
    Version {
        /// Which.
        role: RoleName,
        /// Offered.
        offered: u64,
        /// One above the present one.
        wanted: u64,
    },
    /// A file would hold longer than any should.
    #[error("the ceremony's next {role} would hold longer than any should")]
    ExpiresLate {
        /// Which.
        role: RoleName,
    },
    /// A file has expired, or is about to.
    #[error("the ceremony's next {role} has expired: begin a new ceremony")]
    Expired {
        /// Which.
        role: RoleName,
    },
    /// A role could never be signed.
    #[error("under the ceremony's next root {role} would need {need} signatures of {have} keys")]
    ThresholdTooHigh {
        /// Which.
        role: RoleName,
        /// Keys.
        have: usize,
        /// Signatures.
        need: u32,
    },
    /// The targets keys change, and what they have to sign is not there.
    #[error("the ceremony changes the keys of targets, but has no targets file to sign")]
    NoTargets,
    /// A signature by a key that counts is not valid: the file was altered.
    #[error("the ceremony's signature by {key} over the next {role} is not valid")]
    BadSignature {
        /// Which file.
        role: RoleName,
        /// The key, by its id in metadata.
        key: KeyId,
    },
    /// Two files are not of the same ceremony.
    #[error("these files are of different ceremonies: their {part} differs")]
    Different {
        /// What differs.
        part: &'static str,
    },
    /// Signatures are missing.
    #[error("{have} of {need} signatures by {group} are there")]
    Incomplete {
        /// Whose.
        group: &'static str,
        /// How many.
        have: u32,
        /// Needed.
        need: u32,
        /// Canonical ids of keys that have not signed.
        missing: Vec<KeyId>,
    },
    /// A key cannot sign.
    #[error("a key cannot sign")]
    Key(#[from] KeyError),
}

impl Ceremony {
    /// Begins a ceremony: from the present root to the next, and, if the keys of `targets` change,
    /// from its present file to the next.
    pub fn new(
        gun: Gun,
        current: Verified<Root>,
        root: Root,
        targets: Option<(Verified<Targets>, Targets)>,
    ) -> Result<Self, CeremonyError> {
        let ceremony = Self {
            gun,
            current,
            root: Part::new(root),
            targets: targets.map(|(before, next)| (before, Part::new(next))),
        };
        ceremony.check()?;
        Ok(ceremony)
    }

    /// Reads a ceremony file, and checks that its parts fit together.
    pub fn parse(bytes: &[u8]) -> Result<Self, CeremonyError> {
        let file = Value::parse(bytes)?;
        let text = |name| file.get(name).and_then(Value::as_str);
        if text("format") != Some(FORMAT) {
            return Err(CeremonyError::Malformed("it does not say that it is one"));
        }
        match file.get("version").and_then(Value::as_int) {
            Some(VERSION) => {}
            Some(other) => return Err(CeremonyError::Format(other)),
            None => return Err(CeremonyError::Malformed("it has no version")),
        }
        let gun = text("gun").ok_or(CeremonyError::Malformed("it names no repository"))?;
        let gun = Gun::parse(gun)?;
        let current = bytes_of(&file, "current")?;
        let current = Signed::<Root>::parse(&RoleName::Root, &current)
            .map_err(|cause| broken("present root", cause))?;
        let keys = certified(current.unverified(), &gun, "present root")?;
        let current = verify(current, &keys).map_err(|cause| unverified("present root", cause))?;
        let part = file.get("root").ok_or(CeremonyError::Malformed("it has no next root"))?;
        let root = Part::<Root>::read(&RoleName::Root, part, "next root")?;
        let targets = match file.get("targets") {
            None | Some(Value::Null) => None,
            Some(part) => Some(read_targets(&current, part)?),
        };
        let ceremony = Self { gun, current, root, targets };
        ceremony.check()?;
        Ok(ceremony)
    }

    /// Writes the file. The summary in it is for whoever opens it in an editor; nobody reads it.
    pub fn encode(&self, now: Timestamp) -> Vec<u8> {
        let summary = self.summary(now).into_iter().map(Value::String);
        let mut members = vec![
            ("current", Value::String(to_base64(self.current.raw()))),
            ("format", Value::String(FORMAT.to_owned())),
            ("gun", Value::String(self.gun.to_string())),
            ("root", self.root.write(None)),
            ("summary", Value::Array(summary.collect())),
            ("version", Value::Int(VERSION)),
        ];
        if let Some((before, next)) = &self.targets {
            members.push(("targets", next.write(Some(before.raw()))));
        }
        let mut bytes = Value::object(members).to_wire();
        bytes.push(b'\n');
        bytes
    }

    fn check(&self) -> Result<(), CeremonyError> {
        let next = &self.root.body;
        follows(&RoleName::Root, self.current.body(), next)?;
        for role in BASE_ROLES {
            let keys = next.role_keys(&role).map(|keys| (keys.different(), keys.threshold));
            let (have, need) = keys.map_or((0, 1), |(have, need)| (have, need.get()));
            if u32::try_from(have).unwrap_or(u32::MAX) < need {
                return Err(CeremonyError::ThresholdTooHigh { role, have, need });
            }
        }
        // Of the next root's keys only those with a certificate will count.
        let keys = certified(next, &self.gun, "next root")?;
        let (have, need) = (keys.different(), keys.threshold.get());
        if u32::try_from(have).unwrap_or(u32::MAX) < need {
            return Err(CeremonyError::ThresholdTooHigh { role: RoleName::Root, have, need });
        }
        let role = RoleName::Targets;
        match &self.targets {
            Some((before, next)) => follows(&role, before.body(), &next.body),
            None if next.role_keys(&role) != self.current.body().role_keys(&role) => {
                Err(CeremonyError::NoTargets)
            }
            None => Ok(()),
        }
    }

    /// The repository.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The root that the next one is to follow.
    pub fn current(&self) -> &Verified<Root> {
        &self.current
    }

    /// The root that is to be signed.
    pub fn next(&self) -> &Root {
        &self.root.body
    }

    /// The `targets` file that the one to be signed is to follow, if there is one.
    pub fn current_targets(&self) -> Option<&Verified<Targets>> {
        self.targets.as_ref().map(|(before, _)| before)
    }

    /// Checks the root that the next one is to follow against an earlier one that is trusted. The
    /// very next one must be signed by its keys; of a later one nothing can be said.
    pub fn check_known(&self, known: &Signed<Root>) -> Result<(), CeremonyError> {
        let known = known.unverified();
        if known.header.version.saturating_add(1) != self.current.body().header.version {
            return Ok(());
        }
        let part = "present root";
        let keys = certified(known, &self.gun, part)?;
        verify(self.current.signed().clone(), &keys)
            .map(|_| ())
            .map_err(|cause| unverified(part, cause))
    }

    /// Everything that counts under the next root, whether it changes or not: for who cannot tell
    /// whether the root that it follows is the repository's. Whoever makes one up, with keys of
    /// their own in every role, has nothing left that changes but the victim's key.
    pub fn inventory(&self) -> Vec<String> {
        let next = &self.root.body;
        let mut lines = Vec::new();
        for keys in BASE_ROLES.iter().filter_map(|role| next.role_keys(role)) {
            let need = keys.threshold;
            lines.push(format!("{}: {need} of {} keys must sign", keys.role, keys.different()));
            lines.extend(keys.keys.keys().map(|id| format!("{}: {}", keys.role, named(id, &keys))));
        }
        if let Some((_, part)) = &self.targets {
            let file = &part.body;
            lines.extend(file.targets.keys().map(|name| format!("targets: {name}")));
            for child in &file.delegations.roles {
                let Some(keys) = file.role_keys(&child.name) else { continue };
                let (role, need) = (&child.name, child.threshold);
                lines.push(format!("{role}: {need} of {} keys must sign", keys.different()));
                lines.extend(keys.keys.keys().map(|id| format!("{role}: {}", named(id, &keys))));
            }
        }
        lines
    }

    /// What the ceremony changes, line by line, computed from the two roots.
    pub fn summary(&self, now: Timestamp) -> Vec<String> {
        let (before, next) = (self.current.body(), &self.root.body);
        let mut lines = vec![
            format!("repository {}", self.gun),
            format!("root version {} follows {}", next.header.version, before.header.version),
            format!(
                "the root is to hold until {} (before: {}{})",
                next.header.expires,
                before.header.expires,
                if before.header.expires.instant() < now { ", expired" } else { "" }
            ),
        ];
        for role in BASE_ROLES {
            summarize_role(&role, before, next, &mut lines);
        }
        let known: BTreeSet<&str> = BASE_ROLES.iter().map(RoleName::as_str).collect();
        let others = |root: &Root| -> BTreeMap<String, _> {
            let roles = root.roles.iter().filter(|(name, _)| !known.contains(name.as_str()));
            roles.map(|(name, spec)| (name.clone(), spec.clone())).collect()
        };
        if others(before) != others(next) {
            lines.push("roles that no reader knows change".to_owned());
        }
        if before.consistent_snapshot != next.consistent_snapshot {
            let word = next.consistent_snapshot;
            lines.push(format!("consistent_snapshot becomes {word}"));
        }
        if let Some((before, next)) = &self.targets {
            summarize_targets(before.body(), &next.body, &mut lines);
        }
        lines
    }

    /// Canonical ids of all keys whose signature is of use.
    pub fn candidates(&self) -> BTreeSet<KeyId> {
        self.groups().iter().flat_map(|group| distinct(&group.keys)).collect()
    }

    /// Signs with those of the keys that are of use, and returns the ids of those that were.
    pub fn sign(
        &mut self,
        keys: &BTreeMap<KeyId, PrivateKey>,
    ) -> Result<BTreeSet<KeyId>, CeremonyError> {
        let (mut used, mut new) = (BTreeSet::new(), Vec::new());
        for group in self.groups() {
            for (id, public) in &group.keys.keys {
                let Ok(canonical) = public.canonical_id() else { continue };
                let Some(private) = keys.get(&canonical) else { continue };
                used.insert(canonical);
                let known = |signature: &Signature| signature.key_id == *id;
                let twice =
                    new.iter().any(|(role, signature)| *role == group.role && known(signature));
                if !twice && !group.signatures.iter().any(known) {
                    let (method, bytes) = private.sign(group.message)?;
                    new.push((group.role.clone(), Signature { key_id: id.clone(), method, bytes }));
                }
            }
        }
        for (role, signature) in new {
            match (&role, &mut self.targets) {
                (RoleName::Targets, Some((_, part))) => part.signatures.push(signature),
                _ => self.root.signatures.push(signature),
            }
        }
        Ok(used)
    }

    /// Takes over the signatures of another file of the same ceremony.
    pub fn merge(&mut self, other: &Self) -> Result<(), CeremonyError> {
        let different = |part| Err(CeremonyError::Different { part });
        if self.gun != other.gun {
            return different("repository");
        }
        if self.current.raw() != other.current.raw() {
            return different("present root");
        }
        if self.root.message != other.root.message {
            return different("next root");
        }
        let raw = |of: &Self| of.targets.as_ref().map(|(before, _)| before.raw().to_vec());
        let next = |of: &Self| of.targets.as_ref().map(|(_, next)| next.message.clone());
        if raw(self) != raw(other) || next(self) != next(other) {
            return different("targets");
        }
        add_signatures(&mut self.root.signatures, &other.root.signatures);
        if let (Some((_, ours)), Some((_, theirs))) = (&mut self.targets, &other.targets) {
            add_signatures(&mut ours.signatures, &theirs.signatures);
        }
        Ok(())
    }

    /// How far each group of keys is. A signature by a key that counts must be valid; those of
    /// strangers are left out of account and counted in the second answer.
    pub fn tallies(&self) -> Result<(Vec<Tally>, usize), CeremonyError> {
        let mut tallies = Vec::new();
        let mut counted = BTreeSet::new();
        let groups = self.groups();
        for group in &groups {
            let signers = valid_signers(group.signatures, group.message, &group.keys)
                .map_err(|cause| unverified("next root", cause))?;
            for signature in group.signatures {
                let Some(key) = group.keys.keys.get(&signature.key_id) else { continue };
                if key.verify(&signature.method, group.message, &signature.bytes).is_err() {
                    let key = signature.key_id.clone();
                    return Err(CeremonyError::BadSignature { role: group.role.clone(), key });
                }
                counted.insert((group.role.clone(), signature.key_id.clone()));
            }
            let bare = |id: &KeyId| group.keys.keys.get(id)?.canonical_id().ok();
            let have: BTreeSet<KeyId> = signers.iter().filter_map(bare).collect();
            tallies.push(Tally {
                group: group.name,
                have: u32::try_from(have.len()).unwrap_or(u32::MAX),
                need: group.keys.threshold.get(),
                missing: distinct(&group.keys).difference(&have).cloned().collect(),
            });
        }
        let all = self.root.signatures.len()
            + self.targets.as_ref().map_or(0, |(_, part)| part.signatures.len());
        Ok((tallies, all.saturating_sub(counted.len())))
    }

    /// The files to publish, once enough have signed: readers who have the present root will accept
    /// them at this time.
    pub fn files(&self, now: Timestamp) -> Result<BTreeMap<RoleName, Vec<u8>>, CeremonyError> {
        let (tallies, _) = self.tallies()?;
        if let Some(tally) = tallies.into_iter().find(|tally| tally.have < tally.need) {
            let Tally { group, have, need, missing } = tally;
            return Err(CeremonyError::Incomplete { group, have, need, missing });
        }
        let mut files = BTreeMap::new();
        let raw = self.root.file();
        let old = certified(self.current.body(), &self.gun, "present root")?;
        let own = certified_keys(&self.root.body, &self.gun, Dates::ValidAt(now))
            .map_err(|cause| CeremonyError::Root { part: "next root", cause })?;
        let signed = Signed::<Root>::parse(&RoleName::Root, &raw)
            .map_err(|cause| broken("next root", cause))?;
        let verified =
            verify_successor(signed, &old, &own).map_err(|cause| unverified("next root", cause))?;
        unexpired(&RoleName::Root, verified.body(), now)?;
        files.insert(RoleName::Root, raw);
        if let Some((_, part)) = &self.targets {
            let role = RoleName::Targets;
            let keys = verified.body().role_keys(&role).ok_or(CeremonyError::NoTargets)?;
            let raw = part.file();
            let signed =
                Signed::<Targets>::parse(&role, &raw).map_err(|cause| broken("targets", cause))?;
            let verified = verify(signed, &keys).map_err(|cause| unverified("targets", cause))?;
            unexpired(&role, verified.body(), now)?;
            files.insert(role, raw);
        }
        Ok(files)
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let root = |name, keys| Group {
            name,
            role: RoleName::Root,
            keys,
            message: &self.root.message,
            signatures: &self.root.signatures,
        };
        let (before, next) = (self.current.body(), &self.root.body);
        // Both were checked to be there when the file was read.
        let old = certified_keys(before, &self.gun, Dates::Ignored).ok();
        let new = certified_keys(next, &self.gun, Dates::Ignored).ok();
        let same = old == new;
        let mut groups: Vec<Group<'_>> =
            old.map(|keys| root("the present root keys", keys)).into_iter().collect();
        if !same {
            groups.extend(new.map(|keys| root("the next root keys", keys)));
        }
        if let Some((_, part)) = &self.targets
            && let Some(keys) = next.role_keys(&RoleName::Targets)
        {
            groups.push(Group {
                name: "the next targets keys",
                role: RoleName::Targets,
                keys,
                message: &part.message,
                signatures: &part.signatures,
            });
        }
        groups
    }
}

/// Keys that together have to sign one of the files.
struct Group<'a> {
    name: &'static str,
    role: RoleName,
    keys: RoleKeys,
    message: &'a [u8],
    signatures: &'a [Signature],
}

impl<T: Document> Part<T> {
    fn new(body: T) -> Self {
        let message = body.to_json().to_canonical();
        Self { body, message, signatures: Vec::new() }
    }

    fn read(role: &RoleName, value: &Value, part: &'static str) -> Result<Self, CeremonyError> {
        let message = bytes_of(value, "signed")?;
        let body = T::from_json(role, &Value::parse(&message)?);
        let body = body.map_err(|cause| broken(part, cause))?;
        if body.to_json().to_canonical() != message {
            return Err(CeremonyError::Unshown { part });
        }
        let list = value.get("signatures").and_then(Value::as_array);
        let list = list.ok_or(CeremonyError::Malformed("it has no list of signatures"))?;
        if list.len() > MAX_SIGNATURES {
            return Err(CeremonyError::Malformed("it has too many signatures"));
        }
        let signatures = list.iter().map(|entry| {
            read_signature(entry).ok_or(CeremonyError::Malformed("a signature is none"))
        });
        let signatures = signatures.collect::<Result<_, _>>()?;
        Ok(Self { body, message, signatures })
    }

    fn write(&self, current: Option<&[u8]>) -> Value {
        let mut members = vec![
            ("signatures", Value::Array(self.signatures.iter().map(write_signature).collect())),
            ("signed", Value::String(to_base64(&self.message))),
        ];
        members.extend(current.map(|raw| ("current", Value::String(to_base64(raw)))));
        Value::object(members)
    }

    fn file(&self) -> Vec<u8> {
        encode_envelope(&self.body.to_json(), &self.signatures)
    }
}

fn read_targets(
    current: &Verified<Root>,
    part: &Value,
) -> Result<(Verified<Targets>, Part<Targets>), CeremonyError> {
    let role = RoleName::Targets;
    let raw = bytes_of(part, "current")?;
    let before =
        Signed::<Targets>::parse(&role, &raw).map_err(|cause| broken("present targets", cause))?;
    let keys = current.body().role_keys(&role).ok_or(CeremonyError::NoTargets)?;
    let before = verify(before, &keys).map_err(|cause| unverified("present targets", cause))?;
    Ok((before, Part::<Targets>::read(&role, part, "next targets")?))
}

fn follows<T: Document>(role: &RoleName, before: &T, next: &T) -> Result<(), CeremonyError> {
    let (before, next) = (before.header(), next.header());
    let wanted = before.version.saturating_add(1);
    if next.version != wanted {
        let role = role.clone();
        return Err(CeremonyError::Version { role, offered: next.version, wanted });
    }
    Ok(())
}

fn unexpired<T: Document>(role: &RoleName, next: &T, now: Timestamp) -> Result<(), CeremonyError> {
    let expires = next.header().expires.instant().as_second();
    let days = if *role == RoleName::Root { ROOT_LIFETIME_DAYS } else { TARGETS_LIFETIME_DAYS };
    if expires <= now.as_second() {
        return Err(CeremonyError::Expired { role: role.clone() });
    }
    // A day more than we would give it: clocks differ.
    if expires > now.as_second().saturating_add((days + 1) * SECONDS_A_DAY) {
        return Err(CeremonyError::ExpiresLate { role: role.clone() });
    }
    Ok(())
}

fn summarize_role(role: &RoleName, before: &Root, next: &Root, lines: &mut Vec<String>) {
    let (Some(old), Some(new)) = (before.role_keys(role), next.role_keys(role)) else { return };
    for id in old.keys.keys().filter(|id| !new.keys.contains_key(id)) {
        lines.push(format!("{role}: the key {} goes", named(id, &old)));
    }
    for id in new.keys.keys().filter(|id| !old.keys.contains_key(id)) {
        lines.push(format!("{role}: the key {} comes", named(id, &new)));
    }
    let keys = new.different();
    if old.threshold == new.threshold {
        lines.push(format!("{role}: {} of {keys} keys, threshold unchanged", new.threshold));
    } else {
        lines.push(format!(
            "{role}: {} of {keys} keys must sign from then on (before: {} of {})",
            new.threshold,
            old.threshold,
            old.different()
        ));
    }
}

fn named(id: &KeyId, keys: &RoleKeys) -> String {
    let bare = keys.keys.get(id).and_then(|key| key.canonical_id().ok());
    match bare {
        Some(bare) if bare != *id => format!("{bare} (in the certificate {id})"),
        _ => id.to_string(),
    }
}

fn summarize_targets(before: &Targets, next: &Targets, lines: &mut Vec<String>) {
    lines.push(format!(
        "targets version {} follows {}, to hold until {}",
        next.header.version, before.header.version, next.header.expires
    ));
    for (name, target) in &next.targets {
        if before.targets.get(name) != Some(target) {
            lines.push(format!("targets: {name} is added or changed"));
        }
    }
    for name in before.targets.keys().filter(|name| !next.targets.contains_key(name)) {
        lines.push(format!("targets: {name} is removed"));
    }
    let old = |role: &RoleName| before.delegations.roles.iter().find(|child| child.name == *role);
    for child in &next.delegations.roles {
        match old(&child.name) {
            Some(old) if old == child => {}
            _ if is_companion_role(child) => {
                lines.push(format!("{}: a place for what waits for signatures", child.name));
            }
            _ => lines.push(format!("{} is added or changed", child.name)),
        }
    }
    for child in &before.delegations.roles {
        if next.delegations.roles.iter().all(|other| other.name != child.name) {
            lines.push(format!("{} is removed", child.name));
        }
    }
}

fn add_signatures(ours: &mut Vec<Signature>, theirs: &[Signature]) {
    for signature in theirs {
        if !ours.contains(signature) && ours.len() < MAX_SIGNATURES {
            ours.push(signature.clone());
        }
    }
}

fn certified(root: &Root, gun: &Gun, part: &'static str) -> Result<RoleKeys, CeremonyError> {
    certified_keys(root, gun, Dates::Ignored).map_err(|cause| CeremonyError::Root { part, cause })
}

/// Canonical ids: one key in two certificates is one key.
fn distinct(keys: &RoleKeys) -> BTreeSet<KeyId> {
    keys.keys.values().filter_map(|key| key.canonical_id().ok()).collect()
}

fn bytes_of(value: &Value, name: &str) -> Result<Vec<u8>, CeremonyError> {
    let text = value.get(name).and_then(Value::as_str);
    let text = text.ok_or(CeremonyError::Malformed("a file is missing"))?;
    from_base64(text).map_err(|_| CeremonyError::Malformed("a file is not base64"))
}

fn broken(part: &'static str, cause: MetadataError) -> CeremonyError {
    CeremonyError::Metadata { part, cause: Box::new(cause) }
}

fn unverified(part: &'static str, cause: VerifyError) -> CeremonyError {
    CeremonyError::Unverified { part, cause }
}

const BASE_ROLES: [RoleName; 4] =
    [RoleName::Root, RoleName::Targets, RoleName::Snapshot, RoleName::Timestamp];
const FORMAT: &str = "trust-root-ceremony";
const VERSION: i64 = 1;
const SECONDS_A_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::editor::{Draft, RootEdit};
    use crate::tuf::testing::{Repo, TestKey, now, threshold};

    fn held(key: &TestKey) -> BTreeMap<KeyId, PrivateKey> {
        let copy = PrivateKey::from_pkcs8(&key.private.to_pkcs8().unwrap()).unwrap();
        [(copy.id(), copy)].into()
    }

    /// One root key becomes two of two.
    fn ceremony() -> (Repo, TestKey, Ceremony) {
        let repo = Repo::new();
        let bob = TestKey::certified(repo.gun.as_str());
        let trusted = repo.first().unwrap();
        let mut draft = Draft::from_trusted(&trusted);
        let edit = RootEdit {
            add: vec![bob.public.clone()],
            threshold: Some(threshold(2)),
            ..RootEdit::default()
        };
        draft.edit_root(&repo.gun, &edit, now()).unwrap();
        let next = draft.next_root(now()).unwrap();
        let made = Ceremony::new(repo.gun.clone(), trusted.root().clone(), next, None).unwrap();
        (repo, bob, made)
    }

    #[test]
    fn a_ceremony_is_complete_when_both_roots_are_content() {
        let (repo, bob, mut ceremony) = ceremony();
        let alice = repo.signers[&RoleName::Root][0].clone();
        let incomplete = |ceremony: &Ceremony| match ceremony.files(now()) {
            Err(CeremonyError::Incomplete { group, have, need, .. }) => (group, have, need),
            other => panic!("{other:?}"),
        };
        assert_eq!(incomplete(&ceremony), ("the present root keys", 0, 1));
        let mut of_bob = Ceremony::parse(&ceremony.encode(now())).unwrap();
        of_bob.sign(&held(&bob)).unwrap();
        assert_eq!(incomplete(&of_bob), ("the present root keys", 0, 1));
        ceremony.sign(&held(&alice)).unwrap();
        ceremony.sign(&held(&alice)).unwrap();
        assert_eq!(incomplete(&ceremony), ("the next root keys", 1, 2));
        ceremony.merge(&of_bob).unwrap();
        ceremony.merge(&of_bob).unwrap();
        let files = ceremony.files(now()).unwrap();
        let root = Signed::<Root>::parse(&RoleName::Root, &files[&RoleName::Root]).unwrap();
        assert_eq!(root.signatures().len(), 2);
        let late = Timestamp::from_second(now().as_second() + 4000 * SECONDS_A_DAY).unwrap();
        assert!(ceremony.files(late).is_err());
        let early = Timestamp::from_second(now().as_second() - 2 * SECONDS_A_DAY).unwrap();
        assert!(ceremony.files(early).is_err());
    }

    #[test]
    fn a_strangers_signature_is_left_out_of_account() {
        let (_, bob, mut ceremony) = ceremony();
        let stranger = TestKey::certified("docker.io/library/alpine");
        assert!(ceremony.sign(&held(&stranger)).unwrap().is_empty());
        ceremony.root.signatures.push(stranger.signature(&ceremony.root.message));
        ceremony.sign(&held(&bob)).unwrap();
        let (tallies, strangers) = ceremony.tallies().unwrap();
        assert_eq!((tallies[0].have, tallies[1].have, strangers), (0, 1, 1));
    }

    #[test]
    fn another_ceremony_is_not_merged() {
        let (_, _, mut one) = ceremony();
        let (_, _, other) = ceremony();
        assert_eq!(one.merge(&other), Err(CeremonyError::Different { part: "present root" }));
    }

    /// Wherever a byte of the file is changed, it is refused, or still is the same ceremony.
    #[test]
    fn no_altered_byte_is_signed() {
        let (repo, _, mut ceremony) = ceremony();
        ceremony.sign(&held(&repo.signers[&RoleName::Root][0].clone())).unwrap();
        let bytes = ceremony.encode(now());
        for place in (0..bytes.len()).step_by(bytes.len() / 150) {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            let Ok(read) = Ceremony::parse(&altered) else { continue };
            if read.tallies().is_err() {
                continue;
            }
            assert_eq!(read.current.body(), ceremony.current.body(), "{place}");
            assert!(read.root.message == ceremony.root.message, "{place} changes what is signed");
        }
        // Without its last byte, which ends the line, it is all there.
        for length in (0..bytes.len() - 1).step_by(bytes.len() / 50) {
            assert!(Ceremony::parse(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_changes_is_said_whatever_it_is() {
        let (repo, _, ceremony) = ceremony();
        let trusted = repo.first().unwrap();
        let mut next = ceremony.next().clone();
        let mallory = TestKey::bare();
        next.keys.insert(mallory.id(), mallory.public.clone());
        for role in [RoleName::Timestamp, RoleName::Snapshot] {
            next.roles.get_mut(role.as_str()).unwrap().key_ids = vec![mallory.id()];
        }
        next.consistent_snapshot = true;
        let made = Ceremony::new(repo.gun.clone(), trusted.root().clone(), next.clone(), None);
        let said = made.unwrap().summary(now()).join("\n");
        for words in ["timestamp: the key", "snapshot: the key", "comes", "consistent_snapshot"] {
            assert!(said.contains(words), "{said}");
        }
        // The keys of targets change only together with its file.
        next.roles.get_mut("targets").unwrap().key_ids = vec![mallory.id()];
        let made = Ceremony::new(repo.gun, trusted.root().clone(), next, None);
        assert_eq!(made.map(|_| ()), Err(CeremonyError::NoTargets));
    }

    /// Mallory knows the certificate of alice, who alone signs the root of version 1, and makes up a
    /// root 2 in which only mallory's keys stand. Alice's signature over its successor is all that
    /// readers who trust alice would want.
    #[test]
    fn a_present_root_that_is_made_up_is_refused_or_shown_whole() {
        let repo = Repo::new();
        let alice = repo.signers[&RoleName::Root][0].clone();
        let known = repo.first().unwrap().root().signed().clone();
        let mut made_up = repo.clone();
        let mallory = TestKey::certified(repo.gun.as_str());
        made_up.root.keys = [(mallory.id(), mallory.public.clone())].into();
        for role in BASE_ROLES {
            made_up.root.roles.get_mut(role.as_str()).unwrap().key_ids = vec![mallory.id()];
            made_up.signers.insert(role, vec![mallory.clone()]);
        }
        let ceremony = |version: u64| {
            let mut made_up = made_up.clone();
            made_up.root.header.version = version;
            let trusted = made_up.first().unwrap();
            let mut draft = Draft::from_trusted(&trusted);
            let edit = RootEdit { add: vec![alice.public.clone()], ..RootEdit::default() };
            draft.edit_root(&repo.gun, &edit, now()).unwrap();
            let next = draft.next_root(now()).unwrap();
            Ceremony::new(repo.gun.clone(), trusted.root().clone(), next, None).unwrap()
        };
        let next = ceremony(2);
        let error = next.check_known(&known);
        let unsigned = VerifyError::ThresholdNotMet { role: RoleName::Root, have: 0, need: 1 };
        assert_eq!(error, Err(CeremonyError::Unverified { part: "present root", cause: unsigned }));
        // Of a later one nothing can be said, and what changes says nothing either.
        let later = ceremony(3);
        assert_eq!(later.check_known(&known), Ok(()));
        let bare = mallory.public.canonical_id().unwrap().to_string();
        assert!(!later.summary(now()).join("\n").contains(&bare));
        let all = later.inventory().join("\n");
        for role in BASE_ROLES {
            assert!(all.contains(&format!("{role}: {bare} (in the certificate")), "{all}");
        }
    }
}
