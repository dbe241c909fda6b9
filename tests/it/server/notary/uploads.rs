//! What comes in a POST that is not an update (server.md §7.2, §7.3).

use test_case::test_case;
use trust::server::Server;

use super::{CONTENT_TYPE, GUN, World, multipart, post};
use crate::server::harness::{Answer, TestServer};

fn send(server: &TestServer, content_type: &str, body: impl Into<bytes::Bytes>) -> Answer {
    let headers = [("content-type", content_type)];
    let headers = if content_type.is_empty() { &headers[..0] } else { &headers[..] };
    server.ask("POST", &format!("/v2/{GUN}/_trust/tuf/"), headers, body)
}

#[track_caller]
fn refuses(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code().as_deref()), (400, Some(code)), "{}", answer.text());
    assert!(answer.body.len() < 1024);
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 1);
    let message = match code {
        "NO_FILENAME" => "No file/role name provided.",
        "INVALID_ROLE" => "The role you are attempting to operate on is invalid.",
        "MALFORMED_JSON" => "JSON sent by the client could not be parsed by the server",
        "MALFORMED_UPLOAD" => "The body of your request is malformed.",
        _ => "Update sent by the client is invalid.",
    };
    assert_eq!(answer.json()["errors"][0]["message"], message);
}

fn part(headers: &str, content: &str) -> String {
    format!("--border\r\n{headers}\r\n\r\n{content}\r\n--border--\r\n")
}

const NAMED: &str = "Content-Disposition: form-data; name=\"files\"; filename=\"root\"";

#[test_case("", "hello"; "no type")]
#[test_case("application/json", "{}"; "another type")]
#[test_case("multipart/form-data", "hello"; "no boundary")]
#[test_case("multipart/mixed; boundary=border", "--border--\r\n"; "another multipart")]
#[test_case("multipart/form-data; boundary=", "----\r\n"; "an empty boundary")]
#[test_case(CONTENT_TYPE, "hello"; "no boundary line")]
#[test_case(CONTENT_TYPE, ""; "nothing")]
#[test_case(CONTENT_TYPE, "--border"; "half a boundary line")]
#[test_case(CONTENT_TYPE, "--border\r\n"; "a part without headers")]
#[test_case(CONTENT_TYPE, "--border\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\r\n{"; "a part without end")]
#[test_case(CONTENT_TYPE, "--border\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\r\n{}\r\n--bord"; "a torn boundary")]
fn what_is_no_upload(content_type: &str, body: &str) {
    let server = TestServer::new();
    refuses(&send(&server, content_type, body.to_owned()), "MALFORMED_UPLOAD");
    // And the next one is heard.
    assert_eq!(server.get("/_notary_server/health").text(), "{}");
}

#[test]
fn an_upload_without_files_is_an_invalid_update() {
    let server = TestServer::new();
    for body in ["--border--\r\n".to_owned(), part(&NAMED.replace("root", "timestamp"), "{}")] {
        let answer = send(&server, CONTENT_TYPE, body);
        refuses(&answer, "INVALID_UPDATE");
        assert_eq!(answer.json()["errors"][0]["detail"]["Name"], "ErrValidation");
    }
}

#[test_case("Content-Disposition: form-data; name=\"files\"", "NO_FILENAME"; "no file name")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"\"", "NO_FILENAME"; "an empty name")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\".json\"", "NO_FILENAME"; "nothing but the ending")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"../../etc/passwd\"", "INVALID_ROLE"; "a path")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"foo\"", "INVALID_ROLE"; "no role")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"targets/\"", "INVALID_ROLE"; "half a delegation")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"targets//a\"", "INVALID_ROLE"; "an empty delegation")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"targets/A B\"", "INVALID_ROLE"; "capitals and blanks")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"targets/*\"", "INVALID_ROLE"; "a wild card")]
#[test_case("Content-Disposition: form-data; name=\"files\"; filename=\"Root\"", "INVALID_ROLE"; "a capital")]
fn names_of_parts(headers: &str, code: &str) {
    let server = TestServer::new();
    refuses(&send(&server, CONTENT_TYPE, part(headers, "{}")), code);
}

