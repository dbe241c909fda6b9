//! What `trust key rotate` takes, and what it refuses.

use std::fs;
use std::process::Command;
use std::time::Duration;

use test_case::test_case;

use super::world::{World, assert_settled, private_keys, rotate};
use crate::harness::disk::files_under;
use crate::peers::process::run;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryOptions, NotaryServer, User};

fn world() -> (World, User) {
    let world = World::with(NotaryServer::start(&NotaryOptions::default()));
    let owner = world.user();
    world.sign(&owner, "first");
    (world, owner)
}

fn openssl(user: &User, args: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(args).current_dir(user.home());
    run(&command, b"", Duration::from_mins(1)).success();
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (world, owner) = world();
    let gun = world.gun();
    openssl(&owner, &["genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem"]);
    openssl(&owner, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.pem"]);
    let ec = fs::read_to_string(owner.home().join("ec.pem")).unwrap();
    fs::write(owner.home().join("two.pem"), format!("{ec}{ec}")).unwrap();
    let header = "-----BEGIN EC PRIVATE KEY-----\nrole: targets\ngun: example.com/other\n\n";
    let other = ec.replace("-----BEGIN EC PRIVATE KEY-----\n", header);
    fs::write(owner.home().join("other.pem"), other).unwrap();
    fs::write(owner.home().join("none.pem"), "nothing").unwrap();
    owner.trust(&["key", "generate", "bob"]).success();

    let before = files_under(&owner.trust_folder());
    let cases: &[(&[&str], i32, &str)] = &[
        (&["timestamp"], 2, "--server-managed"),
        (&["root", "-y", "-r"], 2, "cannot have the root key"),
        (&["targets", "-r"], 2, "cannot have the targets key"),
        (&["targets/alice"], 2, "trust delegation add"),
        (&["targets/releases", "-r"], 2, "trust delegation add"),
        (&["bogus"], 2, "cannot be rotated"),
        (&["../root"], 2, "cannot be rotated"),
        (&[""], 2, "cannot be rotated"),
        (&["targets", "--legacy", "1"], 2, "earlier roots"),
        (&["root", "-y", "--legacy", "-2"], 2, "-2"),
        (&["root", "-y", "--legacy", "many"], 2, "many"),
        (&["snapshot", "-r", "-k", "ec.pem"], 2, "cannot be used with"),
        (&["root", "--abandon", "-l", "1"], 2, "cannot be used with"),
        (&["root"], 2, "terminal"),
        (&["root", "--abandon"], 8, "under way"),
        (&["root", "-y", "-k", "ed25519.pem"], 11, "ed25519"),
        (&["root", "-y", "-k", "two.pem"], 11, "2 private keys"),
        (&["root", "-y", "-k", "ec.pem", "-k", "ec.pem"], 2, "twice"),
        (&["root", "-y", "-k", "other.pem"], 11, "role targets"),
        (&["targets", "-k", "other.pem"], 11, "example.com/other"),
        (&["targets", "-k", "none.pem"], 11, "none.pem"),
        (&["targets", "-k", "bob.pub"], 11, "bob.pub"),
        (&["targets", "-k", "missing.pem"], 8, "missing.pem"),
    ];
    for (words, code, said) in cases {
        let refused = rotate(&owner, &gun, words).expect_code(*code);
        assert!(refused.stderr.contains(said), "{words:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    rotate(&owner, "not a name", &["root", "-y"]).expect_code(2);
    rotate(&owner, &format!("{gun}/unknown"), &["targets"]).expect_code(3);
    let after = files_under(&owner.trust_folder());
    let kept = |files: &crate::harness::disk::Files| {
        let mut files = files.clone();
        files.retain(|path, _| !path.ends_with("metadata/timestamp.json"));
        files
    };
    assert_eq!(kept(&after), kept(&before));
    assert_eq!(world.version(), 1);
}

#[test]
fn without_the_root_key_nothing_is_begun() {
    let (world, owner) = world();
    let gun = world.gun();
    let [id] = private_keys(&owner, "root").into_iter().collect::<Vec<_>>().try_into().unwrap();
    let path = owner.trust_folder().join("private").join(format!("{id}.key"));
    fs::rename(&path, owner.home().join("away")).unwrap();
    let keys = files_under(&owner.trust_folder().join("private"));
    for words in [&["targets"][..], &["root", "-y"], &["snapshot", "-r"], &["timestamp", "-r"]] {
        let refused = rotate(&owner, &gun, words).expect_code(11);
        assert!(refused.stderr.contains(&id), "{}", refused.stderr);
        assert_eq!(files_under(&owner.trust_folder().join("private")), keys);
        assert_settled(&owner, &gun);
    }
    assert_eq!(world.version(), 1);
}

#[test]
fn a_wrong_passphrase_begins_nothing() {
    let (world, mut owner) = world();
    owner.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "wrong");
    owner.set("NOTARY_ROOT_PASSPHRASE", "wrong");
    let keys = files_under(&owner.trust_folder().join("private"));
    rotate(&owner, &world.gun(), &["targets"]).expect_code(11);
    assert_eq!(files_under(&owner.trust_folder().join("private")), keys);
    assert_settled(&owner, &world.gun());
}

#[test_case("rsa"; "an RSA key")]
#[test_case("ecdsa"; "an ECDSA key")]
fn keys_of_files_are_taken(kind: &str) {
    let (world, owner) = world();
    let gun = world.gun();
    if kind == "rsa" {
        openssl(&owner, &["genrsa", "-out", "new.pem", "2048"]);
    } else {
        openssl(
            &owner,
            &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "new.pem"],
        );
    }
    for words in [&["root", "-y"][..], &["targets"], &["snapshot"]] {
        rotate(&owner, &gun, &[words, &["-k", "new.pem"]].concat()).success();
        world.everybody_reads(&world.new_readers(), "first");
        world.sign(&owner, &format!("by-{kind}-{}", words[0]));
    }
    assert_eq!(world.keys("targets"), world.keys("snapshot"));
    // It has two uses now, so the first of them ending does not remove it.
    rotate(&owner, &gun, &["snapshot", "-r"]).success();
    rotate(&owner, &gun, &["targets"]).success();
    let refused = rotate(&owner, &gun, &["root", "-y", "-k", "new.pem"]).expect_code(2);
    assert!(refused.stderr.contains("are the present ones"), "{}", refused.stderr);
    world.sign(&owner, "last");
    world.everybody_reads(&world.new_readers(), "last");
}

#[test]
fn an_encrypted_key_file_keeps_its_passphrase() {
    let (world, owner) = world();
    let gun = world.gun();
    for (role, passphrase) in [("root", ROOT_PASSPHRASE), ("targets", REPOSITORY_PASSPHRASE)] {
        let pass = format!("pass:{passphrase}");
        let make = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
        openssl(&owner, &[&make[..], &["-aes256", "-pass", &pass, "-out", role]].concat());
        rotate(&owner, &gun, &[role, "-y", "-k", role]).success();
    }
    world.sign(&owner, "second");
    owner.notary(&["key", "rotate", &gun, "targets"]).success();
    world.everybody_reads(&world.new_readers(), "second");
}

/// Two root keys, either of which will do; then one of them is taken away.
#[test]
fn several_root_keys() {
    let (world, owner) = world();
    let gun = world.gun();
    for name in ["a.pem", "b.pem"] {
        openssl(&owner, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name]);
    }
    rotate(&owner, &gun, &["root", "-y", "-k", "a.pem", "-k", "b.pem"]).success();
    assert_eq!(world.keys("root").len(), 2);
    assert_eq!(world.signed("root")["roles"]["root"]["threshold"], 1);
    world.everybody_reads(&world.new_readers(), "first");
    rotate(&owner, &gun, &["root", "-y", "-k", "a.pem"]).success();
    assert_eq!(world.keys("root").len(), 1);
    owner.notary_with_input(&["key", "rotate", &gun, "root"], b"yes\n").success();
    world.sign(&owner, "second");
    world.everybody_reads(&world.new_readers(), "second");
}

