//! Many who publish at once, and readers meanwhile (server.md §7.1, rows 12 to 16).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value as Json;
use trust::codec::canonical_json::Value;
use trust::crypto::{PrivateKey, PublicKey, Sha256Hash, Signature};
use trust::tuf::metadata::encode_envelope;

use super::{GUN, World, post};
use crate::harness::repository::{at, file_meta};
use crate::server::harness::{Answer, TestServer};

/// Who publishes at once.
const PUBLISHERS: usize = 8;
/// How often each does; a hundred on a day with time.
const ROUNDS: usize = 12;

/// Somebody with the targets key.
struct Publisher<'a> {
    server: &'a TestServer,
    role: String,
    key: PrivateKey,
    public: PublicKey,
}

impl Publisher<'_> {
    fn current(&self) -> Value {
        let path = format!("/v2/{GUN}/_trust/tuf/{}.json", self.role);
        let answer = self.server.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Value::parse(&answer.body).unwrap().get("signed").unwrap().clone()
    }

    /// Adds a target to what is there, if nobody is faster.
    fn try_add(&self, name: &str) -> Answer {
        let mut signed = self.current();
        let version = signed.get("version").and_then(Value::as_int).unwrap();
        *at(&mut signed, &["version"]) = Value::Int(version + 1);
        *at(&mut signed, &["targets", name]) = file_meta(name.as_bytes());
        self.publish(&signed)
    }

    /// Signs and sends.
    fn publish(&self, signed: &Value) -> Answer {
        let (method, bytes) = self.key.sign(&signed.to_canonical()).unwrap();
        let signature = Signature { key_id: self.public.id(), method, bytes };
        let file = encode_envelope(signed, &[signature]);
        post(self.server, GUN, &[(self.role.as_str(), file)])
    }

    /// Adds a target to what is there, as often as it takes.
    fn add(&self, name: &str) {
        loop {
            let answer = self.try_add(name);
            match (answer.status, answer.code().as_deref()) {
                (200, _) => return,
                (400, Some("VERSION")) => {}
                other => panic!("{other:?}: {}", answer.text()),
            }
        }
    }
}

fn publisher<'a>(world: &World, server: &'a TestServer, role: &str) -> Publisher<'a> {
    let key = Rc::clone(&world.owner.signers(role)[0]);
    let private = PrivateKey::from_pkcs8(&key.pkcs8()).unwrap();
    Publisher { server, role: role.to_owned(), key: private, public: key.public().clone() }
}

/// Reads as a client does, and finds that all fits together.
fn read_once(server: &TestServer) -> u64 {
    let get = |name: &str| server.get(&format!("/v2/{GUN}/_trust/tuf/{name}"));
    let timestamp = get("timestamp.json").json();
    let hash = |file: &Json, role: &str| {
        let hash = file["signed"]["meta"][role]["hashes"]["sha256"].as_str().unwrap();
        let hash = trust::codec::text::from_base64(hash).unwrap();
        trust::codec::text::to_hex(&hash)
    };
    let read = |file: &Json, role: &str| {
        let hash = hash(file, role);
        let answer = get(&format!("{role}.{hash}.json"));
        assert_eq!(answer.status, 200, "{role}");
        assert_eq!(Sha256Hash::of(&answer.body).to_hex(), hash);
        answer.json()
    };
    let snapshot = read(&timestamp, "snapshot");
    for role in snapshot["signed"]["meta"].as_object().unwrap().keys() {
        read(&snapshot, role);
    }
    timestamp["signed"]["version"].as_u64().unwrap()
}

/// Reads the feed to its end, and remembers every number.
fn read_feed(server: &TestServer, last: &mut i64, seen: &mut Vec<i64>) {
    let path = format!("/v2/_trust/changefeed?records=7&change_id={last}");
    let page = server.get(&path).json();
    for change in page["records"].as_array().into_iter().flatten() {
        *last = change["ID"].as_str().unwrap().parse().unwrap();
        seen.push(*last);
    }
}

