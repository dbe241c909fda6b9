//! Where we are stricter than the reference (server.md §1.4): refused without the switch, with the
//! trust directory as it was; accepted with it, and told. Waits are never measured, only how they
//! end.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::repository::expiry;
use crate::harness::{Key, Reply, Victim};
use crate::peers::process::Finished;

/// Runs `trust verify` with more flags; stdout is the digest.
fn verify(victim: &Victim, flags: &[&str]) -> Finished {
    let image = victim.image();
    let words = [flags, &["verify", "--no-registry", "--digest", &image]].concat();
    victim.user().trust(&words)
}

/// Writes a configuration file beside the trust directory and names it.
fn config(victim: &Victim, members: &serde_json::Value) -> String {
    let path = victim.user().home().join("settings.json");
    fs::write(&path, members.to_string()).unwrap();
    path.display().to_string()
}

fn pinned(victim: &Victim, content: &[u8]) -> String {
    format!(
        "{}@sha256:{}\n",
        victim.repository.gun(),
        trust::crypto::Sha256Hash::of(content).to_hex()
    )
}

#[test]
fn another_timestamp_of_the_same_version_is_followed_on_request() {
    let mut victim = Victim::primed();
    victim.repository.bump(&["snapshot", "targets"]);
    victim.repository.add_target("targets", "1", b"other content");
    victim.publish();
    let kept = verify(&victim, &[]).success();
    assert_eq!(kept.stdout, pinned(&victim, b"content"));
    assert!(kept.stderr.contains("another timestamp of version 3 was offered and not followed"));
    let followed = verify(&victim, &["--accept-equal-timestamp"]).success();
    assert_eq!(followed.stdout, pinned(&victim, b"other content"));
    assert!(followed.stderr.contains("warning: another timestamp of version 3"), "{followed:?}");
}

#[test]
fn a_root_two_versions_ahead_is_taken_on_request() {
    let mut victim = Victim::primed();
    victim.repository.set_version("root", 3);
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(victim.fails(7), RefreshError::MissingRoot { version: 2, .. });
    let taken = verify(&victim, &["--root-walk", "notary"]).success();
    assert!(taken.stderr.contains("root version 3 was accepted after version 1"), "{taken:?}");
    // What was taken is trusted, without a switch and without a word.
    assert!(!verify(&victim, &[]).success().stderr.contains("root version"));
}

#[test]
fn another_root_of_the_same_version_is_taken_on_request() {
    let mut victim = Victim::primed();
    victim.repository.set("root", &["expires"], expiry(24 * 300));
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::NotTheNextRoot { trusted: 1, offered: 1 });
    let file = config(&victim, &json!({"trust": {"root_walk": "notary"}}));
    // A flag goes before the file.
    verify(&victim, &["-c", &file, "--root-walk", "strict"]).expect_code(7);
    let taken = verify(&victim, &["-c", &file]).success();
    assert!(taken.stderr.contains("root version 1 was accepted after version 1"), "{taken:?}");
}

#[test]
fn a_root_that_others_signed_is_taken_on_no_request() {
    let mut victim = Victim::primed();
    let stranger = Key::certified(victim.repository.gun());
    victim.repository.grant("root", &[stranger], 1);
    victim.repository.set_version("root", 3);
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    let before = victim.trust_files();
    let refused = verify(&victim, &["--root-walk", "notary"]).expect_code(7);
    assert!(refused.stdout.is_empty());
    assert_eq!(victim.trust_files(), before);
}

