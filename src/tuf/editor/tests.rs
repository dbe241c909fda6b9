//! What drafts refuse, what they sign, and that readers take what comes of it.

use std::collections::BTreeMap;

use test_case::test_case;

use crate::codec::canonical_json::Value;
use crate::crypto::{Hashes, KeyId, PrivateKey, PublicKey};
use crate::limits::MAX_VERSION;
use crate::tuf::changelist::{Change, ChangeError, DelegationEdit, DelegationScope};
use crate::tuf::editor::draft::{Draft, NewRepository, Outcome};
use crate::tuf::editor::errors::EditError;
use crate::tuf::editor::signing::Publication;
use crate::tuf::metadata::{Document, Root, Signed, Snapshot, Target, Targets, encode_envelope};
use crate::tuf::names::RoleName;
use crate::tuf::testing::{Files, Repo, TestKey, days, name, now, role, target, threshold};

const ROOT: RoleName = RoleName::Root;
const SNAPSHOT: RoleName = RoleName::Snapshot;
const TARGETS: RoleName = RoleName::Targets;

fn draft(repo: &Repo) -> Draft {
    Draft::from_trusted(&repo.first().unwrap())
}

/// Private keys by canonical id, as the key store gives them.
fn held(keys: &[&TestKey]) -> BTreeMap<KeyId, PrivateKey> {
    let copy = |key: &&TestKey| {
        let copy = PrivateKey::from_pkcs8(&key.private.to_pkcs8().unwrap()).unwrap();
        (copy.id(), copy)
    };
    keys.iter().map(copy).collect()
}

fn sole<'a>(repo: &'a Repo, of: &RoleName) -> &'a TestKey {
    &repo.signers[of][0]
}

fn add_key(key: &TestKey) -> DelegationEdit {
    DelegationEdit {
        add_keys: vec![key.public.clone()],
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    }
}

fn remove_key(id: KeyId) -> DelegationEdit {
    DelegationEdit { remove_keys: vec![id], ..DelegationEdit::default() }
}

/// Reads the repository with what was published in place of what was there.
fn read_with(repo: &Repo, publication: &Publication, cached: &Files) {
    let mut repo = repo.clone();
    repo.bump(&[RoleName::Timestamp]);
    if !publication.files.contains_key(&SNAPSHOT) {
        repo.bump(&[SNAPSHOT]);
    }
    repo.fixed.extend(publication.files.clone());
    repo.fixed.remove(&SNAPSHOT);
    repo.again(cached).unwrap();
}

fn is_fixpoint<T: Document>(role: &RoleName, raw: &[u8]) {
    let signed = Signed::<T>::parse(role, raw).unwrap();
    assert_eq!(encode_envelope(&signed.unverified().to_json(), signed.signatures()), raw, "{role}");
    assert_eq!(signed.message(), signed.unverified().to_json().to_canonical());
}

fn are_fixpoints(publication: &Publication) {
    for (role, raw) in &publication.files {
        match role {
            RoleName::Root => is_fixpoint::<Root>(role, raw),
            RoleName::Snapshot => is_fixpoint::<Snapshot>(role, raw),
            _ => is_fixpoint::<Targets>(role, raw),
        }
        let text = String::from_utf8(raw.clone()).unwrap();
        for never in [r#""paths":[]"#, r#""custom":null"#, "+00:00", ": ", "\n"] {
            assert!(!text.contains(never), "{role} has {never}");
        }
    }
}

fn new_repository(root: &TestKey, targets: &TestKey, snapshot: &TestKey) -> Draft {
    let keys = NewRepository {
        root: root.public.clone(),
        targets: targets.public.clone(),
        snapshot: snapshot.public.clone(),
        timestamp: TestKey::bare().public,
    };
    Draft::new_repository(&keys, now())
}

