//! Blobs: read whole, in part, by condition; mounted; deleted; damaged and repaired.

use std::fs;

use test_case::test_case;
use trust::oci::Digest;
use trust::oci::digest::Hasher;
use trust::server::auth::Action;
use trust::server::meta::blobs::BlobState;

use super::content::caller;
use super::harness::TestServer;
use crate::harness::image::{Image, noise};

const UNKNOWN: &str = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

#[test]
fn a_blob_is_described_and_served_whole() {
    let server = TestServer::new();
    let bytes = noise(3_000_000, 1);
    let digest = server.push_blob("team/app", &bytes);
    let path = format!("/v2/team/app/blobs/{digest}");
    for method in ["GET", "HEAD"] {
        let answer = server.ask(method, &path, &[], "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), Some("3000000"));
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(&answer.body[..], if method == "GET" { &bytes[..] } else { &[] });
    }
}

#[test]
fn what_another_repository_has_is_unknown_here() {
    let server = TestServer::new();
    let digest = server.push_blob("team/app", b"x");
    for (repository, digest) in
        [("team/other", digest.as_str()), ("none", &digest), ("team/app", UNKNOWN)]
    {
        let answer = server.get(&format!("/v2/{repository}/blobs/{digest}"));
        assert_eq!((answer.status, answer.code().as_deref()), (404, Some("BLOB_UNKNOWN")));
    }
}

#[test_case("bytes=0-0", 206, "bytes 0-0/100", 0..1)]
#[test_case("bytes=10-19", 206, "bytes 10-19/100", 10..20)]
#[test_case("bytes=90-", 206, "bytes 90-99/100", 90..100)]
#[test_case("bytes=90-1000", 206, "bytes 90-99/100", 90..100)]
#[test_case("bytes=-7", 206, "bytes 93-99/100", 93..100)]
#[test_case("bytes=-700", 206, "bytes 0-99/100", 0..100)]
#[test_case("bytes=100-", 416, "bytes */100", 0..0)]
#[test_case("bytes=-0", 416, "bytes */100", 0..0)]
#[test_case("bytes=5-2", 416, "bytes */100", 0..0)]
#[test_case("bytes=0-1,5-6", 200, "", 0..100)]
#[test_case("seconds=0-1", 200, "", 0..100)]
#[test_case("bytes=x", 200, "", 0..100)]
fn parts(range: &str, status: u16, content_range: &str, expected: std::ops::Range<usize>) {
    let server = TestServer::new();
    let bytes = noise(100, 2);
    let digest = server.push_blob("a", &bytes);
    let answer = server.ask("GET", &format!("/v2/a/blobs/{digest}"), &[("range", range)], "");
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("content-range").unwrap_or_default(), content_range);
    if status == 416 {
        assert_eq!(answer.code().as_deref(), Some("RANGE_INVALID"));
    } else {
        assert_eq!(answer.body, bytes[expected.clone()]);
        assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    }
}

#[test]
fn ten_thousand_ranges_are_one_whole() {
    let server = TestServer::new();
    let digest = server.push_blob("a", b"0123456789");
    let ranges: Vec<String> = (0..10_000).map(|_| "0-1".to_owned()).collect();
    let range = format!("bytes={}", ranges.join(","));
    let answer = server.ask("GET", &format!("/v2/a/blobs/{digest}"), &[("range", &range)], "");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]));
}

#[test]
fn conditions() {
    let server = TestServer::new();
    let digest = server.push_blob("a", b"0123456789");
    let path = format!("/v2/a/blobs/{digest}");
    let etag = format!("\"{digest}\"");
    for method in ["GET", "HEAD"] {
        let answer = server.ask(method, &path, &[("if-none-match", &etag)], "");
        assert_eq!((answer.status, answer.body.len()), (304, 0));
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
    }
    let part = server.ask("GET", &path, &[("range", "bytes=8-"), ("if-range", &etag)], "");
    assert_eq!((part.status, &part.body[..]), (206, &b"89"[..]));
    let whole = server.ask("GET", &path, &[("range", "bytes=8-"), ("if-range", "\"x\"")], "");
    assert_eq!((whole.status, whole.body.len()), (200, 10));
}

#[test]
fn an_empty_blob_is_one() {
    let server = TestServer::new();
    let digest = server.push_blob("a", b"");
    let answer = server.get(&format!("/v2/a/blobs/{digest}"));
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
}

