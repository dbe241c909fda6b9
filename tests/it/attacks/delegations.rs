//! The roles below `targets`: what they may not do, and what their absence must not lead to.

use std::rc::Rc;

use test_case::test_case;
use trust::actions::verify::VerifyImageError;
use trust::codec::canonical_json::Value;
use trust::tuf::metadata::Problem;
use trust::tuf::trusted::{LookupError, UpdateError};
use trust::tuf::{RoleName, VerifyError};

use super::assert_matches;
use crate::harness::repository::{at, file_meta};
use crate::harness::{Key, Repository, Victim};
use crate::peers::image::digest;

/// Nothing is trusted though `targets` vouches for the tag, for the role before it cannot be used.
#[track_caller]
fn cannot_tell(victim: &Victim, code: i32) -> UpdateError {
    let finished = victim.verify_by_program().expect_code(code);
    assert!(finished.stdout.is_empty(), "{}", finished.stdout);
    match victim.verify().unwrap_err() {
        VerifyImageError::RoleUnusable(LookupError::RoleUnusable { cause, .. }) => *cause,
        other => panic!("{other:?}"),
    }
}

/// What the tag is said to be, by the program and by the library.
#[track_caller]
fn trusted_content(victim: &Victim) -> String {
    let finished = victim.user().trust(&["verify", "--no-registry", "--digest", &victim.image()]);
    let stdout = finished.success().stdout;
    let verdict = victim.verify().unwrap();
    assert!(stdout.trim_end().ends_with(&verdict.digest.to_string()), "{stdout}");
    verdict.digest.to_string()
}

#[test]
fn releases_go_before_targets() {
    let victim = Victim::primed_with_releases(&Key::plain());
    assert_eq!(trusted_content(&victim), digest(b"release"));
}

#[test]
fn row_30_expired_releases_do_not_fall_back_to_targets() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.expire("targets/releases");
    publish_next(&mut victim);
    assert_matches!(cannot_tell(&victim, 6), UpdateError::Expired { .. });
}

#[test]
fn expired_releases_do_not_fall_back_to_targets_on_first_use() {
    let mut victim = Victim::new();
    victim.repository.delegate("targets/releases", &[Key::plain()], 1, &[""]);
    victim.repository.expire("targets/releases");
    victim.publish();
    assert_matches!(cannot_tell(&victim, 6), UpdateError::Expired { .. });
}

#[test]
fn releases_signed_by_a_stranger_do_not_fall_back_to_targets() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.sign_with("targets/releases", &[Key::plain()]);
    publish_next(&mut victim);
    let cause = cannot_tell(&victim, 4);
    assert_matches!(cause, UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 0, .. }));
}

#[test]
fn unsigned_releases_are_refused() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.sign_with("targets/releases", &[]);
    publish_next(&mut victim);
    assert_matches!(victim.refuses(7), UpdateError::Signatures(VerifyError::NoSignatures { .. }));
}

#[test]
fn row_23_vanished_releases_do_not_fall_back_to_targets() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.forget("targets/releases");
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(cannot_tell(&victim, 7), UpdateError::Vanished { .. });
    // Nor the second time, when the cache could have learned to do without.
    assert_matches!(cannot_tell(&victim, 7), UpdateError::Vanished { .. });
}

#[test]
fn releases_that_their_owner_removed_are_gone() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
    victim.repository.forget("targets/releases");
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_eq!(trusted_content(&victim), digest(b"content"));
}

#[test]
fn a_signer_that_expired_is_no_obstacle_to_the_others() {
    let mut victim = Victim::primed_with(|repository| {
        repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
    });
    victim.repository.expire("targets/alice");
    victim.repository.bump(&["targets/alice", "snapshot", "timestamp"]);
    victim.publish();
    assert_eq!(trusted_content(&victim), digest(b"content"));
    let image = victim.image();
    let asked = ["verify", "--no-registry", "--signer", "alice", &image];
    victim.user().trust(&asked).expect_code(6);
}

#[test]
fn a_role_may_not_sign_outside_its_paths() {
    let victim = Victim::primed_with(|repository| {
        repository.delegate("targets/releases", &[Key::plain()], 1, &["2"]);
        repository.add_target("targets/releases", "1", b"smuggled");
    });
    assert_eq!(trusted_content(&victim), digest(b"content"));
}

