//! The scripted registry, left alone, is one that others can use: without this, no fault of it
//! would prove anything.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::ScriptedRegistry;
use crate::harness::image::{Image, digest_in_layout, write_into_layout};
use crate::harness::registry::Fault;
use crate::peers::User;
use crate::peers::http::{self, Response};
use crate::peers::image::digest;

/// Somebody who sends an image there with skopeo, and fetches it back.
fn there_and_back(registry: &ScriptedRegistry, user: &User, image: &Image) {
    let layout = user.home().join("from");
    write_into_layout(&layout, "v1", image);
    let from = format!("oci:{}:v1", layout.display());
    let back = format!("oci:{}:v1", user.home().join("back").display());
    let there = format!("docker://{}", registry.image("some/app:v1"));
    let copy = ["copy", "--insecure-policy"];
    let up = [&copy[..], &["--dest-tls-verify=false", &from, &there]].concat();
    user.program("skopeo", &up).success();
    let down = [&copy[..], &["--src-tls-verify=false", &there, &back]].concat();
    user.program("skopeo", &down).success();
    let (sent, kept) = (image.digest(), registry.contents().tagged("some/app", "v1"));
    assert_eq!(kept, Some(sent.clone()));
    assert_eq!(digest_in_layout(&user.home().join("back"), "v1"), Some(sent));
}

#[test]
fn skopeo_pushes_and_pulls() {
    let (registry, user) = (ScriptedRegistry::start(), User::new());
    there_and_back(&registry, &user, &Image::of_small_layers(3, 1));
    assert_eq!(registry.contents().open_uploads(), 0);
}

#[test]
fn skopeo_logs_in() {
    let (registry, mut user) = (ScriptedRegistry::start(), User::new());
    registry.door().demand_login("alice", "secret");
    user.log_in(&registry.host(), "alice", "secret");
    there_and_back(&registry, &user, &Image::of_small_layers(2, 1));
    assert!(registry.door().issued() > 0);
}

#[test]
fn skopeo_lists_the_tags_and_deletes() {
    let (registry, user) = (ScriptedRegistry::start(), User::new());
    let image = Image::of_size(100, 1);
    for tag in ["a", "b", "c"] {
        image.serve(&registry, "app", tag);
    }
    let name = format!("docker://{}", registry.image("app"));
    let listed = user.program("skopeo", &["list-tags", "--tls-verify=false", &name]).success();
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["Tags"], serde_json::json!(["a", "b", "c"]));
    let name = format!("{name}:b");
    user.program("skopeo", &["delete", "--tls-verify=false", &name]).success();
    assert_eq!(registry.contents().tagged("app", "a"), None, "by its digest, so all tags go");
}

#[test]
fn its_faults_are_seen() {
    let (registry, user) = (ScriptedRegistry::start(), User::new());
    Image::of_size(100, 1).serve(&registry, "app", "1");
    registry.script().always("GET", "/manifests/", || Fault::status(500));
    let name = format!("docker://{}", registry.image("app:1"));
    let failed = user.program("skopeo", &["inspect", "--tls-verify=false", &name]);
    assert_ne!(failed.code, 0);
    assert!(registry.asked("GET", "/manifests/1").iter().all(|entry| entry.status == 500));
}

/// Asks by hand, with these headers and this body.
fn ask(
    registry: &ScriptedRegistry,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let url = format!("http://{}{path}", registry.host());
    http::send(&http::Request { method, url: &url, headers, body }, None)
}

/// Begins an upload, and returns where it goes on.
fn begin_upload(registry: &ScriptedRegistry) -> String {
    let begun = ask(registry, "POST", "/v2/app/blobs/uploads/", &[], b"");
    assert_eq!(begun.status, 202);
    begun.header("location").unwrap().to_owned()
}

#[test]
fn parts_of_a_blob() {
    let registry = ScriptedRegistry::start();
    let path = format!("/v2/app/blobs/{}", registry.contents().put_blob("app", b"0123456789"));
    for (range, status, body, content_range) in [
        ("bytes=4-", 206, "456789", Some("bytes 4-9/10")),
        ("bytes=4-5", 206, "45", Some("bytes 4-5/10")),
        ("bytes=9-99", 206, "9", Some("bytes 9-9/10")),
        ("bytes=10-", 416, "", Some("bytes */10")),
    ] {
        let part = ask(&registry, "GET", &path, &[("Range", range)], b"");
        assert_eq!((part.status, part.header("content-range")), (status, content_range));
        assert!(status == 416 || part.body == body.as_bytes());
    }
    registry.script().always("GET", "/blobs/", Fault::without_ranges);
    let whole = ask(&registry, "GET", &path, &[("Range", "bytes=4-")], b"");
    assert_eq!((whole.status, whole.body.len()), (200, 10));
}

