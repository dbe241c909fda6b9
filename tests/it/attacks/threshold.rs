//! More than one signature is demanded.

use std::rc::Rc;

use test_case::test_case;
use trust::clock::{Clock, SystemClock};
use trust::codec::canonical_json::Value;
use trust::tuf::metadata::Problem;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{RoleName, VerifyError};

use super::assert_matches;
use crate::harness::repository::at;
use crate::harness::{Key, Victim};

#[test_case(&[0, 1]; "the first two")]
#[test_case(&[2, 1]; "the last two in another order")]
#[test_case(&[0, 1, 2]; "all")]
fn two_of_three_suffice(signers: &[usize]) {
    let (mut victim, keys) = two_of_three();
    sign_again(&mut victim, &keys, signers);
    victim.accepts();
}

#[test_case(&[0]; "one")]
#[test_case(&[0, 0]; "one twice")]
#[test_case(&[2, 2, 2, 2]; "one four times")]
fn row_46_fewer_than_two_of_three_are_refused(signers: &[usize]) {
    let (mut victim, keys) = two_of_three();
    sign_again(&mut victim, &keys, signers);
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet {
            role: RoleName::Targets,
            have: 1,
            need: 2
        })
    );
}

#[test]
fn one_of_three_and_a_stranger_are_refused() {
    let (mut victim, keys) = two_of_three();
    let signers = [Rc::clone(&keys[0]), Key::plain()];
    victim.repository.sign_with("targets", &signers);
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 1, need: 2, .. })
    );
}

#[test]
fn row_48_one_key_in_two_certificates_counts_once() {
    let mut victim = Victim::new();
    let gun = victim.repository.gun().to_owned();
    let now = SystemClock.now();
    let key = Key::plain();
    let twice = [key.in_certificate(&gun, now), key.in_certificate(&gun, now)];
    assert_ne!(twice[0].id(), twice[1].id());
    victim.repository.grant("root", &twice, 2);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet {
            role: RoleName::Root,
            have: 1,
            need: 2
        })
    );
    assert!(victim.trust_files().is_empty());
}

#[test]
fn one_key_bare_and_in_a_certificate_counts_once() {
    let gun = Victim::new().repository.gun().to_owned();
    let key = Key::plain();
    let twice = [Rc::clone(&key), key.in_certificate(&gun, SystemClock.now())];
    let mut victim = Victim::new();
    victim.repository.grant("targets", &twice, 2);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet {
            role: RoleName::Targets,
            have: 1,
            need: 2
        })
    );
}

#[test]
fn row_48_a_key_under_an_id_that_is_not_its_own_is_refused() {
    let mut victim = Victim::new();
    let key = victim.repository.signers("timestamp").remove(0);
    let alias = "a".repeat(64);
    let ids = [key.id().as_str(), &alias].map(Value::from).to_vec();
    victim.repository.set("root", &["keys", &alias], key.public().to_json());
    victim.repository.set("root", &["roles", "timestamp", "keyids"], Value::Array(ids));
    victim.repository.set("root", &["roles", "timestamp", "threshold"], Value::Int(2));
    let id = key.id().to_string();
    // The same signature twice, once under each id.
    victim.repository.after_signing("timestamp", move |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        let (signed, signature) = text.split_once("\"signatures\":[").unwrap();
        let signature = signature.strip_suffix("]}").unwrap();
        let second = signature.replace(&id, &alias);
        *bytes = format!("{signed}\"signatures\":[{signature},{second}]}}").into_bytes();
    });
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::KeyIdMismatch { role: RoleName::Timestamp, .. })
    );
}

#[test_case("root", 0)]
#[test_case("targets", 0)]
#[test_case("snapshot", 0)]
#[test_case("timestamp", 0)]
#[test_case("targets", -1)]
#[test_case("targets", 1 << 31)]
#[test_case("targets", i64::MIN)]
fn row_50_ghsa_fphv_w9fq_2525_a_threshold_that_is_none_is_refused(role: &str, threshold: i64) {
    let mut victim = Victim::primed();
    victim.repository.set("root", &["roles", role, "threshold"], Value::Int(threshold));
    victim.repository.sign_with("targets", &[]);
    victim.repository.bump(&["root", "targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: RoleName::Root, cause }
            if cause.problem == Problem::Threshold(threshold)
    );
}

#[test]
fn a_missing_threshold_is_refused() {
    let mut victim = Victim::new();
    victim.repository.unset("root", &["roles", "targets", "threshold"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: RoleName::Root, cause } if cause.problem == Problem::Missing
    );
}

#[test]
fn row_47_a_threshold_beyond_the_number_of_keys_can_never_be_met() {
    let mut victim = Victim::new();
    let keys: Vec<_> = (0..5).map(|_| Key::plain()).collect();
    victim.repository.grant("targets", &keys, 6);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 5, need: 6, .. })
    );
}

#[test]
fn row_48_one_key_listed_nine_times_is_one_key() {
    let mut victim = Victim::new();
    let key = victim.repository.signers("targets").remove(0);
    let nine = vec![Value::from(key.id().as_str()); 9];
    victim.repository.set("root", &["roles", "targets", "keyids"], Value::Array(nine));
    victim.repository.set("root", &["roles", "targets", "threshold"], Value::Int(2));
    victim.repository.sign_with("targets", &vec![key; 9]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 1, need: 2, .. })
    );
}

#[test]
fn more_signatures_than_anybody_has_keys_are_not_looked_at() {
    let mut victim = Victim::primed();
    let key = victim.repository.signers("timestamp").remove(0);
    victim.repository.sign_with("timestamp", &vec![key; 1025]);
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: RoleName::Timestamp, cause }
            if cause.problem == Problem::TooManySignatures(1025)
    );
}

#[test]
fn a_role_without_keys_cannot_sign() {
    let mut victim = Victim::new();
    victim.repository.before_signing("root", |body| {
        *at(body, &["roles", "targets", "keyids"]) = Value::Null;
    });
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet {
            role: RoleName::Targets,
            have: 0,
            ..
        })
    );
}

fn two_of_three() -> (Victim, Vec<Rc<Key>>) {
    let keys: Vec<_> = (0..3).map(|_| Key::plain()).collect();
    let victim = Victim::primed_with(|repository| repository.grant("targets", &keys, 2));
    (victim, keys)
}

fn sign_again(victim: &mut Victim, keys: &[Rc<Key>], signers: &[usize]) {
    let signers: Vec<_> = signers.iter().map(|index| Rc::clone(&keys[*index])).collect();
    victim.repository.sign_with("targets", &signers);
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
}
