//! `trust repo doctor` and what it finds at a real server.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use trust::store::TrustDir;
use trust::tuf::Gun;

use super::old::{Ends, lose, person, publish};
use crate::peers::process::Finished;
use crate::peers::{NotaryOptions, NotaryServer, User};

const GUN: &str = "registry.example.com/app";
const OTHER: &str = "registry.example.com/other";

/// What `--json` says.
fn judged(user: &User, args: &[&str], code: i32) -> Value {
    let finished = user.trust(&[&["repo", "doctor", "--json"], args].concat()).expect_code(code);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// The ids of the findings of the first repository.
fn findings(document: &Value) -> Vec<&str> {
    ids(&document["repositories"][0]["findings"])
}

fn ids(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn what_is_in_order_has_nothing_to_mend() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let owned = publish(&owner, &server, GUN, &Ends::new());
    let document = judged(&owner, &[GUN], 0);
    let repository = &document["repositories"][0];
    assert_eq!(repository["repository"], GUN);
    assert_eq!(repository["healthy"], true);
    assert_eq!(repository["exit_code"], 0);
    assert_eq!(repository["server"], server.host_port());
    assert_eq!(repository["chain_accepted"], true);
    assert_eq!(repository["current"], true);
    assert!(repository["clock_ahead_seconds"].as_i64().unwrap().abs() < 300);
    assert_eq!(findings(&document), [""; 0]);
    assert_eq!(ids(&document["keys"]), [""; 0]);
    let roles: Vec<&str> = repository["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["role"].as_str().unwrap())
        .collect();
    let expected =
        ["root", "targets", "snapshot", "timestamp", "targets/alice", "targets/releases"];
    assert_eq!(roles, expected);
    let root = &repository["roles"][0];
    assert_eq!(root["keys"][0]["id"], owned.root_in_metadata.as_str());
    assert_eq!(root["keys"][0]["canonical_id"], owned.root.as_str());
    assert!(root["keys"][0]["certificate_expires"].is_string());
    assert_eq!(root["can_sign"], true);
    assert_eq!(repository["roles"][3]["can_sign"], false);
    assert_eq!(repository["roles"][3]["keys"][0]["path"], Value::Null);

    let words = owner.trust(&["repo", "doctor", GUN]).success();
    assert!(words.stdout.contains("the chain is whole"), "{words:?}");
    assert!(words.stdout.contains("nothing to mend"), "{words:?}");
    judged(&owner, &[GUN, "--offline"], 0);
    lose(&owner, &owned.root);
    let document = judged(&owner, &[GUN], 0);
    assert_eq!(document["repositories"][0]["roles"][0]["can_sign"], false);
}

#[test]
fn a_delegation_whose_signer_was_removed_is_mended_by_what_is_printed() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let owned = publish(&owner, &server, GUN, &Ends::new());
    owner
        .trust(&["key", "generate", "carol", "--dir", &owner.home().display().to_string()])
        .success();
    let carol = owner.home().join("carol.pub").display().to_string();
    let add = ["delegation", "add", GUN, "targets/releases", &carol, "--all-paths", "-p"];
    owner.notary(&add).success();
    let alice = owned.alice.as_str();
    owner.notary(&["delegation", "remove", GUN, "targets/releases", alice, "-y", "-p"]).success();

    let document = judged(&owner, &[GUN], 4);
    assert_eq!(findings(&document), ["delegation-not-signed"]);
    let finding = &document["repositories"][0]["findings"][0];
    assert_eq!(finding["role"], "targets/releases");
    assert!(finding["text"].as_str().unwrap().contains(alice), "{finding}");
    let mend = finding["mend"].as_str().unwrap();
    assert!(mend.contains("whose key is here"), "{mend}");
    // The same words are notary's.
    let command = mend.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.strip_prefix("trust repo ").unwrap().split(' ').collect();
    owner.notary(&words).success();
    let document = judged(&owner, &[GUN], 0);
    assert_eq!(findings(&document), [""; 0]);
}

#[test]
fn nobody_and_nothing_are_told_apart() {
    let mut server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    assert_eq!(findings(&judged(&owner, &[GUN], 3)), ["no-trust-data"]);
    assert_eq!(findings(&judged(&owner, &[GUN, "--offline"], 10)), ["not-cached"]);
    publish(&owner, &server, GUN, &Ends::new());
    judged(&owner, &[GUN], 0);
    server.stop();
    let document = judged(&owner, &[GUN], 10);
    assert_eq!(findings(&document), ["server-unreachable"]);
    let repository = &document["repositories"][0];
    assert_eq!(repository["current"], false);
    assert_eq!(repository["roles"].as_array().unwrap().len(), 6, "what the cache knows");
    let words = owner.trust(&["verify", "--no-registry", &format!("{GUN}:1")]).expect_code(10);
    assert!(words.stderr.contains("--server URL"), "{words:?}");
}

#[test]
fn all_repositories_are_looked_over_though_one_is_gone() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    publish(&owner, &server, GUN, &Ends::new());
    publish(&owner, &server, OTHER, &Ends::new());
    judged(&owner, &[GUN, OTHER], 0);
    server.request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[], b"");
    let document = judged(&owner, &["--all"], 7);
    assert_eq!(findings(&document), ["gone"]);
    assert_eq!(document["repositories"][1]["repository"], OTHER);
    assert_eq!(document["repositories"][1]["healthy"], true);
    let renewed = owner.trust(&["repo", "renew", "--all"]).expect_code(7);
    assert!(renewed.stderr.contains(&format!("Nothing of {OTHER}")), "{renewed:?}");
}

