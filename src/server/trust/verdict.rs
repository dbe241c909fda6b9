//! What trust says: of a whole collection at one state of it, and of one thing that somebody wants.
//!
//! A `Standing` is made by the client's own engine: files, a pinned root and a time go in. No
//! database is known here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::oci::Digest;
use crate::server::meta::enforcement::TrustFiles;
use crate::server::trust::policy::Rule;
use crate::tuf::delegation::permits;
use crate::tuf::root_trust::{RootTrustError, root_certificates};
use crate::tuf::trusted::{Expiry, LookupError, TrustedRepository};
use crate::tuf::{Gun, Pin, RoleName, Target, TargetName, TrustedSet, UpdateError, VerifyError};

/// In what way something is not what somebody trusted has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody whose word counts has signed it.
    Unsigned,
    /// Something else is signed for the tag.
    WrongDigest,
    /// The digest is right, the size that was signed is not.
    WrongSize,
    /// The trust data is past its time.
    Expired,
    /// A signer who must vouch for it does not, or a file lacks signatures.
    SignerMissing,
    /// The trust data is older than what was there before.
    RolledBack,
    /// The root is not one that the policy pins, nor follows from one.
    UntrustedRoot,
    /// The trust data breaks another rule.
    Invalid,
}

impl Reason {
    /// All of them, in the order of `spec/enforcement.md` §4.
    pub const ALL: [Self; 8] = [
        Self::Unsigned,
        Self::WrongDigest,
        Self::WrongSize,
        Self::Expired,
        Self::SignerMissing,
        Self::RolledBack,
        Self::UntrustedRoot,
        Self::Invalid,
    ];

    /// Its name in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::WrongDigest => "wrong-digest",
            Self::WrongSize => "wrong-size",
            Self::Expired => "expired",
            Self::SignerMissing => "signer-missing",
            Self::RolledBack => "rolled-back",
            Self::UntrustedRoot => "untrusted-root",
            Self::Invalid => "invalid",
        }
    }
}

/// That something is what somebody trusted has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The collection that says so.
    pub gun: Gun,
    /// The digest that may be served.
    pub digest: Digest,
    /// The size in bytes that was signed; `None` if another digest was signed, which leads to it.
    pub size: Option<u64>,
    /// Roles that vouch for it.
    pub roles: Vec<RoleName>,
    /// Until when this holds if nothing is published.
    pub expires: Timestamp,
}

/// That something is not, or that this cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// In what way.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The collection that was asked.
    pub gun: Option<Gun>,
    /// The tag, if one was asked for.
    pub tag: Option<String>,
    /// What the registry has.
    pub registry_digest: Option<Digest>,
    /// What is signed.
    pub signed_digest: Option<Digest>,
    /// The size in bytes that was signed with it.
    pub signed_size: Option<u64>,
    /// When the trust data expired.
    pub expires: Option<Timestamp>,
}

impl Objection {
    /// An objection without facts.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            gun: None,
            tag: None,
            registry_digest: None,
            signed_digest: None,
            signed_size: None,
            expires: None,
        }
    }

    /// The facts, for machines.
    pub fn detail(&self) -> Value {
        let mut detail = Map::new();
        detail.insert("reason".to_owned(), json!(self.reason.as_str()));
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                detail.insert(name.to_owned(), Value::String(value));
            }
        };
        add("gun", self.gun.as_ref().map(ToString::to_string));
        add("tag", self.tag.clone());
        add("registry_digest", self.registry_digest.as_ref().map(ToString::to_string));
        add("signed_digest", self.signed_digest.as_ref().map(ToString::to_string));
        add("expires", self.expires.map(|expires| expires.to_string()));
        Value::Object(detail)
    }
}

/// What a collection says under a rule, at one state and one instant.
#[derive(Debug)]
pub(super) struct Standing {
    /// The collection.
    pub(super) gun: Gun,
    /// Until when this can be said, if nothing is published.
    pub(super) valid_until: Timestamp,
    /// What it says, or what is wrong with all of it.
    pub(super) says: Result<Says, Trouble>,
}

/// What a collection that is in order says.
#[derive(Debug)]
pub(super) struct Says {
    tags: HashMap<String, Tag>,
    /// Tags by the digest that is signed for them as the rule wants it.
    digests: HashMap<Digest, Vec<String>>,
    /// Why not being named means nothing.
    silence: Option<Trouble>,
}

