//! `trust serve` and `trust gc`, killed at every statement, commit and change to a file, one after
//! the other: what was acknowledged is there, nothing half is visible, and the next start works.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use test_case::test_case;
use trust::codec::canonical_json::Value as Canonical;
use trust::crypto::PublicKey;

use super::stock::{IMAGE, digest};
use crate::harness::Repository;
use crate::peers::process::{Finished, run};

/// A server of its own process; gone with its value.
struct Live {
    child: Child,
    address: String,
}

/// What came back.
struct Reply {
    status: u16,
    location: String,
    body: Vec<u8>,
}

impl Live {
    /// Starts one on this folder; `None` if it was killed before it was ready.
    fn start(folder: &Path, kill_after: Option<u64>) -> Option<Self> {
        let ready = folder.with_extension("ready");
        fs::remove_file(&ready).ok();
        let log = fs::File::create(folder.with_extension("log")).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_trust"), "serve", "--http"])
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .arg("--ready-file")
            .arg(&ready)
            .env_clear()
            .env("PATH", crate::peers::process::search_path())
            .env("HOME", folder)
            .env("REGISTRY_STORAGE_DELETE_ENABLED", "true")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some(steps) = kill_after {
            command.env("TRUST_TEST_KILL_AFTER", steps.to_string());
        }
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let address = fs::read_to_string(&ready).unwrap_or_default();
            if let Some(address) = address.trim().strip_prefix("http://") {
                return Some(Self { child, address: address.to_owned() });
            }
            if let Some(status) = child.try_wait().unwrap() {
                let log = fs::read_to_string(folder.with_extension("log")).unwrap();
                assert_eq!(status.signal(), Some(9), "it did not start: {log}");
                assert!(kill_after.is_some(), "killed, and nobody asked for it");
                return None;
            }
            assert!(Instant::now() < deadline, "too slow");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a request; `None` if the server is gone.
    fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Option<Reply> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: \
             {media_type}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let location = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("location").then(|| value.to_owned())
            })
            .unwrap_or_default();
        let location = match location.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').unwrap_or(rest.len())..].to_owned(),
            None => location,
        };
        Some(Reply { status, location, body: bytes[end + 4..].to_vec() })
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "text/plain", b"").expect("nobody kills this one")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `trust COMMAND --data FOLDER ARGS`, killed after so many steps.
fn trust(command: &str, folder: &Path, args: &[&str], kill_after: Option<u64>) -> Finished {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trust"));
    program.args([command, "--data"]).arg(folder).args(args).current_dir("/").env("HOME", folder);
    if let Some(steps) = kill_after {
        program.env("TRUST_TEST_KILL_AFTER", steps.to_string());
    }
    run(&program, b"", Duration::from_mins(2))
}

/// Nothing is wrong with what is stored; leftovers are allowed.
#[track_caller]
fn is_sound(folder: &Path, at: u64) {
    let checked = trust("fsck", folder, &["--json"], None);
    assert_eq!(checked.code, 0, "killed at step {at}: {}{}", checked.stdout, checked.stderr);
    let findings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
    for finding in findings {
        // Sealed content that was not committed: it, and the upload that it was.
        let leftovers = ["orphan", "upload-short"];
        assert!(
            leftovers.iter().any(|code| finding["code"] == *code),
            "killed at step {at}: {finding}"
        );
    }
}

/// A copy of a server's folder as it is.
fn copy(folder: &Path) -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("server");
    let done = Command::new("cp").arg("-a").arg(folder).arg(&target).status().unwrap();
    assert!(done.success());
    (parent, target)
}

/// What somebody does with a server until it is gone: `false` if it was.
type Work = fn(&Live, &mut Progress) -> bool;

/// What the server said yes to.
#[derive(Default)]
struct Progress {
    blobs: Vec<&'static str>,
    /// The tag: what it certainly stood for last, and what it may stand for instead.
    tag: Option<String>,
    tag_next: Option<String>,
    /// Versions of targets.
    published: i64,
    publishing: i64,
}

