//! A registry with its notary server, asked over HTTP by people who are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::any::AnyPoolOptions;
use trust::codec::canonical_json::Value as Canonical;
use trust::codec::text::to_base64;
use trust::crypto::PublicKey;
use trust::oci::Digest;
use trust::oci::manifest::{OCI_INDEX, OCI_MANIFEST};
use trust::server::auth::{Auth, Grant, HtpasswdOptions, Kind, Options};
use trust::server::trust::{Gate, Policy, PolicyConfig};
use trust::tuf::{Gun, RoleName};
use trust::wire::signed_push::{PushedManifest, SignedPush, encode};

use super::enforcement_world::HOST;
use super::harness::{Answer, TestClock, TestServer};
use crate::harness::Repository;

/// Who may pull, and nothing else.
pub(crate) const READER: &str = "reader";
/// Who pushes and signs.
pub(crate) const PUSHER: &str = "pusher";

/// A server that enforces, and the owner of `app`.
pub(crate) struct Site {
    pub(crate) server: TestServer,
    pub(crate) clock: TestClock,
    pub(crate) owner: Repository,
}

/// An image in the registry.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) layer: Digest,
    pub(crate) layer_bytes: Vec<u8>,
}

impl Site {
    /// Root and empty targets are published; the rule is in force, the root pinned.
    pub(crate) fn new(rule: &Value) -> Self {
        let mut owner = Repository::new(&format!("{HOST}/app"));
        let clock = TestClock::new();
        let policy = policy(&owner, rule);
        let set = clock.clone();
        let server = TestServer::with(|server| {
            let clock = Arc::new(set);
            let hosts = vec![HOST.to_owned()];
            server.gate = Gate::new(policy, hosts).with_clock(clock.clone());
            server.auth = people(clock.clone());
            server.registry.delete = true;
            server.clock = clock;
        });
        for role in ["timestamp", "snapshot"] {
            let path = format!("/v2/{HOST}/app/_trust/tuf/{role}.key");
            let answer = ask(&server, PUSHER, "GET", &path, &[], Vec::new());
            let key = Canonical::parse(&answer.body).unwrap();
            owner.leave_to(role, &[PublicKey::from_json(&key).unwrap()], 1);
        }
        owner.unset("targets", &["targets", "1"]);
        let mut site = Self { server, clock, owner };
        site.publish(&["root", "targets"]);
        site
    }

