//! The server's keys: handed out, used, rotated (notary.md §3.6).

use serde_json::Value;
use trust::codec::text::to_base64;

use super::{GUN, World};

#[test]
fn a_key_is_written_as_the_reference_writes_it() {
    let world = World::new();
    let answer = world.get("timestamp.key");
    let public = to_base64(world.key("timestamp").public());
    let expected =
        format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}","private":null}}}}"#);
    assert_eq!(answer.text(), expected);
}

#[test]
fn a_key_is_handed_out_again_until_it_is_used() {
    let mut world = World::new();
    let [timestamp, snapshot] = ["timestamp", "snapshot"].map(|role| world.key(role));
    assert_ne!(timestamp, snapshot);
    assert_eq!(world.key("timestamp"), timestamp);
    assert_eq!(world.next_key("timestamp"), timestamp);
    world.publishes(&["root", "targets"]);
    assert_eq!(world.key("timestamp"), timestamp);
    // The next one is another, and the same until it is used.
    let next = world.next_key("timestamp");
    assert_ne!(next, timestamp);
    assert_eq!(world.next_key("timestamp"), next);
    assert_eq!(world.key("timestamp"), timestamp);
    world.owner.leave_to("timestamp", std::slice::from_ref(&next), 1);
    world.owner.set_version("root", 2);
    world.publishes(&["root"]);
    assert_eq!(world.key("timestamp"), next);
    let signer = world.get("timestamp.json").json()["signatures"][0]["keyid"].clone();
    assert_eq!(signer, next.id().as_str());
    assert_ne!(world.next_key("timestamp"), timestamp);
    // Back to an earlier one, which is still the server's.
    world.owner.leave_to("timestamp", std::slice::from_ref(&timestamp), 1);
    world.owner.set_version("root", 3);
    world.publishes(&["root"]);
    assert_eq!(world.key("timestamp"), timestamp);
}

#[test]
fn a_role_may_need_two_of_the_servers_keys() {
    let mut world = World::published();
    let keys = [world.key("timestamp"), world.next_key("timestamp")];
    world.owner.leave_to("timestamp", &keys, 2);
    world.owner.set_version("root", 2);
    world.publishes(&["root"]);
    let signatures = world.get("timestamp.json").json()["signatures"].clone();
    assert_eq!(signatures.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_key_is_for_one_collection_only() {
    let world = World::new();
    let other = world.server.get("/v2/registry.example.com/other/_trust/tuf/timestamp.key");
    assert_ne!(super::key_of(&other), world.key("timestamp"));
    let mut thief = World { owner: crate::harness::Repository::new(GUN), ..world };
    thief.owner.leave_to("timestamp", &[super::key_of(&other)], 1);
    let answer = thief.post(&["root", "targets", "snapshot"]);
    let message = "no  timestamp keys exist on the server";
    assert_eq!(answer.json(), super::invalid("ErrBadRoot", message));
}

#[test]
fn keys_that_nobody_uses_are_bounded() {
    let world = World::published();
    let at = |hours: i64| {
        let now = trust::clock::Clock::now(&world.clock);
        (now + jiff::SignedDuration::from_hours(hours)).as_microsecond()
    };
    // As if ten thousand had been asked for: half of them lately.
    for (name, made) in [("old", at(-25)), ("new", at(0))] {
        world.server.sql(
            &format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
             INSERT INTO server_key (gun, role, key_id, public, state, created_at) \
             SELECT '{name}/' || i, 'timestamp', 'k', k.public, 'pending', {made} \
             FROM n, server_key k WHERE k.gun = '{GUN}' AND k.role = 'timestamp'"
            ),
            &[],
        );
    }
    let ask = |gun: &str| world.server.get(&format!("/v2/{gun}/_trust/tuf/timestamp.key"));
    // The oldest make room.
    assert_eq!(ask("a/first").status, 200);
    let left = world.server.sql("DELETE FROM server_key WHERE gun LIKE 'old/%'", &[]);
    assert_eq!(left, 0);
    // Who was there before is not forgotten.
    assert_eq!(world.key("timestamp"), world.key("timestamp"));
    world.server.sql(
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
         INSERT INTO server_key (gun, role, key_id, public, state, created_at) \
         SELECT 'more/' || i, 'timestamp', 'k', k.public, 'pending', {} \
         FROM n, server_key k WHERE k.gun = '{GUN}' AND k.role = 'timestamp'",
            at(0)
        ),
        &[],
    );
    let answer = ask("a/second");
    assert_eq!((answer.status, answer.code().as_deref()), (429, Some("TOOMANYREQUESTS")));
    assert!(answer.header("retry-after").is_some());
    // Whose collection is there gets a new key all the same, and a key that waits is still given.
    assert_ne!(world.next_key("timestamp"), world.key("timestamp"));
    assert_eq!(ask("a/first").status, 200);
}

#[test]
fn a_key_that_was_forgotten_is_not_listed_by_anybody() {
    let mut world = World::new();
    assert_eq!(world.server.sql("DELETE FROM server_key WHERE role = 'timestamp'", &[]), 1);
    let answer = world.post(&["root", "targets"]);
    assert_eq!(answer.json()["errors"][0]["detail"]["Name"], Value::from("ErrBadRoot"));
}
