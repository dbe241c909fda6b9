//! Who may not see a repository cannot tell it from one that is not there.

use trust::tuf::Gun;

use super::auth_world::{
    Issuer, PASSWORD, accounts, ask_bearing, ask_with_token, basic, fetch_token, htpasswd,
    server_with, token_service,
};
use super::harness::{Answer, TestServer};

const THERE: &str = "secret/app";
const NOT_THERE: &str = "secret/abc";

/// All of an answer that somebody could look at, with the name that was asked for taken out.
fn all_of(answer: &Answer, name: &str) -> (u16, Vec<String>, String) {
    let mut headers: Vec<String> = (answer.headers.iter())
        .map(|(key, value)| format!("{key}: {}", value.to_str().unwrap()).replace(name, "NAME"))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text().replace(name, "NAME"))
}

fn make_repository(server: &TestServer) {
    let gun = Gun::parse(&format!("registry.test/{THERE}")).unwrap();
    server.runtime.block_on(async {
        let mut writing = server.server.meta.write().await.unwrap();
        writing.lock_collection(&gun).await.unwrap();
        writing.commit().await.unwrap();
    });
}

fn compare(server: &TestServer, ask: impl Fn(&str, &str) -> Answer) {
    make_repository(server);
    for (method, route) in [
        ("GET", "/v2/NAME/tags/list"),
        ("GET", "/v2/NAME/manifests/latest"),
        ("HEAD", "/v2/NAME/manifests/latest"),
        ("PUT", "/v2/NAME/manifests/latest"),
        ("DELETE", "/v2/NAME/manifests/latest"),
        ("POST", "/v2/NAME/blobs/uploads/"),
        ("GET", "/v2/registry.test/NAME/_trust/tuf/root.json"),
        ("HEAD", "/v2/registry.test/NAME/_trust/tuf/timestamp.json"),
        ("GET", "/v2/registry.test/NAME/_trust/tuf/timestamp.key"),
        ("POST", "/v2/registry.test/NAME/_trust/tuf/"),
        ("DELETE", "/v2/registry.test/NAME/_trust/tuf/"),
        ("GET", "/v2/registry.test/NAME/_trust/changefeed?records=1"),
    ] {
        let [there, not_there] = [THERE, NOT_THERE].map(|name| {
            let answer = ask(method, &route.replace("NAME", name));
            assert!(matches!(answer.status, 401 | 403), "{method} {route}: {}", answer.status);
            all_of(&answer, name)
        });
        assert_eq!(there, not_there, "{method} {route}");
    }
}

#[test]
fn by_somebody_unknown() {
    let server = server_with(htpasswd(&["ann"], None));
    compare(&server, |method, path| server.ask(method, path, &[], ""));
    let server = server_with(token_service(&accounts(&["public/*:pull"], &[])));
    compare(&server, |method, path| server.ask(method, path, &[], ""));
    compare(&server, |method, path| ask_with_token(&server, "", method, path));
}

#[test]
fn by_somebody_without_the_right() {
    let people: &[(&str, &[&str])] = &[("ann", &["team/*:pull,push,sign"])];
    let server = server_with(token_service(&accounts(&[], people)));
    let login = basic("ann", PASSWORD);
    compare(&server, |method, path| server.ask(method, path, &[("authorization", &login)], ""));
    compare(&server, |method, path| ask_with_token(&server, "ann", method, path));
    let server = server_with(htpasswd(&["ann"], Some(people)));
    compare(&server, |method, path| server.ask(method, path, &[("authorization", &login)], ""));
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let token = issuer.token(&["repository:team/app:*"]);
    compare(&server, |method, path| ask_bearing(&server, &token, method, path));
}

#[test]
fn a_token_says_the_same_of_both() {
    let people: &[(&str, &[&str])] = &[("ann", &["team/*:pull"])];
    let server = server_with(token_service(&accounts(&[], people)));
    make_repository(&server);
    for name in [THERE, NOT_THERE] {
        let answer = fetch_token(&server, "ann", Some(&format!("repository:{name}:pull,push")));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["scope"], format!("repository:{name}:"));
    }
}

#[test]
fn changes_of_others_are_not_in_the_feed() {
    let grants: &[(&str, &[&str])] = &[("ann", &["team/*:pull"]), ("bob", &["**:pull"])];
    let server = server_with(htpasswd(&["ann", "bob"], Some(grants)));
    for (id, gun) in (1..=7).zip(["team/a", "secret/a", "secret/b", "secret/c", "team/b"]) {
        let statement = format!(
            "INSERT INTO feed (id, gun, version, sha256, category, created_at) \
             VALUES ({id}, 'registry.test/{gun}', 1, '', 'update', 0)"
        );
        assert_eq!(server.sql(&statement, &[]), 1);
    }
    let seen = |user: &str, query: &str| {
        let login = basic(user, PASSWORD);
        let path = format!("/v2/_trust/changefeed?{query}");
        let page = server.ask("GET", &path, &[("authorization", &login)], "").json();
        let ids = page["records"].as_array().into_iter().flatten();
        ids.map(|change| change["ID"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen("bob", "records=10"), ["1", "2", "3", "4", "5"]);
    assert_eq!(seen("ann", "records=10"), ["1", "5"]);
    // Where a whole page is hidden, the next thing that may be seen is what comes next.
    assert_eq!(seen("ann", "records=1&change_id=1"), ["5"]);
    assert_eq!(seen("ann", "records=-1&change_id=5"), ["1"]);
    assert_eq!(seen("ann", "records=-1&change_id=-1"), ["5"]);
    assert_eq!(seen("ann", "records=5&change_id=5"), [""; 0]);
}
