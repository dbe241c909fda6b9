//! Repositories for tests, with every lie that an attacker could want in them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;

use crate::clock::Timestamp;
use crate::codec::canonical_json::{Object, Value};
use crate::codec::timestamp::Rfc3339;
use crate::crypto::certificate::Certificate;
use crate::crypto::{Hashes, KeyId, KeyType, PrivateKey, PublicKey, Signature};
use crate::tuf::metadata::{
    DelegationRole, Delegations, Document, FileMeta, Header, RoleSpec, Root, Snapshot, Target,
    Targets, TimestampFile, encode_envelope,
};
use crate::tuf::names::{Gun, RoleName, TargetName};
use crate::tuf::pinning::Pin;
use crate::tuf::trusted::{Expiry, TrustedRepository, TrustedSet, UpdateError};

/// Files by role, as a server or a cache holds them.
pub(crate) type Files = BTreeMap<RoleName, Vec<u8>>;

/// A key that can sign, and the form in which metadata lists it.
#[derive(Debug, Clone)]
pub(crate) struct TestKey {
    pub(crate) private: Arc<PrivateKey>,
    pub(crate) public: PublicKey,
    /// ECDSA signs differently every time; here the same document is the same file.
    made: Arc<Mutex<BTreeMap<Vec<u8>, Signature>>>,
}

impl TestKey {
    /// A new key as it is.
    pub(crate) fn bare() -> Self {
        let private = PrivateKey::generate_ed25519().unwrap();
        let public = private.public_key().clone();
        Self::of(Arc::new(private), public)
    }

    /// A new key in a certificate for this name, as root keys are.
    pub(crate) fn certified(name: &str) -> Self {
        Self::certified_since(name, now())
    }

    /// A new key in a certificate that is valid for ten years from this instant.
    pub(crate) fn certified_since(name: &str, since: Timestamp) -> Self {
        let private = PrivateKey::generate_ecdsa().unwrap();
        let pem = Certificate::self_signed(name, &private, since).unwrap();
        Self::of(Arc::new(private), PublicKey::new(KeyType::EcdsaX509, pem))
    }

    /// The same key in another certificate.
    pub(crate) fn recertified(&self, name: &str) -> Self {
        let pem = Certificate::self_signed(name, &self.private, now()).unwrap();
        Self::of(self.private.clone(), PublicKey::new(KeyType::EcdsaX509, pem))
    }

