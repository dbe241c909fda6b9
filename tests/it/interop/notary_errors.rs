//! Collections and bad luck: nothing is published, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::notary_world::{
    GUN, Tool, changelist, colleague, file, names, person, seen_by, server, signed, staged_by,
};
use super::world::{key_file, key_files};
use crate::peers::{NotaryServer, User};

/// Somebody with a published collection, and a file to put into it.
fn owner(server: &NotaryServer) -> (User, String) {
    let owner = person(server);
    Tool::Trust.run(&owner, "init", &["-p", GUN]).success();
    let path = file(&owner, "content", "content");
    (owner, path)
}

fn metadata(user: &User, role: &str) -> PathBuf {
    user.trust_folder().join("tuf").join(GUN).join("metadata").join(format!("{role}.json"))
}

#[test]
fn a_change_that_cannot_be_made_stops_all_and_says_its_number() {
    let server = server();
    let (owner, path) = owner(&server);
    for (name, role) in [("good", "targets"), ("bad", "targets/nobody"), ("late", "targets")] {
        Tool::Trust.run(&owner, "add", &[GUN, name, &path, "-r", role]).success();
    }
    let before = signed(&server, "targets");
    let refused = Tool::Trust.run(&owner, "publish", &[GUN]).expect_code(8);
    let words = "the staged change #1 of example.com/collection (`";
    assert!(refused.stderr.contains(words), "{refused:?}");
    assert!(refused.stderr.contains("there is no role targets/nobody"), "{refused:?}");
    assert!(refused.stderr.contains("trust repo reset example.com/collection -n 1"), "{refused:?}");
    assert_eq!(signed(&server, "targets"), before);
    assert_eq!(staged_by(&owner).len(), 4);
    Tool::Trust.run(&owner, "reset", &[GUN, "-n", "1"]).success();
    Tool::Trust.publish(&owner);
    assert_eq!(names(&seen_by(&owner, &[])), ["good", "late"]);
}

#[test]
fn a_change_file_that_cannot_be_read_stops_all_and_is_shown() {
    let server = server();
    let (owner, path) = owner(&server);
    Tool::Trust.run(&owner, "add", &[GUN, "good", &path]).success();
    let broken = changelist(&owner).join("00000000000000000001_broken.change");
    for content in ["", "{", "[]", r#"{"action":"explode","role":"targets","type":"target"}"#] {
        fs::write(&broken, content).unwrap();
        let refused = Tool::Trust.run(&owner, "publish", &[GUN]);
        assert!([14, 2].contains(&refused.code), "{content}: {refused:?}");
        assert!(refused.stderr.contains("#0 of"), "{refused:?}");
        let shown = Tool::Trust.run(&owner, "status", &[GUN]).success();
        assert!(shown.stderr.contains("00000000000000000001_broken.change"), "{shown:?}");
        assert_eq!(super::notary_world::cells(&shown.stdout)[2][4], "good");
    }
    Tool::Trust.run(&owner, "reset", &[GUN, "-n", "0"]).success();
    assert!(!broken.exists());
    Tool::Trust.publish(&owner);
    assert_eq!(names(&seen_by(&owner, &[])), ["good"]);
}

