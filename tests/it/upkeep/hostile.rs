//! `trust repo doctor` beside a server that lies: it says where the chain breaks, and touches
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;
use test_case::test_case;
use trust::actions::repo::doctor::Remark;
use trust::actions::update::RefreshError;
use trust::clock::{Clock, SystemClock};
use trust::tuf::root_trust::RootTrustError;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{Pin, Pinning};

use crate::harness::{Key, Reply, Victim};

/// The program must end with this code and tell of this; not a byte of the trust directory may
/// change.
#[track_caller]
fn told(victim: &Victim, code: i32, finding: &str) -> Value {
    let before = victim.trust_files();
    let gun = victim.repository.gun();
    let words = victim.user().trust(&["repo", "doctor", gun]).expect_code(code);
    assert!(words.stdout.contains("problem: "), "{words:?}");
    let finished = victim.user().trust(&["repo", "doctor", gun, "--json"]).expect_code(code);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let repository = document["repositories"][0].clone();
    assert_eq!(repository["findings"][0]["id"], finding, "{repository:#}");
    assert_eq!(repository["exit_code"], code);
    assert_eq!(repository["chain_accepted"], false);
    assert!(before == victim.trust_files(), "the trust directory changed");
    repository
}

/// The step at which the chain breaks.
fn break_of(repository: &Value) -> &Value {
    let steps = repository["steps"].as_array().unwrap();
    steps.iter().find(|step| step["accepted"] == false).unwrap()
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("targets/releases")]
fn a_file_that_is_rubbish_is_where_the_chain_breaks(role: &str) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    let all = ["timestamp", "snapshot", "targets", "targets/releases"];
    victim.repository.bump(&all);
    victim.publish();
    victim.tamper(role, |bytes| bytes.truncate(20));
    let repository = told(&victim, 7, "refused");
    assert_eq!(break_of(&repository)["role"], role);
    assert_eq!(repository["roles"][1]["version"], 3, "what the cache knows");
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
fn limits_of_ones_own_are_where_the_chain_breaks(role: &str) {
    let mut victim = Victim::new();
    victim.publish();
    let limit = victim.repository.raw(role).len() - 1;
    let file = victim.user().home().join("limits.json");
    let config = serde_json::json!({"trust": {"limits": {role: limit}}});
    std::fs::write(&file, config.to_string()).unwrap();
    let gun = victim.repository.gun();
    let file = file.display().to_string();
    let finished = victim.user().trust(&["repo", "doctor", gun, "--json", "-c", &file]);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let repository = &document["repositories"][0];
    assert_eq!(repository["chain_accepted"], false);
    assert_eq!(break_of(repository)["role"], role, "{repository:#}");
}

#[test_case("timestamp"; "timestamp")]
#[test_case("snapshot"; "snapshot")]
#[test_case("targets"; "targets")]
fn what_is_rolled_back_is_told(role: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["timestamp", "snapshot", "targets"]);
    victim.repository.set_version(role, 2);
    victim.publish();
    let repository = told(&victim, 7, "rolled-back");
    let step = break_of(&repository);
    assert_eq!(step["role"], role);
    assert!(step["text"].as_str().unwrap().contains("version 2 offered, 3 seen before"), "{step}");
}

#[test]
fn a_file_that_is_announced_and_withheld_is_told() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.bump(&["timestamp", "snapshot", "targets/releases"]);
    victim.publish();
    victim.answer("targets/releases", &crate::harness::server::not_found());
    let repository = told(&victim, 7, "withheld");
    assert_eq!(break_of(&repository)["role"], "targets/releases");
}

#[test]
fn a_root_that_the_known_one_did_not_sign_is_told() {
    let mut victim = Victim::primed();
    let gun = victim.repository.gun().to_owned();
    victim.repository.grant("root", &[Key::certified(&gun)], 1);
    victim.repository.grant("timestamp", &[Key::plain()], 1);
    victim.repository.bump(&["root", "timestamp", "snapshot"]);
    victim.publish();
    let repository = told(&victim, 7, "root-not-vouched-for");
    assert_eq!(break_of(&repository)["role"], "root");
}

