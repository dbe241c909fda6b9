//! Killed at every change to the disk, of commands that ask no trust server.

use std::fs;

use crate::harness::crash::{Trial, at_every_write};
use crate::peers::process::Finished;
use crate::peers::user::REPOSITORY_PASSPHRASE;
use crate::peers::{Registry, RegistryAuth, RegistryOptions, User};

const ALL: (usize, usize) = (0, 1);

#[test]
fn a_key_is_generated_or_not() {
    let changes = at_every_write(
        ALL,
        |_| Trial::new(User::new(), &["key", "generate", "bob"]).done_already(FILE_EXISTS),
        |trial| {
            // A public key nobody has the private half of would lead somebody into a dead end.
            if trial.user().home().join("bob.pub").exists() {
                let listed = trial.user().trust(&["key", "ls"]).success();
                assert!(listed.stdout.contains("bob"), "{}", listed.stdout);
            }
        },
    );
    assert!(changes >= 10, "only {changes} changes to the disk");
}

#[test]
fn a_key_is_imported_or_not() {
    let (user, _) = somebody_with_a_key();
    user.trust(&["key", "export", "-o", "exported.pem"]).success();
    fs::remove_dir_all(user.trust_folder()).unwrap();
    let args = ["key", "import", "exported.pem"];
    let changes = at_every_write(ALL, |_| Trial::new(user.twin(), &args), |_| ());
    assert!(changes >= 6, "only {changes} changes to the disk");
}

#[test]
fn a_key_is_loaded_or_not() {
    let (user, _) = somebody_with_a_key();
    user.trust(&["key", "export", "-o", "exported.pem"]).success();
    fs::remove_dir_all(user.trust_folder()).unwrap();
    let args = ["key", "load", "exported.pem"];
    let changes = at_every_write(ALL, |_| Trial::new(user.twin(), &args), |_| ());
    assert!(changes >= 6, "only {changes} changes to the disk");
}

#[test]
fn keys_are_exported_whole_or_not() {
    let (user, _) = somebody_with_a_key();
    let args = ["key", "export", "-o", "exported.pem"];
    let prepare = |_| Trial::new(user.twin(), &args).done_already(FILE_EXISTS);
    let changes = at_every_write(ALL, prepare, |trial| {
        let Ok(text) = fs::read_to_string(trial.user().home().join("exported.pem")) else { return };
        assert!(text.ends_with("-----END ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    });
    assert!(changes >= 3, "only {changes} changes to the disk");
}

#[test]
fn a_backup_is_whole_or_not_there() {
    let (mut user, _) = somebody_with_a_key();
    user.set("TRUST_BACKUP_PASSPHRASE", BACKUP_PASSPHRASE);
    let args = ["key", "backup", "-o", "keys.backup"];
    let prepare = |_| Trial::new(user.twin(), &args).done_already(FILE_EXISTS);
    let changes = at_every_write(ALL, prepare, |trial| {
        if trial.user().home().join("keys.backup").exists() {
            trial.user().trust(&["key", "restore", "--check", "keys.backup"]).success();
        }
    });
    assert!(changes >= 3, "only {changes} changes to the disk");
}

#[test]
fn keys_are_restored_or_not() {
    let (mut user, _) = somebody_with_a_key();
    user.trust(&["key", "generate", "carol"]).success();
    user.set("TRUST_BACKUP_PASSPHRASE", BACKUP_PASSPHRASE);
    user.trust(&["key", "backup", "-o", "keys.backup"]).success();
    fs::remove_dir_all(user.trust_folder()).unwrap();
    let args = ["key", "restore", "keys.backup"];
    let changes = at_every_write(ALL, |_| Trial::new(user.twin(), &args), |_| ());
    assert!(changes >= 6, "only {changes} changes to the disk");
}

#[test]
fn pins_are_the_old_or_the_new_ones() {
    let user = User::new();
    let old = "a".repeat(64);
    let new = "b".repeat(64);
    user.trust(&["repo", "pin", "example.com/old", "--key", &old]).success();
    let args = ["repo", "pin", "example.com/new", "--key", &new];
    let changes = at_every_write(
        ALL,
        |_| Trial::new(user.twin(), &args),
        |trial| {
            let listed = trial.user().trust(&["repo", "pin"]).success().stdout;
            assert!(listed.contains(&old), "{listed}");
        },
    );
    assert!(changes >= 2, "only {changes} changes to the disk");
}

#[test]
fn a_passphrase_is_the_old_or_the_new_one() {
    let (mut user, id) = somebody_with_a_key();
    user.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    user.unset("NOTARY_DELEGATION_PASSPHRASE");
    fs::write(user.home().join("old"), REPOSITORY_PASSPHRASE).unwrap();
    fs::write(user.home().join("new"), "another passphrase").unwrap();
    let args = ["key", "passwd", "--passphrase-file", "old", "--new-passphrase-file", "new", &id];
    let opens = |user: &User, file: &str| -> Finished {
        user.trust(&["--no-prompt", "key", "inspect", "--unlock", "--passphrase-file", file, &id])
    };
    // Done is: the passphrase is the new one already.
    let prepare = |_| Trial::new(user.twin(), &args).done_already(KEY);
    let changes = at_every_write(ALL, prepare, |trial| {
        let codes = ["old", "new"].map(|file| opens(trial.user(), file).code);
        assert!([[0, KEY], [KEY, 0]].contains(&codes), "{codes:?}");
    });
    assert!(changes >= 4, "only {changes} changes to the disk");
}

#[test]
fn a_key_is_removed_or_not() {
    let (user, id) = somebody_with_a_key();
    let args = ["key", "rm", "--force", &id];
    let prepare = |_| Trial::new(user.twin(), &args).may_lose_keys().done_already(NOT_FOUND);
    let changes = at_every_write(ALL, prepare, |_| ());
    assert!(changes >= 2, "only {changes} changes to the disk");
}

#[test]
fn a_login_is_kept_or_not_and_loses_no_other() {
    let auth = RegistryAuth::Htpasswd { user: "alice", password: "wonderland" };
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    let mut user = User::new();
    user.log_in("elsewhere.example.com", "bob", "builder");
    let host = registry.host_port();
    let args = ["login", "-u", "alice", "--password-stdin", &host];
    let changes = at_every_write(
        ALL,
        |_| Trial::new(user.twin(), &args).input("wonderland"),
        |trial| {
            let text = fs::read_to_string(trial.user().docker_config().join("config.json"));
            let text = text.unwrap();
            assert!(text.contains("elsewhere.example.com"), "a login is lost: {text}");
        },
    );
    assert!(changes >= 4, "only {changes} changes to the disk");
}

/// Returns the id of the key, too.
fn somebody_with_a_key() -> (User, String) {
    let user = User::new();
    user.trust(&["key", "generate", "bob"]).success();
    let listed = user.trust(&["key", "ls", "--json"]).success();
    let keys: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = keys[0]["id"].as_str().unwrap().to_owned();
    (user, id)
}

const BACKUP_PASSPHRASE: &str = "a passphrase for the backup";
const KEY: i32 = 11;
const NOT_FOUND: i32 = 8;
const FILE_EXISTS: i32 = 14;
