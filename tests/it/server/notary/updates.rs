//! Which updates are taken, and in which words the others are refused (notary.md §3.3, §3.4, §9.3).

use std::rc::Rc;

use jiff::SignedDuration;
use serde_json::json;
use test_case::test_case;
use trust::clock::Clock as _;
use trust::codec::canonical_json::Value;
use trust::crypto::Sha256Hash;

use super::{GUN, World, invalid, post};
use crate::harness::repository::{expiry, file_meta};
use crate::harness::{Key, Repository};
use crate::server::harness::Answer;

/// How an update must be answered.
#[derive(Clone, Copy)]
enum Expected {
    Taken,
    /// Another was first.
    Version,
    /// The name, and the message or its beginning.
    Invalid(&'static str, &'static str),
}

use Expected::{Invalid, Taken, Version};

#[track_caller]
fn check(answer: &Answer, expected: &Expected) {
    assert!(answer.body.len() < 1024, "{}", answer.text());
    match expected {
        Taken => assert_eq!((answer.status, answer.text().as_str()), (200, "")),
        Version => {
            let message = "A newer version of metadata is already available.";
            let body = json!({"errors": [{"code": "VERSION", "message": message, "detail": {}}]});
            assert_eq!((answer.status, answer.json()), (400, body));
        }
        Invalid(name, message) => {
            let body = answer.json();
            let error = &body["errors"][0];
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(error["code"], "INVALID_UPDATE", "{body}");
            assert_eq!(error["message"], "Update sent by the client is invalid.");
            assert_eq!(error["detail"]["Name"], *name, "{body}");
            let told = error["detail"]["Error"]["Msg"].as_str().unwrap();
            assert!(told.starts_with(message), "{told}");
            assert_eq!(body["errors"].as_array().unwrap().len(), 1);
            assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        }
    }
}

type Change = fn(&mut Repository);

fn strange_root(owner: &mut Repository) {
    *owner = Repository::new("registry.example.com/other");
}

fn plain_root_key(owner: &mut Repository) {
    owner.grant("root", &[Key::plain()], 1);
}

fn unset_role(owner: &mut Repository, role: &str) {
    owner.unset("root", &["roles", role]);
}

fn threshold(owner: &mut Repository, role: &str, threshold: i64) {
    owner.set("root", &["roles", role, "threshold"], Value::Int(threshold));
}

fn strange_timestamp_key(owner: &mut Repository) {
    let key = Key::plain();
    owner.leave_to("timestamp", &[key.public().clone()], 1);
}

fn broken(owner: &mut Repository, role: &str) {
    owner.after_signing(role, |raw| {
        let text = String::from_utf8(raw.clone()).unwrap();
        *raw = text.replacen("\"expires\":\"20", "\"expires\":\"21", 1).into_bytes();
    });
}

const NO_LEAF: &str =
    "could not validate the path to a trusted root: unable to retrieve valid leaf certificates";
const NO_INTEGRITY: &str =
    "could not validate the path to a trusted root: failed to validate integrity of roots";
const NOT_ROTATED: &str = "could not rotate trust to a new trusted root: failed to validate data \
                           with current trusted certificates";
const NO_TIMESTAMP_KEY: &str = "no  timestamp keys exist on the server";
const NO_TARGETS_THRESHOLD: &str = "valid signatures did not meet threshold for targets";

