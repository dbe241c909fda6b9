//! Who may do what, where: every route, everybody, by every way of logging in.

use super::auth_world::{
    Issuer, PASSWORD, accounts, ask_bearing, ask_with_token, basic, challenge, htpasswd,
    server_with, token_service,
};
use super::harness::{Answer, TestServer};

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Login,
    List,
    Pull,
    PullPush,
    Delete,
    Sign,
    Admin,
    SignedPush,
}

use Needs::{Admin, Delete, List, Login, Nothing, Pull, PullPush, Sign, SignedPush};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Every route and method; `REPO` is the repository, `GUN` its collection, `DIGEST` a digest.
const ROUTES: &[(&str, &str, Needs)] = &[
    ("GET", "/v2/", Login),
    ("HEAD", "/v2/", Login),
    ("GET", "/v2/_catalog", List),
    ("GET", "/v2/_trust/changefeed?records=1", List),
    ("GET", "/v2/REPO/tags/list", Pull),
    ("GET", "/v2/REPO/manifests/latest", Pull),
    ("HEAD", "/v2/REPO/manifests/latest", Pull),
    ("HEAD", "/v2/REPO/manifests/DIGEST", Pull),
    ("PUT", "/v2/REPO/manifests/latest", PullPush),
    ("DELETE", "/v2/REPO/manifests/latest", Delete),
    ("DELETE", "/v2/REPO/manifests/DIGEST", Delete),
    ("GET", "/v2/REPO/blobs/DIGEST", Pull),
    ("HEAD", "/v2/REPO/blobs/DIGEST", Pull),
    ("DELETE", "/v2/REPO/blobs/DIGEST", Delete),
    ("POST", "/v2/REPO/blobs/uploads/", PullPush),
    ("GET", "/v2/REPO/blobs/uploads/x", PullPush),
    ("PATCH", "/v2/REPO/blobs/uploads/x", PullPush),
    ("PUT", "/v2/REPO/blobs/uploads/x", PullPush),
    ("DELETE", "/v2/REPO/blobs/uploads/x", PullPush),
    ("GET", "/v2/REPO/referrers/DIGEST", Pull),
    ("POST", "/v2/REPO/_trust/push", SignedPush),
    ("GET", "/v2/GUN/_trust/tuf/root.json", Pull),
    ("HEAD", "/v2/GUN/_trust/tuf/timestamp.json", Pull),
    ("GET", "/v2/GUN/_trust/tuf/1.root.json", Pull),
    ("GET", "/v2/GUN/_trust/tuf/targets/releases.json", Pull),
    ("GET", "/v2/GUN/_trust/changefeed?records=1", Pull),
    ("POST", "/v2/GUN/_trust/tuf/", Sign),
    ("DELETE", "/v2/GUN/_trust/tuf/", Admin),
    ("GET", "/v2/GUN/_trust/tuf/timestamp.key", Sign),
    ("POST", "/v2/GUN/_trust/tuf/snapshot.key", Admin),
    ("GET", "/livez", Nothing),
    ("GET", "/readyz", Nothing),
    ("GET", "/_notary_server/health", Nothing),
    ("GET", "/v1/_ping", Nothing),
    ("GET", "/nothing/here", Nothing),
];

fn path(path: &str) -> String {
    let path = path.replace("GUN", "registry.test/team/app").replace("REPO", "team/app");
    path.replace("DIGEST", DIGEST)
}

/// Whether the request got past the one who asks for a login. What is behind it is not this test's.
fn let_in(answer: &Answer) -> bool {
    !matches!(answer.status, 401 | 403)
}

fn check(ask: impl Fn(&str, &str) -> Answer, who: &str, allowed: &[Needs], refused: u16) {
    for (method, route, needs) in ROUTES {
        let answer = ask(method, &path(route));
        let expected = *needs == Nothing || allowed.contains(needs);
        assert_eq!(let_in(&answer), expected, "{who} {method} {route}: {}", answer.status);
        if !expected {
            assert_eq!(answer.status, refused, "{who} {method} {route}");
        }
    }
}

#[test]
fn without_rules_everybody_may_everything() {
    let server = TestServer::new();
    let all = [Login, List, Pull, PullPush, Delete, Sign, Admin, SignedPush];
    check(|method, path| server.ask(method, path, &[], ""), "anybody", &all, 0);
}

