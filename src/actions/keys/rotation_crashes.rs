//! Rotations that crash at every single change to the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use test_case::test_case;

use crate::actions::context::{Connections, Context, ServerChoice, Strictness};
use crate::actions::initialize::Plan;
use crate::actions::keys::rotate::{
    Earlier, Legacy, Request, RotateError, Rotated, abandon, rotate,
};
use crate::actions::publish::{PublishError, publish};
use crate::client::testing::{Received, Reply, Server, reply};
use crate::clock::FixedClock;
use crate::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use crate::crypto::{Passphrase, Sha256Hash, Signature};
use crate::store::TrustDir;
use crate::store::faults::{Mode, with_fault};
use crate::store::files::{Base, PRIVATE_MODE};
use crate::store::keyring::KeyringEnv;
use crate::tuf::metadata::{
    Document, FileMeta, Header, Root, Signed, Snapshot, TimestampFile, encode_envelope,
};
use crate::tuf::testing::{TestKey, days, now};
use crate::tuf::{Gun, Pinning, RoleName};

const NAME: &str = "127.0.0.1:5000/app";

/// A trust server of one repository, honest and forgetful: it is gone with the test.
#[derive(Clone, Default)]
struct Notary {
    files: BTreeMap<String, Vec<u8>>,
    current: BTreeMap<RoleName, Vec<u8>>,
    keys: BTreeMap<String, Vec<TestKey>>,
    versions: u64,
}

impl Notary {
    fn answer(&mut self, request: &Received) -> Reply {
        let file = request.target.split_once("/_trust/tuf/").map_or("", |(_, file)| file);
        match (request.method.as_str(), file.strip_suffix(".key")) {
            ("POST", None) => self.accept(request),
            (method, Some(role)) => {
                let keys = self.keys.entry(role.to_owned()).or_default();
                if keys.is_empty() || method == "POST" {
                    keys.push(TestKey::bare());
                }
                reply(200, keys.last().unwrap().public.to_json().to_canonical())
            }
            (_, None) => match self.files.get(file) {
                Some(bytes) => reply(200, bytes.clone()),
                None => reply(404, r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"no"}]}"#),
            },
        }
    }

    fn accept(&mut self, request: &Received) -> Reply {
        let body = request.body.as_slice();
        let boundary = request.header("content-type").unwrap().split_once("boundary=").unwrap().1;
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut sent = BTreeMap::new();
        for part in text.split(&format!("--{boundary}")) {
            let Some((head, content)) = part.split_once("\r\n\r\n") else { continue };
            let (_, role) = head.split_once("filename=\"").unwrap();
            let role = RoleName::parse(role.split_once('"').unwrap().0).unwrap();
            sent.insert(role, content.strip_suffix("\r\n").unwrap().as_bytes().to_vec());
        }
        if let (Some(new), Some(old)) =
            (sent.get(&RoleName::Root), self.current.get(&RoleName::Root))
            && root(new).header.version != root(old).header.version + 1
        {
            return reply(400, r#"{"errors":[{"code":"VERSION","message":"newer","detail":{}}]}"#);
        }
        self.current.extend(sent);
        self.sign_above();
        reply(200, "")
    }

    fn sign_above(&mut self) {
        self.versions += 1;
        let header = Header { version: self.versions, expires: days(10) };
        let top = root(&self.current[&RoleName::Root]);
        let listed = self
            .current
            .iter()
            .filter(|(role, _)| !matches!(role, RoleName::Snapshot | RoleName::Timestamp));
        let meta = listed.map(|(role, raw)| (role.clone(), FileMeta::of(raw))).collect();
        let snapshot = Snapshot { header: header.clone(), meta };
        if let Some(raw) = self.sign(&top, &RoleName::Snapshot, &snapshot) {
            self.current.insert(RoleName::Snapshot, raw);
        }
        let snapshot = FileMeta::of(&self.current[&RoleName::Snapshot]);
        let timestamp = TimestampFile { header, snapshot, others: BTreeMap::new() };
        let raw = self.sign(&top, &RoleName::Timestamp, &timestamp).unwrap();
        self.current.insert(RoleName::Timestamp, raw);
        self.files.insert(
            format!("{}.root.json", top.header.version),
            self.current[&RoleName::Root].clone(),
        );
        for (role, raw) in &self.current {
            self.files.insert(format!("{role}.json"), raw.clone());
            let hash = Sha256Hash::of(raw).to_hex();
            self.files.insert(format!("{role}.{hash}.json"), raw.clone());
        }
    }

    /// Signs with the key that the root lists, if it is the server's.
    fn sign<T: Document>(&self, root: &Root, role: &RoleName, document: &T) -> Option<Vec<u8>> {
        let spec = &root.roles[role.as_str()];
        let key = self.keys.get(role.as_str())?.iter().find(|k| spec.key_ids.contains(&k.id()))?;
        let body = document.to_json();
        let signature: Signature = key.signature(&body.to_canonical());
        Some(encode_envelope(&body, &[signature]))
    }
}