#[test_case(|_| (), &["root", "targets"], Taken; "root and targets")]
#[test_case(|_| (), &["targets", "root"], Taken; "in any order")]
#[test_case(|o| o.set_version("root", 2), &["root", "targets"], Taken; "a second root")]
#[test_case(|o| o.set_version("targets", 1000), &["root", "targets"], Taken; "a late start")]
#[test_case(|_| (), &["root"], Invalid("ErrValidation", "targets must be loaded first"); "no targets")]
#[test_case(|_| (), &["targets"], Invalid("ErrValidation", "no pre-existing root and no root provided in update."); "no root")]
#[test_case(|_| (), &["snapshot"], Invalid("ErrValidation", "no pre-existing root and no root provided in update."); "snapshot alone")]
#[test_case(|o| o.set_version("root", 3), &["root", "targets"], Invalid("ErrBadRoot", "Root modifications must increment the version. Current 1, new 3"); "a third root")]
#[test_case(strange_root, &["root", "targets"], Invalid("ErrBadRoot", NO_LEAF); "another collections root")]
#[test_case(plain_root_key, &["root", "targets"], Invalid("ErrBadRoot", NO_LEAF); "a root key without certificate")]
#[test_case(|o| o.expire("root"), &["root", "targets"], Invalid("ErrBadRoot", "root expired at "); "an old root")]
#[test_case(|o| o.set("root", &["expires"], Value::from("2020-01-01T00:00:00Z")), &["root", "targets"], Invalid("ErrBadRoot", "root expired at Wed Jan 1 00:00:00 UTC 2020"); "a very old root")]
#[test_case(|o| unset_role(o, "snapshot"), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: missing snapshot role specification"); "no snapshot role")]
#[test_case(|o| unset_role(o, "targets"), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: missing targets role specification"); "no targets role")]
#[test_case(|o| unset_role(o, "timestamp"), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: missing timestamp role specification"); "no timestamp role")]
#[test_case(|o| unset_role(o, "root"), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: missing root role specification"); "no root role")]
#[test_case(|o| threshold(o, "root", 0), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: "); "no root signature needed")]
#[test_case(|o| threshold(o, "targets", 0), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: "); "no targets signature needed")]
#[test_case(|o| threshold(o, "snapshot", -1), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: "); "less than no snapshot signature")]
#[test_case(|o| threshold(o, "timestamp", 0), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: "); "no timestamp signature needed")]
#[test_case(|o| threshold(o, "timestamp", 2), &["root", "targets"], Invalid("ErrBadRoot", NO_TIMESTAMP_KEY); "more timestamp signatures than keys")]
#[test_case(strange_timestamp_key, &["root", "targets"], Invalid("ErrBadRoot", NO_TIMESTAMP_KEY); "a strangers timestamp key")]
#[test_case(|o| o.set_version("root", 0), &["root", "targets"], Invalid("ErrBadRoot", "root type metadata invalid: version cannot be less than one"); "root zero")]
#[test_case(|o| o.sign_with("root", &[]), &["root", "targets"], Invalid("ErrBadRoot", NO_INTEGRITY); "an unsigned root")]
#[test_case(|o| o.sign_with("root", &[Key::certified(GUN)]), &["root", "targets"], Invalid("ErrBadRoot", NO_INTEGRITY); "a root signed by another")]
#[test_case(|o| broken(o, "root"), &["root", "targets"], Invalid("ErrBadRoot", NO_INTEGRITY); "a changed root")]
#[test_case(|o| o.sign_with("targets", &[]), &["root", "targets"], Invalid("ErrBadTargets", NO_TARGETS_THRESHOLD); "unsigned targets")]
#[test_case(|o| o.sign_with("targets", &[Key::plain()]), &["root", "targets"], Invalid("ErrBadTargets", NO_TARGETS_THRESHOLD); "targets signed by another")]
#[test_case(|o| broken(o, "targets"), &["root", "targets"], Invalid("ErrBadTargets", NO_TARGETS_THRESHOLD); "changed targets")]
#[test_case(|o| threshold(o, "targets", 2), &["root", "targets"], Invalid("ErrBadTargets", NO_TARGETS_THRESHOLD); "too few signatures")]
#[test_case(|o| o.set_version("targets", 0), &["root", "targets"], Invalid("ErrBadTargets", "targets type metadata invalid: version cannot be less than one"); "targets zero")]
#[test_case(|o| o.set_version("targets", -1), &["root", "targets"], Invalid("ErrBadTargets", "targets type metadata invalid: version cannot be less than one"); "targets below zero")]
#[test_case(|o| o.set("targets", &["version"], Value::from("x")), &["root", "targets"], Invalid("ErrBadTargets", "targets type metadata invalid: "); "a version that is none")]
#[test_case(|o| o.set("targets", &["_type"], Value::from("targets")), &["root", "targets"], Invalid("ErrBadTargets", "targets type metadata invalid: expected type Targets, not targets"); "another type")]
#[test_case(|o| o.set("targets", &["_type"], Value::from("x".repeat(9999))), &["root", "targets"], Invalid("ErrBadTargets", "targets type metadata invalid: expected type Targets, not xxxx"); "a long type")]
#[test_case(|o| o.expire("targets"), &["root", "targets"], Invalid("ErrBadTargets", "targets expired at "); "old targets")]
#[test_case(|o| o.leave_to("snapshot", &[Key::plain().public().clone()], 1), &["root", "targets"], Invalid("ErrBadHierarchy", "no snapshot was included in update and server does not hold current snapshot key for repository"); "somebody elses snapshot")]
#[test_case(|o| o.sign_with("snapshot", &[Key::plain()]), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "valid signatures did not meet threshold for snapshot"); "a snapshot that is the servers to make")]
fn a_first_update(change: Change, roles: &[&str], expected: Expected) {
    let mut world = World::new();
    change(&mut world.owner);
    let answer = world.post(roles);
    check(&answer, &expected);
    let stored = matches!(expected, Taken);
    assert_eq!(world.get("root.json").status == 200, stored);
    assert_eq!(world.feed().len(), usize::from(stored));
    if !stored {
        // Nothing is left of it.
        let mut honest = World { owner: Repository::new(GUN), ..world };
        for role in ["timestamp", "snapshot"] {
            let key = honest.key(role);
            honest.owner.leave_to(role, &[key], 1);
        }
        honest.publishes(&["root", "targets"]);
    }
}

