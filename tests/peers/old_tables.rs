//! What notary-server and notary-signer leave in their databases, made here: collections with real
//! keys and signatures, as many as one likes, and the dump that `pg_dump` would write of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_128, AesKek, KeyWrap as _};
use aws_lc_rs::{pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use trust::clock::{Clock as _, SystemClock};
use trust::codec::canonical_json::Value;
use trust::codec::text::to_base64;
use trust::crypto::certificate::Certificate;
use trust::crypto::{Hashes, KeyType, PrivateKey, PublicKey, Sha256Hash};

/// The passphrase that keys are sealed under, and the variable that it is in.
pub(crate) const PASSPHRASE: &str = "what seals the keys";
/// The variable that it is in.
pub(crate) const VARIABLE: &str = "NOTARY_SIGNER_FIRST_ALIAS";

/// A collection and everybody's keys.
pub(crate) struct OldCollection {
    /// Its name.
    pub(crate) gun: String,
    targets: PrivateKey,
    /// The server's.
    pub(crate) snapshot: PrivateKey,
    /// The server's.
    pub(crate) timestamp: PrivateKey,
    root_file: Vec<u8>,
    tags: BTreeMap<String, String>,
    version: u64,
}

/// A row of `tuf_files`.
#[derive(Debug, Clone)]
pub(crate) struct OldFile {
    /// The collection.
    pub(crate) gun: String,
    /// The role.
    pub(crate) role: &'static str,
    /// The version.
    pub(crate) version: u64,
    /// The file.
    pub(crate) bytes: Vec<u8>,
}

impl OldCollection {
    /// One that nobody has published to yet; the server has a key for its timestamps.
    pub(crate) fn new(gun: &str) -> Self {
        Self::with_timestamp_key(gun, PrivateKey::generate_ecdsa().unwrap())
    }

    /// One whose timestamps are signed by this key.
    pub(crate) fn with_timestamp_key(gun: &str, timestamp: PrivateKey) -> Self {
        let key = || PrivateKey::generate_ecdsa().unwrap();
        let (root, targets, snapshot) = (key(), key(), key());
        let certificate = Certificate::self_signed(gun, &root, SystemClock.now()).unwrap();
        let certificate = PublicKey::new(KeyType::EcdsaX509, certificate);
        let publics = [
            ("root", &certificate),
            ("snapshot", snapshot.public_key()),
            ("targets", targets.public_key()),
            ("timestamp", timestamp.public_key()),
        ];
        let role = |(role, key): &(&str, &PublicKey)| {
            let ids = Value::Array(vec![Value::from(key.id().as_str())]);
            let entry = Value::object([("keyids", ids), ("threshold", Value::Int(1))]);
            ((*role).to_owned(), entry)
        };
        let keys = publics.iter().map(|(_, key)| (key.id().as_str().to_owned(), key.to_json()));
        let body = Value::object([
            ("_type", Value::from("Root")),
            ("consistent_snapshot", Value::Bool(false)),
            ("expires", Value::from(expires().as_str())),
            ("keys", Value::object(keys)),
            ("roles", Value::object(publics.iter().map(role))),
            ("version", Value::Int(1)),
        ]);
        let root_file = enveloped(&body.to_canonical(), &root, certificate.id().as_str());
        Self {
            gun: gun.to_owned(),
            targets,
            snapshot,
            timestamp,
            root_file,
            tags: BTreeMap::new(),
            version: 0,
        }
    }

    /// Signs one more tag: the next version of all roles, and the first time a root.
    pub(crate) fn sign(&mut self, tag: &str) -> Vec<OldFile> {
        let hashes = Hashes::of(format!("{}:{tag}", self.gun).as_bytes());
        let hash = to_base64(hashes.get("sha256").unwrap());
        self.tags.insert(tag.to_owned(), hash);
        self.version += 1;
        let (version, expires) = (self.version, expires());
        let entry = |(tag, hash): (&String, &String)| {
            format!("\"{tag}\":{{\"hashes\":{{\"sha256\":\"{hash}\"}},\"length\":528}}")
        };
        let tags: Vec<String> = self.tags.iter().map(entry).collect();
        let targets = format!(
            "{{\"_type\":\"Targets\",\"delegations\":{{\"keys\":{{}},\"roles\":[]}},\
             \"expires\":\"{expires}\",\"targets\":{{{}}},\"version\":{version}}}",
            tags.join(",")
        );
        let targets = signed(&targets, &self.targets);
        let snapshot = format!(
            "{{\"_type\":\"Snapshot\",\"expires\":\"{expires}\",\"meta\":{{\"root\":{},\
             \"targets\":{}}},\"version\":{version}}}",
            meta(&self.root_file),
            meta(&targets)
        );
        let snapshot = signed(&snapshot, &self.snapshot);
        let timestamp = format!(
            "{{\"_type\":\"Timestamp\",\"expires\":\"{expires}\",\"meta\":{{\"snapshot\":{}}},\
             \"version\":{version}}}",
            meta(&snapshot)
        );
        let timestamp = signed(&timestamp, &self.timestamp);
        let first = (version == 1).then(|| ("root", self.root_file.clone()));
        let others = [("targets", targets), ("snapshot", snapshot), ("timestamp", timestamp)];
        let row = |(role, bytes)| OldFile { gun: self.gun.clone(), role, version, bytes };
        first.into_iter().chain(others).map(row).collect()
    }
}

/// How much the table of keys says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyColumns {
    /// All that notary's last version notes.
    All,
    /// Neither collection, role nor use: as the first versions made the table.
    First,
}

