//! Repositories of several roles, delegations, thresholds and generations of keys, signed by
//! whomever: what is accepted is what a naive reader of the same bytes would accept; what is kept is
//! accepted again; nothing depends on the order in which files come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use olpc_cjson::CanonicalFormatter;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::crypto::PublicKey;
use crate::crypto::signature::Method;
use crate::tuf::metadata::DelegationRole;
use crate::tuf::names::RoleName;
use crate::tuf::pinning::Pin;
use crate::tuf::testing::{Files, Repo, TestKey, below, now, role, threshold};
use crate::tuf::trusted::repository::TrustedRepository;
use crate::tuf::trusted::{Expiry, TrustedSet, UpdateError};

const GUN: &str = "docker.io/library/alpine";

/// Counts signatures as one would by hand, from the text of the files alone.
struct Oracle {
    /// Who is behind an id in metadata: a key in two forms is one person.
    people: BTreeMap<String, (usize, PublicKey)>,
}

impl Oracle {
    fn new(pool: &[Vec<TestKey>]) -> Self {
        let people = pool.iter().enumerate().flat_map(|(person, forms)| {
            forms.iter().map(move |key| (key.id().to_string(), (person, key.public.clone())))
        });
        Self { people: people.collect() }
    }

    /// Whether so many different people of those who may have signed the file.
    fn is_signed(&self, raw: &[u8], may: &Value) -> bool {
        let file: Value = serde_json::from_slice(raw).unwrap();
        let mut message = Vec::new();
        let mut writer =
            serde_json::Serializer::with_formatter(&mut message, CanonicalFormatter::new());
        file["signed"].serialize(&mut writer).unwrap();
        let mut signers = BTreeSet::new();
        for signature in file["signatures"].as_array().unwrap() {
            let id = signature["keyid"].as_str().unwrap();
            if !may["keyids"].as_array().unwrap().iter().any(|listed| listed == id) {
                continue;
            }
            let (person, key) = &self.people[id];
            let bytes = base64(signature["sig"].as_str().unwrap());
            let method = Method::parse(signature["method"].as_str().unwrap());
            if key.verify(&method, &message, &bytes).is_ok() {
                signers.insert(person);
            }
        }
        signers.len() as u64 >= may["threshold"].as_u64().unwrap()
    }

    /// Whether a root follows the one before.
    fn follows(&self, before: &[u8], next: &[u8]) -> bool {
        [before, next].iter().all(|root| self.is_signed(next, &roles_of(root)["root"]))
    }

    /// The targets roles that count below this root; `None` if the chain does not hold.
    fn usable(&self, files: &Files) -> Option<BTreeSet<RoleName>> {
        let root = roles_of(&files[&RoleName::Root]);
        for name in ["root", "timestamp", "snapshot", "targets"] {
            if !self.is_signed(&files[&role(name)], &root[name]) {
                return None;
            }
        }
        let mut usable = BTreeSet::from([RoleName::Targets]);
        let mut parents = vec![RoleName::Targets];
        while let Some(parent) = parents.pop() {
            let file: Value = serde_json::from_slice(&files[&parent]).unwrap();
            for child in file["signed"]["delegations"]["roles"].as_array().unwrap() {
                let name = role(child["name"].as_str().unwrap());
                let file: Value = serde_json::from_slice(&files[&name]).unwrap();
                // Too few signatures leave the role out; none at all is damage (notary.md §4.2).
                if file["signatures"].as_array().unwrap().is_empty() {
                    return None;
                }
                if self.is_signed(&files[&name], child) {
                    usable.insert(name.clone());
                    parents.push(name);
                }
            }
        }
        Some(usable)
    }
}

fn roles_of(root: &[u8]) -> Value {
    serde_json::from_slice::<Value>(root).unwrap()["signed"]["roles"].clone()
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// Six people; each has a certificate, a second one, and the bare key: three ids.
fn pool() -> &'static [Vec<TestKey>] {
    static POOL: LazyLock<Vec<Vec<TestKey>>> = LazyLock::new(make_pool);
    &POOL
}

fn make_pool() -> Vec<Vec<TestKey>> {
    let person = || {
        let key = TestKey::certified(GUN);
        let bare = TestKey::of(key.private.clone(), key.private.public_key().clone());
        vec![key.clone(), key.recertified(GUN), bare]
    };
    (0..6).map(|_| person()).collect()
}

/// A role: whose keys it lists, how many must sign, and who does.
#[derive(Debug, Clone)]
struct Plan {
    listed: Vec<(usize, usize)>,
    threshold: u32,
    /// By place in the list; beyond it, somebody of the pool whom nobody asked.
    signing: Vec<usize>,
    outsider: Option<(usize, usize)>,
}