#[test]
fn what_lies_about_on_this_machine_is_told() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    publish(&owner, &server, GUN, &Ends::new());
    judged(&owner, &[GUN], 0);
    owner.notary(&["addhash", GUN, "2", "5", "--sha256", &"a".repeat(64)]).success();
    let folder = owner.trust_folder().join("tuf").join(GUN);
    fs::create_dir(folder.join(".trust-pending")).unwrap();
    let gun = Gun::parse(GUN).unwrap();
    let lock = TrustDir::new(owner.trust_folder()).lock(&gun, Duration::ZERO).unwrap();
    let document = judged(&owner, &[GUN], 0);
    assert_eq!(findings(&document), ["cache-change-unfinished", "locked", "staged-changes"]);
    drop(lock);
    let document = judged(&owner, &[GUN], 0);
    assert_eq!(findings(&document), ["staged-changes"]);
    let change = fs::read_dir(folder.join("changelist")).unwrap().next().unwrap().unwrap();
    fs::write(change.path(), "{").unwrap();
    assert_eq!(findings(&judged(&owner, &[GUN], 12)), ["staged-change-unreadable"]);
}

#[test]
fn key_files_that_are_wrong_or_used_by_nothing_are_told() {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    publish(&owner, &server, GUN, &Ends::new());
    judged(&owner, &[GUN], 0);
    let home = owner.home().display().to_string();
    owner.trust(&["key", "generate", "bob", "--dir", &home]).success();
    let document = judged(&owner, &[GUN], 0);
    assert_eq!(ids(&document["keys"]), ["key-unused"]);
    let keys = owner.trust_folder().join("private");
    fs::write(keys.join(format!("{}.key", "1".repeat(64))), "no key").unwrap();
    let other = trust::crypto::PrivateKey::generate_ecdsa().unwrap();
    let block = trust::crypto::KeyBlock::encrypt(
        &other,
        &trust::crypto::KeyHeaders { role: Some("dan".to_owned()), gun: None, path: None },
        &trust::crypto::Passphrase::new(String::new()),
    );
    let wrong = keys.join(format!("{}.key", "2".repeat(64)));
    fs::write(&wrong, block.unwrap().to_pem()).unwrap();
    let document = judged(&owner, &[GUN], 12);
    let mut found = ids(&document["keys"]);
    found.sort_unstable();
    let expected = [
        "key-file-mismatch",
        "key-file-open-to-others",
        "key-file-unusable",
        "key-unused",
        "key-unused",
    ];
    assert_eq!(found, expected);
    assert_eq!(document["repositories"][0]["healthy"], true);
}

#[test]
fn names_and_times_that_make_no_sense_are_refused() {
    let user = User::new();
    let usage = |args: &[&str]| -> Finished { user.trust(args).expect_code(2) };
    usage(&["repo", "doctor"]);
    usage(&["repo", "doctor", "--all", GUN]);
    usage(&["repo", "doctor", "../x"]);
    usage(&["repo", "doctor", GUN, "--within", "soon"]);
    usage(&["repo", "renew", GUN, "--role", "nobody"]);
    let none = user.trust(&["repo", "doctor", "--all", "--json"]).success();
    assert_eq!(none.stdout, "{\n  \"repositories\": [],\n  \"keys\": []\n}\n");
}
