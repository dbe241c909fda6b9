//! Layouts that skopeo, umoci and buildah wrote, and that they read again.

use std::fs;

use crate::harness::layout::Layout;
use crate::local_images::world::{IMAGES, World};

#[test]
fn what_skopeo_wrote_is_renamed_and_removed_and_skopeo_reads_the_rest() {
    let world = World::with_images();
    let user = &world.user;
    let run = |args: &[&str]| user.program("skopeo", args).success().stdout;
    run(&["copy", "-q", "oci:images:docker.io/library/app:1", "oci:theirs:one"]);
    run(&["copy", "-q", "oci:images:docker.io/library/base:1", "oci:theirs:two"]);
    run(&[
        "copy",
        "-q",
        "oci:images:docker.io/library/base:1",
        "oci:theirs:docker.io/library/full:3",
    ]);
    let ours =
        |words: &[&str]| user.trust(&[words, &["--layout", "theirs"]].concat()).success().stdout;
    let listed = ours(&["images", "--format", "{{.Repository}} {{.Tag}}"]);
    for line in ["<none> one", "<none> two", "full 3"] {
        assert!(listed.lines().any(|found| found == line), "{listed}");
    }
    ours(&["tag", "one", "h.example/app:9"]);
    ours(&["rmi", "one", "full:3"]);
    for (name, labels) in [("h.example/app:9", "app"), ("two", "base")] {
        let inspected = run(&["inspect", &format!("oci:theirs:{name}")]);
        assert!(inspected.contains(&format!("\"made\": \"{labels}\"")), "{inspected}");
    }
    ours(&["rmi", "h.example/app:9"]);
    ours(&["prune", "-f"]);
    let layout = Layout::at(&user.home().join("theirs"));
    layout.assert_whole();
    assert_eq!((layout.names(), layout.blobs().len()), (vec!["two".to_owned()], 3));
    run(&["copy", "-q", "oci:theirs:two", "oci:copied:two"]);
}

#[test]
fn umoci_and_we_work_in_one_layout() {
    let world = World::new();
    let umoci = |args: &[&str]| world.user.program("umoci", args).success().stdout;
    fs::create_dir(world.user.home().join("files")).unwrap();
    fs::write(world.user.home().join("files/hello"), "hello").unwrap();
    umoci(&["init", "--layout", IMAGES]);
    umoci(&["new", "--image", "images:v1"]);
    umoci(&["insert", "--image", "images:v1", "files", "/opt"]);
    umoci(&["config", "--image", "images:v1", "--config.label", "who=umoci"]);
    umoci(&["tag", "--image", "images:v1", "v2"]);
    let label = "{{index .Config.Labels \"who\"}} {{.RepoTags}}";
    assert_eq!(world.prints(&["image", "inspect", "--format", label, "v2"]), "umoci [v1 v2]\n");
    assert_eq!(world.prints(&["rmi", "v2"]), "Untagged: v2\n");
    world.trust(&["tag", "v1", "app:1"]).success();
    assert_eq!(umoci(&["ls", "--layout", IMAGES]).lines().count(), 2);
    umoci(&["insert", "--image", "images:v1", "files", "/more"]);
    // What was app:1 is another image now, and whole.
    assert_eq!(world.prints(&["rmi", "v1"]).lines().count(), 3);
    umoci(&["stat", "--image", "images:docker.io/library/app:1"]);
    umoci(&["unpack", "--image", "images:docker.io/library/app:1", "bundle"]);
    let hello = world.user.home().join("bundle/rootfs/opt/hello");
    assert_eq!(fs::read_to_string(hello).unwrap(), "hello");
    // What umoci left behind has no image, and may be somebody's who is at work.
    let before = world.layout().blobs();
    world.trust(&["prune", "-f"]).success();
    assert_eq!(world.layout().blobs(), before);
    umoci(&["gc", "--layout", IMAGES]);
    world.layout().assert_whole();
    umoci(&["rm", "--image", "images:docker.io/library/app:1"]);
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn buildah_writes_and_reads() {
    let world = World::new();
    let home = world.user.home();
    let folder = |name: &str| home.join(name).display().to_string();
    let storage =
        ["--root", &folder("storage"), "--runroot", &folder("run"), "--storage-driver", "vfs"];
    let buildah = |args: &[&str]| {
        let printed = world.user.program("buildah", &[&storage, args].concat()).success().stdout;
        printed.trim().to_owned()
    };
    fs::write(home.join("hello"), "hello").unwrap();
    fs::write(world.user.docker_config().join("config.json"), "{}").unwrap();
    let container = buildah(&["from", "scratch"]);
    buildah(&["copy", &container, "hello", "/hello"]);
    buildah(&["config", "--label", "who=buildah", "--cmd", "/hello", &container]);
    buildah(&["commit", "-q", &container, "built"]);
    let target = format!("oci:{}:built", folder(IMAGES));
    buildah(&["push", "-q", "built", &target]);
    assert_eq!(
        world.prints(&[
            "image",
            "inspect",
            "--format",
            "{{.Config.Cmd}} {{.Config.Labels.who}}",
            "built"
        ]),
        "[/hello] buildah\n"
    );
    world.trust(&["tag", "built", "h.example/built:1"]).success();
    world.trust(&["rmi", "built"]).success();
    // By a path in small letters, of which it makes the image's name.
    let pulled = buildah(&["pull", "-q", "oci:images:h.example/built:1"]);
    assert_eq!(world.id("h.example/built:1"), format!("sha256:{pulled}"));
}
