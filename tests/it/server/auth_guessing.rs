//! Passwords that are guessed.

use std::sync::Arc;

use trust::clock::SystemClock;
use trust::server::auth::{Auth, Network, Options};

use super::auth_world::{
    PASSWORD, accounts, ask_with_token, basic, fetch_token, htpasswd, server_with, token_service,
    token_service_with_key,
};
use super::harness::TestServer;

fn ask(server: &TestServer, user: &str, password: &str, from: &str) -> super::harness::Answer {
    let login = basic(user, password);
    let headers = [("authorization", login.as_str()), ("x-forwarded-for", from)];
    server.ask("GET", "/v2/", &headers, "")
}

#[test]
fn somebody_unknown_costs_what_somebody_known_does() {
    for kind in [
        htpasswd(&["ann"], None),
        htpasswd(&[], None),
        token_service(&accounts(&[], &[("ann", &[])])),
    ] {
        let server = server_with(kind);
        let checks = || server.server.auth.password_checks();
        for (number, (user, password)) in
            [("ann", "wrong"), ("nobody", PASSWORD), ("nobody", ""), ("", PASSWORD)]
                .iter()
                .enumerate()
        {
            assert_eq!(ask(&server, user, password, "").status, 401);
            assert_eq!(checks(), number as u64 + 1, "{user}");
        }
    }
}

#[test]
fn a_push_of_a_hundred_blobs_costs_one_check() {
    let server = server_with(htpasswd(&["ann"], None));
    for _ in 0..100 {
        assert_eq!(ask(&server, "ann", PASSWORD, "").status, 200);
    }
    assert_eq!(server.server.auth.password_checks(), 1);
}

#[test]
fn whoever_guesses_is_told_to_wait() {
    let server = server_with(htpasswd(&["ann", "bob"], None));
    let statuses: Vec<u16> =
        (0..8).map(|n| ask(&server, "ann", &n.to_string(), "").status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    assert_eq!(server.server.auth.password_checks(), 5);
    let answer = ask(&server, "ann", PASSWORD, "");
    assert_eq!((answer.status, answer.code().as_deref()), (429, Some("TOOMANYREQUESTS")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Others at the same address get in, and a made-up address changes nothing.
    assert_eq!(ask(&server, "bob", PASSWORD, "").status, 200);
    assert_eq!(ask(&server, "ann", PASSWORD, "192.0.2.7").status, 429);
}

#[test]
fn the_token_service_counts_as_well() {
    let server = server_with(token_service(&accounts(&[], &[("ann", &[])])));
    let wrong = |n: u32| {
        let login = basic("ann", &n.to_string());
        let path = "/_trust/token?service=the+registry";
        server.ask("GET", path, &[("authorization", &login)], "").status
    };
    assert_eq!((0..6).map(wrong).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429]);
    assert_eq!(fetch_token(&server, "ann", None).status, 429);
}

#[test]
fn the_right_password_gets_in_from_another_address() {
    let proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let options = Options { kind: htpasswd(&["ann"], None), proxies };
    let auth = Auth::new(options, Arc::new(SystemClock)).unwrap();
    let server = TestServer::with(|server| server.auth = auth);
    for n in 0..6 {
        ask(&server, "ann", &n.to_string(), "192.0.2.7");
    }
    assert_eq!(ask(&server, "ann", PASSWORD, "192.0.2.7").status, 429);
    assert_eq!(ask(&server, "ann", PASSWORD, "192.0.2.8").status, 200);
    // Somebody cannot hide behind addresses they made up: the proxy's word comes last.
    assert_eq!(ask(&server, "ann", "guess", "192.0.2.9, 192.0.2.7").status, 429);
}

#[test]
fn what_is_loaded_anew_holds_from_then_on() {
    let key = trust::server::auth::generate_signing_key().unwrap();
    let people = |grants: &'static [&'static str]| accounts(&[], &[("ann", grants)]);
    let server = server_with(token_service_with_key(&people(&["team/*:pull,push"]), &key));
    let manifest = "/v2/team/app/manifests/latest";
    let let_in = || ask_with_token(&server, "ann", "GET", manifest).status != 401;
    assert!(let_in());
    let token = fetch_token(&server, "ann", Some("repository:team/app:pull"));
    let token = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    let shown = || server.ask("GET", manifest, &[("authorization", &token)], "").status;
    assert_ne!(shown(), 401);
    let reload = |kind| server.server.auth.reload(Options { kind, proxies: Vec::new() });
    // What cannot be read leaves everything as it was.
    let mut broken = people(&["team/*:pull"]);
    broken.accounts.clear();
    let trust::server::auth::Kind::Accounts(mut options) = token_service_with_key(&broken, &key)
    else {
        panic!("accounts")
    };
    options.file = b"version: 1\naccounts: {ann: {password: plain}}".to_vec();
    assert!(reload(trust::server::auth::Kind::Accounts(options)).is_err());
    assert_ne!(shown(), 401);
    // A right that was taken away is gone, also from tokens that were given out before.
    reload(token_service_with_key(&people(&["other/*:pull"]), &key)).unwrap();
    assert_eq!(shown(), 401);
    assert!(!let_in());
    reload(token_service_with_key(&people(&["team/*:pull"]), &key)).unwrap();
    assert_ne!(shown(), 401);
    // And so are all tokens of an account of another generation.
    let mut changed = people(&["team/*:pull"]);
    changed.accounts.get_mut("ann").unwrap().generation = 1;
    reload(token_service_with_key(&changed, &key)).unwrap();
    assert_eq!(shown(), 401);
    assert!(let_in());
}
