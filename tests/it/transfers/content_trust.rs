//! With content trust nothing unsigned comes in, and no tag is out there unsigned.

use std::fs;

use super::registries::images;
use crate::peers::image::{self, fetch_manifest};
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

const APP: &str = "app";

struct World {
    registry: Registry,
    notary: NotaryServer,
}

impl World {
    fn start() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        Self { registry, notary: NotaryServer::start(&NotaryOptions::default()) }
    }

    fn user(&self) -> User {
        let mut user = User::new();
        user.use_notary(&self.notary);
        user.set("DOCKER_CONTENT_TRUST", "1");
        user
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/{APP}:{tag}", self.registry.host_port())
    }

    fn served(&self, tag: &str) -> Option<String> {
        let held = fetch_manifest(&self.registry, APP, tag);
        (held.status == 200).then(|| image::digest(&held.body))
    }
}

/// Gives an image of a person another name.
fn retag(user: &User, from: &str, to: &str) {
    user.trust(&["tag", from, to]).success();
}

#[test]
fn only_what_is_signed_is_pulled() {
    let world = World::start();
    let signed = image::push_image(&world.registry, APP, "1", b"honest");
    let user = world.user();
    let refused = user.trust(&["pull", &world.name("1")]).expect_code(3);
    assert!(refused.stderr.contains("does not have trust data"), "{refused:?}");
    assert!(refused.stderr.contains("--disable-content-trust"), "{refused:?}");
    user.trust(&["sign", &world.name("1")]).success();
    let unsigned = image::push_image(&world.registry, APP, "2", b"unsigned");
    let refused = user.trust(&["pull", &world.name("2")]).expect_code(3);
    assert!(refused.stderr.contains("no valid trust data for 2"), "{refused:?}");
    assert!(!user.home().join(".local/share/trust/images/index.json").exists());
    // The tag is moved behind the owner's back: what was signed is what comes.
    image::push_image(&world.registry, APP, "1", b"swapped");
    let pulled = user.trust(&["pull", &world.name("1")]).success();
    assert!(pulled.stderr.contains(&format!("Digest: {}", signed.digest)), "{pulled:?}");
    assert!(pulled.stderr.contains("Signed by targets"), "{pulled:?}");
    assert_eq!(images(&user), [(world.name("1"), signed.digest.clone())]);
    // By digest only what a tag names.
    let repository = format!("{}/{APP}", world.registry.host_port());
    user.trust(&["pull", &format!("{repository}@{}", signed.digest)]).success();
    let refused = format!("{repository}@{}", unsigned.digest);
    user.trust(&["pull", &refused]).expect_code(3);
    // All tags are those that are signed.
    let fresh = world.user();
    let pulled = fresh.trust(&["pull", "--all-tags", &repository]).success();
    assert_eq!(pulled.stdout, format!("{}\n", world.name("1")));
    // The way out says that it is one.
    let taken = user.trust(&["pull", "--disable-content-trust", &world.name("2")]).success();
    assert!(taken.stderr.contains("content trust is switched off"), "{taken:?}");
    user.trust(&["pull", "--disable-content-trust=false", &world.name("3")]).expect_code(3);
    let mut off = world.user();
    off.set("DOCKER_CONTENT_TRUST", "0");
    off.trust(&["pull", &world.name("2")]).success();
    off.trust(&["pull", "--trust", &world.name("2")]).expect_code(3);
    off.trust(&["pull", "--signer", "alice", &world.name("1")]).expect_code(4);
}

#[test]
fn docker_pulls_what_was_pushed_signed() {
    let world = World::start();
    let daemon = Dockerd::start();
    image::push_image(&world.registry, "upstream", "1", b"content");
    let upstream = format!("{}/upstream:1", world.registry.host_port());
    let mut owner = world.user();
    owner.use_docker(&daemon);
    owner.trust(&["pull", "--disable-content-trust", &upstream]).success();
    retag(&owner, &upstream, &world.name("1"));
    let pushed = owner.trust(&["push", "--signer", "alice", &world.name("1")]).success();
    let lines: Vec<&str> = pushed.stdout.lines().collect();
    assert!(lines[0].starts_with("1: digest: sha256:"), "{pushed:?}");
    assert_eq!(lines[1], format!("Successfully signed {}", world.name("1")));
    let digest = world.served("1").unwrap();
    let pulled = owner.docker(&["pull", &world.name("1")]).success();
    assert!(pulled.stdout.contains(&digest), "{pulled:?}");
    let json = owner.docker(&["trust", "inspect", &world.name("1")]).success();
    assert!(json.stdout.contains("alice"), "{json:?}");
    // And what docker pushes signed is pulled here.
    let archive = image::tar("content", b"from docker");
    owner.docker_with_input(&["import", "-", &world.name("2")], &archive).success();
    owner.docker(&["push", &world.name("2")]).success();
    let pulled = owner.trust(&["pull", &world.name("2")]).success();
    assert!(pulled.stderr.contains(&world.served("2").unwrap()), "{pulled:?}");
    assert!(pulled.stderr.contains("Signed by targets/alice, targets/releases"), "{pulled:?}");
}

