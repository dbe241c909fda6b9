//! Uploads: in one request or many, in order or not, through restarts and beside each other.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use test_case::test_case;
use tokio::sync::mpsc;
use trust::oci::Digest;
use trust::oci::digest::Hasher;
use trust::server::blobs::BlobStore;
use trust::server::{Server, http};

use super::harness::TestServer;
use crate::harness::image::noise;

fn digest_of(bytes: &[u8]) -> String {
    Digest::sha256_of(bytes).to_string()
}

#[test]
fn an_upload_in_chunks() {
    let server = TestServer::new();
    let bytes = noise(2_500_000, 1);
    let place = server.begin_upload("team/app");
    let answer = server.ask("GET", &place, &[], "");
    assert_eq!((answer.status, answer.header("range")), (204, Some("0-0")));
    let first = server.ask(
        "PATCH",
        &place,
        &[("content-range", "0-999999"), ("content-length", "1000000")],
        bytes[..1_000_000].to_vec(),
    );
    assert_eq!((first.status, first.header("range")), (202, Some("0-999999")));
    assert!(first.header("docker-upload-uuid").is_some());
    let place = first.header("location").unwrap();
    // Without a range it goes on where it is.
    let second = server.ask("PATCH", place, &[], bytes[1_000_000..2_000_000].to_vec());
    assert_eq!((second.status, second.header("range")), (202, Some("0-1999999")));
    let digest = digest_of(&bytes);
    let last = server.ask(
        "PUT",
        &format!("{place}?digest={digest}"),
        &[("content-range", "2000000-2499999")],
        bytes[2_000_000..].to_vec(),
    );
    assert_eq!(last.status, 201, "{}", last.text());
    assert_eq!(last.header("location"), Some(format!("/v2/team/app/blobs/{digest}").as_str()));
    assert_eq!(server.get(last.header("location").unwrap()).body, bytes);
    // It has ended: nothing begins or goes on under its name.
    for (method, path) in [
        ("GET", place),
        ("PATCH", place),
        ("DELETE", place),
        ("PUT", &format!("{place}?digest={digest}")),
    ] {
        let answer = server.ask(method, path, &[], "x");
        assert_eq!(
            (answer.status, answer.code().as_deref()),
            (404, Some("BLOB_UPLOAD_UNKNOWN")),
            "{method}"
        );
    }
}

#[test_case("5-9"; "begins too late")]
#[test_case("0-9"; "comes again")]
#[test_case("2-1"; "backwards")]
#[test_case("x"; "no range")]
#[test_case(""; "nothing")]
fn chunks_come_in_order(range: &str) {
    let server = TestServer::new();
    let place = server.begin_upload("a");
    let digest = digest_of(b"0123456789");
    assert_eq!(server.ask("PATCH", &place, &[("content-range", "0-2")], "012").status, 202);
    for (method, path) in [("PATCH", place.clone()), ("PUT", format!("{place}?digest={digest}"))] {
        let answer = server.ask(method, &path, &[("content-range", range)], "5678");
        assert_eq!((answer.status, answer.code().as_deref()), (416, Some("BLOB_UPLOAD_INVALID")));
        assert_eq!(answer.header("range"), Some("0-2"));
        assert_eq!(answer.header("location"), Some(place.as_str()));
    }
    let answer = server.ask("GET", &place, &[], "");
    assert_eq!((answer.status, answer.header("range")), (204, Some("0-2")));
    assert_eq!(server.ask("PUT", &format!("{place}?digest={digest}"), &[], "3456789").status, 201);
}

#[test]
fn a_chunk_is_as_long_as_it_says() {
    let server = TestServer::new();
    let place = server.begin_upload("a");
    for (range, length, body) in
        [("0-4", "3", "012"), ("0-1", "2", "0123456789"), ("0-1", "", "0123456789")]
    {
        let mut headers = vec![("content-range", range)];
        headers.extend((!length.is_empty()).then_some(("content-length", length)));
        let answer = server.ask("PATCH", &place, &headers, body);
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("SIZE_INVALID")));
        assert_eq!(server.ask("GET", &place, &[], "").header("range"), Some("0-0"));
    }
    // One that ends early is kept as far as it came.
    let answer = server.ask("PATCH", &place, &[("content-range", "0-4")], "012");
    assert_eq!(answer.status, 400);
    assert_eq!(server.ask("GET", &place, &[], "").header("range"), Some("0-2"));
}

