//! `trust key backup` and `trust key restore`: every key comes back, from a whole backup only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value as Json;
use trust::crypto::Passphrase;
use trust::crypto::sealed::{open, seal};

use crate::harness::disk::files_under;
use crate::peers::image::push_image;
use crate::peers::process::Finished;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

const PASSPHRASE: &str = "the backup's own passphrase";

fn person() -> User {
    let mut user = User::new();
    user.set("TRUST_BACKUP_PASSPHRASE", PASSPHRASE);
    user
}

/// Somebody with two keys of different passphrases and one without.
fn owner() -> User {
    let owner = person();
    owner.trust(&["key", "generate", "alice"]).success();
    owner.notary(&["key", "generate"]).success();
    fs::write(owner.home().join("empty"), "").unwrap();
    let private = owner.trust_folder().join("private");
    let plain = include_str!("../data/openssl-keys.pem");
    let begin = plain.find("-----BEGIN PRIVATE KEY-----").unwrap();
    let end = "-----END PRIVATE KEY-----\n";
    let plain = &plain[begin..begin + plain[begin..].find(end).unwrap() + end.len()];
    let named = plain.replace("KEY-----\n", "KEY-----\nrole: plain\n\n");
    let named = named.replacen(end, end, 1).replace("\n\n\n", "\n");
    fs::write(owner.home().join("plain.pem"), plain).unwrap();
    let shown = owner.trust(&["key", "inspect", "--json", "plain.pem"]).success().stdout;
    let shown: Json = serde_json::from_str(&shown).unwrap();
    let id = shown[0]["id"].as_str().unwrap();
    let path = private.join(format!("{id}.key"));
    // As a key that is stored with an empty passphrase.
    let text = named.trim_end().to_owned() + "\n";
    fs::write(
        &path,
        text.replace("END PRIVATE KEY-----\nrole: plain\n\n", "END PRIVATE KEY-----\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    owner
}

fn back_up(user: &User) -> Vec<u8> {
    user.trust(&["--no-prompt", "key", "backup", "-o", "backup"]).success();
    fs::read(user.home().join("backup")).unwrap()
}

fn restore(user: &User, file: &[u8], words: &[&str]) -> Finished {
    fs::write(user.home().join("given"), file).unwrap();
    user.trust(&[&["--no-prompt", "key", "restore", "given"], words].concat())
}

fn states(user: &User, file: &[u8], words: &[&str]) -> Vec<String> {
    let rows = restore(user, file, &[words, &["--json"]].concat()).success().stdout;
    let rows: Json = serde_json::from_str(&rows).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_key_comes_back_as_it_was() {
    let owner = owner();
    let file = back_up(&owner);
    let mode = fs::metadata(owner.home().join("backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let keys = files_under(&owner.trust_folder().join("private"));
    assert_eq!(keys.len(), 3);

    let heir = person();
    assert_eq!(states(&heir, &file, &["--check"]), ["missing"; 3]);
    assert!(!heir.trust_folder().join("private").exists(), "--check writes nothing");
    assert_eq!(states(&heir, &file, &[]), ["restored"; 3]);
    assert_eq!(files_under(&heir.trust_folder().join("private")), keys);
    assert_eq!(states(&heir, &file, &[]), ["here already"; 3]);
    assert_eq!(files_under(&heir.trust_folder().join("private")), keys);

    // A key whose passphrase was changed since is not overwritten, and not lost either.
    let listed = heir.trust(&["key", "ls", "--json"]).success().stdout;
    let listed: Json = serde_json::from_str(&listed).unwrap();
    let alice = listed.as_array().unwrap().iter().find(|key| key["role"] == "alice").unwrap();
    let id = alice["id"].as_str().unwrap();
    fs::write(heir.home().join("new"), "another passphrase").unwrap();
    heir.trust(&["key", "passwd", id, "--new-passphrase-file", "new"]).success();
    let changed = files_under(&heir.trust_folder().join("private"));
    let done = restore(&heir, &file, &[]).success();
    assert!(done.stderr.contains(id) && done.stdout.contains("kept as it is here"), "{done:?}");
    assert_eq!(files_under(&heir.trust_folder().join("private")), changed);

    // Some of the keys.
    owner.trust(&["key", "backup", "-o", "one", "--key", &id[..7], "--key", id]).success();
    let one = fs::read(owner.home().join("one")).unwrap();
    assert_eq!(states(&person(), &one, &[]), ["restored"]);
}

#[test]
fn restored_keys_sign_what_docker_and_notary_began() {
    let registry = Registry::start(&RegistryOptions::default());
    let notary = NotaryServer::start(&NotaryOptions::default());
    let gun = format!("{}/app", registry.host_port());
    let mut owner = person();
    owner.use_notary(&notary);
    push_image(&registry, "app", "1", b"one");
    owner.notary(&["init", "-p", &gun]).success();
    owner.docker(&["trust", "key", "generate", "alice"]).success();
    owner.docker(&["trust", "signer", "add", "--key", "alice.pub", "alice", &gun]).success();
    owner.trust(&["sign", "--quiet", &format!("{gun}:1")]).success();
    let file = back_up(&owner);
    drop(owner);

    let mut heir = person();
    heir.use_notary(&notary);
    assert_eq!(states(&heir, &file, &[]).len(), 4);
    push_image(&registry, "app", "2", b"two");
    heir.trust(&["sign", "--quiet", &format!("{gun}:2")]).success();
    heir.notary(&["witness", "-p", &gun, "targets"]).success();
    heir.notary(&["key", "rotate", &gun, "targets"]).success();
    let rotated = ["--no-prompt", "key", "rotate", &gun, "root", "-y"];
    heir.trust(&rotated).success();
    heir.trust(&["verify", &format!("{gun}:2")]).success();
    heir.docker(&["trust", "inspect", &format!("{gun}:2")]).success();
}

#[test]
fn what_is_not_a_whole_backup_is_refused() {
    let owner = owner();
    let file = back_up(&owner);
    let before = files_under(&owner.trust_folder());
    let heir = person();
    let refused = |bytes: &[u8], said: &str| {
        let done = restore(&heir, bytes, &[]).expect_code(11);
        assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
        assert!(!heir.trust_folder().join("private").exists());
    };
    refused(b"", "not an age file");
    refused(b"-----BEGIN PRIVATE KEY-----\n", "not an age file");
    refused(&file[..file.len() - 1], "altered or cut off");
    refused(&file[..file.len() / 2], "altered or cut off");
    refused(&file[..60], "malformed");
    let mut flipped = file.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    refused(&flipped, "altered or cut off");
    flipped = file.clone();
    flipped[30] ^= 1;
    assert_eq!(restore(&heir, &flipped, &[]).code, 11);
    let head = b"age-encryption.org/v1\n-> X25519 abcd\n";
    refused(head, "not sealed under a passphrase");

    // Sealed by somebody who has the passphrase, and wrong inside.
    let passphrase = Passphrase::new(PASSPHRASE.to_owned());
    let contents = open(&file, &passphrase).unwrap();
    let text = String::from_utf8(contents.to_vec()).unwrap();
    let first = text.lines().find(|line| line.starts_with("key ")).unwrap().to_owned();
    let (list, keys) = text.split_once("\n\n").unwrap();
    let other = format!("key {}", "0".repeat(64));
    let with_hash = |keys: &str| {
        let hash = trust::crypto::Sha256Hash::of(keys.as_bytes()).to_hex();
        let list: Vec<&str> = list.lines().filter(|line| !line.starts_with("sha256 ")).collect();
        format!("{}\nsha256 {hash}\n\n{keys}", list.join("\n"))
    };
    let end = keys.find("-----END").unwrap();
    let cases = [
        ("nothing".to_owned(), "no list"),
        (text.replace("trust key backup 1", "trust key backup 2"), "version 2"),
        (text.replace("trust key backup 1", "something else"), "does not begin"),
        (text.replace("keys 3", "keys 2"), "lines that are not known"),
        (text.replace("keys 3", "keys 4"), "lacks a key"),
        (text.replace("keys 3", "keys many"), "how many"),
        (text.replacen(&format!("{first}\n"), "", 1).replace("keys 3", "keys 2"), "more or fewer"),
        (text.replacen(&first, &other, 1), "not those of its list"),
        (text.replacen(&format!("{first}\n"), &format!("{first}\n{first}\n"), 1), "twice"),
        (text.replace("made ", "born "), "when it was made"),
        (text.replace("sha256 ", "sha512 "), "no hash"),
        (format!("{text}\n"), "do not have the hash"),
        (with_hash(&keys[..end]), "cannot be read"),
        (with_hash(""), "cannot be read"),
    ];
    for (contents, said) in cases {
        assert_ne!(contents, text);
        refused(&seal(contents.as_bytes(), &passphrase).unwrap(), said);
    }
    // The plain key under another's name.
    let start = keys.find("-----BEGIN PRIVATE KEY-----").unwrap();
    let path = keys[start..].lines().find(|line| line.starts_with("path: ")).unwrap();
    let id = path.strip_prefix("path: ").unwrap();
    let renamed = with_hash(&keys.replace(id, &"1".repeat(64))).replace(id, &"1".repeat(64));
    refused(&seal(renamed.as_bytes(), &passphrase).unwrap(), "in truth");
    assert_eq!(files_under(&owner.trust_folder()), before);
}

#[test]
fn the_passphrase_is_the_backups_own() {
    let owner = owner();
    let file = back_up(&owner);
    let mut heir = User::new();
    let refused = restore(&heir, &file, &[]).expect_code(11);
    assert!(refused.stderr.contains("TRUST_BACKUP_PASSPHRASE"), "{}", refused.stderr);
    for wrong in [ROOT_PASSPHRASE, REPOSITORY_PASSPHRASE] {
        heir.set("TRUST_BACKUP_PASSPHRASE", wrong);
        let refused = restore(&heir, &file, &[]).expect_code(11);
        assert!(refused.stderr.contains("wrong passphrase"), "{}", refused.stderr);
    }
    // A file named on the command line goes before the variable, which is tried as well.
    fs::write(heir.home().join("pass"), format!("{PASSPHRASE}\n")).unwrap();
    restore(&heir, &file, &["--check", "--backup-passphrase-file", "pass"]).success();
    heir.set("TRUST_BACKUP_PASSPHRASE", PASSPHRASE);
    fs::write(heir.home().join("pass"), "wrong").unwrap();
    restore(&heir, &file, &["--check", "--backup-passphrase-file", "pass"]).success();
    for missing in ["none", ""] {
        let words = ["--check", "--backup-passphrase-file", missing];
        assert_ne!(restore(&heir, &file, &words).code, 0);
    }
    // The passphrase of the backup opens none of its keys.
    assert_eq!(restore(&heir, &file, &[]).success().stderr.contains("Restored 3 keys"), true);
    heir.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", PASSPHRASE);
    heir.set("NOTARY_ROOT_PASSPHRASE", PASSPHRASE);
    let root = heir.trust(&["key", "ls", "--json"]).success().stdout;
    let root: Json = serde_json::from_str(&root).unwrap();
    let id = root[0]["id"].as_str().unwrap();
    heir.trust(&["--no-prompt", "key", "inspect", "--unlock", id]).expect_code(11);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_no_backup() {
    let nobody = person();
    nobody.trust(&["key", "backup", "-o", "backup"]).expect_code(8);
    assert!(!nobody.home().join("backup").exists());
    let owner = owner();
    let file = back_up(&owner);
    let again = owner.trust(&["key", "backup", "-o", "backup"]).expect_code(14);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(fs::read(owner.home().join("backup")).unwrap(), file);
    owner.trust(&["key", "backup", "-o", "backup", "--force"]).success();
    assert_ne!(fs::read(owner.home().join("backup")).unwrap(), file);
    owner.trust(&["key", "backup"]).expect_code(2);
    owner.trust(&["key", "backup", "-o", "x", "--key", "0123456"]).expect_code(8);
    owner.trust(&["key", "backup", "-o", "x", "--key", "zz"]).expect_code(2);
    owner.trust(&["key", "backup", "-o", "none/x"]).expect_code(8);
    assert!(!owner.home().join("x").exists());
    owner.trust(&["key", "restore", "missing"]).expect_code(8);
    owner.trust(&["key", "restore", "."]).expect_code(14);
    // A file in the store that is no key is told of.
    let stray = owner.trust_folder().join("private").join(format!("{}.key", "a".repeat(64)));
    fs::write(&stray, "no key").unwrap();
    let done = owner.trust(&["key", "backup", "-o", "x"]).success();
    assert!(done.stderr.contains("is not in the backup"), "{}", done.stderr);
    fs::remove_file(owner.home().join("x")).unwrap();
}

/// The specification has a reader of its own making; it and `notary` read what we write.
#[test]
fn the_contents_are_what_notary_imports() {
    let owner = owner();
    let file = back_up(&owner);
    let contents = open(&file, &Passphrase::new(PASSPHRASE.to_owned())).unwrap();
    let heir = User::new();
    fs::write(heir.home().join("keys.pem"), &contents[..]).unwrap();
    heir.notary(&["key", "import", "keys.pem"]).success();
    let private = |user: &User| files_under(&user.trust_folder().join("private"));
    let names = |user: &User| private(user).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&heir), names(&owner));
    assert!(Path::new("keys.pem").is_relative());
}