#[test_case("expired", 6)]
#[test_case("signed by a stranger", 4)]
#[test_case("vanished", 7)]
fn releases_that_cannot_be_used_are_passed_over_on_request(how: &str, code: i32) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.bump(&["targets/releases", "snapshot", "timestamp"]);
    match how {
        "expired" => victim.repository.expire("targets/releases"),
        "vanished" => victim.repository.forget("targets/releases"),
        _ => victim.repository.sign_with("targets/releases", &[Key::plain()]),
    }
    victim.publish();
    let refused = verify(&victim, &[]).expect_code(code);
    assert!(refused.stdout.is_empty(), "{refused:?}");
    let passed = verify(&victim, &["--allow-missing-delegation"]).success();
    assert_eq!(passed.stdout, pinned(&victim, b"content"));
    assert!(passed.stderr.contains("warning: targets/releases cannot be used"), "{passed:?}");
    // A signer who is asked for by name is never passed over.
    let named = ["--allow-missing-delegation", "verify", "--no-registry", "--signer", "releases"];
    let image = victim.image();
    let named = victim.user().trust(&[&named[..], &[&image]].concat());
    assert_ne!(named.code, 0, "{named:?}");
}

#[test]
fn a_signer_that_vanishes_is_missed_unless_that_is_allowed() {
    let mut victim = Victim::primed_with(|repository| {
        repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
    });
    victim.repository.forget("targets/alice");
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    let refused = verify(&victim, &[]).expect_code(7);
    assert!(refused.stderr.contains("targets/alice"), "{refused:?}");
    let file = config(&victim, &json!({"trust": {"allow_missing_delegation": true}}));
    let passed = verify(&victim, &["-c", &file]).success();
    assert!(passed.stderr.contains("targets/alice cannot be used"), "{passed:?}");
    // Nothing of it was learned: without the switch it is missed again.
    verify(&victim, &[]).expect_code(7);
}

#[test_case("timestamp")]
#[test_case("root")]
#[test_case("snapshot")]
#[test_case("targets")]
fn limits_are_configurable(role: &str) {
    let mut victim = Victim::new();
    victim.publish();
    let size = victim.repository.raw(role).len();
    let limit = |bytes: usize| {
        let file = config(&victim, &json!({"trust": {"limits": {role: bytes}}}));
        verify(&victim, &["-c", &file])
    };
    let refused = limit(size - 1);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains(&(size - 1).to_string()), "{refused:?}");
    assert!(victim.trust_files().is_empty());
    limit(size).success();
}

#[test]
fn the_number_of_rotations_is_configurable() {
    let mut victim = Victim::primed();
    for _ in 0..3 {
        victim.repository.bump(&["root", "snapshot", "timestamp"]);
        victim.publish();
    }
    let limit = |rotations: u64| {
        let file = config(&victim, &json!({"trust": {"limits": {"rotations": rotations}}}));
        verify(&victim, &["-c", &file])
    };
    let before = victim.trust_files();
    let refused = limit(2).expect_code(7);
    assert!(refused.stderr.contains("3 versions ahead"), "{refused:?}");
    assert_eq!(victim.trust_files(), before);
    limit(3).success();
}

/// The file that remembers when a server confirmed what is cached.
fn seen(victim: &Victim) -> PathBuf {
    let folder = victim.user().trust_folder().join("tuf").join(victim.repository.gun());
    folder.join(".trust-seen")
}

fn hours_from_now(hours: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(hours)).to_string()
}

#[test]
fn the_cache_answers_only_while_it_is_not_stale() {
    let victim = Victim::primed();
    let offline = |flags: &[&str]| {
        let image = victim.image();
        victim.user().trust(&[flags, &["verify", "--offline", &image]].concat())
    };
    offline(&["--max-staleness", "1h"]).success();
    fs::write(seen(&victim), hours_from_now(-50)).unwrap();
    let before = victim.trust_files();
    let refused = offline(&["--max-staleness", "49h"]).expect_code(6);
    assert!(refused.stderr.contains("was last confirmed at"), "{refused:?}");
    let file = config(&victim, &json!({"trust": {"max_staleness": "2d"}}));
    offline(&["-c", &file]).expect_code(6);
    offline(&["-c", &file, "--max-staleness", "51h"]).success();
    offline(&[]).success();
    assert_eq!(victim.trust_files(), before);
    // Somebody else's cache: nobody knows how old it is.
    fs::remove_file(seen(&victim)).unwrap();
    let refused = offline(&["--max-staleness", "51h"]).expect_code(6);
    assert!(refused.stderr.contains("it is not known when"), "{refused:?}");
    // With the server at hand there is nothing to be stale.
    fs::write(seen(&victim), hours_from_now(-50)).unwrap();
    verify(&victim, &["--max-staleness", "1h"]).success();
    offline(&["--max-staleness", "2h"]).success();
}