#[test]
fn a_wrong_digest_ends_the_upload_and_leaves_nothing() {
    let server = TestServer::new();
    let digest = digest_of(b"something else");
    let place = server.begin_upload("a");
    assert_eq!(server.ask("PATCH", &place, &[], "some").status, 202);
    for path in
        [format!("{place}?digest={digest}"), format!("/v2/a/blobs/uploads/?digest={digest}")]
    {
        let method = if path.contains("uploads/?") { "POST" } else { "PUT" };
        let answer = server.ask(method, &path, &[], "content");
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("DIGEST_INVALID")));
    }
    assert_eq!(server.ask("GET", &place, &[], "").status, 404);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).status, 404);
    assert_eq!(fs::read_dir(server.folder.path().join("content/uploads")).unwrap().count(), 0);
}

#[test_case(""; "none")]
#[test_case("?digest="; "empty")]
#[test_case("?digest=sha256:zz"; "short")]
#[test_case("?digest=md5:d41d8cd98f00b204e9800998ecf8427e"; "unknown algorithm")]
#[test_case("?digest=sha256:../../etc/passwd"; "a path")]
fn what_is_no_digest_ends_nothing(query: &str) {
    let server = TestServer::new();
    let place = server.begin_upload("a");
    let answer = server.ask("PUT", &format!("{place}{query}"), &[], "x");
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("DIGEST_INVALID")));
    assert_eq!(server.ask("GET", &place, &[], "").status, 204);
}

#[test]
fn names_of_uploads_are_made_here_for_one_repository() {
    let server = TestServer::new();
    let place = server.begin_upload("team/app");
    let id = place.rsplit_once('/').unwrap().1;
    let uuid = id.split_once('.').unwrap().0;
    for path in [
        format!("/v2/team/other/blobs/uploads/{id}"),
        format!("/v2/team/app/blobs/uploads/{uuid}"),
        format!("/v2/team/app/blobs/uploads/{}", id.replace("sha256", "sha512")),
        "/v2/team/app/blobs/uploads/..%2f..%2fx".to_owned(),
        format!("/v2/team/app/blobs/uploads/{}", uuid::Uuid::new_v4()),
    ] {
        for method in ["GET", "PATCH", "DELETE"] {
            let answer = server.ask(method, &path, &[], "x");
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_eq!(answer.code().as_deref(), Some("BLOB_UPLOAD_UNKNOWN"));
        }
    }
}

#[test]
fn an_upload_can_be_given_up() {
    let server = TestServer::new();
    for begun in [false, true] {
        let place = server.begin_upload("a");
        if begun {
            assert_eq!(server.ask("PATCH", &place, &[], "some").status, 202);
        }
        assert_eq!(server.ask("DELETE", &place, &[], "").status, 204);
        assert_eq!(server.ask("GET", &place, &[], "").status, 404);
        assert_eq!(server.ask("PATCH", &place, &[], "some").status, 404);
    }
    assert_eq!(fs::read_dir(server.folder.path().join("content/uploads")).unwrap().count(), 0);
}

#[test]
fn the_algorithm_can_be_said_at_the_start_or_at_the_end() {
    let server = TestServer::new();
    let bytes = noise(1_200_000, 2);
    let mut hasher = Hasher::named("sha512").unwrap();
    hasher.update(&bytes);
    let sha512 = hasher.finish().to_string();
    for (query, digest) in [
        ("?digest-algorithm=sha512", sha512.as_str()),
        ("", &sha512),
        ("?digest-algorithm=sha512", &digest_of(&bytes)),
    ] {
        let begun = server.ask("POST", &format!("/v2/a/blobs/uploads/{query}"), &[], "");
        let place = begun.header("location").unwrap();
        assert_eq!(server.ask("PATCH", place, &[], bytes.clone()).status, 202);
        let answer = server.ask("PUT", &format!("{place}?digest={digest}"), &[], "");
        assert_eq!((answer.status, answer.header("docker-content-digest")), (201, Some(digest)));
    }
    let answer = server.ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], "");
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some("DIGEST_INVALID")));
}

#[test]
fn the_shortest_chunk_is_told_if_there_is_one() {
    let server = TestServer::with(|server| server.registry.chunk_min_bytes = 65536);
    let answer = server.ask("POST", "/v2/a/blobs/uploads/", &[], "");
    assert_eq!(answer.header("oci-chunk-min-length"), Some("65536"));
}

/// A body that comes piece by piece from a test; it ends when the sender is dropped.
fn body() -> (mpsc::Sender<Bytes>, http::Body) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((Ok::<_, http::BodyError>(Frame::data(piece)), receiver))
    });
    (sender, StreamBody::new(pieces).boxed_unsync())
}

