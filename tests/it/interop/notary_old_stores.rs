//! Stores in the layouts of notary 0.1 and 0.3: they are brought up to date, listed and published,
//! with a server that has their collection.
//!
//! Each store is made here, with fresh keys, and then laid out as those versions did: keys in
//! `root_keys` and `tuf_keys`, in files of OpenSSL's old form, certificates beside them, and times
//! with an offset from UTC.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::notary_world::{GUN, Tool, file, names, person, seen_by, server, signed, staged_by};
use super::world::{key_files, write_private};
use crate::peers::process;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryServer, User};

/// Somebody whose programs write times as in California in winter.
fn somebody(server: &NotaryServer) -> User {
    let mut user = person(server);
    user.set("TZ", "Etc/GMT+8");
    user
}

#[test]
fn a_store_of_notary_0_1_goes_on() {
    let server = server();
    let mut owner = somebody(&server);
    let license = file(&owner, "LICENSE", "Do what you like.\n");
    Tool::Notary.run(&owner, "init", &[GUN]).success();
    Tool::Notary.run(&owner, "add", &[GUN, "LICENSE", &license, "-p"]).success();
    Tool::Notary.list(&owner, &[]);
    Tool::Notary.run(&owner, "add", &[GUN, "LICENSE.staged", &license]).success();
    make_old(&mut owner, "0.1", "randompass");
    goes_on(&server, &owner, &["LICENSE"], &["LICENSE.staged"]);
}

#[test]
fn a_store_of_notary_0_3_goes_on() {
    let server = server();
    let mut owner = somebody(&server);
    let home = owner.home();
    let path = file(&owner, "content", "content");
    openssl(&home, &["genrsa", "-out", "rsa.pem", "2048"]);
    let subject = ["-subj", "/CN=release", "-days", "300", "-out", "rsa.crt"];
    openssl(
        &home,
        &[&["req", "-new", "-x509", "-sha256", "-key", "rsa.pem"], &subject[..]].concat(),
    );
    owner.trust(&["key", "import", "-r", "targets/releases", "rsa.pem"]).success();
    Tool::Notary.run(&owner, "init", &[GUN]).success();
    let delegation = ["delegation", "add", GUN, "targets/releases", "rsa.crt", "--all-paths"];
    owner.notary(&delegation).success();
    for (name, role) in [("current", "targets"), ("old", "targets"), ("new", "targets/releases")] {
        Tool::Notary.run(&owner, "add", &[GUN, name, &path, "-r", role]).success();
    }
    Tool::Notary.publish(&owner);
    Tool::Notary.list(&owner, &[]);
    Tool::Notary.run(&owner, "add", &[GUN, "staged", &path]).success();
    let released = [GUN, "staged release", &path, "-r", "targets/releases"];
    Tool::Notary.run(&owner, "add", &released).success();
    make_old(&mut owner, "0.3", "password");
    let staged = ["staged", "staged release"];
    goes_on(&server, &owner, &["current", "new", "old"], &staged);
    assert_eq!(names(&seen_by(&owner, &["targets/releases"])), ["new", "staged release"]);
}

/// Publishes what was staged in an old store, and looks at it from all sides.
fn goes_on(server: &NotaryServer, owner: &User, there: &[&str], staged: &[&str]) {
    for role in ["root", "targets", "snapshot"] {
        let expires = signed(server, role)["expires"].as_str().unwrap().to_owned();
        assert!(expires.ends_with("-08:00"), "{role}: {expires}");
    }
    let private = owner.trust_folder().join("private");
    assert!(private.join("root_keys").is_dir() && private.join("tuf_keys").is_dir());
    assert!(key_files(owner).is_empty());

    // Ours first: notary would move the keys, too.
    let listed = Tool::Trust.list(owner, &[]);
    assert_eq!(names(&listed), there);
    let shown = Tool::Trust.status(owner);
    assert_eq!(shown.len(), 1 + staged.len());
    Tool::Trust.publish(owner);
    for gone in ["root_keys", "tuf_keys", "trusted_certificates"] {
        assert!(!private.join(gone).exists(), "{gone}");
    }
    assert!(key_files(owner).len() >= 3);
    assert_eq!(staged_by(owner), Vec::<Vec<String>>::new());
    let all = [there, staged].concat();
    let rows = seen_by(owner, &[]);
    assert!(all.iter().all(|name| names(&rows).contains(name)), "{rows:?}");
    assert_eq!(names(&rows).len(), all.len());
    assert_eq!(seen_by(&person(server), &[]), rows);

    // Notary goes on from there.
    let path = file(owner, "later", "later");
    Tool::Notary.run(owner, "add", &[GUN, "later", &path, "-p"]).success();
    assert!(names(&seen_by(owner, &[])).contains(&"later"));
}

/// Lays the keys of a store out as an old version did, under one passphrase.
fn make_old(owner: &mut User, version: &str, passphrase: &str) {
    let private = owner.trust_folder().join("private");
    for key in key_files(owner) {
        let text = fs::read_to_string(&key).unwrap();
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_start_matches(": ").to_owned())
        };
        let role = header("role").unwrap();
        let id = key.file_stem().unwrap().to_str().unwrap();
        let folder = match (role.as_str(), header("gun")) {
            ("root", _) => private.join("root_keys"),
            (_, Some(gun)) => private.join("tuf_keys").join(gun),
            (_, None) => private.join("tuf_keys"),
        };
        fs::create_dir_all(&folder).unwrap();
        let old = in_the_old_form(&text, &role, passphrase);
        let (name, text) = if version == "0.1" {
            (format!("{id}_{role}.key"), old)
        } else {
            (format!("{id}.key"), old.replacen("\n\n", &format!("\nrole: {role}\n\n"), 1))
        };
        write_private(&folder.join(name), text.as_bytes());
        fs::remove_file(key).unwrap();
    }
    let certificates = private.join("trusted_certificates").join(GUN);
    fs::create_dir_all(&certificates).unwrap();
    fs::write(certificates.join("0123.crt"), "a certificate").unwrap();
    for role in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
        owner.set(&format!("NOTARY_{role}_PASSPHRASE"), passphrase);
    }
    for role in ["ROOT", "REPOSITORY"] {
        owner.set(&format!("DOCKER_CONTENT_TRUST_{role}_PASSPHRASE"), passphrase);
    }
}

/// The key of today's file in a file as OpenSSL 1.0 and notary before 0.6 wrote it (RFC 1423).
fn in_the_old_form(text: &str, role: &str, passphrase: &str) -> String {
    let before = if role == "root" { ROOT_PASSPHRASE } else { REPOSITORY_PASSPHRASE };
    let folder = tempfile::tempdir().unwrap();
    let bare: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.contains(": ")).collect();
    write_private(&folder.path().join("new.pem"), (bare.join("\n") + "\n").as_bytes());
    let (passin, passout) = (format!("pass:{before}"), format!("pass:{passphrase}"));
    let words = ["-in", "new.pem", "-passin", &passin, "-aes-256-cbc", "-passout", &passout];
    let words = [&words[..], &["-out", "old.pem"]].concat();
    // An RSA key is ten times as long as one of a curve.
    if text.len() > 1000 {
        openssl(folder.path(), &[&["rsa", "-traditional"], &words[..]].concat());
    } else {
        openssl(folder.path(), &[&["ec"], &words[..]].concat());
    }
    let old = fs::read_to_string(folder.path().join("old.pem")).unwrap();
    assert!(old.contains("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,"), "{old}");
    old
}

fn openssl(folder: &Path, args: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(args).current_dir(folder);
    process::run(&command, b"", Duration::from_mins(1)).success();
}
