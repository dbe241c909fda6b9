//! `trust repo renew`, and what any change renews along.

use std::fs;

use test_case::test_case;

use super::old::{
    DAY, Ends, is_readable_by_all, lose, person, publish, served, version, wait_past,
};
use crate::peers::{NotaryOptions, NotaryServer};

const GUN: &str = "registry.example.com/app";
/// Long enough for everybody to read it once on a busy machine.
const SOON: i64 = 15;

#[test_case(&Ends { root: SOON, ..Ends::new() }, &["root"]; "root")]
#[test_case(
    &Ends { targets: SOON, delegations: SOON, ..Ends::new() },
    &["targets", "targets/alice", "targets/releases"]; "targets and delegations"
)]
#[test_case(
    &Ends { delegations: SOON, own_snapshot: true, ..Ends::new() },
    &["targets/alice", "targets/releases", "snapshot"]; "delegations and the snapshot of its owner"
)]
fn what_has_expired_is_renewed_and_read_with_old_caches(ends: &Ends, roles: &[&str]) {
    let server = NotaryServer::start(&NotaryOptions::default());
    let (owner, reader) = (person(&server), person(&server));
    let owned = publish(&owner, &server, GUN, ends);
    is_readable_by_all(&reader, GUN);
    wait_past(owned.since, SOON);
    let refused = reader.notary(&["list", GUN, "-r", "targets/releases"]);
    assert!(refused.code != 0 || !refused.stdout.contains("targets/releases"), "{refused:?}");
    owner.trust(&["repo", "doctor", GUN]).expect_code(6);

    let renewed = owner.trust(&["repo", "renew", GUN]).success();
    for role in roles {
        assert!(renewed.stdout.contains(&format!("{GUN}: {role} was signed again")), "{renewed:?}");
        assert_eq!(version(&server, GUN, role), 2, "{role}");
    }
    is_readable_by_all(&reader, GUN);
    is_readable_by_all(&person(&server), GUN);
    owner.trust(&["repo", "doctor", GUN]).success();
    let again = owner.trust(&["repo", "renew", GUN]).success();
    assert!(again.stderr.contains("Nothing of"), "{again:?}");
}

#[test]
fn a_root_certificate_that_ends_soon_is_replaced_and_old_caches_follow() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let (owner, reader) = (person(&server), person(&server));
    let ends = Ends { certificate: 30 * DAY, ..Ends::new() };
    let owned = publish(&owner, &server, GUN, &ends);
    is_readable_by_all(&reader, GUN);
    let warned = owner.trust(&["repo", "doctor", GUN]).expect_code(12);
    assert!(warned.stdout.contains("a server of the reference every change"), "{warned:?}");
    let distant = owner.trust(&["repo", "doctor", GUN, "--within", "3w"]).success();
    assert!(distant.stdout.contains("nothing to mend"), "{distant:?}");

    let dry = owner.trust(&["repo", "renew", GUN, "--dry-run"]).success();
    assert!(dry.stdout.contains("root would be signed again; its certificate"), "{dry:?}");
    assert_eq!(version(&server, GUN, "root"), 1);
    let renewed = owner.trust(&["repo", "renew", GUN]).success();
    assert!(renewed.stderr.contains("has a new certificate and with it a new id"), "{renewed:?}");
    let root = served(&server, GUN, "root");
    let ids = root["signed"]["roles"]["root"]["keyids"].as_array().unwrap();
    assert_eq!(ids.len(), 1);
    assert_ne!(ids[0], owned.root_in_metadata.as_str());
    assert_eq!(root["signatures"].as_array().unwrap().len(), 2, "under the old id and the new one");

    is_readable_by_all(&reader, GUN);
    is_readable_by_all(&person(&server), GUN);
    owner.trust(&["repo", "doctor", GUN]).success();
    let hash = "a".repeat(64);
    let more = ["addhash", GUN, "2", "5", "--sha256", &hash, "-p"];
    owner.notary(&more).success();
    assert_eq!(version(&server, GUN, "targets"), 2);
}

#[test]
fn a_root_certificate_that_has_ended_is_beyond_a_real_server_and_that_is_said() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let ends = Ends { certificate: SOON, ..Ends::new() };
    let owned = publish(&owner, &server, GUN, &ends);
    wait_past(owned.since, SOON);
    let judged = owner.trust(&["repo", "doctor", GUN]).expect_code(6);
    assert!(judged.stdout.contains("0 of 1 root keys needed"), "{judged:?}");
    let refused = owner.trust(&["repo", "renew", GUN]).expect_code(6);
    assert!(refused.stderr.contains("the trust server takes no change"), "{refused:?}");
    assert!(refused.stderr.contains("hint: a server of the reference"), "{refused:?}");
    assert_eq!(version(&server, GUN, "root"), 1);
}

