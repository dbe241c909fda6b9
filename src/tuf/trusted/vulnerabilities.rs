//! What went wrong in other implementations (server.md §1.1), one test each, named by the report,
//! and thresholds that one key in several forms must not meet.

use test_case::test_case;

use crate::codec::canonical_json::Value;
use crate::codec::pem::Pem;
use crate::crypto::hash::HashError;
use crate::crypto::{KeyType, Method, PrivateKey, PublicKey, Signature};
use crate::limits::{MAX_ALL_TARGETS_BYTES, MAX_TARGETS_BYTES};
use crate::tuf::ceremony::{Ceremony, CeremonyError};
use crate::tuf::changelist::DelegationEdit;
use crate::tuf::editor::{Draft, EditError, RootEdit};
use crate::tuf::metadata::{Problem, encode_envelope};
use crate::tuf::names::RoleName;
use crate::tuf::testing::{Repo, TestKey, days, name, now, role, target, threshold};
use crate::tuf::trusted::UpdateError;
use crate::tuf::trusted::repository::TrustedRepository;
use crate::tuf::verify::VerifyError;

const ROOT: RoleName = RoleName::Root;
const TIMESTAMP: RoleName = RoleName::Timestamp;
const SNAPSHOT: RoleName = RoleName::Snapshot;
const TARGETS: RoleName = RoleName::Targets;

/// Delegations of these names, each with a key of its own, which vouch for `x` as themselves.
fn graph(roles: &[&str]) -> Repo {
    let mut repo = Repo::new();
    for of in roles {
        repo.delegate(of, vec![TestKey::bare()], &[""]);
        repo.targets.get_mut(&role(of)).unwrap().targets.insert(name("x"), target(of));
    }
    repo
}

fn who_says(read: &TrustedRepository, priority: &[&str]) -> String {
    let priority: Vec<RoleName> = priority.iter().map(|of| role(of)).collect();
    read.lookup(&name("x"), &priority).unwrap().role.to_string()
}

#[track_caller]
fn too_few(result: Result<TrustedRepository, UpdateError>, have: u32) {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, UpdateError::Signatures(VerifyError::ThresholdNotMet { have: had, .. }) if *had == have),
        "{error:?}"
    );
}

#[test_case(&["targets/b", "targets/a"], "targets/b"; "the first of two siblings")]
#[test_case(&["targets/a", "targets/b"], "targets/a"; "the first of two siblings the other way round")]
#[test_case(&["targets/a", "targets/a/c", "targets/b"], "targets/a"; "the parent before its child")]
#[test_case(&["targets/z", "targets/a", "targets/a/c"], "targets/z"; "by place and not by name")]
fn cve_2024_47534_delegations_are_searched_in_the_documents_order(roles: &[&str], first: &str) {
    let read = graph(roles).first().unwrap();
    assert_eq!(who_says(&read, &["targets"]), first);
}

#[test]
fn cve_2024_47534_siblings_are_searched_before_what_is_below_the_first() {
    let mut repo = graph(&["targets/a", "targets/a/c", "targets/b"]);
    repo.targets.get_mut(&role("targets/a")).unwrap().targets.remove(&name("x"));
    let read = repo.first().unwrap();
    assert_eq!(who_says(&read, &["targets"]), "targets/b");
    assert_eq!(who_says(&read, &["targets/a", "targets"]), "targets/a/c");
}

#[test]
fn cve_2025_2886_there_is_nothing_that_ends_a_search() {
    let mut repo = graph(&["targets/a", "targets/b"]);
    repo.targets.get_mut(&role("targets/a")).unwrap().targets.remove(&name("x"));
    repo.with(&TARGETS, |members| {
        let Some(Value::Object(delegations)) = members.get_mut("delegations") else { panic!() };
        let Some(Value::Array(roles)) = delegations.get_mut("roles") else { panic!() };
        let Value::Object(first) = &mut roles[0] else { panic!() };
        first.insert("terminating".to_owned(), Value::Bool(true));
    });
    // The dialect has no such member, and no other client of it heeds one.
    assert_eq!(who_says(&repo.first().unwrap(), &["targets"]), "targets/b");
}

#[test]
fn cve_2025_2887_a_delegation_is_neither_rolled_back_nor_removed() {
    let of = role("targets/a");
    let mut repo = graph(&["targets/a"]);
    let cached = repo.version(&of, 5).cached();
    let mut back = repo.clone();
    back.bump(&[SNAPSHOT, TIMESTAMP]).version(&of, 4);
    assert_eq!(
        back.again(&cached).unwrap_err(),
        UpdateError::RolledBack { role: of.clone(), trusted: 5, offered: 4 }
    );
    repo.bump(&[SNAPSHOT, TIMESTAMP]).unlisted.insert(of.clone());
    let read = repo.again(&cached).unwrap();
    assert_eq!(read.unusable()[&of], UpdateError::Vanished { role: of.clone() });
}

