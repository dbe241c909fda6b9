//! A real image travels: pulled verified from one registry, given another name, pushed signed to
//! another, pulled there by docker with content trust; with no daemon of ours anywhere.

use std::fs;

use super::registries::images;
use crate::peers::image::{self, Dialect};
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

#[test]
fn an_image_travels_from_registry_to_registry() {
    let (here, there) = (
        Registry::start(&RegistryOptions::default()),
        Registry::start(&RegistryOptions::default()),
    );
    let notary = NotaryServer::start(&NotaryOptions::default());
    let daemon = Dockerd::start();
    let person = || {
        let mut user = User::new();
        user.use_notary(&notary);
        user.use_docker(&daemon);
        user.set("DOCKER_CONTENT_TRUST", "1");
        user
    };
    let (upstream, team) = (person(), person());
    // Somebody elsewhere builds it with docker, and pushes it signed.
    let (first, second) =
        (format!("{}/vendor/app:1", here.host_port()), format!("{}/team/app:1", there.host_port()));
    let archive = image::tar("etc/motd", b"a real image");
    let import = ["import", "--change", "CMD [\"/bin/app\"]", "-", &first];
    upstream.docker_with_input(&import, &archive).success();
    upstream.docker(&["push", &first]).success();
    // It travels.
    let pulled = team.trust(&["pull", &first]).success();
    assert!(pulled.stderr.contains("Signed by targets"), "{pulled:?}");
    team.trust(&["tag", &first, &second]).success();
    let pushed = team.trust(&["push", "--signer", "carol", &second]).success();
    assert!(pushed.stdout.contains(&format!("Successfully signed {second}")), "{pushed:?}");
    let id = |user: &User, name: &str| {
        let shown = user.trust(&["image", "inspect", "--format", "{{.Id}}", name]).success();
        shown.stdout.trim().to_owned()
    };
    assert_eq!(id(&team, &first), id(&team, &second));
    let (_, digest) = images(&team).into_iter().find(|(name, _)| *name == second).unwrap();
    // Docker, who never saw it, pulls it with content trust, and has the same image.
    let reader = person();
    reader.docker(&["rmi", "--force", &first]).success();
    let pulled = reader.docker(&["pull", &second]).success();
    assert!(pulled.stdout.contains(&digest), "{pulled:?}");
    let shown = reader.docker(&["image", "inspect", "--format", "{{.Id}}", &second]).success();
    assert_eq!(shown.stdout.trim(), id(&team, &second));
    let layers = ["image", "inspect", "--format", "{{json .RootFS.Layers}}", &second];
    let theirs = reader.docker(&layers).success().stdout;
    assert_eq!(team.trust(&layers).success().stdout, theirs);
    // What is taken away is away, and what the other name needs stays.
    let removed = team.trust(&["rmi", &first]).success();
    assert!(removed.stdout.starts_with(&format!("Untagged: {first}\n")), "{removed:?}");
    assert!(!removed.stdout.contains("Deleted:"), "{removed:?}");
    team.trust(&["push", &second]).success();
    let removed = team.trust(&["rmi", &second]).success();
    assert!(removed.stdout.contains("Deleted: sha256:"), "{removed:?}");
    assert!(images(&team).is_empty());
    let blobs = team.home().join(".local/share/trust/images/blobs/sha256");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn mirrors_of_docker_hub_are_asked_first() {
    let mirror = Registry::start(&RegistryOptions::default());
    let pushed = image::push_image_as(&mirror, "library/tool", "1", b"mirrored", Dialect::Oci);
    let user = User::new();
    let config = user.trust_folder().join("config.json");
    fs::create_dir_all(user.trust_folder()).unwrap();
    let text = format!(r#"{{"trust":{{"registry_mirrors":["{}"]}}}}"#, mirror.url());
    fs::write(config, text).unwrap();
    let pulled = user.trust(&["pull", "tool:1"]).success();
    assert_eq!(pulled.stdout, "docker.io/library/tool:1\n");
    assert_eq!(images(&user), [("docker.io/library/tool:1".to_owned(), pushed.digest)]);
    // What the mirror has not is asked of the registry itself, which cannot be reached from here.
    let quick = ["pull", "--connect-timeout", "1s", "tool:2"];
    let failed = user.trust(&quick).expect_code(10);
    assert!(failed.stderr.contains("registry-1.docker.io"), "{failed:?}");
}

#[test]
fn an_original_is_found_by_its_digest() {
    let registry = Registry::start(&RegistryOptions::default());
    let pushed = image::push_image(&registry, "app", "1", b"content");
    let user = User::new();
    let name = format!("{}/app", registry.host_port());
    user.trust(&["pull", &format!("{name}:1")]).success();
    for typed in [pushed.digest.clone(), format!("{name}@{}", pushed.digest)] {
        let shown = user.trust(&["image", "inspect", "--format", "{{.RepoTags}}", &typed]);
        assert_eq!(shown.success().stdout, format!("[{name}:1]\n"));
    }
    let listed = user.trust(&["images", "--digests", "--format", "{{.Digest}}"]).success();
    assert_eq!(listed.stdout.trim(), pushed.digest);
}
