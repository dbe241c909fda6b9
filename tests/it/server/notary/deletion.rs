//! A collection that is deleted, and made again.

use super::{GUN, World, post};
use crate::harness::Repository;

fn delete(world: &World, gun: &str) -> u16 {
    let answer = world.server.ask("DELETE", &format!("/v2/{gun}/_trust/tuf/"), &[], "");
    assert_eq!(answer.text(), "");
    answer.status
}

#[test]
fn exactly_one_collection_is_deleted() {
    let mut world = World::published();
    for gun in [&format!("{GUN}/inner"), &GUN[..GUN.len() - 1], "registry.example.com", "none"] {
        assert_eq!(delete(&world, gun), 200);
        assert_eq!(world.get("root.json").status, 200, "{gun}");
    }
    assert_eq!(world.feed().len(), 1);
    world.owner = Repository::new(&format!("{GUN}/inner"));
    assert_eq!(delete(&world, GUN), 200);
    for name in ["root.json", "1.root.json", "targets.json", "snapshot.json", "timestamp.json"] {
        assert_eq!(world.get(name).status, 404, "{name}");
    }
    assert_eq!(delete(&world, GUN), 200);
    assert_eq!(world.feed().len(), 2);
}

#[test]
fn one_that_is_made_again_goes_on_above_its_versions() {
    let mut world = World::published();
    for version in 2..6 {
        world.owner.set_version("targets", version);
        world.publishes(&["targets"]);
    }
    world.owner.set_version("root", 2);
    world.publishes(&["root"]);
    let before = world.get("timestamp.json");
    let old_key = world.key("timestamp");
    assert_eq!(before.json()["signed"]["version"], 6);
    assert_eq!(delete(&world, GUN), 200);
    assert_ne!(world.key("timestamp"), old_key);

    // Somebody who knows nothing of what was there.
    let mut stranger = World { owner: Repository::new(GUN), ..world };
    for role in ["timestamp", "snapshot"] {
        let key = stranger.key(role);
        stranger.owner.leave_to(role, &[key], 1);
    }
    stranger.publishes(&["root", "targets"]);
    assert_eq!((stranger.version("root"), stranger.version("targets")), (1, 1));
    // Whoever remembers the old ones sees nothing older than they saw.
    assert_eq!((stranger.version("timestamp"), stranger.version("snapshot")), (7, 7));
    assert_eq!(stranger.get("5.targets.json").status, 404);
    assert_eq!(stranger.get("2.root.json").status, 404);
    // From here on versions count as ever.
    let answer = stranger.post(&["targets"]);
    assert_eq!(answer.code().as_deref(), Some("VERSION"));
    stranger.owner.set_version("targets", 2);
    stranger.publishes(&["targets"]);
    // A second time.
    assert_eq!(delete(&stranger, GUN), 200);
    for role in ["timestamp", "snapshot"] {
        let key = stranger.key(role);
        stranger.owner.leave_to(role, &[key], 1);
    }
    stranger.owner.set_version("targets", 1);
    stranger.publishes(&["root", "targets"]);
    assert_eq!(stranger.version("timestamp"), 9);
    assert_eq!(stranger.feed().len(), 11);
}

#[test]
fn its_owner_may_go_on_from_the_last_root() {
    let mut world = World::published();
    world.owner.set_version("root", 2);
    world.publishes(&["root"]);
    assert_eq!(delete(&world, GUN), 200);
    for role in ["timestamp", "snapshot"] {
        let key = world.key(role);
        world.owner.leave_to(role, &[key], 1);
    }
    world.owner.set_version("root", 4);
    let answer = world.post(&["root", "targets"]);
    let told = answer.json()["errors"][0]["detail"]["Error"]["Msg"].as_str().unwrap().to_owned();
    assert!(told.starts_with("Root modifications must increment the version."), "{told}");
    world.owner.set_version("root", 3);
    world.publishes(&["root", "targets"]);
    assert_eq!(world.version("root"), 3);
}

#[test]
fn what_is_no_collection_yet_cannot_be_deleted() {
    let world = World::new();
    assert_eq!(delete(&world, GUN), 200);
    assert!(world.feed().is_empty());
    assert_eq!(post(&world.server, GUN, &[]).status, 400);
}
