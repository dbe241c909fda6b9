//! A process that is killed at its first, second, third … change to the disk or request to the
//! trust server, until a run gets through; and what must hold after each.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde_json::Value;
use trust::tuf::trusted::Expiry;
use trust::tuf::{Gun, Pin, RoleName, Root, Signed, TrustedSet};

use crate::harness::proxy::{Moment, Proxy};
use crate::harness::server::PATIENCE;
use crate::peers::process::Finished;
use crate::peers::{NotaryServer, User};

/// The exit code of a process that was killed.
const KILLED: i32 = 128 + 9;

/// One command that is going to be killed, in a world of its own.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    user: User,
    args: Vec<String>,
    input: Vec<u8>,
    server: Option<&'a NotaryServer>,
    trusted: Vec<String>,
    becomes: Option<Becomes>,
    done_already: Option<i32>,
    may_lose_keys: bool,
}

/// What an image is after the command, while it may be that or the contrary before.
#[derive(Debug)]
enum Becomes {
    Trusted(String),
    Untrusted(String),
}

impl<'a> Trial<'a> {
    /// `trust ARGS`, as this user.
    pub(crate) fn new(user: User, args: &[&str]) -> Self {
        Self {
            user,
            args: args.iter().map(|&word| word.to_owned()).collect(),
            input: Vec::new(),
            server: None,
            trusted: Vec::new(),
            becomes: None,
            done_already: None,
            may_lose_keys: false,
        }
    }

    /// Something on the standard input.
    pub(crate) fn input(mut self, input: &str) -> Self {
        self.input = input.into();
        self
    }

    /// This server may be changed.
    pub(crate) fn server(mut self, server: &'a NotaryServer) -> Self {
        self.server = Some(server);
        self
    }

    /// This image is trusted before and after.
    pub(crate) fn trusted(mut self, image: &str) -> Self {
        self.trusted.push(image.to_owned());
        self
    }

    /// This image is trusted when the command is through.
    pub(crate) fn becomes_trusted(mut self, image: &str) -> Self {
        self.becomes = Some(Becomes::Trusted(image.to_owned()));
        self
    }

    /// This image is not trusted any more when the command is through.
    pub(crate) fn becomes_untrusted(mut self, image: &str) -> Self {
        self.becomes = Some(Becomes::Untrusted(image.to_owned()));
        self
    }

    /// The command fails with this code when there is nothing left to do for it.
    pub(crate) fn done_already(mut self, code: i32) -> Self {
        self.done_already = Some(code);
        self
    }

    /// The command removes keys.
    pub(crate) fn may_lose_keys(mut self) -> Self {
        self.may_lose_keys = true;
        self
    }

