//! Whose word counts: pinned roots, roles, signers.

use serde_json::json;
use test_case::test_case;
use trust::oci::Digest;
use trust::server::trust::Subject;

use super::enforcement_world::{World, reader, reason};
use crate::harness::repository::Key;

const IMAGE: &[u8] = b"the manifest of an image";

fn with_image(world: &World) -> Digest {
    let image = world.manifest(IMAGE, &[], &[]);
    world.tag("v1", &image);
    image
}

#[test]
fn another_owner_is_not_believed_on_first_sight() {
    let mut world = World::enforcing();
    with_image(&world);
    let gun = world.trust.gun().to_owned();
    world.trust.grant("root", &[Key::certified(&gun)], 1);
    world.sign("v1", IMAGE);
    assert_eq!(reason(world.get_tag("v1", &reader())), "untrusted-root");
}

#[test]
fn a_root_that_follows_from_the_pinned_one_is_believed() {
    let mut world = World::enforcing();
    with_image(&world);
    world.publish();
    let gun = world.trust.gun().to_owned();
    for _ in 0..3 {
        let (old, new) = (world.trust.signers("root"), Key::certified(&gun));
        world.trust.grant("root", std::slice::from_ref(&new), 1);
        world.trust.sign_with("root", &[old, vec![new]].concat());
        world.publish_next(&["root"]);
    }
    world.sign("v1", IMAGE);
    world.get_tag("v1", &reader()).unwrap();
    // A version in between is missing: nobody can follow.
    world.sql("DELETE FROM trust_file WHERE role = 'root' AND version = 2");
    world.sql("UPDATE collection SET seq = seq + 1");
    assert_eq!(reason(world.get_tag("v1", &reader())), "untrusted-root");
}

#[test]
fn a_root_that_the_pinned_one_did_not_sign_is_not_believed() {
    let mut world = World::enforcing();
    with_image(&world);
    world.publish();
    let gun = world.trust.gun().to_owned();
    world.trust.grant("root", &[Key::certified(&gun)], 1);
    world.trust.add_target("targets", "v1", IMAGE);
    world.publish_next(&["root", "targets"]);
    assert_eq!(reason(world.get_tag("v1", &reader())), "untrusted-root");
}

#[test]
fn a_bare_key_can_be_pinned() {
    let mut world = World::enforcing();
    with_image(&world);
    world.sign("v1", IMAGE);
    let bare = world.trust.signers("root")[0].public().canonical_id().unwrap();
    world.reload(&json!({"pull": "enforce", "roots": {"key_ids": [bare.to_string()]}}));
    world.get_tag("v1", &reader()).unwrap();
    let other = Key::plain().id().to_string();
    world.reload(&json!({"pull": "enforce", "roots": {"key_ids": [other]}}));
    assert_eq!(reason(world.get_tag("v1", &reader())), "untrusted-root");
}

#[test]
fn an_authority_can_be_pinned() {
    let mut world = World::enforcing();
    with_image(&world);
    world.sign("v1", IMAGE);
    let pem = |key: &Key| String::from_utf8(key.public().public().to_vec()).unwrap();
    // A certificate leads to itself.
    let own = pem(&world.trust.signers("root")[0]);
    world.reload(&json!({"pull": "enforce", "roots": {"certificates": [own]}}));
    world.get_tag("v1", &reader()).unwrap();
    let other = pem(&Key::certified(world.trust.gun()));
    world.reload(&json!({"pull": "enforce", "roots": {"certificates": [other]}}));
    assert_eq!(reason(world.get_tag("v1", &reader())), "untrusted-root");
    let id = world.trust.signers("root")[0].id().to_string();
    let either = json!({"certificates": [other], "key_ids": [id]});
    world.reload(&json!({"pull": "enforce", "roots": either}));
    world.get_tag("v1", &reader()).unwrap();
}

#[test]
fn docker_roles_are_asked_in_dockers_order() {
    let mut world = World::enforcing();
    let image = with_image(&world);
    let (alice, releases) = (Key::plain(), Key::plain());
    world.signer("targets/alice", &alice);
    world.trust.add_target("targets/alice", "v1", IMAGE);
    world.publish();
    // A signer's word alone is not a release.
    assert_eq!(reason(world.get_tag("v1", &reader())), "unsigned");
    assert_eq!(reason(world.get(Subject::Manifest(&image), &reader())), "unsigned");
    world.signer("targets/releases", &releases);
    world.trust.add_target("targets/releases", "v1", IMAGE);
    world.trust.add_target("targets", "v1", b"something else");
    world.publish_next(&["targets"]);
    world.get_tag("v1", &reader()).unwrap();
    world.reload(&json!({"pull": "enforce", "roles": ["targets"]}));
    assert_eq!(reason(world.get_tag("v1", &reader())), "wrong-digest");
    world.reload(&json!({"pull": "enforce", "roles": ["targets/alice"]}));
    world.get_tag("v1", &reader()).unwrap();
}

#[test_case(None, false; "all of them")]
#[test_case(Some(2), true; "two of three")]
#[test_case(Some(3), false; "three of three")]
fn signers_must_vouch_for_the_same(needed: Option<usize>, served: bool) {
    let mut rule = json!({"pull": "enforce", "signers": ["alice", "targets/bob", "carol"]});
    if let Some(needed) = needed {
        rule["signers_needed"] = json!(needed);
    }
    let mut world = World::new(&rule);
    let image = with_image(&world);
    for name in ["targets/alice", "targets/bob", "targets/carol"] {
        world.signer(name, &Key::plain());
        world.trust.add_target(name, "v1", IMAGE);
    }
    world.trust.add_target("targets/carol", "v1", b"something else");
    world.sign("v1", IMAGE);
    let tag = world.get_tag("v1", &reader());
    assert_eq!(tag.is_ok(), served);
    assert_eq!(world.get(Subject::Manifest(&image), &reader()).is_ok(), served);
    if let Err(denial) = tag {
        assert_eq!(denial.detail["reason"], "signer-missing");
        assert!(denial.message.contains("carol has not signed it: they signed sha256:"));
    } else {
        assert_eq!(
            world.verdict("v1")["roles"],
            json!(["targets", "targets/alice", "targets/bob"])
        );
    }
}

#[test]
fn a_signer_whom_nobody_named_vouches_for_nothing() {
    let mut world = World::new(&json!({"pull": "enforce", "signers": ["alice"]}));
    with_image(&world);
    world.sign("v1", IMAGE);
    let denial = world.get_tag("v1", &reader()).unwrap_err();
    assert_eq!(denial.detail["reason"], "signer-missing");
    assert!(denial.message.contains("there is no such signer"), "{}", denial.message);
    world.trust.delegate("targets/alice", &[Key::plain()], 1, &["v2"]);
    world.trust.add_target("targets/alice", "v1", IMAGE);
    world.publish_next(&["targets"]);
    let denial = world.get_tag("v1", &reader()).unwrap_err();
    assert!(denial.message.contains("may not sign this name"), "{}", denial.message);
}

#[test]
fn a_role_that_counts_and_cannot_be_used_is_not_passed_over() {
    let mut world = World::enforcing();
    let image = with_image(&world);
    world.signer("targets/releases", &Key::plain());
    world.sign("v1", IMAGE);
    world.get_tag("v1", &reader()).unwrap();
    world.trust.expire("targets/releases");
    world.publish_next(&["targets/releases"]);
    assert_eq!(reason(world.get_tag("v1", &reader())), "expired");
    assert_eq!(reason(world.get(Subject::Manifest(&image), &reader())), "expired");
}
