//! Which roots may be believed on first sight (notary.md §4.3, "Trust pinning").

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::certificate::Certificate;
use crate::crypto::{KeyId, PublicKey};
use crate::tuf::names::Gun;

/// The rules for all repositories, case of names kept.
#[derive(Debug, Clone, Default)]
pub struct Pinning {
    /// Root key ids by repository name; a name that ends in `*` stands for every name it begins.
    pub key_ids: BTreeMap<String, BTreeSet<KeyId>>,
    /// Certificate authorities by the beginning of the repository name.
    pub authorities: BTreeMap<String, Vec<Certificate>>,
    /// Refuse what nothing above decides, instead of believing the first root seen.
    pub first_use_forbidden: bool,
}

/// The rule for one repository.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Pin {
    /// Only these root keys count, by the id in metadata or of the bare key.
    KeyIds(BTreeSet<KeyId>),
    /// Only root keys whose certificate leads to one of these count.
    Authorities(Vec<Certificate>),
    /// The first root seen is believed, and remembered.
    FirstUse,
    /// Nothing is believed that is not known already.
    Forbidden,
}

impl Pinning {
    /// Returns the rule for a repository: exact name, then the longest `*` name, then the longest
    /// authority prefix, then first use.
    pub fn rule(&self, gun: &Gun) -> Pin {
        if let Some(ids) = self.key_ids.get(gun.as_str()) {
            return Pin::KeyIds(ids.clone());
        }
        let wildcard = self
            .key_ids
            .iter()
            .filter_map(|(name, ids)| Some((name.strip_suffix('*')?, ids)))
            .filter(|(prefix, _)| gun.as_str().starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        if let Some((_, ids)) = wildcard {
            return Pin::KeyIds(ids.clone());
        }
        let authority = self
            .authorities
            .iter()
            .filter(|(prefix, _)| gun.as_str().starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len());
        match authority {
            Some((_, certificates)) => Pin::Authorities(certificates.clone()),
            None if self.first_use_forbidden => Pin::Forbidden,
            None => Pin::FirstUse,
        }
    }
}

impl Pin {
    /// Tells whether a root key counts under this rule. `known` says that the repository's root
    /// was believed before.
    pub fn admits(
        &self,
        id: &KeyId,
        key: &PublicKey,
        known: bool,
        now: crate::clock::Timestamp,
    ) -> bool {
        match self {
            Self::KeyIds(ids) => {
                ids.contains(id) || key.canonical_id().is_ok_and(|bare| ids.contains(&bare))
            }
            Self::Authorities(roots) => Certificate::parse_bundle(key.public())
                .and_then(Certificate::split_leaf)
                .and_then(|(leaf, intermediates)| leaf.chains_to(&intermediates, roots, now))
                .is_ok(),
            Self::FirstUse => true,
            Self::Forbidden => known,
        }
    }
}
