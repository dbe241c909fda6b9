//! What is served and what is not, cell by cell (server.md §4).

use ::http::Method;
use serde_json::json;
use test_case::test_case;
use trust::oci::{Digest, RepositoryName, TagName};
use trust::server::Refusal;
use trust::server::auth::Caller;
use trust::server::trust::{Denial, Subject};

use super::enforcement_world::{HOST, World, app, pusher, reader, reason};
use crate::harness::repository::Key;

const IMAGE: &[u8] = b"the manifest of an image";
const OTHER: &[u8] = b"the manifest of another image";

/// What the registry has under `v1`: an image, with one layer.
struct Pushed {
    image: Digest,
    layer: Digest,
}

fn pushed(world: &World, image: &[u8]) -> Pushed {
    let layer = Digest::sha256_of(&[image, b" has a layer"].concat());
    let image = world.manifest(image, &[], &[&layer]);
    world.tag("v1", &image);
    Pushed { image, layer }
}

/// Every way to reach it.
fn ways(world: &World, pushed: &Pushed, caller: &Caller) -> [Result<(), Denial>; 3] {
    [
        world.get_tag("v1", caller).map(|_| ()),
        world.get(Subject::Manifest(&pushed.image), caller),
        world.get(Subject::Blob(&pushed.layer), caller),
    ]
}

/// It is denied on every way, to GET and to HEAD, for these reasons.
#[track_caller]
fn denied(world: &World, pushed: &Pushed, reasons: [&str; 3]) {
    for (way, expected) in ways(world, pushed, &reader()).into_iter().zip(reasons) {
        let denial = way.unwrap_err();
        assert_eq!(denial.detail["reason"], expected, "{}", denial.message);
        assert_eq!(denial.detail["gun"], format!("{HOST}/app"));
        assert!(denial.message.starts_with("app") && denial.message.contains("is not served: "));
        for method in [Method::GET, Method::HEAD] {
            let refusal = denial.clone().into_refusal(&method);
            assert_eq!((refusal.status.as_u16(), refusal.code), (403, "DENIED"));
        }
    }
    for way in ways(world, pushed, &pusher()) {
        way.unwrap();
    }
    assert_eq!(world.verdict("v1")["served"], false);
}

#[test]
fn without_trust_data_nothing_is_served() {
    let world = World::enforcing();
    let pushed = pushed(&world, IMAGE);
    denied(&world, &pushed, ["unsigned"; 3]);
}

#[test]
fn what_nobody_signed_is_not_served() {
    let mut world = World::enforcing();
    world.publish();
    let pushed = pushed(&world, IMAGE);
    denied(&world, &pushed, ["unsigned"; 3]);
}

#[test]
fn what_is_signed_is_served() {
    let mut world = World::enforcing();
    world.publish();
    world.sign("v1", IMAGE);
    let pushed = pushed(&world, IMAGE);
    for way in ways(&world, &pushed, &reader()) {
        way.unwrap();
    }
    let verdict = world.verdict("v1");
    assert_eq!(verdict["served"], true);
    assert_eq!(verdict["signed"], true);
    assert_eq!(verdict["digest"], pushed.image.as_str());
    assert_eq!(verdict["roles"], json!(["targets"]));
    assert_eq!(verdict["size"], IMAGE.len());
    assert_eq!(world.verdict(pushed.image.as_str())["signed"], true);
}

#[test]
fn a_tag_that_was_moved_is_not_served_though_what_is_signed_still_is() {
    let mut world = World::enforcing();
    world.publish();
    world.sign("v1", IMAGE);
    let signed = pushed(&world, IMAGE);
    let moved = pushed(&world, OTHER);
    denied(&world, &moved, ["wrong-digest", "unsigned", "unsigned"]);
    let denial = world.get_tag("v1", &reader()).unwrap_err();
    assert_eq!(denial.detail["tag"], "v1");
    assert_eq!(denial.detail["registry_digest"], moved.image.as_str());
    assert_eq!(denial.detail["signed_digest"], signed.image.as_str());
    world.get(Subject::Manifest(&signed.image), &reader()).unwrap();
    world.get(Subject::Blob(&signed.layer), &reader()).unwrap();
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("root")]
fn what_has_expired_is_not_served(role: &str) {
    let mut world = World::enforcing();
    world.publish();
    world.trust.add_target("targets", "v1", IMAGE);
    world.trust.set(role, &["expires"], crate::harness::repository::expiry(2));
    world.publish_next(&["root", "targets"]);
    let pushed = pushed(&world, IMAGE);
    for way in ways(&world, &pushed, &reader()) {
        way.unwrap();
    }
    // Nothing is published, pushed or configured: the verdict ends by itself.
    world.wait_hours(3);
    denied(&world, &pushed, ["expired"; 3]);
    let denial = world.get_tag("v1", &reader()).unwrap_err();
    assert!(denial.detail["expires"].is_string());
    assert!(denial.message.contains(role), "{}", denial.message);
}