fn entry(owner: &mut Repository, role: &'static str, change: fn(&mut Value)) {
    owner.before_signing("snapshot", move |body| {
        change(crate::harness::repository::at(body, &["meta", role]));
    });
}

fn other_hash(entry: &mut Value) {
    *entry = file_meta(b"something else");
}

fn other_length(entry: &mut Value) {
    *crate::harness::repository::at(entry, &["length"]) = Value::Int(3);
}

fn no_entry(owner: &mut Repository, role: &'static str) {
    owner.before_signing("snapshot", move |body| {
        if let Value::Object(meta) = crate::harness::repository::at(body, &["meta"]) {
            meta.remove(role);
        }
    });
}

#[test_case(|_| (), &["root", "targets", "snapshot"], Taken; "all three")]
#[test_case(|_| (), &["root", "targets"], Invalid("ErrBadHierarchy", "no snapshot was included in update and server does not hold current snapshot key for repository"); "without it")]
#[test_case(|_| (), &["root", "snapshot"], Invalid("ErrValidation", "targets must be loaded first"); "without targets")]
#[test_case(|o| o.sign_with("snapshot", &[]), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "valid signatures did not meet threshold for snapshot"); "unsigned")]
#[test_case(|o| o.sign_with("snapshot", &[Key::plain()]), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "valid signatures did not meet threshold for snapshot"); "signed by another")]
#[test_case(|o| broken(o, "snapshot"), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "valid signatures did not meet threshold for snapshot"); "changed")]
#[test_case(|o| o.expire("snapshot"), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "snapshot expired at "); "old")]
#[test_case(|o| o.set_version("snapshot", 0), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "snapshot type metadata invalid: version cannot be less than one"); "version zero")]
#[test_case(|o| o.set("snapshot", &["_type"], Value::from("Timestamp")), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "snapshot type metadata invalid: expected type Snapshot, not Timestamp"); "another type")]
#[test_case(|o| entry(o, "root", other_hash), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "sha256 checksum for root did not match: expected "); "another root")]
#[test_case(|o| entry(o, "targets", other_hash), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "sha256 checksum for targets did not match: expected "); "other targets")]
#[test_case(|o| entry(o, "root", other_length), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "size for root did not match: expected 3"); "another size of the root")]
#[test_case(|o| entry(o, "targets", other_length), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "size for targets did not match: expected 3"); "another size of targets")]
#[test_case(|o| no_entry(o, "root"), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "snapshot type metadata invalid: "); "no root")]
#[test_case(|o| no_entry(o, "targets"), &["root", "targets", "snapshot"], Invalid("ErrBadSnapshot", "snapshot type metadata invalid: "); "no targets")]
fn a_first_snapshot_of_the_owner(change: Change, roles: &[&str], expected: Expected) {
    let mut world = World::with_own_snapshot();
    change(&mut world.owner);
    check(&world.post(roles), &expected);
    assert_eq!(world.get("snapshot.json").status == 200, matches!(expected, Taken));
}

