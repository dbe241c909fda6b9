//! Repositories whose files end when the test says, on a real server.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use trust::actions::context::{Connections, ServerChoice};
use trust::clock::{Clock, SystemClock, Timestamp};
use trust::crypto::certificate::Certificate;
use trust::crypto::{Hashes, KeyHeaders, KeyId, KeyType, Passphrase, PrivateKey, PublicKey};
use trust::store::TrustDir;
use trust::tuf::changelist::DelegationEdit;
use trust::tuf::editor::{Draft, NewRepository};
use trust::tuf::{Gun, RoleName, Target, TargetName};

use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryServer, User};

/// The tag that is signed in `targets` and every delegation.
pub(super) const TAG: &str = "1";

/// When the files of a repository end, in seconds from now.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) root: i64,
    pub(super) certificate: i64,
    pub(super) targets: i64,
    /// Of `targets/alice` and `targets/releases`.
    pub(super) delegations: i64,
    /// Whether the owner signs snapshots; they end with the delegations then.
    pub(super) own_snapshot: bool,
    /// Whether it takes two keys to sign `targets/alice`.
    pub(super) two_for_alice: bool,
}

pub(super) const DAY: i64 = 86_400;

impl Ends {
    /// As they are when everything is new.
    pub(super) fn new() -> Self {
        Self {
            root: 3650 * DAY,
            certificate: 3650 * DAY,
            targets: 1095 * DAY,
            delegations: 1095 * DAY,
            own_snapshot: false,
            two_for_alice: false,
        }
    }
}

/// The keys of a repository, all of them in its owner's store.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) root: KeyId,
    pub(super) root_in_metadata: KeyId,
    pub(super) targets: KeyId,
    pub(super) alice: KeyId,
    /// The second key of `targets/alice`, if it takes two.
    pub(super) second: Option<KeyId>,
    /// When everything was published.
    pub(super) since: Timestamp,
}

/// Publishes a repository whose keys are new and `owner`'s, past all programs.
pub(super) fn publish(owner: &User, server: &NotaryServer, gun: &str, ends: &Ends) -> Owned {
    let now = SystemClock.now();
    let before =
        |end: i64, days: i64| Timestamp::from_second(now.as_second() + end - days * DAY).unwrap();
    let key = || PrivateKey::generate_ecdsa().unwrap();
    let (root, targets, alice, snapshot, second) = (key(), key(), key(), key(), key());
    let connections = Connections {
        config_dir: owner.docker_config(),
        server: ServerChoice::Fixed(server.url()),
        ..Connections::default()
    };
    let gun = Gun::parse(gun).unwrap();
    let notary = connections.notary(&gun, "push,pull").unwrap();
    let run = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let timestamp = run.block_on(notary.server_key(&RoleName::Timestamp)).unwrap();
    let certificate =
        Certificate::self_signed(gun.as_str(), &root, before(ends.certificate, 3650)).unwrap();
    let keys = NewRepository {
        root: PublicKey::new(KeyType::EcdsaX509, certificate),
        targets: targets.public_key().clone(),
        snapshot: if ends.own_snapshot {
            snapshot.public_key().clone()
        } else {
            run.block_on(notary.server_key(&RoleName::Snapshot)).unwrap()
        },
        timestamp,
    };
    let owned = Owned {
        root: root.id(),
        root_in_metadata: keys.root.id(),
        targets: targets.id(),
        alice: alice.id(),
        second: ends.two_for_alice.then(|| second.id()),
        since: now,
    };
    let mut draft = Draft::new_repository(&keys, now);
    let name = TargetName::parse(TAG).unwrap();
    let target = Target { length: 7, hashes: Hashes::of(b"content"), custom: None };
    let edit = DelegationEdit {
        add_keys: vec![alice.public_key().clone()],
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    };
    draft.add_target(&RoleName::Targets, &name, target.clone(), now).unwrap();
    for role in ["targets/alice", "targets/releases"] {
        let role = RoleName::parse(role).unwrap();
        let mut edit = edit.clone();
        if ends.two_for_alice && role.as_str() == "targets/alice" {
            edit.add_keys.push(second.public_key().clone());
            edit.threshold = NonZeroU32::new(2);
        }
        draft.edit_delegation(&role, true, &edit, now).unwrap();
        draft.add_target(&role, &name, target.clone(), now).unwrap();
    }
    store(owner, &root, "root", None, ROOT_PASSPHRASE);
    store(owner, &targets, "targets", Some(gun.as_str()), REPOSITORY_PASSPHRASE);
    store(owner, &alice, "alice", None, REPOSITORY_PASSPHRASE);
    if ends.two_for_alice {
        store(owner, &second, "alice", None, REPOSITORY_PASSPHRASE);
    }
    let private: BTreeMap<KeyId, PrivateKey> =
        [root, targets, alice, second].into_iter().map(|key| (key.id(), key)).collect();
    let signed = |end: i64, days: i64, role: &str| {
        let role = RoleName::parse(role).unwrap();
        let files = draft.sign(&private, before(end, days)).unwrap().files;
        (role.clone(), files[&role].clone())
    };
    let mut files = vec![
        signed(ends.root, 3650, "root"),
        signed(ends.targets, 1095, "targets"),
        signed(ends.delegations, 1095, "targets/alice"),
        signed(ends.delegations, 1095, "targets/releases"),
    ];
    if ends.own_snapshot {
        // A snapshot that lists these very files: signed as the next one over them.
        let role = RoleName::Snapshot;
        let listed = files.iter().map(|(role, raw)| (role.clone(), raw.as_slice()));
        store(owner, &snapshot, "snapshot", Some(gun.as_str()), REPOSITORY_PASSPHRASE);
        let raw = snapshot_of(listed, &snapshot, before(ends.delegations, 0));
        files.push((role, raw));
    }
    run.block_on(notary.publish(&files)).unwrap();
    owned
}

