//! From a `notary-server` to `trust serve` under the same name: caches of docker and notary that
//! were made before the move read on, before and after their owner adopts the collection.

use std::fs;

use super::world::{Old, take_away};
use crate::peers::{Dockerd, Registry, RegistryOptions, User, image};

/// A collection that only notary knows.
const COLLECTION: &str = "example.com/collection";

fn import(user: &User, name: &str, content: &str) {
    user.docker_with_input(&["import", "-", name], &image::tar("content", content.as_bytes()))
        .success();
}

fn push(user: &User, name: &str) -> crate::peers::process::Finished {
    user.docker(&["push", "--disable-content-trust=false", name])
}

fn pulls(user: &User, name: &str) {
    let pulled = user.docker(&["pull", "--disable-content-trust=false", name]).success();
    assert!(pulled.stdout.contains("@sha256:"), "{pulled:?}");
}

fn lists(user: &User, gun: &str, name: &str) {
    let listed = user.notary(&["list", gun]).success();
    assert!(listed.stdout.contains(name), "{listed:?}");
}

fn adds(user: &User, gun: &str, name: &str) {
    let hash = "54811cbc6c86311729b0a33e26c89087881b36b9ca3217d15cb5196e35f9a7e3";
    user.notary(&["addhash", gun, name, "11", "--sha256", hash, "-p"]).success();
}

#[test]
fn old_caches_read_on_without_noticing() {
    let registry = Registry::start(&RegistryOptions::default());
    let old = Old::start();
    let daemon = Dockerd::start();
    let (mut owner, mut reader) = (old.user(), old.user());
    for user in [&mut owner, &mut reader] {
        user.use_docker(&daemon);
    }
    let app = format!("{}/app", registry.host_port());
    let name = |tag: &str| format!("{app}:{tag}");

    // Before: docker signs as the repository and as a signer, notary has a snapshot of its own.
    import(&owner, &name("1"), "one");
    push(&owner, &name("1")).success();
    owner.docker(&["trust", "key", "generate", "alice"]).success();
    owner.docker(&["trust", "signer", "add", "--key", "alice.pub", "alice", &app]).success();
    import(&owner, &name("2"), "two");
    push(&owner, &name("2")).success();
    let (collector, visitor) = (old.user(), old.user());
    collector.notary(&["init", COLLECTION, "-p"]).success();
    adds(&collector, COLLECTION, "first");
    pulls(&reader, &name("2"));
    lists(&reader, &app, "2");
    lists(&visitor, COLLECTION, "first");
    old.rescue(&app);
    old.rescue(COLLECTION);
    let timestamp = |world: &super::world::New| world.version(&app, "timestamp");

    // The same name, another server: nobody notices.
    let new = old.replaced();
    let before = timestamp(&new);
    assert!(new.log().contains(&format!("{app}: ")), "{}", new.log());
    assert!(new.log().contains("an archive, until its owner adopts it"), "{}", new.log());
    pulls(&reader, &name("1"));
    pulls(&reader, &name("2"));
    lists(&reader, &app, "2");
    lists(&visitor, COLLECTION, "first");
    reader.trust(&["verify", &name("2")]).success();
    let stranger = reader_of(&reader);
    stranger.trust(&["verify", &name("2")]).success();

    // It is an archive: nobody can change it, and everybody is told what to do.
    import(&owner, &name("3"), "three");
    let refused = push(&owner, &name("3"));
    assert_ne!(refused.code, 0, "{refused:?}");
    let refused = owner.trust(&["sign", &name("3")]).expect_code(12);
    assert!(refused.stderr.contains("trust repo adopt"), "{refused:?}");
    assert_eq!(timestamp(&new), before);

    let looked = owner.trust(&["repo", "doctor", &app]);
    assert!(looked.stdout.contains("trust repo adopt"), "{looked:?}");

    // What it takes is said before it is done; without the root key nothing is.
    let dry = owner.trust(&["repo", "adopt", "--dry-run", &app]).success();
    assert!(dry.stdout.contains("root is signed by 1 of: private/"), "{dry:?}");
    assert!(dry.stdout.contains("(here)"), "{dry:?}");
    assert!(dry.stderr.contains("Readers follow from root 1 to 2"), "{dry:?}");
    let root = take_away(&owner, "root");
    let lacking = owner.trust(&["repo", "adopt", &app]).expect_code(11);
    assert!(lacking.stderr.contains("(not here)"), "{lacking:?}");
    assert_eq!(timestamp(&new), before);
    for (path, bytes) in root {
        fs::write(path, bytes).unwrap();
    }

    let adopted = owner.trust(&["repo", "adopt", &app]).success();
    assert!(adopted.stdout.contains("adopted with root 2"), "{adopted:?}");
    assert_eq!((new.version(&app, "root"), timestamp(&new)), (2, before + 1001));
    let again = owner.trust(&["repo", "adopt", "--json", &app]).success();
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&again[0]["done"], &again[0]["root"]), (&true.into(), &2.into()));
    let adopted = collector.trust(&["repo", "adopt", COLLECTION]).success();
    assert!(adopted.stderr.contains("snapshot: you sign it, as before"), "{adopted:?}");

    // The owners go on, and so do all readers, whatever is in their caches.
    push(&owner, &name("3")).success();
    adds(&collector, COLLECTION, "second");
    pulls(&reader, &name("3"));
    pulls(&reader, &name("1"));
    lists(&reader, &app, "3");
    lists(&visitor, COLLECTION, "second");
    reader.trust(&["verify", &name("3")]).success();
    let looked = owner.trust(&["repo", "doctor", &app]);
    assert!(!looked.stdout.contains("trust repo adopt"), "{looked:?}");
    new.ends_sound(&owner);
}

/// Somebody with the same settings who never saw anything.
fn reader_of(user: &User) -> User {
    let twin = user.twin();
    fs::remove_dir_all(twin.trust_folder()).unwrap();
    twin
}