#[test]
fn after_a_crash_an_upload_goes_on_where_it_certainly_was() {
    let server = TestServer::new();
    let bytes = noise(20 << 20, 3);
    let place = server.begin_upload("a");
    // Twenty MiB arrive, and then neither more nor the end.
    let (sender, body) = body();
    let request = ::http::Request::builder().method("PATCH").uri(&place).body(body).unwrap();
    let (running, peer) = (Arc::clone(&server.server), [127, 0, 0, 1].into());
    let answering = server.runtime.spawn(async move {
        trust::server::service::respond(&running, request, peer, String::new()).await
    });
    server.runtime.block_on(async {
        for piece in bytes.chunks(1 << 20) {
            sender.send(Bytes::copy_from_slice(piece)).await.unwrap();
        }
    });
    // Every eight MiB.
    let certain = server.await_certain(&place, 16 << 20);
    answering.abort();
    server.runtime.block_on(async { answering.await.unwrap_err() });
    // The process that comes next knows nothing but the folder and the database; what was written
    // beyond the certain part is anything.
    let folder = server.folder.path().join("content");
    let upload = fs::read_dir(folder.join("uploads")).unwrap().next().unwrap().unwrap().path();
    let file = fs::OpenOptions::new().write(true).open(&upload).unwrap();
    file.set_len(certain).unwrap();
    file.set_len(certain + 5_000_000).unwrap();
    let server = server.restarted();
    let answer = server.ask("GET", &place, &[], "");
    let range = format!("0-{}", certain - 1);
    assert_eq!((answer.status, answer.header("range")), (204, Some(range.as_str())));
    let rest = bytes[usize::try_from(certain).unwrap()..].to_vec();
    let content_range = format!("{certain}-{}", bytes.len() - 1);
    let answer = server.ask("PATCH", &place, &[("content-range", &content_range)], rest);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let digest = digest_of(&bytes);
    assert_eq!(server.ask("PUT", &format!("{place}?digest={digest}"), &[], "").status, 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).body, bytes);
}

#[test]
fn a_body_that_breaks_is_kept_as_far_as_it_came() {
    let server = TestServer::new();
    let place = server.begin_upload("a");
    for (method, path) in
        [("PATCH", place.clone()), ("PUT", format!("{place}?digest={}", digest_of(b"x")))]
    {
        let pieces = [Ok(Frame::data(Bytes::from_static(b"0123"))), Err("cut".into())];
        let broken = StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync();
        let request = ::http::Request::builder().method(method).uri(path).body(broken).unwrap();
        assert_eq!(server.send(request).status, 400);
    }
    let server = server.restarted();
    assert_eq!(server.ask("GET", &place, &[], "").header("range"), Some("0-7"));
    let digest = digest_of(b"0123012345");
    assert_eq!(server.ask("PUT", &format!("{place}?digest={digest}"), &[], "45").status, 201);
}

#[test]
fn of_two_that_write_to_one_upload_one_is_told_to_wait() {
    let server = TestServer::new();
    let place = server.begin_upload("a");
    let (sender, body) = body();
    let request = ::http::Request::builder().method("PATCH").uri(&place).body(body).unwrap();
    let (running, peer) = (Arc::clone(&server.server), [127, 0, 0, 1].into());
    let first = server.runtime.spawn(async move {
        trust::server::service::respond(&running, request, peer, String::new()).await
    });
    server.runtime.block_on(async {
        sender.send(Bytes::from_static(b"first")).await.unwrap();
        // Taken from the channel, so the first one has begun.
        sender.send(Bytes::from_static(b" and more")).await.unwrap();
    });
    for (method, path) in [
        ("PATCH", place.clone()),
        ("PUT", format!("{place}?digest={}", digest_of(b"second"))),
        ("DELETE", place.clone()),
    ] {
        let answer = server.ask(method, &path, &[], "second");
        assert_eq!((answer.status, answer.code().as_deref()), (409, Some("BLOB_UPLOAD_INVALID")));
    }
    drop(sender);
    let answer = server.runtime.block_on(first).unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(server.ask("GET", &place, &[], "").header("range"), Some("0-13"));
    let digest = digest_of(b"first and more");
    assert_eq!(server.ask("PUT", &format!("{place}?digest={digest}"), &[], "").status, 201);
}