fn snapshot_of<'a>(
    files: impl Iterator<Item = (RoleName, &'a [u8])>,
    key: &PrivateKey,
    expires: Timestamp,
) -> Vec<u8> {
    use trust::codec::canonical_json::Value;
    let meta =
        files.map(|(role, raw)| (role.to_string(), crate::harness::repository::file_meta(raw)));
    let body = Value::object([
        ("_type", Value::from("Snapshot")),
        ("expires", Value::from(expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        ("meta", Value::Object(meta.collect())),
        ("version", Value::Int(1)),
    ]);
    let (method, bytes) = key.sign(&body.to_canonical()).unwrap();
    let signature = trust::crypto::Signature { key_id: key.id(), method, bytes };
    trust::tuf::metadata::encode_envelope(&body, &[signature])
}

fn store(owner: &User, key: &PrivateKey, role: &str, gun: Option<&str>, passphrase: &str) {
    let headers =
        KeyHeaders { role: Some(role.to_owned()), gun: gun.map(str::to_owned), path: None };
    let keys = TrustDir::new(owner.trust_folder()).keys().unwrap();
    keys.add(key, &headers, &Passphrase::new(passphrase.to_owned())).unwrap();
}

/// Takes a private key out of somebody's store.
pub(super) fn lose(owner: &User, key: &KeyId) {
    TrustDir::new(owner.trust_folder()).keys().unwrap().remove(key).unwrap();
}

/// Waits until so many seconds have passed since then, and a little more.
pub(super) fn wait_past(since: Timestamp, seconds: i64) {
    let end = since.as_millisecond() + (seconds + 1) * 1000 + 200;
    let left = end - SystemClock.now().as_millisecond();
    thread::sleep(Duration::from_millis(u64::try_from(left).unwrap_or_default()));
}

/// What the server has of a role now.
pub(super) fn served(server: &NotaryServer, gun: &str, role: &str) -> Value {
    let answer = server.metadata(gun, role);
    assert_eq!(answer.status, 200, "{role}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The version of a role on the server.
pub(super) fn version(server: &NotaryServer, gun: &str, role: &str) -> u64 {
    served(server, gun, role)["signed"]["version"].as_u64().unwrap()
}

/// A person who knows the server.
pub(super) fn person(server: &NotaryServer) -> User {
    let mut user = User::new();
    user.use_notary(server);
    user
}

/// Asserts that a person's programs, all three, read the repository.
pub(super) fn is_readable_by_all(user: &User, gun: &str) {
    let listed = user.notary(&["list", gun, "-r", "targets/releases"]).success();
    assert!(listed.stdout.contains(TAG), "{}", listed.stdout);
    let inspected = user.docker(&["trust", "inspect", &format!("{gun}:{TAG}")]).success();
    assert!(inspected.stdout.contains("\"SignedTag\""), "{}", inspected.stdout);
    user.trust(&["verify", "--no-registry", &format!("{gun}:{TAG}")]).success();
}
