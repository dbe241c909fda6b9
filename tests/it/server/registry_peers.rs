//! Programs of others, and our own, push to the registry half and pull from it.

use std::fs;

use super::harness::TestServer;
use crate::harness::image::{Image, write_into_layout};
use crate::peers::{Dockerd, User};

/// A folder with an image layout of one image, in a person's home.
fn layout(user: &User, image: &Image) -> String {
    let folder = user.home().join("layout");
    fs::create_dir(&folder).unwrap();
    write_into_layout(&folder, "v1", image);
    folder.display().to_string()
}

#[test]
fn skopeo_pushes_lists_copies_and_deletes() {
    let server = TestServer::with(|server| server.registry.delete = true);
    let host = server.listen();
    let user = User::new();
    let image = Image::of_size(3_000_000, 1);
    let folder = layout(&user, &image);
    let name = format!("docker://{host}/team/app:v1");
    let skopeo = |args: &[&str]| user.program("skopeo", args);
    skopeo(&["copy", "--dest-tls-verify=false", &format!("oci:{folder}:v1"), &name]).success();
    assert_eq!(server.get("/v2/team/app/manifests/v1").body, image.manifest.bytes);
    let listed = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{host}/team/app")]);
    assert!(listed.success().stdout.contains("\"v1\""));
    // To another repository of the same registry: blobs are mounted.
    let other = format!("docker://{host}/other/app:v2");
    let both = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&[&both[..], &[&name, &other]].concat()).success();
    let back = user.home().join("back").display().to_string();
    let docker = format!("dir:{back}");
    skopeo(&["copy", "--src-tls-verify=false", &other, &docker]).success();
    assert_eq!(fs::read(format!("{back}/manifest.json")).unwrap(), image.manifest.bytes);
    skopeo(&["copy", "--dest-tls-verify=false", "--format", "v2s2", &docker, &name]).success();
    let served = server.get("/v2/team/app/manifests/v1");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(served.header("content-type"), Some(docker));
    skopeo(&["delete", "--tls-verify=false", &name]).success();
    assert_eq!(server.get("/v2/team/app/manifests/v1").status, 404);
}

#[test]
fn buildah_pulls_and_pushes() {
    let server = TestServer::new();
    let host = server.listen();
    let user = User::new();
    let image = Image::of_size(100_000, 1);
    server.push_image("team/app", "v1", &image);
    fs::write(user.home().join(".docker/config.json"), "{}").unwrap();
    let root = user.home().join("storage").display().to_string();
    let run = user.home().join("run").display().to_string();
    let storage = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    let buildah = |args: &[&str]| user.program("buildah", &[&storage[..], args].concat()).success();
    let pulled = buildah(&["pull", "--tls-verify=false", &format!("docker://{host}/team/app:v1")]);
    let id = pulled.stdout.trim();
    buildah(&["push", "--tls-verify=false", id, &format!("docker://{host}/team/back:v1")]);
    let back = server.get("/v2/team/back/manifests/v1");
    assert_eq!(back.status, 200);
    assert_eq!(back.json()["config"]["digest"], image.config.digest());
}

#[test]
fn docker_pushes_pulls_and_searches() {
    let server = TestServer::new();
    let host = server.listen();
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_docker(&daemon);
    let archive = crate::harness::image::archive(&[crate::harness::image::File::plain(
        "content",
        crate::harness::image::noise(2_000_000, 1),
    )]);
    let image = format!("{host}/team/app:v1");
    user.docker_with_input(&["import", "-", &image], &archive).success();
    let pushed = user.docker(&["push", &image]).success();
    assert!(pushed.stdout.contains("v1: digest: sha256:"), "{pushed:?}");
    let other = format!("{host}/team/other:v1");
    user.docker(&["tag", &image, &other]).success();
    let mounted = user.docker(&["push", &other]).success();
    assert!(mounted.stdout.contains("Mounted from team/app"), "{mounted:?}");
    user.docker(&["rmi", &image, &other]).success();
    user.docker(&["pull", &image]).success();
    let found = user.docker(&["search", &format!("{host}/app")]).success();
    assert!(found.stdout.contains("team/app"), "{found:?}");
}

#[test]
fn our_own_client_pushes_pulls_and_copies() {
    let server = TestServer::new();
    let host = server.listen();
    let user = User::new();
    let image = Image::of_size(2_000_000, 1);
    let images = user.home().join(".local/share/trust/images");
    fs::create_dir_all(&images).unwrap();
    let name = format!("{host}/team/app:v1");
    write_into_layout(&images, &name, &image);
    user.trust(&["push", &name]).success();
    assert_eq!(server.get("/v2/team/app/manifests/v1").body, image.manifest.bytes);
    let copy = format!("{host}/team/copy:v2");
    user.trust(&["copy", &name, &copy]).success();
    let other = User::new();
    let pulled = other.trust(&["pull", &copy]).success();
    assert!(pulled.stderr.contains(&image.digest()), "{pulled:?}");
}