fn race(roles: &[&str], replicas: usize) {
    let world = if replicas > 1 { World::on_postgres() } else { World::new() };
    let mut world = world.publishing();
    if roles.len() > 1 {
        for role in roles {
            world.owner.delegate(role, &[crate::harness::Key::plain()], 1, &[""]);
        }
        world.publishes(&[&["targets"], roles].concat());
    }
    let before = world.version("timestamp");
    let server = &world.server;
    let clock = Arc::new(world.clock.clone());
    let twins: Vec<_> =
        (1..replicas).map(|_| server.twin(|twin| twin.clock = clock.clone())).collect();
    let servers: Vec<_> = std::iter::once(server).chain(&twins).collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| (servers[number % replicas], roles[number % roles.len()]))
        .map(|(server, role)| publisher(&world, server, role))
        .collect();
    let done = AtomicBool::new(false);
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let running: Vec<_> = publishers
            .iter()
            .enumerate()
            .map(|(number, publisher)| {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        publisher.add(&format!("{number}-{round}"));
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut version = 0;
            while !done.load(Ordering::SeqCst) {
                let now = read_once(server);
                assert!(now >= version, "back from {version} to {now}");
                version = now;
            }
        });
        let feed = scope.spawn(|| {
            let (mut last, mut seen) = (0, Vec::new());
            while !done.load(Ordering::SeqCst) {
                read_feed(server, &mut last, &mut seen);
            }
            for _ in 0..PUBLISHERS * ROUNDS {
                read_feed(server, &mut last, &mut seen);
            }
            seen
        });
        let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok), "somebody gave up");
        seen = feed.join().unwrap();
    });
    let published = u64::try_from(PUBLISHERS * ROUNDS).unwrap();
    assert_eq!(world.version("timestamp"), before + published);
    let expected: Vec<i64> = (1..=i64::try_from(before + published).unwrap()).collect();
    assert_eq!(seen, expected, "every change once, in order");
    let mut names = BTreeSet::new();
    for role in roles {
        let targets = world.signed(role)["targets"].clone();
        names
            .extend(targets.as_object().unwrap().keys().filter(|name| name.contains('-')).cloned());
    }
    assert_eq!(names.len(), PUBLISHERS * ROUNDS);
}

#[test]
fn eight_who_publish_to_one_role_all_succeed() {
    race(&["targets"], 1);
}

/// Nobody is in anybody's way: no one is told that another was first.
#[test]
fn eight_who_publish_to_roles_of_their_own_all_succeed() {
    race(&["targets/a", "targets/b", "targets/c", "targets/d"], 1);
}

#[test]
fn those_who_publish_on_two_servers_with_one_database_all_succeed() {
    race(&["targets"], 2);
}

/// Here nobody knows of who is at the other server: what was prepared is overtaken, and prepared
/// again.
#[test]
fn those_who_publish_to_roles_of_their_own_on_two_servers_all_succeed() {
    race(&["targets/a", "targets/b"], 2);
}

#[test]
fn a_collection_that_is_deleted_while_it_is_published_to_is_gone() {
    let mut world = World::published();
    let publisher = publisher(&world, &world.server, "targets");
    let path = format!("/v2/{GUN}/_trust/tuf/");
    let signed = publisher.current();
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 2..22 {
                let mut signed = signed.clone();
                *at(&mut signed, &["version"]) = Value::Int(version);
                let answer = publisher.publish(&signed);
                let told = (answer.status, answer.code());
                let gone = answer.text().contains("no root provided in update");
                assert!(told.0 == 200 || gone, "{told:?}: {}", answer.text());
            }
        });
        scope.spawn(|| {
            publisher.server.get(&format!("{path}targets.json"));
            assert_eq!(publisher.server.ask("DELETE", &path, &[], "").status, 200);
        });
    });
    drop(publisher);
    let roles = ["root", "targets", "snapshot", "timestamp"];
    let found = roles.map(|role| world.get(&format!("{role}.json")).status);
    assert_eq!(found, [404; 4], "nothing is published without a root");
    assert_eq!(world.feed().last().unwrap()["Category"], "deletion");
    world.owner.set_version("targets", 50);
    assert_eq!(world.post(&["targets"]).status, 400);
}