#[test]
fn what_a_revoked_signer_signed_is_not_served() {
    let mut world = World::enforcing();
    let (alice, bob) = (Key::plain(), Key::plain());
    world.signer("targets/releases", &alice);
    world.trust.add_target("targets/releases", "v1", IMAGE);
    world.publish();
    let pushed = pushed(&world, IMAGE);
    for way in ways(&world, &pushed, &reader()) {
        way.unwrap();
    }
    world.signer("targets/releases", &bob);
    world.trust.sign_with("targets/releases", &[alice]);
    world.publish_next(&["targets"]);
    denied(&world, &pushed, ["signer-missing"; 3]);
    // Whoever is left signs it again.
    world.trust.sign_with("targets/releases", &[bob]);
    world.publish_next(&["targets/releases"]);
    for way in ways(&world, &pushed, &reader()) {
        way.unwrap();
    }
}

#[test_case(&["timestamp"]; "the timestamp")]
#[test_case(&["timestamp", "snapshot", "targets"]; "all that is signed often")]
#[test_case(&["targets"]; "a targets file alone")]
fn what_was_there_before_does_not_come_back(roles: &[&str]) {
    let mut world = World::enforcing();
    world.trust.add_target("targets", "v1", IMAGE);
    world.publish();
    let pushed = pushed(&world, IMAGE);
    world.sign("v1", OTHER);
    denied(&world, &pushed, ["wrong-digest", "unsigned", "unsigned"]);
    // Somebody writes to the database what was right once.
    for role in roles {
        world.sql(&format!("UPDATE current_file SET version = 1 WHERE role = '{role}'"));
    }
    world.sql("UPDATE collection SET seq = seq + 1");
    denied(&world, &pushed, ["rolled-back"; 3]);
}

#[test]
fn files_of_another_version_are_not_mixed() {
    let mut world = World::enforcing();
    world.trust.add_target("targets", "v1", IMAGE);
    world.publish();
    let pushed = pushed(&world, IMAGE);
    world.trust.add_target("targets", "v2", OTHER);
    world.trust.bump(&["timestamp"]);
    world.publish();
    world.sql("UPDATE trust_file SET bytes = (SELECT bytes FROM trust_file WHERE role = 'root') WHERE role = 'targets'");
    world.sql("UPDATE collection SET seq = seq + 1");
    denied(&world, &pushed, ["invalid"; 3]);
}

#[test]
fn a_size_that_was_not_signed_is_not_served() {
    let mut world = World::enforcing();
    let pushed = pushed(&world, IMAGE);
    let longer = trust::codec::canonical_json::Value::Int(1000);
    world.trust.add_target("targets", "v1", IMAGE);
    world.trust.set("targets", &["targets", "v1", "length"], longer);
    world.publish();
    assert_eq!(reason(world.get_tag("v1", &reader())), "wrong-size");
    assert_eq!(reason(world.get(Subject::Manifest(&pushed.image), &reader())), "wrong-size");
}

#[test]
fn parts_of_a_signed_index_are_served_and_those_of_others_are_not() {
    let mut world = World::enforcing();
    let layer = |name: &str| Digest::sha256_of(name.as_bytes());
    let (amd, arm) = (layer("amd"), layer("arm"));
    let child = world.manifest(b"amd64", &[], &[&amd]);
    let stranger = world.manifest(b"arm64", &[], &[&arm]);
    let inner = world.manifest(b"inner index", &[&child], &[]);
    let index = world.manifest(b"index", &[&inner], &[]);
    let other = world.manifest(b"another index", &[&stranger, &child], &[]);
    world.tag("v1", &index);
    world.trust.add_target("targets", "v1", b"index");
    world.publish();
    for signed in [&index, &inner, &child] {
        world.get(Subject::Manifest(signed), &reader()).unwrap();
        assert_eq!(world.verdict(signed.as_str())["served"], true);
    }
    world.get(Subject::Blob(&amd), &reader()).unwrap();
    for unsigned in [&other, &stranger] {
        assert_eq!(reason(world.get(Subject::Manifest(unsigned), &reader())), "unsigned");
    }
    assert_eq!(reason(world.get(Subject::Blob(&arm), &reader())), "unsigned");
    // A part is not signed for a tag of its own.
    world.tag("amd64", &child);
    assert_eq!(reason(world.get_tag("amd64", &reader())), "unsigned");
}

