//! `trust server account …`, and what the file it writes means to a server.

use std::fs;

use serde_json::Value;
use trust::server::auth::{AccountsOptions, Kind, generate_signing_key};

use crate::peers::User;

use super::auth_world::{HOST, SERVICE, basic, server_with};
use super::harness::TestServer;

fn account(user: &User, words: &[&str], input: &str) -> crate::peers::process::Finished {
    let words = [&["server", "account"], words].concat();
    user.trust_with_input(&words, input.as_bytes())
}

fn server_of(user: &User) -> TestServer {
    server_with(Kind::Accounts(AccountsOptions {
        file: fs::read(user.home().join("accounts.yml")).unwrap(),
        signing_key: generate_signing_key().unwrap(),
        service: SERVICE.to_owned(),
        realm: None,
        hosts: vec![HOST.to_owned()],
    }))
}

fn status(server: &TestServer, name: &str, password: &str, path: &str) -> u16 {
    let login = basic(name, password);
    server.ask("GET", path, &[("authorization", &login)], "").status
}

#[test]
fn a_person_and_a_robot() {
    let user = User::new();
    let added = account(
        &user,
        &[
            "add",
            "ann",
            "--password-stdin",
            "--grant",
            "team/*:push,pull",
            "--grant",
            "**/docs:pull",
        ],
        "correct horse\n",
    )
    .success();
    assert_eq!(added.stdout, "");
    let words = ["add", "ci", "--robot", "--expires", "90d", "--grant", "team/app:pull"];
    let robot = account(&user, &words, "").success();
    let secret = robot.stdout.trim_end();
    assert!(secret.starts_with("trust_") && secret.len() == 70, "{secret}");
    let file = fs::read_to_string(user.home().join("accounts.yml")).unwrap();
    assert!(!file.contains("correct horse") && !file.contains(secret));

    let server = server_of(&user);
    assert_eq!(status(&server, "ann", "correct horse", "/v2/"), 200);
    assert_eq!(status(&server, "ci", secret, "/v2/"), 200);
    assert_eq!(status(&server, "ci", "correct horse", "/v2/"), 401);
    assert_eq!(status(&server, "ci", secret, "/v2/team/other/tags/list"), 403);
    assert_ne!(status(&server, "ci", secret, "/v2/team/app/tags/list"), 403);

    let again = account(&user, &["token", "ci"], "").success();
    let renewed = again.stdout.trim_end();
    let server = server_of(&user);
    assert_eq!(status(&server, "ci", secret, "/v2/"), 401);
    assert_eq!(status(&server, "ci", renewed, "/v2/"), 200);

    account(&user, &["passwd", "ann", "--password-stdin"], "battery staple").success();
    let server = server_of(&user);
    assert_eq!(status(&server, "ann", "correct horse", "/v2/"), 401);
    assert_eq!(status(&server, "ann", "battery staple", "/v2/"), 200);
}

#[test]
fn what_is_listed() {
    let user = User::new();
    account(&user, &["set", "--anonymous", "--grant", "public/**:pull"], "").success();
    account(&user, &["add", "ann", "--password-stdin"], "correct horse").success();
    let words = ["set", "ann", "--grant", "team/*:pull", "--expires", "2099-01-31T00:00:00Z"];
    account(&user, &words, "").success();
    let listed = account(&user, &["ls"], "").success().stdout;
    let lines: Vec<String> =
        listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "NAME KIND EXPIRES GRANTS",
            "(anybody) anonymous - public/**:pull",
            "ann user 2099-01-31T00:00:00Z team/*:pull",
        ]
    );
    let json = account(&user, &["ls", "--json"], "").success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["name"], Value::Null);
    assert_eq!((&json[1]["name"], &json[1]["expired"]), (&"ann".into(), &false.into()));
    let words = ["set", "ann", "--no-grants", "--no-expiry"];
    account(&user, &words, "").success();
    let json = account(&user, &["ls", "--format", "{{.Name}} {{.Grants}}"], "").success().stdout;
    assert_eq!(json.lines().last(), Some("ann []"));
    account(&user, &["rm", "ann"], "").success();
    assert!(!account(&user, &["ls"], "").success().stdout.contains("ann "));
}

#[test]
fn mistakes_change_nothing() {
    let user = User::new();
    let missing = account(&user, &["ls"], "").expect_code(8);
    assert!(missing.stderr.contains("accounts.yml"), "{}", missing.stderr);
    account(&user, &["add", "ann", "--password-stdin"], "correct horse").success();
    let before = fs::read(user.home().join("accounts.yml")).unwrap();
    for (words, code) in [
        (&["add", "ann", "--password-stdin"][..], 2),
        (&["add", "a:b", "--password-stdin"], 2),
        (&["add", "bob", "--password-stdin", "--grant", "team/*"], 2),
        (&["add", "bob", "--password-stdin", "--grant", "team/*:fly"], 2),
        (&["add", "bob", "--robot", "--expires", "yesterday"], 2),
        (&["add", "bob", "--robot", "--password-stdin"], 2),
        (&["rm", "ann", "bob"], 8),
        (&["token", "ann"], 2),
        (&["set", "ann"], 2),
        (&["set", "--grant", "a:pull"], 2),
        (&["passwd", "bob", "--password-stdin"], 8),
    ] {
        let refused = account(&user, words, "new password");
        assert_eq!(refused.code, code, "{words:?}: {}", refused.stderr);
        assert_eq!(fs::read(user.home().join("accounts.yml")).unwrap(), before, "{words:?}");
    }
    let empty = account(&user, &["add", "bob", "--password-stdin"], "\n");
    assert_eq!(empty.code, 2);
}