/// Everybody there is, and what they may do to `team/app`.
const PEOPLE: &[(&str, &[&str], &[Needs])] = &[
    ("nothing", &[], &[Login, List]),
    ("elsewhere", &["other/*:admin"], &[Login, List]),
    ("reader", &["team/*:pull"], &[Login, List, Pull]),
    ("robot", &["team/app:pull,push"], &[Login, List, Pull, PullPush]),
    ("signer", &["**:pull,sign"], &[Login, List, Pull, Sign]),
    ("writer", &["team/*:pull,push,sign"], &[Login, List, Pull, PullPush, Sign, SignedPush]),
    ("cleaner", &["team/*:delete"], &[Login, List, Delete]),
    ("blind", &["team/*:push"], &[Login, List]),
    ("admin", &["team/*:admin"], &[Login, List, Pull, PullPush, Delete, Sign, Admin, SignedPush]),
];

fn server_of_people(anonymous: &[&str]) -> TestServer {
    let people: Vec<(&str, &[&str])> =
        PEOPLE.iter().map(|(name, grants, _)| (*name, *grants)).collect();
    let gone = [("gone", &["**:admin"][..])];
    let everybody: Vec<_> = people.into_iter().chain(gone).collect();
    server_with(token_service(&accounts(anonymous, &everybody)))
}

#[test]
fn accounts_with_tokens() {
    let server = server_of_people(&[]);
    for (who, _, allowed) in PEOPLE {
        check(|method, path| ask_with_token(&server, who, method, path), who, allowed, 401);
    }
}

#[test]
fn accounts_with_passwords() {
    let server = server_of_people(&[]);
    for (who, _, allowed) in PEOPLE {
        let login = basic(who, PASSWORD);
        let ask =
            |method: &str, path: &str| server.ask(method, path, &[("authorization", &login)], "");
        check(ask, who, allowed, 403);
    }
}

#[test]
fn nobody_in_particular() {
    let server = server_of_people(&[]);
    check(|method, path| server.ask(method, path, &[], ""), "nobody", &[], 401);
    let token = |method: &str, path: &str| ask_with_token(&server, "", method, path);
    check(token, "nobody with a token", &[Login], 401);
    let server = server_of_people(&["team/*:pull"]);
    check(|method, path| server.ask(method, path, &[], ""), "anybody", &[Pull], 401);
    let token = |method: &str, path: &str| ask_with_token(&server, "", method, path);
    check(token, "anybody with a token", &[Login, List, Pull], 401);
}

#[test]
fn wrong_passwords_and_accounts_that_ended() {
    let server = server_of_people(&["team/*:pull"]);
    for (user, password) in [("admin", "wrong"), ("who", PASSWORD), ("gone", PASSWORD), ("", "")] {
        let login = basic(user, password);
        for (method, route, needs) in ROUTES.iter().filter(|(_, _, needs)| *needs != Nothing) {
            let answer = server.ask(method, &path(route), &[("authorization", &login)], "");
            // Not even what anybody may do: whoever shows a login is told that it is wrong.
            assert!(matches!(answer.status, 401 | 429), "{user} {method} {route} {needs:?}");
        }
    }
}

#[test]
fn htpasswd_users() {
    let all = [Login, List, Pull, PullPush, Delete, Sign, Admin, SignedPush];
    let server = server_with(htpasswd(&["ann", "bob"], None));
    let login = |user: &str, password: &str| {
        let login = basic(user, password);
        let server = &server;
        move |method: &str, path: &str| server.ask(method, path, &[("authorization", &login)], "")
    };
    check(login("ann", PASSWORD), "ann", &all, 0);
    check(|method, path| server.ask(method, path, &[], ""), "nobody", &[], 401);
    let refused = server.get("/v2/");
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"here\""));
    assert_eq!(refused.code().as_deref(), Some("UNAUTHORIZED"));
    for (user, password) in [("ann", "wrong"), ("eve", PASSWORD)] {
        let answer = login(user, password)("GET", "/v2/");
        assert_eq!((answer.status, answer.text()), (401, refused.text()));
    }
}

