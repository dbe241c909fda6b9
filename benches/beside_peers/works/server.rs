//! What a server answers in a second: `trust serve` beside `notary-server` and `docker-registry`,
//! all of them over plain HTTP on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::ToSpan;
use tempfile::TempDir;
use trust::codec::canonical_json::Value;
use trust::codec::timestamp::Rfc3339;
use trust::crypto::certificate::Certificate;
use trust::crypto::{KeyType, PrivateKey, PublicKey, Signature};
use trust::tuf::editor::{Draft, NewRepository};
use trust::tuf::metadata::{
    Delegations, Document, FileMeta, Header, Target, Targets, encode_envelope,
};
use trust::tuf::{RoleName, TargetName};

use crate::measure::Sample;
use crate::peers::http::{self, Request};
use crate::peers::process::Process;
use crate::peers::{Registry, RegistryOptions};
use crate::report::Report;
use crate::world::{TRUST, World};

/// Seconds that each server is asked in each round.
const SECONDS: u32 = 2;
/// Publications of each server in one round.
const PUBLICATIONS: usize = 40;
/// Bytes of the blob that is sent and fetched.
const BLOB_BYTES: usize = 256 << 20;
/// Repositories stored while all is measured again.
const MANY: usize = 100_000;
/// Most memory that `trust serve` may take under all of it, in MiB.
const MOST_MEMORY: f64 = 64.0;

/// Most of a peer's time that each work may take.
const METADATA_GOAL: f64 = 0.2;
const PUBLISH_GOAL: f64 = 1.0;
const PUBLISH_POSTGRES_GOAL: f64 = 0.5;
const MANIFEST_GOAL: f64 = 0.125;
const BLOB_PUT_GOAL: f64 = 0.77;
const BLOB_GET_GOAL: f64 = 0.84;

/// The collection that is asked for.
const GUN: &str = "bench.example.com/app";

/// A server, and where it listens.
struct Listening {
    process: Process,
    port: u16,
    name: &'static str,
    _folder: TempDir,
}

pub(super) fn measure(_: &World, runs: usize, report: &mut Report) {
    let database = std::env::var("TRUST_TEST_POSTGRES").ok();
    let ours = trust_serve("trust serve", None);
    let memory = notary_server("notary-server, memory", None);
    let mut servers = vec![&ours, &memory];
    let postgres = database.as_ref().map(|address| {
        (
            trust_serve("trust serve, PostgreSQL", Some(&create_database(address, "trust_bench"))),
            notary_server(
                "notary-server, PostgreSQL",
                Some(&create_database(address, "notary_bench")),
            ),
        )
    });
    if let Some((ours, theirs)) = &postgres {
        servers.extend([ours, theirs]);
    }
    metadata(&servers, runs, report);
    let registry = Registry::start(&RegistryOptions::default());
    manifests(&ours, &registry, runs, report);
    blobs(&ours, &registry, runs.min(10), report);
    let peak = peak_memory(&ours);
    report.note(
        "trust serve, under all of it: memory",
        format!("{peak:.0} MiB"),
        Some((&format!("≤ {MOST_MEMORY} MiB"), peak <= MOST_MEMORY)),
    );
}

