//! Whatever a draft signs, whoever trusted what it began from accepts, over many changes in a row.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::crypto::{KeyId, PrivateKey};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::draft::Draft;
use crate::tuf::editor::errors::EditError;
use crate::tuf::metadata::Target;
use crate::tuf::names::RoleName;
use crate::tuf::testing::{Repo, TestKey, name, now, role, target, threshold};
use crate::tuf::trusted::TrustedRepository;

/// What somebody wants of a draft; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Wish {
    Add(usize, usize, u8),
    Remove(usize, usize),
    Delegate(usize, usize, usize, u32),
    TakeKey(usize, usize),
    Undelegate(usize),
    Rotate(usize, usize),
    Touch(usize),
}

const ROLES: [&str; 5] =
    ["targets", "targets/releases", "targets/alice", "targets/alice/deep", "targets/bob"];
const NAMES: [&str; 4] = ["v1", "v2", "alice/app", "deep/er"];
const PATHS: [&str; 4] = ["", "v", "alice/", "deep"];
const BASE: [RoleName; 4] =
    [RoleName::Root, RoleName::Targets, RoleName::Snapshot, RoleName::Timestamp];

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => (0..5usize, 0..4usize, any::<u8>()).prop_map(|(r, n, c)| Wish::Add(r, n, c)),
        1 => (0..5usize, 0..4usize).prop_map(|(r, n)| Wish::Remove(r, n)),
        4 => (1..5usize, 0..4usize, 0..4usize, 1..4u32)
            .prop_map(|(r, k, p, t)| Wish::Delegate(r, k, p, t)),
        1 => (1..5usize, 0..4usize).prop_map(|(r, k)| Wish::TakeKey(r, k)),
        1 => (1..5usize).prop_map(Wish::Undelegate),
        2 => (0..4usize, 0..4usize).prop_map(|(r, k)| Wish::Rotate(r, k)),
        1 => (0..5usize).prop_map(Wish::Touch),
    ]
}

/// Whether a wish makes sense is the draft's to say: what it refuses it must leave as it was.
fn grant(draft: &mut Draft, repo: &mut Repo, wish: &Wish, pool: &[TestKey]) {
    let before = draft.dirty().clone();
    let outcome = match *wish {
        Wish::Add(to, what, content) => {
            let target: Target = target(&content.to_string());
            draft.add_target(&role(ROLES[to]), &name(NAMES[what]), target, now())
        }
        Wish::Remove(from, what) => draft.remove_target(&role(ROLES[from]), &name(NAMES[what])),
        Wish::Delegate(to, key, path, number) => {
            let edit = DelegationEdit {
                threshold: Some(threshold(number)),
                add_keys: vec![pool[key].public.clone(), pool[(key + 1) % 4].public.clone()],
                add_paths: vec![PATHS[path].to_owned()],
                ..DelegationEdit::default()
            };
            draft.edit_delegation(&role(ROLES[to]), true, &edit, now())
        }
        Wish::TakeKey(from, key) => {
            let remove_keys = vec![pool[key].public.canonical_id().unwrap()];
            let edit = DelegationEdit { remove_keys, ..DelegationEdit::default() };
            draft.edit_delegation(&role(ROLES[from]), false, &edit, now())
        }
        Wish::Undelegate(from) => draft.remove_delegation(&role(ROLES[from])),
        Wish::Rotate(of, key) => {
            let fresh = match BASE[of] {
                RoleName::Root => TestKey::certified(repo.gun.as_str()),
                _ => pool[key].clone(),
            };
            draft.set_base_keys(&BASE[of], std::slice::from_ref(&fresh.public));
            // Snapshot and timestamp are the server's to sign, with the new key from now on.
            repo.signed_by(&BASE[of], vec![fresh]);
            return;
        }
        Wish::Touch(which) => {
            let which = role(ROLES[which]);
            if draft.targets(&which).is_some() {
                draft.touch(&which);
            }
            return;
        }
    };
    if outcome.is_err() {
        assert_eq!(draft.dirty(), &before, "{wish:?} was refused: {outcome:?}");
    }
}

fn held(keys: &[TestKey]) -> BTreeMap<KeyId, PrivateKey> {
    let copy = |key: &TestKey| {
        let copy = PrivateKey::from_pkcs8(&key.private.to_pkcs8().unwrap()).unwrap();
        (copy.id(), copy)
    };
    keys.iter().map(copy).collect()
}

/// What a server does with a publication: keeps the files, and signs what lists them.
fn serve(repo: &mut Repo, files: &BTreeMap<RoleName, Vec<u8>>) {
    repo.fixed.extend(files.clone());
    repo.bump(&[RoleName::Snapshot, RoleName::Timestamp]);
}

fn count(trusted: &TrustedRepository) -> usize {
    trusted.targets().values().map(|file| file.body().targets.len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_a_draft_signs_is_accepted(
        rounds in prop::collection::vec(prop::collection::vec(wish(), 1..6), 1..5),
    ) {
        let mut repo = Repo::new();
        let pool: Vec<TestKey> = (0..4).map(|_| TestKey::bare()).collect();
        let mut trusted = repo.first().unwrap();
        repo.fixed.extend(trusted.files());
        repo.fixed.remove(&RoleName::Snapshot);
        repo.fixed.remove(&RoleName::Timestamp);
        let mut keys: Vec<TestKey> = pool.clone();
        keys.extend(repo.signers.values().flatten().cloned());
        for wishes in &rounds {
            let mut draft = Draft::from_trusted(&trusted);
            let mut next = repo.clone();
            for wish in wishes {
                grant(&mut draft, &mut next, wish, &pool);
            }
            keys.extend(next.signers.values().flatten().cloned());
            // The keys of the snapshot are the server's.
            let server = &next.signers[&RoleName::Snapshot];
            let ours: Vec<TestKey> =
                keys.iter().filter(|key| server.iter().all(|s| s.id() != key.id())).cloned().collect();
            let publication = match draft.sign(&held(&ours), now()) {
                Ok(publication) => publication,
                // A delegation that was left with too few keys, or a key that the server took over.
                Err(EditError::NotEnoughKeys { .. }) => continue,
                Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            let wanted: usize = draft.all_targets().map(|(_, file)| file.targets.len()).sum();
            serve(&mut next, &publication.files);
            let read = next.again(&trusted.files());
            prop_assert!(read.is_ok(), "{:?} after {:?}", read.err(), wishes);
            trusted = read.unwrap();
            for (role, published) in &publication.roles {
                if role.is_targets() {
                    let file = trusted.targets().get(role);
                    prop_assert!(file.is_some(), "{} is unusable: {:?}", role, trusted.unusable());
                    prop_assert_eq!(file.unwrap().body().header.version, published.version);
                }
            }
            // Nothing that was drafted is lost, except with a role whose keys were all replaced.
            if trusted.unusable().is_empty() {
                prop_assert_eq!(count(&trusted), wanted);
            }
            repo = next;
        }
    }
}
