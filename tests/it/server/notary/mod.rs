//! The notary server: what it takes, what it refuses and in which words, what it serves.

mod deletion;
mod feed;
mod importing;
mod keys;
mod names;
mod programs;
mod races;
mod reading;
mod renewal;
mod takeovers;
mod updates;
mod uploads;

use serde_json::{Value, json};
use trust::codec::canonical_json::Value as Canonical;
use trust::crypto::PublicKey;

use super::harness::{Answer, TestClock, TestServer};
use crate::harness::Repository;

/// The collection of most tests.
const GUN: &str = "registry.example.com/app";

/// A server, and the owner of one collection.
struct World {
    server: TestServer,
    clock: TestClock,
    owner: Repository,
}

impl World {
    /// Nothing is published yet; the server is to sign snapshots.
    fn new() -> Self {
        Self::with_own_snapshot().leaving_snapshots()
    }

    /// The server is to sign snapshots.
    fn leaving_snapshots(self) -> Self {
        let mut world = self;
        let key = world.key("snapshot");
        world.owner.leave_to("snapshot", &[key], 1);
        world
    }

    /// Nothing is published yet; the owner signs snapshots.
    fn with_own_snapshot() -> Self {
        let clock = TestClock::new();
        let set = clock.clone();
        let server = TestServer::with(|server| server.clock = std::sync::Arc::new(set));
        Self::of(server, clock)
    }

    /// The same on a database that several servers may have.
    fn on_postgres() -> Self {
        let clock = TestClock::new();
        let set = clock.clone();
        let server = TestServer::on_postgres(|server| server.clock = std::sync::Arc::new(set));
        Self::of(server, clock).leaving_snapshots()
    }

    fn of(server: TestServer, clock: TestClock) -> Self {
        let mut world = Self { server, clock, owner: Repository::new(GUN) };
        let key = world.key("timestamp");
        world.owner.leave_to("timestamp", &[key], 1);
        world
    }

    /// Root and targets of version 1 are published, and the owner is at version 2 of targets.
    fn published() -> Self {
        Self::new().publishing()
    }

    /// The same of another.
    fn publishing(self) -> Self {
        let mut world = self;
        world.publishes(&["root", "targets"]);
        world.owner.bump(&["targets"]);
        world
    }

    /// The key that the server signs a role with.
    fn key(&self, role: &str) -> PublicKey {
        key_of(&self.server.get(&format!("/v2/{GUN}/_trust/tuf/{role}.key")))
    }

    /// Another key, with which the server is to sign a role.
    fn next_key(&self, role: &str) -> PublicKey {
        key_of(&self.server.ask("POST", &format!("/v2/{GUN}/_trust/tuf/{role}.key"), &[], ""))
    }

    /// Signs everything, and sends the files of these roles.
    fn post(&mut self, roles: &[&str]) -> Answer {
        self.owner.publish();
        let files: Vec<_> = roles.iter().map(|role| (*role, self.owner.raw(role))).collect();
        post(&self.server, GUN, &files)
    }

    /// As [`Self::post`], and it works.
    #[track_caller]
    fn publishes(&mut self, roles: &[&str]) {
        let answer = self.post(roles);
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{roles:?}");
    }

    /// A file of the collection.
    fn get(&self, name: &str) -> Answer {
        self.server.get(&format!("/v2/{GUN}/_trust/tuf/{name}"))
    }

    /// What a current file says.
    #[track_caller]
    fn signed(&self, role: &str) -> Value {
        let answer = self.get(&format!("{role}.json"));
        assert_eq!(answer.status, 200, "{role}: {}", answer.text());
        answer.json()["signed"].clone()
    }

    /// The version of a current file.
    #[track_caller]
    fn version(&self, role: &str) -> u64 {
        self.signed(role)["version"].as_u64().unwrap()
    }

    /// All changes.
    fn feed(&self) -> Vec<Value> {
        let answer = self.server.get(&format!("/v2/{GUN}/_trust/changefeed?records=1000"));
        answer.json()["records"].as_array().cloned().unwrap_or_default()
    }
}

/// The key in an answer.
#[track_caller]
fn key_of(answer: &Answer) -> PublicKey {
    assert_eq!(answer.status, 200, "{}", answer.text());
    PublicKey::from_json(&Canonical::parse(&answer.body).unwrap()).unwrap()
}

/// Sends files by role.
fn post(server: &TestServer, gun: &str, files: &[(&str, Vec<u8>)]) -> Answer {
    let body = multipart(files);
    let headers = [("content-type", CONTENT_TYPE)];
    server.ask("POST", &format!("/v2/{gun}/_trust/tuf/"), &headers, body)
}

const CONTENT_TYPE: &str = "multipart/form-data; boundary=border";

/// An upload, as notary's client makes it.
fn multipart(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (role, file) in files {
        let head = format!(
            "--border\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--border--\r\n");
    body
}

/// What an invalid update is answered with.
fn invalid(name: &str, message: &str) -> Value {
    json!({"errors": [{
        "code": "INVALID_UPDATE",
        "message": "Update sent by the client is invalid.",
        "detail": {"Name": name, "Error": {"Msg": message}},
    }]})
}
