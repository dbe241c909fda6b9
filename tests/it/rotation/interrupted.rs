//! Rotations that are cut off at any request: they are finished, resumed or undone.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use test_case::test_matrix;

use super::world::{assert_settled, private_keys, record, rotate};
use crate::harness::Signer;
use crate::harness::disk::files_under;
use crate::harness::proxy::{Held, Moment, Proxy};
use crate::harness::server::PATIENCE;

#[derive(Debug, Clone, Copy)]
enum Role {
    Root,
    Targets,
    SnapshotHere,
    SnapshotThere,
    Timestamp,
}

impl Role {
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Root => &["root", "-y"],
            Self::Targets => &["targets"],
            Self::SnapshotHere => &["snapshot"],
            Self::SnapshotThere => &["snapshot", "-r"],
            Self::Timestamp => &["timestamp", "-r"],
        }
    }

    fn name(self) -> &'static str {
        self.words()[0]
    }
}

/// One repository after the other is rotated, and cut off one request later than the one before.
fn at_every_request(role: Role, moment: Moment, then: impl Fn(&Signer, &str)) {
    let proxy = Proxy::start();
    let mut signer = Signer::new(&proxy.url());
    for requests in 0.. {
        let image = signer.push(&format!("app{requests}"), "1");
        let gun = image.strip_suffix(":1").unwrap().to_owned();
        signer.user.trust(&["sign", "--quiet", &image]).success();
        let held = proxy.hold(requests, moment);
        let was_cut = kill_when_held(&signer, &gun, role, &held);
        proxy.pass();
        drop(held);
        if !was_cut {
            assert!(requests >= 3, "only {requests} requests");
            return;
        }
        then(&signer, &gun);
        // Whatever became of it: signing and reading go on.
        signer.push(&format!("app{requests}"), "2");
        signer.user.trust(&["sign", "--quiet", &format!("{gun}:2")]).success();
        let read = ["verify", "--no-registry", &format!("{gun}:2")];
        signer.user.trust(&read).success();
        assert_settled(&signer.user, &gun);
        signer.become_another();
    }
}

/// Rotates, and kills that when the request is there; false when it never came.
fn kill_when_held(signer: &Signer, gun: &str, role: Role, held: &Held) -> bool {
    let args = [&["--no-prompt", "key", "rotate", gun], role.words()].concat();
    let mut command = signer.command(&args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child: Child = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match held.reached.recv_timeout(Duration::from_millis(10)) {
            Ok(()) => break,
            Err(RecvTimeoutError::Disconnected) => panic!("the proxy is gone"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        assert!(Instant::now() < deadline, "neither a request nor an end");
    }
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    true
}

fn root_version(signer: &Signer, gun: &str) -> u64 {
    signer.user.trust(&["verify", "--no-registry", &format!("{gun}:1")]).success();
    let path = signer.user.trust_folder().join("tuf").join(gun).join("metadata/root.json");
    let root: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    root["signed"]["version"].as_u64().unwrap()
}

/// There is one rotation in the end, and one new key, whenever the first attempt was killed.
#[test_matrix(
    [Role::Root, Role::Targets, Role::SnapshotHere, Role::SnapshotThere, Role::Timestamp],
    [Moment::Before, Moment::After]
)]
fn the_same_command_again(role: Role, moment: Moment) {
    at_every_request(role, moment, |signer, gun| {
        rotate(&signer.user, gun, role.words()).success();
        assert_settled(&signer.user, gun);
        assert_eq!(root_version(signer, gun), 2);
        let private = private_keys(&signer.user, role.name()).len();
        let expected = match role {
            Role::Root => 2,
            Role::Targets | Role::SnapshotHere => 1,
            Role::SnapshotThere | Role::Timestamp => 0,
        };
        assert_eq!(private, expected, "{role:?}");
    });
}