#[test]
fn a_key_that_another_repository_uses_is_kept() {
    let (world, owner) = world();
    let gun = world.gun();
    let [id] = private_keys(&owner, "targets").into_iter().collect::<Vec<_>>().try_into().unwrap();
    // A delegation of another repository has the same key.
    let other = format!("{gun}-other");
    owner.notary(&["init", "-p", &other]).success();
    owner.trust(&["key", "inspect", "--unlock", "--json", &id]).success();
    let shown = owner.trust(&["key", "inspect", "--unlock", "--json", &id]).success().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let pem = shown[0]["public_key"].as_str().unwrap();
    let pem = pem.lines().filter(|line| !line.contains(':')).collect::<Vec<_>>().join("\n");
    fs::write(owner.home().join("key.pub"), pem.replace("-----\n\n", "-----\n") + "\n").unwrap();
    let add = ["delegation", "add", "-p", &other, "targets/shared", "key.pub", "--all-paths"];
    owner.notary(&add).success();
    owner.notary(&["list", &other]).success();
    let done = rotate(&owner, &gun, &["targets"]).success();
    assert!(!done.stderr.contains("removed"), "{}", done.stderr);
    assert!(private_keys(&owner, "targets").contains(&id));
    // Nobody else has the second one.
    let [second] = world.keys("targets").into_iter().collect::<Vec<_>>().try_into().unwrap();
    let done = rotate(&owner, &gun, &["targets"]).success();
    assert!(done.stderr.contains(&second), "{}", done.stderr);
    assert!(!private_keys(&owner, "targets").contains(&second));
}