#[test]
fn a_new_repository_is_signed_at_version_one() {
    let (root, targets, snapshot) = (TestKey::certified("gun"), TestKey::bare(), TestKey::bare());
    let draft = new_repository(&root, &targets, &snapshot);
    let roles: Vec<RoleName> = draft.needs().into_iter().map(|need| need.role).collect();
    assert_eq!(roles, [ROOT, TARGETS, SNAPSHOT]);
    // The server's snapshot: it is left to the server.
    let publication = draft.sign(&held(&[&root, &targets]), now()).unwrap();
    assert_eq!(publication.files.keys().collect::<Vec<_>>(), [&ROOT, &TARGETS]);
    are_fixpoints(&publication);
    // Ours: it names both.
    let publication = draft.sign(&held(&[&root, &targets, &snapshot]), now()).unwrap();
    are_fixpoints(&publication);
    assert!(publication.roles.values().all(|role| role.version == 1));
    let signed = Signed::<Snapshot>::parse(&SNAPSHOT, &publication.files[&SNAPSHOT]).unwrap();
    assert_eq!(signed.unverified().meta.keys().collect::<Vec<_>>(), [&ROOT, &TARGETS]);
    assert!(matches!(
        draft.sign(&held(&[&root]), now()),
        Err(EditError::NotEnoughKeys { role: TARGETS, have: 0, need: 1, .. })
    ));
}

#[test]
fn what_is_published_is_read_by_those_who_knew_the_repository() {
    let repo = Repo::new();
    let cached = repo.cached();
    let mut draft = draft(&repo);
    draft.add_target(&TARGETS, &name("v2"), target("two"), now()).unwrap();
    draft.edit_delegation(&role("targets/a"), true, &add_key(&TestKey::bare()), now()).unwrap();
    let publication = draft.sign(&held(&[sole(&repo, &TARGETS)]), now()).unwrap();
    assert_eq!(publication.files.keys().collect::<Vec<_>>(), [&TARGETS]);
    assert_eq!(publication.roles[&TARGETS].version, 2);
    are_fixpoints(&publication);
    read_with(&repo, &publication, &cached);
}

#[test]
fn received_oddities_are_not_written_again() {
    let mut repo = Repo::new();
    repo.with(&TARGETS, |members| {
        members.insert("surprise".to_owned(), Value::Int(1));
        members.insert("expires".to_owned(), "2030-01-02T03:04:05.120000000+00:00".into());
        let Some(Value::Object(targets)) = members.get_mut("targets") else { panic!() };
        let Some(Value::Object(target)) = targets.get_mut("v1") else { panic!() };
        target.insert("custom".to_owned(), Value::Null);
        target.insert("more".to_owned(), Value::Bool(true));
    });
    let read = repo.first().unwrap();
    let unknown = read.targets()[&TARGETS].signed().unknown_members();
    assert_eq!(unknown, ["surprise", "targets.v1.more"]);
    let mut draft = Draft::from_trusted(&read);
    draft.touch(&TARGETS);
    let publication = draft.sign(&held(&[sole(&repo, &TARGETS)]), now()).unwrap();
    are_fixpoints(&publication);
    let text = String::from_utf8(publication.files[&TARGETS].clone()).unwrap();
    assert!(!text.contains("surprise") && !text.contains("more") && !text.contains("custom"));
}

#[test]
fn what_could_not_be_read_again_is_not_signed() {
    let mut repo = Repo::new();
    let key = sole(&repo, &TARGETS).clone();
    let top = repo.targets.get_mut(&TARGETS).unwrap();
    top.targets.get_mut(&name("v1")).unwrap().custom = Some("line\nbreak".into());
    // As another writer might have it: the escape is legal JSON, and signed as what it means.
    let body = top.to_json();
    let file = encode_envelope(&body, &[key.signature(&body.to_canonical())]);
    let file = String::from_utf8(file).unwrap().replace("line\nbreak", "line\\nbreak");
    repo.fixed.insert(TARGETS, file.into_bytes());
    let mut draft = draft(&repo);
    draft.add_target(&TARGETS, &name("v2"), target("two"), now()).unwrap();
    assert!(matches!(
        draft.sign(&held(&[&key]), now()),
        Err(EditError::Unwritable { role: TARGETS, .. })
    ));
    draft.remove_target(&TARGETS, &name("v1")).unwrap();
    are_fixpoints(&draft.sign(&held(&[&key]), now()).unwrap());
}