#[test]
fn a_server_that_fails_is_told_from_one_that_lies() {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::status(502, "oops"));
    told(&victim, 10, "server-failed");
    victim.replies.set_all(&Reply::status(401, "who"));
    told(&victim, 9, "unauthorized");
    victim.replies.set_all(&Reply::Close);
    told(&victim, 10, "server-unreachable");
}

#[test]
fn a_delegation_that_vanished_is_told() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.forget("targets/releases");
    victim.repository.bump(&["timestamp", "snapshot"]);
    victim.publish();
    let gun = victim.repository.gun().to_owned();
    let finished = victim.user().trust(&["repo", "doctor", &gun, "--json"]).expect_code(7);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let finding = &document["repositories"][0]["findings"][0];
    assert_eq!(finding["id"], "delegation-vanished");
    assert!(finding["mend"].as_str().unwrap().contains("trust delegation rm"), "{finding}");
}

#[test]
fn a_clock_that_is_off_is_told() {
    let victim = Victim::primed();
    let gun = victim.repository.gun().to_owned();
    let then = SystemClock.now().checked_sub(SignedDuration::from_hours(2)).unwrap();
    let date = then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let timestamp = Reply::file(victim.repository.raw("timestamp")).with("Date", &date);
    victim.answer("timestamp", &timestamp);
    let finished = victim.user().trust(&["repo", "doctor", &gun, "--json"]).expect_code(12);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let repository = &document["repositories"][0];
    assert_eq!(repository["findings"][0]["id"], "clock-skew", "{repository:#}");
    let ahead = repository["clock_ahead_seconds"].as_i64().unwrap();
    assert!((-7300..-7100).contains(&ahead), "{ahead}");
}

#[test]
fn a_cached_root_that_is_damaged_is_told() {
    let victim = Victim::primed();
    let gun = victim.repository.gun().to_owned();
    let root = victim.user().trust_folder().join("tuf").join(&gun).join("metadata/root.json");
    std::fs::write(root, "{").unwrap();
    let repository = told(&victim, 14, "cached-root-damaged");
    assert_eq!(break_of(&repository)["role"], "root");
}

#[test]
fn a_timestamp_that_is_not_handed_out_is_found_by_its_number() {
    let mut victim = Victim::new();
    for version in 1..=11 {
        victim.repository.set_version("timestamp", version);
        victim.publish();
        let raw = victim.repository.raw("timestamp");
        victim.replies.set(&format!("{version}.timestamp.json"), Reply::file(raw));
    }
    victim.replies.set("timestamp.json", Reply::status(500, "no"));
    let gun = victim.repository.gun().to_owned();
    let finished = victim.user().trust(&["repo", "doctor", &gun, "--json"]).expect_code(10);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let repository = &document["repositories"][0];
    assert_eq!(repository["findings"][0]["id"], "timestamp-refused", "{repository:#}");
    assert_eq!(repository["roles"][3]["version"], 11);
    victim.verify_by_program().expect_code(10);
}

#[test]
fn a_pin_is_told_and_so_is_a_root_that_it_refuses() {
    let victim = Victim::primed();
    let pinned = |key: &Key| Pinning {
        key_ids: BTreeMap::from([(victim.repository.gun().to_owned(), BTreeSet::from([key.id()]))]),
        ..Pinning::default()
    };
    let right = victim.doctor_pinned(pinned(&victim.repository.signers("root")[0]));
    assert!(right.broken.is_none(), "{right:?}");
    assert!(matches!(right.remarks.as_slice(), [Remark::Pinned(Pin::KeyIds(_))]), "{right:?}");
    let wrong = victim.doctor_pinned(pinned(&Key::plain()));
    let Some(RefreshError::Refused { cause, .. }) = wrong.broken else { panic!("{wrong:?}") };
    assert!(matches!(cause, UpdateError::Root(RootTrustError::NotPinned { .. })), "{cause:?}");
    assert!(wrong.health.is_none(), "what a pin refuses is not shown as if it were trusted");
}