fn root(raw: &[u8]) -> Root {
    Signed::<Root>::parse(&RoleName::Root, raw).unwrap().unverified().clone()
}

#[derive(Debug)]
struct Known;

impl PassphraseSource for Known {
    fn passphrase(&self, _: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        Ok(Passphrase::new("passphrase".to_owned()))
    }
}

struct World {
    folder: tempfile::TempDir,
    notary: Arc<Mutex<Notary>>,
    server: Server,
    /// How it all began: files of the trust folder, and the server.
    began: (Vec<(PathBuf, Vec<u8>)>, Notary),
}

impl World {
    /// A repository at version 1.
    fn new() -> Self {
        let notary: Arc<Mutex<Notary>> = Arc::default();
        let shared = Arc::clone(&notary);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request));
        let began = (Vec::new(), Notary::default());
        let mut world = Self { folder: tempfile::tempdir().unwrap(), notary, server, began };
        world.publish().unwrap();
        let base = Base::new(world.folder.path().to_owned());
        for path in base.list(&base.path().join("trust")).unwrap() {
            let bytes = base.read(&path, 1 << 20).unwrap().unwrap().bytes;
            let inner = path.strip_prefix(base.path()).unwrap().to_owned();
            world.began.0.push((inner, bytes));
        }
        world.began.1 = world.notary.lock().unwrap().clone();
        world
    }

    /// Begins again.
    fn reset(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
        let base = Base::new(self.folder.path().to_owned());
        for (path, bytes) in &self.began.0 {
            base.write(&base.path().join(path), bytes, PRIVATE_MODE).unwrap();
        }
        *self.notary.lock().unwrap() = self.began.1.clone();
    }

    fn context(&self) -> Context {
        let path: &Path = self.folder.path();
        Context {
            trust_dir: TrustDir::new(path.join("trust")),
            clock: Arc::new(FixedClock(now())),
            passphrases: Arc::new(Known),
            connections: Connections {
                config_dir: path.join("config"),
                server: ServerChoice::Fixed(self.server.url("/").to_string()),
                ..Connections::default()
            },
            pinning: Pinning::default(),
            strictness: Strictness::default(),
            example_keys_allowed: false,
            keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
        }
    }

    fn publish(&self) -> Result<(), PublishError> {
        let edit = |draft: &mut crate::tuf::editor::Draft, _: Option<&_>| {
            draft.touch(&RoleName::Targets);
            Ok(())
        };
        run(publish(&self.context(), &gun(), Some(&Plan::default()), edit)).map(|_| ())
    }

    fn rotate(&self, (role, server_managed): (&str, bool)) -> Result<Rotated, RotateError> {
        let request = Request {
            gun: gun(),
            role: role.to_owned(),
            server_managed,
            key_files: Vec::new(),
            legacy: Legacy::None,
        };
        run(rotate(&self.context(), &request))
    }

    fn version(&self) -> u64 {
        root(&self.notary.lock().unwrap().current[&RoleName::Root]).header.version
    }

    /// How many private keys have this role.
    fn keys(&self, role: &str) -> usize {
        let keys = self.context().trust_dir.keys().unwrap().list().unwrap();
        assert!(keys.unusable.is_empty(), "{:?}", keys.unusable);
        keys.keys.iter().filter(|key| key.role == role).count()
    }

    fn is_settled(&self) -> bool {
        self.context().trust_dir.rotation(&gun()).read().unwrap().is_none()
    }
}

