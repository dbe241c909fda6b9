//! The main flow with every kind of server, and with every kind of door before it.

use std::fs;
use std::sync::Arc;

use super::world::{
    APP, World, assert_same_inspection, copy_folder, hand_over, signers, signers_of,
};
use crate::peers::certificates::Authority;
use crate::peers::{
    Account, NotaryOptions, NotaryServer, Proxy, Registry, RegistryAuth, RegistryOptions, Signer,
    TokenOptions, TokenServer, User,
};

#[test]
fn with_a_remote_signer() {
    let registry = Registry::start(&RegistryOptions::default());
    let options = NotaryOptions { signer: Signer::Remote, ..NotaryOptions::default() };
    let world = World::with(registry, NotaryServer::start(&options));
    let (owner, bob) = (world.user(), world.user());
    main_flow(&world, &owner, &bob, &owner);
    let root = world.notary.metadata(&world.repository(), "root").text();
    assert!(!root.contains("ed25519"), "{root}");
    let signed = world.notary.metadata(&world.repository(), "timestamp").text();
    assert!(signed.contains(r#""method":"ecdsa""#), "{signed}");
}

#[test]
fn with_tokens_for_both_servers() {
    let authority = Arc::new(Authority::new());
    let all: &[&str] = &["pull", "push", "*"];
    let accounts = vec![
        Account::new("alice", "wonderland", &[("*", all)]),
        Account::new("bob", "builder", &[("*", all)]),
        Account::new("guest", "reader", &[(APP, &["pull"])]),
    ];
    let tokens = TokenServer::start(TokenOptions { accounts, tls: None, refresh_tokens: false });
    let auth = RegistryAuth::Token(&tokens);
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    let notary = NotaryServer::start(&NotaryOptions {
        auth: Some(&tokens),
        authority: Some(authority),
        ..NotaryOptions::default()
    });
    let world = World::with(registry, notary);
    let (owner, bob, guest) = (world.user(), world.user(), world.user());
    let host = world.registry.host_port();

    world.push("first", "first");
    for command in ["sign", "verify", "inspect"] {
        let refused = owner.trust(&[command, &world.name("first")]).expect_code(9);
        assert!(!refused.stderr.is_empty(), "{refused:?}");
    }
    log_in(&owner, &host, "alice", "guess").expect_code(9);
    assert!(!owner.docker_config().join("config.json").exists());
    log_in(&owner, &host, "alice", "wonderland").success();
    log_in(&bob, &host, "bob", "builder").success();
    log_in(&guest, &host, "guest", "reader").success();
    // Notary knows no docker logins, and its own variable would stand in for ours.
    let mut reader = world.user();
    reader.log_in(&host, "guest", "reader");
    main_flow(&world, &owner, &bob, &reader);

    let asked = tokens.requests();
    let scope = |text: &str| asked.iter().any(|asked| asked.scopes.iter().any(|s| s == text));
    assert!(scope(&format!("repository:{}:push,pull", world.repository())), "{asked:#?}");
    assert!(scope(&format!("repository:{}:pull", world.repository())), "{asked:#?}");
    assert!(scope(&format!("repository:{APP}:pull")), "{asked:#?}");
    assert!(asked.iter().any(|asked| asked.user == "bob"), "{asked:#?}");

    guest.trust(&["verify", &world.name("1")]).success();
    // With all keys, but without the right to publish, there is no signing.
    world.push("2", "two");
    copy_folder(&owner.trust_folder().join("private"), &guest.trust_folder().join("private"));
    guest.trust(&["sign", &world.name("2")]).expect_code(9);
    owner.trust(&["verify", &world.name("2")]).expect_code(3);
    owner.trust(&["logout", &host]).success();
    owner.trust(&["verify", &world.name("1")]).expect_code(9);
}

/// The trust server behind a registry with passwords is often open to readers on its net.
#[test]
fn with_a_registry_that_wants_a_password() {
    let auth = RegistryAuth::Htpasswd { user: "alice", password: "wonderland" };
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    let world = World::with(registry, NotaryServer::start(&NotaryOptions::default()));
    let (owner, bob) = (world.user(), world.user());
    let host = world.registry.host_port();
    world.push("first", "first");
    owner.trust(&["sign", &world.name("first")]).expect_code(9);
    assert_eq!(world.notary.metadata(&world.repository(), "root").status, 404);
    log_in(&owner, &host, "alice", "guess").expect_code(9);
    log_in(&owner, &host, "alice", "wonderland").success();
    // Docker kept the login of the other person, and finds ours.
    let kept =
        bob.docker_with_input(&["login", "-u", "alice", "--password-stdin", &host], b"wonderland");
    kept.success();
    main_flow(&world, &owner, &bob, &owner);
    let read = |user: &User| fs::read_to_string(user.docker_config().join("config.json")).unwrap();
    let parsed = |user: &User| serde_json::from_str::<serde_json::Value>(&read(user)).unwrap();
    assert_eq!(parsed(&owner), parsed(&bob));
    owner.docker(&["logout", &host]).success();
    owner.trust(&["verify", &world.name("1")]).expect_code(9);
    owner.trust(&["verify", "--no-registry", &world.name("1")]).success();
}

#[test]
fn with_a_trust_server_below_a_path() {
    let world = World::open();
    let proxy = Proxy::start(&world.notary, "/some/path");
    let (mut owner, mut bob) = (User::new(), User::new());
    for user in [&mut owner, &mut bob] {
        user.use_trust_server(&proxy.url(), &proxy.ca_pem());
    }
    main_flow(&world, &owner, &bob, &owner);
    // A slash at the end changes nothing for us; docker would ask for `/some/path//v2/`.
    let mut slash = User::new();
    slash.use_trust_server(&format!("{}/", proxy.url()), &proxy.ca_pem());
    slash.trust(&["verify", &world.name("1")]).success();
    let asked = proxy.requests();
    let elsewhere: Vec<_> =
        asked.iter().filter(|path| !path.starts_with("/some/path/v2/")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    let root = format!("/some/path/v2/{}/_trust/tuf/root.json", world.repository());
    assert!(asked.contains(&root), "{asked:#?}");
}

#[test]
fn with_a_trust_server_that_wants_certificates() {
    let clients = Authority::new();
    let registry = Registry::start(&RegistryOptions::default());
    let options = NotaryOptions { client_authority: Some(&clients), ..NotaryOptions::default() };
    let world = World::with(registry, NotaryServer::start(&options));
    let (mut owner, mut bob) = (world.user(), world.user());
    let url = world.notary.url();
    world.push("first", "first");
    owner.trust(&["sign", &world.name("first")]).expect_code(10);
    let folder = tempfile::tempdir().unwrap();
    let strangers = Authority::new();
    owner.use_client_certificate(&url, &strangers.issue(folder.path(), "stranger"));
    owner.trust(&["sign", &world.name("first")]).expect_code(10);
    for (user, name) in [(&mut owner, "owner"), (&mut bob, "bob")] {
        user.use_client_certificate(&url, &clients.issue(folder.path(), name));
    }
    main_flow(&world, &owner, &bob, &owner);

    // The flags do what docker's folder does.
    let by_flags = world.user();
    let files = clients.issue(folder.path(), "flags");
    let (certificate, key) =
        (files.certificate.display().to_string(), files.key.display().to_string());
    let flags = ["--tlscert", &certificate, "--tlskey", &key, "verify", &world.name("1")];
    by_flags.trust(&flags).success();
}

/// Whether certificates are checked is decided by the registry's name, as docker has it: here it is
/// not this machine's, so they are.
#[test]
fn certificates_are_checked_for_names_elsewhere() {
    let world = World::open();
    let gun = "registry.test/app";
    let image = "registry.test/app:1";
    let mut owner = User::new();
    let url = world.notary.url().replace("localhost", "127.0.0.1");
    owner.use_trust_server(&url, &world.notary.ca_pem());
    owner.trust(&["key", "generate", "alice"]).success();
    owner.trust(&["signer", "add", "--key", "alice.pub", "alice", gun]).success();
    let digest = "0".repeat(64);
    owner.notary(&["addhash", "-p", gun, "1", "7", "--sha256", &digest]).success();
    let verify = ["verify", "--no-registry", "--digest", image];
    let verified = owner.trust(&verify).success();
    assert_eq!(verified.stdout, format!("{gun}@sha256:{digest}\n"));
    assert_same_inspection(&owner, gun);

    let others = Authority::new();
    for wrong in [Some(others.certificate_file()), None] {
        let mut stranger = User::new();
        stranger.use_trust_server(&url, &world.notary.ca_pem());
        let authority = stranger.tls_folder(&url).join("ca.crt");
        match wrong {
            Some(file) => drop(fs::copy(file, authority).unwrap()),
            None => fs::remove_file(authority).unwrap(),
        }
        let refused = stranger.trust(&verify).expect_code(10);
        assert!(refused.stderr.contains("--tlscacert"), "{refused:?}");
        assert_eq!(refused.stdout, "");
        stranger.docker(&["trust", "inspect", gun]).expect_code(1);
        // Nothing was believed on the way.
        assert!(!stranger.trust_folder().join("tuf").join(gun).join("metadata/root.json").exists());
        let authority = world.notary.ca_pem().display().to_string();
        stranger.trust(&[&["--tlscacert", &authority], &verify[..]].concat()).success();
        stranger.trust(&[&["--insecure"], &verify[..]].concat()).success();
    }

    // For a registry on this machine nobody asks who signed the certificate: as docker.
    let local = world.push("1", "local");
    let mut lax = world.user();
    fs::remove_dir_all(lax.tls_folder(&world.notary.url())).unwrap();
    lax.set("DOCKER_CONTENT_TRUST_SERVER", &url);
    lax.trust(&["sign", &world.name("1")]).success();
    let inspection = assert_same_inspection(&lax, &world.repository());
    assert_eq!(inspection[0]["SignedTags"][0]["Digest"], local.hex());
}

/// Sign, verify, second signer, revoke, removal; read by docker, and by notary with `reader`.
fn main_flow(world: &World, owner: &User, bob: &User, reader: &User) {
    let repository = world.repository();
    let name = world.name("1");
    let pushed = world.push("1", "one");
    owner.trust(&["sign", "--signer", "owner", &name]).success();
    bob.trust(&["verify", &name]).success();
    bob.trust(&["sign", &name]).expect_code(11);
    bob.trust(&["key", "generate", "bob"]).success();
    let file = hand_over(bob, "bob.pub", owner);
    owner.trust(&["signer", "add", "--key", &file, "bob", &repository]).success();
    bob.trust(&["sign", &name]).success();
    owner.trust(&["verify", "--signer", "owner", "--signer", "bob", &name]).success();
    let inspection = assert_same_inspection(owner, &repository);
    assert_eq!(signers_of(&inspection, "1"), ["bob", "owner"]);
    assert_eq!(assert_same_inspection(bob, &repository), inspection);
    let found = reader.notary(&["lookup", &repository, "1"]).success().stdout;
    assert!(found.contains(pushed.hex()), "{found}");

    world.push("gone", "gone");
    bob.trust(&["sign", &world.name("gone")]).success();
    bob.trust(&["revoke", &world.name("gone")]).success();
    owner.trust(&["verify", &world.name("gone")]).expect_code(3);
    owner.trust(&["signer", "rm", "bob", &repository]).success();
    let inspection = assert_same_inspection(bob, &repository);
    assert_eq!(signers(&inspection), ["owner"]);
    bob.trust(&["sign", &name]).expect_code(11);
    let verified = bob.trust(&["verify", "--digest", &name]).success();
    assert_eq!(verified.stdout, format!("{repository}@{}\n", pushed.digest));
    reader.notary(&["list", &repository]).success();
}

fn log_in(user: &User, host: &str, name: &str, password: &str) -> crate::peers::process::Finished {
    user.trust_with_input(&["login", "-u", name, "--password-stdin", host], password.as_bytes())
}