    /// The person, for what only one command has to be asked about.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    fn run(&self) -> Finished {
        let words: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.user.trust_with_input(&words, &self.input)
    }

    /// The ids of the keys in the store, each of which must be readable.
    #[track_caller]
    fn keys(&self) -> BTreeSet<String> {
        let listed = self.user.trust(&["key", "ls", "--json"]).success();
        assert_eq!(listed.stderr, "", "complaints about keys");
        let keys: Value = serde_json::from_str(&listed.stdout).unwrap();
        keys.as_array().unwrap().iter().map(|k| k["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Old or new, and nothing in between; readers work.
    #[track_caller]
    fn is_whole(&self, keys_before: &BTreeSet<String>, ours_first: bool) {
        let config = self.user.docker_config().join("config.json");
        if config.exists() {
            let text = fs::read(&config).unwrap();
            assert!(serde_json::from_slice::<Value>(&text).is_ok(), "config.json is in pieces");
        }
        self.no_half_is_visible();
        if ours_first {
            self.readers_work();
        }
        let keys = self.keys();
        if !self.may_lose_keys {
            assert!(keys.is_superset(keys_before), "keys are gone: {keys_before:?}, {keys:?}");
        }
        for gun in self.guns() {
            self.keys_of_what_is_published_are_here(&gun, &keys);
            if self.is_published(&gun) {
                self.user.notary(&["list", &gun]).success();
                self.user.docker(&["trust", "inspect", &gun]).success();
            }
        }
        if !ours_first {
            self.readers_work();
        }
    }

    #[track_caller]
    fn readers_work(&self) {
        for image in &self.trusted {
            self.user.trust(&["verify", "--no-registry", image]).success();
        }
        let code = match &self.becomes {
            None => return,
            Some(Becomes::Trusted(image) | Becomes::Untrusted(image)) => {
                self.user.trust(&["verify", "--no-registry", image]).code
            }
        };
        // Yes, or no without any other complaint.
        assert!([0, 3].contains(&code), "exit code {code}");
    }

    /// Every file of keys and metadata that another program would look at is a whole one.
    #[track_caller]
    fn no_half_is_visible(&self) {
        for path in self.files() {
            let is_hidden = path.components().any(|part| {
                part.as_os_str().to_str().is_some_and(|part| part.starts_with(".trust-"))
            });
            let bytes = fs::read(&path).unwrap();
            if is_hidden {
                continue;
            }
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                Some("json" | "change") => {
                    let whole = serde_json::from_slice::<Value>(&bytes).is_ok();
                    assert!(whole, "{} is in pieces", path.display());
                }
                Some("key" | "pub") => {
                    let text = String::from_utf8(bytes).unwrap();
                    let whole = text.trim_end().ends_with(" KEY-----");
                    assert!(whole, "{} is in pieces:\n{text}", path.display());
                }
                _ => {}
            }
        }
    }

    /// Whatever our keys signed can be signed again.
    #[track_caller]
    fn keys_of_what_is_published_are_here(&self, gun: &str, keys: &BTreeSet<String>) {
        let Some(server) = self.server else { return };
        let held = server.metadata(gun, "root");
        if held.status == 404 {
            return;
        }
        let root = Signed::<Root>::parse(&RoleName::Root, &held.body).unwrap();
        for role in [RoleName::Root, RoleName::Targets] {
            let published = root.unverified().role_keys(&role).unwrap();
            let here = published
                .keys
                .values()
                .any(|key| keys.contains(&key.canonical_id().unwrap().to_string()));
            assert!(here, "the {role} key of {gun} is lost");
        }
    }

    fn is_published(&self, gun: &str) -> bool {
        self.server.is_some_and(|server| server.metadata(gun, "timestamp").status == 200)
    }

    fn guns(&self) -> BTreeSet<String> {
        let becomes = self.becomes.iter().map(|becomes| match becomes {
            Becomes::Trusted(image) | Becomes::Untrusted(image) => image,
        });
        let images = self.trusted.iter().chain(becomes);
        images.map(|image| image.rsplit_once(':').unwrap().0.to_owned()).collect()
    }

    /// The same command again does what the first one was to do, and tidies up.
    #[track_caller]
    fn completes(&self) {
        let again = self.run();
        if Some(again.code) != self.done_already {
            again.success();
        }
        match &self.becomes {
            None => {}
            Some(Becomes::Trusted(image)) => {
                let verified = self.user.trust(&["verify", "--no-registry", image]).success();
                assert_eq!(verified.stderr, "");
            }
            Some(Becomes::Untrusted(image)) => {
                drop(self.user.trust(&["verify", "--no-registry", image]).expect_code(3));
            }
        }
        for image in &self.trusted {
            self.user.trust(&["verify", "--no-registry", image]).success();
        }
        self.keys();
        for gun in self.guns() {
            self.cache_is_one_set(&gun);
        }
        for path in self.files() {
            let left = path.components().any(|part| {
                let part = part.as_os_str().to_str().unwrap();
                part.starts_with(".trust-") && !part.ends_with("-lock") && part != ".trust-seen"
            });
            assert!(!left, "{} was left behind", path.display());
        }
    }

    /// What is cached fits together, file by file.
    #[track_caller]
    fn cache_is_one_set(&self, gun: &str) {
        let name = Gun::parse(gun).unwrap();
        let dir = trust::store::TrustDir::new(self.user.trust_folder());
        let files = dir.metadata(&name).read().unwrap();
        let now = trust::clock::Timestamp::now();
        let mut set =
            TrustedSet::resume(name, now, Expiry::Enforced, Pin::FirstUse, &files).unwrap();
        set.accept_timestamp(&files[&RoleName::Timestamp]).unwrap();
        set.accept_snapshot(&files[&RoleName::Snapshot]).unwrap();
        loop {
            let wanted = set.wanted_targets().unwrap();
            if wanted.is_empty() {
                break;
            }
            for wanted in wanted {
                set.accept_targets(&wanted.role, &files[&wanted.role]).unwrap();
            }
        }
        set.finish().unwrap();
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.user.home()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let into = if path.is_dir() { &mut folders } else { &mut files };
                into.push(path);
            }
        }
        files
    }
}

/// Kills the command at every change to the disk whose number, counted from 0, is `share` modulo
/// `shares`, each time in a world that `prepare` makes; returns how many changes a whole run makes,
/// at least.
#[track_caller]
pub(crate) fn at_every_write<'a>(
    (share, shares): (usize, usize),
    mut prepare: impl FnMut(usize) -> Trial<'a>,
    check: impl Fn(&Trial<'_>),
) -> usize {
    let mut changes = share;
    loop {
        let mut trial = prepare(changes);
        let keys = trial.keys();
        trial.user.set("TRUST_TEST_KILL_AFTER", &changes.to_string());
        let first = trial.run();
        trial.user.unset("TRUST_TEST_KILL_AFTER");
        let killed = first.code == KILLED;
        if !killed {
            first.success();
        }
        trial.is_whole(&keys, (changes / shares).is_multiple_of(2));
        check(&trial);
        if !killed {
            return changes;
        }
        trial.completes();
        check(&trial);
        changes += shares;
    }
}

/// Kills the command at every request to the trust server: before the server sees it, or when it
/// has acted on it and nobody is told. Returns how many requests a whole run sends.
#[track_caller]
pub(crate) fn at_every_request<'a>(
    proxy: &Proxy,
    moment: Moment,
    mut prepare: impl FnMut(usize) -> Trial<'a>,
) -> usize {
    let mut requests = 0;
    loop {
        let trial = prepare(requests);
        let keys = trial.keys();
        let held = proxy.hold(requests, moment);
        let mut child = trial.user.trust_command(&trial.args);
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let killed = loop {
            match held.reached.recv_timeout(Duration::from_millis(10)) {
                Ok(()) => break true,
                Err(RecvTimeoutError::Disconnected) => panic!("the proxy is gone"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break false;
            }
            assert!(Instant::now() < deadline, "neither a request nor an end");
        };
        child.kill().unwrap();
        child.wait().unwrap();
        drop(held);
        proxy.pass();
        trial.is_whole(&keys, requests.is_multiple_of(2));
        if !killed {
            return requests;
        }
        trial.completes();
        requests += 1;
    }
}