#[test]
fn many_push_the_same_blob_at_once() {
    let server = TestServer::new();
    let bytes = noise(1_000_000, 4);
    let digest = digest_of(&bytes);
    let statuses: Vec<u16> = server.runtime.block_on(async {
        let push = |number: usize| {
            let (running, bytes) = (Arc::clone(&server.server), bytes.clone());
            let path = format!("/v2/r{}/blobs/uploads/?digest={digest}", number % 4);
            tokio::spawn(async move {
                let request = ::http::Request::builder().method("POST").uri(path);
                let request = request.body(http::full_body(bytes)).unwrap();
                let peer = [127, 0, 0, 1].into();
                let answer =
                    trust::server::service::respond(&running, request, peer, String::new()).await;
                answer.status().as_u16()
            })
        };
        let running: Vec<_> = (0..16).map(push).collect();
        let mut statuses = Vec::new();
        for one in running {
            statuses.push(one.await.unwrap());
        }
        statuses
    });
    assert_eq!(statuses, [201; 16]);
    for number in 0..4 {
        assert_eq!(server.get(&format!("/v2/r{number}/blobs/{digest}")).body.len(), 1_000_000);
    }
    let folder = server.object_of(&digest).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn names_end_with_their_lifetime() {
    use trust::clock::{FixedClock, Timestamp};
    let at = |seconds: i64| FixedClock(Timestamp::from_second(1_900_000_000 + seconds).unwrap());
    let server = TestServer::with(|server| server.clock = Arc::new(at(0)));
    let begun = server.begin_upload("a");
    let written = server.begin_upload("a");
    assert_eq!(server.ask("PATCH", &written, &[], "some").status, 202);
    let server = server.restarted_with(|server: &mut Server| server.clock = Arc::new(at(86_401)));
    assert_eq!(server.ask("GET", &begun, &[], "").status, 404);
    // One that has bytes lives until it is purged.
    assert_eq!(server.ask("GET", &written, &[], "").status, 204);
}

#[test]
fn a_full_disk_is_said_to_be_one_and_reads_go_on() {
    let Ok(folder) = std::env::var(FULL_DISK) else {
        // In a mount namespace of its own, so that nothing stays mounted.
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let test = "server::registry_uploads::a_full_disk_is_said_to_be_one_and_reads_go_on";
        let script = format!(
            "mount -t tmpfs -o size=6m none {0}; exec {1} --exact {test} --nocapture",
            folder.path().display(),
            program.display()
        );
        let mut variables = vec![(FULL_DISK.to_owned(), folder.path().display().to_string())];
        variables.push(("RUST_BACKTRACE".to_owned(), "0".to_owned()));
        let run = crate::harness::disk::run_with_mounts(&script, &variables).success();
        assert!(run.stdout.contains("1 passed"), "{run:?}");
        return;
    };
    let content = std::path::PathBuf::from(folder);
    let server = TestServer::with(|server| server.blobs = BlobStore::new(&content));
    let small = server.push_blob("a", &noise(1 << 20, 1));
    let place = server.begin_upload("a");
    let large = noise(9 << 20, 2);
    let digest = digest_of(&large);
    for (method, path) in [
        ("PATCH", place.clone()),
        ("POST", format!("/v2/a/blobs/uploads/?digest={digest}")),
        ("PUT", format!("{}?digest={digest}", server.begin_upload("a"))),
    ] {
        let answer = server.ask(method, &path, &[], large.clone());
        assert_eq!(answer.status, 507, "{}", answer.text());
        assert!(!answer.text().contains('/'), "a path is told: {}", answer.text());
        // What it took is free again.
        assert_eq!(fs::read_dir(content.join("uploads")).unwrap().count(), 0);
        assert_eq!(server.get(&format!("/v2/a/blobs/{small}")).body.len(), 1 << 20);
    }
    assert_eq!(server.ask("GET", &place, &[], "").status, 404);
    server.push_blob("a", &noise(3 << 20, 3));
}

const FULL_DISK: &str = "TRUST_TEST_FULL_DISK";

#[test]
fn memory_is_for_pieces_not_for_blobs() {
    // The body is made while it is sent: were it collected anywhere, this would take all
    // of its 256 MiB.
    let server = TestServer::new();
    let piece = Bytes::from(noise(1 << 20, 5));
    let count = 256;
    let mut hasher = Hasher::sha256();
    for _ in 0..count {
        hasher.update(&piece);
    }
    let digest = hasher.finish().to_string();
    let before = resident();
    let pieces = (0..count).map(move |_| Ok::<_, http::BodyError>(Frame::data(piece.clone())));
    let body = StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync();
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let request = ::http::Request::builder().method("POST").uri(path).body(body).unwrap();
    assert_eq!(server.send(request).status, 201);
    let received = server.count_bytes(&format!("/v2/a/blobs/{digest}"));
    assert_eq!(received, 256 << 20);
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// Bytes of memory that this process has now.
fn resident() -> u64 {
    status("VmRSS:")
}

/// Most bytes of memory that this process had.
fn peak() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