/// An image of these layers, which are there.
fn manifest(layers: &[&str]) -> Vec<u8> {
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(layer.as_bytes()), "size": layer.len()})
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(b"{}"), "size": 2},
    });
    manifest.to_string().into_bytes()
}

/// Two images under one tag, one after the other; the first in pieces; then the first goes.
fn push(server: &Live, progress: &mut Progress) -> bool {
    let mut pushed = || -> Option<()> {
        for (blob, in_pieces) in [("{}", false), ("first layer", true), ("second layer", false)] {
            if in_pieces {
                let begun = server.ask("POST", "/v2/app/blobs/uploads/", "x/y", b"")?;
                assert_eq!(begun.status, 202);
                let (one, other) = blob.split_at(5);
                let sent = server.ask("PATCH", &begun.location, "x/y", one.as_bytes())?;
                assert_eq!(sent.status, 202);
                let join = if sent.location.contains('?') { '&' } else { '?' };
                let path = format!("{}{join}digest={}", sent.location, digest(blob.as_bytes()));
                let sealed = server.ask("PUT", &path, "x/y", other.as_bytes())?;
                assert_eq!(sealed.status, 201);
            } else {
                let digest = digest(blob.as_bytes());
                let path = format!("/v2/app/blobs/uploads/?digest={digest}");
                assert_eq!(server.ask("POST", &path, "x/y", blob.as_bytes())?.status, 201);
            }
            progress.blobs.push(blob);
        }
        for layer in ["first layer", "second layer"] {
            let manifest = manifest(&[layer]);
            progress.tag_next = Some(digest(&manifest));
            let put = server.ask("PUT", "/v2/app/manifests/v1", IMAGE, &manifest)?;
            assert_eq!(put.status, 201);
            progress.tag = progress.tag_next.take();
        }
        let first = digest(&manifest(&["first layer"]));
        let path = format!("/v2/app/manifests/{first}");
        let deleted = server.ask("DELETE", &path, "x/y", b"")?;
        assert!([202, 404].contains(&deleted.status), "{}", deleted.status);
        Some(())
    };
    pushed().is_some()
}