#[test]
fn two_owners_renew_what_is_theirs_one_after_the_other() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let (root_owner, target_owner) = (person(&server), person(&server));
    let ends = Ends { root: SOON, targets: SOON, ..Ends::new() };
    let owned = publish(&root_owner, &server, GUN, &ends);
    let keys = target_owner.trust_folder().join("private");
    fs::create_dir_all(&keys).unwrap();
    let name = format!("{}.key", owned.targets);
    let from = root_owner.trust_folder().join("private").join(&name);
    fs::copy(&from, keys.join(&name)).unwrap();
    lose(&root_owner, &owned.targets);
    wait_past(owned.since, SOON);

    let first = root_owner.trust(&["repo", "renew", GUN]).success();
    assert!(first.stdout.contains("root was signed again"), "{first:?}");
    assert!(first.stderr.contains(owned.targets.as_str()), "{first:?}");
    let rest = root_owner.trust(&["repo", "renew", GUN]).expect_code(11);
    assert!(rest.stderr.contains(owned.targets.as_str()), "{rest:?}");
    target_owner.trust(&["repo", "renew", GUN]).success();
    is_readable_by_all(&person(&server), GUN);
}

#[test]
fn one_key_of_two_renews_nothing_and_says_which_is_missing() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let ends = Ends { delegations: 30 * DAY, two_for_alice: true, ..Ends::new() };
    let owned = publish(&owner, &server, GUN, &ends);
    lose(&owner, owned.second.as_ref().unwrap());
    let judged = owner.trust(&["repo", "doctor", GUN]).expect_code(12);
    assert!(judged.stdout.contains("1 of 2"), "{judged:?}");
    assert!(
        judged.stdout.contains("1 of 2 keys needed to sign targets/alice are here"),
        "{judged:?}"
    );
    let only = ["repo", "renew", GUN, "--role", "targets/alice"];
    let left = owner.trust(&only).expect_code(11);
    assert!(left.stderr.contains(owned.second.as_ref().unwrap().as_str()), "{left:?}");
    let rest = owner.trust(&["repo", "renew", GUN]).success();
    assert!(rest.stdout.contains("targets/releases was signed again"), "{rest:?}");
    assert!(rest.stderr.contains("targets/alice (until"), "{rest:?}");
    assert_eq!(version(&server, GUN, "targets/alice"), 1);
}

#[test]
fn a_root_that_ends_soon_is_signed_along_with_any_change_as_notary_does() {
    let hash = "a".repeat(64);
    for by_notary in [true, false] {
        let server = NotaryServer::start(&NotaryOptions::default());
        let owner = person(&server);
        let ends = Ends { root: 100 * DAY, certificate: 100 * DAY, ..Ends::new() };
        let owned = publish(&owner, &server, GUN, &ends);
        let signer = owner.home().join("bob.pub");
        owner
            .trust(&["key", "generate", "bob", "--dir", &owner.home().display().to_string()])
            .success();
        if by_notary {
            owner.notary(&["addhash", GUN, "2", "5", "--sha256", &hash, "-p"]).success();
        } else {
            let signer = signer.display().to_string();
            owner.trust(&["signer", "add", "--key", &signer, "bob", GUN]).success();
        }
        assert_eq!(version(&server, GUN, "root"), 2, "by notary: {by_notary}");
        let root = served(&server, GUN, "root");
        assert_eq!(root["signed"]["roles"]["root"]["keyids"][0], owned.root_in_metadata.as_str());
    }
}

#[test]
fn without_the_root_key_a_change_is_made_and_warned_of_what_ends() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let ends = Ends { root: 100 * DAY, certificate: 50 * DAY, ..Ends::new() };
    let owned = publish(&owner, &server, GUN, &ends);
    lose(&owner, &owned.root);
    owner
        .trust(&["key", "generate", "bob", "--dir", &owner.home().display().to_string()])
        .success();
    let signer = owner.home().join("bob.pub").display().to_string();
    let added = owner.trust(&["signer", "add", "--key", &signer, "bob", GUN]).success();
    assert!(added.stderr.contains("warning: root expires on"), "{added:?}");
    assert!(added.stderr.contains("warning: the certificate of the root key"), "{added:?}");
    assert_eq!(version(&server, GUN, "root"), 1);
    let hash = "a".repeat(64);
    let theirs = owner.notary(&["addhash", GUN, "2", "5", "--sha256", &hash, "-p"]);
    assert_ne!(theirs.code, 0, "notary gives up: {theirs:?}");
}