/// A dump on its way: files go out as they come, the rest when it is finished.
pub(crate) struct Dump<W: Write> {
    out: W,
    rows: u64,
    columns: KeyColumns,
    changes: String,
    change: u64,
    keys: String,
    sealer: Sealer,
}

impl<W: Write> Dump<W> {
    /// Begins one.
    pub(crate) fn new(mut out: W, columns: KeyColumns) -> Self {
        out.write_all(
            b"--\n-- PostgreSQL database dump\n--\n\n\
              SET standard_conforming_strings = on;\n\n\
              COPY public.tuf_files (id, created_at, updated_at, deleted_at, gun, role, version, \
              data, sha256) FROM stdin;\n",
        )
        .unwrap();
        let (changes, keys, sealer) = (String::new(), String::new(), Sealer::new());
        Self { out, rows: 0, columns, changes, change: 0, keys, sealer }
    }

    /// Adds files, and for each timestamp a change.
    pub(crate) fn files(&mut self, files: &[OldFile]) {
        for OldFile { gun, role, version, bytes } in files {
            self.rows += 1;
            let (id, now, sha256) = (self.rows, now(), Sha256Hash::of(bytes).to_hex());
            let mut line = format!("{id}\t{now}\t{now}\t\\N\t{gun}\t{role}\t{version}\t\\\\x");
            hex(&mut line, bytes);
            writeln!(line, "\t{sha256}").unwrap();
            self.out.write_all(line.as_bytes()).unwrap();
            if *role == "timestamp" {
                self.change(gun, *version, &sha256, "update");
            }
        }
    }

    /// Adds the changes of files that are not there any more.
    pub(crate) fn changes_of(&mut self, files: &[OldFile]) {
        for file in files.iter().filter(|file| file.role == "timestamp") {
            let sha256 = Sha256Hash::of(&file.bytes).to_hex();
            self.change(&file.gun, file.version, &sha256, "update");
        }
    }

    /// Adds a deletion to the changes.
    pub(crate) fn deletion(&mut self, gun: &str) {
        self.change(gun, 0, "", "deletion");
    }

    fn change(&mut self, gun: &str, version: u64, sha256: &str, category: &str) {
        self.change += 1;
        let (id, now) = (self.change, now());
        writeln!(self.changes, "{id}\t{now}\t{gun}\t{version}\t{sha256}\t{category}").unwrap();
    }

    /// Adds the keys that the server has for a collection.
    pub(crate) fn keys(&mut self, collection: &OldCollection) {
        self.key(&collection.gun, "timestamp", &collection.timestamp, true);
        self.key(&collection.gun, "snapshot", &collection.snapshot, true);
    }

    /// Adds a key, of a collection that may be `\N`, to say nothing.
    pub(crate) fn key(&mut self, gun: &str, role: &str, key: &PrivateKey, was_used: bool) {
        let now = now();
        let used = if was_used { now.as_str() } else { "\\N" };
        let id = key.id();
        write!(self.keys, "{id}\tecdsa\tfirst_alias\t\\\\x").unwrap();
        hex(&mut self.keys, key.public_key().public());
        self.keys.push_str("\t\\\\x");
        hex(&mut self.keys, self.sealer.seal(&sec1(key)).as_bytes());
        match self.columns {
            KeyColumns::All => writeln!(self.keys, "\t{gun}\t{role}\t{used}").unwrap(),
            KeyColumns::First => self.keys.push('\n'),
        }
    }