#[test]
fn the_hash_in_the_words_is_the_one_that_the_snapshot_has() {
    let mut world = World::with_own_snapshot();
    entry(&mut world.owner, "root", other_hash);
    let answer = world.post(&["root", "targets", "snapshot"]);
    let hash = Sha256Hash::of(b"something else").to_hex();
    let message = format!("sha256 checksum for root did not match: expected {hash}");
    assert_eq!(answer.json(), invalid("ErrBadSnapshot", &message));
}

#[test]
fn who_misses_a_snapshot_is_told_its_name() {
    let mut world = World::with_own_snapshot();
    let answer = world.post(&["root", "targets"]);
    assert_eq!(answer.json()["errors"][0]["detail"]["Error"]["Missing"], "snapshot");
}

fn next_root(owner: &mut Repository) {
    let old = owner.signers("root");
    let new = Key::certified(GUN);
    owner.grant("root", &[Rc::clone(&new)], 1);
    owner.sign_with("root", &[Rc::clone(&old[0]), new]);
    owner.set_version("root", 2);
}

fn usurped_root(owner: &mut Repository) {
    owner.grant("root", &[Key::certified(GUN)], 1);
    owner.set_version("root", 2);
}

fn root_signed_by_old_alone(owner: &mut Repository) {
    let old = owner.signers("root");
    owner.grant("root", &[Key::certified(GUN)], 1);
    owner.sign_with("root", &old);
    owner.set_version("root", 2);
}

fn other_targets_key(owner: &mut Repository) {
    owner.grant("targets", &[Key::plain()], 1);
    owner.set_version("root", 2);
}

fn delegation(owner: &mut Repository) {
    owner.delegate("targets/a", &[Key::plain()], 1, &[""]);
}

fn two_levels(owner: &mut Repository) {
    delegation(owner);
    owner.delegate("targets/a/b", &[Key::plain()], 1, &[""]);
}

fn not_a_child(owner: &mut Repository) {
    two_levels(owner);
    owner.before_signing("targets/a", |body| {
        let text = String::from_utf8(body.to_canonical()).unwrap();
        *body = Value::parse(text.replace("targets/a/b", "targets/zz/b").as_bytes()).unwrap();
    });
}

fn deep(owner: &mut Repository) {
    let mut name = "targets".to_owned();
    for _ in 0..33 {
        name.push_str("/a");
        owner.delegate(&name, &[Key::plain()], 1, &[""]);
    }
}

