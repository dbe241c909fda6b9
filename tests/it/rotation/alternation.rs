//! We and notary rotate the keys of one repository in turn; whoever reads it goes on.

use std::fs;

use trust::codec::canonical_json::Value;
use trust::codec::text::from_base64;
use trust::crypto::{KeyId, Method, PublicKey};

use super::world::{READERS, Reader, World, assert_settled, private_keys, rotate};
use crate::peers::process::Finished;
use crate::peers::{NotaryOptions, NotaryServer, Signer, User};

/// Role, and whether the server gets the key.
const ROTATIONS: [(&str, bool); 5] = [
    ("targets", false),
    ("root", false),
    ("snapshot", false),
    ("timestamp", true),
    ("snapshot", true),
];

#[test]
fn every_role_by_either_side_with_a_local_signer() {
    five_rounds(NotaryServer::start(&NotaryOptions::default()));
}

#[test]
fn every_role_by_either_side_with_a_remote_signer() {
    let options = NotaryOptions { signer: Signer::Remote, ..NotaryOptions::default() };
    five_rounds(NotaryServer::start(&options));
}

fn five_rounds(notary: NotaryServer) {
    let world = World::with(notary);
    let owner = world.user();
    let gun = world.gun();
    world.sign(&owner, "first");
    // They see version 1 of the root and nothing until the end; and one who looks all the time.
    let patient = world.new_readers();
    let steady = world.new_readers();
    world.everybody_reads(&patient, "first");
    let mut turn = 0;
    let mut waiting: Vec<(User, Reader)> = Vec::new();
    for round in 0..5 {
        for (role, server_managed) in ROTATIONS {
            let before = (world.version(), world.keys(role));
            // One reader's cache is from before each rotation; the programs take turns.
            let reader = (world.user(), READERS[turn % READERS.len()]);
            world.everybody_reads(std::slice::from_ref(&reader), "first");
            waiting.push(reader);
            let by_us = (turn + round) % 2 == 0;
            let done = if by_us {
                ours(&owner, &gun, role, server_managed)
            } else {
                theirs(&owner, &gun, role, server_managed)
            };
            let words = format!("Successfully rotated {role} key for repository {gun}");
            assert!(done.stdout.contains(&words), "{done:?}");
            assert_eq!(world.version(), before.0 + 1, "by us: {by_us}");
            let now = world.keys(role);
            assert!(now.is_disjoint(&before.1) && now.len() == 1, "{role}: {now:?}");
            world.everybody_reads(&steady, "first");
            turn += 1;
        }
        let tag = format!("round{round}");
        world.sign(&owner, &tag);
        world.everybody_reads(&steady, &tag);
    }
    assert_settled(&owner, &gun);
    assert_eq!(private_keys(&owner, "root").len(), 6, "old root keys are kept");
    assert_eq!(private_keys(&owner, "targets"), world.keys("targets"), "old ones are not");
    assert!(private_keys(&owner, "snapshot").is_empty(), "the server has it in the end");
    for people in [&patient, &waiting, &world.new_readers()] {
        world.everybody_reads(people, "round4");
    }
}

fn ours(owner: &User, gun: &str, role: &str, server_managed: bool) -> Finished {
    let mut words = vec![role, "--yes"];
    words.extend(server_managed.then_some("--server-managed"));
    rotate(owner, gun, &words).success()
}

fn theirs(owner: &User, gun: &str, role: &str, server_managed: bool) -> Finished {
    let mut words = vec!["key", "rotate", gun, role];
    words.extend(server_managed.then_some("-r"));
    owner.notary_with_input(&words, b"yes\n").success()
}

/// Somebody who holds an old root and cannot follow a chain needs a signature of its keys.
#[test]
fn keys_of_earlier_roots_sign_for_those_who_cannot_follow() {
    let world = World::with(NotaryServer::start(&NotaryOptions::default()));
    let owner = world.user();
    let gun = world.gun();
    world.sign(&owner, "first");
    let mut roots = world.keys("root");
    for by_us in [true, false, true] {
        let done = if by_us {
            ours(&owner, &gun, "root", false)
        } else {
            theirs(&owner, &gun, "root", false)
        };
        assert!(!done.stdout.is_empty());
        assert_eq!(world.root_signers().len(), 2, "the old key and the new one");
        roots.extend(world.keys("root"));
    }
    // The next root is signed by the present key alone.
    rotate(&owner, &gun, &["timestamp", "-r"]).success();
    assert_eq!(world.root_signers(), world.keys("root"));

    rotate(&owner, &gun, &["root", "-y", "--legacy", "2"]).success();
    // Versions 3 and 4: the key of 4 is also that of 5, which signs anyway.
    assert_eq!(world.root_signers().len(), 3, "{:?}", world.root_signers());
    roots.extend(world.keys("root"));
    rotate(&owner, &gun, &["root", "-y", "-l", "-1"]).success();
    roots.extend(world.keys("root"));
    assert_eq!(world.root_signers(), roots, "all that ever were");
    assert_signatures_hold(&world);
    world.everybody_reads(&world.new_readers(), "first");

    // A key that is not here any more signs nothing, and that is no error.
    for id in private_keys(&owner, "root") {
        let path = owner.trust_folder().join("private").join(format!("{id}.key"));
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let done = rotate(&owner, &gun, &["root", "-y", "-l", "-1"]);
        if done.code == 11 {
            // It was the present root key, without which there is no next root.
            fs::write(&path, kept).unwrap();
            continue;
        }
        done.success();
        assert_signatures_hold(&world);
        assert!(world.root_signers().len() >= roots.len(), "{:?}", world.root_signers());
        return;
    }
    panic!("every root key is the present one");
}

/// Each signature of the newest root is by the key that the root lists under its id.
fn assert_signatures_hold(world: &World) {
    let raw = world.notary.metadata(&world.gun(), "root").body;
    let file = Value::parse(&raw).unwrap();
    let signed = file.get("signed").unwrap();
    let message = signed.to_canonical();
    for signature in file.get("signatures").unwrap().as_array().unwrap() {
        let text = |name: &str| signature.get(name).unwrap().as_str().unwrap();
        let id = KeyId::parse(text("keyid")).unwrap();
        let key = signed.get("keys").unwrap().get(id.as_str()).expect("a listed key");
        let key = PublicKey::from_json(key).unwrap();
        let bytes = from_base64(text("sig")).unwrap();
        assert_eq!(key.verify(&Method::parse(text("method")), &message, &bytes), Ok(()), "{id}");
    }
}

/// Staged changes are not published with a rotation.
#[test]
fn staged_changes_stay_staged() {
    let world = World::with(NotaryServer::start(&NotaryOptions::default()));
    let owner = world.user();
    let gun = world.gun();
    world.sign(&owner, "first");
    let hash = "0".repeat(64);
    owner.notary(&["addhash", &gun, "staged", "1", "--sha256", &hash]).success();
    for words in [&["targets"][..], &["root", "-y"], &["snapshot", "-r"], &["timestamp", "-r"]] {
        rotate(&owner, &gun, words).success();
        let status = owner.notary(&["status", &gun]).success().stdout;
        assert!(status.contains("staged"), "{status}");
        assert!(world.signed("targets")["targets"].get("staged").is_none());
    }
    owner.notary(&["publish", &gun]).success();
    assert!(world.signed("targets")["targets"].get("staged").is_some());
    world.everybody_reads(&world.new_readers(), "staged");
}
