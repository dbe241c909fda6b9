//! A notary stack and a registry that are taken over where they are, with the programs of before on
//! both sides of the move.

// No release build can be killed at a chosen place.
#[cfg(debug_assertions)]
mod interrupted;
mod old_stack;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use self::old_stack::{OldRegistry, OldStack, mysqldump};
use crate::peers::certificates::CertificateFiles;
use crate::peers::http::{self, Request};
use crate::peers::old_tables::{PASSPHRASE, VARIABLE};
use crate::peers::process::{self, Finished, Process};
use crate::peers::{Dockerd, User, image};

const TRUST: &str = env!("CARGO_BIN_EXE_trust");

/// A command of ours in a folder, with the signer's passphrase or without.
fn trust(folder: &Path, args: &[&str], passphrase: Option<&str>) -> Finished {
    let mut command = Command::new(TRUST);
    command.args(args).current_dir(folder).env("HOME", folder);
    if let Some(passphrase) = passphrase {
        command.env(VARIABLE, passphrase);
    }
    process::run(&command, b"", Duration::from_mins(2))
}

fn import(folder: &Path, args: &[&str], passphrase: Option<&str>) -> Finished {
    trust(folder, &[&["server", "import-notary"], args].concat(), passphrase)
}

/// What an import said of each collection: its name, the outcome, how many files, and whether it is
/// an archive.
fn outcomes(done: &Finished) -> Vec<(String, String, u64, bool)> {
    let rows: Vec<Value> = serde_json::from_str(&done.stdout).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let read = |row: &Value| {
        let stored = row["stored"].as_u64().unwrap();
        (text(row, "gun"), text(row, "outcome"), stored, row["archive"].as_bool().unwrap())
    };
    rows.iter().map(read).collect()
}

fn feed(url: &str, authority: &Path) -> Vec<Value> {
    let url = format!("{url}/v2/_trust/changefeed?records=1000");
    let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
    let answer = http::send(&request, Some(authority));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let feed: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut records = feed["records"].as_array().unwrap().clone();
    for record in &mut records {
        // A deletion has no hash: notary-server on PostgreSQL answers with as many spaces.
        record["SHA256"] = record["SHA256"].as_str().unwrap().trim().into();
    }
    records
}

fn version_of_timestamp(url: &str, authority: &Path, gun: &str) -> u64 {
    let url = format!("{url}/v2/{gun}/_trust/tuf/timestamp.json");
    let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
    let answer = http::send(&request, Some(authority));
    let file: Value = serde_json::from_slice(&answer.body).unwrap();
    file["signed"]["version"].as_u64().unwrap()
}

