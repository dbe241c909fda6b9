//! Timestamps and snapshots that expire (notary.md §3.5; server.md §7.1, rows 22 to 24).

use std::sync::Arc;

use trust::server::meta::audit::AuditRow;
use trust::server::signer::{Algorithm, LocalSigner, MasterKey, Signer};
use trust::server::upkeep::renewal::{Pass, renew_due};

use super::{GUN, World};
use crate::harness::repository::expiry;

/// Long after all that is signed here.
const LATER: i64 = 24 * 366 * 9;

fn lasting() -> World {
    let mut world = World::new();
    for role in ["root", "targets"] {
        world.owner.set(role, &["expires"], expiry(LATER));
    }
    world.publishes(&["root", "targets"]);
    world
}

impl World {
    fn pass(&self) -> Pass {
        self.server.runtime.block_on(renew_due(&self.server.server)).unwrap()
    }
}

#[test]
fn an_expired_timestamp_is_renewed_on_a_read() {
    let world = lasting();
    let first = world.get("timestamp.json");
    world.clock.go(24 * 14 - 1);
    assert_eq!(world.get("timestamp.json").body, first.body);
    world.clock.go(2);
    let second = world.get("timestamp.json").json();
    assert_eq!(second["signed"]["version"], 2);
    assert_eq!(second["signed"]["meta"], first.json()["signed"]["meta"]);
    assert_eq!(world.version("snapshot"), 1);
    assert_eq!(world.version("timestamp"), 2);
    assert_eq!(world.get("1.timestamp.json").body, first.body);
    let feed = world.feed();
    assert_eq!((feed.len(), &feed[1]["Version"]), (2, &2.into()));
}

#[test]
fn an_expired_snapshot_is_renewed_with_its_timestamp() {
    let world = lasting();
    let before = world.signed("snapshot");
    world.clock.go(24 * 1096);
    let after = world.signed("snapshot");
    assert_eq!((&after["version"], &after["meta"]), (&2.into(), &before["meta"]));
    assert_eq!(world.version("timestamp"), 2);
    assert_eq!(world.feed().len(), 2);
    // By the timestamp, too.
    let world = lasting();
    world.clock.go(24 * 1096);
    assert_eq!(world.version("timestamp"), 2);
    assert_eq!(world.version("snapshot"), 2);
}

#[test]
fn the_owners_snapshot_is_served_as_it_is_when_it_has_expired() {
    let mut world = World::with_own_snapshot();
    world.publishes(&["root", "targets", "snapshot"]);
    let snapshot = world.get("snapshot.json").body;
    world.clock.go(24 * 366);
    assert_eq!(world.get("snapshot.json").body, snapshot);
    assert_eq!(world.version("timestamp"), 2);
    assert_eq!(world.pass(), Pass::default());
}

#[test]
fn timestamps_are_renewed_ahead_of_time() {
    let world = lasting();
    assert_eq!(world.pass(), Pass::default());
    world.clock.go(24 * 11);
    assert_eq!(world.pass(), Pass { renewed: 1, failed: 0 });
    assert_eq!((world.version("timestamp"), world.version("snapshot")), (2, 1));
    assert_eq!(world.pass(), Pass::default());
    world.clock.go(24 * 1000);
    assert_eq!(world.pass(), Pass { renewed: 1, failed: 0 });
    assert_eq!((world.version("timestamp"), world.version("snapshot")), (3, 2));
}

#[test]
fn a_clock_that_goes_back_signs_nothing() {
    let mut world = lasting();
    let before = world.get("timestamp.json").body;
    world.clock.go(-24 * 30);
    assert_eq!(world.get("timestamp.json").body, before);
    assert_eq!(world.pass(), Pass::default());
    world.owner.bump(&["targets"]);
    let answer = world.post(&["targets"]);
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("UNAVAILABLE")));
    assert_eq!(world.get("timestamp.json").body, before);
    world.clock.go(24 * 30);
    world.publishes(&["targets"]);
    // Forward by years, and back: what was signed meanwhile is served as it is.
    world.clock.go(24 * 365 * 3);
    assert_eq!(world.version("timestamp"), 3);
    let ahead = world.get("timestamp.json").body;
    world.clock.go(-24 * 365 * 3);
    assert_eq!(world.get("timestamp.json").body, ahead);
}