#[test]
fn what_cannot_be_signed_is_not_staged() {
    let server = server();
    let (owner, path) = owner(&server);
    let short = "a".repeat(63);
    let refusals: &[(&[&str], &str)] = &[
        (&["addhash", GUN, "x", "1"], "`x` needs a hash"),
        (&["addhash", GUN, "x", "1", "--sha256", &short], "is no sha256 hash, which has 64"),
        (&["addhash", GUN, "x", "1", "--sha512", &short], "is no sha512 hash, which has 128"),
        (&["addhash", GUN, "x", "-1", "--sha256", &short], "-1"),
        (&["addhash", GUN, "x", "many", "--sha256", &short], "many"),
        (&["add", GUN, "", &path], "it is empty"),
        (&["add", GUN, "a\nb", &path], "control character"),
        (&["add", "/absolute", "x", &path], "empty segment"),
        (&["add", "../up", "x", &path], "reserved segment"),
        (&["add", GUN, "x", &path, "-r", "root"], "the role root holds no targets"),
        (&["add", GUN, "x", &path, "-r", "targets/Upper"], "only a-z"),
        (&["add", GUN, "x", &path, "-r", "nonsense"], "neither a base role nor"),
        (&["remove", GUN, "x", "-r", "snapshot"], "holds no targets"),
        (&["witness", GUN, "timestamp"], "holds no targets"),
    ];
    for (words, expected) in refusals {
        let refused = Tool::Trust.run(&owner, words[0], &words[1..]).expect_code(2);
        assert!(refused.stderr.contains(expected), "{words:?}: {refused:?}");
    }
    Tool::Trust.run(&owner, "add", &[GUN, "x", "/nowhere"]).expect_code(8);
    let home = owner.home().display().to_string();
    Tool::Trust.run(&owner, "add", &[GUN, "x", &home]).expect_code(14);
    for (content, expected) in [
        ("{", "unexpected end"),
        ("1.5", "not whole"),
        (r#"{"a":1,"a":2}"#, "duplicate member"),
        (r#""\u0000""#, "control character"),
        ("9007199254740993", "a number beyond 9007199254740991"),
    ] {
        let custom = file(&owner, "custom.json", content);
        let args = [GUN, "x", &path, "--custom", &custom];
        let refused = Tool::Trust.run(&owner, "add", &args).expect_code(2);
        assert!(refused.stderr.contains(expected), "{content}: {refused:?}");
    }
    assert_eq!(staged_by(&owner).len(), 0);
    // Both kinds of hash, in capitals.
    let (sha256, sha512) = ("AB".repeat(32), "CD".repeat(64));
    let args = [GUN, "x", "0", "--sha256", &sha256, "--sha512", &sha512, "-p"];
    owner.trust(&[&["target", "add-hash"], &args[..]].concat()).success();
    let found = Tool::Notary.run(&owner, "lookup", &[GUN, "x"]).success().stdout;
    assert_eq!(found, format!("x sha256:{} 0\n", sha256.to_lowercase()));
}

#[test]
fn a_changelist_that_cannot_be_written_takes_nothing() {
    let server = server();
    let (owner, path) = owner(&server);
    Tool::Trust.run(&owner, "add", &[GUN, "before", &path]).success();
    let folder = changelist(&owner);
    let names_before: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    // A folder in the way, for root may write to everything.
    let aside = folder.with_file_name("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "in the way").unwrap();
    let add = [GUN, "x", &path, "-r", "targets,targets/releases"];
    Tool::Trust.run(&owner, "add", &add).expect_code(14);
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    let names_after: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(names_after, names_before);
    Tool::Trust.publish(&owner);
    assert_eq!(names(&seen_by(&owner, &[])), ["before"]);
}

#[test]
fn nobody_has_the_snapshot_key() {
    let server = server();
    let (owner, path) = owner(&server);
    fs::remove_file(key_file(&owner, "snapshot")).unwrap();
    Tool::Trust.run(&owner, "add", &[GUN, "x", &path]).success();
    let refused = Tool::Trust.run(&owner, "publish", &[GUN]).expect_code(11);
    assert!(refused.stderr.contains("snapshot"), "{refused:?}");
    assert_eq!(staged_by(&owner).len(), 2);
    assert_eq!(seen_by(&owner, &[]).len(), 0);
}

/// Set up and not published: what is on this machine is all there is.
#[test]
fn damaged_files_of_an_unpublished_collection_are_not_published() {
    let server = server();
    for tool in [Tool::Notary, Tool::Trust] {
        for (role, code) in [("root", 14), ("targets", 14), ("snapshot", 14)] {
            let owner = person(&server);
            tool.run(&owner, "init", &[GUN]).success();
            let path = file(&owner, "content", "content");
            Tool::Trust.run(&owner, "add", &[GUN, "x", &path]).success();
            let place = metadata(&owner, role);
            let good = fs::read(&place).unwrap();
            let text = String::from_utf8(good.clone()).unwrap();
            // A later version was published once.
            let later = if role == "targets" { (7, "gone") } else { (code, "damaged") };
            let ninth = text.replacen("\"version\":1", "\"version\":9", 1);
            let (empty, other) = ((code, "damaged"), (code, "damaged"));
            for (bad, (code, word)) in [("", empty), ("{}", other), (&ninth, later)] {
                fs::write(&place, bad).unwrap();
                let refused = Tool::Trust.run(&owner, "publish", &[GUN]).expect_code(code);
                assert!(refused.stderr.contains(word), "{role}: {refused:?}");
                assert_eq!(server.metadata(GUN, "root").status, 404);
                assert_eq!(staged_by(&owner).len(), 2);
            }
            fs::write(&place, good).unwrap();
            Tool::Trust.publish(&owner);
            assert_eq!(names(&seen_by(&owner, &[])), ["x"]);
            Tool::Trust.run(&owner, "delete", &["--remote", GUN]).success();
        }
    }
}

/// Published: the server has better ones, but never a better root.
#[test]
fn damaged_cached_files_are_replaced_and_a_damaged_root_is_not() {
    let server = server();
    let (owner, path) = owner(&server);
    Tool::Trust.run(&owner, "add", &[GUN, "x", &path, "-p"]).success();
    seen_by(&owner, &[]);
    for role in ["targets", "snapshot", "timestamp"] {
        fs::write(metadata(&owner, role), "damaged").unwrap();
        Tool::Trust.run(&owner, "add", &[GUN, role, &path, "-p"]).success();
    }
    assert_eq!(names(&seen_by(&owner, &[])), ["snapshot", "targets", "timestamp", "x"]);
    let root = fs::read(metadata(&owner, "root")).unwrap();
    fs::write(metadata(&owner, "root"), "damaged").unwrap();
    Tool::Trust.run(&owner, "add", &[GUN, "y", &path]).success();
    let refused = Tool::Trust.run(&owner, "publish", &[GUN]).expect_code(14);
    assert!(refused.stderr.contains("the cached root of"), "{refused:?}");
    assert_eq!(fs::read(metadata(&owner, "root")).unwrap(), b"damaged");
    assert_eq!(staged_by(&owner).len(), 2);
    fs::write(metadata(&owner, "root"), root).unwrap();
    Tool::Trust.publish(&owner);
    assert_eq!(seen_by(&owner, &[]).len(), 6);
}

#[test]
fn a_collection_is_set_up_once() {
    let server = server();
    let (owner, _) = owner(&server);
    let again = Tool::Trust.run(&owner, "init", &[GUN]).expect_code(2);
    assert!(again.stderr.contains("on this machine already"), "{again:?}");
    let other = colleague(&server, &owner);
    let again = Tool::Trust.run(&other, "init", &[GUN]).expect_code(2);
    assert!(
        again.stderr.contains("has trust data for example.com/collection already"),
        "{again:?}"
    );
    assert!(!metadata(&other, "root").exists());
}

#[test]
fn a_server_that_gives_no_keys_leaves_no_trace() {
    let mut server = server();
    let owner = person(&server);
    server.stop();
    Tool::Trust.run(&owner, "init", &[GUN]).expect_code(10);
    assert_eq!(key_files(&owner), Vec::<PathBuf>::new());
    assert!(!metadata(&owner, "root").exists());
}

#[test]
fn root_keys_and_certificates_are_those_that_were_named() {
    let server = server();
    let owner = person(&server);
    let home = owner.home();
    let openssl = |args: &[&str]| {
        let mut command = std::process::Command::new("openssl");
        command.args(args).current_dir(&home);
        crate::peers::process::run(&command, b"", std::time::Duration::from_mins(1)).success();
    };
    let key = |name: &str| {
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name]);
        fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        home.join(name).display().to_string()
    };
    let config = "[req]\ndistinguished_name=dn\n[dn]\n[leaf]\nbasicConstraints=CA:FALSE\n\
                  [authority]\nbasicConstraints=CA:TRUE\n";
    file(&owner, "openssl.cnf", config);
    let certificate = |key: &str, name: &str, subject: &str, kind: &str| {
        let subject = format!("/CN={}", subject.replace('/', "\\/"));
        let days = ["-days", "30", "-sha256", "-subj", &subject];
        let kind = ["-config", "openssl.cnf", "-extensions", kind, "-key", key, "-out", name];
        openssl(&[&["req", "-new", "-x509"], &kind[..], &days[..]].concat());
        home.join(name).display().to_string()
    };
    let [first, second, other] = ["first.pem", "second.pem", "other.pem"].map(key);
    let fits = certificate(&first, "first.crt", GUN, "leaf");
    let foreign = certificate(&first, "foreign.crt", "example.com/another", "leaf");
    let unrelated = certificate(&other, "other.crt", GUN, "leaf");
    let authority = certificate(&first, "authority.crt", GUN, "authority");
    let refusals: &[(&[&str], &str)] = &[
        (&["--rootkey", &first, "--rootcert", &foreign], "is no certificate for the root of"),
        (&["--rootkey", &first, "--rootcert", &unrelated], "which is none of the root keys"),
        (&["--rootkey", &first, "--rootcert", &authority], "is no certificate for the root of"),
        (&["--rootcert", &unrelated], "which is none of the root keys"),
        (&["--rootkey", &first, "--rootcert", &first], "is no certificate for the root of"),
    ];
    for (flags, expected) in refusals {
        let args = [flags, &[GUN][..]].concat();
        let refused = Tool::Trust.run(&owner, "init", &args).expect_code(11);
        assert!(refused.stderr.contains(expected), "{flags:?}: {refused:?}");
        assert!(!metadata(&owner, "root").exists());
    }
    let missing = ["--rootkey", "/nowhere", GUN];
    Tool::Trust.run(&owner, "init", &missing).expect_code(8);

    let named = ["--rootkey", &second, "--rootkey", &first, "--rootcert", &fits, "-p", GUN];
    Tool::Trust.run(&owner, "init", &named).success();
    let root = signed(&server, "root");
    assert_eq!(root["roles"]["root"]["keyids"].as_array().unwrap().len(), 2);
    let pem = fs::read(home.join("first.crt")).unwrap();
    let held = base64(&pem);
    let keys = root["keys"].as_object().unwrap().values();
    let certified = keys.filter(|key| key["keyval"]["public"] == held.as_str()).count();
    assert_eq!(certified, 1, "{root:#}");
    let path = file(&owner, "content", "content");
    Tool::Notary.run(&owner, "add", &[GUN, "x", &path, "-p"]).success();
    assert_eq!(names(&seen_by(&person(&server), &[])), ["x"]);

    // The certificate of a key that is in the store says that this key is meant.
    Tool::Trust.run(&owner, "delete", &["--remote", GUN]).success();
    Tool::Trust.run(&owner, "init", &["--rootcert", &fits, "-p", GUN]).success();
    assert_eq!(signed(&server, "root")["roles"]["root"]["keyids"].as_array().unwrap().len(), 1);
    // A key for something else is no root key.
    Tool::Trust.run(&owner, "delete", &["--remote", GUN]).success();
    let targets = key_files(&owner);
    let targets =
        targets.iter().find(|key| fs::read_to_string(key).unwrap().contains("role: targets\n"));
    let targets = targets.unwrap().display().to_string();
    let refused = Tool::Trust.run(&owner, "init", &["--rootkey", &targets, GUN]).expect_code(11);
    assert!(refused.stderr.contains("has a key for `targets`, not a root key"), "{refused:?}");
}

#[test]
fn a_wrong_passphrase_leaves_no_collection() {
    let server = server();
    let (mut owner, path) = owner(&server);
    owner.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "not the passphrase");
    owner.set("NOTARY_ROOT_PASSPHRASE", "nor this");
    let keys = key_files(&owner);
    let refused = Tool::Trust.run(&owner, "init", &["-p", "example.com/second"]).expect_code(11);
    assert!(refused.stderr.contains("passphrase"), "{refused:?}");
    assert!(!owner.trust_folder().join("tuf/example.com/second/metadata").exists());
    assert_eq!(key_files(&owner), keys);
    // What needs no root key goes on.
    Tool::Trust.run(&owner, "add", &[GUN, "x", &path, "-p"]).success();
    owner.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "not the passphrase");
    owner.set("NOTARY_TARGETS_PASSPHRASE", "nor this");
    Tool::Trust.run(&owner, "add", &[GUN, "y", &path, "-p"]).expect_code(11);
    assert_eq!(names(&seen_by(&owner, &[])), ["x"]);
    assert_eq!(staged_by(&owner).len(), 2);
}