#[test]
fn nesting_ends_somewhere() {
    let mut world = World::enforcing();
    let mut below = world.manifest(b"0", &[], &[]);
    let deepest = below.clone();
    for level in 1..=9 {
        below = world.manifest(level.to_string().as_bytes(), &[&below], &[]);
    }
    world.trust.add_target("targets", "v1", b"9");
    world.publish();
    world.get(Subject::Manifest(&below), &reader()).unwrap();
    assert_eq!(reason(world.get(Subject::Manifest(&deepest), &reader())), "unsigned");
}

#[test]
fn what_is_signed_elsewhere_is_not_signed_here() {
    let mut world = World::enforcing();
    let pushed = pushed(&world, IMAGE);
    world.sign("v1", IMAGE);
    let everywhere = json!({"repository": "**", "pull": "enforce"});
    world.reload(&everywhere);
    let copy = RepositoryName::parse("copy").unwrap();
    let tag = TagName::parse("v1").unwrap();
    world.manifest_in("copy", IMAGE, &[], &[&pushed.layer]);
    for subject in [
        Subject::Tag(&tag, &pushed.image),
        Subject::Manifest(&pushed.image),
        Subject::Blob(&pushed.layer),
    ] {
        assert_eq!(reason(world.get_in(&copy, subject, &reader())), "unsigned");
    }
    // What is mounted must be had where it comes from.
    world.get(Subject::Blob(&pushed.layer), &reader()).unwrap();
}

#[test]
fn an_artifact_that_claims_to_be_a_signature_helps_nothing() {
    let world = World::enforcing();
    let image = pushed(&world, IMAGE);
    let claim = world.manifest(b"a signature, says its media type", &[], &[]);
    world.sql(&format!(
        "UPDATE manifest SET subject = '{}', artifact_type = \
         'application/vnd.dev.cosign.artifact.sig.v1+json' WHERE digest = '{claim}'",
        image.image
    ));
    denied(&world, &image, ["unsigned"; 3]);
    assert_eq!(reason(world.get(Subject::Manifest(&claim), &reader())), "unsigned");
}

#[test]
fn referrers_are_those_that_can_be_had() {
    let mut world = World::enforcing();
    let signed = world.manifest(b"signed", &[], &[]);
    let unsigned = world.manifest(b"unsigned", &[], &[]);
    world.trust.add_target("targets", "sbom", b"signed");
    world.publish();
    let server = &world.server.server;
    let of = |caller: Caller| {
        world.server.runtime.block_on(async {
            let mut reading = server.meta.read().await.unwrap();
            let all = vec![unsigned.clone(), signed.clone()];
            server.gate.reachable(&mut reading, &app(), all, &caller).await.unwrap()
        })
    };
    assert_eq!(of(reader()), std::slice::from_ref(&signed));
    assert_eq!(of(pusher()), [unsigned.clone(), signed.clone()]);
}

#[test]
fn nobody_is_known_on_a_server_that_asks_nobody() {
    let world = World::enforcing();
    let image = pushed(&world, IMAGE);
    for way in ways(&world, &image, &Caller::anybody()) {
        let denial = way.unwrap_err();
        let get = Refusal::from(denial.clone());
        assert_eq!((get.status.as_u16(), get.code), (403, "DENIED"));
        // Docker asks before it pushes, and takes anything but this for a failure.
        let head = denial.into_refusal(&Method::HEAD);
        assert_eq!(head.status.as_u16(), 404);
    }
}

#[test]
fn audit_serves_and_counts() {
    let world = World::new(&json!({"pull": "audit"}));
    let image = pushed(&world, IMAGE);
    for way in ways(&world, &image, &reader()) {
        way.unwrap();
    }
    let counted: u64 = world.server.server.gate.counts().iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 3);
    let verdict = world.verdict("v1");
    assert_eq!((&verdict["served"], &verdict["signed"]), (&json!(true), &json!(false)));
    assert_eq!(verdict["reason"], "unsigned");
    world.reload(&json!({"pull": "off", "roots": {}}));
    assert_eq!(world.verdict("v1")["signed"], json!(null));
}