#[test]
fn chunks_in_order_and_out_of_order() {
    let registry = ScriptedRegistry::start();
    let location = begin_upload(&registry);
    let chunk = |range, body| ask(&registry, "PATCH", &location, &[("Content-Range", range)], body);
    assert_eq!(chunk("0-4", b"01234").status, 202);
    for (range, body) in [("0-4", b"01234"), ("6-10", b"56789"), ("5-8", b"56789")] {
        let refused = chunk(range, body);
        assert_eq!((refused.status, refused.header("range")), (416, Some("0-4")));
    }
    assert_eq!(chunk("5-9", b"56789").header("range"), Some("0-9"));
    let end =
        |digest: &str| ask(&registry, "PUT", &format!("{location}&digest={digest}"), &[], b"");
    assert_eq!(end(&digest(b"0123456789")).status, 201);
    assert_eq!(end(&digest(b"0123456789")).status, 404, "it is no upload any more");
    assert!(registry.contents().blob("app", &digest(b"0123456789")).is_some());
    let forgotten = location.split('?').next().unwrap();
    assert_eq!(ask(&registry, "GET", forgotten, &[], b"").status, 404);
}

#[test]
fn an_upload_that_was_cut_can_be_asked_for() {
    let registry = ScriptedRegistry::start();
    registry.script().nth("PATCH", "/uploads/", 1..=1, || Fault::CutRequest(4));
    registry.script().nth("PATCH", "/uploads/", 1..=1, || Fault::CutAndLose(4));
    let location = begin_upload(&registry);
    for _ in 0..2 {
        let mut stream = TcpStream::connect(registry.host()).unwrap();
        let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
        stream.write_all(&[head.as_bytes(), b"0123456789"].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        assert_eq!(answer, b"", "cut before the answer");
        let status = ask(&registry, "GET", &location, &[], b"");
        assert_eq!((status.status, status.header("range")), (204, Some("0-3")));
    }
    let received: Vec<usize> =
        registry.asked("PATCH", "/uploads/").iter().map(|entry| entry.received).collect();
    assert_eq!(received, [4, 4]);
}

#[test]
fn a_manifest_needs_what_it_names() {
    let registry = ScriptedRegistry::start();
    let image = Image::of_size(10, 1);
    let put = |reference: &str, body: &[u8]| {
        let headers = [("Content-Type", "application/vnd.oci.image.manifest.v1+json")];
        ask(&registry, "PUT", &format!("/v2/app/manifests/{reference}"), &headers, body).status
    };
    assert_eq!(put("1", &image.manifest.bytes), 404);
    for blob in image.blobs() {
        registry.contents().put_blob("app", &blob.bytes);
    }
    assert_eq!(put(&digest(b"another"), &image.manifest.bytes), 400);
    assert_eq!(put("1", b"not json"), 400);
    assert_eq!(put("1", &image.manifest.bytes), 201);
}

#[test]
fn a_token_is_good_for_what_it_was_asked_for() {
    let registry = ScriptedRegistry::start();
    registry.contents().put_blob("app", b"blob");
    registry.door().demand_login("alice", "secret");
    let path = format!("/v2/app/blobs/{}", digest(b"blob"));
    let refused = ask(&registry, "GET", &path, &[], b"");
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.ends_with(r#"service="scripted",scope="repository:app:pull""#),
        "{challenge}"
    );
    let ticket = "/token?service=scripted&scope=repository:app:pull";
    assert_eq!(ask(&registry, "GET", ticket, &[], b"").status, 401);
    let login = [("Authorization", "Basic YWxpY2U6c2VjcmV0")];
    let token = ask(&registry, "GET", ticket, &login, b"");
    let token: serde_json::Value = serde_json::from_slice(&token.body).unwrap();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let with_token = [("Authorization", &*bearer)];
    assert_eq!(ask(&registry, "GET", &path, &with_token, b"").status, 200);
    assert_eq!(ask(&registry, "POST", "/v2/app/blobs/uploads/", &with_token, b"").status, 401);
    registry.door().expire_tokens();
    let refused = ask(&registry, "GET", &path, &with_token, b"");
    assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"));
}