/// Bytes as metadata holds them.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Nothing of the data is written before all of it is verified.
#[test]
fn verified_data_is_written_or_nothing_is() {
    let server = server();
    let (owner, path) = owner(&server);
    Tool::Trust.run(&owner, "add", &[GUN, "x", &path, "-p"]).success();
    let output = owner.home().join("output");
    let output_text = output.display().to_string();
    for (data, words) in [
        ("content and more", "has 7 bytes, and this is longer"),
        ("short", "has 7 bytes, and this is shorter"),
        ("CONTENT", "this is not x"),
        ("", "this is shorter"),
    ] {
        let args = [GUN, "x", "-o", &output_text];
        let refused = Tool::Trust.run_with_input(&owner, "verify", &args, data.as_bytes());
        assert!(refused.expect_code(5).stderr.contains(words), "{data}");
        assert!(!output.exists());
        let refused = Tool::Trust.run_with_input(&owner, "verify", &[GUN, "x"], data.as_bytes());
        assert_eq!(refused.expect_code(5).stdout, "");
    }
    let args = [GUN, "x", "-i", &path, "-o", &output_text];
    assert_eq!(Tool::Trust.run(&owner, "verify", &args).success().stdout, "");
    assert_eq!(fs::read(&output).unwrap(), b"content");
    let quiet = Tool::Trust.run(&owner, "verify", &[GUN, "x", "-i", &path, "-q"]).success();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    Tool::Trust.run(&owner, "verify", &[GUN, "nobody", "-i", &path]).expect_code(3);
    let printed = Tool::Trust.run(&owner, "verify", &[GUN, "x", "-i", &path, "--offline"]);
    assert_eq!(printed.success().stdout, "content");
}
