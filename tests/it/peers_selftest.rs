//! Proves the harness, and pins how the real programs behave.

use crate::peers::certificates::Authority;
use crate::peers::http;
use crate::peers::image::{self, Dialect, fetch_manifest, push_image, push_index};
use crate::peers::{
    Account, Dockerd, NotaryOptions, NotaryServer, Registry, RegistryAuth, RegistryOptions, Signer,
    TokenOptions, TokenServer, User,
};

/// Starts a registry and a notary server, both open, and a user who knows the second.
fn world() -> (Registry, NotaryServer, User) {
    let registry = Registry::start(&RegistryOptions { delete: true, ..Default::default() });
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut user = User::new();
    user.use_notary(&notary);
    (registry, notary, user)
}

#[test]
fn docker_pushes_with_content_trust_and_both_clients_read_it() {
    let (registry, notary, mut user) = world();
    let daemon = Dockerd::start();
    user.use_docker(&daemon);
    user.set("DOCKER_CONTENT_TRUST", "1");
    let repository = format!("{}/app", registry.host_port());
    let name = format!("{repository}:1");
    let archive = image::tar("content", b"made by docker import");
    let _ = user.docker_with_input(&["import", "-", &name], &archive).success();
    let pushed = user.docker(&["push", &name]).success();
    assert!(pushed.stdout.contains("Finished initializing"), "{pushed:?}");

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
    let _ = user.docker(&["image", "rm", &name]).success();
    let pulled = user.docker(&["pull", &name]).success();
    assert!(pulled.stdout.contains(&format!("app:1@{digest}")), "{pulled:?}");
}
