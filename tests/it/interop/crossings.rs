//! Features that meet: staged changes, proposals, rotations and limits.

use std::fs;
use std::process::Command;

use super::notary_world::{GUN, file, person, seen_by, server};
use crate::peers::{NotaryServer, User};

/// A collection whose `targets` role takes two owners.
struct Shared {
    alice: User,
    bob: User,
    _server: NotaryServer,
}

impl Shared {
    fn new() -> Self {
        let server = server();
        let (alice, bob) = (person(&server), person(&server));
        alice.trust(&["repo", "init", GUN, "--server-managed-snapshot", "-p"]).success();
        bob.trust(&["key", "generate", "owner"]).success();
        let shared = Self { alice, bob, _server: server };
        shared.to_alice("owner.pub");
        let export = ["repo", "root", "export", GUN, "-o", "t.json", "--targets-key", "owner.pub"];
        shared.alice.trust(&[&export[..], &["--targets-threshold", "2"]].concat()).success();
        let sign = ["repo", "root", "sign", "--yes", "t.json", "-o"];
        shared.alice.trust(&[&sign[..], &["a.json"]].concat()).success();
        shared.to_bob("t.json");
        shared.bob.trust(&[&sign[..], &["b.json"]].concat()).success();
        shared.to_alice("b.json");
        shared.alice.trust(&["repo", "root", "merge", "a.json", "b.json"]).success();
        shared
    }

    fn to_alice(&self, name: &str) {
        fs::copy(self.bob.home().join(name), self.alice.home().join(name)).unwrap();
    }

    fn to_bob(&self, name: &str) {
        fs::copy(self.alice.home().join(name), self.bob.home().join(name)).unwrap();
    }
}

/// What notary and trust list alike.
fn listed(user: &User) -> String {
    seen_by(user, &["targets"]).into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A delegation that is only proposed has no file yet: what is staged for it is not lost.
#[test]
fn what_goes_into_a_role_that_is_only_proposed_stays_staged() {
    let shared = Shared::new();
    let (alice, bob) = (&shared.alice, &shared.bob);
    alice.trust(&["key", "generate", "qa"]).success();
    shared.to_bob("qa.pub");
    let add = ["delegation", "add", GUN, "targets/qa", "qa.pub", "--all-paths"];
    alice.trust(&add).success();
    let readme = file(alice, "readme", "hello\n");
    alice.trust(&["target", "add", GUN, "readme", &readme, "-r", "targets/qa"]).success();
    for round in ["first", "again"] {
        let proposed = alice.trust(&["repo", "publish", GUN]).success();
        assert!(proposed.stderr.contains("1 of 2 signatures"), "{round}: {proposed:?}");
        assert!(proposed.stderr.contains("targets/qa was not changed"), "{round}: {proposed:?}");
        let left = alice.trust(&["repo", "status", GUN]).success().stdout;
        assert!(left.contains("readme"), "{round}: {left}");
    }
    let completed = bob.trust(&[&add[..], &["-p"]].concat()).success();
    assert!(completed.stderr.contains("has all the signatures it needs"), "{completed:?}");
    let published = alice.trust(&["repo", "publish", GUN]).success();
    assert!(!published.stderr.contains("was not changed"), "{published:?}");
    assert_eq!(alice.trust(&["repo", "status", GUN, "--json"]).success().stdout.trim(), "[]");
    assert_eq!(seen_by(bob, &["targets/qa"])[1][0], "readme");
}

/// Other keys for a role with a proposal under way: the role stays readable, and two must sign it.
#[test]
fn rotating_a_shared_role_with_a_proposal_under_way() {
    let shared = Shared::new();
    let (alice, bob) = (&shared.alice, &shared.bob);
    let readme = file(alice, "readme", "hello\n");
    let add = ["target", "add", GUN, "readme", &readme, "-p"];
    let proposed = alice.trust(&add).success();
    assert!(proposed.stderr.contains("1 of 2 signatures"), "{proposed:?}");
    let refused = alice.trust(&["key", "rotate", GUN, "targets"]).expect_code(12);
    assert!(refused.stderr.contains("needs 2 keys"), "{refused:?}");
    // What was only proposed for the old keys is not made true by another change.
    alice.trust(&["key", "rotate", GUN, "snapshot"]).success();
    assert!(!listed(bob).contains("readme"));
    let mut rotate = vec!["key", "rotate", GUN, "targets"];
    for name in ["one.pem", "two.pem"] {
        let make = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name];
        let mut openssl = Command::new("openssl");
        assert!(openssl.args(make).current_dir(alice.home()).status().unwrap().success());
        rotate.extend(["--key", name]);
    }
    alice.trust(&rotate).success();
    // What the old keys signed is nobody's any more, and in nobody's way.
    alice.trust(&["repo", "doctor", GUN]).success();
    let inspected = bob.trust(&["inspect", GUN]).success();
    assert!(!inspected.stdout.contains("readme"), "{inspected:?}");
    assert!(!inspected.stderr.contains("cannot be used"), "{inspected:?}");
    let notary = bob.notary(&["list", GUN]).success();
    assert!(!notary.stderr.contains("threshold"), "{notary:?}");
    alice.trust(&add).success();
    assert!(listed(bob).contains("readme"));
    bob.trust(&["target", "rm", GUN, "readme", "-p"]).expect_code(11);
}

/// What is only set up here is nobody's to read, rotate or renew; one is told what is missing.
#[test]
fn what_is_set_up_and_not_published_says_so() {
    let server = server();
    let alice = person(&server);
    alice.trust(&["repo", "init", GUN]).success();
    for words in [
        &["key", "rotate", GUN, "targets"][..],
        &["repo", "renew", GUN],
        &["target", "ls", GUN],
        &["signer", "ls", GUN],
        &["delegation", "ls", GUN],
    ] {
        let refused = alice.trust(words).expect_code(3);
        assert!(refused.stderr.contains("`trust repo publish`"), "{words:?}: {refused:?}");
    }
    alice.trust(&["repo", "publish", GUN]).success();
    alice.trust(&["repo", "renew", GUN]).success();
    let unknown = alice.trust(&["target", "ls", "example.com/other"]).expect_code(3);
    assert!(!unknown.stderr.contains("set up on this machine"), "{unknown:?}");
}