#[test]
fn cve_2026_6967_a_delegations_expiry_hash_and_length_are_checked() {
    let of = role("targets/a");
    let mut repo = graph(&["targets/a"]);
    let honest = repo.files()[&of].clone();
    let mut other = honest.clone();
    other[12] ^= 1;
    repo.instead.insert(of.clone(), other);
    assert!(matches!(
        repo.first().unwrap_err(),
        UpdateError::Checksum { role, cause: HashError::Mismatch { .. } } if role == of
    ));
    let listed = honest.len() as u64;
    repo.instead.insert(of.clone(), [honest, b" ".to_vec()].concat());
    let got = listed + 1;
    assert_eq!(repo.first().unwrap_err(), UpdateError::Length { role: of.clone(), listed, got });
    repo.instead.clear();
    repo.header(&of).expires = days(-1);
    let read = repo.first().unwrap();
    assert!(matches!(read.unusable()[&of], UpdateError::Expired { .. }));
    assert!(read.in_role(&of, &name("x")).is_none());
}

#[test_case(0)]
#[test_case(-1)]
fn ghsa_fphv_w9fq_2525_a_delegation_needs_a_signature(number: i64) {
    let mut repo = graph(&["targets/a"]);
    repo.signed_by(&role("targets/a"), Vec::new());
    repo.with(&TARGETS, move |members| {
        let Some(Value::Object(delegations)) = members.get_mut("delegations") else { panic!() };
        let Some(Value::Array(roles)) = delegations.get_mut("roles") else { panic!() };
        let Value::Object(first) = &mut roles[0] else { panic!() };
        first.insert("threshold".to_owned(), Value::Int(number));
    });
    let UpdateError::Metadata { role: TARGETS, cause } = repo.first().unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(cause.path.join("."), "signed.delegations.roles.0.threshold");
    assert_eq!(cause.problem, Problem::Threshold(number));
}

#[test]
fn go_tuf_721_a_listing_with_empty_hashes_is_refused() {
    for of in [SNAPSHOT, TIMESTAMP] {
        let mut repo = Repo::new();
        let listed = if of == SNAPSHOT { "targets" } else { "snapshot" };
        repo.with(&of, move |members| {
            let Some(Value::Object(meta)) = members.get_mut("meta") else { panic!() };
            let Some(Value::Object(entry)) = meta.get_mut(listed) else { panic!() };
            entry.insert("hashes".to_owned(), Value::object::<&str>([]));
        });
        assert!(matches!(
            repo.first().unwrap_err(),
            UpdateError::Metadata { role, cause }
                if role == of && cause.path.join(".") == format!("signed.meta.{listed}.hashes")
        ));
    }
}

#[test_case(31; "a byte short")]
#[test_case(33; "a byte long")]
#[test_case(0; "empty")]
fn go_tuf_739_an_ed25519_key_of_another_length_signs_nothing(length: usize) {
    let mut repo = Repo::new();
    let odd = TestKey::bare();
    let public = PublicKey::new(KeyType::Ed25519, vec![7; length]);
    repo.keys(&TARGETS, vec![TestKey::of(odd.private, public)], 1);
    too_few(repo.first(), 0);
}

#[test]
fn go_tuf_733_one_key_under_two_ids_counts_once() {
    let mut repo = Repo::new();
    let key = TestKey::certified(repo.gun.as_str());
    let bare = TestKey::of(key.private.clone(), key.private.public_key().clone());
    assert_ne!(key.id(), bare.id());
    repo.keys(&TARGETS, vec![key, bare], 2);
    too_few(repo.first(), 1);
}

#[test]
fn notaryproject_27_a_delegation_has_no_say_in_keys_that_are_not_below_it() {
    let mut repo = graph(&["targets/a", "targets/b"]);
    let (thief, victim) = (TestKey::bare(), repo.signers[&role("targets/b")][0].id());
    let root = repo.signers[&ROOT][0].id();
    // Under the ids that others list, it has keys of its own.
    let keys = &mut repo.targets.get_mut(&role("targets/a")).unwrap().delegations.keys;
    keys.insert(victim, thief.public.clone());
    keys.insert(root, thief.public.clone());
    repo.first().unwrap();
    repo.signed_by(&role("targets/b"), vec![thief]);
    let read = repo.first().unwrap();
    assert!(matches!(
        read.unusable()[&role("targets/b")],
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 0, .. })
    ));
}

/// One RSA key in every form in which metadata can list it.
fn one_rsa_key() -> (PrivateKey, Vec<(PublicKey, Method)>) {
    let private = PrivateKey::generate_rsa(2048).unwrap();
    let der = private.public_key().public().to_vec();
    let null = [0x05, 0x00];
    let at = der.windows(2).position(|two| two == null).unwrap();
    let mut without = der.clone();
    without.drain(at..at + 2);
    // The sequence around the algorithm, and the one around all, are two bytes shorter.
    without[3] -= 2;
    let algorithm = without.windows(2).position(|two| two == [0x30, 0x0d]).unwrap();
    without[algorithm + 1] -= 2;
    let pem = Pem::new("PUBLIC KEY", der.clone()).encode().to_vec();
    let other_pem = [b"# the same\n".to_vec(), pem.clone()].concat();
    let listed = |bytes, method| (PublicKey::new(KeyType::Rsa, bytes), method);
    let forms = vec![
        listed(der, Method::RsaPss),
        listed(without, Method::RsaPss),
        listed(pem, Method::PyCryptoPss),
        listed(other_pem, Method::PyCryptoPss),
    ];
    (private, forms)
}

