//! Older metadata, honestly signed once, is offered again.

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::tuf::RoleName;
use trust::tuf::trusted::{Note, UpdateError};

use super::assert_matches;
use crate::harness::{Key, Victim};

#[test_case("timestamp", 2; "timestamp by one")]
#[test_case("timestamp", 1; "timestamp to the first")]
#[test_case("snapshot", 2; "snapshot by one")]
#[test_case("snapshot", 1; "snapshot to the first")]
#[test_case("targets", 2; "targets by one")]
#[test_case("targets", 1; "targets to the first")]
#[test_case("targets/releases", 2; "delegation by one")]
fn rows_16_to_21_an_older_version_is_refused(role: &str, version: i64) {
    let key = Key::plain();
    let mut victim = Victim::primed_with_releases(&key);
    // Whoever sends an older file has to name it in newer ones above it.
    for above in ["timestamp", "snapshot"] {
        victim.repository.set_version(above, 9);
    }
    victim.repository.set_version(role, version);
    victim.publish();
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(
        victim.refuses(7),
        UpdateError::RolledBack { role, trusted: 3, offered }
            if *role == expected && *offered == version.unsigned_abs()
    );
}

#[test]
fn row_18_cve_2025_2888_a_timestamp_is_not_kept_when_what_it_names_is_older() {
    let mut victim = Victim::primed();
    victim.repository.set_version("timestamp", 9);
    victim.repository.set_version("snapshot", 2);
    victim.publish();
    victim.refuses(7);
    // Were the ninth timestamp kept, the honest fourth would now be a rollback.
    for role in ["timestamp", "snapshot"] {
        victim.repository.set_version(role, 4);
    }
    victim.publish();
    assert_eq!(victim.accepts().trusted.timestamp().body().header.version, 4);
}

#[test]
fn the_whole_older_state_is_refused() {
    let mut victim = Victim::primed();
    for role in ["timestamp", "snapshot", "targets"] {
        victim.repository.set_version(role, 2);
    }
    victim.repository.add_target("targets", "1", b"old and vulnerable");
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::RolledBack { role: RoleName::Timestamp, trusted: 3, offered: 2 }
    );
}

#[test]
fn row_17_another_timestamp_of_the_same_version_is_not_followed() {
    let mut victim = Victim::primed();
    victim.repository.bump(&["snapshot", "targets"]);
    victim.repository.add_target("targets", "1", b"other content");
    let before = victim.trust_files();
    victim.publish();
    let updated = victim.accepts();
    assert_eq!(updated.trusted.notes(), [Note::SameTimestampVersion { version: 3 }]);
    assert_eq!(updated.trusted.snapshot().body().header.version, 3);
    assert_eq!(victim.trust_files(), before);
}

#[test]
fn row_22_a_root_that_was_replaced_does_not_come_back() {
    let mut victim = Victim::primed();
    let old = victim.repository.raw("root");
    let first = victim.repository.signers("root");
    let second = Key::certified(victim.repository.gun());
    victim.repository.grant("root", std::slice::from_ref(&second), 1);
    victim.repository.sign_with("root", &[first[0].clone(), second]);
    victim.repository.bump(&["root", "snapshot", "timestamp"]);
    victim.publish();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 2);
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.repository.after_signing("root", move |bytes| bytes.clone_from(&old));
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::RolledBack { role: RoleName::Root, trusted: 2, offered: 1 }
    );
}

#[test]
fn rows_25_and_26_versions_driven_up_by_a_thief_are_forgotten_with_the_stolen_keys() {
    let mut victim = Victim::primed_with(|repository| {
        for role in ["timestamp", "snapshot"] {
            repository.set_version(role, (1 << 53) - 1);
        }
    });
    for role in ["timestamp", "snapshot"] {
        victim.repository.grant(role, &[Key::plain()], 1);
        victim.repository.set_version(role, 1);
    }
    victim.repository.bump(&["root"]);
    victim.publish();
    assert_eq!(victim.accepts().trusted.timestamp().body().header.version, 1);
}

#[test]
fn row_35_trust_data_that_vanishes_from_the_server_is_an_attack() {
    let victim = Victim::primed();
    victim.replies.set_all(&crate::harness::server::not_found());
    assert_matches!(victim.fails(7), RefreshError::Gone { .. });
}
