//! What readers get (notary.md §3.1).

use serde_json::json;
use trust::crypto::Sha256Hash;
use trust::server::Server;

use super::{GUN, World};
use crate::server::harness::TestServer;

#[test]
fn current_files_have_the_headers_that_clients_know() {
    let mut world = World::new();
    world.publishes(&["root", "targets"]);
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let answer = world.get(&format!("{role}.json"));
        assert_eq!(answer.status, 200);
        let current = "public, max-age=300, s-maxage=300, must-revalidate";
        assert_eq!(answer.header("cache-control"), Some(current));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.header("last-modified").unwrap().ends_with(" UTC"));
        assert_eq!(answer.header("etag"), None);
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        // By hash and by version it is the same, for longer.
        let hash = Sha256Hash::of(&answer.body).to_hex();
        for name in [format!("{role}.{hash}.json"), format!("1.{role}.json")] {
            let same = world.get(&name);
            assert_eq!((same.status, &same.body), (200, &answer.body), "{name}");
            let forever = "public, max-age=2592000, s-maxage=2592000";
            assert_eq!(same.header("cache-control"), Some(forever));
        }
    }
}

#[test]
fn a_server_may_forbid_caches() {
    let server = TestServer::with(|server: &mut Server| {
        server.notary.current_max_age = 0;
        server.notary.consistent_max_age = 60;
    });
    let mut world = World { server, ..World::new() };
    for role in ["timestamp", "snapshot"] {
        let key = world.key(role);
        world.owner.leave_to(role, &[key], 1);
    }
    world.publishes(&["root", "targets"]);
    let answer = world.get("root.json");
    assert_eq!(answer.header("cache-control"), Some("max-age=0, no-cache, no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let answer = world.get("1.root.json");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60, s-maxage=60"));
    assert_eq!(world.get("2.root.json").header("cache-control"), None);
}

#[test]
fn head_answers_as_get_does_without_a_body() {
    let mut world = World::new();
    world.publishes(&["root", "targets"]);
    for name in ["root.json", "timestamp.json", "1.targets.json", "targets/a.json"] {
        let path = format!("/v2/{GUN}/_trust/tuf/{name}");
        let (get, head) = (world.server.get(&path), world.server.ask("HEAD", &path, &[], ""));
        assert_eq!((get.status, &get.headers), (head.status, &head.headers), "{name}");
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_is_not_there_is_said_in_the_words_that_clients_know() {
    let mut world = World::new();
    let hash = "00".repeat(32);
    let names = [
        "root.json".to_owned(),
        "timestamp.json".to_owned(),
        "targets/a.json".to_owned(),
        "1.root.json".to_owned(),
        format!("root.{hash}.json"),
    ];
    let message = "You have requested metadata that does not exist.";
    let expected =
        json!({"errors": [{"code": "METADATA_NOT_FOUND", "message": message, "detail": {}}]});
    for name in &names {
        let answer = world.get(name);
        assert_eq!((answer.status, answer.json()), (404, expected.clone()), "{name}");
        assert_eq!(answer.header("cache-control"), None);
    }
    world.publishes(&["root", "targets"]);
    for name in &names[2..3] {
        assert_eq!(world.get(name).json(), expected, "{name}");
    }
    assert_eq!(world.get(&format!("targets.{hash}.json")).json(), expected);
    assert_eq!(world.get("2.root.json").json(), expected);
    // Of another role, a hash names nothing.
    let hash = Sha256Hash::of(&world.get("root.json").body).to_hex();
    assert_eq!(world.get(&format!("targets.{hash}.json")).status, 404);
    // Where nothing can be, there is no detail.
    let nowhere = json!({"errors": [{"code": "METADATA_NOT_FOUND", "message": message}]});
    for name in ["foo.json", "root", "root.key", "targets.key", "targets/a.key", "x/root.json"] {
        let answer = world.get(name);
        assert_eq!((answer.status, answer.json()), (404, nowhere.clone()), "{name}");
    }
}

#[test]
fn other_methods_are_told_which_there_are() {
    let world = World::new();
    let trust = |rest: &str| format!("/v2/{GUN}/_trust/{rest}");
    for (path, wrong, allowed) in [
        (trust("tuf/"), &["GET", "HEAD", "PUT", "PATCH"][..], "POST, DELETE"),
        (trust("tuf/root.json"), &["POST", "PUT", "DELETE", "OPTIONS"], "GET, HEAD"),
        (trust("tuf/1.root.json"), &["POST"], "GET, HEAD"),
        (trust("tuf/timestamp.key"), &["PUT", "DELETE"], "GET, HEAD, POST"),
        (trust("changefeed"), &["POST", "DELETE"], "GET, HEAD"),
        ("/v2/_trust/changefeed".to_owned(), &["POST"], "GET, HEAD"),
        ("/_notary_server/health".to_owned(), &["POST"], "GET, HEAD"),
    ] {
        for method in wrong {
            let answer = world.server.ask(method, &path, &[], "");
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{path}");
            assert!(*method == "HEAD" || answer.code().as_deref() == Some("UNSUPPORTED"));
        }
    }
}

#[test]
fn the_server_says_that_it_is_well_or_not() {
    let server = TestServer::new();
    let answer = server.get("/_notary_server/health");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    server.runtime.block_on(server.server.meta.close());
    let answer = server.get("/_notary_server/health");
    let expected = json!({"DB operational": "the database does not answer"});
    assert_eq!((answer.status, answer.json()), (503, expected));
    let answer = server.get(&format!("/v2/{GUN}/_trust/tuf/root.json"));
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("UNAVAILABLE")));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