#[test]
fn thresholds_above_one_need_as_many_keys() {
    let mut repo = Repo::new();
    let keys: Vec<_> = (0..3).map(|_| TestKey::bare()).collect();
    repo.keys(&TARGETS, keys.clone(), 2);
    let cached = repo.cached();
    let mut draft = draft(&repo);
    draft.touch(&TARGETS);
    let need = &draft.needs()[0];
    assert_eq!((&need.role, need.threshold, need.candidates.len()), (&TARGETS, 2, 3));
    assert!(matches!(
        draft.sign(&held(&[&keys[0]]), now()),
        Err(EditError::NotEnoughKeys { have: 1, need: 2, .. })
    ));
    let publication = draft.sign(&held(&[&keys[0], &keys[2]]), now()).unwrap();
    assert_eq!(publication.roles[&TARGETS].signed_by.len(), 2);
    read_with(&repo, &publication, &cached);
}

#[test]
fn a_key_in_two_certificates_is_one_key() {
    let mut repo = Repo::new();
    let key = TestKey::certified("x");
    let twin = key.recertified("y");
    repo.delegate("targets/a", vec![key.clone(), twin], &[""]);
    repo.targets.get_mut(&TARGETS).unwrap().delegations.roles[0].threshold = threshold(2);
    repo.fixed.insert(role("targets/a"), Vec::new());
    repo.unlisted.insert(role("targets/a"));
    let mut draft = draft(&repo);
    draft.add_target(&role("targets/a"), &name("v2"), target("two"), now()).unwrap();
    assert_eq!(draft.needs()[0].candidates, [key.public.canonical_id().unwrap()]);
    assert!(matches!(
        draft.sign(&held(&[&key]), now()),
        Err(EditError::NotEnoughKeys { have: 1, need: 2, .. })
    ));
}

#[test]
fn a_new_root_key_signs_beside_the_old_one() {
    let repo = Repo::new();
    let cached = repo.cached();
    let old = sole(&repo, &ROOT);
    let new = TestKey::certified(repo.gun.as_str());
    let mut draft = draft(&repo);
    draft.set_base_keys(&ROOT, &[new.public.clone(), new.public.clone()]);
    let needs: Vec<_> = draft.needs().into_iter().filter(|need| need.role == ROOT).collect();
    assert_eq!(needs.len(), 2);
    for too_few in [held(&[old]), held(&[&new])] {
        assert!(matches!(
            draft.sign(&too_few, now()),
            Err(EditError::NotEnoughKeys { role: ROOT, have: 0, need: 1, .. })
        ));
    }
    let publication = draft.sign(&held(&[old, &new]), now()).unwrap();
    are_fixpoints(&publication);
    let signed = Signed::<Root>::parse(&ROOT, &publication.files[&ROOT]).unwrap();
    assert_eq!(signed.signatures().len(), 2);
    assert_eq!(signed.unverified().roles["root"].key_ids, [new.id()]);
    assert!(signed.unverified().keys.contains_key(&old.id()));
    read_with(&repo, &publication, &cached);
}

#[test]
fn rotating_the_targets_key_signs_the_targets_again() {
    let repo = Repo::new();
    let cached = repo.cached();
    let new = TestKey::bare();
    let mut draft = draft(&repo);
    draft.set_base_keys(&TARGETS, std::slice::from_ref(&new.public));
    let publication = draft.sign(&held(&[sole(&repo, &ROOT), &new]), now()).unwrap();
    assert_eq!(publication.files.keys().collect::<Vec<_>>(), [&ROOT, &TARGETS]);
    read_with(&repo, &publication, &cached);
}

#[test]
fn a_role_without_enough_keys_is_not_put_into_a_root() {
    let repo = Repo::new();
    let mut draft = draft(&repo);
    draft.set_base_keys(&RoleName::Timestamp, &[]);
    assert!(matches!(
        draft.sign(&held(&[sole(&repo, &ROOT)]), now()),
        Err(EditError::NotEnoughKeys { role: RoleName::Timestamp, have: 0, need: 1, .. })
    ));
}

