//! A registry with content, a clock that can be moved, and garbage to be collected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::ConnectOptions;
use sqlx::any::AnyConnectOptions;
use trust::clock::{Clock, Timestamp};
use trust::server::upkeep::gc::{Item, Mode, Options, Summary, collect};
use trust::server::upkeep::{Storage, fsck};

use super::harness::{Answer, TestServer};

/// A server and its clock.
pub(crate) struct Stock {
    pub(crate) server: TestServer,
    pub(crate) clock: Arc<MovingClock>,
}

/// A clock that stands still until it is moved; it begins now, so that files are not older than it.
#[derive(Debug)]
pub(crate) struct MovingClock(AtomicI64);

impl MovingClock {
    fn new() -> Self {
        Self(AtomicI64::new(trust::clock::SystemClock.now().as_microsecond()))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(crate) const HOUR: Duration = Duration::from_hours(1);

impl Stock {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(MovingClock::new());
        let server = TestServer::with(|server| {
            server.clock = clock.clone();
            server.registry.delete = true;
        });
        Self { server, clock }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::of(&self.server.server)
    }

    /// Pushes a blob and returns its digest.
    pub(crate) fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.server.ask("POST", &path, &[], bytes.to_vec());
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// Pushes an image of these layers, under a tag or its digest; returns its digest.
    pub(crate) fn push_image(
        &self,
        repository: &str,
        tag: Option<&str>,
        layers: &[&str],
    ) -> String {
        let config = json!({"architecture": "amd64", "os": "linux", "comment": layers.join(" ")});
        let config = config.to_string();
        let config_digest = self.push_blob(repository, config.as_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| {
                let digest = self.push_blob(repository, layer.as_bytes());
                json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": digest, "size": layer.len()})
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config_digest, "size": config.len()},
            "layers": layers,
        });
        self.push_manifest(repository, tag, IMAGE, &manifest)
    }

    /// Pushes an index of manifests.
    pub(crate) fn push_index(
        &self,
        repository: &str,
        tag: Option<&str>,
        children: &[&str],
    ) -> String {
        let manifests: Vec<Value> = children
            .iter()
            .map(|digest| json!({"mediaType": IMAGE, "digest": digest, "size": 2}))
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.push_manifest(repository, tag, INDEX, &index)
    }

    /// Pushes something said of another manifest.
    pub(crate) fn push_referrer(&self, repository: &str, subject: &str, word: &str) -> String {
        let empty = self.push_blob(repository, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/x-word",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}],
            "subject": {"mediaType": IMAGE, "digest": subject, "size": 2},
            "annotations": {"word": word},
        });
        self.push_manifest(repository, None, IMAGE, &manifest)
    }

    pub(crate) fn push_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        manifest: &Value,
    ) -> String {
        let bytes = manifest.to_string();
        let digest = digest(bytes.as_bytes());
        let path = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
        let answer = self.server.ask("PUT", &path, &[("content-type", media_type)], bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    pub(crate) fn head(&self, path: &str) -> Answer {
        self.server.ask("HEAD", path, &[], "")
    }

    pub(crate) fn has_blob(&self, repository: &str, digest: &str) -> bool {
        // As somebody who only reads would: it must not keep the blob.
        let answer = self.server.get(&format!("/v2/{repository}/blobs/{digest}"));
        assert!(matches!(answer.status, 200 | 404), "{}", answer.text());
        answer.status == 200
    }

    pub(crate) fn has_manifest(&self, repository: &str, reference: &str) -> bool {
        let answer = self.server.get(&format!("/v2/{repository}/manifests/{reference}"));
        assert!(matches!(answer.status, 200 | 404), "{}", answer.text());
        answer.status == 200
    }

    /// Collects garbage, and returns what was told, and how much it was.
    pub(crate) fn collect(&self, options: &Options, mode: Mode) -> (Vec<Item>, Summary) {
        let mut items = Vec::new();
        let storage = self.storage();
        let mut tell = |item| items.push(item);
        let collected = collect(&storage, options, mode, &mut tell);
        let summary = self.server.runtime.block_on(collected).unwrap();
        (items, summary)
    }

    /// Checks everything, and returns what is wrong, in words.
    pub(crate) fn fsck(&self, repair: bool) -> (Vec<String>, fsck::Summary) {
        let mut found = Vec::new();
        let storage = self.storage();
        let mut tell = |checked: &fsck::Checked| {
            let fate = if checked.repaired { " (repaired)" } else { "" };
            found.push(format!("{}{fate}", checked.finding));
        };
        let checked = fsck::check(&storage, repair, &mut tell);
        let summary = self.server.runtime.block_on(checked).unwrap();
        (found, summary)
    }

    /// Nothing is wrong with what is stored.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        let (found, summary) = self.fsck(false);
        assert_eq!(summary.errors, 0, "{found:#?}");
    }

    /// Runs a statement behind the server's back, and tells how many rows it changed.
    pub(crate) fn sql(&self, statement: &str) -> u64 {
        let url = self.server.database_url();
        self.server.runtime.block_on(async {
            let mut connection = url.parse::<AnyConnectOptions>().unwrap().connect().await.unwrap();
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
        })
    }

    /// A number out of the database.
    pub(crate) fn number(&self, query: &str) -> i64 {
        let url = self.server.database_url();
        self.server.runtime.block_on(async {
            let mut connection = url.parse::<AnyConnectOptions>().unwrap().connect().await.unwrap();
            let query = sqlx::AssertSqlSafe(query.to_owned());
            sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
        })
    }

    /// Makes a collection sign a digest, as far as the database's index of that goes.
    pub(crate) fn sign(&self, gun: &str, digest: &str) {
        self.sql(&format!("INSERT INTO collection (gun, seq) VALUES ('{gun}', 1)"));
        self.sql(&format!(
            "INSERT INTO signed_target (collection, role, name, digest, length, since_seq) \
             SELECT id, 'targets', 'v1', '{digest}', 1, 1 FROM collection WHERE gun = '{gun}'"
        ));
    }

    /// All files of content, by their paths below its folder.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.server.folder.path().join("content");
        let (mut found, mut folders) = (BTreeSet::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found
    }
}

/// The digest of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The usual waits, in a short form: garbage an hour after, removed another hour later.
pub(crate) fn options() -> Options {
    Options { grace: HOUR, delay: HOUR, ..Options::default() }
}

/// Nobody else is there: no wait at all.
pub(crate) fn at_once() -> Options {
    Options {
        grace: Duration::ZERO,
        delay: Duration::ZERO,
        upload_lifetime: Duration::ZERO,
        untagged: Some(Duration::ZERO),
        ..Options::default()
    }
}

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
