//! Tags that wait to be signed.

use ::http::Method;
use serde_json::{Value, json};
use trust::oci::Digest;

use super::enforcement_world::{World, pusher, reader, reason};

const OLD: &[u8] = b"the old manifest";
const NEW: &[u8] = b"the new manifest";

fn strict() -> Value {
    json!({"pull": "enforce", "push": "enforce", "sign_within_minutes": 90})
}

fn signed_v1(world: &mut World) -> (Digest, Digest) {
    let (old, new) = (world.manifest(OLD, &[], &[]), world.manifest(NEW, &[], &[]));
    world.publish();
    world.sign("v1", OLD);
    world.push_tag("v1", &old).unwrap();
    (old, new)
}

#[test]
fn a_new_tag_is_seen_by_those_who_push_until_it_is_signed() {
    let mut world = World::new(&strict());
    let new = world.manifest(NEW, &[], &[]);
    world.push_tag("v2", &new).unwrap();
    assert_eq!(world.get_tag("v2", &pusher()).unwrap(), new);
    assert_eq!(reason(world.get_tag("v2", &reader())), "unsigned");
    // A new tag has nothing to return to.
    world.wait_hours(24);
    assert_eq!(world.return_tags(), 0);
    world.publish();
    world.sign("v2", NEW);
    assert_eq!(world.get_tag("v2", &reader()).unwrap(), new);
}

#[test]
fn a_signed_tag_that_is_moved_answers_what_it_was_until_that_is_signed() {
    let mut world = World::new(&strict());
    let (old, new) = signed_v1(&mut world);
    world.push_tag("v1", &new).unwrap();
    assert_eq!(world.get_tag("v1", &pusher()).unwrap(), new);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    assert_eq!(world.verdict("v1")["digest"], old.as_str());
    world.sign("v1", NEW);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), new);
    world.wait_hours(24);
    assert_eq!(world.return_tags(), 0);
    assert_eq!(world.registry_digest("v1"), new);
}

#[test]
fn a_tag_that_is_not_signed_in_time_returns_to_what_it_was() {
    let mut world = World::new(&strict());
    let (old, new) = signed_v1(&mut world);
    let third = world.manifest(b"the third manifest", &[], &[]);
    world.push_tag("v1", &new).unwrap();
    world.wait_hours(1);
    // Pushed again: it has the whole time once more.
    world.push_tag("v1", &third).unwrap();
    world.wait_hours(1);
    assert_eq!(world.return_tags(), 0);
    assert_eq!(world.registry_digest("v1"), third);
    world.wait_hours(1);
    assert_eq!(world.return_tags(), 1);
    assert_eq!(world.registry_digest("v1"), old);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    assert_eq!(world.return_tags(), 0);
}

#[test]
fn without_enforcement_of_pulls_tags_still_move_to_what_is_signed_alone() {
    let mut world = World::new(&json!({"push": "enforce"}));
    let (old, new) = signed_v1(&mut world);
    world.push_tag("v1", &new).unwrap();
    world.push_tag("v2", &new).unwrap();
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    assert_eq!(reason(world.get_tag("v2", &reader())), "unsigned");
    world.sign("v1", NEW);
    world.sign("v2", NEW);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), new);
    assert_eq!(world.get_tag("v2", &reader()).unwrap(), new);
}

#[test]
fn what_was_visible_before_the_rule_stays_so() {
    let world = World::new(&json!({"push": "enforce"}));
    let (old, new) = (world.manifest(OLD, &[], &[]), world.manifest(NEW, &[], &[]));
    world.tag("v1", &old);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    world.push_tag("v1", &old).unwrap();
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    world.push_tag("v1", &new).unwrap();
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), old);
    world.wait_hours(1);
    assert_eq!(world.return_tags(), 1);
    assert_eq!(world.registry_digest("v1"), old);
}

#[test]
fn a_rule_that_is_gone_keeps_nothing_back() {
    let mut world = World::new(&strict());
    let (_, new) = signed_v1(&mut world);
    world.push_tag("v1", &new).unwrap();
    world.reload(&json!({}));
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), new);
    world.wait_hours(24);
    assert_eq!(world.return_tags(), 0);
    assert_eq!(world.registry_digest("v1"), new);
}

#[test]
fn audit_of_pushes_counts_alone() {
    let world = World::new(&json!({"push": "audit"}));
    let new = world.manifest(NEW, &[], &[]);
    world.push_tag("v1", &new).unwrap();
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), new);
    let counted: u64 = world.server.server.gate.counts().iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 1);
}

#[test]
fn signed_tags_can_be_immutable() {
    let mut world = World::new(&json!({"signed_tags_immutable": true}));
    let (old, new) = signed_v1(&mut world);
    let denial = world.push_tag("v1", &new).unwrap_err();
    assert_eq!(denial.detail["reason"], "immutable");
    assert_eq!(denial.detail["signed_digest"], old.as_str());
    let refusal = denial.into_refusal(&Method::PUT);
    assert_eq!((refusal.status.as_u16(), refusal.code), (403, "DENIED"));
    world.push_tag("v1", &old).unwrap();
    world.push_tag("v2", &new).unwrap();
    world.push_tag("v2", &old).unwrap();
    // Who may sign may move it: first the signature, then the tag.
    world.sign("v1", NEW);
    world.push_tag("v1", &new).unwrap();
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), new);
}