    /// A private key, listed in this form.
    pub(crate) fn of(private: Arc<PrivateKey>, public: PublicKey) -> Self {
        Self { private, public, made: Arc::default() }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.public.id()
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Signature {
        let mut made = self.made.lock().unwrap();
        let sign = || {
            let (method, bytes) = self.private.sign(message).unwrap();
            Signature { key_id: self.id(), method, bytes }
        };
        made.entry(message.to_vec()).or_insert_with(sign).clone()
    }
}

/// A change of a file's `signed` part before it is signed.
pub(crate) type Tamper = Arc<dyn Fn(&mut Value)>;

/// A repository of which everything can be changed before it is signed.
#[derive(Clone)]
pub(crate) struct Repo {
    pub(crate) gun: Gun,
    pub(crate) root: Root,
    pub(crate) targets: BTreeMap<RoleName, Targets>,
    pub(crate) snapshot: Header,
    pub(crate) timestamp: Header,
    /// Who really signs each role; the root and what it delegates say who should.
    pub(crate) signers: BTreeMap<RoleName, Vec<TestKey>>,
    /// Changes of a document before it is signed.
    pub(crate) tamper: BTreeMap<RoleName, Tamper>,
    /// Files that the snapshot or timestamp describes but that are something else.
    pub(crate) instead: Files,
    /// Files that the snapshot describes and that are not made from the documents.
    pub(crate) fixed: Files,
    /// Roles that the snapshot leaves out.
    pub(crate) unlisted: BTreeSet<RoleName>,
}

/// The instant at which tests take place.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// So many days from [`now`].
pub(crate) fn days(days: i64) -> Rfc3339 {
    Rfc3339::utc(now() + SignedDuration::from_hours(24 * days))
}

pub(crate) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(crate) fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

pub(crate) fn target(content: &str) -> Target {
    let length = u64::try_from(content.len()).unwrap();
    Target { length, hashes: Hashes::of(content.as_bytes()), custom: None }
}

pub(crate) fn threshold(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(crate) fn empty_targets() -> Targets {
    Targets {
        header: Header { version: 1, expires: days(100) },
        targets: BTreeMap::new(),
        delegations: Delegations::default(),
    }
}

impl Repo {
    /// `docker.io/library/alpine` with one key a role and the target `v1`, all at version 1.
    pub(crate) fn new() -> Self {
        Self::named("docker.io/library/alpine")
    }

    pub(crate) fn named(gun: &str) -> Self {
        let header = || Header { version: 1, expires: days(100) };
        let root = Root {
            header: header(),
            consistent_snapshot: false,
            keys: [].into(),
            roles: [].into(),
        };
        let mut targets = empty_targets();
        targets.targets.insert(name("v1"), target("one"));
        let mut repo = Self {
            gun: Gun::parse(gun).unwrap(),
            root,
            targets: [(RoleName::Targets, targets)].into(),
            snapshot: header(),
            timestamp: header(),
            signers: BTreeMap::new(),
            tamper: BTreeMap::new(),
            instead: Files::new(),
            fixed: Files::new(),
            unlisted: BTreeSet::new(),
        };
        repo.keys(&RoleName::Root, vec![TestKey::certified(gun)], 1);
        for role in [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            repo.keys(&role, vec![TestKey::bare()], 1);
        }
        repo
    }

    /// Gives a base role these keys, and lets them sign.
    pub(crate) fn keys(&mut self, role: &RoleName, keys: Vec<TestKey>, number: u32) {
        let key_ids = keys.iter().map(TestKey::id).collect();
        self.root.keys.extend(keys.iter().map(|key| (key.id(), key.public.clone())));
        let spec = RoleSpec { key_ids, threshold: threshold(number) };
        self.root.roles.insert(role.to_string(), spec);
        self.signers.insert(role.clone(), keys);
    }

    /// Delegates to a role, whose file holds one target named as the role, and lets it sign.
    pub(crate) fn delegate(&mut self, child: &str, keys: Vec<TestKey>, paths: &[&str]) {
        let child = role(child);
        let parent = self.targets.get_mut(&child.parent().unwrap()).unwrap();
        let delegations = &mut parent.delegations;
        delegations.keys.extend(keys.iter().map(|key| (key.id(), key.public.clone())));
        delegations.roles.retain(|other| other.name != child);
        delegations.roles.push(DelegationRole {
            name: child.clone(),
            key_ids: keys.iter().map(TestKey::id).collect(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            threshold: threshold(1),
        });
        self.signers.insert(child.clone(), keys);
        let mut file = empty_targets();
        file.targets.insert(name(child.as_str()), target(child.as_str()));
        file.targets.insert(name("v1"), target("one"));
        self.targets.entry(child).or_insert(file);
    }

    pub(crate) fn header(&mut self, role: &RoleName) -> &mut Header {
        match role {
            RoleName::Root => &mut self.root.header,
            RoleName::Timestamp => &mut self.timestamp,
            RoleName::Snapshot => &mut self.snapshot,
            _ => &mut self.targets.get_mut(role).unwrap().header,
        }
    }

    /// Sets a version.
    pub(crate) fn version(&mut self, role: &RoleName, version: u64) -> &mut Self {
        self.header(role).version = version;
        self
    }

    /// The next version of these roles.
    pub(crate) fn bump(&mut self, roles: &[RoleName]) -> &mut Self {
        for role in roles {
            self.header(role).version += 1;
        }
        self
    }

    /// The next version of everything but the root.
    pub(crate) fn publish(&mut self) -> &mut Self {
        let roles: Vec<RoleName> = self.targets.keys().cloned().collect();
        self.bump(&roles).bump(&[RoleName::Snapshot, RoleName::Timestamp])
    }

    /// Signs a role with another key than the one that should.
    pub(crate) fn signed_by(&mut self, role: &RoleName, keys: Vec<TestKey>) -> &mut Self {
        self.signers.insert(role.clone(), keys);
        self
    }

    /// Changes one member of a role's `signed` part.
    pub(crate) fn with(
        &mut self,
        role: &RoleName,
        change: impl Fn(&mut Object) + 'static,
    ) -> &mut Self {
        let change = move |value: &mut Value| {
            let Value::Object(members) = value else { panic!("not an object") };
            change(members);
        };
        self.tamper.insert(role.clone(), Arc::new(change));
        self
    }

    /// Every file, signed.
    pub(crate) fn files(&self) -> Files {
        let mut files = Files::new();
        files.insert(RoleName::Root, self.encode(&RoleName::Root, &self.root));
        for (role, targets) in &self.targets {
            files.insert(role.clone(), self.encode(role, targets));
        }
        files.extend(self.fixed.clone());
        let listed = files.iter().filter(|(role, _)| !self.unlisted.contains(role));
        let meta = listed.map(|(role, raw)| (role.clone(), FileMeta::of(raw))).collect();
        let snapshot = Snapshot { header: self.snapshot.clone(), meta };
        let snapshot = self.encode(&RoleName::Snapshot, &snapshot);
        let timestamp = TimestampFile {
            header: self.timestamp.clone(),
            snapshot: FileMeta::of(&snapshot),
            others: BTreeMap::new(),
        };
        files.insert(RoleName::Snapshot, snapshot);
        files.insert(RoleName::Timestamp, self.encode(&RoleName::Timestamp, &timestamp));
        files.extend(self.instead.clone());
        files
    }

    fn encode<T: Document>(&self, role: &RoleName, document: &T) -> Vec<u8> {
        let mut body = document.to_json();
        if let Some(tamper) = self.tamper.get(role) {
            tamper(&mut body);
        }
        let message = body.to_canonical();
        let keys = self.signers.get(role).into_iter().flatten();
        let signatures: Vec<Signature> = keys.map(|key| key.signature(&message)).collect();
        encode_envelope(&body, &signatures)
    }

    /// Reads it as somebody who never did.
    pub(crate) fn first(&self) -> Result<TrustedRepository, UpdateError> {
        let files = self.files();
        below(self.first_root(Pin::FirstUse)?, &files)
    }

    pub(crate) fn first_root(&self, pin: Pin) -> Result<TrustedSet, UpdateError> {
        let root = &self.files()[&RoleName::Root];
        TrustedSet::first_use(self.gun.clone(), now(), Expiry::Enforced, pin, root)
    }

    /// What somebody has cached who read it now.
    pub(crate) fn cached(&self) -> Files {
        self.first().unwrap().files()
    }

    /// Reads it as somebody who has this in the cache.
    pub(crate) fn again(&self, cached: &Files) -> Result<TrustedRepository, UpdateError> {
        self.again_at(cached, now(), Expiry::Enforced)
    }

    pub(crate) fn again_at(
        &self,
        cached: &Files,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<TrustedRepository, UpdateError> {
        let files = self.files();
        let mut set = TrustedSet::resume(self.gun.clone(), now, expiry, Pin::FirstUse, cached)?;
        set.accept_root(&files[&RoleName::Root])?;
        below(set, &files)
    }
}

/// Offers everything below the root.
pub(crate) fn below(mut set: TrustedSet, files: &Files) -> Result<TrustedRepository, UpdateError> {
    set.accept_timestamp(&files[&RoleName::Timestamp])?;
    set.wanted_snapshot()?;
    set.accept_snapshot(&files[&RoleName::Snapshot])?;
    loop {
        let wanted = set.wanted_targets()?;
        if wanted.is_empty() {
            return set.finish();
        }
        for wanted in wanted {
            set.accept_targets(&wanted.role, &files[&wanted.role])?;
        }
    }
}
