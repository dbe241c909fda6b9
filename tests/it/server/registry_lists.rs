//! Lists: tags, repositories, statements, search.

use serde_json::json;
use test_case::test_case;
use trust::oci::Digest;
use trust::server::auth::Action;

use super::content::{caller, statement};
use super::harness::{Answer, TestServer};
use crate::harness::image::{Image, OCI_INDEX};

/// The next page, as a path.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let (target, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    Some(target.to_owned())
}

/// All pages from one on: what a member lists, page by page.
fn pages(server: &TestServer, path: &str, member: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(current) = path {
        let answer = server.get(&current);
        assert_eq!(answer.status, 200, "{current}");
        let list = answer.json()[member].as_array().unwrap().clone();
        let text = |entry: &serde_json::Value| entry.as_str().unwrap_or_default().to_owned();
        pages.push(list.iter().map(text).collect());
        path = next(&answer);
    }
    pages
}

#[test]
fn tags_page_by_page_in_the_order_of_their_bytes() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    for tag in ["b", "a", "B", "_x", "a-1", "1"] {
        server.push_image("team/app", tag, &image);
    }
    let all = ["1", "B", "_x", "a", "a-1", "b"];
    assert_eq!(pages(&server, "/v2/team/app/tags/list", "tags"), [all.map(String::from)]);
    assert_eq!(server.get("/v2/team/app/tags/list").json()["name"], "team/app");
    let twos = pages(&server, "/v2/team/app/tags/list?n=2", "tags");
    assert_eq!(twos, [["1", "B"], ["_x", "a"], ["a-1", "b"]]);
    assert_eq!(pages(&server, "/v2/team/app/tags/list?n=6", "tags").len(), 1);
    assert_eq!(pages(&server, "/v2/team/app/tags/list?last=a", "tags"), [["a-1", "b"]]);
    assert_eq!(pages(&server, "/v2/team/app/tags/list?n=0", "tags"), [[""; 0]]);
    assert_eq!(pages(&server, "/v2/team/app/tags/list?last=zz", "tags"), [[""; 0]]);
    let unknown = server.get("/v2/none/tags/list");
    assert_eq!((unknown.status, unknown.code().as_deref()), (404, Some("NAME_UNKNOWN")));
}

#[test_case("n=-1"; "below zero")]
#[test_case("n=abc"; "no number")]
#[test_case("n=1.5"; "not whole")]
#[test_case("n="; "empty")]
fn pages_are_numbered(query: &str) {
    let server = TestServer::new();
    server.push_image("a", "v1", &Image::of_size(10, 1));
    for path in ["/v2/a/tags/list", "/v2/_catalog", "/v1/search"] {
        let answer = server.get(&format!("{path}?{query}"));
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.code().as_deref(), Some("PAGINATION_NUMBER_INVALID"));
    }
}

#[test]
fn pages_have_a_largest_size() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "t", &image);
    let digest = image.digest();
    for hundred in 0..11 {
        let tags: Vec<String> =
            (0..100).map(|number| format!("tag=t{:04}", hundred * 100 + number)).collect();
        let target = format!("{digest}?{}", tags.join("&"));
        assert_eq!(server.put_manifest("a", &target, &image.manifest).status, 201);
    }
    for n in ["", "?n=1000000000", "?n=1000000000000000", "?n=99999999999999999999999999"] {
        let sizes: Vec<usize> =
            pages(&server, &format!("/v2/a/tags/list{n}"), "tags").iter().map(Vec::len).collect();
        assert_eq!(sizes, [1000, 101], "{n}");
    }
    let long = "x".repeat(1 << 15);
    assert_eq!(pages(&server, &format!("/v2/a/tags/list?last={long}"), "tags"), [[""; 0]]);
    let odd = server.get("/v2/a/tags/list?last=%00&n=1");
    assert_eq!(odd.json()["tags"], json!(["t"]));
    assert_eq!(server.get("/v2/a/tags/list?last=%ff%fe").status, 200);
}

