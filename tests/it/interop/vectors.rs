//! The stores that docker and notary left (`tests/data/notary-vectors`): read to the last byte,
//! and gone on with on a new trust server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use test_case::test_case;
use trust::actions::Context;
use trust::actions::context::{Connections, ServerChoice};
use trust::actions::publish::{PublishError, publish};
use trust::client::NotaryClient;
use trust::clock::{SystemClock, Timestamp};
use trust::codec::timestamp::Rfc3339;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::crypto::{Hashes, KeyId, Passphrase, PrivateKey, PublicKey, Signature};
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::metadata::{Document, FileMeta, encode_envelope};
use trust::tuf::trusted::{Expiry, TrustedRepository};
use trust::tuf::verify::verify;
use trust::tuf::{
    Gun, Pin, Pinning, RoleKeys, RoleName, Root, Signed, Snapshot, Target, TargetName, Targets,
    TimestampFile, TrustedSet,
};

use super::world::{assert_same_inspection, copy_folder, signers};
use crate::peers::{NotaryOptions, NotaryServer, User};

const VECTORS: &str = "example.com/vectors/one";
const SURVEY: &str = "localhost:15005/survey/gv";
const SURVEY_2: &str = "localhost:15005/survey/gv2";
/// SHA-256 of nothing, as good as any digest.
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test_case("nh-init", VECTORS, 3)]
#[test_case("nh-step1", VECTORS, 4)]
#[test_case("nh-step2", VECTORS, 6)]
#[test_case("nh-final", VECTORS, 6)]
#[test_case("docker-trust-signed", SURVEY, 6)]
#[test_case("docker-trust-final", SURVEY, 6)]
#[test_case("docker-trust-final", SURVEY_2, 4)]
fn every_file_is_read_verified_and_written_again(store: &str, gun: &str, files: usize) {
    let user = user_of(store);
    let held = Held::open(&user, gun);
    assert_eq!(held.files.len(), files);
    for (role, raw) in &held.files {
        let written = match role {
            RoleName::Root => rewritten::<Root>(role, raw),
            RoleName::Snapshot => rewritten::<Snapshot>(role, raw),
            RoleName::Timestamp => rewritten::<TimestampFile>(role, raw),
            _ => rewritten::<Targets>(role, raw),
        };
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(raw), "{role}");
    }
    let root: Root = held.body(&RoleName::Root);
    let top: Targets = held.body(&RoleName::Targets);
    let named = root.keys.iter().chain(&top.delegations.keys);
    for (id, key) in named {
        assert_eq!(*id, key.id());
    }
    // Whoever wrote the store could sign it: every key that is here opens, and is what it says.
    assert!(held.keys.len() >= 3, "{:?}", held.keys.keys());
    for role in held.files.keys() {
        held.verify(role, &root, &top);
    }
}

#[test_case("nh-step1", VECTORS, &["targets"])]
#[test_case("nh-step2", VECTORS, &["targets", "targets/alpha", "targets/releases"])]
#[test_case("nh-final", VECTORS, &["targets", "targets/releases"])]
#[test_case("docker-trust-signed", SURVEY, &["targets", "targets/alice", "targets/releases"])]
#[test_case("docker-trust-final", SURVEY, &["targets", "targets/alice", "targets/releases"])]
#[test_case("docker-trust-final", SURVEY_2, &["targets"])]
fn every_chain_is_accepted_offline(store: &str, gun: &str, roles: &[&str]) {
    let user = user_of(store);
    let held = Held::open(&user, gun);
    let trusted = held.chain();
    let accepted: Vec<_> = trusted.targets().keys().map(RoleName::as_str).collect();
    assert_eq!(accepted, roles);
    assert!(trusted.unusable().is_empty(), "{:?}", trusted.unusable());
    assert!(!trusted.is_first_use());
}

#[test]
fn an_export_of_many_keys_is_imported_as_notary_imports_it() {
    let file = vectors().join("notary-key-export.pem").display().to_string();
    let (ours, theirs) = (user_of("cl-targets"), user_of("cl-targets"));
    ours.trust(&["key", "import", &file]).success();
    theirs.notary(&["key", "import", &file]).success();
    let listed = |user: &User| {
        let listed = user.trust(&["key", "ls", "--json"]).success().stdout;
        listed.replace(&user.home().display().to_string(), "~")
    };
    assert_eq!(listed(&ours), listed(&theirs));
    assert!(listed(&ours).contains("8a33a25e"), "{}", listed(&ours));
    // Notary's own listing of what we imported is that of what it imported.
    let listed = |user: &User| {
        let listed = user.notary(&["key", "list"]).success().stdout;
        // Without the column that names the folder, which is cut to fit.
        let cells = |line: &str| {
            let cells = line.split_whitespace().filter(|cell| !cell.contains(".docker"));
            cells.collect::<Vec<_>>().join(" ")
        };
        listed.lines().map(cells).collect::<Vec<_>>()
    };
    assert_eq!(listed(&ours), listed(&theirs));
    for name in ours.trust(&["key", "ls", "--json"]).stdout.split('"') {
        if name.len() == 64 {
            let read = |user: &User| {
                let name = format!("private/{name}.key");
                fs::read_to_string(user.trust_folder().join(name)).unwrap()
            };
            assert_eq!(read(&ours), read(&theirs));
        }
    }
}