/// Mostly honest, else chains would never hold.
fn plan(forms: std::ops::Range<usize>) -> impl Strategy<Value = Plan> {
    let listed = prop::collection::btree_set((0..6usize, forms), 1..5);
    let signing = prop_oneof![
        4 => Just(vec![0, 1, 2, 3]),
        1 => prop::collection::vec(0..4usize, 0..4),
    ];
    let outsider = prop::option::weighted(0.2, (0..6usize, 0..3usize));
    (listed, 1..4u32, signing, outsider).prop_map(|(listed, threshold, signing, outsider)| {
        let listed: Vec<_> = listed.into_iter().collect();
        let people: BTreeSet<usize> = listed.iter().map(|(person, _)| *person).collect();
        // One in some that nobody can reach stays.
        let reachable = u32::try_from(people.len()).unwrap();
        let threshold = if signing.len() == 4 { threshold.min(reachable) } else { threshold };
        Plan { listed, threshold, signing, outsider }
    })
}

impl Plan {
    fn keys(&self, pool: &[Vec<TestKey>]) -> Vec<TestKey> {
        self.listed.iter().map(|&(person, form)| pool[person][form].clone()).collect()
    }

    fn signers(&self, pool: &[Vec<TestKey>]) -> Vec<TestKey> {
        let keys = self.keys(pool);
        let chosen = self.signing.iter().filter_map(|&place| keys.get(place).cloned());
        let outsider = self.outsider.map(|(person, form)| pool[person][form].clone());
        chosen.chain(outsider).collect()
    }

    fn honest(mut self) -> Self {
        let people: BTreeSet<usize> = self.listed.iter().map(|(person, _)| *person).collect();
        self.threshold = self.threshold.min(u32::try_from(people.len()).unwrap());
        self.signing = vec![0, 1, 2, 3];
        self
    }
}

const DELEGATIONS: [&str; 4] =
    ["targets/releases", "targets/alice", "targets/alice/deep", "targets/alice/deep/est"];

#[derive(Debug, Clone)]
struct Plans {
    root: Plan,
    base: [Plan; 3],
    delegations: [Plan; 4],
}

fn plans() -> impl Strategy<Value = Plans> {
    // A root's keys are certified.
    (plan(0..2), [plan(0..3), plan(0..3), plan(0..3)], prop::array::uniform4(plan(0..3)))
        .prop_map(|(root, base, delegations)| Plans { root, base, delegations })
}

impl Plans {
    fn repo(&self, pool: &[Vec<TestKey>]) -> Repo {
        let mut repo = Repo::named(GUN);
        repo.root.keys.clear();
        let base = [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];
        let all = [(RoleName::Root, &self.root)];
        for (role, plan) in all.into_iter().chain(base.into_iter().zip(&self.base)) {
            repo.keys(&role, plan.keys(pool), plan.threshold);
            repo.signed_by(&role, plan.signers(pool));
        }
        for (name, plan) in DELEGATIONS.iter().zip(&self.delegations) {
            repo.delegate(name, plan.keys(pool), &[""]);
            repo.signed_by(&role(name), plan.signers(pool));
            child(&mut repo, &role(name)).threshold = threshold(plan.threshold);
        }
        repo
    }

    fn honest(self) -> Self {
        Self {
            root: self.root.honest(),
            base: self.base.map(Plan::honest),
            delegations: self.delegations.map(Plan::honest),
        }
    }
}

fn child<'a>(repo: &'a mut Repo, name: &RoleName) -> &'a mut DelegationRole {
    let parent = repo.targets.get_mut(&name.parent().unwrap()).unwrap();
    parent.delegations.roles.iter_mut().find(|child| child.name == *name).unwrap()
}

fn usable(read: &TrustedRepository) -> BTreeSet<RoleName> {
    read.targets().keys().cloned().collect()
}

fn resume(cached: &Files) -> TrustedSet {
    let gun = Repo::named(GUN).gun;
    TrustedSet::resume(gun, now(), Expiry::Enforced, Pin::FirstUse, cached).unwrap()
}

/// What is kept after an update must be enough for the next, and say the same.
fn is_accepted_again(read: &TrustedRepository, files: &Files) {
    let mut kept = files.clone();
    kept.extend(read.files());
    let again = below(resume(&read.files()), &kept).unwrap();
    assert_eq!(again.files(), read.files());
    assert_eq!(usable(&again), usable(read));
}

/// Offers one file of a state of the repository, by number.
fn offer(set: &mut TrustedSet, files: &Files, which: usize) -> Result<(), UpdateError> {
    match which {
        0 => set.accept_root(&files[&RoleName::Root]).map(drop),
        1 => set.accept_timestamp(&files[&RoleName::Timestamp]),
        2 => set.accept_snapshot(&files[&RoleName::Snapshot]),
        3 => set.accept_targets(&RoleName::Targets, &files[&RoleName::Targets]),
        other => {
            let name = role(DELEGATIONS[other - 4]);
            set.accept_targets(&name, &files[&name])
        }
    }
}

