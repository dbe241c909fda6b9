//! New roots: who vouches for them, and in which order they come.

use std::rc::Rc;

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::NotaryError;
use trust::crypto::KeyType;
use trust::tuf::root_trust::RootTrustError;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{RoleName, VerifyError};

use super::assert_matches;
use crate::harness::repository::hours_from_now;
use crate::harness::server::not_found;
use crate::harness::{Corruption, Key, Reply, Victim};

#[test]
fn a_root_signed_by_the_old_and_the_new_key_is_followed() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.publish();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 2);
}

#[test_case(SignedBy::NewOnly; "new only")]
#[test_case(SignedBy::OldOnly; "old only")]
#[test_case(SignedBy::Stranger; "a stranger")]
fn rows_1_and_2_a_root_that_not_both_vouch_for_is_refused(signed: SignedBy) {
    let mut victim = Victim::primed();
    rotate(&mut victim, signed);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::RootNotVouchedFor { version: 2, .. });
}

#[test]
fn a_chain_of_three_is_followed() {
    let mut victim = Victim::primed();
    for _ in 0..3 {
        rotate(&mut victim, SignedBy::Both);
        victim.repository.publish();
    }
    victim.serve();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 4);
}

#[test]
fn a_broken_link_in_the_chain_is_refused() {
    let mut victim = Victim::primed();
    for signed in [SignedBy::Both, SignedBy::NewOnly, SignedBy::Both] {
        rotate(&mut victim, signed);
        victim.repository.publish();
    }
    victim.serve();
    assert_matches!(victim.refuses(7), UpdateError::RootNotVouchedFor { version: 3, .. });
}

#[test]
fn a_missing_link_is_not_skipped() {
    let mut victim = Victim::primed();
    for _ in 0..2 {
        rotate(&mut victim, SignedBy::Both);
        victim.repository.publish();
    }
    victim.serve();
    victim.replies.set("2.root.json", not_found());
    assert_matches!(victim.fails(7), RefreshError::MissingRoot { version: 2, .. });
}

#[test]
fn a_version_that_was_never_published_is_not_skipped() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.repository.set_version("root", 3);
    victim.publish();
    assert_matches!(victim.fails(7), RefreshError::MissingRoot { version: 2, .. });
}

#[test]
fn row_45_cve_2025_2885_another_root_under_the_number_between_is_refused() {
    let mut victim = Victim::primed();
    for _ in 0..2 {
        rotate(&mut victim, SignedBy::Both);
        victim.repository.publish();
    }
    victim.serve();
    let third = victim.repository.raw("root");
    victim.replies.set("2.root.json", Reply::file(third));
    assert_matches!(victim.refuses(7), UpdateError::NotTheNextRoot { trusted: 1, offered: 3 });
}

#[test]
fn other_content_under_the_trusted_version_is_refused() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.repository.set_version("root", 1);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::NotTheNextRoot { trusted: 1, offered: 1 });
}

#[test]
fn row_41_more_rotations_than_anybody_makes_are_not_followed() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.repository.set_version("root", 2000);
    victim.publish();
    let asked = victim.server().log().len();
    assert_matches!(victim.fails(7), RefreshError::TooManyRoots { behind: 1999, .. });
    assert!(victim.server().log().len() - asked < 20);
}

#[test]
fn row_32_an_expired_root_in_between_is_fine() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.repository.expire("root");
    victim.repository.publish();
    rotate(&mut victim, SignedBy::Both);
    victim.repository.set("root", &["expires"], crate::harness::repository::expiry(1));
    victim.repository.publish();
    victim.serve();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 3);
}

#[test]
fn a_root_key_with_the_certificate_of_another_repository_is_refused() {
    let mut victim = Victim::primed();
    let foreign = Key::certified("localhost/somebody-elses");
    rotate_to(&mut victim, &foreign, SignedBy::Both);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Root(RootTrustError::NoCertificate { .. }));
}

