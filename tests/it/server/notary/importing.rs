//! Collections that come from elsewhere: taken in as they are, served as archives, adopted, and
//! refused if they contradict what is here (`spec/carry-on.md`).

use serde_json::{Value, json};
use trust::crypto::PrivateKey;
use trust::server::import::{ImportError, Incoming, Outcome, PastKey, TakenIn, take_in};
use trust::server::meta::feed::PastChange;
use trust::server::upkeep::renewal::{Pass, renew_due};
use trust::server::upkeep::{Storage, fsck};
use trust::tuf::history::KeptFile;
use trust::tuf::{Gun, RoleName};

use super::{CONTENT_TYPE, GUN, World, multipart};
use crate::harness::Repository;
use crate::harness::repository::{Key, expiry};
use crate::server::harness::Answer;

const YEARS: i64 = 24 * 366 * 9;

/// A collection that another server held: its owner, and all files that there were.
struct Past {
    owner: Repository,
}

impl Past {
    /// Three versions of timestamps, snapshots and targets, under two roots.
    fn new() -> Self {
        let mut owner = Repository::new(GUN);
        for role in ["root", "targets", "snapshot"] {
            owner.set(role, &["expires"], expiry(YEARS));
        }
        owner.publish();
        owner.add_target("targets", "2", b"two");
        owner.bump(&["targets", "snapshot", "timestamp"]);
        owner.publish();
        owner.bump(&["root", "targets", "snapshot", "timestamp"]);
        owner.publish();
        Self { owner }
    }

    /// All files, by role.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let by_hash = |name: &String| {
            let (role, hash) = name.strip_suffix(".json")?.rsplit_once('.')?;
            (hash.len() == 64).then(|| role.to_owned())
        };
        let files = self.owner.files().iter();
        files.filter_map(|(name, file)| Some((by_hash(name)?, file.clone()))).collect()
    }

    fn incoming(&self) -> Incoming {
        let files = self
            .files()
            .into_iter()
            .map(|(role, bytes)| (KeptFile { role: RoleName::parse(&role).unwrap(), bytes }, None));
        let gun = Gun::parse(GUN).unwrap();
        Incoming { gun, files: files.collect(), at_least: 0, feed: Vec::new(), keys: Vec::new() }
    }

    fn goes_on(&mut self) {
        self.owner.bump(&["targets", "snapshot", "timestamp"]);
        self.owner.publish();
    }
}

impl World {
    fn bring(&self, files: &[(String, Vec<u8>)]) -> Answer {
        let files: Vec<_> =
            files.iter().map(|(role, file)| (role.as_str(), file.clone())).collect();
        let headers = [("content-type", CONTENT_TYPE)];
        self.server.ask("POST", &format!("/v2/{GUN}/_trust/import"), &headers, multipart(&files))
    }

