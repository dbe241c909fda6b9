//! What is lost with each system: what the trust data of a collection says and theirs cannot.

use crate::actions::repo::export::Policy;
use crate::actions::repo::export::facts::{Facts, KeyFacts};
use crate::clock::Timestamp;
use crate::crypto::KeyId;
use crate::tuf::RoleName;

/// Something that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// No signature that there is verifies there: everything is to be signed anew.
    Signatures {
        /// How many tags.
        tags: usize,
    },
    /// Nobody says any more that what is served is the newest.
    Freshness {
        /// Until when that is said now.
        until: Timestamp,
    },
    /// What was signed once stays good: an older image can be served in place of a newer one.
    Rollback,
    /// A signature names the digest and not the tag.
    TagBinding,
    /// Delegations become a list of keys, each of which may sign all.
    Delegations {
        /// How many delegations there are.
        delegations: usize,
        /// How many keys come out.
        keys: usize,
    },
    /// A delegation may sign some names only.
    Paths {
        /// The delegation.
        role: RoleName,
        /// The names it may sign begin with one of these.
        paths: Vec<String>,
    },
    /// A role needs several signatures.
    Threshold {
        /// The role.
        role: RoleName,
        /// How many.
        need: u32,
    },
    /// A delegation whose word did not count for a pull, and does not here.
    NotCounting {
        /// The delegation.
        role: RoleName,
    },
    /// Keys are replaced by a new root no more: every reader's files have to be changed.
    KeyChange,
    /// A key that cannot be carried.
    NotCarried {
        /// The key.
        id: KeyId,
        /// Its name for files.
        name: String,
        /// Why.
        why: NotCarried,
    },
    /// Something had expired before it was exported.
    Expired {
        /// Whose.
        role: RoleName,
        /// When.
        since: Timestamp,
    },
    /// A delegation that could not be used, and was left out.
    Unusable {
        /// The delegation.
        role: RoleName,
    },
}

/// Why a key cannot be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotCarried {
    /// It cannot be read.
    Unreadable,
    /// The system knows certificates only, and the trust data has none for it.
    NoCertificate,
    /// Its certificate is an authority, which cannot sign images itself, and whatever it issues
    /// could.
    IsAuthority,
    /// Its certificate is issued by an authority: to name that would let in all that it issues.
    ByAuthority,
    /// Its certificate has expired, or is not valid yet.
    OutOfDate,
    /// Its certificate is for something else than signing code, or says not what it is for, or its
    /// key has a size that the system does not know.
    OtherUse,
    /// The system does not know such keys.
    Algorithm,
}

impl Loss {
    /// The name that programs know it by; it never changes.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Signatures { .. } => "signatures",
            Self::Freshness { .. } => "freshness",
            Self::Rollback => "rollback-protection",
            Self::TagBinding => "tag-binding",
            Self::Delegations { .. } => "delegations",
            Self::Paths { .. } => "paths",
            Self::Threshold { .. } => "threshold",
            Self::NotCounting { .. } => "delegation-not-counting",
            Self::KeyChange => "key-change",
            Self::NotCarried { .. } => "key-not-carried",
            Self::Expired { .. } => "expired",
            Self::Unusable { .. } => "delegation-unusable",
        }
    }
}

/// All that is lost of a collection with a system.
pub fn losses(facts: &Facts, policy: Policy) -> Vec<Loss> {
    let mut losses = vec![
        Loss::Signatures { tags: facts.tags.len() },
        Loss::Freshness { until: facts.fresh_until },
        Loss::Rollback,
    ];
    // What skopeo signs for containers names the tag.
    if policy != Policy::Containers {
        losses.push(Loss::TagBinding);
    }
    let delegations = facts.delegations().count();
    if delegations > 0 {
        let keys = facts.counting().filter(|key| not_carried(key, policy, facts.now).is_none());
        losses.push(Loss::Delegations { delegations, keys: keys.count() });
    }
    for role in facts.roles.iter().filter(|role| role.role != RoleName::Root) {
        let restricted = role.role.is_delegation() && !role.paths.iter().any(String::is_empty);
        if role.counts && restricted {
            losses.push(Loss::Paths { role: role.role.clone(), paths: role.paths.clone() });
        }
        if role.counts && role.threshold > 1 {
            losses.push(Loss::Threshold { role: role.role.clone(), need: role.threshold });
        }
        let keys = || facts.keys.iter().filter(|key| role.keys.contains(&key.id));
        if !role.counts && !keys().any(|key| key.counts) {
            losses.push(Loss::NotCounting { role: role.role.clone() });
        }
    }
    losses.push(Loss::KeyChange);
    losses.extend(facts.counting().filter_map(|key| {
        let why = not_carried(key, policy, facts.now)?;
        Some(Loss::NotCarried { id: key.id.clone(), name: key.name.clone(), why })
    }));
    let expired = facts.expired.iter();
    losses.extend(expired.map(|(role, since)| Loss::Expired { role: role.clone(), since: *since }));
    losses.extend(facts.unusable.iter().map(|role| Loss::Unusable { role: role.clone() }));
    losses
}

/// Why a key cannot be carried to a system; none if it can.
pub(super) fn not_carried(key: &KeyFacts, policy: Policy, now: Timestamp) -> Option<NotCarried> {
    if key.pem.is_none() {
        return Some(NotCarried::Unreadable);
    }
    if policy != Policy::Notation {
        return None;
    }
    if key.algorithm == "ed25519" {
        return Some(NotCarried::Algorithm);
    }
    match key.certificates.as_slice() {
        [] => Some(NotCarried::NoCertificate),
        [only] if only.is_ca => Some(NotCarried::IsAuthority),
        [only] if !only.is_self_issued() => Some(NotCarried::ByAuthority),
        [only] if only.check_dates(now).is_err() => Some(NotCarried::OutOfDate),
        [only] => (!only.is_for_code_signing_alone()).then_some(NotCarried::OtherUse),
        _ => Some(NotCarried::ByAuthority),
    }
}