#[test]
fn a_policy_that_is_reloaded_counts_at_once() {
    let world = World::new(&json!({"pull": "off"}));
    let image = pushed(&world, IMAGE);
    world.get_tag("v1", &reader()).unwrap();
    world.reload(&json!({"pull": "enforce"}));
    denied(&world, &image, ["unsigned"; 3]);
    world.reload(&json!({"pull": "audit"}));
    world.get_tag("v1", &reader()).unwrap();
}

#[test]
fn with_serve_signed_a_moved_tag_answers_what_is_signed() {
    let mut world = World::new(&json!({"pull": "enforce", "serve": "signed"}));
    let signed = pushed(&world, IMAGE);
    world.sign("v1", IMAGE);
    let moved = pushed(&world, OTHER);
    assert_eq!(world.get_tag("v1", &reader()).unwrap(), signed.image);
    assert_eq!(world.get_tag("v1", &pusher()).unwrap(), moved.image);
    assert_eq!(world.verdict("v1")["digest"], signed.image.as_str());
    assert_eq!(reason(world.get(Subject::Manifest(&moved.image), &reader())), "unsigned");
    // What the repository does not have cannot be served.
    world.sign("v1", b"never pushed");
    assert_eq!(reason(world.get_tag("v1", &reader())), "wrong-digest");
}

#[test]
fn what_was_replaced_can_be_had_by_its_digest_for_a_while() {
    let mut world = World::new(&json!({"pull": "enforce", "superseded_days": 2}));
    let old = pushed(&world, IMAGE);
    world.sign("v1", IMAGE);
    let new = pushed(&world, OTHER);
    world.sign("v1", OTHER);
    let target = |digest: &Digest, since: i64, until: &str| {
        world.sql(&format!(
            "INSERT INTO signed_target (collection, role, name, digest, length, since_seq, \
             until_seq, until_at) SELECT id, 'targets', 'v1', '{digest}', 1, {since}, {until} \
             FROM collection"
        ));
    };
    let at = world.now().as_microsecond();
    target(&old.image, 1, &format!("2, {at}"));
    target(&new.image, 2, "NULL, NULL");
    world.get(Subject::Manifest(&old.image), &reader()).unwrap();
    world.get(Subject::Blob(&old.layer), &reader()).unwrap();
    world.tag("v1", &old.image);
    assert_eq!(reason(world.get_tag("v1", &reader())), "wrong-digest");
    world.wait_hours(49);
    assert_eq!(reason(world.get(Subject::Manifest(&old.image), &reader())), "unsigned");
    assert_eq!(reason(world.get(Subject::Blob(&old.layer), &reader())), "unsigned");
}

#[test]
fn what_was_revoked_is_not_superseded() {
    let mut world = World::new(&json!({"pull": "enforce", "superseded_days": 2}));
    let old = pushed(&world, IMAGE);
    world.publish();
    let at = world.now().as_microsecond();
    world.sql(&format!(
        "INSERT INTO signed_target (collection, role, name, digest, length, since_seq, \
         until_seq, until_at) SELECT id, 'targets', 'v1', '{}', 1, 1, 2, {at} FROM collection",
        old.image
    ));
    assert_eq!(reason(world.get(Subject::Manifest(&old.image), &reader())), "unsigned");
}

#[test]
fn the_verdict_tells_nothing_of_what_is_not_there() {
    let world = World::enforcing();
    let image = pushed(&world, IMAGE);
    for (query, status, code) in [
        ("repo=other&ref=v1".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("repo=app&ref=v9".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("repo=app&ref={}", image.layer), 404, "MANIFEST_UNKNOWN"),
        ("repo=APP&ref=v1".to_owned(), 400, "NAME_INVALID"),
        ("ref=v1".to_owned(), 400, "NAME_INVALID"),
        ("repo=app".to_owned(), 400, "TAG_INVALID"),
        ("repo=app&ref=sha256:x".to_owned(), 400, "TAG_INVALID"),
    ] {
        let answer = world.server.get(&format!("/v2/_trust/verdict?{query}"));
        assert_eq!((answer.status, answer.code().as_deref()), (status, Some(code)), "{query}");
    }
}
