//! Content and database on a disk that is full, read only, or was tampered with.

use std::fs;
use std::sync::Arc;

use trust::oci::Digest;
use trust::server::blobs::{Adopt, BlobError, BlobStore};

use super::harness::TestServer;
use super::stock::{IMAGE, Stock, digest};
use super::tmpfs::Tmpfs;

#[test]
fn a_full_disk_refuses_content_and_recovers() {
    let disk = Tmpfs::new("3m");
    let server = TestServer::with(|server| server.blobs = BlobStore::new(disk.path()));
    let push = |bytes: &[u8]| {
        let path = format!("/v2/app/blobs/uploads/?digest={}", digest(bytes));
        server.ask("POST", &path, &[], bytes.to_vec())
    };
    assert_eq!(push(b"before").status, 201);
    let large = vec![7; 8 << 20];
    for _ in 0..3 {
        let answer = push(&large);
        assert_eq!(answer.status, 507, "{}", answer.text());
        let root = disk.path().to_str().unwrap();
        assert!(!answer.text().contains(root), "{}", answer.text());
    }
    // What did not fit takes no room, reads go on, and what fits is taken.
    let path = format!("/v2/app/blobs/{}", digest(b"before"));
    assert_eq!(server.get(&path).text(), "before");
    let fits = vec![8; 2 << 20];
    let answer = push(&fits);
    assert_eq!(answer.status, 201, "{}", answer.text());
    disk.fill();
    assert_eq!(push(b"not one byte").status, 507);
    disk.make_room();
    assert_eq!(push(b"not one byte").status, 201);
    drop(server);
}

#[test]
fn a_read_only_disk_refuses_content_and_serves_on() {
    let disk = Tmpfs::new("3m");
    let server = TestServer::with(|server| server.blobs = BlobStore::new(disk.path()));
    let push = |bytes: &'static [u8]| {
        let path = format!("/v2/app/blobs/uploads/?digest={}", digest(bytes));
        server.ask("POST", &path, &[], bytes)
    };
    assert_eq!(push(b"before").status, 201);
    disk.read_only(true);
    let answer = push(b"after");
    assert!(answer.status >= 500, "{}", answer.text());
    assert!(!answer.text().contains("os error"), "{}", answer.text());
    let path = format!("/v2/app/blobs/{}", digest(b"before"));
    assert_eq!(server.get(&path).text(), "before");
    disk.read_only(false);
    assert_eq!(push(b"after").status, 201);
    drop(server);
}

#[test]
fn odd_values_are_the_clients_fault() {
    // PostgreSQL knows no NUL in text, and its indexes bound the length of names.
    let stock = Stock::new();
    stock.push_image("app", Some("v1"), &["layer"]);
    let long = "x".repeat(5000);
    let queries = [
        "/v2/app/tags/list?last=%00",
        "/v2/app/tags/list?last=%ff%fe",
        "/v2/app/tags/list?n=99999999999999999999",
        "/v2/_catalog?last=%00",
        "/v2/_catalog?n=-1",
        "/v1/search?q=%00",
        "/v1/search?q=%25%27%3b--",
        &format!("/v2/app/tags/list?last={long}"),
        &format!("/v2/_catalog?last={long}"),
        &format!("/v2/app/referrers/{}?artifactType=%00", digest(b"x")),
        "/v2/app/blobs/uploads/?mount=%00&from=app",
        "/v2/_trust/changefeed?change_id=%00",
        "/v2/_trust/changefeed?change_id=99999999999999999999&records=99999999999",
        "/v2/registry.example.com/app/_trust/changefeed?change_id=-9223372036854775809",
    ];
    for query in queries {
        let answer = stock.server.get(query);
        assert!(answer.status < 500, "{query}: {} {}", answer.status, answer.text());
    }
    for (method, path) in [
        ("POST", "/v2/app/blobs/uploads/?mount=%00&from=%00"),
        ("PUT", "/v2/app/manifests/v1?tag=%00"),
        ("DELETE", "/v2/app/manifests/%00"),
    ] {
        let answer = stock.server.ask(method, path, &[("content-type", IMAGE)], "{}");
        assert!(answer.status < 500, "{path}: {} {}", answer.status, answer.text());
    }
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "a\u{0}b", "layers": [],
        "config": {"mediaType": "x/\u{0}y", "digest": stock.push_blob("app", b"{}"), "size": 2},
    });
    let odd = [("content-type", IMAGE)];
    let answer = stock.server.ask("PUT", "/v2/app/manifests/odd", &odd, manifest.to_string());
    assert!(answer.status < 500, "{}", answer.text());
    drop(Arc::clone(&stock.server.server));
}

#[test]
fn a_file_elsewhere_that_cannot_be_read_is_told_from_the_own_disk() {
    let world = TestServer::new();
    let path = world.folder.path().join("elsewhere");
    fs::write(&path, b"content").unwrap();
    let digest = Digest::sha256_of(b"content");
    let blobs = &world.server.blobs;
    for how in [Adopt::Link, Adopt::Copy] {
        // As with a sector that is broken: it opens, and cannot be read.
        let broken = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let id = format!("broken-{how:?}");
        let refused = world.runtime.block_on(blobs.adopt(broken, &digest, id, how));
        assert!(matches!(refused, Err(BlobError::Source(_))), "{refused:?}");
        let whole = fs::File::open(&path).unwrap();
        let id = format!("whole-{how:?}");
        let adopted = world.runtime.block_on(blobs.adopt(whole, &digest, id, how)).unwrap();
        assert_eq!((adopted.size, adopted.is_copy), (7, how == Adopt::Copy));
    }
    assert_eq!(fs::read(&path).unwrap(), b"content");
}