#[test_case(|_| (), &["targets"], Taken; "targets alone")]
#[test_case(|o| o.set_version("targets", 1002), &["targets"], Taken; "a gap")]
#[test_case(|o| o.set_version("targets", 1), &["targets"], Version; "the same version")]
#[test_case(|o| o.set_version("root", 1), &["root"], Version; "the same root")]
#[test_case(|o| o.set("root", &["x"], Value::Int(1)), &["root", "targets"], Version; "another root of the same version")]
#[test_case(|o| o.set_version("root", 3), &["root"], Invalid("ErrBadRoot", "Root modifications must increment the version. Current 1, new 3"); "a root too far")]
#[test_case(|o| o.set_version("root", 2), &["root"], Taken; "the next root alone")]
#[test_case(next_root, &["root"], Taken; "the next root with another key")]
#[test_case(next_root, &["root", "targets"], Taken; "the next root and targets")]
#[test_case(usurped_root, &["root"], Invalid("ErrBadRoot", NOT_ROTATED); "a root that the old keys did not sign")]
#[test_case(root_signed_by_old_alone, &["root"], Invalid("ErrBadRoot", NO_INTEGRITY); "a root that its own keys did not sign")]
#[test_case(other_targets_key, &["root", "targets"], Taken; "another targets key with targets")]
#[test_case(other_targets_key, &["root"], Invalid("ErrBadTargets", NO_TARGETS_THRESHOLD); "another targets key without targets")]
#[test_case(strange_root, &["root", "targets"], Invalid("ErrBadRoot", NO_LEAF); "another collections files")]
#[test_case(delegation, &["targets", "targets/a"], Taken; "a delegation with its parent")]
#[test_case(delegation, &["targets"], Taken; "a delegation without its file")]
#[test_case(delegation, &["targets/a"], Invalid("ErrBadTargets", "tuf: invalid role targets/a. delegation does not exist"); "a delegation that nobody made")]
#[test_case(two_levels, &["targets", "targets/a", "targets/a/b"], Taken; "two levels")]
#[test_case(two_levels, &["targets/a/b", "targets/a", "targets"], Taken; "two levels, deepest first")]
#[test_case(two_levels, &["targets", "targets/a/b"], Invalid("ErrBadTargets", "tuf: invalid role targets/a. delegation does not exist"); "a level left out")]
#[test_case(|o| { delegation(o); o.sign_with("targets/a", &[Key::plain()]); }, &["targets", "targets/a"], Invalid("ErrBadTargets", "valid signatures did not meet threshold for targets/a"); "a delegation signed by another")]
#[test_case(|o| { delegation(o); o.expire("targets/a"); }, &["targets", "targets/a"], Invalid("ErrBadTargets", "targets/a expired at "); "an old delegation")]
#[test_case(not_a_child, &["targets", "targets/a"], Invalid("ErrBadTargets", "targets/a type metadata invalid: delegation role targets/zz/b invalid"); "a child of another")]
fn a_second_update(change: Change, roles: &[&str], expected: Expected) {
    let mut world = World::published();
    let before = world.get("timestamp.json").body;
    change(&mut world.owner);
    check(&world.post(roles), &expected);
    assert_eq!(world.get("timestamp.json").body != before, matches!(expected, Taken));
    if matches!(expected, Taken) {
        assert_eq!((world.version("timestamp"), world.version("snapshot")), (2, 2));
    }
}

#[test]
fn delegations_deeper_than_anybody_follows_are_refused() {
    let mut world = World::published();
    deep(&mut world.owner);
    let mut roles = vec!["targets".to_owned()];
    for _ in 0..33 {
        roles.push(format!("{}/a", roles.last().unwrap()));
    }
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let answer = world.post(&roles);
    check(&answer, &Invalid("ErrBadTargets", "targets/a/a/"));
    world.publishes(&roles[..33]);
}

#[test]
fn a_parent_that_is_stored_vouches_for_a_child() {
    let mut world = World::published();
    two_levels(&mut world.owner);
    world.publishes(&["targets", "targets/a"]);
    world.publishes(&["targets/a/b"]);
    let meta = world.signed("snapshot")["meta"].clone();
    assert_eq!(meta.as_object().unwrap().len(), 4, "{meta}");
    // Its parent's file is not signed by the right key any more.
    let parent = world.owner.signers("targets/a");
    world.owner.delegate("targets/a", &[Key::plain()], 1, &[""]);
    world.owner.bump(&["targets"]);
    world.publishes(&["targets"]);
    world.owner.sign_with("targets/a", &parent);
    world.owner.bump(&["targets/a/b"]);
    let answer = world.post(&["targets/a/b"]);
    check(
        &answer,
        &Invalid("ErrBadTargets", "valid signatures did not meet threshold for targets/a"),
    );
}