#[test]
fn a_strange_role_is_told() {
    let server = TestServer::new();
    let answer = send(&server, CONTENT_TYPE, part(&NAMED.replace("root", "foo"), "{}"));
    assert_eq!(answer.json()["errors"][0]["detail"], "foo");
    let long = NAMED.replace("root", &"x".repeat(9000));
    refuses(&send(&server, CONTENT_TYPE, part(&long, "{}")), "INVALID_ROLE");
}

#[test]
fn many_parts_and_large_headers_are_refused() {
    let server = TestServer::new();
    let same: Vec<_> = (0..1000).map(|_| ("root", b"{}".to_vec())).collect();
    refuses(&post(&server, GUN, &same), "MALFORMED_UPLOAD");
    let names: Vec<_> = (0..1100).map(|number| format!("targets/{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), b"{}".to_vec())).collect();
    refuses(&post(&server, GUN, &many), "MALFORMED_UPLOAD");
    let large = format!("X-Large: {}\r\n{NAMED}", "x".repeat(1 << 20));
    let answer = send(&server, CONTENT_TYPE, part(&large, "{}"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    let nested = "Content-Type: multipart/form-data; boundary=inner\r\n";
    let nested = part(&format!("{nested}{NAMED}"), "--inner\r\n\r\n{}\r\n--inner--");
    refuses(&send(&server, CONTENT_TYPE, nested), "MALFORMED_JSON");
}

#[test]
fn the_ending_of_a_name_does_not_matter_nor_does_the_name_of_the_field() {
    let mut world = World::new();
    world.owner.publish();
    let files =
        [("root.json", world.owner.raw("root")), ("targets.json", world.owner.raw("targets"))];
    let body = String::from_utf8(multipart(&files)).unwrap();
    let answer = send(&world.server, CONTENT_TYPE, body.replace("name=\"files\"", "name=\"x\""));
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
}

#[test_case(b"{}"; "an empty object")]
#[test_case(b"null"; "null")]
#[test_case(b"[]"; "an array")]
#[test_case(b"\"\""; "a string")]
#[test_case(b"0"; "a number")]
#[test_case(b""; "nothing")]
#[test_case(b"{\"signed\":"; "torn")]
#[test_case(b"{\"signed\":[],\"signatures\":[]}"; "signed is an array")]
#[test_case(b"{\"signed\":{},\"signatures\":{}}"; "signatures are an object")]
#[test_case(b"{\"signed\":{},\"signatures\":[{}]}"; "an empty signature")]
#[test_case(b"\xff\xfe{\"signed\":{}}"; "not utf8")]
#[test_case(b"\xef\xbb\xbf{\"signed\":{},\"signatures\":[]}"; "a byte order mark")]
#[test_case(b"{\"signed\":{},\"signed\":{},\"signatures\":[]}"; "a name twice")]
#[test_case(b"{\"signed\":{\"version\":1.5},\"signatures\":[]}"; "a fraction")]
#[test_case(b"{\"signed\":{\"version\":9223372036854775808},\"signatures\":[]}"; "a number too large")]
#[test_case(b"{\"signed\":{},\"signatures\":[]}{}"; "something behind it")]
fn what_is_no_file(content: &[u8]) {
    let world = World::new();
    for role in ["root", "targets", "snapshot", "targets/a"] {
        let answer = post(&world.server, GUN, &[(role, content.to_vec())]);
        assert_eq!(answer.status, 400, "{role}: {}", answer.text());
        assert!(answer.body.len() < 1024);
        let code = answer.code().unwrap();
        assert!(["MALFORMED_JSON", "INVALID_UPDATE"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(world.get("root.json").status, 404);
}

#[test]
fn deep_and_wide_json_is_refused_before_it_costs_anything() {
    let server = TestServer::new();
    let deep = "[".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000);
    for content in [deep, objects] {
        let answer = post(&server, GUN, &[("root", content.into_bytes())]);
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("MALFORMED_JSON")));
    }
}

#[test]
fn a_thousand_signatures_are_not_looked_at() {
    let mut world = World::new();
    world.owner.after_signing("root", |raw| {
        let text = String::from_utf8(raw.clone()).unwrap();
        let signature = r#"{"keyid":"","method":"ecdsa","sig":""},"#.repeat(2000);
        *raw = text.replace("\"signatures\":[", &format!("\"signatures\":[{signature}")).into();
    });
    refuses(&world.post(&["root", "targets"]), "MALFORMED_JSON");
}

#[test]
fn what_is_too_large_is_not_read_to_its_end() {
    let server = TestServer::with(|server: &mut Server| {
        server.notary.max_publication_bytes = 10_000;
    });
    let answer = send(&server, CONTENT_TYPE, vec![b'x'; 10_001]);
    assert_eq!((answer.status, answer.code().as_deref()), (413, Some("SIZE_INVALID")));
    refuses(&send(&server, CONTENT_TYPE, vec![b'x'; 10_000]), "MALFORMED_UPLOAD");
}

#[test]
fn a_body_that_is_packed_is_not_unpacked() {
    let server = TestServer::new();
    let headers = [("content-type", CONTENT_TYPE), ("content-encoding", "gzip")];
    let answer = server.ask("POST", &format!("/v2/{GUN}/_trust/tuf/"), &headers, "x");
    assert_eq!(answer.status, 415);
}

#[test]
fn one_role_twice_is_refused_and_a_timestamp_is_not_taken() {
    let mut world = World::new();
    world.owner.publish();
    let [root, targets] = ["root", "targets"].map(|role| world.owner.raw(role));
    let twice = [("root", root.clone()), ("root.json", root.clone()), ("targets", targets.clone())];
    refuses(&post(&world.server, GUN, &twice), "MALFORMED_UPLOAD");
    let mine = b"not even JSON".to_vec();
    let with_timestamp = [("root", root), ("targets", targets), ("timestamp", mine.clone())];
    let answer = post(&world.server, GUN, &with_timestamp);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(world.get("timestamp.json").body, mine);
    assert_eq!(world.version("timestamp"), 1);
}

#[test]
fn a_read_only_server_takes_nothing() {
    let mut world = World::new();
    world.publishes(&["root", "targets"]);
    world.owner.publish();
    let files = [("targets", world.owner.raw("targets"))];
    let read_only = |server: &mut Server| server.registry.read_only = true;
    let server = TestServer::with(read_only);
    let answer = post(&server, GUN, &files);
    assert_eq!((answer.status, answer.code().as_deref()), (405, Some("UNSUPPORTED")));
    let path = format!("/v2/{GUN}/_trust/tuf/");
    assert_eq!(server.ask("DELETE", &path, &[], "").status, 405);
    assert_eq!(server.get(&format!("{path}timestamp.key")).status, 405);
    assert_eq!(server.get(&format!("{path}timestamp.json")).status, 404);
}

/// Docker sends such an update when it signs what is signed already; notary-server takes it and
/// makes a new timestamp.
#[test]
fn an_update_without_files_is_taken_where_something_is_published() {
    let nothing = "--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let mut world = World::new();
    let path = format!("/v2/{GUN}/_trust/tuf/");
    let answer = world.server.ask("POST", &path, &kind, nothing);
    assert_eq!(answer.status, 400, "{}", answer.text());
    let message = "no pre-existing root and no root provided in update.";
    assert_eq!(answer.json()["errors"][0]["detail"]["Error"]["Msg"], message);
    world.publishes(&["root", "targets"]);
    let before = world.version("timestamp");
    assert_eq!(world.server.ask("POST", &path, &kind, nothing).status, 200);
    assert_eq!(world.version("timestamp"), before + 1);
    assert_eq!(world.version("targets"), 1);
}
