//! The server goes on handing out what was true once.

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::NotaryError;
use trust::tuf::RoleName;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::repository::expiry;
use crate::harness::{Reply, Victim};

#[test_case("root")]
#[test_case("targets")]
#[test_case("snapshot")]
#[test_case("timestamp")]
fn rows_29_to_31_expired_metadata_is_refused(role: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    if role == "root" {
        victim.repository.bump(&["root"]);
    }
    victim.repository.expire(role);
    victim.publish();
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(6), UpdateError::Expired { role, .. } if *role == expected);
}

#[test_case("root")]
#[test_case("targets")]
#[test_case("snapshot")]
#[test_case("timestamp")]
fn expired_metadata_is_refused_on_first_use(role: &str) {
    let mut victim = Victim::new();
    victim.repository.expire(role);
    victim.publish();
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(6), UpdateError::Expired { role, .. } if *role == expected);
    assert!(victim.trust_files().is_empty());
}

#[test]
fn row_33_an_expired_cache_is_no_obstacle_to_fresh_metadata() {
    let mut victim = Victim::primed();
    victim.repository.expire("timestamp");
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    // As it is after a long holiday: what is cached is honest and expired.
    let folder = victim.user().trust_folder().join("tuf").join(victim.repository.gun());
    let cached = folder.join("metadata/timestamp.json");
    std::fs::write(cached, victim.repository.raw("timestamp")).unwrap();
    victim.repository.set("timestamp", &["expires"], expiry(1));
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    assert_eq!(victim.accepts().trusted.timestamp().body().header.version, 5);
}

#[test]
fn row_34_an_expired_cache_still_knows_what_is_older() {
    let mut victim = Victim::primed();
    victim.repository.expire("timestamp");
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    let folder = victim.user().trust_folder().join("tuf").join(victim.repository.gun());
    let cached = folder.join("metadata/timestamp.json");
    std::fs::write(cached, victim.repository.raw("timestamp")).unwrap();
    victim.repository.set_version("timestamp", 2);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::RolledBack { role: RoleName::Timestamp, trusted: 4, offered: 2 }
    );
}

#[test_case(500, 10; "broken")]
#[test_case(401, 9; "locked")]
#[test_case(403, 9; "forbidden")]
fn row_35_a_server_that_refuses_does_not_make_the_cache_an_answer(status: u16, code: i32) {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::status(status, "no"));
    assert_matches!(victim.fails(code), RefreshError::Server(NotaryError::Transport(_)));
}

#[test]
fn row_35_a_connection_that_is_cut_does_not_make_the_cache_an_answer() {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::Close);
    assert_matches!(victim.fails(10), RefreshError::Server(NotaryError::Transport(_)));
}

#[test]
fn the_cache_answers_when_it_is_asked_for() {
    let victim = Victim::primed();
    victim.replies.set_all(&Reply::Close);
    let asked = victim.server().log().len();
    victim.user().trust(&["verify", "--offline", &victim.image()]).success();
    assert_eq!(victim.server().log().len(), asked, "offline means that nobody is asked");
}