/// What is signed for a tag.
#[derive(Debug, Clone)]
struct Tag {
    digest: Digest,
    size: u64,
    roles: Vec<RoleName>,
    /// Why that is not enough.
    lacks: Option<Trouble>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    reason: Reason,
    message: String,
    expires: Option<Timestamp>,
}

impl Standing {
    /// Asks the engine. `roots` begins with a root that the rule pins and ends with the current
    /// one; without any the root is not believed.
    pub(super) fn of(
        gun: Gun,
        rule: &Rule,
        files: &TrustFiles,
        roots: &[Vec<u8>],
        now: Timestamp,
    ) -> Self {
        match chain(&gun, rule, files, roots, now) {
            Ok(trusted) => {
                let valid_until = valid_until(&trusted, rule, now);
                let says = Ok(Says::of(&trusted, rule));
                Self { gun, valid_until, says }
            }
            Err(trouble) => Self { gun, valid_until: now + TROUBLE_LASTS, says: Err(trouble) },
        }
    }

    /// How much memory it takes, roughly, in targets.
    pub(super) fn weight(&self) -> usize {
        self.says.as_ref().map_or(1, |says| says.tags.len() + 1)
    }

    /// Whether this digest is signed for some tag as the rule wants it.
    pub(super) fn signs(&self, digest: &Digest) -> bool {
        self.says.as_ref().is_ok_and(|says| says.digests.contains_key(digest))
    }