#[test]
fn our_snapshot_keeps_what_it_listed_and_names_what_is_new() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let before = repo.first().unwrap().snapshot().body().clone();
    let mut draft = draft(&repo);
    draft.add_target(&TARGETS, &name("v2"), target("two"), now()).unwrap();
    let keys = held(&[sole(&repo, &TARGETS), sole(&repo, &SNAPSHOT)]);
    let publication = draft.sign(&keys, now()).unwrap();
    are_fixpoints(&publication);
    let signed = Signed::<Snapshot>::parse(&SNAPSHOT, &publication.files[&SNAPSHOT]).unwrap();
    let meta = &signed.unverified().meta;
    assert_eq!(signed.unverified().header.version, 2);
    assert_eq!(meta[&ROOT], before.meta[&ROOT]);
    assert_eq!(meta[&role("targets/a")], before.meta[&role("targets/a")]);
    assert!(meta[&TARGETS].hashes.check(&publication.files[&TARGETS]).is_ok());
}

#[test]
fn a_role_that_comes_back_begins_above_its_last_version() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    repo.version(&role("targets/a"), 7);
    let key = TestKey::bare();
    let mut draft = draft(&repo);
    let of = role("targets/a");
    draft.remove_delegation(&of).unwrap();
    draft.edit_delegation(&of, true, &add_key(&key), now()).unwrap();
    draft.add_target(&of, &name("v2"), target("two"), now()).unwrap();
    assert_eq!(draft.newborn(), std::slice::from_ref(&of));
    draft.set_floor(of.clone(), 7);
    let publication = draft.sign(&held(&[sole(&repo, &TARGETS), &key]), now()).unwrap();
    assert_eq!(publication.roles[&of].version, 8);
    draft.set_floor(of.clone(), MAX_VERSION);
    assert!(matches!(
        draft.sign(&held(&[sole(&repo, &TARGETS), &key]), now()),
        Err(EditError::VersionExhausted { role }) if role == of
    ));
}

#[test]
fn removing_a_delegation_takes_what_is_below_and_its_keys() {
    let mut repo = Repo::new();
    let shared = TestKey::bare();
    repo.delegate("targets/a", vec![shared.clone(), TestKey::bare()], &[""]);
    repo.delegate("targets/a/b", vec![TestKey::bare()], &[""]);
    repo.delegate("targets/ab", vec![shared.clone()], &[""]);
    let mut draft = draft(&repo);
    draft.touch(&role("targets/a/b"));
    draft.touch(&role("targets/ab"));
    assert_eq!(draft.remove_delegation(&role("targets/a")).unwrap(), Outcome::Changed);
    assert_eq!(draft.remove_delegation(&role("targets/a")).unwrap(), Outcome::Unchanged);
    assert_eq!(draft.dirty().iter().collect::<Vec<_>>(), [&TARGETS, &role("targets/ab")]);
    assert!(!draft.exists(&role("targets/a/b")) && draft.exists(&role("targets/ab")));
    let keys = &draft.targets(&TARGETS).unwrap().delegations.keys;
    assert_eq!(keys.keys().collect::<Vec<_>>(), [&shared.id()]);
}

#[test]
fn creating_merges_and_updating_needs_the_role() {
    let repo = Repo::new();
    let mut draft = draft(&repo);
    let of = role("targets/a");
    let (one, two) = (TestKey::bare(), TestKey::bare());
    let unknown = draft.edit_delegation(&of, false, &add_key(&one), now());
    assert_eq!(unknown, Err(EditError::UnknownRole { role: of.clone() }));
    let orphan = draft.edit_delegation(&role("targets/x/y"), true, &add_key(&one), now());
    assert_eq!(orphan, Err(EditError::UnknownRole { role: role("targets/x") }));
    assert!(!draft.is_dirty());
    draft.edit_delegation(&of, true, &add_key(&one), now()).unwrap();
    draft.edit_delegation(&of, true, &add_key(&two), now()).unwrap();
    let again = draft.edit_delegation(&of, true, &add_key(&one), now()).unwrap();
    assert_eq!(again, Outcome::Unchanged);
    let child = &draft.targets(&TARGETS).unwrap().delegations.roles[0];
    assert_eq!((child.key_ids.len(), child.paths.len(), child.threshold.get()), (2, 1, 1));
    for base in [ROOT, TARGETS] {
        let refused = draft.edit_delegation(&base, true, &add_key(&one), now());
        assert_eq!(refused, Err(EditError::UnknownRole { role: base }));
    }
}