/// Collections of every kind that a notary server has: docker's, with a snapshot key of the server;
/// notary's own with one of the client; one whose keys were handed to the server and rotated; one
/// that was deleted; and one for which a key was handed out and nothing published.
#[expect(clippy::too_many_lines, reason = "one set of servers has one story")]
#[test]
fn a_stack_of_notary_is_taken_over_and_nobody_notices() {
    let old = OldStack::start();
    let registry = OldRegistry::start();
    let daemon = Dockerd::start();
    let mut owner = User::new();
    owner.use_trust_server(&old.url(), &old.authority.certificate_file());
    owner.use_docker(&daemon);
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let app = format!("{}/team/app", registry.host_port());
    let push = |tag: &str, content: &str| {
        let name = format!("{app}:{tag}");
        let archive = image::tar("content", content.as_bytes());
        owner.docker_with_input(&["import", "-", &name], &archive).success();
        owner.docker(&["push", "--disable-content-trust=false", &name]).success()
    };
    push("v1", "made before");
    let file = here.join("file");
    fs::write(&file, "content").unwrap();
    let file = file.display().to_string();
    let CertificateFiles { certificate, .. } = old.authority.issue(here, "signer");
    let certificate = certificate.display().to_string();
    for words in [
        &["init", "example.com/own", "-p"][..],
        &["add", "example.com/own", "one", &file, "-p"],
        &[
            "delegation",
            "add",
            "example.com/own",
            "targets/releases",
            &certificate,
            "--all-paths",
            "-p",
        ],
        &["init", "example.com/rotated", "-p"],
        &["key", "rotate", "example.com/rotated", "snapshot", "-r"],
        &["key", "rotate", "example.com/rotated", "timestamp", "-r"],
        &["add", "example.com/rotated", "one", &file, "-p"],
        &["init", "example.com/gone", "-p"],
        &["delete", "--remote", "example.com/gone"],
        // What is only staged has its timestamp key of the server already.
        &["init", "example.com/staged"],
    ] {
        owner.notary(words).success();
    }
    // A first takeover, of a server that goes on.
    let (server, signer) = (old.server_database(), old.signer_database());
    let early = import(here, &[&server, "--signer", &signer, "--data", "twice"], Some(PASSPHRASE));
    early.success();
    for words in
        [&["add", "example.com/own", "later", &file, "-p"][..], &["init", "example.com/late", "-p"]]
    {
        owner.notary(words).success();
    }
    let reader = owner.twin();
    let authority = old.authority.certificate_file();
    let feed_before = feed(&old.url(), &authority);
    let version_before = version_of_timestamp(&old.url(), &authority, "example.com/rotated");
    let (url, port) = (old.url(), old.port());
    let dumps = old.dump(here);
    let stopped = old.stop();
    let (server, signer) = (stopped.server_database(), stopped.signer_database());

    // Nothing is half taken over.
    let missing = import(here, &[&server, "--signer", &signer, "--data", "no"], None);
    assert!(missing.stderr.contains(&format!("{VARIABLE} is not set")), "{missing:?}");
    let wrong = import(here, &[&server, "--signer", &signer, "--data", "no"], Some("wrong"));
    assert!(wrong.stderr.contains("wrong passphrase"), "{wrong:?}");
    let cut = here.join("cut.sql");
    let text = fs::read(&dumps.server).unwrap();
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    let cut = import(here, &["cut.sql", "--data", "no"], None);
    assert!(cut.stderr.contains("the dump is cut off after line"), "{cut:?}");
    let mysql = import(here, &["root@tcp(db:3306)/notaryserver", "--data", "no"], None);
    assert!(mysql.stderr.contains("mysqldump"), "{mysql:?}");
    for (finished, code) in [(missing, 11), (wrong, 11), (cut, 14), (mysql, 2)] {
        finished.expect_code(code);
    }

    // A row that somebody changed stops its collection, and no other.
    let tampered = stopped.copy_of_server("tampered");
    stopped.run(
        "tampered",
        "UPDATE tuf_files SET data = data || '\\x20' WHERE gun = 'example.com/own' \
         AND role = 'targets' AND version = 2",
    );
    let refused = import(here, &[&tampered, "--signer", &signer, "--data", "t"], Some(PASSPHRASE));
    assert!(refused.stderr.contains("has another hash than its file"), "{refused:?}");
    assert!(refused.stdout.contains("example.com/rotated: "), "{refused:?}");
    assert_ne!(refused.code, 0, "{refused:?}");

    // Nor does an older state take the place of one that was altered along with its hash.
    let hidden = stopped.copy_of_server("hidden");
    stopped.run(
        "hidden",
        "UPDATE tuf_files SET data = data || '\\x20', \
         sha256 = encode(sha256(data || '\\x20'), 'hex') WHERE gun = 'example.com/own' \
         AND role = 'targets' AND version = (SELECT max(version) FROM tuf_files \
         WHERE gun = 'example.com/own' AND role = 'targets')",
    );
    let refused = import(here, &[&hidden, "--signer", &signer, "--data", "h"], Some(PASSPHRASE));
    assert!(
        refused.stderr.contains("timestamp version 4 of example.com/own was served there"),
        "{refused:?}"
    );
    assert!(refused.stdout.contains("example.com/rotated: "), "{refused:?}");
    assert!(!refused.stdout.contains("example.com/own: "), "{refused:?}");
    refused.expect_code(7);

    // All ways lead to the same.
    let mut told = Vec::new();
    let mysql = mysqldump(here, &stopped);
    let config = here.join("server-config.json");
    let text = format!(r#"{{"storage":{{"backend":"postgres","db_url":"{server}"}}}}"#);
    fs::write(&config, text).unwrap();
    for (place, source, signer) in [
        ("live", "server-config.json", signer.as_str()),
        ("copies", dumps.server.as_str(), dumps.signer.as_str()),
        ("mysql", mysql.as_str(), mysql.as_str()),
    ] {
        let words = [source, "--signer", signer, "--data", place, "--json"];
        let done = import(here, &words, Some(PASSPHRASE)).success();
        told.push(outcomes(&done));
        let again = import(here, &words, Some(PASSPHRASE)).success();
        let is_old =
            |row: &(String, String, u64, bool)| row.1 == "unchanged" || row.1 == "remembered";
        assert!(outcomes(&again).iter().all(is_old), "{again:?}");
        trust(here, &["fsck", "--data", place], None).success();
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    assert!(told[0].iter().all(|row| !row.3), "{told:?}");
    let of = |gun: &str| told[0].iter().find(|row| row.0 == gun).unwrap().1.clone();
    assert_eq!(of("example.com/gone"), "remembered");
    assert_eq!(of("example.com/staged"), "remembered");
    assert_eq!(of(&app), "new");
    // What came later comes in with the second takeover.
    let words = [&server, "--signer", &signer, "--data", "twice", "--json"];
    let second = outcomes(&import(here, &words, Some(PASSPHRASE)).success());
    let of = |gun: &str| second.iter().find(|row| row.0 == gun).unwrap();
    assert_eq!(of("example.com/late").1, "new");
    assert_eq!((of("example.com/own").1.as_str(), of("example.com/own").3), ("continued", false));
    assert!(second.iter().all(|row| !row.3 && row.1 != "refused"), "{second:?}");
    trust(here, &["fsck", "--data", "twice"], None).success();
    // A signer whose table was never migrated: a root says whose its keys are.
    let first = stopped.copy_of_signer("first");
    let columns = "DROP COLUMN gun, DROP COLUMN role, DROP COLUMN last_used";
    stopped.run("first", &format!("ALTER TABLE private_keys {columns}"));
    let words = [&server, "--signer", &first, "--data", "first", "--json"];
    let done = outcomes(&import(here, &words, Some(PASSPHRASE)).success());
    assert!(done.iter().all(|row| !row.3), "{done:?}");
    assert_eq!(done.len(), told[0].len() - 1, "{done:?}");
    // Without its keys it is an archive.
    let archive = import(here, &[&dumps.server, "--data", "a", "--json"], None).success();
    let archived = outcomes(&archive);
    assert!(archived.iter().all(|row| row.3 || row.1 == "remembered"), "{archived:?}");

    // The move: both at the addresses that clients know.
    let registry_port = registry.port();
    let registry_data = registry.stop();
    let files = stopped.authority.issue(here, "localhost");
    let (certificate, key) =
        (files.certificate.display().to_string(), files.key.display().to_string());
    let home = here.display().to_string();
    let listen = format!("localhost:{port}");
    let args = [
        "serve",
        "--listen",
        &listen,
        "--data",
        "new",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--import-notary",
        &server,
        "--import-signer",
        &signer,
    ];
    let environment = [("HOME", home.as_str()), (VARIABLE, PASSPHRASE)];
    let mut notary = Process::start(TRUST, &args, here, &environment);
    assert_eq!(notary.await_port(), port);
    let listen = format!("localhost:{registry_port}");
    let data = registry_data.path().display().to_string();
    let folder = here.join("images");
    fs::create_dir(&folder).unwrap();
    let args =
        ["serve", "--listen", &listen, "--data", "images", "--http", "--import-registry", &data];
    let mut images = Process::start(TRUST, &args, &folder, &environment[..1]);
    assert_eq!(images.await_port(), registry_port);

    // Who has read before reads on, by what was cached and by what is served.
    assert_eq!(feed(&url, &authority), feed_before);
    for gun in ["example.com/own", "example.com/rotated"] {
        let listed = reader.notary(&["list", gun]).success();
        assert!(listed.stdout.contains("one"), "{listed:?}");
    }
    let name = format!("{app}:v1");
    reader.docker(&["rmi", "-f", &name]).success();
    reader.docker(&["pull", "--disable-content-trust=false", &name]).success();
    let digest = reader.docker(&["inspect", "-f", "{{index .RepoDigests 0}}", &name]).success();
    reader.docker(&["pull", digest.stdout.trim()]).success();
    let copy = here.join("copy").display().to_string();
    let source = format!("docker://{name}");
    let target = format!("dir:{copy}");
    reader.program("skopeo", &["copy", "--src-tls-verify=false", &source, &target]).success();

    // And whoever signed before signs on, with the same keys: no root has changed.
    push("v2", "made after");
    reader.docker(&["pull", "--disable-content-trust=false", &format!("{app}:v2")]).success();
    for words in [
        &["add", "example.com/own", "two", &file, "-p"][..],
        &["add", "example.com/rotated", "two", &file, "-p"],
        &["add", "example.com/staged", "two", &file, "-p"],
        &["init", "example.com/gone", "-p"],
    ] {
        owner.notary(words).success();
    }
    for gun in ["example.com/own", "example.com/rotated", "example.com/staged"] {
        let listed = reader.notary(&["list", gun]).success();
        assert!(listed.stdout.contains("two"), "{listed:?}");
    }
    let version = version_of_timestamp(&url, &authority, "example.com/rotated");
    assert_eq!(version, version_before + 1);
    // One that came back after its deletion is above what readers may remember.
    assert_eq!(version_of_timestamp(&url, &authority, "example.com/gone"), 2);
    let after = feed(&url, &authority);
    assert_eq!(after[..feed_before.len()], feed_before);
    let id = |record: &Value| record["ID"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(after.windows(2).all(|two| id(&two[0]) < id(&two[1])), "{after:?}");
    assert_eq!(after.len(), feed_before.len() + 5, "{after:?}");
    notary.stop();
    images.stop();

    // A folder of a registry with what disks do to it: the rest is taken.
    let blobs = registry_data.path().join("docker/registry/v2/blobs/sha256");
    let damaged = old_stack::damage_a_layer(&blobs);
    let repositories = registry_data.path().join("docker/registry/v2/repositories");
    std::os::unix::fs::symlink("/etc", repositories.join("evil")).unwrap();
    for shut in [repositories.join("a/shut"), repositories.join("b/_manifests/tags")] {
        fs::create_dir_all(&shut).unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0)).unwrap();
    }
    let words = ["server", "import-registry", &data, "--data", "damaged", "--copy", "--json"];
    // Of somebody whom permissions bind.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", TRUST]);
    command.args(words).current_dir(here).env("HOME", here);
    let done = process::run(&command, b"", Duration::from_mins(2));
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains(&format!("blob sha256:{damaged} is damaged")), "{done:?}");
    assert!(done.stderr.contains("leads out of the folder"), "{done:?}");
    for shut in ["repositories/a/shut", "repositories/b/_manifests/tags"] {
        let told = format!("{shut}\ncaused by: Permission denied");
        assert!(done.stderr.contains(&told), "{done:?}");
    }
    let rows: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(rows[0]["problems"].as_array().unwrap().len(), 5, "{rows}");
    assert!(rows[0]["copied"].as_u64().unwrap() > 0, "{rows}");
    let none = trust(here, &["server", "import-registry", ".", "--data", "x"], None);
    assert!(none.expect_code(2).stderr.contains("is not the folder of a registry"));
}
