//! Servers, an owner of a repository, and what they do before somebody is killed.

use crate::harness::crash::Trial;
use crate::harness::proxy::Proxy;
use crate::harness::signer::TRUST;
use crate::peers::image::push_image;
use crate::peers::{NotaryServer, Registry, RegistryOptions, User};

/// A repository that is signed, and the servers it is on.
#[derive(Debug)]
pub(super) struct World {
    registry: Registry,
    /// Between the program and the trust server.
    pub(super) proxy: Proxy,
    /// Nobody yet.
    stranger: User,
    /// Who owns [`World::first`].
    owner: User,
}

/// A command, to be killed again and again, in a world: `number` tells the times apart.
pub(super) type Command = for<'a> fn(&'a World, usize) -> Trial<'a>;

impl World {
    /// Starts the servers and signs the first image.
    pub(super) fn new() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let proxy = Proxy::start();
        let mut stranger = User::new();
        stranger.use_notary(proxy.notary());
        stranger.set("DOCKER_CONTENT_TRUST_SERVER", &proxy.url());
        let world = Self { registry, proxy, owner: stranger.twin(), stranger };
        let first = world.push("app", "first");
        world.owner.trust(&["sign", "--quiet", "--signer", "alice", &first]).success();
        world
    }

    /// The trust server.
    pub(super) fn notary(&self) -> &NotaryServer {
        self.proxy.notary()
    }

    /// The image that is signed from the start.
    pub(super) fn first(&self) -> String {
        format!("{}:first", self.repository())
    }

    fn repository(&self) -> String {
        format!("{}/app", self.registry.host_port())
    }

    fn push(&self, repository: &str, tag: &str) -> String {
        push_image(&self.registry, repository, tag, tag.as_bytes());
        format!("{}/{repository}:{tag}", self.registry.host_port())
    }

    fn trial<'a>(&'a self, user: User, args: &[&str]) -> Trial<'a> {
        let words = [&["--no-prompt"], args].concat();
        Trial::new(user, &words).server(self.notary())
    }
}

/// Sets a repository up, with all its keys.
pub(super) fn first_sign(world: &World, number: usize) -> Trial<'_> {
    let image = world.push(&format!("new{number}"), "1");
    let args = ["sign", "--signer", "alice", &image];
    world.trial(world.stranger.twin(), &args).becomes_trusted(&image)
}

/// Signs one more tag.
pub(super) fn later_sign(world: &World, number: usize) -> Trial<'_> {
    let image = world.push("app", &number.to_string());
    let trial = world.trial(world.owner.twin(), &["sign", &image]);
    trial.trusted(&world.first()).becomes_trusted(&image)
}

/// Publishes that a tag is gone.
pub(super) fn revoke(world: &World, number: usize) -> Trial<'_> {
    let image = world.push("app", &format!("gone{number}"));
    world.owner.trust(&["sign", "--quiet", &image]).success();
    let trial = world.trial(world.owner.twin(), &["revoke", "--yes", &image]);
    trial.trusted(&world.first()).becomes_untrusted(&image).done_already(UNTRUSTED)
}

/// Makes somebody a signer.
pub(super) fn signer_add(world: &World, number: usize) -> Trial<'_> {
    let user = world.owner.twin();
    let name = format!("bob{number}");
    user.trust(&["key", "generate", &name]).success();
    let key = format!("{name}.pub");
    let args = ["signer", "add", "--key", &key, &name, &world.repository()];
    world.trial(user, &args).trusted(&world.first())
}

/// Removes a signer.
pub(super) fn signer_rm(world: &World, number: usize) -> Trial<'_> {
    let trial = signer_add(world, number);
    let name = format!("bob{number}");
    let key = format!("{name}.pub");
    let repository = world.repository();
    trial.user().trust(&["signer", "add", "--key", &key, &name, &repository]).success();
    let args = ["signer", "rm", "--force", &name, &repository];
    // 8: there is no such signer any more.
    world.trial(trial.user().twin(), &args).trusted(&world.first()).done_already(8)
}

/// Replaces the repository key.
pub(super) fn rotate_targets(world: &World, number: usize) -> Trial<'_> {
    rotate(world, number, "targets")
}

/// Replaces the root key.
pub(super) fn rotate_root(world: &World, number: usize) -> Trial<'_> {
    rotate(world, number, "root")
}

/// In a repository of its own, whose old key goes when the new one is published.
fn rotate<'a>(world: &'a World, number: usize, role: &str) -> Trial<'a> {
    let image = world.push(&format!("{role}{number}"), "1");
    let user = world.stranger.twin();
    user.trust(&["sign", "--quiet", &image]).success();
    let repository = image.rsplit_once(':').unwrap().0;
    let args = ["key", "rotate", "--yes", repository, role];
    world.trial(user, &args).trusted(&image).may_lose_keys()
}

/// There is no signature that could be revoked.
const UNTRUSTED: i32 = 3;

/// The program exists, so that what fails is not the test.
#[test]
fn the_program_is_built_to_be_killed() {
    let user = User::new();
    let mut killed = user.twin();
    killed.set("TRUST_TEST_KILL_AFTER", "0");
    killed.trust(&["key", "generate", "bob"]).expect_code(128 + 9);
    killed.trust(&["key", "ls"]).success();
    assert!(TRUST.ends_with("trust"));
}