#[test]
fn htpasswd_users_with_grants() {
    let grants: &[(&str, &[&str])] = &[("ann", &["team/*:pull"])];
    let server = server_with(htpasswd(&["ann", "bob"], Some(grants)));
    for (who, allowed) in [("ann", &[Login, List, Pull][..]), ("bob", &[Login, List])] {
        let login = basic(who, PASSWORD);
        let ask =
            |method: &str, path: &str| server.ask(method, path, &[("authorization", &login)], "");
        check(ask, who, allowed, 403);
    }
}

#[test]
fn tokens_of_another_server() {
    let issuer = Issuer::new();
    let server = server_with(issuer.kind());
    let gun = "repository:registry.test/team/app";
    let table: &[(&[&str], &[Needs])] = &[
        (&[], &[Login]),
        (&["repository:team/app:pull"], &[Login]),
        (&["repository:team/app:pull", "repository:registry.test/team/app:pull"], &[Login, Pull]),
        (&["repository:team/app2:pull,push,*", "repository:team:*"], &[Login]),
        (&["repository:**:*", "repository:*:*", "repository:team/*:*"], &[Login]),
        (&["registry:catalog:*"], &[Login, List]),
        (&["registry:catalog:pull"], &[Login]),
        (&["repository:catalog:*"], &[Login]),
    ];
    for (scopes, allowed) in table {
        let token = issuer.token(scopes);
        // A right on the repository alone does not reach its trust data, nor the other way round.
        let ask = |method: &str, path: &str| ask_bearing(&server, &token, method, path);
        let only_registry = *scopes == ["repository:team/app:pull"];
        for (method, route, needs) in ROUTES {
            let is_trust = route.contains("GUN");
            let expected = *needs == Nothing
                || allowed.contains(needs)
                || (only_registry && *needs == Pull && !is_trust);
            let answer = ask(method, &path(route));
            assert_eq!(let_in(&answer), expected, "{scopes:?} {method} {route}");
            if !expected {
                assert_eq!(answer.status, 401);
                assert_eq!(challenge(&answer).error.as_deref(), Some("insufficient_scope"));
            }
        }
    }
    for (words, allowed) in [
        ("pull,push", &[Login, Pull, PullPush, Sign, SignedPush][..]),
        ("push,pull", &[Login, Pull, PullPush, Sign, SignedPush]),
        ("push", &[Login]),
        ("delete", &[Login, Delete]),
        ("Pull,PUSH,admin,sign", &[Login]),
        ("*", &[Login, Pull, PullPush, Delete, Sign, Admin, SignedPush]),
    ] {
        let token =
            issuer.token(&[&format!("repository:team/app:{words}"), &format!("{gun}:{words}")]);
        let ask = |method: &str, path: &str| ask_bearing(&server, &token, method, path);
        check(ask, words, allowed, 401);
    }
}

#[test]
fn challenges_ask_for_what_is_needed() {
    let server = server_with(Issuer::new().kind());
    for (method, route, scope) in [
        ("GET", "/v2/", None),
        ("GET", "/v2/_catalog", Some("registry:catalog:*")),
        ("GET", "/v1/search?q=a", Some("registry:catalog:*")),
        ("GET", "/v2/REPO/manifests/latest", Some("repository:team/app:pull")),
        ("POST", "/v2/REPO/blobs/uploads/", Some("repository:team/app:pull,push")),
        ("DELETE", "/v2/REPO/manifests/DIGEST", Some("repository:team/app:delete")),
        ("GET", "/v2/GUN/_trust/tuf/root.json", Some("repository:registry.test/team/app:pull")),
        ("POST", "/v2/GUN/_trust/tuf/", Some("repository:registry.test/team/app:pull,push")),
        ("POST", "/v2/GUN/_trust/tuf/timestamp.key", Some("repository:registry.test/team/app:*")),
    ] {
        let answer = server.ask(method, &path(route), &[], "");
        let wanted = challenge(&answer);
        assert_eq!(answer.status, 401);
        assert_eq!(answer.code().as_deref(), Some("UNAUTHORIZED"));
        assert_eq!(wanted.realm, "https://auth.test/token");
        assert_eq!(wanted.service.as_deref(), Some("the registry"));
        assert_eq!((wanted.scope.as_deref(), wanted.error), (scope, None), "{method} {route}");
    }
}