#[test]
fn keys_are_removed_by_either_id() {
    let mut repo = Repo::new();
    let key = TestKey::certified("alice");
    repo.delegate("targets/a", vec![key.clone(), TestKey::bare()], &[""]);
    repo.delegate("targets/b", vec![key.clone()], &[""]);
    for id in [key.id(), key.public.canonical_id().unwrap()] {
        let mut draft = draft(&repo);
        draft.edit_delegation(&role("targets/a"), false, &remove_key(id), now()).unwrap();
        let delegations = &draft.targets(&TARGETS).unwrap().delegations;
        assert_eq!(delegations.roles[0].key_ids.len(), 1);
        // The other role has it still.
        assert!(delegations.keys.contains_key(&key.id()));
        assert_eq!(delegations.roles[1].key_ids, [key.id()]);
    }
}

#[test]
fn a_purge_takes_a_key_from_every_role_below() {
    let mut repo = Repo::new();
    let key = TestKey::bare();
    repo.delegate("targets/a", vec![key.clone(), TestKey::bare()], &[""]);
    repo.delegate("targets/a/b", vec![key.clone()], &[""]);
    repo.delegate("targets/c", vec![key.clone()], &[""]);
    let mut draft = draft(&repo);
    let purge = Change::ChangeDelegation {
        role: DelegationScope::AllBelow(TARGETS),
        create: false,
        edit: remove_key(key.id()),
    };
    assert_eq!(draft.apply(&purge, now()).unwrap(), Outcome::Changed);
    for (_, file) in draft.all_targets() {
        assert!(!file.delegations.keys.contains_key(&key.id()));
        assert!(file.delegations.roles.iter().all(|child| !child.key_ids.contains(&key.id())));
    }
    assert_eq!(draft.apply(&purge, now()).unwrap(), Outcome::Unchanged);
}

#[test]
fn an_edit_that_changes_nothing_signs_nothing() {
    let mut repo = Repo::new();
    let stray = TestKey::bare();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let top = repo.targets.get_mut(&TARGETS).unwrap();
    top.delegations.keys.insert(stray.id(), stray.public);
    let mut draft = draft(&repo);
    let edit = DelegationEdit { remove_paths: vec!["none".to_owned()], ..Default::default() };
    let outcome = draft.edit_delegation(&role("targets/a"), false, &edit, now()).unwrap();
    assert_eq!((outcome, draft.is_dirty()), (Outcome::Unchanged, false));
    let outcome = draft.add_target(&TARGETS, &name("v1"), target("one"), now()).unwrap();
    assert_eq!((outcome, draft.is_dirty()), (Outcome::Unchanged, false));
    let outcome = draft.remove_target(&TARGETS, &name("v9")).unwrap();
    assert_eq!((outcome, draft.is_dirty()), (Outcome::Unchanged, false));
}

#[test]
fn an_unusable_role_is_not_written_over() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    repo.delegate("targets/a/b", vec![TestKey::bare()], &[""]);
    repo.header(&role("targets/a")).expires = days(-1);
    let mut draft = draft(&repo);
    let of = role("targets/a");
    let refused = || Err(EditError::UnusableRole { role: role("targets/a") });
    assert_eq!(draft.add_target(&of, &name("v2"), target("two"), now()), refused());
    assert_eq!(draft.remove_target(&of, &name("v1")), refused());
    assert_eq!(draft.remove_delegation(&role("targets/a/b")), refused());
    let edit = add_key(&TestKey::bare());
    for create in [true, false] {
        assert_eq!(draft.edit_delegation(&role("targets/a/b"), create, &edit, now()), refused());
    }
    assert!(!draft.is_dirty());
    draft.restart(&of);
    draft.add_target(&of, &name("v2"), target("two"), now()).unwrap();
    assert_eq!(draft.targets(&of).unwrap().targets.len(), 1);
    assert_eq!(draft.newborn(), [of]);
}