    /// Whether a tag may stand for this digest.
    pub(super) fn tag(
        &self,
        name: &str,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Admission, Objection> {
        let objection = |trouble: &Trouble, signed: Option<&Tag>| Objection {
            reason: trouble.reason,
            message: trouble.message.clone(),
            gun: Some(self.gun.clone()),
            tag: Some(name.to_owned()),
            registry_digest: Some(digest.clone()),
            signed_digest: signed.map(|tag| tag.digest.clone()),
            signed_size: signed.map(|tag| tag.size),
            expires: trouble.expires,
        };
        let says = self.says.as_ref().map_err(|trouble| objection(trouble, None))?;
        let Some(signed) = says.tags.get(name) else {
            let trouble = says.silence.clone().unwrap_or_else(|| unsigned(name));
            return Err(objection(&trouble, None));
        };
        if let Some(trouble) = &signed.lacks {
            return Err(objection(trouble, Some(signed)));
        }
        if signed.digest != *digest {
            let message = format!(
                "the tag has moved: {} is signed, the registry has {digest}",
                signed.digest
            );
            let trouble = Trouble { reason: Reason::WrongDigest, message, expires: None };
            return Err(objection(&trouble, Some(signed)));
        }
        if let Some(size) = size
            && size != signed.size
        {
            let message = format!("the registry has {size} bytes, but {} are signed", signed.size);
            let trouble = Trouble { reason: Reason::WrongSize, message, expires: None };
            return Err(objection(&trouble, Some(signed)));
        }
        Ok(Admission {
            gun: self.gun.clone(),
            digest: digest.clone(),
            size: Some(signed.size),
            roles: signed.roles.clone(),
            expires: self.valid_until,
        })
    }

    /// Whether a manifest may be had by its digest because it is signed itself.
    pub(super) fn manifest(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Admission, Objection> {
        let names = self.says.as_ref().ok().and_then(|says| says.digests.get(digest));
        let Some(names) = names else { return Err(self.object(digest)) };
        let mut last = None;
        for name in names {
            match self.tag(name, digest, size) {
                Ok(admission) => return Ok(admission),
                Err(objection) => last = Some(objection),
            }
        }
        Err(last.unwrap_or_else(|| self.object(digest)))
    }

    /// That something may be had because what is signed leads to it.
    pub(super) fn admit(&self, digest: &Digest, roles: Vec<RoleName>) -> Admission {
        let (gun, digest) = (self.gun.clone(), digest.clone());
        Admission { gun, digest, size: None, roles, expires: self.valid_until }
    }

    /// That nothing which is signed leads to something.
    pub(super) fn object(&self, digest: &Digest) -> Objection {
        let unsigned = unsigned(digest.as_str());
        let trouble = match &self.says {
            Ok(says) => says.silence.as_ref().unwrap_or(&unsigned),
            Err(trouble) => trouble,
        };
        Objection {
            gun: Some(self.gun.clone()),
            registry_digest: Some(digest.clone()),
            expires: trouble.expires,
            ..Objection::new(trouble.reason, trouble.message.clone())
        }
    }
}

impl Says {
    fn of(trusted: &TrustedRepository, rule: &Rule) -> Self {
        let mut tags = HashMap::new();
        let mut digests: HashMap<Digest, Vec<String>> = HashMap::new();
        let names: BTreeSet<TargetName> = trusted.list(&rule.roles).into_keys().cloned().collect();
        for name in &names {
            let Some(tag) = Tag::of(trusted, rule, name) else { continue };
            if tag.lacks.is_none() {
                digests.entry(tag.digest.clone()).or_default().push(name.to_string());
            }
            tags.insert(name.to_string(), tag);
        }
        // No tag is called so.
        let nothing = TargetName::parse("/").ok();
        let silence = nothing.and_then(|name| match trusted.lookup(&name, &rule.roles) {
            Err(LookupError::RoleUnusable { role, cause, .. }) => Some(trouble_of(&role, &cause)),
            _ => None,
        });
        Self { tags, digests, silence }
    }
}

impl Tag {
    /// What the roles of the rule say of a tag, as docker asks them; `None` if it is not named, or
    /// what names it does not count.
    fn of(trusted: &TrustedRepository, rule: &Rule, name: &TargetName) -> Option<Self> {
        let found = trusted.lookup(name, &rule.roles).ok()?;
        if !rule.roles.contains(found.role) {
            return None;
        }
        let digest = digest_of(found.target)?;
        let size = found.target.length;
        let mut roles = vec![found.role.clone()];
        let mut missing = Vec::new();
        for signer in &rule.signers {
            match signer_lacks(trusted, signer, name, &digest, size) {
                None if roles.contains(signer) => {}
                None => roles.push(signer.clone()),
                Some(problem) => missing.push((signer, problem)),
            }
        }
        let have = rule.signers.len() - missing.len();
        let lacks = (have < rule.signers_needed).then(|| {
            let lines: Vec<String> = missing
                .iter()
                .map(|(signer, problem)| format!("{} has not signed it: {problem}", short(signer)))
                .collect();
            let needed = rule.signers_needed;
            let message = if needed == rule.signers.len() {
                lines.join("; ")
            } else {
                format!("{have} of {needed} signers it needs vouch for it; {}", lines.join("; "))
            };
            Trouble { reason: Reason::SignerMissing, message, expires: None }
        });
        Some(Self { digest, size, roles, lacks })
    }
}

/// In what way a signer does not vouch for this content of a tag.
fn signer_lacks(
    trusted: &TrustedRepository,
    signer: &RoleName,
    name: &TargetName,
    digest: &Digest,
    size: u64,
) -> Option<String> {
    if let Some(cause) = trusted.unusable().get(signer) {
        return Some(format!("their metadata cannot be used, {cause}"));
    }
    let parent = signer.parent().and_then(|parent| trusted.targets().get(&parent));
    if parent.is_none_or(|parent| parent.body().role_keys(signer).is_none()) {
        return Some("there is no such signer".to_owned());
    }
    if trusted.targets().contains_key(signer) && !permits(trusted.paths(signer), name) {
        return Some("the signer may not sign this name".to_owned());
    }
    match trusted.in_role(signer, name).map(|found| found.target) {
        None => Some("there is no signature of theirs".to_owned()),
        Some(target) => match digest_of(target) {
            Some(signed) if signed == *digest && target.length == size => None,
            Some(other) => Some(format!("they signed {other}")),
            None => Some("they signed no sha256 digest".to_owned()),
        },
    }
}

/// The digest by which images are found.
pub(super) fn digest_of(target: &Target) -> Option<Digest> {
    target.hashes.sha256().map(|raw| Digest::from_sha256(&raw))
}

fn short(signer: &RoleName) -> &str {
    signer.as_str().strip_prefix("targets/").unwrap_or(signer.as_str())
}

fn unsigned(what: &str) -> Trouble {
    let message = format!("no valid trust data for {what}");
    Trouble { reason: Reason::Unsigned, message, expires: None }
}

/// Follows the chain from the pinned root to the targets, with every rule on the way.
fn chain(
    gun: &Gun,
    rule: &Rule,
    files: &TrustFiles,
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<TrustedRepository, Trouble> {
    for (role, highest, current) in &files.versions {
        let Some(current) = *current else { continue };
        if current < *highest {
            let (role, trusted) = (role.clone(), *highest);
            let error = UpdateError::RolledBack { role, trusted, offered: current };
            return Err(trouble(&error));
        }
    }
    let Some((anchor, later)) = roots.split_first() else {
        let error = RootTrustError::NotPinned { gun: gun.clone() };
        return Err(trouble(&UpdateError::Root(error)));
    };
    let set = anchored(gun, rule, anchor, now).map_err(|error| trouble(&error))?;
    below(set, later, &files.current).map_err(|error| trouble(&error))
}

fn below(
    mut set: TrustedSet,
    roots: &[Vec<u8>],
    files: &BTreeMap<RoleName, Vec<u8>>,
) -> Result<TrustedRepository, UpdateError> {
    let file = |role: &RoleName| files.get(role).ok_or(UpdateError::OutOfOrder);
    for root in roots {
        set.accept_root(root)?;
    }
    set.accept_root(file(&RoleName::Root)?)?;
    set.accept_timestamp(file(&RoleName::Timestamp)?)?;
    set.accept_snapshot(file(&RoleName::Snapshot)?)?;
    loop {
        let wanted = set.wanted_targets()?;
        if wanted.is_empty() {
            return set.finish();
        }
        for wanted in wanted {
            set.accept_targets(&wanted.role, file(&wanted.role)?)?;
        }
    }
}

/// Begins from a root, if one of the rule's pins admits it.
fn anchored(
    gun: &Gun,
    rule: &Rule,
    root: &[u8],
    now: Timestamp,
) -> Result<TrustedSet, UpdateError> {
    let mut last = UpdateError::Root(RootTrustError::NotPinned { gun: gun.clone() });
    for pin in &rule.pins {
        match TrustedSet::anchored(gun.clone(), now, Expiry::Enforced, pin, root) {
            Ok(set) => return Ok(set),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether one of the rule's pins admits a root.
pub(super) fn is_pinned(gun: &Gun, rule: &Rule, root: &[u8], now: Timestamp) -> bool {
    anchored(gun, rule, root, now).is_ok()
}

/// The first instant after which something that was used is past its time.
fn valid_until(trusted: &TrustedRepository, rule: &Rule, now: Timestamp) -> Timestamp {
    let (_, metadata) = trusted.expires_first();
    let certificates = root_certificates(trusted.root().body(), trusted.gun());
    let certificates = certificates.into_values().map(|certificate| certificate.not_after);
    let authorities = rule.pins.iter().flat_map(|pin| match pin {
        Pin::Authorities(authorities) => authorities.as_slice(),
        _ => &[],
    });
    let authorities = authorities.map(|authority| authority.not_after);
    certificates.chain(authorities).filter(|end| *end >= now).fold(metadata, Timestamp::min)
}

fn trouble_of(role: &RoleName, cause: &UpdateError) -> Trouble {
    let mut trouble = trouble(cause);
    trouble.message = format!("{role} cannot be used, {}", trouble.message);
    trouble
}

fn trouble(error: &UpdateError) -> Trouble {
    let reason = match error {
        UpdateError::Expired { .. } | UpdateError::Root(RootTrustError::OutOfDate { .. }) => {
            Reason::Expired
        }
        UpdateError::RolledBack { .. } | UpdateError::Vanished { .. } => Reason::RolledBack,
        UpdateError::Signatures(
            VerifyError::ThresholdNotMet { role, .. } | VerifyError::NoSignatures { role },
        ) if *role != RoleName::Root => Reason::SignerMissing,
        UpdateError::Signatures(_)
        | UpdateError::Root(_)
        | UpdateError::RootNotVouchedFor { .. }
        | UpdateError::NotTheNextRoot { .. }
        | UpdateError::RootBehind { .. } => Reason::UntrustedRoot,
        _ => Reason::Invalid,
    };
    let expires = match error {
        UpdateError::Expired { since, .. } => Some(*since),
        _ => None,
    };
    Trouble { reason, message: error.to_string(), expires }
}

/// How long it is remembered that a collection is not in order, should nothing be published: a
/// certificate may come into force.
const TROUBLE_LASTS: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