#[test]
fn an_expired_certificate_is_refused_on_first_use() {
    let mut victim = Victim::new();
    let key = expired_certificate(victim.repository.gun());
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    assert_matches!(victim.refuses(6), UpdateError::Root(RootTrustError::OutOfDate { .. }));
    assert!(victim.trust_files().is_empty());
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused_on_first_use() {
    let mut victim = Victim::new();
    let gun = victim.repository.gun().to_owned();
    let key = Key::plain().in_certificate(&gun, hours_from_now(72));
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    assert_matches!(victim.refuses(6), UpdateError::Root(RootTrustError::OutOfDate { .. }));
    assert!(victim.trust_files().is_empty());
}

#[test]
fn an_expired_certificate_of_the_root_in_force_is_refused() {
    let mut victim = Victim::primed();
    let key = expired_certificate(victim.repository.gun());
    rotate_to(&mut victim, &key, SignedBy::Both);
    victim.publish();
    assert_matches!(victim.refuses(6), UpdateError::Root(RootTrustError::OutOfDate { .. }));
}

#[test_case(KeyType::EcdsaX509, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"; "garbage")]
#[test_case(KeyType::EcdsaX509, b""; "nothing")]
#[test_case(KeyType::RsaX509, b"\xff\xfe"; "no text")]
fn a_certificate_that_is_none_is_refused(key_type: KeyType, public: &[u8]) {
    let mut victim = Victim::new();
    let key = Key::plain().listed_as(key_type, public.to_vec());
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Root(RootTrustError::NoCertificate { .. }));
    assert!(victim.trust_files().is_empty());
}

#[test]
fn row_51_a_stolen_old_key_alone_signs_nothing_any_more() {
    let mut victim = Victim::primed();
    let stolen = victim.repository.signers("targets");
    victim.repository.grant("targets", &[Key::plain()], 1);
    victim.repository.bump(&["root", "targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 2);
    victim.repository.sign_with("targets", &stolen);
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
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

/// What is wrong with one root of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BadLink {
    Signed(SignedBy),
    Is(Corruption),
    Garbage,
    /// The one before it stands in its place.
    TheOneBefore,
}

#[test_case(BadLink::Signed(SignedBy::NewOnly); "not signed by the one before")]
#[test_case(BadLink::Signed(SignedBy::OldOnly); "not signed by itself")]
#[test_case(BadLink::Signed(SignedBy::Stranger); "signed by a stranger")]
#[test_case(BadLink::Is(Corruption::NotFound); "missing")]
#[test_case(BadLink::Is(Corruption::ServerError); "not to be had")]
#[test_case(BadLink::Garbage; "no document")]
#[test_case(BadLink::TheOneBefore; "another")]
fn a_chain_with_one_bad_link_is_refused_wherever_it_is(bad: BadLink) {
    const LAST: u64 = 6;
    for position in 2..=LAST {
        let mut victim = Victim::primed();
        for version in 2..=LAST {
            let signed = match bad {
                BadLink::Signed(signed) if version == position => signed,
                _ => SignedBy::Both,
            };
            rotate(&mut victim, signed);
            victim.repository.publish();
        }
        victim.serve();
        let name = if position == LAST { "root".to_owned() } else { format!("{position}.root") };
        match bad {
            BadLink::Signed(_) => {}
            BadLink::Garbage if position == LAST => {
                victim.answer("root", &Reply::file(b"nothing".to_vec()));
            }
            BadLink::Garbage => {
                let name = format!("{position}.root.json");
                victim.replies.set(&name, Reply::file(b"nothing".to_vec()));
            }
            BadLink::Is(corruption) => victim.corrupt(&name, corruption),
            BadLink::TheOneBefore => {
                let before =
                    victim.repository.files()[&format!("{}.root.json", position - 1)].clone();
                victim.replies.set(&format!("{position}.root.json"), Reply::file(before.clone()));
                if position == LAST {
                    victim.answer("root", &Reply::file(before));
                }
            }
        }
        let before = victim.trust_files();
        let error = victim.refresh().unwrap_err();
        victim.assert_untouched(&before);
        let cause = match &error {
            RefreshError::Refused { cause, .. } => Some(cause),
            _ => None,
        };
        let as_expected = match bad {
            BadLink::Signed(_) => matches!(
                cause,
                Some(UpdateError::RootNotVouchedFor { version, .. }) if *version == position
            ),
            BadLink::Is(Corruption::NotFound) if position == LAST => {
                matches!(error, RefreshError::Withheld { role: RoleName::Root, .. })
            }
            BadLink::Is(Corruption::NotFound) => matches!(
                error,
                RefreshError::MissingRoot { version, .. } if version == position
            ),
            BadLink::Is(_) => matches!(error, RefreshError::Server(_)),
            BadLink::Garbage => {
                matches!(cause, Some(UpdateError::Metadata { role: RoleName::Root, .. }))
            }
            // It is the trusted one by then, which is no step; the next is one too far.
            BadLink::TheOneBefore if position == LAST => {
                matches!(cause, Some(UpdateError::RootBehind { .. }))
            }
            BadLink::TheOneBefore => matches!(
                cause,
                Some(UpdateError::NotTheNextRoot { trusted, offered })
                    if *trusted == position - 1 && *offered == position + 1
            ),
        };
        assert!(as_expected, "{bad:?} at {position}: {error:?}");
    }
}

#[test]
fn a_root_nobody_vouches_for_is_believed_only_by_who_has_forgotten_the_last() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::NewOnly);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::RootNotVouchedFor { version: 2, .. });
    // First contact is what it is (spec/threat-model.md §4).
    assert!(victim.refresh_as_another().unwrap().trusted.is_first_use());
}