/// The server of the vectors is gone with its keys. A new one takes over as it must: roots that
/// list its keys, signed by the store's root key; then everybody goes on, caches and all.
#[test_case("nh-init", VECTORS)]
#[test_case("nh-step1", VECTORS)]
#[test_case("nh-step2", VECTORS)]
#[test_case("nh-final", VECTORS)]
#[test_case("docker-trust-signed", SURVEY)]
#[test_case("docker-trust-final", SURVEY)]
#[test_case("docker-trust-final", SURVEY_2)]
fn every_store_is_gone_on_with(store: &str, gun: &str) {
    let server = NotaryServer::start(&NotaryOptions::default());
    let mut user = user_of(store);
    user.use_notary(&server);
    let held = Held::open(&user, gun);
    let root: Root = held.body(&RoleName::Root);
    seed(&held, &server, &user);

    // Notary, with its own cache from then, follows; so do we, and publish one more target.
    let before = user.notary(&["list", gun]).success().stdout;
    let context = context(&user, &server);
    let parsed = Gun::parse(gun).unwrap();
    let name = TargetName::parse("continued").unwrap();
    let now = context.clock.now();
    let change = publish::<PublishError>(&context, &parsed, None, |draft, trusted| {
        assert!(trusted.unwrap().root().body().header.version > root.header.version);
        draft.add_target(&RoleName::Targets, &name, target(), now)?;
        Ok(())
    });
    let published = block_on(change).unwrap().publication.unwrap();
    assert!(published.files.contains_key(&RoleName::Targets));
    assert_eq!(published.files.contains_key(&RoleName::Snapshot), held.signs_snapshots(&root));
    let after = user.notary(&["list", gun]).success().stdout;
    let added: Vec<_> = after.lines().filter(|line| !before.contains(*line)).collect();
    assert!(added.iter().any(|line| line.starts_with("continued")), "{before}\n{after}");
    let found = user.notary(&["lookup", gun, "continued"]).success();
    assert_eq!(found.stdout.trim(), format!("continued sha256:{DIGEST} 7"));

    // A signer by the command line, seen by both others, and by somebody without any cache.
    let key = vectors().join("alice.pub").display().to_string();
    user.trust(&["signer", "add", "--key", &key, "dave", gun]).success();
    let listed = user.notary(&["delegation", "list", gun]).success();
    assert!(listed.stdout.contains("targets/dave"), "{listed:?}");
    let inspection = assert_same_inspection(&user, gun);
    assert!(signers(&inspection).contains(&"dave".to_owned()), "{inspection:#}");
    let mut stranger = User::new();
    stranger.use_notary(&server);
    assert_eq!(assert_same_inspection(&stranger, gun), inspection);

    // Notary goes on in its turn, and we read that.
    let size = ["addhash", "-p", gun, "notarys", "7", "--sha256", DIGEST];
    user.notary(&size).success();
    let image = format!("{gun}:notarys");
    let verified = user.trust(&["verify", "--no-registry", "--digest", &image]).success();
    assert_eq!(verified.stdout, format!("{gun}@sha256:{DIGEST}\n"));
    user.trust(&["revoke", &image]).success();
    user.notary(&["lookup", gun, "notarys"]).expect_code(1);
}