/// Timestamp and root fetched, and targets published.
fn metadata(servers: &[&Listening], runs: usize, report: &mut Report) {
    let publishers: Vec<Publisher> =
        servers.iter().map(|server| Publisher::begin(server.port, GUN)).collect();
    for role in ["timestamp", "root"] {
        let path = format!("/v2/{GUN}/_trust/tuf/{role}.json");
        let targets: Vec<(&'static str, String)> =
            servers.iter().map(|server| (server.name, server.url(&path))).collect();
        compare_pairs(report, &format!("GET {role}.json"), METADATA_GOAL, &rates(&targets, runs));
    }
    let mut samples: Vec<Sample> =
        servers.iter().map(|server| Sample { name: server.name, values: Vec::new() }).collect();
    let mut publishers = publishers;
    for round in 0..=runs {
        for (publisher, sample) in publishers.iter_mut().zip(&mut samples) {
            let mut times: Vec<f64> = (0..PUBLICATIONS).map(|_| publisher.publish()).collect();
            times.sort_by(f64::total_cmp);
            if round > 0 {
                sample.values.push(times.get(PUBLICATIONS / 2).copied().unwrap());
            }
        }
    }
    compare_pairs(report, "publish, the server's side", PUBLISH_GOAL, &samples);
}

/// The first beside the second, and if there are four, the third beside the fourth.
fn compare_pairs(report: &mut Report, work: &str, goal: f64, samples: &[Sample]) {
    let (embedded, postgres) = samples.split_at(2);
    report.compare(work, goal, embedded);
    if !postgres.is_empty() {
        let publishes = work.starts_with("publish");
        let goal = if publishes { PUBLISH_POSTGRES_GOAL } else { goal };
        report.compare(&format!("{work}, on PostgreSQL"), goal, postgres);
    }
}

fn manifests(ours: &Listening, registry: &Registry, runs: usize, report: &mut Report) {
    let digests: Vec<String> = [ours.base(), registry.url()]
        .iter()
        .map(|base| push_small_image(base, "app", "1"))
        .collect();
    for (title, reference) in [("tag", "1"), ("digest", digests.first().unwrap())] {
        let path = format!("/v2/app/manifests/{reference}");
        let targets = [
            (ours.name, ours.url(&path)),
            ("docker-registry", format!("{}{path}", registry.url())),
        ];
        let work = format!("GET of a manifest by {title}");
        report.compare(&work, MANIFEST_GOAL, &rates(&targets, runs));
    }
}

fn blobs(ours: &Listening, registry: &Registry, runs: usize, report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blob");
    let bases = [(ours.name, ours.base()), ("docker-registry", registry.url())];
    let new_samples =
        || bases.iter().map(|(name, _)| Sample { name, values: Vec::new() }).collect::<Vec<_>>();
    let (mut puts, mut gets) = (new_samples(), new_samples());
    for round in 0..=runs {
        // Not the same bytes twice: a server that has a blob need not write it.
        let digest = write_noise(&file, u64::try_from(round).unwrap());
        for ((_, base), (put, get)) in bases.iter().zip(puts.iter_mut().zip(&mut gets)) {
            let started = Instant::now();
            put_blob(base, "blobs", &digest, &file);
            let put_took = started.elapsed().as_secs_f64();
            let started = Instant::now();
            get_blob(&format!("{base}/v2/blobs/blobs/{digest}"));
            let get_took = started.elapsed().as_secs_f64();
            if round > 0 {
                put.values.push(put_took);
                get.values.push(get_took);
            }
        }
    }
    report.compare("PUT of a blob of 256 MiB", BLOB_PUT_GOAL, &puts);
    report.compare("GET of a blob of 256 MiB", BLOB_GET_GOAL, &gets);
}

/// The same with many repositories stored.
pub(super) fn measure_many(_: &World, runs: usize, report: &mut Report) {
    let ours = trust_serve("trust serve", None);
    let mut publisher = Publisher::begin(ours.port, GUN);
    push_small_image(&ours.base(), "app", "1");
    let paths = [
        ("GET timestamp.json", format!("/v2/{GUN}/_trust/tuf/timestamp.json")),
        ("GET of a manifest by tag", "/v2/app/manifests/1".to_owned()),
    ];
    let mut before = Vec::new();
    for (_, path) in &paths {
        before.push(rates(&[("the same with few repositories", ours.url(path))], runs).remove(0));
    }
    let few = Sample {
        name: "the same with few repositories",
        values: (0..runs).map(|_| publisher.publish()).collect(),
    };
    for number in 0..MANY {
        if number % 50 == 0 {
            Publisher::begin(ours.port, &format!("bench.example.com/many/{number}"));
        }
        push_manifest_only(&ours.base(), &format!("many/{number}"));
    }
    for ((work, path), before) in paths.iter().zip(before) {
        let after = rates(&[("trust serve", ours.url(path))], runs).remove(0);
        report.compare(&format!("{work}, 100,000 repositories stored"), 1.25, &[after, before]);
    }
    let many =
        Sample { name: "trust serve", values: (0..runs).map(|_| publisher.publish()).collect() };
    report.compare("publish, 100,000 repositories stored", 1.25, &[many, few]);
}

/// Seconds a request, of each of these addresses, in turns.
fn rates(targets: &[(&'static str, String)], runs: usize) -> Vec<Sample> {
    let mut samples: Vec<Sample> =
        targets.iter().map(|(name, _)| Sample { name, values: Vec::new() }).collect();
    for round in 0..=runs {
        for ((_, url), sample) in targets.iter().zip(&mut samples) {
            let value = 1.0 / requests_per_second(url);
            if round > 0 {
                sample.values.push(value);
            }
        }
    }
    samples
}

fn requests_per_second(url: &str) -> f64 {
    let duration = format!("-d{SECONDS}s");
    let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json, \
                  application/vnd.oci.image.manifest.v1+json";
    let output = Command::new("wrk").args(["-t1", "-c16", &duration, "-H", accept, url]).output();
    let output = output.expect("`wrk` is on the search path");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{url}: {text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.unwrap_or_else(|| panic!("{url}: {text}")).trim().parse().unwrap()
}

impl Listening {
    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }
}

fn trust_serve(name: &'static str, database: Option<&str>) -> Listening {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut args = vec!["serve", "--http", "--listen", "127.0.0.1:0", "--data"];
    args.push(data.to_str().unwrap());
    if let Some(database) = database {
        args.extend(["--database", database]);
    }
    let home = folder.path().display().to_string();
    let mut process = Process::start(TRUST, &args, folder.path(), &[("HOME", &home)]);
    let port = process.await_port();
    Listening { process, port, name, _folder: folder }
}

fn notary_server(name: &'static str, database: Option<&str>) -> Listening {
    let folder = tempfile::tempdir().unwrap();
    let storage = match database {
        None => serde_json::json!({"backend": "memory"}),
        Some(url) => {
            make_notary_tables(url);
            serde_json::json!({"backend": "postgres", "db_url": format!("{url}?sslmode=disable")})
        }
    };
    let config = serde_json::json!({
        "server": {"http_addr": "127.0.0.1:0"},
        "trust_service": {"type": "local"},
        "storage": storage,
        "logging": {"level": "error"},
    });
    fs::write(folder.path().join("server.json"), config.to_string()).unwrap();
    let mut process =
        Process::start("notary-server", &["-config", "server.json"], folder.path(), &[]);
    let port = process.await_port();
    Listening { process, port, name, _folder: folder }
}

/// Makes a database anew and returns its address.
fn create_database(server: &str, name: &str) -> String {
    for command in
        [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")]
    {
        psql(&format!("{server}/postgres"), &command);
    }
    format!("{server}/{name}")
}

fn psql(address: &str, command: &str) {
    let status = Command::new("psql").args([address, "-qc", command]).status();
    assert!(status.expect("`psql` is on the search path").success(), "{command}");
}

/// The tables that notary-server expects (notary.md §7.3).
fn make_notary_tables(url: &str) {
    let stamps = "id serial PRIMARY KEY, created_at timestamp, updated_at timestamp, \
                  deleted_at timestamp";
    psql(
        url,
        &format!(
            "CREATE TABLE tuf_files ({stamps}, gun varchar(255) NOT NULL, role varchar(255) NOT \
             NULL, version integer NOT NULL, data bytea NOT NULL, sha256 char(64) DEFAULT NULL, \
             UNIQUE (gun, role, version)); CREATE INDEX ON tuf_files (sha256); \
             CREATE TABLE change_category (category varchar(20) PRIMARY KEY); \
             INSERT INTO change_category VALUES ('update'), ('deletion'); \
             CREATE TABLE changefeed (id serial PRIMARY KEY, created_at timestamp DEFAULT \
             CURRENT_TIMESTAMP, gun varchar(255) NOT NULL, version integer NOT NULL, sha256 \
             char(64) DEFAULT NULL, category varchar(20) NOT NULL DEFAULT 'update'); \
             CREATE INDEX ON changefeed (gun)"
        ),
    );
}

/// Somebody who publishes one version of targets after the other, over one connection.
struct Publisher {
    stream: BufReader<TcpStream>,
    gun: String,
    key: PrivateKey,
    version: u64,
}

impl Publisher {
    /// Sets the collection up.
    fn begin(port: u16, gun: &str) -> Self {
        let base = format!("http://127.0.0.1:{port}");
        let server_key = |role: &str| {
            let url = format!("{base}/v2/{gun}/_trust/tuf/{role}.key");
            let answer =
                http::send(&Request { method: "GET", url: &url, headers: &[], body: b"" }, None);
            assert_eq!(answer.status, 200, "{}", answer.text());
            PublicKey::from_json(&Value::parse(&answer.body).unwrap()).unwrap()
        };
        let now = jiff::Timestamp::now();
        let root = PrivateKey::generate_ecdsa().unwrap();
        let certificate = Certificate::self_signed(gun, &root, now).unwrap();
        let key = PrivateKey::generate_ecdsa().unwrap();
        let keys = NewRepository {
            root: PublicKey::new(KeyType::EcdsaX509, certificate),
            targets: key.public_key().clone(),
            snapshot: server_key("snapshot"),
            timestamp: server_key("timestamp"),
        };
        let at_hand = [root, PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()];
        let at_hand: BTreeMap<_, _> = at_hand.into_iter().map(|key| (key.id(), key)).collect();
        let files = Draft::new_repository(&keys, now).sign(&at_hand, now).unwrap().files;
        let stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let mut publisher = Self { stream, gun: gun.to_owned(), key, version: 1 };
        publisher.upload(&files);
        publisher
    }

    /// Publishes the next version, and returns how many seconds the answer took.
    fn publish(&mut self) -> f64 {
        self.version += 1;
        let expires = jiff::Timestamp::now() + 8760.hours();
        let name = TargetName::parse(&format!("tag-{}", self.version % 5)).unwrap();
        let meta = FileMeta::of(&self.version.to_be_bytes());
        let target = Target { length: meta.length, hashes: meta.hashes, custom: None };
        let targets = Targets {
            header: Header { version: self.version, expires: Rfc3339::utc(expires) },
            targets: BTreeMap::from([(name, target)]),
            delegations: Delegations { keys: BTreeMap::new(), roles: Vec::new() },
        };
        let signed = targets.to_json();
        let (method, bytes) = self.key.sign(&signed.to_canonical()).unwrap();
        let signature = Signature { key_id: self.key.id(), method, bytes };
        let files = BTreeMap::from([(RoleName::Targets, encode_envelope(&signed, &[signature]))]);
        self.upload(&files)
    }

    fn upload(&mut self, files: &BTreeMap<RoleName, Vec<u8>>) -> f64 {
        let mut body = Vec::new();
        for (role, file) in files {
            let disposition = format!("form-data; name=\"files\"; filename=\"{role}\"");
            write!(body, "--b\r\nContent-Disposition: {disposition}\r\n").unwrap();
            body.extend_from_slice(b"Content-Type: application/octet-stream\r\n\r\n");
            body.extend_from_slice(file);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b--\r\n");
        let head = format!(
            "POST /v2/{}/_trust/tuf/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
             multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
            self.gun,
            body.len()
        );
        let started = Instant::now();
        self.stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
        let answer = self.answer();
        let took = started.elapsed().as_secs_f64();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        took
    }

    /// Reads an answer whole, and returns its head and body as text.
    fn answer(&mut self) -> String {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "no answer: {head}");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        head + &String::from_utf8_lossy(&body)
    }
}

fn push_small_image(base: &str, repository: &str, tag: &str) -> String {
    let config = br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let digest = trust::oci::Digest::sha256_of(config);
    let opened = ask("POST", &format!("{base}/v2/{repository}/blobs/uploads/"), &[], b"", 202);
    let location = absolute(base, opened.header("location").unwrap());
    let separator = if location.contains('?') { '&' } else { '?' };
    ask("PUT", &format!("{location}{separator}digest={digest}"), &[], config, 201);
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   "size": config.len(), "digest": digest.as_str()},
        "layers": [],
    })
    .to_string();
    let kind = [("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")];
    let url = format!("{base}/v2/{repository}/manifests/{tag}");
    ask("PUT", &url, &kind, manifest.as_bytes(), 201);
    trust::oci::Digest::sha256_of(manifest.as_bytes()).to_string()
}

/// An index without entries: a repository with a tag, in one request.
fn push_manifest_only(base: &str, repository: &str) {
    let kind = [("Content-Type", "application/vnd.oci.image.index.v1+json")];
    let index = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    ask("PUT", &format!("{base}/v2/{repository}/manifests/1"), &kind, index, 201);
}

fn ask(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    status: u16,
) -> http::Response {
    let answer = http::send(&Request { method, url, headers, body }, None);
    assert_eq!(answer.status, status, "{method} {url}: {}", answer.text());
    answer
}

fn absolute(base: &str, location: &str) -> String {
    if location.starts_with('/') { format!("{base}{location}") } else { location.to_owned() }
}

/// Writes bytes that are other ones in each round, and returns their digest.
fn write_noise(path: &Path, round: u64) -> String {
    let mut state = round.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(BLOB_BYTES);
    while bytes.len() < BLOB_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    fs::write(path, &bytes).unwrap();
    trust::oci::Digest::sha256_of(&bytes).to_string()
}

fn put_blob(base: &str, repository: &str, digest: &str, file: &Path) {
    let opened = ask("POST", &format!("{base}/v2/{repository}/blobs/uploads/"), &[], b"", 202);
    let location = absolute(base, opened.header("location").unwrap());
    let separator = if location.contains('?') { '&' } else { '?' };
    curl(&[
        "-T",
        file.to_str().unwrap(),
        "-H",
        "Content-Type: application/octet-stream",
        "-H",
        "Expect:",
        &format!("{location}{separator}digest={digest}"),
    ]);
}

fn get_blob(url: &str) {
    curl(&[url]);
}

fn curl(args: &[&str]) {
    let mut command = Command::new("curl");
    command.args(["-sSf", "-o", "/dev/null"]).args(args);
    let status = command.status().expect("`curl` is on the search path");
    assert!(status.success(), "{command:?}");
}

/// The most memory that a process had at once, in MiB.
fn peak_memory(server: &Listening) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024.0
}
