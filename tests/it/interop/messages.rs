//! The same mistakes with `docker trust` and with `trust`: whoever knows docker's sentence, or
//! looks for it in a log, finds it in ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::{World, import, trusted_push};
use crate::peers::{Dockerd, User};

#[test]
fn our_errors_about_signatures_hold_dockers_sentences() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let repository = world.repository();
    import(&owner, &world.name("1"), "one");
    trusted_push(&owner, &world.name("1"));
    let digest = format!("{repository}@{}", world.served("1"));
    let never = world.name("never");
    let nowhere = format!("{}/nowhere", world.registry.host_port());
    let mut mistakes = Mistakes::of(&owner);
    mistakes.same(&["sign", &repository], &format!("no tag specified for {repository}"), 2);
    mistakes.same(&["sign", &digest], "cannot use a digest reference for IMAGE:TAG", 2);
    mistakes.same(&["revoke", &digest], "cannot use a digest reference for IMAGE:TAG", 2);
    let words = format!("could not remove signature for {never}");
    mistakes.same(&["revoke", &never], &words, 3);
    mistakes.same(&["revoke", &format!("{nowhere}:1")], "does not have trust data for", 3);
    let words = format!("no signatures or cannot access {nowhere}");
    mistakes.same(&["inspect", &nowhere], &words, 3);
    mistakes.same(&["inspect", "--pretty", &nowhere], &words, 3);
    mistakes.none();
}

#[test]
fn our_errors_about_signers_hold_dockers_sentences() {
    let world = World::open();
    let owner = world.user();
    let repository = world.repository();
    owner.docker(&["trust", "key", "generate", "alice"]).success();
    owner.trust(&["signer", "add", "--key", "alice.pub", "alice", &repository]).success();
    fs::write(owner.home().join("text"), "no key").unwrap();
    let mut mistakes = Mistakes::of(&owner);
    let bad = "must start with lowercase alphanumeric characters and can include \"-\" or \"_\" \
               after the first character";
    for name in ["Alice", "_x", "al.ice", "a/b"] {
        let add = ["signer", "add", "--key", "alice.pub", name, &repository];
        mistakes.same(&add, &format!("signer name \"{name}\" {bad}"), 2);
    }
    let add = ["signer", "add", "--key", "alice.pub", "releases", &repository];
    mistakes.same(&add, "releases is a reserved keyword, use a different signer name", 2);
    let add = ["signer", "add", "alice", &repository];
    mistakes.same(&add, "path to a public key must be provided using the `--key` flag", 2);
    let add = ["signer", "add", "--key", "missing.pub", "bob", &repository];
    mistakes.same(&add, "unable to read public key from file: ", 8);
    let add = ["signer", "add", "--key", "text", "bob", &repository];
    mistakes.same(&add, "could not parse public key from file: text", 11);
    let remove = ["signer", "remove", "releases", &repository];
    mistakes.same(&remove, "releases is a reserved keyword and cannot be removed", 2);
    let remove = ["signer", "remove", "nobody", &repository];
    mistakes.same(&remove, &format!("no signer nobody for repository {repository}"), 8);
    mistakes.same(&remove, &format!("error removing signer from: {repository}"), 8);
    mistakes.none();
}

#[test]
fn our_errors_about_keys_hold_dockers_sentences() {
    let user = User::new();
    user.docker(&["trust", "key", "generate", "alice"]).success();
    let open = user.home().join("open.key");
    fs::copy(super::world::key_file(&user, "alice"), &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let mut mistakes = Mistakes::of(&user);
    let words = "key name \"Alice\" must start with lowercase alphanumeric characters";
    mistakes.same(&["key", "generate", "Alice"], words, 2);
    mistakes.same(&["key", "generate", "alice"], "public key file already exists: ", 14);
    mistakes.same(&["key", "load", "missing.key"], "missing.key", 8);
    let words = "private key file open.key must not be readable or writable by others";
    mistakes.same(&["key", "load", "open.key"], words, 11);
    let words = "provided file alice.pub is not a supported private key - to add a signer's public \
                 key use ";
    mistakes.same(&["key", "load", "alice.pub"], words, 11);
    mistakes.none();
}

/// Collects what differs, to show all of it at once.
struct Mistakes<'a> {
    user: &'a User,
    differences: Vec<String>,
}

impl<'a> Mistakes<'a> {
    fn of(user: &'a User) -> Self {
        Self { user, differences: Vec::new() }
    }

    /// Makes a mistake with both: docker says the words, so do we, with our exit code.
    fn same(&mut self, args: &[&str], words: &str, code: i32) {
        let theirs = self.user.docker(&[&["trust"], args].concat());
        let ours = self.user.trust(args);
        if !theirs.stderr.contains(words) || !ours.stderr.contains(words) || ours.code != code {
            self.differences.push(format!("{words} ({code})\n{theirs:#?}\n{ours:#?}"));
        }
    }

    fn none(&self) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n\n"));
    }
}