    #[track_caller]
    fn brings(&self, past: &Past) -> Value {
        let answer = self.bring(&past.files());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn take(&self, incoming: Incoming) -> Result<TakenIn, ImportError> {
        self.server.runtime.block_on(take_in(&self.server.server, incoming, "(test)"))
    }

    /// Leaves numbers of changes to those of the past.
    fn reserves_changes(&self, last: i64) {
        self.server.runtime.block_on(async {
            let mut writing = self.server.server.meta.write().await.unwrap();
            writing.reserve_changes(last).await.unwrap();
            writing.commit().await.unwrap();
        });
    }

    /// The highest version of a timestamp that readers of a collection may remember.
    fn ever(&self, gun: &str) -> u64 {
        let gun = Gun::parse(gun).unwrap();
        self.server.runtime.block_on(async {
            let mut reading = self.server.server.meta.read().await.unwrap();
            let state = reading.collection_state(&gun).await.unwrap();
            state.versions.get(&RoleName::Timestamp).map_or(0, |highest| highest.ever)
        })
    }

    #[track_caller]
    pub(super) fn is_sound(&self) {
        let server = &self.server.server;
        let storage = Storage {
            meta: server.meta.clone(),
            blobs: server.blobs.clone(),
            clock: std::sync::Arc::clone(&server.clock),
        };
        let mut found = Vec::new();
        let mut tell = |checked: &fsck::Checked| found.push(checked.finding.to_string());
        let check = fsck::check(&storage, false, &mut tell);
        self.server.runtime.block_on(check).unwrap();
        assert_eq!(found, [""; 0]);
    }
}

#[track_caller]
fn refused(answer: &Answer, name: &str, words: &str) {
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("INVALID_UPDATE")));
    let detail = answer.json()["errors"][0]["detail"].clone();
    assert_eq!(detail["Name"], name, "{detail}");
    let message = detail["Error"]["Msg"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_collection_is_served_as_it_was_and_as_an_archive_when_it_has_expired() {
    let past = Past::new();
    let world = World::with_own_snapshot();
    let told = world.brings(&past);
    // Three timestamps, snapshots and targets, and two roots.
    assert_eq!(told, json!({"outcome": "new", "stored": 11, "archive": true, "left_out": []}));
    for role in past.owner.roles() {
        assert_eq!(world.get(&format!("{role}.json")).body, past.owner.raw(&role), "{role}");
    }
    for (name, file) in past.owner.files() {
        let newest = name.strip_suffix(".json").is_none() || name.matches('.').count() == 1;
        if !newest {
            assert_eq!(world.get(name).body, file, "{name}");
        }
    }
    for version in 1..=3 {
        assert_eq!(world.get(&format!("{version}.timestamp.json")).status, 200);
    }
    assert_eq!(world.get("1.root.json").status, 200);
    let feed = world.feed();
    assert_eq!((feed.len(), &feed[0]["Version"]), (1, &json!(3)));
    world.is_sound();

    assert_eq!(world.get("timestamp.json").header("trust-archive"), Some("1"));

    // Nobody renews it, and nobody minds.
    world.clock.go(24 * 400);
    assert_eq!(world.get("timestamp.json").body, past.owner.raw("timestamp"));
    let pass = world.server.runtime.block_on(renew_due(&world.server.server)).unwrap();
    assert_eq!(pass, Pass::default());
    assert_eq!(world.server.get("/readyz").status, 200);
    world.is_sound();
}

#[test]
fn what_is_here_is_not_taken_in_twice_and_what_goes_on_is_added() {
    let mut past = Past::new();
    let world = World::with_own_snapshot();
    let old = past.files();
    world.brings(&past);
    assert_eq!(world.brings(&past)["outcome"], "unchanged");
    past.goes_on();
    let told = world.brings(&past);
    assert_eq!((&told["outcome"], &told["stored"]), (&json!("continued"), &json!(3)));
    assert_eq!(world.version("timestamp"), 4);
    // An older copy is all here.
    let answer = world.bring(&old);
    assert_eq!((answer.status, &answer.json()["outcome"]), (200, &json!("unchanged")));
    assert_eq!(world.version("timestamp"), 4);
    assert_eq!(world.feed().len(), 2);
    world.is_sound();
}

#[test]
fn an_archive_takes_no_publication_until_its_owner_adopts_it() {
    let mut past = Past::new();
    let mut world = World::with_own_snapshot();
    world.brings(&past);
    let timestamps = past.owner.signers("timestamp");
    past.goes_on();
    std::mem::swap(&mut world.owner, &mut past.owner);
    let send = |world: &World, roles: &[&str]| {
        let files: Vec<_> = roles.iter().map(|role| (*role, world.owner.raw(role))).collect();
        super::post(&world.server, GUN, &files)
    };
    let answer = send(&world, &["targets", "snapshot"]);
    refused(&answer, "ErrBadRoot", "no  timestamp keys exist on the server - it has the");
    refused(&send(&world, &["targets"]), "ErrBadHierarchy", "archive, until its owner publishes");

    // The owner's next root lists a key of this server: nothing else is needed.
    let key = world.key("timestamp");
    world.owner.leave_to("timestamp", &[key], 1);
    world.owner.bump(&["root"]);
    world.publishes(&["root", "targets", "snapshot"]);
    assert_eq!((world.version("root"), world.version("timestamp")), (3, 1004));
    world.clock.go(24 * 15);
    assert_eq!(world.version("timestamp"), 1005);
    world.is_sound();

    // What the other server signed meanwhile is the past, and what it signs above that another
    // history.
    let before = world.get("timestamp.json").body;
    world.owner.sign_with("timestamp", &timestamps);
    let mut bring = |last: i64| {
        world.owner.set_version("timestamp", last);
        world.owner.publish();
        let answer = world.bring(&[("timestamp".to_owned(), world.owner.raw("timestamp"))]);
        assert_eq!(world.get("timestamp.json").body, before);
        answer
    };
    assert_eq!(bring(4).json()["outcome"], json!("continued"));
    refused(&bring(1004), "ErrFork", "the timestamp metadata is stored up to version 1005");
    refused(&bring(2000), "ErrFork", "the timestamp metadata is stored up to version 1005");
    world.is_sound();
}

#[test]
fn the_servers_keys_come_along_and_sign_on() {
    let mut past = Past::new();
    let (timestamp, snapshot) = (Key::plain(), Key::plain());
    past.owner.grant("timestamp", std::slice::from_ref(&timestamp), 1);
    past.owner.grant("snapshot", std::slice::from_ref(&snapshot), 1);
    past.owner.bump(&["root"]);
    past.goes_on();
    let world = World::with_own_snapshot();
    let key = |role, key: &Key, was_used| PastKey {
        role,
        key: PrivateKey::from_pkcs8(&key.pkcs8()).unwrap(),
        was_used,
    };
    let mut incoming = past.incoming();
    incoming.keys = vec![
        key(RoleName::Timestamp, &timestamp, true),
        key(RoleName::Snapshot, &snapshot, true),
        key(RoleName::Timestamp, &Key::plain(), true),
        key(RoleName::Timestamp, &Key::plain(), false),
    ];
    let now = world.server.server.clock.now();
    let change = |version, sha256: &str, is_deletion| PastChange {
        id: None,
        at: now,
        version,
        sha256: sha256.to_owned(),
        is_deletion,
    };
    let named = |role: &str| past.owner.file_name(role).split('.').nth(1).unwrap().to_owned();
    incoming.feed =
        vec![change(1, "", true), change(9, "ff", false), change(4, &named("timestamp"), false)];
    let handed_out = world.next_key("timestamp");
    let taken = world.take(incoming).unwrap();
    assert_eq!((taken.outcome, taken.is_archive, taken.keys), (Outcome::New, false, 4));
    assert_eq!(world.key("timestamp").id(), timestamp.id());
    assert_eq!(world.key("snapshot").id(), snapshot.id());
    // One key waits, which is that which was handed out here before.
    assert_eq!(world.next_key("timestamp").id(), handed_out.id());
    assert_eq!(world.feed().len(), 1);
    world.clock.go(24 * 400);
    assert_eq!(world.version("timestamp"), 5);
    world.is_sound();
}

#[test]
fn keys_of_owners_are_not_taken() {
    let past = Past::new();
    let world = World::with_own_snapshot();
    let mut incoming = past.incoming();
    let key = PrivateKey::generate_ecdsa().unwrap();
    incoming.keys = vec![PastKey { role: RoleName::Targets, key, was_used: true }];
    let refused = world.take(incoming).unwrap_err();
    assert!(matches!(refused, ImportError::KeyOfOwner { role: RoleName::Targets, .. }));
}

#[test]
fn what_was_deleted_does_not_come_back_older_than_it_was() {
    let mut past = Past::new();
    let world = World::with_own_snapshot();
    let old = past.files();
    past.goes_on();
    world.brings(&past);
    let path = format!("/v2/{GUN}/_trust/tuf/");
    assert_eq!(world.server.ask("DELETE", &path, &[], "").status, 200);
    let answer = world.bring(&old);
    refused(&answer, "ErrRolledBack", "timestamp version 3 was brought, and 4 was here");
    assert_eq!(world.get("timestamp.json").status, 404);
    assert_eq!(world.brings(&past)["outcome"], "new");
    assert_eq!(world.version("timestamp"), 4);
    world.is_sound();
}

#[test]
fn a_past_without_a_collection_is_remembered() {
    let world = World::with_own_snapshot();
    let now = world.server.server.clock.now();
    let change = |id, version, is_deletion| PastChange {
        id: Some(id),
        at: now,
        version,
        sha256: String::new(),
        is_deletion,
    };
    let gun = Gun::parse("registry.example.com/gone").unwrap();
    let feed = vec![change(1, 7, false), change(2, 0, true)];
    let key = PrivateKey::generate_ecdsa().unwrap();
    let id = key.public_key().id();
    let keys = vec![PastKey { role: RoleName::Timestamp, key, was_used: false }];
    let remembered = |gun, feed, keys| Incoming { gun, files: Vec::new(), at_least: 0, feed, keys };
    world.reserves_changes(2);
    let taken = world.take(remembered(gun, feed, keys)).unwrap();
    assert_eq!((taken.outcome, taken.stored), (Outcome::Remembered, 0));
    let waits = world.server.get("/v2/registry.example.com/gone/_trust/tuf/timestamp.key");
    assert_eq!(super::key_of(&waits).id(), id);
    let feed = world.server.get("/v2/registry.example.com/gone/_trust/changefeed");
    assert_eq!(feed.json()["count"], 2);
    assert_eq!(world.ever("registry.example.com/gone"), 7);

    // Where changes cannot keep their numbers the deletion alone is told, once; versions count.
    let gun = Gun::parse("registry.example.com/gone/too").unwrap();
    let unnumbered = |change: PastChange| PastChange { id: None, ..change };
    let feed = || vec![unnumbered(change(0, 5, false)), unnumbered(change(0, 0, true))];
    for _ in 0..2 {
        world.take(remembered(gun.clone(), feed(), Vec::new())).unwrap();
    }
    let told = world.server.get("/v2/registry.example.com/gone/too/_trust/changefeed");
    assert_eq!(told.json()["count"], 1);
    assert_eq!(world.ever(gun.as_str()), 5);
}

#[test]
fn what_was_lost_there_or_belongs_to_others_is_not_taken() {
    let past = Past::new();
    let world = World::with_own_snapshot();
    let gun = Gun::parse(GUN).unwrap();
    // Something newer was served there.
    let behind = world.take(Incoming { at_least: 4, ..past.incoming() }).unwrap_err();
    assert!(matches!(behind, ImportError::Behind { served: 4, found: 3, .. }), "{behind:?}");
    assert_eq!(world.get("timestamp.json").status, 404);
    world.take(Incoming { at_least: 3, ..past.incoming() }).unwrap();

    // Another collection's key.
    let key = Key::plain();
    let brought = || PastKey {
        role: RoleName::Timestamp,
        key: PrivateKey::from_pkcs8(&key.pkcs8()).unwrap(),
        was_used: true,
    };
    world.take(Incoming { keys: vec![brought()], ..past.incoming() }).unwrap();
    let other = Gun::parse("registry.example.com/other").unwrap();
    let thief =
        Incoming { gun: other, files: Vec::new(), keys: vec![brought()], ..past.incoming() };
    let refused = world.take(thief).unwrap_err();
    assert!(matches!(refused, ImportError::KeyOfAnother { .. }), "{refused:?}");

    // It was deleted there, and is here.
    let deletion = PastChange {
        id: None,
        at: world.server.server.clock.now(),
        version: 0,
        sha256: String::new(),
        is_deletion: true,
    };
    let gone = Incoming { files: Vec::new(), feed: vec![deletion], ..past.incoming() };
    let refused = world.take(gone).unwrap_err();
    assert!(matches!(&refused, ImportError::DeletedThere { gun: named } if *named == gun));
    assert_eq!(world.version("timestamp"), 3);
    world.is_sound();
}

/// Each file that is sent is one of somebody who wants readers to have something else.
#[test]
fn what_contradicts_is_refused_and_changes_nothing() {
    let mut past = Past::new();
    let world = World::with_own_snapshot();
    world.brings(&past);
    let feed = world.feed();
    let unchanged = || {
        for role in Past::new().owner.roles() {
            assert!(world.version(&role) <= 3, "{role}");
        }
        assert_eq!(world.feed(), feed);
        world.is_sound();
    };

    // Another timestamp of the same version, by the right key.
    let honest = past.files();
    past.owner.set("timestamp", &["expires"], expiry(YEARS));
    past.owner.publish();
    let answer = world.bring(&past.files());
    refused(&answer, "ErrFork", "the timestamp metadata is stored up to version 3");
    unchanged();

    // A newer timestamp of an older snapshot.
    past.owner.set_version("snapshot", 1);
    past.owner.set_version("timestamp", 9);
    past.owner.publish();
    let newer = ("timestamp".to_owned(), past.owner.raw("timestamp"));
    let older = ("snapshot".to_owned(), past.owner.raw("snapshot"));
    let mut files = honest;
    files.extend([newer, older]);
    let answer = world.bring(&files);
    assert_eq!(answer.status, 400, "{}", answer.text());
    unchanged();

    // Somebody else's collection of the same name.
    let answer = world.bring(&Past::new().files());
    refused(&answer, "ErrFork", "the root metadata");
    unchanged();
    let mut strangers = Past::new();
    strangers.goes_on();
    let roles = ["targets", "snapshot", "timestamp"];
    let files: Vec<_> = roles.map(|role| (role.to_owned(), strangers.owner.raw(role))).into();
    refused(&world.bring(&files), "ErrForeign", "nothing that was brought");
    unchanged();

    // A file that was tampered with is left out, and so is what it belongs to.
    let other = World::with_own_snapshot();
    let mut past = Past::new();
    past.goes_on();
    let mut tampered = past.files();
    let targets = past.owner.raw("targets");
    for (_, file) in tampered.iter_mut().filter(|(_, file)| *file == targets) {
        let text = String::from_utf8(file.clone()).unwrap();
        *file = text.replace("\"length\":3", "\"length\":4").into_bytes();
    }
    let told = other.bring(&tampered);
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    let problems: Vec<_> = told["left_out"].as_array().unwrap().iter().collect();
    assert_eq!(problems.len(), 3, "{told}");
    assert!(told.to_string().contains("0 of 1 valid signatures"), "{told}");
    assert_eq!((other.version("targets"), other.version("timestamp")), (3, 3));
    other.is_sound();
    // The server signs above all that there was.
    let roots = tampered.iter().filter(|(role, _)| role == "root").cloned();
    let roots: Vec<_> = roots.collect();
    let answer = World::with_own_snapshot().bring(&roots);
    refused(&answer, "ErrNothingCurrent", "no timestamp, snapshot, targets and root");
}

#[test]
fn a_request_that_is_none_is_refused() {
    let world = World::with_own_snapshot();
    let path = format!("/v2/{GUN}/_trust/import");
    assert_eq!(world.server.get(&path).status, 405);
    let code = |answer: &Answer| (answer.status, answer.code().unwrap());
    let headers = [("content-type", CONTENT_TYPE)];
    let answer = world.server.ask("POST", &path, &headers, "--border");
    assert_eq!(code(&answer), (400, "MALFORMED_UPLOAD".to_owned()));
    let answer = world.server.ask("POST", &path, &[], "");
    assert_eq!(code(&answer), (400, "MALFORMED_UPLOAD".to_owned()));
    assert_eq!(code(&world.bring(&[])), (400, "MALFORMED_UPLOAD".to_owned()));
    let answer = world.bring(&[("nobody".to_owned(), b"{}".to_vec())]);
    assert_eq!(code(&answer), (400, "INVALID_ROLE".to_owned()));
    refused(&world.bring(&[("root".to_owned(), b"{}".to_vec())]), "ErrNothingCurrent", "root");
    let answer = world.server.ask("POST", "/v2/a//_trust/import", &headers, "");
    assert_eq!(code(&answer), (400, "INVALID_GUN".to_owned()));
}