#[test]
fn cve_2020_6174_one_rsa_key_in_many_encodings_counts_once() {
    let (private, forms) = one_rsa_key();
    let mut repo = Repo::new();
    let private = std::sync::Arc::new(private);
    let keys: Vec<TestKey> =
        forms.iter().map(|(public, _)| TestKey::of(private.clone(), public.clone())).collect();
    let methods: Vec<Method> = forms.into_iter().map(|(_, method)| method).collect();
    let signed = |repo: &Repo, keys: &[TestKey], methods: &[Method]| {
        let raw = &repo.files()[&TARGETS];
        let body = Value::parse(raw).unwrap().get("signed").unwrap().clone();
        let message = body.to_canonical();
        let signatures: Vec<Signature> = keys
            .iter()
            .zip(methods)
            .map(|(key, method)| Signature { method: method.clone(), ..key.signature(&message) })
            .collect();
        encode_envelope(&body, &signatures)
    };
    let mut good = 0;
    for (key, method) in keys.iter().zip(&methods) {
        repo.keys(&TARGETS, vec![key.clone()], 1);
        let one = (std::slice::from_ref(key), std::slice::from_ref(method));
        let file = signed(&repo, one.0, one.1);
        repo.fixed.insert(TARGETS, file);
        good += usize::from(repo.first().is_ok());
        repo.fixed.remove(&TARGETS);
    }
    assert!(good >= 3, "only {good} forms are read at all: nothing is shown");
    repo.keys(&TARGETS, keys.clone(), 2);
    let file = signed(&repo, &keys, &methods);
    repo.fixed.insert(TARGETS, file);
    too_few(repo.first(), 1);
}

/// Who is asked to list two keys of one person must not be told that the threshold is in reach: the
/// reference would count that person twice, and we would never accept the role again.
#[test]
fn cve_2020_6174_one_key_in_two_forms_does_not_make_a_threshold() {
    let (_, forms) = one_rsa_key();
    let keys: Vec<PublicKey> = forms.into_iter().map(|(public, _)| public).take(2).collect();
    assert_ne!(keys[0].canonical_id(), keys[1].canonical_id());
    let repo = Repo::new();
    let mut draft = Draft::from_trusted(&repo.first().unwrap());
    let two = Some(threshold(2));
    let edit =
        DelegationEdit { add_keys: keys.clone(), threshold: two, ..DelegationEdit::default() };
    let error = draft.edit_delegation(&role("targets/a"), true, &edit, now()).unwrap_err();
    assert_eq!(error, EditError::ThresholdTooHigh { role: role("targets/a"), have: 1, need: 2 });

    let old = repo.signers[&TARGETS][0].id();
    let edit = RootEdit {
        add_targets: keys,
        remove_targets: vec![old],
        targets_threshold: two,
        ..RootEdit::default()
    };
    let error = draft.edit_root(&repo.gun, &edit, now()).unwrap_err();
    assert!(
        matches!(&error, EditError::NotEnoughKeys { role, have: 1, need: 2, .. } if *role == TARGETS),
        "{error:?}"
    );
    let error = Ceremony::new(
        repo.gun.clone(),
        repo.first().unwrap().root().clone(),
        draft.next_root(now()).unwrap(),
        None,
    );
    let too_high = CeremonyError::ThresholdTooHigh { role: TARGETS, have: 1, need: 2 };
    assert_eq!(error.unwrap_err(), too_high);
}

#[test]
fn delegations_that_are_too_large_together_are_refused_before_they_are_asked_for() {
    let roles = ["a", "b", "c", "d", "e", "f"].map(|of| format!("targets/{of}"));
    let mut repo = graph(&roles.each_ref().map(String::as_str));
    repo.with(&SNAPSHOT, |members| {
        let Some(Value::Object(meta)) = members.get_mut("meta") else { panic!() };
        for of in ["a", "b", "c", "d", "e", "f"] {
            let Some(Value::Object(entry)) = meta.get_mut(&format!("targets/{of}")) else {
                panic!()
            };
            let length = i64::try_from(MAX_TARGETS_BYTES).unwrap();
            entry.insert("length".to_owned(), Value::Int(length));
        }
    });
    assert!(matches!(
        repo.first().unwrap_err(),
        UpdateError::TooLarge { role: of, limit: MAX_ALL_TARGETS_BYTES, .. } if of == role("targets/f")
    ));
}

#[test]
fn a_threshold_of_different_keys_is_still_met() {
    let mut repo = Repo::new();
    let ecdsa = TestKey::certified(repo.gun.as_str());
    repo.keys(&TARGETS, vec![TestKey::bare(), TestKey::bare(), ecdsa], 3);
    repo.first().unwrap();
    assert_eq!(repo.root.roles["targets"].threshold, threshold(3));
}
