//! Metadata made to order: any version, expiry, signer, threshold; any byte.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use trust::clock::{Clock, SystemClock};
use trust::codec::canonical_json::{Object, Value};
use trust::codec::text::to_base64;
use trust::crypto::certificate::Certificate;
use trust::crypto::{Hashes, KeyId, KeyType, PrivateKey, PublicKey, Sha256Hash, Signature};
use trust::tuf::metadata::encode_envelope;

/// A key pair, and the form in which metadata lists its public half.
#[derive(Debug)]
pub(crate) struct Key {
    private: Rc<PrivateKey>,
    public: PublicKey,
}

impl Key {
    /// A new key, listed as it is.
    pub(crate) fn plain() -> Rc<Self> {
        let private = Rc::new(PrivateKey::generate_ecdsa().unwrap());
        Rc::new(Self { public: private.public_key().clone(), private })
    }

    /// A new key in a certificate for a repository, as root keys are.
    pub(crate) fn certified(gun: &str) -> Rc<Self> {
        Self::plain().in_certificate(gun, SystemClock.now())
    }

    /// The same key in a certificate that begins at this time and is good for ten years.
    pub(crate) fn in_certificate(&self, gun: &str, begins: Timestamp) -> Rc<Self> {
        let certificate = Certificate::self_signed(gun, &self.private, begins).unwrap();
        Rc::new(Self {
            private: Rc::clone(&self.private),
            public: PublicKey::new(KeyType::EcdsaX509, certificate),
        })
    }

    /// The private half, for those who make certificates of another kind.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        self.private.to_pkcs8().unwrap().to_vec()
    }

    /// The same key, listed as this type with these bytes.
    pub(crate) fn listed_as(&self, key_type: KeyType, public: Vec<u8>) -> Rc<Self> {
        let private = Rc::clone(&self.private);
        Rc::new(Self { private, public: PublicKey::new(key_type, public) })
    }

    /// The id under which metadata lists it.
    pub(crate) fn id(&self) -> KeyId {
        self.public.id()
    }

    /// The public half as listed.
    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let (method, bytes) = self.private.sign(message).unwrap();
        Signature { key_id: self.id(), method, bytes }
    }
}

type Edit<T> = Box<dyn Fn(&mut T)>;

/// One role's document in the making.
struct Document {
    body: Value,
    signers: Vec<Rc<Key>>,
    /// After `meta` was filled in, before signing.
    before_signing: Vec<Edit<Value>>,
    /// After signing, before others take hash and length of it.
    after_signing: Vec<Edit<Vec<u8>>>,
    /// How it was signed last: signing the same again would give another file.
    signed: Option<(Vec<u8>, Vec<KeyId>, Vec<u8>)>,
}

/// A repository's documents, and every file that was ever published of it.
pub(crate) struct Repository {
    gun: String,
    documents: BTreeMap<String, Document>,
    files: BTreeMap<String, Vec<u8>>,
    raw: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// An honest repository of version 1 whose tag `1` is signed by `targets`. Not yet published.
    pub(crate) fn new(gun: &str) -> Self {
        let mut repository = Self {
            gun: gun.to_owned(),
            documents: BTreeMap::new(),
            files: BTreeMap::new(),
            raw: BTreeMap::new(),
        };
        for (role, kind) in BASE_ROLES {
            repository.documents.insert(role.to_owned(), Document::new(kind));
        }
        repository.set("root", &["consistent_snapshot"], Value::Bool(false));
        repository.set("root", &["keys"], empty());
        repository.set("targets", &["targets"], empty());
        repository.set("targets", &["delegations", "keys"], empty());
        repository.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
        repository.grant("root", &[Key::certified(gun)], 1);
        for role in ["targets", "snapshot", "timestamp"] {
            repository.grant(role, &[Key::plain()], 1);
        }
        repository.add_target("targets", "1", b"content");
        repository
    }

    /// Gives a base role these keys, which sign it from now on.
    pub(crate) fn grant(&mut self, role: &str, keys: &[Rc<Key>], threshold: i64) {
        for key in keys {
            self.set("root", &["keys", key.id().as_str()], key.public.to_json());
        }
        let ids = keys.iter().map(|key| Value::from(key.id().as_str())).collect();
        self.set("root", &["roles", role, "keyids"], Value::Array(ids));
        self.set("root", &["roles", role, "threshold"], Value::Int(threshold));
        self.sign_with(role, keys);
    }