#[test]
fn a_target_that_no_reader_would_take_is_refused() {
    let mut draft = draft(&Repo::new());
    let mut add = |target: Target| draft.add_target(&TARGETS, &name("v2"), target, now());
    let bare = Target { length: 1, hashes: Hashes::default(), custom: None };
    assert!(matches!(add(bare), Err(EditError::Target { .. })));
    let huge = Target { length: 1 << 60, ..target("x") };
    assert!(matches!(add(huge), Err(EditError::Target { .. })));
    let newline = Target { custom: Some("a\nb".into()), ..target("x") };
    assert!(matches!(add(newline), Err(EditError::Custom { .. })));
    let number = Target { custom: Some(Value::Int(i64::MAX)), ..target("x") };
    assert!(matches!(add(number), Err(EditError::Custom { .. })));
    let null = Target { custom: Some(Value::Null), ..target("x") };
    assert_eq!(add(null), Ok(Outcome::Changed));
    assert_eq!(draft.targets(&TARGETS).unwrap().targets[&name("v2")].custom, None);
    let edit = DelegationEdit { add_paths: vec!["a\nb".to_owned()], ..Default::default() };
    let path = draft.edit_delegation(&role("targets/a"), true, &edit, now());
    assert!(matches!(path, Err(EditError::Path { .. })));
    assert!(!draft.exists(&role("targets/a")));
}

#[test]
fn a_role_signs_only_what_its_paths_allow() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &["dir/"]);
    let mut draft = draft(&repo);
    let of = role("targets/a");
    let refused = draft.add_target(&of, &name("v2"), target("two"), now());
    assert_eq!(refused, Err(EditError::NotPermitted { role: of.clone(), name: name("v2") }));
    draft.add_target(&of, &name("dir/v2"), target("two"), now()).unwrap();
    let nobody = draft.add_target(&role("targets/x"), &name("v2"), target("two"), now());
    assert_eq!(nobody, Err(EditError::UnknownRole { role: role("targets/x") }));
}

fn key() -> PublicKey {
    TestKey::certified("alice").public
}

#[test]
fn every_kind_of_change_is_written_and_read() {
    let full = DelegationEdit {
        threshold: Some(threshold(3)),
        add_keys: vec![key(), TestKey::bare().public],
        remove_keys: vec![key().id()],
        add_paths: vec![String::new(), "dir/<&>".to_owned()],
        remove_paths: vec!["old/".to_owned()],
        clear_paths: true,
    };
    let custom = Value::object([("b", Value::from("<>&\u{2028}")), ("a", Value::Int(1))]);
    let changes = [
        Change::AddTarget { role: TARGETS, name: name("v1"), target: target("one") },
        Change::AddTarget {
            role: role("targets/a"),
            name: name("dir/\"x\" é"),
            target: Target { custom: Some(custom), ..target("one") },
        },
        Change::RemoveTarget { role: role("targets/a"), name: name("v1") },
        Change::ChangeDelegation {
            role: DelegationScope::One(role("targets/a/b")),
            create: true,
            edit: full.clone(),
        },
        Change::ChangeDelegation {
            role: DelegationScope::One(role("targets/a")),
            create: false,
            edit: DelegationEdit::default(),
        },
        Change::ChangeDelegation {
            role: DelegationScope::AllBelow(role("targets/a")),
            create: false,
            edit: full,
        },
        Change::RemoveDelegation { role: role("targets/a") },
        Change::Witness { role: TARGETS },
    ];
    for change in changes {
        assert_eq!(Change::parse(&change.encode()).unwrap(), change);
    }
}

fn change(action: &str, of: &str, kind: &str, data: &str) -> Result<Change, ChangeError> {
    let data = crate::codec::text::to_base64(data.as_bytes());
    let text = format!(
        r#"{{"action":"{action}","role":"{of}","type":"{kind}","path":"x","data":"{data}"}}"#
    );
    Change::parse(text.as_bytes())
}

#[test_case("[]"; "an array")]
#[test_case(r#"{"clear_paths":"true"}"#; "clear as text")]
#[test_case(r#"{"threshold":-1}"#; "a negative threshold")]
#[test_case(r#"{"threshold":4294967296}"#; "a huge threshold")]
#[test_case(r#"{"add_paths":[1]}"#; "a number as a path")]
#[test_case(r#"{"remove_keys":["x"]}"#; "a key id that is none")]
#[test_case(r#"{"add_keys":[{}]}"#; "a key that is none")]
#[test_case("not json"; "no JSON")]
fn malformed_edits_are_refused(data: &str) {
    let result = change("update", "targets/a", "delegation", data);
    assert!(matches!(result, Err(ChangeError::Malformed(_))), "{result:?}");
}