#[test]
fn as_many_old_keys_as_were_needed_must_sign_the_next_root() {
    let mut world = World::new();
    let old = [Key::certified(GUN), Key::certified(GUN), Key::certified(GUN)];
    world.owner.grant("root", &old, 2);
    world.publishes(&["root", "targets"]);
    let new = Key::certified(GUN);
    world.owner.grant("root", &[Rc::clone(&new)], 1);
    world.owner.set_version("root", 2);
    world.owner.sign_with("root", &[Rc::clone(&old[0]), Rc::clone(&new)]);
    check(&world.post(&["root"]), &Invalid("ErrBadRoot", NOT_ROTATED));
    world.owner.sign_with("root", &[Rc::clone(&old[0]), Rc::clone(&old[2]), new]);
    world.publishes(&["root"]);
}

/// The reference locks its owner out: it believes no certificate that has expired, and so not the
/// one that must sign the next.
#[test]
fn who_has_an_expired_certificate_can_replace_it() {
    let mut world = World::published();
    world.clock.go(24 * 366 * 11);
    let old = world.owner.signers("root");
    let now = world.clock.now();
    let new = old[0].in_certificate(GUN, now);
    world.owner.grant("root", &[Rc::clone(&new)], 1);
    world.owner.sign_with("root", &[Rc::clone(&old[0]), new]);
    world.owner.set_version("root", 2);
    for role in ["root", "targets"] {
        world.owner.set(role, &["expires"], expiry(24 * 366 * 15));
    }
    world.publishes(&["root", "targets"]);
    let expires = world.signed("timestamp")["expires"].as_str().unwrap().to_owned();
    let expires: jiff::Timestamp = expires.parse().unwrap();
    assert!(expires > now + SignedDuration::from_hours(24 * 13));
}

#[test]
fn what_was_received_is_what_is_hashed_and_served() {
    let mut world = World::published();
    world.owner.set("targets", &["unknown"], Value::from("<member>"));
    world.owner.publish();
    let sent = world.owner.raw("targets");
    // Another order, white space, and what no Go program would write.
    let text = String::from_utf8(sent).unwrap();
    let signatures = text.find(",\"signatures\":").unwrap();
    let (signed, signatures) = (&text[1..signatures], &text[signatures + 1..text.len() - 1]);
    let sent = format!("{{ {signatures} ,\n\t{signed} }}\n").into_bytes();
    let answer = post(&world.server, GUN, &[("targets", sent.clone())]);
    check(&answer, &Taken);
    assert_eq!(world.get("targets.json").body, sent);
    let hash = Sha256Hash::of(&sent).to_hex();
    assert_eq!(world.get(&format!("targets.{hash}.json")).body, sent);
    let listed = world.signed("snapshot")["meta"]["targets"]["hashes"]["sha256"].clone();
    let expected = trust::codec::text::to_base64(&Sha256Hash::of(&sent).0);
    assert_eq!(listed, expected);
}

#[test]
fn a_delegation_that_is_taken_away_leaves_the_snapshot_and_comes_back_above_its_versions() {
    let mut world = World::published();
    two_levels(&mut world.owner);
    world.publishes(&["targets", "targets/a", "targets/a/b"]);
    let file = world.get("targets/a.json").body;
    let key = world.owner.signers("targets/a");
    world.owner.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
    world.owner.bump(&["targets"]);
    world.publishes(&["targets"]);
    let meta = world.signed("snapshot")["meta"].clone();
    assert_eq!(meta.as_object().unwrap().keys().collect::<Vec<_>>(), ["root", "targets"]);
    // Its last file tells how far its versions came.
    assert_eq!(world.get("targets/a.json").body, file);
    let hash = Sha256Hash::of(&file).to_hex();
    assert_eq!(world.get(&format!("targets/a.{hash}.json")).body, file);
    assert_eq!(world.get("1.targets/a.json").body, file);
    // It cannot begin again.
    world.owner.delegate("targets/a", &key, 1, &[""]);
    world.owner.bump(&["targets"]);
    check(&world.post(&["targets", "targets/a"]), &Version);
    world.owner.set_version("targets/a", 2);
    world.publishes(&["targets", "targets/a"]);
    assert_eq!(world.version("targets/a"), 2);
}