    /// Gives a base role keys that are somebody else's, who signs it from now on.
    pub(crate) fn leave_to(&mut self, role: &str, keys: &[PublicKey], threshold: i64) {
        for key in keys {
            self.set("root", &["keys", key.id().as_str()], key.to_json());
        }
        let ids = keys.iter().map(|key| Value::from(key.id().as_str())).collect();
        self.set("root", &["roles", role, "keyids"], Value::Array(ids));
        self.set("root", &["roles", role, "threshold"], Value::Int(threshold));
        self.sign_with(role, &[]);
    }

    /// Delegates to a role, which may sign below these prefixes, and starts its document.
    pub(crate) fn delegate(
        &mut self,
        role: &str,
        keys: &[Rc<Key>],
        threshold: i64,
        paths: &[&str],
    ) {
        let (parent, _) = role.rsplit_once('/').unwrap();
        for key in keys {
            let id = key.id();
            self.set(parent, &["delegations", "keys", id.as_str()], key.public.to_json());
        }
        let ids = keys.iter().map(|key| Value::from(key.id().as_str())).collect();
        let entry = Value::object([
            ("keyids", Value::Array(ids)),
            ("name", Value::from(role)),
            ("paths", Value::Array(paths.iter().map(|path| Value::from(*path)).collect())),
            ("threshold", Value::Int(threshold)),
        ]);
        let Value::Array(roles) = at(self.body(parent), &["delegations", "roles"]) else {
            panic!("roles of {parent} are no list")
        };
        roles.retain(|known| known.get("name") != entry.get("name"));
        roles.push(entry);
        if !self.documents.contains_key(role) {
            self.documents.insert(role.to_owned(), Document::new("Targets"));
            self.set(role, &["targets"], empty());
            self.set(role, &["delegations", "keys"], empty());
            self.set(role, &["delegations", "roles"], Value::Array(Vec::new()));
        }
        self.sign_with(role, keys);
    }

    /// Has a role signed by these keys, whoever is allowed to.
    pub(crate) fn sign_with(&mut self, role: &str, keys: &[Rc<Key>]) {
        self.document(role).signers = keys.to_vec();
    }

    /// The keys that sign a role.
    pub(crate) fn signers(&self, role: &str) -> Vec<Rc<Key>> {
        self.documents[role].signers.clone()
    }

    /// Lets a role vouch for content under a name.
    pub(crate) fn add_target(&mut self, role: &str, name: &str, content: &[u8]) {
        self.set(role, &["targets", name], file_meta(content));
    }

    /// Sets a member of a role's `signed` part.
    pub(crate) fn set(&mut self, role: &str, path: &[&str], value: Value) {
        *at(self.body(role), path) = value;
    }

    /// Takes a member of a role's `signed` part away.
    pub(crate) fn unset(&mut self, role: &str, path: &[&str]) {
        let (last, path) = path.split_last().unwrap();
        if let Value::Object(members) = at(self.body(role), path) {
            members.remove(last);
        }
    }

    /// Sets a role's version.
    pub(crate) fn set_version(&mut self, role: &str, version: i64) {
        self.set(role, &["version"], Value::Int(version));
    }

    /// Lets a role have expired an hour ago.
    pub(crate) fn expire(&mut self, role: &str) {
        self.set(role, &["expires"], expiry(-1));
    }

    /// Gives roles the next version.
    pub(crate) fn bump(&mut self, roles: &[&str]) {
        for role in roles {
            let version = self.version(role);
            self.set_version(role, version + 1);
        }
    }

    /// The version a role has now.
    pub(crate) fn version(&mut self, role: &str) -> i64 {
        self.body(role).get("version").and_then(Value::as_int).unwrap()
    }

    /// Changes what a role signs, after `meta` was filled in.
    pub(crate) fn before_signing(&mut self, role: &str, edit: impl Fn(&mut Value) + 'static) {
        self.document(role).before_signing.push(Box::new(edit));
    }

    /// Changes a role's file, so that those above it still describe it.
    pub(crate) fn after_signing(&mut self, role: &str, edit: impl Fn(&mut Vec<u8>) + 'static) {
        self.document(role).after_signing.push(Box::new(edit));
    }

    /// Has the role no longer: neither a document nor an entry in the snapshot.
    pub(crate) fn forget(&mut self, role: &str) {
        self.documents.remove(role);
        self.raw.remove(role);
    }

