//! Pushes, deletions and garbage collection beside each other, without a pause.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use trust::clock::SystemClock;
use trust::server::upkeep::gc::{Mode, Options, collect};

use super::harness::TestServer;
use super::stock::{IMAGE, digest};

/// How long it goes on; `TRUST_TEST_SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 15;
/// How long nobody must have relied on something. Each client is done with a push sooner.
const GRACE: Duration = Duration::from_secs(5);
const PUSHERS: u64 = 8;
const DELETERS: u64 = 4;

#[test]
fn nobody_loses_a_blob_that_they_were_told_is_there() {
    let seconds = std::env::var("TRUST_TEST_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS));
    let server = TestServer::with(|server| {
        server.clock = std::sync::Arc::new(SystemClock);
        server.registry.delete = true;
    });
    let (pushes, deletions, runs, removed) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let (server, pushes, over) = (&server, &pushes, &over);
            scope.spawn(move || {
                let mut turn = 0;
                while Instant::now() < until && !over.load(Ordering::SeqCst) {
                    let _guard = Alarm(over);
                    push(server, pusher, turn);
                    pushes.fetch_add(1, Ordering::SeqCst);
                    turn += 1;
                }
            });
        }
        for deleter in 0..DELETERS {
            let (server, deletions, over) = (&server, &deletions, &over);
            scope.spawn(move || {
                let mut turn = deleter;
                while Instant::now() < until && !over.load(Ordering::SeqCst) {
                    let _guard = Alarm(over);
                    let path = format!("/v2/team/{}/manifests/t{}", turn % 3, turn % 7);
                    let tag = server.get(&path);
                    if tag.status == 200 {
                        let path = format!("/v2/team/{}/manifests/{}", turn % 3, digest(&tag.body));
                        let gone = server.ask("DELETE", &path, &[], "");
                        assert!([202, 404].contains(&gone.status), "{}", gone.text());
                        deletions.fetch_add(u64::from(gone.status == 202), Ordering::SeqCst);
                    }
                    turn += 1;
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        let (server, runs, removed, over) = (&server, &runs, &removed, &over);
        scope.spawn(move || {
            let storage = trust::server::upkeep::Storage::of(&server.server);
            let options = Options {
                grace: GRACE,
                delay: Duration::from_secs(1),
                untagged: Some(GRACE),
                ..Options::default()
            };
            while Instant::now() < until && !over.load(Ordering::SeqCst) {
                let _guard = Alarm(over);
                let mut tell = |_| ();
                let collected = collect(&storage, &options, Mode::Real, &mut tell);
                let done = server.runtime.block_on(collected).unwrap();
                runs.fetch_add(1, Ordering::SeqCst);
                removed.fetch_add(done.blobs, Ordering::SeqCst);
                thread::sleep(Duration::from_secs(1));
            }
        });
    });
    println!(
        "{} pushes, {} deletions, {} collections, {} blobs removed",
        pushes.load(Ordering::SeqCst),
        deletions.load(Ordering::SeqCst),
        runs.load(Ordering::SeqCst),
        removed.load(Ordering::SeqCst)
    );
    assert!(removed.load(Ordering::SeqCst) > 0, "nothing was ever garbage");
    // Everything that is there is whole.
    let storage = trust::server::upkeep::Storage::of(&server.server);
    let mut found = Vec::new();
    let mut tell = |checked: &trust::server::upkeep::fsck::Checked| {
        found.push(checked.finding.to_string());
    };
    let checked = trust::server::upkeep::fsck::check(&storage, false, &mut tell);
    let summary = server.runtime.block_on(checked).unwrap();
    assert_eq!(summary.errors, 0, "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("does not have")), "{found:#?}");
}

/// As docker does: look whether a blob is there, push it if not, then the manifest.
fn push(server: &TestServer, pusher: u64, turn: u64) {
    let repository = format!("team/{}", (pusher + turn) % 3);
    // Some blobs everybody pushes, some hardly anybody does, each again and again.
    let blobs = [
        format!("shared {}", turn % 5),
        format!("seldom {}", (turn * 7 + pusher) % 200),
        format!("own {pusher} {turn}"),
        "{}".to_owned(),
    ];
    let mut relied_on = Vec::new();
    for blob in &blobs {
        let digest = digest(blob.as_bytes());
        let known = server.ask("HEAD", &format!("/v2/{repository}/blobs/{digest}"), &[], "");
        if known.status != 200 {
            assert_eq!(known.status, 404);
            let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
            let pushed = server.ask("POST", &path, &[], blob.clone());
            assert_eq!(pushed.status, 201, "{}", pushed.text());
        }
        relied_on.push((digest, Instant::now()));
    }
    let layers: Vec<_> = blobs[..3]
        .iter()
        .map(|blob| {
            json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(blob.as_bytes()), "size": blob.len()})
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(b"{}"), "size": 2},
    })
    .to_string();
    let path = format!("/v2/{repository}/manifests/t{}", turn % 7);
    let put = server.ask("PUT", &path, &[("content-type", IMAGE)], manifest);
    let oldest = relied_on.iter().map(|(_, at)| at.elapsed()).max().unwrap();
    if put.status != 201 {
        assert!(oldest >= GRACE, "{} after {oldest:?}: {}", put.status, put.text());
        return;
    }
    for (digest, _) in relied_on {
        let found = server.get(&format!("/v2/{repository}/blobs/{digest}"));
        // Somebody may have deleted the manifest since, but not so long ago.
        if oldest < GRACE {
            assert_eq!(found.status, 200, "{digest} is gone: {}", found.text());
        }
    }
}

/// Ends all threads when one of them fails.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}