/// Publishes the store's repository to a server that never saw it.
///
/// The server begins its own versions at 1, and knows no root but the first: new roots are
/// published one by one until every version exceeds what the store has cached.
fn seed(held: &Held, server: &NotaryServer, user: &User) {
    let notary = connections(user, server).notary(&held.gun, "push,pull").unwrap();
    let mut root: Root = held.body(&RoleName::Root);
    let last_root = root.header.version;
    let ours = held.signs_snapshots(&root);
    let managed: &[RoleName] =
        if ours { &[RoleName::Timestamp] } else { &[RoleName::Timestamp, RoleName::Snapshot] };
    for role in managed {
        let key = block_on(notary.server_key(role)).unwrap();
        root.roles.get_mut(role.as_str()).unwrap().key_ids = vec![key.id()];
        root.keys.insert(key.id(), key);
    }
    let mut files = held.targets_signed_anew(&root);
    let mut snapshot = held.snapshot();
    root.header.version = 1;
    loop {
        root.header.version += 1;
        root.header.expires = far();
        let keys = root.role_keys(&RoleName::Root).unwrap();
        files.insert(RoleName::Root, held.sign(&root, &keys));
        if ours {
            snapshot.header.version += 1;
            snapshot.header.expires = far();
            let listed = files.iter().filter(|(role, _)| **role != RoleName::Snapshot);
            snapshot.meta.extend(listed.map(|(role, raw)| (role.clone(), FileMeta::of(raw))));
            let keys = root.role_keys(&RoleName::Snapshot).unwrap();
            files.insert(RoleName::Snapshot, held.sign(&snapshot, &keys));
        }
        upload(&notary, &files);
        files.retain(|role, _| !role.is_targets());
        if root.header.version > last_root && held.is_behind(server) {
            return;
        }
    }
}

fn upload(notary: &NotaryClient, files: &BTreeMap<RoleName, Vec<u8>>) {
    let files: Vec<_> = files.clone().into_iter().collect();
    block_on(notary.publish(&files)).unwrap();
}

/// A store, read and opened.
struct Held {
    gun: Gun,
    files: BTreeMap<RoleName, Vec<u8>>,
    keys: BTreeMap<KeyId, PrivateKey>,
}

impl Held {
    fn open(user: &User, gun: &str) -> Self {
        let gun = Gun::parse(gun).unwrap();
        let dir = TrustDir::new(user.trust_folder());
        assert!(dir.guns().unwrap().contains(&gun));
        let files = dir.metadata(&gun).read().unwrap();
        let store = dir.keys().unwrap();
        let mut keys = BTreeMap::new();
        for info in store.list().unwrap().keys {
            let key = store.unlock(&info.id, &Known).unwrap();
            assert_eq!(key.id(), info.id);
            keys.insert(info.id, key);
        }
        Self { gun, files, keys }
    }

    fn body<T: Document + Clone>(&self, role: &RoleName) -> T {
        Signed::<T>::parse(role, &self.files[role]).unwrap().unverified().clone()
    }

    /// Verifies a file by the keys that the root or the top-level role lists.
    fn verify(&self, role: &RoleName, root: &Root, top: &Targets) {
        let keys = root.role_keys(role).or_else(|| top.role_keys(role));
        let Some(keys) = keys else {
            // Notary leaves the file of a role that was removed.
            assert_eq!(role.as_str(), "targets/alpha");
            return;
        };
        let raw = &self.files[role];
        let signers = match role {
            RoleName::Root => signers_of::<Root>(role, raw, &keys),
            RoleName::Snapshot => signers_of::<Snapshot>(role, raw, &keys),
            RoleName::Timestamp => signers_of::<TimestampFile>(role, raw, &keys),
            _ => signers_of::<Targets>(role, raw, &keys),
        };
        assert_eq!(signers.len(), 1, "{role}");
    }

    fn chain(&self) -> TrustedRepository {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let gun = self.gun.clone();
        let pin = Pin::FirstUse;
        let mut set = TrustedSet::resume(gun, now, Expiry::Enforced, pin, &self.files).unwrap();
        set.accept_timestamp(&self.files[&RoleName::Timestamp]).unwrap();
        set.accept_snapshot(&self.files[&RoleName::Snapshot]).unwrap();
        loop {
            let wanted = set.wanted_targets().unwrap();
            if wanted.is_empty() {
                return set.finish().unwrap();
            }
            for wanted in wanted {
                set.accept_targets(&wanted.role, &self.files[&wanted.role]).unwrap();
            }
        }
    }

    /// Whether the snapshot key is in the store: notary's way, not docker's.
    fn signs_snapshots(&self, root: &Root) -> bool {
        let keys = root.role_keys(&RoleName::Snapshot).unwrap();
        keys.keys.values().any(|key| self.keys.contains_key(&key.canonical_id().unwrap()))
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot: Snapshot = self.body(&RoleName::Snapshot);
        snapshot.meta.clear();
        snapshot
    }

