//! More data than anybody honest sends, and less.

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::{NotaryError, TransportError};
use trust::codec::canonical_json::Value;
use trust::tuf::RoleName;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::repository::at;
use crate::harness::{Reply, Victim};

/// The largest limit that applies here, and what the sockets of two runs hold in between.
const MOST_BYTES: u64 = 2 * ((1 << 20) + (8 << 20));

#[test]
fn row_37_an_endless_timestamp_is_cut_off() {
    let victim = Victim::primed();
    victim.answer("timestamp", &Reply::Endless(victim.repository.raw("timestamp")));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::TooLarge { .. }))
    );
    assert!(victim.server().endless_bytes() < MOST_BYTES, "{}", victim.server().endless_bytes());
}

#[test]
fn row_38_an_endless_root_is_cut_off_on_first_use() {
    let mut victim = Victim::new();
    victim.publish();
    victim.answer("root", &Reply::Endless(victim.repository.raw("root")));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::TooLarge { .. }))
    );
    assert!(victim.server().endless_bytes() < MOST_BYTES, "{}", victim.server().endless_bytes());
    assert!(victim.trust_files().is_empty());
}

#[test_case("snapshot")]
#[test_case("targets")]
fn row_39_what_has_a_promised_length_is_cut_off_there(role: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    victim.answer(role, &Reply::Endless(victim.repository.raw(role)));
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(7), UpdateError::Length { role, .. } if *role == expected);
    assert!(victim.server().endless_bytes() < MOST_BYTES, "{}", victim.server().endless_bytes());
}

#[test_case("timestamp", "snapshot"; "snapshot")]
#[test_case("snapshot", "targets"; "targets")]
fn a_file_is_not_asked_for_that_is_said_to_be_huge(above: &str, role: &'static str) {
    let mut victim = Victim::primed();
    victim.repository.before_signing(above, move |body| {
        *at(body, &["meta", role, "length"]) = Value::Int((100 << 20) + 1);
    });
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(7), UpdateError::TooLarge { role, .. } if *role == expected);
    let name = victim.repository.file_name(role);
    assert!(!victim.server().log().iter().any(|line| line.ends_with(&name)));
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
fn half_a_body_is_a_failure_of_the_network(role: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    victim.answer(role, &Reply::Half(victim.repository.raw(role)));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::Cut { .. }))
    );
}

#[test]
fn row_39_a_compressed_answer_is_not_unpacked() {
    let victim = Victim::primed();
    let bomb = Reply::file(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0])
        .with("Content-Encoding", "gzip");
    victim.answer("timestamp", &bomb);
    // Either way of failing will do, as long as nobody unpacks it.
    let before = victim.trust_files();
    let finished = victim.verify_by_program();
    assert!(matches!(finished.code, 7 | 10), "{finished:?}");
    assert_eq!(victim.trust_files(), before);
}