#[test_case(500, 10)]
#[test_case(401, 9)]
fn a_server_that_fails_makes_us_tell_how_old_the_cache_is(status: u16, code: i32) {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::status(status, "no"));
    fs::write(seen(&victim), hours_from_now(-75)).unwrap();
    let failed = verify(&victim, &[]).expect_code(code);
    assert!(failed.stderr.contains("was confirmed 3 days ago"), "{failed:?}");
}

#[test]
fn a_clock_that_was_turned_back_does_not_make_the_old_fresh() {
    let mut victim = Victim::primed_with(|repository| {
        repository.set("timestamp", &["expires"], expiry(24));
    });
    // For whoever was here in two days' time, the timestamp of today is a freeze.
    fs::write(seen(&victim), hours_from_now(48)).unwrap();
    verify(&victim, &[]).expect_code(6);
    let image = victim.image();
    victim.user().trust(&["verify", "--offline", &image]).expect_code(6);
    // What is newer is good, and the clock is complained of.
    victim.repository.set("timestamp", &["expires"], expiry(72));
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    let told = verify(&victim, &[]).success();
    assert!(told.stderr.contains("warning: the clock of this machine says"), "{told:?}");
}

#[test]
fn a_pin_counts_for_what_is_cached_already() {
    let victim = Victim::primed();
    let gun = victim.repository.gun();
    let pin = |id: &str| {
        let file = config(&victim, &json!({"trust_pinning": {"certs": {gun: [id]}}}));
        verify(&victim, &["-c", &file])
    };
    let before = victim.trust_files();
    let refused = pin(Key::plain().id().as_str()).expect_code(12);
    assert!(refused.stderr.contains("is one that is pinned"), "{refused:?}");
    assert!(refused.stderr.contains("trust repo pin"), "{refused:?}");
    assert_eq!(victim.trust_files(), before);
    pin(victim.repository.signers("root")[0].id().as_str()).success();
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::Silence);
    let waits = ["--connect-timeout", "1s", "--idle-timeout", "1s"];
    let failed = verify(&victim, &waits).expect_code(10);
    assert!(failed.stderr.contains("nothing came within 1 s"), "{failed:?}");
    let failed = verify(&victim, &["--deadline", "1s"]).expect_code(10);
    assert!(failed.stderr.contains("not done within 1 second"), "{failed:?}");
}

#[test]
fn a_server_that_drips_is_given_up() {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::Dawdle);
    let before = victim.trust_files();
    let failed = verify(&victim, &["--idle-timeout", "1s"]).expect_code(10);
    assert!(failed.stderr.contains("1024"), "{failed:?}");
    let timeouts = json!({"idle": "1s", "minimum_rate": 2048});
    let file = config(&victim, &json!({"trust": {"timeouts": timeouts}}));
    let failed = verify(&victim, &["-c", &file]).expect_code(10);
    assert!(failed.stderr.contains("2048"), "{failed:?}");
    // One who accepts any rate still has a deadline.
    let timeouts = json!({"minimum_rate": 0, "deadline": "2s"});
    let file = config(&victim, &json!({"trust": {"timeouts": timeouts}}));
    let failed = verify(&victim, &["-c", &file]).expect_code(10);
    assert!(failed.stderr.contains("not done within 2 seconds"), "{failed:?}");
    assert_eq!(victim.trust_files(), before);
}