    /// Writes the rest.
    pub(crate) fn finish(mut self) -> W {
        let more = match self.columns {
            KeyColumns::All => ", gun, role, last_used",
            KeyColumns::First => "",
        };
        write!(
            self.out,
            "\\.\n\n\nCOPY public.changefeed (id, created_at, gun, version, sha256, category) FROM \
             stdin;\n{}\\.\n\n\nCOPY public.private_keys (key_id, algorithm, passphrase_alias, \
             public, private{more}) FROM stdin;\n{}\\.\n\n\n\
             --\n-- PostgreSQL database dump complete\n--\n",
            self.changes, self.keys
        )
        .unwrap();
        self.out.flush().unwrap();
        self.out
    }
}

/// Seals keys as notary-signer does, but under one salt: it takes as long to open each.
struct Sealer {
    head: String,
    wrapping: [u8; 16],
}

impl Sealer {
    fn new() -> Self {
        let salt = b"twelve bytes";
        let head = format!(
            "{{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A256GCM\",\"p2c\":8192,\"p2s\":\"{}\"}}",
            URL_SAFE_NO_PAD.encode(salt)
        );
        let salt = [b"PBES2-HS256+A128KW", &[0][..], salt].concat();
        let mut wrapping = [0; 16];
        let (kind, rounds) = (pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::new(8192).unwrap());
        pbkdf2::derive(kind, rounds, &salt, PASSPHRASE.as_bytes(), &mut wrapping);
        Self { head: URL_SAFE_NO_PAD.encode(head), wrapping }
    }

    fn seal(&self, secret: &[u8]) -> String {
        let (mut key, mut nonce) = ([0; 32], [0; 12]);
        rand::fill(&mut key).unwrap();
        rand::fill(&mut nonce).unwrap();
        let mut wrapped = [0; 40];
        let wrapping = AesKek::new(&AES_128, &self.wrapping).unwrap();
        let wrapped = wrapping.wrap(&key, &mut wrapped).unwrap();
        let mut sealed = secret.to_vec();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let (nonce_bytes, aad) = (nonce, Aad::from(self.head.as_bytes()));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, aad, &mut sealed).unwrap();
        let parts = [&wrapped[..], &nonce_bytes, &sealed, tag.as_ref()];
        let parts: Vec<String> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        format!("{}.{}", self.head, parts.join("."))
    }
}

/// The `ECPrivateKey` (RFC 5915) of a key, as Go writes it.
fn sec1(key: &PrivateKey) -> Vec<u8> {
    let pkcs8 = key.to_pkcs8().unwrap();
    let head = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = pkcs8.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    let scalar = pkcs8.get(at..at + 32).unwrap();
    let public = key.public_key().public();
    let point = public.get(public.len() - 65..).unwrap();
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    [&[0x30, 0x77], &head[..], scalar, &curve, &[0xa1, 0x44, 0x03, 0x42, 0x00], point].concat()
}

fn signed(body: &str, key: &PrivateKey) -> Vec<u8> {
    enveloped(body.as_bytes(), key, key.id().as_str())
}

fn enveloped(body: &[u8], key: &PrivateKey, id: &str) -> Vec<u8> {
    let (method, signature) = key.sign(body).unwrap();
    let (method, signature) = (method.as_str(), to_base64(&signature));
    let tail = format!(
        ",\"signatures\":[{{\"keyid\":\"{id}\",\"method\":\"{method}\",\"sig\":\"{signature}\"}}]}}"
    );
    [b"{\"signed\":", body, tail.as_bytes()].concat()
}

fn meta(file: &[u8]) -> String {
    let hashes = Hashes::of(file);
    format!(
        "{{\"hashes\":{{\"sha256\":\"{}\",\"sha512\":\"{}\"}},\"length\":{}}}",
        to_base64(hashes.get("sha256").unwrap()),
        to_base64(hashes.get("sha512").unwrap()),
        file.len()
    )
}

fn hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.extend(DIGITS.get(usize::from(byte >> 4)));
        text.extend(DIGITS.get(usize::from(byte & 15)));
    }
}

/// Three years from now.
fn expires() -> String {
    let then = SystemClock.now() + SignedDuration::from_hours(24 * 365 * 3);
    format!("{}T00:00:00Z", then.to_string().get(..10).unwrap())
}

/// The time as PostgreSQL writes it.
fn now() -> String {
    let now = Timestamp::from_microsecond(SystemClock.now().as_microsecond()).unwrap();
    now.to_string().replace('T', " ").replace('Z', "")
}