#[test]
fn a_clock_that_is_a_little_behind_does_no_harm() {
    let mut world = lasting();
    let (first, expires) =
        (world.version("timestamp"), world.signed("timestamp")["expires"].clone());
    world.clock.go_seconds(-60);
    world.owner.bump(&["targets"]);
    world.publishes(&["targets"]);
    assert_eq!(world.version("timestamp"), first + 1);
    assert!(world.signed("timestamp")["expires"].as_str() >= expires.as_str());
}

#[test]
fn a_signer_that_is_away_is_not_missed_while_nothing_expires() {
    let mut world = lasting();
    let timestamp = world.get("timestamp.json").body;
    // With another master key no key opens.
    let master = MasterKey::new(&[8; 32]).unwrap();
    world.server.change(|server| {
        server.signer = Signer::Local(LocalSigner::new(master, Algorithm::Ed25519));
    });
    assert_eq!(world.get("timestamp.json").body, timestamp);
    world.clock.go(24 * 11);
    assert_eq!(world.pass(), Pass { renewed: 0, failed: 1 });
    assert_eq!(world.get("timestamp.json").body, timestamp);
    world.owner.bump(&["targets"]);
    let answer = world.post(&["targets"]);
    assert_eq!((answer.status, answer.code().as_deref()), (500, Some("UNKNOWN")));
    assert!(!answer.text().contains("master"), "{}", answer.text());
    world.clock.go(24 * 11);
    assert_eq!(world.get("timestamp.json").status, 500);
    assert_eq!(world.get("root.json").status, 200);
}

#[test]
fn what_was_changed_in_the_database_is_not_signed_over() {
    for (role, statement) in [
        (
            "targets",
            "UPDATE trust_file SET bytes = (SELECT bytes FROM trust_file WHERE role = 'root') WHERE role = 'targets'",
        ),
        (
            "root",
            "UPDATE trust_file SET bytes = (SELECT bytes FROM trust_file WHERE role = 'targets') WHERE role = 'root'",
        ),
        (
            "snapshot",
            "UPDATE trust_file SET bytes = (SELECT bytes FROM trust_file WHERE role = 'targets') WHERE role = 'snapshot'",
        ),
        (
            "timestamp",
            "UPDATE trust_file SET bytes = (SELECT bytes FROM trust_file WHERE role = 'targets') WHERE role = 'timestamp'",
        ),
        ("the version", "UPDATE trust_file SET version = 9 WHERE role = 'timestamp'"),
        ("the hash", "UPDATE trust_file SET sha256 = 'ff' WHERE role = 'snapshot'"),
        ("the current targets", "DELETE FROM current_file WHERE role = 'snapshot'"),
    ] {
        let mut world = lasting();
        assert_eq!(world.server.sql(statement, &[]), 1, "{role}");
        world.owner.bump(&["targets"]);
        let answer = world.post(&["targets"]);
        assert_eq!((answer.status, answer.code().as_deref()), (500, Some("UNKNOWN")), "{role}");
        assert!(!answer.text().contains("stored"), "{}", answer.text());
        assert_eq!(world.feed().len(), 1);
        world.clock.go(24 * 30);
        let answer = world.get("timestamp.json");
        assert!([404, 500].contains(&answer.status), "{role}: {}", answer.text());
        assert_eq!(world.feed().len(), 1);
    }
}

#[test]
fn the_audit_tells_everything_and_hangs_together() {
    let world = lasting();
    world.clock.go(24 * 15);
    world.get("timestamp.json");
    world.server.ask("DELETE", &format!("/v2/{GUN}/_trust/tuf/"), &[], "");
    let server = Arc::clone(&world.server.server);
    let rows = world
        .server
        .runtime
        .block_on(async { server.meta.glance().await.unwrap().audit(0, 100).await.unwrap() });
    let facts = rows.iter().map(|row| (row.event.actor.as_str(), row.event.action.as_str()));
    let expected = [
        ("(anonymous)", "trust.publish"),
        ("(server)", "trust.renew"),
        ("(anonymous)", "trust.delete"),
    ];
    assert_eq!(facts.collect::<Vec<_>>(), expected);
    let mut before = String::new();
    for row in &rows {
        assert_eq!(row.event.subject, GUN);
        assert_eq!(row.hash, AuditRow::hash_after(&before, row.id, &row.event));
        before.clone_from(&row.hash);
    }
}