/// The server has acted and its answer is lost, at any request: the program says how to go on.
#[test_matrix([Role::Root, Role::Targets, Role::SnapshotThere, Role::Timestamp])]
fn an_answer_is_lost(role: Role) {
    let proxy = Proxy::start();
    let mut signer = Signer::new(&proxy.url());
    let mut unfinished = 0;
    for requests in 0.. {
        let image = signer.push(&format!("app{requests}"), "1");
        let gun = image.strip_suffix(":1").unwrap().to_owned();
        signer.user.trust(&["sign", "--quiet", &image]).success();
        let held = proxy.hold(requests, Moment::After);
        let release = std::thread::spawn(move || held.reached.recv_timeout(PATIENCE).is_ok());
        let done = rotate(&signer.user, &gun, role.words());
        proxy.pass();
        let was_lost = release.join().unwrap();
        if done.code != 0 {
            assert_eq!(done.code, 10, "{done:?}");
            let begun = record(&signer.user, &gun).exists();
            assert_eq!(begun, done.stderr.contains("the same command again"), "{done:?}");
            unfinished += u32::from(begun);
        }
        rotate(&signer.user, &gun, role.words()).success();
        assert_settled(&signer.user, &gun);
        // Without a failure that was another rotation.
        assert_eq!(root_version(&signer, &gun), if done.code == 0 { 3 } else { 2 });
        signer.become_another();
        if !was_lost {
            assert!(unfinished >= 1, "{role:?} of {requests} requests");
            return;
        }
    }
}

/// It is undone without a trace, or was published before.
#[test_matrix([Role::Root, Role::Targets, Role::Timestamp], [Moment::Before, Moment::After])]
fn abandoned(role: Role, moment: Moment) {
    at_every_request(role, moment, |signer, gun| {
        let was_begun = record(&signer.user, gun).exists();
        let done = rotate(&signer.user, gun, &[role.name(), "--abandon"]);
        assert_eq!(done.code, if was_begun { 0 } else { 8 }, "{done:?}");
        assert_settled(&signer.user, gun);
        let version = root_version(signer, gun);
        let private = private_keys(&signer.user, role.name()).len();
        let expected = match (role, version) {
            (Role::Root, 2) => 2,
            (Role::Root | Role::Targets, _) => 1,
            _ => 0,
        };
        assert_eq!(private, expected, "{role:?}, root version {version}");
    });
}

/// Whoever publishes something else finishes a rotation that is published, and leaves another
/// alone, but says so.
#[test_matrix([Role::Targets], [Moment::Before, Moment::After])]
fn by_signing(role: Role, moment: Moment) {
    at_every_request(role, moment, |signer, gun| {
        let was_begun = record(&signer.user, gun).exists();
        signer.push(gun.rsplit_once('/').unwrap().1, "3");
        let signed = signer.user.trust(&["sign", &format!("{gun}:3")]).success();
        let is_pending = record(&signer.user, gun).exists();
        let version = root_version(signer, gun);
        assert_eq!(is_pending, was_begun && version == 1, "{signed:?}");
        assert_eq!(is_pending, signed.stderr.contains("--abandon"), "{signed:?}");
        let private = private_keys(&signer.user, "targets").len();
        assert_eq!(private, if is_pending { 2 } else { 1 });
        rotate(&signer.user, gun, role.words()).success();
        assert_eq!(private_keys(&signer.user, "targets").len(), 1);
    });
}

/// Another key is not rotated while one rotation is neither published nor undone.
#[test]
fn one_at_a_time() {
    at_every_request(Role::Targets, Moment::Before, |signer, gun| {
        let was_begun = record(&signer.user, gun).exists();
        let keys = files_under(&signer.user.trust_folder().join("private"));
        let other = rotate(&signer.user, gun, &["timestamp", "-r"]);
        if was_begun && root_version(signer, gun) == 1 {
            assert_eq!(other.code, 13, "{other:?}");
            assert!(other.stderr.contains("--abandon"), "{other:?}");
            assert_eq!(files_under(&signer.user.trust_folder().join("private")), keys);
            rotate(&signer.user, gun, &["targets"]).success();
        } else {
            assert_eq!(other.code, 0, "{other:?}");
        }
    });
}