#[test]
fn no_tag_is_there_without_its_signature() {
    let mut world = World::start();
    image::push_image(&world.registry, "upstream", "1", b"first");
    image::push_image(&world.registry, "upstream", "2", b"second");
    let upstream = |tag: &str| format!("{}/upstream:{tag}", world.registry.host_port());
    let (first, second) = (upstream("1"), upstream("2"));
    let owner = world.user();
    for image in [&first, &second] {
        owner.trust(&["pull", "--disable-content-trust", image]).success();
    }
    let name = world.name("1");
    retag(&owner, &first, &name);
    owner.trust(&["push", &name]).success();
    let signed = world.served("1").unwrap();
    retag(&owner, &second, &name);
    world.notary.stop();
    let failed = owner.trust(&["push", &name]).expect_code(10);
    assert!(failed.stderr.contains("was not signed: its tag was not moved"), "{failed:?}");
    assert_eq!(world.served("1"), Some(signed));
    let new = world.name("new");
    retag(&owner, &second, &new);
    owner.trust(&["push", &new]).expect_code(10);
    assert_eq!(world.served("new"), None);
    // Without the key nothing is signed, and no tag moved, either.
    let keys = owner.trust_folder().join("private");
    fs::remove_dir_all(keys).unwrap();
    world.notary = NotaryServer::start(&NotaryOptions::default());
    owner.trust(&["push", "--disable-content-trust", &new]).success();
    assert!(world.served("new").is_some());
}

#[test]
fn a_tag_that_others_must_sign_too_waits() {
    let world = World::start();
    let pushed = image::push_image(&world.registry, "upstream", "1", b"content");
    let upstream = format!("{}/upstream:1", world.registry.host_port());
    let (owner, other) = (world.user(), world.user());
    for person in [&owner, &other] {
        person.trust(&["pull", "--disable-content-trust", &upstream]).success();
        retag(person, &upstream, &world.name("1"));
    }
    let repository = format!("{}/{APP}", world.registry.host_port());
    for (person, name) in [(&owner, "alice"), (&other, "bob")] {
        person.trust(&["key", "generate", name]).success();
    }
    fs::copy(other.home().join("bob.pub"), owner.home().join("bob.pub")).unwrap();
    owner.trust(&["signer", "add", "--key", "alice.pub", "alice", &repository]).success();
    let two = ["signer", "add", "--key", "bob.pub", "--releases-threshold", "2", "bob"];
    owner.trust(&[&two[..], &["--force", &repository]].concat()).success();
    let waits = owner.trust(&["push", &world.name("1")]).expect_code(4);
    assert!(waits.stderr.contains("needs more signatures: its tag was not moved"), "{waits:?}");
    assert_eq!(world.served("1"), None);
    other.trust(&["push", &world.name("1")]).success();
    assert_eq!(world.served("1"), Some(pushed.digest.clone()));
    let reader = world.user();
    reader.trust(&["pull", &world.name("1")]).success();
    assert_eq!(images(&reader), [(world.name("1"), pushed.digest)]);
}

#[test]
fn sign_local_sends_and_signs() {
    let world = World::start();
    image::push_image(&world.registry, "upstream", "1", b"content");
    let upstream = format!("{}/upstream:1", world.registry.host_port());
    let owner = world.user();
    owner.trust(&["pull", "--disable-content-trust", &upstream]).success();
    retag(&owner, &upstream, &world.name("1"));
    let signed = owner.trust(&["sign", "--local", &world.name("1")]).success();
    assert!(signed.stdout.contains("Successfully signed"), "{signed:?}");
    owner.trust(&["verify", &world.name("1")]).success();
    let missing = owner.trust(&["sign", "--local", &world.name("nope")]).expect_code(8);
    assert!(missing.stderr.contains("does not exist locally"), "{missing:?}");
    owner.trust(&["sign", "--layout", "x", &world.name("1")]).expect_code(2);
}

#[test]
fn signatures_are_carried_to_another_registry() {
    let world = World::start();
    let there = Registry::start(&RegistryOptions::default());
    let pushed = image::push_image(&world.registry, APP, "1", b"content");
    let owner = world.user();
    let to = format!("{}/mirror:1", there.host_port());
    let refused = owner.trust(&["copy", &world.name("1"), &to]).expect_code(3);
    assert!(refused.stderr.contains("does not have trust data"), "{refused:?}");
    assert_eq!(fetch_manifest(&there, "mirror", "1").status, 404);
    owner.trust(&["sign", "--signer", "alice", &world.name("1")]).success();
    // Somebody moves the tag: what was signed is what is copied.
    image::push_image(&world.registry, APP, "1", b"swapped");
    let carrier = world.user();
    let copied = carrier.trust(&["copy", "--signer", "carrier", &world.name("1"), &to]).success();
    assert!(copied.stdout.starts_with(&format!("{to}@{}\n", pushed.digest)), "{copied:?}");
    assert!(copied.stderr.contains("the signature of targets/alice was not carried"), "{copied:?}");
    let reader = world.user();
    reader.trust(&["verify", "--signer", "carrier", &to]).success();
    let same = owner.trust(&["copy", &world.name("1"), &format!("{to}-2")]);
    assert_eq!(same.code, 11, "the owner has no key there: {same:?}");
    let mine = format!("{}/mine:1", there.host_port());
    let copied = owner.trust(&["copy", "--signer", "alice", &world.name("1"), &mine]).success();
    assert!(!copied.stderr.contains("was not carried"), "{copied:?}");
}
