//! A server that enforces, and the rows of its database, written by hand.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use trust::clock::{Clock, SystemClock};
use trust::crypto::Sha256Hash;
use trust::oci::{Digest, RepositoryName, TagName};
use trust::server::auth::{Action, Caller, Grant};
use trust::server::trust::{Denial, Gate, Policy, PolicyConfig, Subject};

use super::harness::TestServer;
use crate::harness::repository::{Key, Repository};

/// The host that the server is known by.
pub(crate) const HOST: &str = "registry.test";

/// A clock that goes when it is told to.
#[derive(Debug, Clone)]
pub(crate) struct MovingClock(Arc<Mutex<Timestamp>>);

impl Clock for MovingClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// One repository, `app`, on a server that enforces.
pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) clock: MovingClock,
    /// What its owner signs.
    pub(crate) trust: Repository,
    rows: AnyPool,
}

impl World {
    /// A server whose only rule is this, besides the root pinned by its key.
    pub(crate) fn new(rule: &Value) -> Self {
        let trust = Repository::new(&format!("{HOST}/app"));
        let clock = MovingClock(Arc::new(Mutex::new(SystemClock.now())));
        let policy = policy(&trust, rule);
        let of_gate = Arc::new(clock.clone());
        let server = TestServer::with(|server| {
            server.gate = Gate::new(policy, vec![HOST.to_owned()]).with_clock(of_gate.clone());
            server.clock = of_gate;
        });
        let options = AnyPoolOptions::new().max_connections(1);
        let rows = server.runtime.block_on(options.connect(&server.database_url())).unwrap();
        Self { server, clock, trust, rows }
    }

    /// A server that serves nothing but what is signed.
    pub(crate) fn enforcing() -> Self {
        Self::new(&json!({"pull": "enforce"}))
    }

