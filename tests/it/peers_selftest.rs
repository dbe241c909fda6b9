//! Proves the harness, and pins how the real programs behave.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::peers::certificates::Authority;
use crate::peers::http::{self, Request};
use crate::peers::image::{
    self, Dialect, Pushed, fetch_manifest, push_image, push_index, retag_raw,
};
use crate::peers::process::{self, Process};
use crate::peers::token_server::TokenRequest;
use crate::peers::{
    Account, Dockerd, NotaryOptions, NotaryServer, Registry, RegistryAuth, RegistryOptions, Signer,
    TokenOptions, TokenServer, User,
};

#[test]
fn docker_pushes_with_content_trust_and_both_clients_read_it() {
    let registry = Registry::start(&RegistryOptions::default());
    let notary = NotaryServer::start(&NotaryOptions::default());
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_notary(&notary);
    user.use_docker(&daemon);
    user.set("DOCKER_CONTENT_TRUST", "1");
    let repository = format!("{}/app", registry.host_port());
    let name = format!("{repository}:1");
    let pushed = import_and_push(&user, &name);
    assert!(pushed.contains("Finished initializing"), "{pushed}");

    let held = fetch_manifest(&registry, "app", "1");
    let digest = image::digest(&held.body);
    let hex = digest.trim_start_matches("sha256:");
    let inspected = user.docker(&["trust", "inspect", &name]).success();
    assert!(inspected.stdout.contains(hex), "{inspected:?}");
    let listed = user.notary(&["list", &repository]).success();
    assert!(listed.stdout.contains(hex), "{listed:?}");
    let root = notary.metadata(&repository, "root");
    assert_eq!(root.status, 200);
    assert!(root.text().contains(r#""_type":"Root""#));

    // Pulling goes by the signed digest, from a daemon that no longer has the image.
    user.docker(&["image", "rm", &name]).success();
    let pulled = user.docker(&["pull", &name]).success();
    assert!(pulled.stdout.contains(&format!("app:1@{digest}")), "{pulled:?}");

    let id = daemon.id();
    drop(daemon);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn docker_signs_with_the_name_it_is_logged_in_by() {
    let auth = RegistryAuth::Htpasswd { user: "alice", password: "wonderland" };
    let registry = Registry::start(&RegistryOptions { auth, ..Default::default() });
    let notary = NotaryServer::start(&NotaryOptions::default());
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_notary(&notary);
    user.use_docker(&daemon);
    let host = registry.host_port();
    let name = format!("{host}/app:1");

    let refused = user.docker(&["login", "-u", "alice", "-p", "guess", &host]).expect_code(1);
    assert!(refused.stderr.contains("401 Unauthorized"), "{refused:?}");
    user.log_in(&host, "alice", "wonderland");
    let archive = image::tar("content", b"signed");
    user.docker_with_input(&["import", "-", &name], &archive).success();
    let signed = user.docker(&["trust", "sign", &name]).success();
    assert!(signed.stdout.contains("Created signer: alice"), "{signed:?}");
    assert!(signed.stdout.contains("Successfully signed"), "{signed:?}");
    let roles = notary.metadata(&format!("{host}/app"), "targets").text();
    assert!(roles.contains(r#""targets/alice""#), "{roles}");
}

#[test]
fn docker_pushes_with_tokens_to_both_servers() {
    let tokens = token_server(None);
    let auth = RegistryAuth::Token(&tokens);
    let registry = Registry::start(&RegistryOptions { auth, ..Default::default() });
    let options = NotaryOptions { auth: Some(&tokens), ..Default::default() };
    let notary = NotaryServer::start(&options);
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_notary(&notary);
    user.use_docker(&daemon);
    user.set("DOCKER_CONTENT_TRUST", "1");
    user.log_in(&registry.host_port(), "alice", "wonderland");
    let name = format!("{}/app:1", registry.host_port());
    let pushed = import_and_push(&user, &name);
    assert!(pushed.contains("Finished initializing"), "{pushed}");

    let scope = format!("repository:{}/app:push,pull", registry.host_port());
    let asked = tokens.requests();
    assert!(asked.iter().any(|request| request.scopes.contains(&scope)), "{asked:?}");
    assert!(asked.iter().all(|request| request.user == "alice"), "{asked:?}");
}

#[test]
fn the_signer_behind_the_server_makes_other_keys_than_the_server_itself() {
    let path = "/v2/example.com/app/_trust/tuf/timestamp.key";
    let local = NotaryServer::start(&NotaryOptions::default());
    let key = local.request("GET", path, &[], b"");
    assert!(key.text().contains(r#""keytype":"ed25519""#), "{}", key.text());
    assert!(local.signer().is_none());

    let options = NotaryOptions { signer: Signer::Remote, ..Default::default() };
    let remote = NotaryServer::start(&options);
    let key = remote.request("GET", path, &[], b"");
    let log = remote.log();
    assert!(key.text().contains(r#""keytype":"ecdsa""#), "{}\n{log}", key.text());
    assert!(!remote.signer().unwrap().log().is_empty());

    let mut user = User::new();
    user.use_notary(&remote);
    user.notary(&["init", "-p", "example.com/app"]).success();
    let listed = user.notary(&["list", "example.com/app"]).success();
    assert!(listed.stdout.contains("No targets present"), "{listed:?}");
}

#[test]
fn a_server_keeps_to_its_prefixes() {
    let gun_prefixes = vec!["example.com/".to_owned()];
    let server = NotaryServer::start(&NotaryOptions { gun_prefixes, ..Default::default() });
    let key = |gun: &str| {
        server.request("GET", &format!("/v2/{gun}/_trust/tuf/timestamp.key"), &[], b"").status
    };
    assert_eq!(key("example.com/app"), 200);
    assert_eq!(key("elsewhere.com/app"), 404);
}

#[test]
fn a_stopped_server_is_nobody() {
    let mut server = NotaryServer::start(&NotaryOptions::default());
    server.stop();
    let mut user = User::new();
    user.use_notary(&server);
    let failed = user.notary(&["list", "example.com/app"]).expect_code(1);
    assert!(failed.stdout.contains("fatal"), "{failed:?}");
}

#[test]
fn tokens_open_a_notary_server() {
    let authority = Arc::new(Authority::new());
    let tokens = token_server(Some(&authority));
    let server = NotaryServer::start(&NotaryOptions {
        auth: Some(&tokens),
        authority: Some(Arc::clone(&authority)),
        ..Default::default()
    });
    let refused = server.metadata("example.com/app", "root");
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!(r#"realm="{}""#, tokens.realm())), "{challenge}");

    let mut user = User::new();
    user.use_notary(&server);
    user.log_in("example.com", "bob", "builder");
    let denied = user.notary(&["init", "-p", "example.com/app"]).expect_code(1);
    assert!(denied.stdout.contains("not authorized"), "{denied:?}");
    user.log_in("example.com", "alice", "wonderland");
    user.notary(&["init", "-p", "example.com/app"]).success();
    let last = tokens.requests().pop().unwrap();
    assert_eq!(last.user, "alice");
    assert_eq!(last.status, 200);

    user.unset("NOTARY_AUTH");
    let fresh = server.metadata("example.com/app", "root");
    assert_eq!(fresh.status, 401);
}

#[test]
fn the_token_server_knows_its_users() {
    let tokens = token_server(None);
    let ask = |query: &str, headers: &[(&str, &str)]| {
        let url = format!("{}?service={}&{query}", tokens.realm(), tokens.service());
        http::send(&Request { method: "GET", url: &url, headers, body: b"" }, None)
    };
    let wrong = ask("scope=repository:app:pull", &[("Authorization", "Basic Ym9iOmd1ZXNz")]);
    assert_eq!(wrong.status, 401);
    let nobody = ask("scope=repository:app:pull", &[]);
    assert_eq!(access(&nobody.text()), r#"[{"type":"repository","name":"app","actions":[]}]"#);
    // bob:builder
    let bob = ask(
        "offline_token=true&scope=repository:localhost:5000/app:pull,push",
        &[("Authorization", "Basic Ym9iOmJ1aWxkZXI=")],
    );
    assert_eq!(
        access(&bob.text()),
        r#"[{"type":"repository","name":"localhost:5000/app","actions":["pull"]}]"#
    );
    assert!(bob.text().contains("refresh-bob"));
    let form = b"grant_type=refresh_token&refresh_token=refresh-bob&scope=repository:app:pull";
    let realm = tokens.realm();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let request = Request { method: "POST", url: &realm, headers: &headers, body: form };
    assert_eq!(http::send(&request, None).status, 200);

    let expected = TokenRequest {
        method: "POST".to_owned(),
        user: "bob".to_owned(),
        scopes: vec!["repository:app:pull".to_owned()],
        status: 200,
    };
    assert_eq!(tokens.requests().len(), 4);
    assert_eq!(tokens.requests().last(), Some(&expected));
    assert_eq!(tokens.issuer(), "peers token server");
}

#[test]
fn images_are_pushed_behind_every_kind_of_door() {
    let tokens = token_server(None);
    let authority = Authority::new();
    let password = RegistryAuth::Htpasswd { user: "alice", password: "wonderland" };
    for auth in [RegistryAuth::Open, password, RegistryAuth::Token(&tokens)] {
        let registry =
            Registry::start(&RegistryOptions { auth, delete: true, tls: Some(&authority) });
        let url = format!("{}/v2/", registry.url());
        let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
        let open = matches!(auth, RegistryAuth::Open);
        let answer = http::send(&request, Some(&authority.certificate_file()));
        assert_eq!(answer.status, if open { 200 } else { 401 });

        let image = push_image(&registry, "app", "1", b"content");
        assert_held(&registry, "1", &image);
        let path = format!("/v2/app/manifests/{}", image.digest);
        assert_eq!(registry.request("DELETE", &path, &[], b"").status, 202);
        assert_eq!(fetch_manifest(&registry, "app", "1").status, 404);
    }
}

#[test]
fn a_tag_moves_to_whatever_it_is_told() {
    let mut registry = Registry::start(&RegistryOptions::default());
    let first = push_image(&registry, "app", "1", b"one");
    let other = image::push_image_as(&registry, "app", "2", b"two", Dialect::Oci);
    assert_ne!(first.digest, other.digest);
    let moved = retag_raw(&registry, "app", "1", &other.media_type, other.manifest.clone());
    assert_eq!(moved, other);
    assert_held(&registry, "1", &other);
    for dialect in [Dialect::Docker, Dialect::Oci] {
        let index = push_index(&registry, "app", "many", b"content", dialect);
        assert_held(&registry, "many", &index);
        assert_eq!(index.hex().len(), 64);
    }
    let port = registry.host_port();
    registry.stop();
    assert!(std::net::TcpStream::connect(port).is_err());
}

#[test]
#[should_panic(expected = "end of its log:\nconfiguration error")]
fn a_server_that_does_not_start_shows_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut process =
        Process::start("docker-registry", &["serve", "missing.yml"], folder.path(), &[]);
    process.await_port();
}

#[test]
#[should_panic(expected = "`sleep 600` was killed after")]
fn a_program_that_hangs_is_killed() {
    let mut command = Command::new("sleep");
    command.arg("600");
    process::run(&command, b"", Duration::from_millis(50)).success();
}

#[test]
fn programs_see_a_scrubbed_environment() {
    let mut command = Command::new("env");
    command.env("GIVEN", "by the test");
    let seen = process::run(&command, b"", Duration::from_secs(30)).success();
    let names: Vec<&str> = seen.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["GIVEN", "PATH"]);
    let user = User::new();
    assert!(user.docker_config().starts_with(user.home()));
    user.trust(&["--version"]).success();
    user.trust_with_input(&["--help"], b"nothing to read").success();
}

/// Returns a server that lets alice do everything, bob read, and others nothing.
fn token_server(tls: Option<&Authority>) -> TokenServer {
    let accounts = vec![
        Account::new("alice", "wonderland", &[("*", &["pull", "push", "*"])]),
        Account::new("bob", "builder", &[("app", &["pull"])]),
    ];
    TokenServer::start(TokenOptions { accounts, tls, refresh_tokens: true })
}

/// Makes an image with docker and pushes it; returns what the push printed.
fn import_and_push(user: &User, name: &str) -> String {
    let archive = image::tar("content", b"made by docker import");
    user.docker_with_input(&["import", "-", name], &archive).success();
    user.docker(&["push", name]).success().stdout
}

fn assert_held(registry: &Registry, tag: &str, expected: &Pushed) {
    let held = fetch_manifest(registry, "app", tag);
    assert_eq!(held.status, 200, "{}", held.text());
    assert_eq!(held.header("docker-content-digest"), Some(expected.digest.as_str()));
    assert_eq!(held.body.len() as u64, expected.size);
    assert_eq!(held.body, expected.manifest);
}

/// Returns the `access` claim of the token in an answer of the token server.
fn access(answer: &str) -> String {
    use base64::Engine as _;
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let claims = answer["token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["access"].to_string()
}