#[test]
fn changes_that_cannot_be_made_are_refused() {
    assert_eq!(
        change("update", "targets/a", "delegation", r#"{"new_name":"targets/b"}"#),
        Err(ChangeError::Rename { scope: "targets/a".to_owned() })
    );
    assert!(matches!(
        change("create", "targets/*", "delegation", "{}"),
        Err(ChangeError::Unsupported { .. })
    ));
    assert!(matches!(change("delete", "targets/*", "delegation", "{}"), Err(ChangeError::Name(_))));
    assert!(matches!(change("create", "root", "role", "{}"), Err(ChangeError::Unsupported { .. })));
    assert!(matches!(Change::parse(b"[]"), Err(ChangeError::Malformed(_))));
    assert!(matches!(Change::parse(b""), Err(ChangeError::Malformed(_))));
}

#[test]
fn a_witness_signs_a_role_as_it_is() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let of = role("targets/a");
    let mut draft = draft(&repo);
    draft.apply(&Change::Witness { role: of.clone() }, now()).unwrap();
    let publication = draft.sign(&held(&[sole(&repo, &of)]), now()).unwrap();
    assert_eq!(publication.roles[&of].version, 2);
    let signed = Signed::<Targets>::parse(&of, &publication.files[&of]).unwrap();
    assert_eq!(signed.unverified().targets, repo.targets[&of].targets);
    let nobody = draft.apply(&Change::Witness { role: role("targets/x") }, now());
    assert_eq!(nobody, Err(EditError::UnknownRole { role: role("targets/x") }));
}

#[test]
fn changes_that_come_to_nothing_are_not_signed() {
    let repo = Repo::new();
    let trusted = repo.first().unwrap();
    let mut draft = Draft::from_trusted(&trusted);
    let add = Change::AddTarget { role: TARGETS, name: name("x"), target: target("x") };
    let remove = Change::RemoveTarget { role: TARGETS, name: name("x") };
    for change in [&add, &remove] {
        assert_eq!(draft.apply(change, now()), Ok(Outcome::Changed));
    }
    draft.settle(&trusted, &[&TARGETS]);
    assert!(draft.is_dirty());
    draft.settle(&trusted, &[]);
    assert!(!draft.is_dirty());
    draft.apply(&add, now()).unwrap();
    draft.settle(&trusted, &[]);
    assert!(draft.is_dirty());
}

#[test]
fn a_lapsed_role_is_signed_again_only_when_it_was_taken_up() {
    let mut repo = Repo::new();
    let (gone, stays) = (TestKey::bare(), TestKey::bare());
    repo.delegate("targets/alice", vec![gone.clone()], &[""]);
    let held_last = repo.files()[&role("targets/alice")].clone();
    repo.delegate("targets/alice", vec![stays.clone()], &[""]);
    repo.signed_by(&role("targets/alice"), vec![gone]);
    let alice = role("targets/alice");
    let trusted = repo.first().unwrap();
    assert!(trusted.unusable().contains_key(&alice));
    let mut draft = Draft::from_trusted(&trusted);
    let witness = Change::Witness { role: alice.clone() };
    let refused = draft.apply(&witness, now());
    assert_eq!(refused, Err(EditError::UnusableRole { role: alice.clone() }));
    let last = Signed::<Targets>::parse(&alice, &held_last).unwrap();
    draft.take_up(&alice, last.unverified().clone());
    assert_eq!(draft.apply(&witness, now()), Ok(Outcome::Changed));
    let publication = draft.sign(&held(&[&stays, sole(&repo, &SNAPSHOT)]), now()).unwrap();
    let file = Signed::<Targets>::parse(&alice, &publication.files[&alice]).unwrap();
    assert!(file.unverified().targets.contains_key(&name("v1")));
    assert_eq!(file.unverified().header.version, last.unverified().header.version + 1);
    let nobody = Change::Witness { role: role("targets/nobody") };
    let refused = draft.apply(&nobody, now());
    assert_eq!(refused, Err(EditError::UnknownRole { role: role("targets/nobody") }));
}
