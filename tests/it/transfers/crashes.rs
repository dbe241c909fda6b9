//! Pulls that are killed at every change to the disk, and pulls that run beside each other.

use std::thread;

use super::registries::{images, layout};
use crate::peers::image::{self, Dialect};
use crate::peers::{Registry, RegistryOptions, User};

#[test]
fn a_pull_that_is_killed_anywhere_loses_nothing_and_can_be_repeated() {
    let registry = Registry::start(&RegistryOptions::default());
    let name = |tag: &str| format!("{}/app:{tag}", registry.host_port());
    let kept = image::push_image_as(&registry, "app", "kept", b"kept", Dialect::Oci);
    let wanted = image::push_image(&registry, "app", "wanted", b"wanted");
    let mut user = User::new();
    user.trust(&["pull", &name("kept")]).success();
    let mut killed = 0;
    for changes in 0.. {
        user.set("TRUST_TEST_KILL_AFTER", &changes.to_string());
        let run = user.trust(&["pull", &name("wanted")]);
        user.unset("TRUST_TEST_KILL_AFTER");
        // What was there is there, whole, and readable by others.
        let shown = ["inspect", "--raw", &format!("oci:{}:{}", layout(&user), name("kept"))];
        let raw = user.program("skopeo", &shown).success();
        assert_eq!(image::digest(raw.stdout.as_bytes()), kept.digest, "after {changes} changes");
        user.trust(&["image", "layers", "--verify", &name("kept")]).success();
        if images(&user).iter().any(|(image, _)| *image == name("wanted")) {
            user.trust(&["image", "layers", "--verify", &name("wanted")]).success();
        }
        if run.code == 0 {
            break;
        }
        killed += 1;
        // The next one finds its way through what is left, and so does the removal of it all.
        let again = user.trust(&["pull", &name("wanted")]).success();
        assert!(again.stderr.contains(&wanted.digest), "{again:?}");
        user.trust(&["rmi", &name("wanted")]).success();
    }
    assert!(killed > 10, "killed {killed} times only");
}

#[test]
fn pulls_at_the_same_time_do_not_lose_each_others_images() {
    let registry = Registry::start(&RegistryOptions::default());
    let tags: Vec<String> = (0..6).map(|at| at.to_string()).collect();
    for tag in &tags {
        // Two tags of each content: the same blobs are wanted twice.
        let content = [tag.as_bytes()[0] / 2];
        image::push_image(&registry, "app", tag, &content);
    }
    let user = User::new();
    let name = |tag: &str| format!("{}/app:{tag}", registry.host_port());
    user.trust(&["pull", &name("0")]).success();
    thread::scope(|scope| {
        for tag in &tags {
            let (user, name) = (&user, name(tag));
            scope.spawn(move || user.trust(&["pull", &name]).success());
        }
        let (user, first) = (&user, name("0"));
        scope.spawn(move || user.trust(&["rmi", &first]));
    });
    user.trust(&["pull", &name("0")]).success();
    let mut found: Vec<String> = images(&user).into_iter().map(|(name, _)| name).collect();
    found.sort();
    assert_eq!(found, tags.iter().map(|tag| name(tag)).collect::<Vec<_>>());
    for tag in &tags {
        user.trust(&["image", "layers", "--verify", &name(tag)]).success();
    }
}