/// Our own client takes a role that is listed without a file for one whose file is withheld, if it
/// saw the file before.
#[test]
fn a_delegation_that_is_made_again_for_the_same_key_has_its_last_file() {
    for own_snapshot in [false, true] {
        let mut world = if own_snapshot { World::with_own_snapshot() } else { World::new() };
        let snapshot = if own_snapshot { &["snapshot"][..] } else { &[] };
        two_levels(&mut world.owner);
        let all = ["root", "targets", "targets/a", "targets/a/b"];
        world.publishes(&[&all, snapshot].concat());
        let roles = world.signed("targets")["delegations"]["roles"].clone();
        let roles = Value::parse(roles.to_string().as_bytes()).unwrap();
        world.owner.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
        world.owner.bump(&["targets", "snapshot"]);
        world.publishes(&[&["targets"], snapshot].concat());
        world.owner.set("targets", &["delegations", "roles"], roles);
        world.owner.bump(&["targets", "snapshot"]);
        world.publishes(&[&["targets"], snapshot].concat());
        let meta = world.signed("snapshot")["meta"].clone();
        let listed: Vec<_> = meta.as_object().unwrap().keys().collect();
        assert_eq!(listed, ["root", "targets", "targets/a", "targets/a/b"]);
        // And goes on from there.
        world.owner.bump(&["targets/a", "snapshot"]);
        world.publishes(&[&["targets/a"], snapshot].concat());
        assert_eq!(world.version("targets/a"), 2);
    }
}

#[test]
fn a_delegation_that_is_made_again_for_another_key_begins_without_a_file() {
    let mut world = World::published();
    delegation(&mut world.owner);
    world.publishes(&["targets", "targets/a"]);
    world.owner.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
    world.owner.bump(&["targets"]);
    world.publishes(&["targets"]);
    delegation(&mut world.owner);
    world.owner.bump(&["targets"]);
    world.publishes(&["targets"]);
    let meta = world.signed("snapshot")["meta"].clone();
    assert_eq!(meta.as_object().unwrap().len(), 2, "{meta}");
    check(&world.post(&["targets/a"]), &Version);
    world.owner.bump(&["targets/a"]);
    world.publishes(&["targets/a"]);
}

#[test]
fn a_snapshot_must_name_the_files_that_are_there() {
    let mut world = World::with_own_snapshot();
    delegation(&mut world.owner);
    world.publishes(&["root", "targets", "targets/a", "snapshot"]);
    // A delegation in the update that the snapshot leaves out.
    world.owner.bump(&["targets/a", "snapshot"]);
    no_entry(&mut world.owner, "targets/a");
    let answer = world.post(&["targets/a", "snapshot"]);
    check(&answer, &Invalid("ErrBadSnapshot", "the snapshot has no entry for targets/a"));
}

#[test]
fn the_owners_snapshot_may_go_to_the_server_and_back() {
    let mut world = World::with_own_snapshot();
    world.owner.set_version("snapshot", 7);
    world.publishes(&["root", "targets", "snapshot"]);
    let own = world.owner.signers("snapshot");
    let key = world.next_key("snapshot");
    world.owner.leave_to("snapshot", &[key], 1);
    world.owner.set_version("root", 2);
    world.publishes(&["root"]);
    assert_eq!(world.version("snapshot"), 8);
    world.owner.grant("snapshot", &own, 1);
    world.owner.set_version("root", 3);
    world.owner.set_version("snapshot", 8);
    check(&world.post(&["root", "snapshot"]), &Version);
    world.owner.set_version("snapshot", 9);
    world.publishes(&["root", "snapshot"]);
    assert_eq!(world.version("timestamp"), 3);
}
