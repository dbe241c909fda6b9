//! Rows of server.md §1.2 that need a registry, a clock or patience; the others are named in the
//! files beside this one, and in `src/tuf/trusted/attacks.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::{NotaryError, TransportError};
use trust::clock::{Clock, FixedClock, SystemClock, Timestamp};
use trust::tuf::RoleName;
use trust::tuf::root_trust::RootTrustError;
use trust::tuf::trusted::{Note, UpdateError};

use super::assert_matches;
use crate::harness::repository::hours_from_now;
use crate::harness::{Corruption, Reply, Victim};
use crate::peers::image::digest;

/// Long beyond every lifetime here.
const THREE_YEARS: i64 = 3 * 365 * 24;

fn manifest(config: &str) -> Vec<u8> {
    let config = format!(
        r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":1}}"#,
        digest(config.as_bytes())
    );
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[]}}"#)
        .into_bytes()
}

fn index(child: &[u8]) -> Vec<u8> {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{MANIFEST}","digest":"{}","size":{},"platform":{{"architecture":"amd64","os":"linux"}}}}]}}"#,
        digest(child),
        child.len()
    )
    .into_bytes()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Somebody whose tag `1` is this, and a registry that serves it.
fn signed(content: &[u8], media_type: &str) -> Victim {
    let mut victim = Victim::new();
    victim.repository.add_target("targets", "1", content);
    victim.publish();
    serve(&victim, content, media_type);
    victim
}

fn serve(victim: &Victim, content: &[u8], media_type: &str) {
    let reply = Reply::file(content.to_vec()).with("Content-Type", media_type);
    victim.replies.set("manifests/1", reply);
}

#[track_caller]
fn verify(victim: &Victim, code: i32) {
    let finished = victim.user().trust(&["verify", &victim.image()]).expect_code(code);
    assert_eq!(finished.stdout.is_empty(), code != 0, "{}", finished.stdout);
}

#[test]
fn row_11_the_bytes_of_another_image_are_not_those_that_were_signed() {
    let victim = signed(&manifest("a"), MANIFEST);
    serve(&victim, &manifest("b"), MANIFEST);
    verify(&victim, 5);
}

#[test]
fn row_12_what_was_right_once_is_looked_at_again() {
    let victim = signed(&manifest("a"), MANIFEST);
    verify(&victim, 0);
    serve(&victim, &manifest("b"), MANIFEST);
    verify(&victim, 5);
}

#[test]
fn row_15_a_platforms_manifest_is_not_the_index_that_was_signed() {
    let child = manifest("a");
    let victim = signed(&index(&child), INDEX);
    verify(&victim, 0);
    serve(&victim, &child, MANIFEST);
    verify(&victim, 5);
}

#[test]
fn row_40_a_longer_manifest_is_not_the_one_that_was_signed() {
    let content = manifest("a");
    let victim = signed(&content, MANIFEST);
    serve(&victim, &[content, b"\n".to_vec()].concat(), MANIFEST);
    verify(&victim, 5);
}

#[test]
fn row_36_a_clock_ahead_refuses_what_is_fresh() {
    let victim = Victim::primed();
    let before = victim.trust_files();
    let ahead = Arc::new(FixedClock(hours_from_now(THREE_YEARS)));
    let error = victim.refresh_by(ahead).unwrap_err();
    assert_matches!(
        error,
        RefreshError::Refused { cause: UpdateError::Expired { role: RoleName::Timestamp, .. }, .. }
    );
    victim.assert_untouched(&before);
}

#[test]
fn row_36_a_clock_before_the_root_was_made_refuses_it() {
    let mut victim = Victim::new();
    victim.publish();
    let before = victim.trust_files();
    let behind = Arc::new(FixedClock(hours_from_now(-THREE_YEARS)));
    let error = victim.refresh_by(behind).unwrap_err();
    assert_matches!(
        error,
        RefreshError::Refused { cause: UpdateError::Root(RootTrustError::OutOfDate { .. }), .. }
    );
    victim.assert_untouched(&before);
}

#[test]
fn row_36_a_clock_behind_the_last_update_is_noticed_and_not_used() {
    let victim = Victim::primed();
    let behind = Arc::new(FixedClock(hours_from_now(-THREE_YEARS)));
    let updated = victim.refresh_by(behind).unwrap();
    let [Note::ClockBehind { clock, seen }] = updated.trusted.notes() else {
        panic!("{:?}", updated.trusted.notes());
    };
    assert!(clock < seen);
    assert_eq!(updated.trusted.now(), *seen);
}

#[test]
fn row_36_a_clock_that_goes_back_does_not_bring_older_versions_back() {
    let mut victim = Victim::primed();
    victim.repository.set_version("timestamp", 2);
    victim.publish();
    let error = victim.refresh_by(Arc::new(FixedClock(hours_from_now(-1)))).unwrap_err();
    assert_matches!(error, RefreshError::Refused { cause: UpdateError::RolledBack { .. }, .. });
}

/// A year later each time it is looked at.
#[derive(Debug, Default)]
struct Jumping(AtomicU64);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let times = self.0.fetch_add(1, Ordering::SeqCst);
        hours_from_now(365 * 24 * i64::try_from(times).unwrap())
    }
}

#[test]
fn row_36_expiry_is_judged_by_the_time_at_which_the_update_began() {
    let victim = Victim::primed();
    let clock = Arc::new(Jumping::default());
    victim.refresh_by(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    assert_eq!(clock.0.load(Ordering::SeqCst), 1);
    victim.refresh_by(Arc::new(FixedClock(SystemClock.now()))).unwrap();
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
fn row_42_a_byte_now_and_then_is_not_waited_for(role: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    let before = victim.trust_files();
    let drip = Reply::Drip(victim.repository.raw(role), Duration::from_millis(50));
    victim.answer(role, &drip);
    let error = victim.refresh_impatiently(Duration::from_millis(700)).unwrap_err();
    assert_matches!(
        error,
        RefreshError::Server(NotaryError::Transport(TransportError::TooSlow { .. }))
    );
    victim.assert_untouched(&before);
}

#[test]
fn row_42_silence_is_not_waited_for() {
    let victim = Victim::primed();
    let before = victim.trust_files();
    victim.answer("timestamp", &Reply::Drip(vec![b'{'; 9], Duration::from_hours(1)));
    let error = victim.refresh_impatiently(Duration::from_millis(300)).unwrap_err();
    assert_matches!(
        error,
        RefreshError::Server(NotaryError::Transport(TransportError::Timeout { .. }))
    );
    victim.assert_untouched(&before);
}

#[test]
fn row_37_an_announced_flood_is_not_read() {
    let victim = Victim::primed();
    victim.answer("timestamp", &Reply::Announced(1 << 40));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::TooLarge { .. }))
    );
    let sent = victim.server().endless_bytes();
    assert!(sent < 16 << 20, "{sent} bytes went to the network");
}

#[test]
fn row_35_a_server_that_is_busy_once_is_asked_again() {
    let mut victim = Victim::primed();
    victim.repository.bump(&["timestamp"]);
    victim.publish();
    let busy = Corruption::Unavailable.reply(Vec::new());
    victim.replies.set_nth("timestamp.json", 1, busy);
    assert_eq!(victim.accepts().trusted.timestamp().body().header.version, 4);
}