#[test]
fn a_role_may_not_give_its_child_more_than_it_has() {
    let victim = Victim::primed_with(|repository| {
        repository.unset("targets", &["targets", "1"]);
        repository.delegate("targets/releases", &[Key::plain()], 1, &["2"]);
        repository.delegate("targets/releases/child", &[Key::plain()], 1, &[""]);
        repository.add_target("targets/releases/child", "1", b"smuggled");
    });
    victim.verify_by_program().expect_code(3);
    assert_matches!(victim.verify().unwrap_err(), VerifyImageError::NotSigned { .. });
}

#[test]
fn a_signers_word_alone_is_not_that_of_the_repository() {
    let victim = Victim::primed_with(|repository| {
        repository.unset("targets", &["targets", "1"]);
        repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
        repository.add_target("targets/alice", "1", b"draft");
    });
    victim.verify_by_program().expect_code(3);
    let alice = RoleName::parse("targets/alice").unwrap();
    assert_matches!(
        victim.verify().unwrap_err(),
        VerifyImageError::NotSigned { only_in, .. } if *only_in == [alice]
    );
}

#[test]
fn row_9_the_file_of_one_role_is_not_that_of_another() {
    let mut victim = Victim::primed_with(|repository| {
        repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
        repository.delegate("targets/releases", &[Key::plain()], 1, &[""]);
        repository.add_target("targets/releases", "1", b"release");
        repository.add_target("targets/alice", "1", b"of alice");
    });
    let of_alice = victim.repository.raw("targets/alice");
    victim.repository.after_signing("targets/releases", move |bytes| bytes.clone_from(&of_alice));
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    let cause = cannot_tell(&victim, 4);
    assert_matches!(cause, UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 0, .. }));
}

#[test_case("targets/alice/bob"; "grandchild")]
#[test_case("targets"; "itself")]
#[test_case("root"; "root")]
#[test_case("snapshot"; "snapshot")]
#[test_case("targets/../root"; "parent folder")]
#[test_case("targets/"; "no name")]
#[test_case("targets//a"; "empty name")]
#[test_case("../x"; "outside")]
#[test_case("targets/a*"; "wild card")]
#[test_case(""; "nothing")]
fn row_53_cycles_a_delegation_to_what_is_no_direct_child_is_refused(name: &'static str) {
    let mut victim = Victim::primed();
    victim.repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
    victim.repository.before_signing("targets", move |body| {
        let Value::Array(roles) = at(body, &["delegations", "roles"]) else { panic!() };
        *at(&mut roles[0], &["name"]) = Value::from(name);
    });
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: RoleName::Targets, cause }
            if matches!(cause.problem, Problem::NotAChild { .. } | Problem::Name(_))
    );
}

#[test]
fn a_delegation_listed_twice_is_refused() {
    let mut victim = Victim::primed();
    victim.repository.delegate("targets/alice", &[Key::plain()], 1, &[""]);
    victim.repository.before_signing("targets", |body| {
        let Value::Array(roles) = at(body, &["delegations", "roles"]) else { panic!() };
        roles.push(roles[0].clone());
    });
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { cause, .. } if matches!(cause.problem, Problem::DuplicateRole(_))
    );
}

#[test]
fn delegations_nest_only_so_deep() {
    let mut victim = Victim::new();
    nest(&mut victim.repository, 40);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::TooManyDelegations { .. });
    assert!(victim.trust_files().is_empty());
}

#[test]
fn ten_levels_are_followed() {
    let mut victim = Victim::new();
    nest(&mut victim.repository, 10);
    victim.publish();
    assert_eq!(victim.accepts().trusted.targets().len(), 11);
}

#[test]
fn a_file_for_a_role_that_nobody_delegated_to_is_not_looked_at() {
    let mut victim = Victim::primed();
    victim.repository.before_signing("snapshot", |body| {
        *at(body, &["meta", "targets/stowaway"]) = file_meta(b"x");
    });
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    victim.accepts();
    assert!(!victim.server().log().iter().any(|line| line.contains("stowaway")));
}

fn publish_next(victim: &mut Victim) {
    victim.repository.bump(&["targets/releases", "snapshot", "timestamp"]);
    victim.publish();
}

fn nest(repository: &mut Repository, levels: usize) {
    let key = Key::plain();
    let mut role = "targets".to_owned();
    for _ in 0..levels {
        role.push_str("/a");
        repository.delegate(&role, &[Rc::clone(&key)], 1, &[""]);
    }
}
