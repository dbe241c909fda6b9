//! Real programs log in: `docker`, `skopeo` and `notary` against each way of knowing callers.

use crate::peers::{Account, TokenOptions, TokenServer, User};

use trust::server::auth::{Kind, TokenServerOptions};

use super::auth_world::{PASSWORD, accounts, htpasswd, server_with, token_service};
use super::harness::TestServer;

fn people() -> TestServer {
    let people: &[(&str, &[&str])] =
        &[("ann", &["**:pull,push,sign"]), ("bob", &["other/*:pull,sign"])];
    server_with(token_service(&accounts(&[], people)))
}

fn log_in(server: &TestServer, name: &str, password: &str) -> (i32, i32) {
    let host = format!("localhost:{}", server.listen().port());
    let words = ["login", "-u", name, "--password-stdin", &host];
    let docker = User::new().docker_with_input(&words, password.as_bytes()).code;
    // At a machine of its own: skopeo refuses to log in where docker keeps a token.
    let words = ["login", "--tls-verify=false", "-u", name, "-p", password, &host];
    (docker, User::new().program("skopeo", &words).code)
}

#[test]
fn docker_and_skopeo_log_in() {
    for server in [people(), server_with(htpasswd(&["ann"], None))] {
        assert_eq!(log_in(&server, "ann", PASSWORD), (0, 0));
        let (docker, skopeo) = log_in(&server, "ann", "wrong");
        assert!(docker != 0 && skopeo != 0);
    }
}

#[test]
fn docker_keeps_a_token_and_not_the_password() {
    let server = people();
    let host = format!("localhost:{}", server.listen().port());
    let user = User::new();
    let words = ["login", "-u", "ann", "--password-stdin", &host];
    user.docker_with_input(&words, PASSWORD.as_bytes()).success();
    let config = std::fs::read_to_string(user.docker_config().join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert!(config["auths"][&host]["identitytoken"].as_str().unwrap().split('.').count() == 3);
}

/// What `notary` says of a collection that is not there, if it may ask.
const NO_DATA: &str = "does not have trust data for";

/// Runs `notary list` on a collection that is not there, with a login.
fn notary_list(server: &TestServer, login: Option<(&str, &str)>, repository: &str) -> String {
    let url = format!("http://localhost:{}", server.listen().port());
    let mut user = User::new();
    if let Some((name, password)) = login {
        user.log_in("nowhere", name, password);
    }
    let gun = format!("registry.test/{repository}");
    let finished = user.notary(&["-s", &url, "list", &gun]);
    assert_ne!(finished.code, 0);
    format!("{}{}", finished.stdout, finished.stderr)
}

#[test]
fn notary_gets_a_token_from_us() {
    let server = people();
    let said = notary_list(&server, Some(("ann", PASSWORD)), "team/app");
    assert!(said.contains(NO_DATA), "{said}");
    for (login, repository) in [
        (None, "team/app"),
        (Some(("ann", "wrong")), "team/app"),
        (Some(("bob", PASSWORD)), "team/app"),
    ] {
        let said = notary_list(&server, login, repository);
        assert!(!said.contains(NO_DATA), "{login:?}: {said}");
    }
    let said = notary_list(&server, Some(("bob", PASSWORD)), "other/app");
    assert!(said.contains(NO_DATA), "{said}");
}

#[test]
fn notary_gets_a_token_from_another_server() {
    let grants: &[(&str, &[&str])] = &[("team/app", &["pull", "push"])];
    let tokens = TokenServer::start(TokenOptions {
        accounts: vec![Account::new("ann", PASSWORD, grants)],
        ..TokenOptions::default()
    });
    let server = server_with(Kind::TokenServer(TokenServerOptions {
        realm: tokens.realm(),
        redirect_here: None,
        service: tokens.service().to_owned(),
        issuer: tokens.issuer().to_owned(),
        root_certificates: Some(std::fs::read(tokens.bundle_pem()).unwrap()),
        key_set: None,
        algorithms: vec!["RS256".to_owned()],
    }));
    let said = notary_list(&server, Some(("ann", PASSWORD)), "team/app");
    assert!(said.contains(NO_DATA), "{said}");
    let asked = tokens.requests();
    assert!(
        asked.iter().any(|request| {
            request.scopes == ["repository:registry.test/team/app:pull"] && request.user == "ann"
        }),
        "{asked:?}"
    );
    let said = notary_list(&server, Some(("ann", PASSWORD)), "other/app");
    assert!(!said.contains(NO_DATA), "{said}");
    // The registry's half, by its own name for the repository.
    let token = tokens.mint().token("team/app");
    let header = format!("Bearer {token}");
    let asked = |path: &str| server.ask("GET", path, &[("authorization", &header)], "").status;
    assert_ne!(asked("/v2/team/app/manifests/latest"), 401);
    assert_eq!(asked("/v2/team/other/manifests/latest"), 401);
}
