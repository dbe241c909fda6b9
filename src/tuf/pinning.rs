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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::tuf::testing::{TestKey, now};

    const EXACT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const SHORT: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const LONG: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

    fn certificate(name: &str) -> Certificate {
        let key = TestKey::certified(name);
        Certificate::parse_bundle(key.public.public()).unwrap().remove(0)
    }

    fn pinning() -> Pinning {
        let ids = |id: &str| BTreeSet::from([KeyId::parse(id).unwrap()]);
        let key_ids = [
            ("docker.io/team/app", EXACT),
            ("docker.io/*", SHORT),
            ("docker.io/team/*", LONG),
            ("Docker.io/Team/App", SHORT),
        ];
        Pinning {
            key_ids: key_ids.map(|(name, id)| (name.to_owned(), ids(id))).into(),
            authorities: [
                ("quay.io/".to_owned(), vec![certificate("short")]),
                ("quay.io/team/".to_owned(), vec![certificate("long"), certificate("long too")]),
                ("docker.io/team/".to_owned(), vec![certificate("never")]),
            ]
            .into(),
            first_use_forbidden: false,
        }
    }

    #[test_case("docker.io/team/app", EXACT; "the exact name before every prefix")]
    #[test_case("docker.io/team/app2", LONG; "an exact name is no prefix")]
    #[test_case("docker.io/team/other", LONG; "the longest prefix, and before authorities")]
    #[test_case("docker.io/other", SHORT; "the shorter prefix")]
    #[test_case("Docker.io/Team/App", SHORT; "case counts")]
    fn key_ids_decide(gun: &str, id: &str) {
        let Pin::KeyIds(ids) = pinning().rule(&Gun::parse(gun).unwrap()) else { panic!() };
        assert_eq!(ids.iter().map(KeyId::as_str).collect::<Vec<_>>(), [id]);
    }

    #[test_case("quay.io/team/app", 2; "the longest prefix")]
    #[test_case("quay.io/other", 1; "the shorter prefix")]
    fn then_authorities(gun: &str, certificates: usize) {
        let Pin::Authorities(found) = pinning().rule(&Gun::parse(gun).unwrap()) else { panic!() };
        assert_eq!(found.len(), certificates);
    }

    #[test]
    fn then_first_use_unless_it_is_forbidden() {
        let gun = Gun::parse("ghcr.io/app").unwrap();
        let mut pinning = pinning();
        assert!(matches!(pinning.rule(&gun), Pin::FirstUse));
        pinning.first_use_forbidden = true;
        assert!(matches!(pinning.rule(&gun), Pin::Forbidden));
        let pinned = Gun::parse("docker.io/team/app").unwrap();
        assert!(matches!(pinning.rule(&pinned), Pin::KeyIds(_)));
    }

    #[test]
    fn a_star_alone_is_for_all_and_an_empty_list_for_nobody() {
        let key_ids = [("*".to_owned(), BTreeSet::new())].into();
        let pinning = Pinning { key_ids, ..Pinning::default() };
        let key = TestKey::certified("ghcr.io/app");
        let pin = pinning.rule(&Gun::parse("ghcr.io/app").unwrap());
        assert!(matches!(&pin, Pin::KeyIds(ids) if ids.is_empty()));
        assert!(!pin.admits(&key.id(), &key.public, true, now()));
    }

    #[test]
    fn a_key_is_admitted_by_its_id_in_metadata_or_that_of_the_bare_key() {
        let key = TestKey::certified("ghcr.io/app");
        let bare = key.public.canonical_id().unwrap();
        assert_ne!(bare, key.id());
        for (id, admitted) in [(key.id(), true), (bare, true), (KeyId::parse(LONG).unwrap(), false)]
        {
            let pin = Pin::KeyIds([id].into());
            assert_eq!(pin.admits(&key.id(), &key.public, true, now()), admitted);
        }
    }

    #[test]
    fn an_authority_may_be_the_certificate_itself_and_no_other() {
        let key = TestKey::certified("ghcr.io/app");
        let own = Certificate::parse_bundle(key.public.public()).unwrap();
        assert!(Pin::Authorities(own).admits(&key.id(), &key.public, false, now()));
        // Of the same name, but another key.
        let other = vec![certificate("ghcr.io/app")];
        assert!(!Pin::Authorities(other).admits(&key.id(), &key.public, false, now()));
        assert!(!Pin::Authorities(Vec::new()).admits(&key.id(), &key.public, true, now()));
        let bare = TestKey::bare();
        let any = Pin::Authorities(vec![certificate("x")]);
        assert!(!any.admits(&bare.id(), &bare.public, true, now()));
    }

    #[test]
    fn where_first_use_is_forbidden_only_what_is_known_counts() {
        let key = TestKey::certified("ghcr.io/app");
        assert!(Pin::Forbidden.admits(&key.id(), &key.public, true, now()));
        assert!(!Pin::Forbidden.admits(&key.id(), &key.public, false, now()));
        assert!(Pin::FirstUse.admits(&key.id(), &key.public, false, now()));
    }
}