#[test]
fn mounts_need_a_source_that_the_caller_may_pull_from() {
    let server = TestServer::new();
    let digest = server.push_blob("from/app", b"content");
    let mount = |from: &str| format!("/v2/to/app/blobs/uploads/?mount={digest}{from}");
    let both = caller("**", &[Action::Pull, Action::Push]);
    let one = caller("to/*", &[Action::Pull, Action::Push]);
    // Whoever may not pull the source is told what they are told of one that is not there.
    for (who, from) in [(&one, "&from=from/app"), (&one, ""), (&both, "&from=none")] {
        let answer = server.ask_as(who.clone(), "POST", &mount(from));
        assert_eq!(answer.status, 202, "{from}");
        assert!(answer.header("location").unwrap().contains("/v2/to/app/blobs/uploads/"));
    }
    let path = format!("/v2/to/app/blobs/{digest}");
    assert_eq!(server.get(&path).status, 404);
    for from in ["&from=from/app", ""] {
        let answer = server.ask_as(both.clone(), "POST", &mount(from));
        assert_eq!((answer.status, answer.header("location")), (201, Some(path.as_str())));
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(server.get(&path).text(), "content");
    }
    for bad in ["mount=sha256:zz", &format!("mount={digest}&from=A//b")] {
        let answer = server.ask("POST", &format!("/v2/to/app/blobs/uploads/?{bad}"), &[], "");
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[test]
fn only_what_no_manifest_needs_is_deleted() {
    let server = TestServer::with(|server| server.registry.delete = true);
    let image = Image::of_size(100, 1);
    server.push_image("a", "1", &image);
    let other = server.push_blob("a", b"other");
    let delete = |digest: &str| server.ask("DELETE", &format!("/v2/a/blobs/{digest}"), &[], "");
    let held = delete(&image.layers[0].digest());
    assert_eq!((held.status, held.code().as_deref()), (405, Some("DENIED")));
    assert_eq!(delete(&other).status, 202);
    assert_eq!(server.get(&format!("/v2/a/blobs/{other}")).status, 404);
    let again = delete(&other);
    assert_eq!((again.status, again.code().as_deref()), (404, Some("BLOB_UNKNOWN")));
    assert_eq!(
        server.ask("DELETE", &format!("/v2/a/manifests/{}", image.digest()), &[], "").status,
        202
    );
    assert_eq!(delete(&image.layers[0].digest()).status, 202);
}

#[test_case(1000; "read at once")]
#[test_case(3_000_000; "streamed")]
fn a_damaged_blob_is_never_served_whole_and_pushing_it_again_repairs_it(size: usize) {
    let server = TestServer::new();
    let bytes = noise(size, 3);
    let digest = server.push_blob("a", &bytes);
    let object = server.object_of(&digest);
    let mut damaged = bytes.clone();
    damaged[10] ^= 1;
    fs::write(&object, &damaged).unwrap();
    let path = format!("/v2/a/blobs/{digest}");
    // The first reader gets an error, or less than the whole; nobody gets anything afterwards.
    let first = server.try_get(&path);
    assert!(first.is_none_or(|answer| answer.status == 500), "a damaged blob was served whole");
    let next = server.await_answer(&path, 500);
    assert!(next.text().contains("damaged"), "{}", next.text());
    // Whoever looks whether it is there finds that it is not, and pushes it.
    assert_eq!(server.ask("HEAD", &path, &[], "").status, 404);
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    assert_eq!(server.ask("POST", &mount, &[], "").status, 202);
    server.push_blob("a", &bytes);
    let repaired = server.get(&path);
    assert_eq!((repaired.status, repaired.body.len()), (200, size));
    assert!(!object.exists(), "the damaged content is still stored");
}

#[test]
fn a_blob_that_was_cut_or_is_gone_is_not_served() {
    for cut in [true, false] {
        let server = TestServer::new();
        let bytes = noise(700_000, 4);
        let digest = server.push_blob("a", &bytes);
        let object = server.object_of(&digest);
        if cut {
            fs::write(&object, &bytes[..699_999]).unwrap();
        } else {
            fs::remove_file(&object).unwrap();
        }
        let path = format!("/v2/a/blobs/{digest}");
        let answer = server.ask("GET", &path, &[("range", "bytes=0-9")], "");
        assert_eq!(answer.status, 500);
        assert!(!answer.text().contains('/'), "a path is told: {}", answer.text());
        assert_eq!(server.ask("HEAD", &path, &[], "").status, 404);
        server.push_blob("a", &bytes);
        assert_eq!(server.get(&path).body.len(), 700_000);
    }
}

#[test]
fn content_is_stored_once_however_often_it_is_pushed() {
    let server = TestServer::new();
    let digest = server.push_blob("a", b"content");
    server.push_blob("a", b"content");
    server.push_blob("b/c", b"content");
    let folder = server.object_of(&digest).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    assert_eq!(fs::read_dir(server.folder.path().join("content/uploads")).unwrap().count(), 0);
}

#[test]
fn sha512_blobs() {
    let server = TestServer::new();
    let bytes = noise(1_000_000, 5);
    let mut hasher = Hasher::named("sha512").unwrap();
    hasher.update(&bytes);
    let digest = hasher.finish().to_string();
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let answer = server.ask("POST", &path, &[], bytes.clone());
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
    let answer = server.get(&format!("/v2/a/blobs/{digest}"));
    assert_eq!((answer.status, answer.body.len()), (200, bytes.len()));
}

/// The state of a blob, as the database has it.
fn state(server: &TestServer, digest: &str) -> BlobState {
    let digest = Digest::parse(digest).unwrap();
    server.runtime.block_on(async {
        let mut reading = server.server.meta.read().await.unwrap();
        reading.stored_blob(&digest).await.unwrap().unwrap().state
    })
}

#[test]
fn whoever_relies_on_a_condemned_blob_saves_it() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    let layer = image.layers[0].digest();
    let path = format!("/v2/a/blobs/{layer}");
    let condemn = || {
        server.tamper("UPDATE blob SET state = 'condemned'", None);
        assert_eq!(state(&server, &layer), BlobState::Condemned);
    };
    condemn();
    let reader = caller("**", &[Action::Pull]);
    assert_eq!(server.ask_as(reader, "HEAD", &path).status, 200);
    assert_eq!(state(&server, &layer), BlobState::Condemned, "readers do not push");
    for method in ["HEAD", "GET"] {
        assert_eq!(server.ask(method, &path, &[], "").status, 200);
        assert_eq!(state(&server, &layer), BlobState::Live);
        condemn();
    }
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    assert_eq!(server.ask("POST", &mount, &[], "").status, 201);
    assert_eq!(state(&server, &layer), BlobState::Live);
    condemn();
    assert_eq!(server.put_manifest("a", "v2", &image.manifest).status, 201);
    assert_eq!(state(&server, &layer), BlobState::Live);
    condemn();
    server.push_blob("c", &image.layers[0].bytes);
    assert_eq!(state(&server, &layer), BlobState::Live);
}

#[test]
fn a_blob_that_is_being_deleted_is_not_there_until_it_is_pushed_again() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    let layer = image.layers[0].digest();
    let before = server.object_of(&layer);
    server.tamper("UPDATE blob SET state = 'deleting'", None);
    let path = format!("/v2/a/blobs/{layer}");
    for method in ["HEAD", "GET"] {
        assert_eq!(server.ask(method, &path, &[], "").status, 404);
    }
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    assert_eq!(server.ask("POST", &mount, &[], "").status, 202);
    let answer = server.put_manifest("a", "v2", &image.manifest);
    assert_eq!(answer.code().as_deref(), Some("MANIFEST_BLOB_UNKNOWN"));
    server.push_blob("a", &image.layers[0].bytes);
    assert_eq!(server.get(&path).body, image.layers[0].bytes);
    // Whoever was about to remove the content removes none that is in use.
    assert_ne!(server.object_of(&layer), before);
}

#[test]
fn other_methods_are_not_understood() {
    let server = TestServer::new();
    for (path, method) in [
        (format!("/v2/a/blobs/{UNKNOWN}"), "PUT"),
        ("/v2/a/blobs/uploads/".to_owned(), "GET"),
        ("/v2/a/tags/list".to_owned(), "POST"),
        ("/v2/a/manifests/x".to_owned(), "PATCH"),
        (format!("/v2/a/referrers/{UNKNOWN}"), "DELETE"),
        ("/v2/_catalog".to_owned(), "PUT"),
        ("/v2/".to_owned(), "DELETE"),
    ] {
        let answer = server.ask(method, &path, &[], "");
        assert_eq!((answer.status, answer.code().as_deref()), (405, Some("UNSUPPORTED")), "{path}");
        assert!(answer.header("allow").is_some());
    }
}