    /// Builds and signs every document, and adds the files to those published before.
    pub(crate) fn publish(&mut self) {
        self.raw.clear();
        let roles: Vec<String> = self.documents.keys().cloned().collect();
        let is_top = |role: &str| matches!(role, "snapshot" | "timestamp");
        for role in roles.iter().filter(|role| !is_top(role)) {
            self.build(role);
        }
        self.list("snapshot", roles.iter().filter(|role| !is_top(role)));
        self.build("snapshot");
        self.list("timestamp", std::iter::once(&"snapshot".to_owned()));
        self.build("timestamp");
        let version = self.version("root");
        self.files.insert(format!("{version}.root.json"), self.raw["root"].clone());
        for (role, raw) in &self.raw {
            let hash = Sha256Hash::of(raw).to_hex();
            self.files.insert(format!("{role}.{hash}.json"), raw.clone());
            self.files.insert(format!("{role}.json"), raw.clone());
        }
    }

    /// Every file, by the name it is served under.
    pub(crate) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// A role's file as published last.
    pub(crate) fn raw(&self, role: &str) -> Vec<u8> {
        self.raw[role].clone()
    }

    /// The hash-addressed name of a role's file as published last.
    pub(crate) fn file_name(&self, role: &str) -> String {
        format!("{role}.{}.json", Sha256Hash::of(&self.raw[role]).to_hex())
    }

    /// The roles that have a file.
    pub(crate) fn roles(&self) -> Vec<String> {
        self.raw.keys().cloned().collect()
    }

    /// The repository's name.
    pub(crate) fn gun(&self) -> &str {
        &self.gun
    }

    fn list<'a>(&mut self, into: &str, roles: impl Iterator<Item = &'a String>) {
        let meta = roles.map(|role| (role.clone(), file_meta(&self.raw[role.as_str()]))).collect();
        self.set(into, &["meta"], Value::Object(meta));
    }

    fn build(&mut self, role: &str) {
        let document = self.document(role);
        let mut body = document.body.clone();
        document.before_signing.iter().for_each(|edit| edit(&mut body));
        let message = body.to_canonical();
        let ids: Vec<_> = document.signers.iter().map(|key| key.id()).collect();
        let envelope = match &document.signed {
            Some((same, by, envelope)) if *same == message && *by == ids => envelope.clone(),
            _ => {
                let signatures: Vec<_> =
                    document.signers.iter().map(|key| key.sign(&message)).collect();
                encode_envelope(&body, &signatures)
            }
        };
        document.signed = Some((message, ids, envelope.clone()));
        let mut raw = envelope;
        document.after_signing.iter().for_each(|edit| edit(&mut raw));
        self.raw.insert(role.to_owned(), raw);
    }

    fn body(&mut self, role: &str) -> &mut Value {
        &mut self.document(role).body
    }

    fn document(&mut self, role: &str) -> &mut Document {
        self.documents.get_mut(role).unwrap_or_else(|| panic!("there is no {role}"))
    }
}

impl Document {
    fn new(kind: &str) -> Self {
        let body = Value::object([
            ("_type", Value::from(kind)),
            ("expires", expiry(24 * 365)),
            ("version", Value::Int(1)),
        ]);
        let (before_signing, after_signing) = (Vec::new(), Vec::new());
        Self { body, signers: Vec::new(), before_signing, after_signing, signed: None }
    }
}

/// The member at a path; objects on the way are made.
pub(crate) fn at<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(value, |value, name| match value {
        Value::Object(members) => {
            if !members.contains_key(name) {
                members.insert((*name).to_owned(), empty());
            }
            members.get_mut(name).unwrap()
        }
        other => panic!("no {name} in {other:?}"),
    })
}

/// Hashes and length of a file, as metadata lists them.
pub(crate) fn file_meta(bytes: &[u8]) -> Value {
    let hashes = Hashes::of(bytes);
    let hashes = hashes.iter();
    let hashes = hashes.map(|(name, digest)| (name.to_owned(), Value::from(to_base64(digest))));
    let length = i64::try_from(bytes.len()).unwrap();
    Value::object([("hashes", Value::object(hashes)), ("length", Value::Int(length))])
}

/// So many hours from now, as metadata writes it.
pub(crate) fn expiry(hours: i64) -> Value {
    Value::from(hours_from_now(hours).strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// So many hours from now.
pub(crate) fn hours_from_now(hours: i64) -> Timestamp {
    SystemClock.now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

fn empty() -> Value {
    Value::Object(Object::new())
}

const BASE_ROLES: [(&str, &str); 4] = [
    ("root", "Root"),
    ("targets", "Targets"),
    ("snapshot", "Snapshot"),
    ("timestamp", "Timestamp"),
];
