//! Metadata that nobody entitled to has signed.

use test_case::test_case;
use trust::tuf::metadata::Problem;
use trust::tuf::root_trust::RootTrustError;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{RoleName, VerifyError};

use super::assert_matches;
use crate::harness::{Key, Repository, Victim};

#[test_case("targets")]
#[test_case("snapshot")]
#[test_case("timestamp")]
fn rows_3_to_5_a_strangers_signature_is_refused(role: &str) {
    let mut victim = Victim::primed();
    forge(&mut victim.repository, role, &[Key::plain()]);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Signatures(VerifyError::ThresholdNotMet { role: of, have: 0, need: 1 }) if of.as_str() == role);
}

#[test_case("targets")]
#[test_case("snapshot")]
#[test_case("timestamp")]
fn row_6_a_strangers_signature_is_refused_on_first_use(role: &str) {
    let mut victim = Victim::new();
    forge(&mut victim.repository, role, &[Key::plain()]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { .. })
    );
    assert!(victim.trust_files().is_empty());
}

#[test_case("targets")]
#[test_case("snapshot")]
#[test_case("timestamp")]
fn no_signature_at_all_is_refused(role: &str) {
    let mut victim = Victim::primed();
    forge(&mut victim.repository, role, &[]);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Signatures(VerifyError::NoSignatures { role: of }) if of.as_str() == role);
}

#[test_case("targets", "snapshot"; "targets by the snapshot key")]
#[test_case("targets", "timestamp"; "targets by the timestamp key")]
#[test_case("snapshot", "targets"; "snapshot by the targets key")]
#[test_case("timestamp", "snapshot"; "timestamp by the snapshot key")]
fn row_52_a_key_counts_for_its_own_role_alone(role: &str, thief: &str) {
    let mut victim = Victim::primed();
    let keys = victim.repository.signers(thief);
    forge(&mut victim.repository, role, &keys);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Signatures(VerifyError::ThresholdNotMet { role: of, have: 0, .. }) if of.as_str() == role);
}

#[test]
fn no_list_of_signatures_is_refused() {
    let mut victim = Victim::primed();
    let change = crate::harness::tamper::rewritten("\"signatures\":", "\"other\":");
    victim.repository.after_signing("timestamp", change);
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::NoSignatures { role: RoleName::Timestamp })
    );
}

#[test]
fn a_signature_of_other_content_is_refused() {
    let mut victim = Victim::primed();
    let content = crate::harness::tamper::rewritten("\"version\":4", "\"version\":5");
    victim.repository.bump(&["timestamp"]);
    victim.repository.after_signing("timestamp", content);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet {
            role: RoleName::Timestamp,
            have: 0,
            ..
        })
    );
}

#[test_case("timestamp", "snapshot")]
#[test_case("targets", "snapshot")]
#[test_case("snapshot", "targets")]
fn row_8_a_document_of_another_kind_is_refused(role: &str, other: &str) {
    let mut victim = Victim::primed();
    // The attacker holds one key that two roles share: nothing but the kind tells them apart.
    let mut keys = victim.repository.signers(other);
    keys.extend(victim.repository.signers(role));
    victim.repository.sign_with(other, &keys);
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.repository.publish();
    let foreign = victim.repository.raw(other);
    victim.repository.after_signing(role, move |bytes| bytes.clone_from(&foreign));
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: of, cause }
            if of.as_str() == role && matches!(cause.problem, Problem::DocumentType { .. })
    );
}

#[test]
fn row_10_the_root_of_another_repository_is_refused_on_first_use() {
    let mut victim = Victim::new();
    let key = Key::certified("localhost/somebody-elses");
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Root(RootTrustError::NoCertificate { cause: None, .. })
    );
    assert!(victim.trust_files().is_empty());
}

#[test]
fn a_root_key_without_certificate_is_refused_on_first_use() {
    let mut victim = Victim::new();
    victim.repository.grant("root", &[Key::plain()], 1);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Root(RootTrustError::NoCertificate { .. }));
    assert!(victim.trust_files().is_empty());
}

#[test]
fn a_root_that_its_own_key_did_not_sign_is_refused_on_first_use() {
    let mut victim = Victim::new();
    let stranger = Key::certified(victim.repository.gun());
    victim.repository.sign_with("root", &[stranger]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { role: RoleName::Root, .. })
    );
    assert!(victim.trust_files().is_empty());
}

#[test]
fn row_49_garbage_beside_a_good_signature_does_no_harm() {
    let mut victim = Victim::primed();
    let mut keys = vec![Key::plain()];
    keys.extend(victim.repository.signers("targets"));
    keys.push(Key::plain());
    victim.repository.sign_with("targets", &keys);
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_eq!(victim.accepts().trusted.timestamp().body().header.version, 4);
}

fn forge(repository: &mut Repository, role: &str, keys: &[std::rc::Rc<Key>]) {
    repository.sign_with(role, keys);
    repository.bump(&["targets", "snapshot", "timestamp"]);
}