/// Trust data, three times.
fn publish(server: &Live, progress: &mut Progress) -> bool {
    let mut published = || -> Option<()> {
        let mut owner = Repository::new(GUN);
        let key = |role: &str| {
            let path = format!("/v2/{GUN}/_trust/tuf/{role}.key");
            let answer = server.ask("GET", &path, "x/y", b"")?;
            assert_eq!(answer.status, 200);
            Some(PublicKey::from_json(&Canonical::parse(&answer.body).unwrap()).unwrap())
        };
        for role in ["timestamp", "snapshot"] {
            owner.leave_to(role, &[key(role)?], 1);
        }
        for version in 1..=3 {
            owner.publish();
            let roles: &[&str] = if version == 1 { &["root", "targets"] } else { &["targets"] };
            let mut body = Vec::new();
            for role in roles {
                let head = format!(
                    "--b\r\nContent-Disposition: form-data; name=\"files\"; \
                     filename=\"{role}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                );
                body.extend([head.as_bytes(), &owner.raw(role), b"\r\n"].concat());
            }
            body.extend_from_slice(b"--b--\r\n");
            progress.publishing = version;
            let path = format!("/v2/{GUN}/_trust/tuf/");
            let sent = server.ask("POST", &path, "multipart/form-data; boundary=b", &body)?;
            assert_eq!(sent.status, 200, "{}", String::from_utf8_lossy(&sent.body));
            progress.published = version;
            owner.bump(&["targets"]);
        }
        Some(())
    };
    published().is_some()
}

/// What was acknowledged is there, and what was under way is there whole or not at all.
fn holds(server: &Live, progress: &Progress, at: u64) {
    for blob in &progress.blobs {
        let found = server.get(&format!("/v2/app/blobs/{}", digest(blob.as_bytes())));
        assert_eq!((found.status, found.body), (200, blob.as_bytes().to_vec()), "step {at}");
    }
    let found = server.get("/v2/app/manifests/v1");
    let now = (found.status == 200).then(|| digest(&found.body));
    assert!(
        now == progress.tag || (now.is_some() && now == progress.tag_next),
        "step {at}: {now:?} is neither {:?} nor {:?}",
        progress.tag,
        progress.tag_next
    );
    let targets = server.get(&format!("/v2/{GUN}/_trust/tuf/targets.json"));
    let version = match targets.status {
        200 => {
            let file: Value = serde_json::from_slice(&targets.body).unwrap();
            file["signed"]["version"].as_i64().unwrap()
        }
        _ => 0,
    };
    assert!(
        (progress.published..=progress.publishing).contains(&version),
        "step {at}: version {version}, {} was acknowledged",
        progress.published
    );
}

#[test_case(push; "a push")]
#[test_case(publish; "a publication")]
fn killed_at_every_step(work: Work) {
    // A folder that was started once: the first start is a test of its own.
    let parent = tempfile::tempdir().unwrap();
    let first = parent.path().join("server");
    drop(Live::start(&first, None).unwrap());
    let mut steps = 0;
    loop {
        let (_keep, folder) = copy(&first);
        let mut progress = Progress::default();
        let Some(server) = Live::start(&folder, Some(steps)) else {
            // Killed before it was ready.
            steps += 1;
            continue;
        };
        let done = work(&server, &mut progress);
        drop(server);
        let server = Live::start(&folder, None).unwrap();
        holds(&server, &progress, steps);
        drop(server);
        is_sound(&folder, steps);
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}

#[test]
fn a_first_start_killed_at_every_step_is_begun_again() {
    let mut steps = 0;
    loop {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("server");
        let started = Live::start(&folder, Some(steps));
        let done = started.is_some();
        drop(started);
        let server = Live::start(&folder, None).unwrap();
        assert_eq!(server.get("/v2/").status, 200, "step {steps}");
        drop(server);
        is_sound(&folder, steps);
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}

#[test]
fn garbage_collection_killed_at_every_step_loses_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let first = parent.path().join("server");
    let server = Live::start(&first, None).unwrap();
    // The first image's manifest is gone, and its layer is garbage.
    let mut progress = Progress::default();
    assert!(push(&server, &mut progress));
    let unused = format!("/v2/app/blobs/uploads/?digest={}", digest(b"never used"));
    assert_eq!(server.ask("POST", &unused, "x/y", b"never used").unwrap().status, 201);
    let begun = server.ask("POST", "/v2/app/blobs/uploads/", "x/y", b"").unwrap();
    server.ask("PATCH", &begun.location, "x/y", b"given up").unwrap();
    drop(server);
    let args = ["--offline", "--grace", "0", "--untagged", "0", "--json"];
    let mut steps = 0;
    loop {
        let (_keep, folder) = copy(&first);
        let said = trust("gc", &folder, &[&args[..], &["--dry-run"]].concat(), None).success();
        let killed = trust("gc", &folder, &args, Some(steps));
        let done = killed.code == 0;
        assert!(done || killed.code == 137, "{}{}", killed.stdout, killed.stderr);
        if done {
            let sorted = |text: &str| {
                let items: Vec<Value> = serde_json::from_str(text).unwrap();
                let mut items: Vec<String> = items.iter().map(Value::to_string).collect();
                items.sort();
                items
            };
            assert_eq!(sorted(&said.stdout), sorted(&killed.stdout), "said and done");
        }
        is_sound(&folder, steps);
        trust("gc", &folder, &args, None).success();
        is_sound(&folder, steps);
        let server = Live::start(&folder, None).unwrap();
        let image = server.get("/v2/app/manifests/v1");
        assert_eq!((image.status, digest(&image.body)), (200, progress.tag.clone().unwrap()));
        let path = |blob: &str| format!("/v2/app/blobs/{}", digest(blob.as_bytes()));
        assert_eq!(server.get(&path("second layer")).body, b"second layer");
        for gone in ["first layer", "never used"] {
            assert_eq!(server.get(&path(gone)).status, 404, "{gone}, step {steps}");
        }
        drop(server);
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

const GUN: &str = "registry.example.com/app";