    /// Puts another rule into force.
    pub(crate) fn reload(&self, rule: &Value) {
        self.server.server.gate.reload(policy(&self.trust, rule));
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets hours pass.
    pub(crate) fn wait_hours(&self, hours: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_hours(hours);
    }

    /// Writes a row, or several.
    pub(crate) fn sql(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        self.server.runtime.block_on(sqlx::raw_sql(statement).execute(&self.rows)).unwrap();
    }

    fn insert(&self, statement: &'static str, texts: &[&str], numbers: &[i64], bytes: &[u8]) {
        let mut query = sqlx::query(statement);
        for text in texts {
            query = query.bind((*text).to_owned());
        }
        for number in numbers {
            query = query.bind(*number);
        }
        if !bytes.is_empty() {
            query = query.bind(bytes.to_vec());
        }
        self.server.runtime.block_on(query.execute(&self.rows)).unwrap();
    }

    /// Signs everything anew, and stores it as the notary half does.
    pub(crate) fn publish(&mut self) {
        self.trust.publish();
        let gun = self.trust.gun().to_owned();
        self.insert(
            "INSERT INTO collection (gun, seq) VALUES ($1, 1) \
             ON CONFLICT (gun) DO UPDATE SET seq = collection.seq + 1",
            &[&gun],
            &[],
            &[],
        );
        let roles: Vec<String> = self.trust.roles();
        for role in roles {
            let version = self.trust.version(&role);
            let raw = self.trust.raw(&role);
            self.insert(
                "INSERT INTO trust_file (collection, role, sha256, version, created_at, bytes) \
                 SELECT id, $2, $3, $4, 0, $5 FROM collection WHERE gun = $1 \
                 ON CONFLICT (collection, role, version) DO UPDATE SET bytes = $5, sha256 = $3",
                &[&gun, &role, &Sha256Hash::of(&raw).to_hex()],
                &[version],
                &raw,
            );
            self.insert(
                "INSERT INTO current_file (collection, role, version) \
                 SELECT id, $2, $3 FROM collection WHERE gun = $1 \
                 ON CONFLICT (collection, role) DO UPDATE SET version = $3",
                &[&gun, &role],
                &[version],
                &[],
            );
        }
    }

    /// Signs content for a tag as the owner, and publishes it as the next version.
    pub(crate) fn sign(&mut self, tag: &str, content: &[u8]) {
        self.trust.add_target("targets", tag, content);
        self.publish_next(&["targets"]);
    }

    /// Publishes the next version of some roles.
    pub(crate) fn publish_next(&mut self, roles: &[&str]) {
        self.trust.bump(roles);
        self.trust.bump(&["snapshot", "timestamp"]);
        self.publish();
    }

    /// Stores a manifest that has these manifests and blobs.
    pub(crate) fn manifest(
        &self,
        bytes: &[u8],
        manifests: &[&Digest],
        blobs: &[&Digest],
    ) -> Digest {
        self.manifest_in("app", bytes, manifests, blobs)
    }

    /// Stores a manifest in another repository.
    pub(crate) fn manifest_in(
        &self,
        repository: &str,
        bytes: &[u8],
        manifests: &[&Digest],
        blobs: &[&Digest],
    ) -> Digest {
        let digest = Digest::sha256_of(bytes);
        self.insert(
            "INSERT INTO repository (name, seq, created_at) VALUES ($1, 1, 0) \
             ON CONFLICT (name) DO UPDATE SET seq = repository.seq + 1",
            &[repository],
            &[],
            &[],
        );
        self.insert(
            "INSERT INTO manifest (repository, digest, media_type, bytes, created_at, touched_at) \
             SELECT id, $2, 'x', $3, 0, 0 FROM repository WHERE name = $1 \
             ON CONFLICT (repository, digest) DO NOTHING",
            &[repository, digest.as_str()],
            &[],
            bytes,
        );
        let parts = manifests.iter().map(|part| ("manifest", part));
        for (kind, part) in parts.chain(blobs.iter().map(|part| ("blob", part))) {
            self.insert(
                "INSERT INTO manifest_ref (repository, parent, child, kind) \
                 SELECT id, $2, $3, $4 FROM repository WHERE name = $1 \
                 ON CONFLICT (repository, parent, child) DO NOTHING",
                &[repository, digest.as_str(), part.as_str(), kind],
                &[],
                &[],
            );
        }
        digest
    }

    /// Sets a tag in the registry, asking nobody.
    pub(crate) fn tag(&self, tag: &str, digest: &Digest) {
        self.sql("UPDATE repository SET seq = seq + 1 WHERE name = 'app'");
        self.insert(
            "INSERT INTO tag (repository, name, digest, seq, updated_at) \
             SELECT id, $1, $2, 1, 0 FROM repository WHERE name = 'app' \
             ON CONFLICT (repository, name) DO UPDATE SET digest = $2, seq = tag.seq + 1",
            &[tag, digest.as_str()],
            &[],
            &[],
        );
    }

    /// Sets a tag as the registry half does: the gate is asked in the same transaction.
    pub(crate) fn push_tag(&self, tag: &str, digest: &Digest) -> Result<(), Denial> {
        let server = Arc::clone(&self.server.server);
        let name = TagName::parse(tag).unwrap();
        let decided = self.server.runtime.block_on(async {
            let mut writing = server.meta.write().await.unwrap();
            let decided =
                server.gate.set_tag(&mut writing, &app(), &name, digest, &pusher()).await.unwrap();
            if decided.is_ok() {
                writing.commit().await.unwrap();
            }
            decided
        });
        if decided.is_ok() {
            self.tag(tag, digest);
        }
        decided
    }

    /// Lets the pass run that sets tags back.
    pub(crate) fn return_tags(&self) -> usize {
        let server = &self.server.server;
        self.server.runtime.block_on(server.gate.return_tags(&server.meta)).unwrap()
    }

    /// What the tag stands for in the registry.
    pub(crate) fn registry_digest(&self, tag: &str) -> Digest {
        let query = "SELECT digest FROM tag WHERE name = $1";
        let query = sqlx::query_scalar::<_, String>(query).bind(tag.to_owned());
        let digest = self.server.runtime.block_on(query.fetch_one(&self.rows)).unwrap();
        Digest::parse(&digest).unwrap()
    }

    /// What somebody gets who asks for a tag: the digest, or why not.
    pub(crate) fn get_tag(&self, tag: &str, caller: &Caller) -> Result<Digest, Denial> {
        let digest = self.registry_digest(tag);
        let name = TagName::parse(tag).unwrap();
        let server = &self.server.server;
        self.server.runtime.block_on(async {
            let mut reading = server.meta.read().await.unwrap();
            let served = server.gate.tag(&mut reading, &app(), &name, &digest, caller).await;
            served.unwrap().map(|served| served.digest)
        })
    }

    /// Whether somebody gets a manifest or blob.
    pub(crate) fn get(&self, subject: Subject<'_>, caller: &Caller) -> Result<(), Denial> {
        self.get_in(&app(), subject, caller)
    }

    /// Whether somebody gets it of another repository.
    pub(crate) fn get_in(
        &self,
        repository: &RepositoryName,
        subject: Subject<'_>,
        caller: &Caller,
    ) -> Result<(), Denial> {
        let server = &self.server.server;
        self.server.runtime.block_on(async {
            let mut reading = server.meta.read().await.unwrap();
            server.gate.pull(&mut reading, repository, subject, caller).await.unwrap()
        })
    }

    /// The verdict as machines get it.
    pub(crate) fn verdict(&self, reference: &str) -> Value {
        let path = format!("/v2/_trust/verdict?repo=app&ref={reference}");
        let answer = self.server.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Gives a role to a signer, whose word is for these names.
    pub(crate) fn signer(&mut self, role: &str, key: &Rc<Key>) {
        self.trust.delegate(role, std::slice::from_ref(key), 1, &[""]);
    }
}

/// The repository.
pub(crate) fn app() -> RepositoryName {
    RepositoryName::parse("app").unwrap()
}

/// Somebody who may pull, and nothing else.
pub(crate) fn reader() -> Caller {
    let grant = Grant { pattern: "**".to_owned(), actions: vec![Action::Pull] };
    Caller::granted(Some("reader".to_owned()), vec![grant])
}

/// Somebody who pushes.
pub(crate) fn pusher() -> Caller {
    let grant = Grant { pattern: "**".to_owned(), actions: vec![Action::Pull, Action::Push] };
    Caller::granted(Some("pusher".to_owned()), vec![grant])
}

/// Why something was denied.
#[track_caller]
pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, Denial>) -> String {
    outcome.unwrap_err().detail["reason"].as_str().unwrap().to_owned()
}

/// A policy of one rule, for `app`, that pins the root of these documents.
fn policy(trust: &Repository, rule: &Value) -> Policy {
    let ids: Vec<String> = trust.signers("root").iter().map(|key| key.id().to_string()).collect();
    let mut all = json!({"repository": "app", "roots": {"key_ids": ids}});
    for (name, value) in rule.as_object().unwrap() {
        all[name] = value.clone();
    }
    let config: PolicyConfig = serde_json::from_value(json!({"rules": [all]})).unwrap();
    Policy::from_config(&config).unwrap()
}