fn version(files: &Files, role: &RoleName) -> u64 {
    let file: Value = serde_json::from_slice(&files[role]).unwrap();
    file["signed"]["version"].as_u64().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_accepted_was_signed_by_the_threshold_that_the_chain_names(plans in plans()) {
        let pool = pool();
        let repo = plans.repo(pool);
        let files = repo.files();
        let expected = Oracle::new(pool).usable(&files);
        match repo.first() {
            Ok(read) => {
                prop_assert_eq!(Some(usable(&read)), expected);
                is_accepted_again(&read, &files);
            }
            Err(error) => {
                let counted = matches!(error, UpdateError::Signatures(_));
                prop_assert!(counted, "{:?}", error);
                prop_assert_eq!(expected, None);
            }
        }
    }

    #[test]
    fn a_root_is_followed_if_the_old_keys_and_its_own_signed_it(
        first in plan(0..2),
        later in prop::collection::vec((plan(0..2), any::<bool>(), 0..3u64), 1..6),
    ) {
        let pool = pool();
        let oracle = Oracle::new(pool);
        let mut repo = Repo::named(GUN);
        let first = first.honest();
        repo.keys(&RoleName::Root, first.keys(pool), first.threshold);
        let mut set = repo.first_root(Pin::FirstUse).unwrap();
        let (mut trusted, mut by) = (repo.files()[&RoleName::Root].clone(), first);
        let mut number = 1;
        for (plan, with_the_old, step) in later {
            repo.keys(&RoleName::Root, plan.keys(pool), plan.threshold);
            let mut signers = plan.signers(pool);
            if with_the_old {
                signers.extend(by.keys(pool));
            }
            // Mostly the next version, at times the same or one too far.
            let offered = if step == 2 { number + step } else { number + 1 };
            repo.signed_by(&RoleName::Root, signers).version(&RoleName::Root, offered);
            let root = repo.files()[&RoleName::Root].clone();
            let followed = set.accept_root(&root).is_ok();
            let expected = offered == number + 1 && oracle.follows(&trusted, &root);
            prop_assert_eq!(followed, expected);
            if followed {
                (trusted, by, number) = (root, plan, offered);
            }
            prop_assert_eq!(set.root_version(), number);
        }
    }

    #[test]
    fn no_sequence_of_offers_lowers_a_version_or_mixes_two_states(
        plans in prop::collection::vec(plans(), 1..4),
        sequences in prop::collection::vec(
            prop::collection::vec((0..8usize, 0..4usize), 1..12),
            1..3,
        ),
    ) {
        let pool = pool();
        // States of one repository: every one has other keys, and follows the one before.
        let mut states: Vec<Files> = Vec::new();
        let mut roots: Vec<Plan> = Vec::new();
        for plans in plans {
            let plans = plans.honest();
            let generation = u64::try_from(states.len()).unwrap() + 1;
            let mut repo = plans.repo(pool);
            let mut signers = plans.root.keys(pool);
            signers.extend(roots.last().iter().flat_map(|before| before.keys(pool)));
            repo.signed_by(&RoleName::Root, signers);
            roots.push(plans.root);
            for role in repo.files().keys() {
                repo.version(role, generation);
            }
            states.push(repo.files());
        }
        let first = states[0].clone();
        let mut cached = below(resume(&first), &first).unwrap().files();
        for offers in &sequences {
            let mut set = resume(&cached);
            for &(which, state) in offers {
                drop(offer(&mut set, &states[state % states.len()], which));
            }
            // A careless caller carries on after errors; in the end the newest it could follow.
            let honest = usize::try_from(set.root_version()).unwrap() - 1;
            let mut order: Vec<usize> = (1..8).collect();
            order.rotate_left(offers.len() % 7);
            for _ in 0..8 {
                for &which in &order {
                    let files = &states[honest];
                    // A file above drops what is below it: only what is missing is offered.
                    let missing = match which {
                        1 => set.wanted_snapshot().is_err(),
                        2 => set.wanted_targets().is_err(),
                        other => set.wanted_targets().is_ok_and(|wanted| {
                            let name = if other == 3 { "targets" } else { DELEGATIONS[other - 4] };
                            wanted.iter().any(|wanted| wanted.role == role(name))
                        }),
                    };
                    if missing {
                        drop(offer(&mut set, files, which));
                    }
                }
            }
            let Ok(read) = set.finish() else { continue };
            let files = read.files();
            let generation = version(&files, &RoleName::Root);
            for (role, raw) in &files {
                prop_assert!(version(&files, role) >= version(&cached, role), "{} went back", role);
                let whole = &states[usize::try_from(generation).unwrap() - 1];
                prop_assert!(raw == &whole[role], "{} is of another state", role);
            }
            prop_assert_eq!(files.len(), 8);
            is_accepted_again(&read, &files);
            cached = files;
        }
        // However it came to that, an honest server is followed to the newest state.
        let mut set = resume(&cached);
        for state in &states {
            drop(offer(&mut set, state, 0));
        }
        let newest = states.last().unwrap();
        prop_assert_eq!(&below(set, newest).unwrap().files(), newest);
    }
}
