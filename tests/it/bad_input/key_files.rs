//! Key files that are damaged, open to all, or somebody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use test_case::test_case;

use crate::harness::Signer;
use crate::harness::tamper;
use crate::peers::{NotaryOptions, NotaryServer, User};

#[test_case(half; "half of it")]
#[test_case(tamper::emptied; "nothing of it")]
#[test_case(body_flipped; "a bit flipped")]
#[test_case(tamper::html; "a web page")]
fn a_damaged_key_in_the_store_signs_nothing(damage: fn(&mut Vec<u8>)) {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    signer.user.trust(&["sign", "--quiet", &signer.push("app", "1")]).success();
    let image = signer.push("app", "2");
    let key = key_of(&signer.user, "targets");
    let honest = fs::read(&key).unwrap();
    let mut bytes = honest.clone();
    damage(&mut bytes);
    fs::write(&key, &bytes).unwrap();
    let before = signer.key_files();
    let finished = signer.user.trust(&["--no-prompt", "sign", &image]);
    assert!(matches!(finished.code, 11 | 14), "{finished:?}");
    assert_eq!(signer.key_files(), before);
    fs::write(&key, honest).unwrap();
    signer.recovers(&image);
}

#[test_case(half; "half of it")]
#[test_case(tamper::emptied; "nothing of it")]
#[test_case(tamper::html; "a web page")]
fn a_damaged_key_file_is_not_loaded(damage: fn(&mut Vec<u8>)) {
    let user = User::new();
    let file = exported(&user);
    let mut bytes = fs::read(&file).unwrap();
    damage(&mut bytes);
    write_private(&file, &bytes);
    for command in ["load", "import"] {
        let path = file.display().to_string();
        let finished = user.trust(&["--no-prompt", "key", command, &path]);
        assert_eq!(finished.code, 11, "{finished:?}");
        assert_eq!(user.trust(&["key", "ls", "--json"]).success().stdout.trim(), "[]");
    }
}

#[test_case(0o644)]
#[test_case(0o640)]
#[test_case(0o604)]
fn a_key_file_that_others_can_read_is_not_loaded(mode: u32) {
    let user = User::new();
    let file = exported(&user);
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let finished = user.trust(&["--no-prompt", "key", "load", &file.display().to_string()]);
    let finished = finished.expect_code(11);
    let dockers_words = "must not be readable or writable by others";
    assert!(finished.stderr.contains(dockers_words), "{}", finished.stderr);
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let user = User::new();
    let finished = user.trust(&["key", "load", "/nonexistent/key.pem"]).expect_code(8);
    assert!(finished.stderr.contains("/nonexistent/key.pem"), "{}", finished.stderr);
}

#[test]
fn files_that_are_no_keys_do_not_hide_those_that_are() {
    let user = User::new();
    user.trust(&["key", "generate", "alice"]).success();
    let folder = user.trust_folder().join("private");
    fs::write(folder.join("README"), "hello").unwrap();
    write_private(&folder.join(format!("{}.key", "0".repeat(64))), b"no key");
    let listed = user.trust(&["key", "ls", "--json"]).success();
    let keys: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let roles = keys.as_array().unwrap().iter().map(|key| key["role"].as_str().unwrap());
    assert_eq!(roles.collect::<Vec<_>>(), ["alice"]);
    assert!(listed.stderr.contains(&"0".repeat(64)), "{}", listed.stderr);
}

#[test]
fn a_key_of_somebody_else_signs_nothing() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut signer = Signer::new(&notary.url());
    signer.user.trust(&["sign", "--quiet", &signer.push("app", "1")]).success();
    let image = signer.push("app", "2");
    signer.become_another();
    signer.user.trust(&["key", "generate", "mallory"]).success();
    let before = signer.key_files();
    signer.user.trust(&["--no-prompt", "sign", &image]).expect_code(11);
    assert_eq!(signer.key_files(), before);
}

#[test]
fn a_wrong_passphrase_imports_nothing() {
    let user = User::new();
    let file = exported(&user).display().to_string();
    let wrong = user.home().join("wrong");
    fs::write(&wrong, "not it\n").unwrap();
    let wrong = wrong.display().to_string();
    let mut other = User::new();
    other.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    other.unset("NOTARY_DELEGATION_PASSPHRASE");
    let words = ["--no-prompt", "--passphrase-file", &wrong, "key", "load", &file];
    let finished = other.trust(&words);
    // The block is stored as it is, under its own passphrase, or refused: never opened by another.
    assert!(matches!(finished.code, 0 | 11), "{finished:?}");
    assert!(!finished.stderr.contains("not it"), "{}", finished.stderr);
}

/// A key file as `trust key export` writes it; the key itself is gone from the store.
fn exported(user: &User) -> PathBuf {
    user.trust(&["key", "generate", "alice"]).success();
    let key = key_of(user, "alice");
    let file = user.home().join("alice.pem");
    write_private(&file, &fs::read(&key).unwrap());
    fs::remove_file(key).unwrap();
    file
}

fn key_of(user: &User, role: &str) -> PathBuf {
    let folder = user.trust_folder().join("private");
    let is_it = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains(&format!("role: {role}\n"))
    };
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).find(is_it).unwrap()
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn half(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

/// Another letter in the middle of the base64, so that it is still base64.
fn body_flipped(bytes: &mut Vec<u8>) {
    let middle = bytes.len() * 2 / 3;
    let other = if bytes[middle] == b'A' { b'B' } else { b'A' };
    bytes.splice(middle..=middle, [other]);
}