#[test]
fn the_catalog_shows_what_the_caller_may_pull() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    for name in ["c", "a/x", "b/y", "a/z"] {
        server.push_image(name, "v1", &image);
    }
    // A repository of nothing but blobs is none yet.
    server.push_blob("blobs", b"x");
    let all = ["a/x", "a/z", "b/y", "c"];
    assert_eq!(pages(&server, "/v2/_catalog", "repositories"), [all.map(String::from)]);
    let pairs = pages(&server, "/v2/_catalog?n=3", "repositories");
    assert_eq!(pairs, [vec!["a/x", "a/z", "b/y"], vec!["c"]]);
    assert_eq!(pages(&server, "/v2/_catalog?last=a/z", "repositories"), [["b/y", "c"]]);
    let who = caller("a/*", &[Action::Pull]);
    let answer = server.ask_as(who.clone(), "GET", "/v2/_catalog?n=2");
    assert_eq!(answer.json(), json!({"repositories": ["a/x", "a/z"]}));
    assert_eq!(answer.header("link"), None);
    let answer = server.ask_as(who, "GET", "/v1/search?q=y");
    assert_eq!(answer.json()["num_results"], 0);
}

#[test]
fn docker_s_search() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    for name in ["team/web_app", "team/webxapp", "tools/build"] {
        server.push_image(name, "v1", &image);
    }
    let ping = server.get("/v1/_ping");
    assert_eq!((ping.status, ping.header("x-docker-registry-standalone")), (200, Some("true")));
    let found = |query: &str| {
        let answer = server.get(&format!("/v1/search?{query}")).json();
        let names = answer["results"].as_array().unwrap().iter();
        let names: Vec<String> =
            names.map(|result| result["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(answer["num_results"], names.len());
        names
    };
    assert_eq!(found("q=web"), ["team/web_app", "team/webxapp"]);
    assert_eq!(found("q=WEB_"), ["team/web_app"]);
    assert_eq!(found("q=team/&n=1"), ["team/web_app"]);
    assert_eq!(found("q=").len(), 3);
    for nothing in ["q=%25", "q=!", "q=none", "q=%00", &format!("q={}", "a".repeat(300))] {
        assert!(found(nothing).is_empty(), "{nothing}");
    }
    let answer = server.get("/v1/search?q=build").json();
    assert_eq!(
        answer,
        json!({"num_results": 1, "query": "build", "results": [{
            "name": "tools/build", "description": "", "star_count": 0, "is_official": false,
            "is_automated": false,
        }]})
    );
}

#[test]
fn statements_are_listed_and_filtered() {
    let server = TestServer::new();
    let image = Image::of_size(10, 1);
    server.push_image("a", "v1", &image);
    server.push_blob("a", b"{}");
    let subject = image.digest();
    let statements: Vec<_> = [("x/sbom", "1"), ("x/sbom", "2"), ("x/signature", "3")]
        .map(|(kind, note)| statement(&subject, kind, note))
        .into();
    for manifest in &statements {
        assert_eq!(server.put_manifest("a", &manifest.digest(), manifest).status, 201);
    }
    let path = format!("/v2/a/referrers/{subject}");
    let answer = server.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(OCI_INDEX)));
    assert_eq!(answer.header("oci-filters-applied"), None);
    let list = answer.json();
    assert_eq!((&list["schemaVersion"], &list["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    assert_eq!(list["manifests"].as_array().unwrap().len(), 3);
    let wanted = &statements[2];
    let answer = server.get(&format!("{path}?artifactType=x%2Fsignature"));
    assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(
        answer.json()["manifests"],
        json!([{
            "mediaType": wanted.media_type, "digest": wanted.digest(), "size": wanted.bytes.len(),
            "artifactType": "x/signature", "annotations": {"note": "3"},
        }])
    );
    let mut found = Vec::new();
    let mut page = Some(format!("{path}?n=1&artifactType=x/sbom"));
    while let Some(current) = page {
        let answer = server.get(&current);
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        let list = answer.json()["manifests"].as_array().unwrap().clone();
        assert_eq!(list.len(), 1);
        found.push(list[0]["digest"].as_str().unwrap().to_owned());
        page = next(&answer);
    }
    let mut expected = [statements[0].digest(), statements[1].digest()];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_has_no_statements_has_an_empty_list_of_them() {
    let server = TestServer::new();
    let digest = Digest::sha256_of(b"x");
    let path = format!("/v2/none/referrers/{digest}");
    for query in ["", "?artifactType=x/y", "?artifactType=%00", "?n=0"] {
        let answer = server.get(&format!("{path}{query}"));
        assert_eq!((answer.status, answer.json()["manifests"].clone()), (200, json!([])));
    }
    assert_eq!(server.get("/v2/a/referrers/sha256:x").status, 400);
}