    /// Signs everything, and sends the files of these roles.
    #[track_caller]
    pub(crate) fn publish(&mut self, roles: &[&str]) {
        self.owner.publish();
        let files = self.files(roles);
        let mut body = Vec::new();
        for (role, file) in files {
            let head = format!(
                "--{BORDER}\r\nContent-Disposition: form-data; name=\"files\"; \
                 filename=\"{role}\"\r\n\r\n"
            );
            body.extend([head.as_bytes(), &file, b"\r\n"].concat());
        }
        body.extend_from_slice(format!("--{BORDER}--\r\n").as_bytes());
        let path = format!("/v2/{HOST}/app/_trust/tuf/");
        let answer = self.ask(PUSHER, "POST", &path, &[("content-type", &form())], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Publishes the next version of roles.
    #[track_caller]
    pub(crate) fn publish_next(&mut self, roles: &[&str]) {
        self.owner.bump(roles);
        self.publish(roles);
    }

    /// Signs a tag as the owner.
    #[track_caller]
    pub(crate) fn sign(&mut self, tag: &str, content: &[u8]) {
        self.owner.add_target("targets", tag, content);
        self.publish_next(&["targets"]);
    }

    fn files(&self, roles: &[&str]) -> Vec<(RoleName, Vec<u8>)> {
        let file = |role: &&str| (RoleName::parse(role).unwrap(), self.owner.raw(role));
        roles.iter().map(file).collect()
    }

    /// Sends a request.
    pub(crate) fn ask(
        &self,
        who: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        ask(&self.server, who, method, path, headers, body.into())
    }

    /// Asks as one who only reads.
    pub(crate) fn read(&self, method: &str, path: &str) -> Answer {
        self.ask(READER, method, path, &[], "")
    }

    /// Uploads a blob.
    #[track_caller]
    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256_of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.ask(PUSHER, "POST", &path, &[], bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// The blobs of an image with one layer, and its manifest, which is not pushed.
    pub(crate) fn prepared(&self, name: &str) -> Image {
        let config = self.blob("app", b"{}");
        let layer_bytes = format!("the layer of {name}, which has some bytes").into_bytes();
        let layer = self.blob("app", &layer_bytes);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.as_str(), "size": 2,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer.as_str(), "size": layer_bytes.len(),
            }],
        });
        let bytes = manifest.to_string().into_bytes();
        Image { digest: Digest::sha256_of(&bytes), bytes, layer, layer_bytes }
    }

    /// Pushes a manifest under a tag or digest.
    pub(crate) fn put(&self, reference: &str, media_type: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v2/app/manifests/{reference}");
        self.ask(PUSHER, "PUT", &path, &[("content-type", media_type)], bytes)
    }

    /// Pushes an image with one layer.
    #[track_caller]
    pub(crate) fn push(&self, tag: &str, name: &str) -> Image {
        let image = self.prepared(name);
        let answer = self.put(tag, OCI_MANIFEST, &image.bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        image
    }

    /// An index of manifests that are there.
    pub(crate) fn index(children: &[&Image]) -> Vec<u8> {
        let children = children.iter().map(|child| {
            json!({
                "mediaType": OCI_MANIFEST, "digest": child.digest.as_str(),
                "size": child.bytes.len(),
            })
        });
        let children: Vec<Value> = children.collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        index.to_string().into_bytes()
    }

    /// The body of a signed push of manifests and of what is signed now.
    pub(crate) fn signed_push(
        &mut self,
        tag: &str,
        manifests: &[(&str, &[u8])],
        roles: &[&str],
    ) -> Vec<u8> {
        self.owner.publish();
        let manifests = manifests.iter().map(|(media_type, bytes)| PushedManifest {
            media_type: (*media_type).to_owned(),
            digest: Digest::sha256_of(bytes),
            bytes: bytes.to_vec().into(),
        });
        let push = SignedPush {
            repository: "app".to_owned(),
            tag: tag.to_owned(),
            manifests: manifests.collect(),
        };
        let gun = Gun::parse(&format!("{HOST}/app")).unwrap();
        encode(BORDER, &gun, &push, &self.files(roles)).to_vec()
    }

    /// Sends the body of a signed push.
    pub(crate) fn send_push(&self, who: &str, body: Vec<u8>) -> Answer {
        self.ask(who, "POST", "/v2/app/_trust/push", &[("content-type", &form())], body)
    }

    /// Changes the database by hand.
    pub(crate) fn sql(&self, statement: &str) {
        self.server.runtime.block_on(async {
            let options = AnyPoolOptions::new().max_connections(1);
            let pool = options.connect(&self.server.database_url()).await.unwrap();
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            pool.close().await;
        });
    }
}

/// The header with a login.
pub(crate) fn login(who: &str) -> String {
    format!("Basic {}", to_base64(format!("{who}:secret").as_bytes()))
}

fn ask(
    server: &TestServer,
    who: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let login = login(who);
    let headers = [headers, &[("authorization", &login)]].concat();
    server.ask(method, path, &headers, body)
}

fn people(clock: Arc<TestClock>) -> Auth {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let grant = |text: &str| vec![Grant::parse(text).unwrap()];
    let grants = BTreeMap::from([
        (READER.to_owned(), grant("**:pull")),
        (PUSHER.to_owned(), grant("**:pull,push,sign,delete")),
    ]);
    let file = format!("{READER}:{hash}\n{PUSHER}:{hash}\n").into_bytes();
    let htpasswd =
        HtpasswdOptions { realm: "test".to_owned(), file, grants: Some(grants), hosts: Vec::new() };
    let options = Options { kind: Kind::Htpasswd(htpasswd), proxies: Vec::new() };
    Auth::new(options, clock).unwrap()
}

fn policy(owner: &Repository, rule: &Value) -> Policy {
    let ids: Vec<String> = owner.signers("root").iter().map(|key| key.id().to_string()).collect();
    let mut all = json!({"repository": "app", "roots": {"key_ids": ids}});
    for (name, value) in rule.as_object().unwrap() {
        all[name] = value.clone();
    }
    let config: PolicyConfig = serde_json::from_value(json!({"rules": [all]})).unwrap();
    Policy::from_config(&config).unwrap()
}

fn form() -> String {
    format!("multipart/form-data; boundary={BORDER}")
}

const BORDER: &str = "border";