    /// The top-level role and its delegations, one version up.
    fn targets_signed_anew(&self, root: &Root) -> BTreeMap<RoleName, Vec<u8>> {
        let top: Targets = self.body(&RoleName::Targets);
        let mut files = BTreeMap::new();
        for role in self.files.keys().filter(|role| role.is_targets()) {
            let Some(keys) = root.role_keys(role).or_else(|| top.role_keys(role)) else { continue };
            let mut file: Targets = self.body(role);
            file.header.version += 1;
            file.header.expires = far();
            files.insert(role.clone(), self.sign(&file, &keys));
        }
        files
    }

    fn sign<T: Document>(&self, document: &T, role: &RoleKeys) -> Vec<u8> {
        let body = document.to_json();
        let message = body.to_canonical();
        let sign = |(id, key): (&KeyId, &PublicKey)| {
            let private = self.keys.get(&key.canonical_id().unwrap())?;
            let (method, bytes) = private.sign(&message).unwrap();
            Some(Signature { key_id: id.clone(), method, bytes })
        };
        let signatures: Vec<_> = role.keys.iter().filter_map(sign).collect();
        assert!(!signatures.is_empty(), "no key of {}", role.role);
        encode_envelope(&body, &signatures)
    }

    /// Whether the server's own files are newer than the store's.
    fn is_behind(&self, server: &NotaryServer) -> bool {
        [RoleName::Timestamp, RoleName::Snapshot].iter().all(|role| {
            let version = |raw: &[u8]| {
                let file: serde_json::Value = serde_json::from_slice(raw).unwrap();
                file["signed"]["version"].as_u64().unwrap()
            };
            let served = version(&server.metadata(self.gun.as_str(), role.as_str()).body);
            self.files.get(role).is_none_or(|raw| served > version(raw))
        })
    }
}

fn rewritten<T: Document>(role: &RoleName, raw: &[u8]) -> Vec<u8> {
    let signed = Signed::<T>::parse(role, raw).unwrap();
    encode_envelope(&signed.unverified().to_json(), signed.signatures())
}

fn signers_of<T: Document>(role: &RoleName, raw: &[u8], keys: &RoleKeys) -> Vec<KeyId> {
    verify(Signed::<T>::parse(role, raw).unwrap(), keys).unwrap().signers().to_vec()
}

fn target() -> Target {
    let sha256 = (0..DIGEST.len()).step_by(2);
    let sha256 = sha256.map(|at| u8::from_str_radix(&DIGEST[at..at + 2], 16).unwrap()).collect();
    let hashes = Hashes::from_iter([("sha256", sha256)]);
    Target { length: 7, hashes, custom: None }
}

fn far() -> Rfc3339 {
    Rfc3339::parse("2099-01-01T00:00:00Z").unwrap()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors")
}

/// A person who has a copy of a store, and its passphrases.
fn user_of(store: &str) -> User {
    let mut user = User::new();
    let from = vectors().join(store);
    if from.join("private").is_dir() {
        copy_folder(&from, &user.trust_folder());
    }
    user.set("NOTARY_ROOT_PASSPHRASE", "rootpass1");
    user.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "rootpass1");
    if store.starts_with("docker") {
        for name in ["NOTARY_TARGETS", "NOTARY_DELEGATION", "DOCKER_CONTENT_TRUST_REPOSITORY"] {
            user.set(&format!("{name}_PASSPHRASE"), "repopass1");
        }
    } else {
        user.unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
        user.set("NOTARY_TARGETS_PASSPHRASE", "targpass1");
        user.set("NOTARY_SNAPSHOT_PASSPHRASE", "snappass1");
        user.set("NOTARY_DELEGATION_PASSPHRASE", "delepass1");
    }
    user
}

fn connections(user: &User, server: &NotaryServer) -> Connections {
    Connections {
        config_dir: user.docker_config(),
        server: ServerChoice::Fixed(server.url()),
        ..Connections::default()
    }
}

fn context(user: &User, server: &NotaryServer) -> Context {
    Context {
        trust_dir: TrustDir::new(user.trust_folder()),
        clock: Arc::new(SystemClock),
        passphrases: Arc::new(Known),
        connections: connections(user, server),
        pinning: Pinning::default(),
        strictness: trust::actions::context::Strictness::default(),
        example_keys_allowed: false,
        keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
    }
}

/// Knows every passphrase of the stores (notary.md §8).
struct Known;

impl PassphraseSource for Known {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let known: &[&str] = match request.role.as_str() {
            "root" => &["rootpass1"],
            "targets" => &["targpass1", "repopass1"],
            "snapshot" => &["snappass1"],
            _ => &["delepass1", "repopass1"],
        };
        let known = known.get(usize::try_from(request.attempt).unwrap() - 1);
        let known = known.map(|text| Passphrase::new((*text).to_owned()));
        known.ok_or(PassphraseError::Cancelled)
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
