//! The keys everybody has are what they say they are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::peers::User;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("keys-example")
}

#[test]
fn every_file_warns_in_its_name_and_first_line() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if matches!(name, "README.md" | "key-ids") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        assert!(name.starts_with("EXAMPLE-"), "{name}");
        assert!(first.starts_with("EXAMPLE ") && first.contains("NEVER USE"), "{name}: {first}");
    }
}

#[test]
fn notary_knows_the_keys_by_the_listed_ids() {
    let user = User::new();
    for name in ["root", "targets", "alice"] {
        let file = folder().join(format!("EXAMPLE-{name}.key"));
        user.notary(&["key", "import", file.to_str().unwrap()]).success();
    }
    let listed = user.notary(&["key", "list"]).success().stdout;
    let ids = fs::read_to_string(folder().join("key-ids")).unwrap();
    assert_eq!(ids.lines().count(), 3);
    for id in ids.lines() {
        assert!(listed.contains(id), "{id} is not in\n{listed}");
    }
}

#[test]
fn docker_loads_the_unencrypted_key_as_the_same_one() {
    let mut user = User::new();
    let file = user.home().join("alice.key");
    fs::copy(folder().join("EXAMPLE-alice-unencrypted.key"), &file).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, owner_only).unwrap();
    user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "example alice passphrase");
    user.docker(&["trust", "key", "load", "--name", "alice", file.to_str().unwrap()]).success();
    let ids = fs::read_to_string(folder().join("key-ids")).unwrap();
    let alice = ids.lines().last().unwrap();
    assert!(user.trust_folder().join(format!("private/{alice}.key")).exists());
}