#[test]
fn damaged_here_and_there_is_damaged() {
    let victim = Victim::primed();
    let metadata = victim.user().trust_folder().join("tuf").join(victim.repository.gun());
    std::fs::write(metadata.join("metadata/root.json"), b"{}").unwrap();
    victim.tamper("root", crate::harness::tamper::truncated);
    assert_matches!(victim.fails(14), RefreshError::BadAnchor { .. });
}

#[test]
fn a_root_that_is_named_and_not_handed_out_is_withheld() {
    let mut victim = Victim::primed();
    rotate(&mut victim, SignedBy::Both);
    victim.publish();
    victim.corrupt("root", Corruption::NotFound);
    assert_matches!(victim.fails(7), RefreshError::Withheld { role: RoleName::Root, .. });
}

#[test]
fn a_root_between_that_somebody_else_says_is_missing_is_no_verdict() {
    let mut victim = Victim::primed();
    for _ in 0..2 {
        rotate(&mut victim, SignedBy::Both);
        victim.repository.publish();
    }
    victim.serve();
    victim.replies.set("2.root.json", Reply::status(404, "<html>not here</html>"));
    assert_matches!(victim.fails(10), RefreshError::Server(NotaryError::NotFound { .. }));
}

#[test]
fn a_second_timestamp_is_as_good_as_the_first() {
    let mut victim = Victim::primed();
    let old = {
        victim.repository.set_version("timestamp", 2);
        victim.repository.publish();
        victim.repository.raw("timestamp")
    };
    victim.repository.set_version("timestamp", 3);
    rotate(&mut victim, SignedBy::Both);
    victim.publish();
    // Below the new root the chain begins again, and the server answers otherwise.
    for request in [2, 3] {
        victim.replies.set_nth("timestamp.json", request, Reply::file(old.clone()));
    }
    let before = victim.trust_files();
    let error = victim.refresh().unwrap_err();
    assert_matches!(
        error,
        RefreshError::Refused {
            cause: UpdateError::RolledBack { role: RoleName::Timestamp, trusted: 3, offered: 2 },
            ..
        }
    );
    victim.assert_untouched(&before);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignedBy {
    Both,
    OldOnly,
    NewOnly,
    Stranger,
}

/// Replaces the root key by a new one.
fn rotate(victim: &mut Victim, signed: SignedBy) {
    let new = Key::certified(victim.repository.gun());
    rotate_to(victim, &new, signed);
}

fn rotate_to(victim: &mut Victim, new: &Rc<Key>, signed: SignedBy) {
    let repository = &mut victim.repository;
    // The key of the root before, which stands last among its signers.
    let old = repository.signers("root").last().cloned().unwrap();
    repository.grant("root", &[Rc::clone(new)], 1);
    let signers = match signed {
        SignedBy::Both => vec![old, Rc::clone(new)],
        SignedBy::OldOnly => vec![old],
        SignedBy::NewOnly => vec![Rc::clone(new)],
        SignedBy::Stranger => vec![Key::certified(repository.gun())],
    };
    repository.sign_with("root", &signers);
    repository.bump(&["root", "snapshot", "timestamp"]);
}

fn expired_certificate(gun: &str) -> Rc<Key> {
    Key::plain().in_certificate(gun, hours_from_now(-11 * 365 * 24))
}