fn gun() -> Gun {
    Gun::parse(NAME).unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Private keys of the role when so many rotations are published.
fn expected(role: &str, server_managed: bool, rotations: usize) -> usize {
    match role {
        _ if server_managed => 0,
        "root" => 1 + rotations,
        "snapshot" => rotations.min(1),
        _ => 1,
    }
}

/// The same command again leaves one rotation published, and one new key.
#[test_case(("root", false))]
#[test_case(("targets", false))]
#[test_case(("snapshot", false))]
#[test_case(("snapshot", true))]
#[test_case(("timestamp", true))]
fn the_same_command_again(what: (&str, bool)) {
    let (role, server_managed) = what;
    let mut world = World::new();
    for step in 0.. {
        world.reset();
        let (first, hit) = with_fault(step, Mode::Crash, || world.rotate(what));
        if !hit {
            first.unwrap();
            assert!(step >= 4, "only {step} changes to the disk");
            return;
        }
        // Whoever is cut off when all is done rotates once more.
        let was_done = world.is_settled() && world.version() == 2;
        assert!(was_done || first.is_err(), "step {step}");
        let rotations = if was_done { 2 } else { 1 };
        world.rotate(what).unwrap_or_else(|error| panic!("step {step}: {error:?}"));
        assert!(world.is_settled(), "step {step}");
        assert_eq!(world.version(), 1 + rotations, "step {step}");
        let rotations = usize::try_from(rotations).unwrap();
        assert_eq!(world.keys(role), expected(role, server_managed, rotations), "step {step}");
        if step % 8 == 0 {
            world.publish().unwrap();
        }
    }
}

/// It is as if it had never been, unless it was published.
#[test_case(("root", false))]
#[test_case(("targets", false))]
#[test_case(("snapshot", false))]
#[test_case(("timestamp", true))]
fn abandoned(what: (&str, bool)) {
    let (role, server_managed) = what;
    let mut world = World::new();
    for step in 0.. {
        world.reset();
        let (first, hit) = with_fault(step, Mode::Crash, || world.rotate(what));
        if !hit {
            first.unwrap();
            return;
        }
        let was_begun = !world.is_settled();
        match run(abandon(&world.context(), &gun(), role)) {
            Ok(Earlier::Undone { .. }) => assert!(was_begun && world.version() == 1),
            Ok(Earlier::Finished { .. }) => assert!(was_begun && world.version() == 2),
            Err(RotateError::NoneUnderWay { .. }) => assert!(!was_begun),
            other => panic!("step {step}: {other:?}"),
        }
        assert!(world.is_settled(), "step {step}");
        let rotations = usize::try_from(world.version()).unwrap() - 1;
        assert_eq!(world.keys(role), expected(role, server_managed, rotations), "step {step}");
        if step % 8 == 0 {
            world.publish().unwrap();
        }
    }
}

/// Undoing and finishing crash as well.
#[test]
fn a_crash_while_a_crash_is_repaired() {
    let mut world = World::new();
    for first in [4, 19, 31] {
        for second in (0..).step_by(3) {
            world.reset();
            let (before, hit) = with_fault(first, Mode::Crash, || world.rotate(("targets", false)));
            if !hit {
                before.unwrap();
                return;
            }
            let (again, hit) = with_fault(second, Mode::Crash, || world.rotate(("targets", false)));
            if !hit {
                again.unwrap();
                break;
            }
            world.rotate(("targets", false)).unwrap();
            assert!(world.is_settled(), "steps {first} and {second}");
            assert_eq!(world.keys("targets"), 1, "steps {first} and {second}");
        }
    }
}
