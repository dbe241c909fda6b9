//! The real programs read what we write, and we what they write.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::{Value, json};

use super::world::{World, archived, docker_members, gzip, json_of, rich_files, tar};
use crate::peers::dockerd::Dockerd;
use crate::peers::image::digest;

#[test]
fn docker_loads_what_we_save_and_we_what_docker_saves() {
    let daemon = Dockerd::start();
    let mut world = World::new();
    world.user.use_docker(&daemon);
    let id = world.import(&rich_files(), "app:1");
    world.trust(&["tag", "app:1", "registry.example.com/me/app:v2"]).success();
    let second = world.import(&tar(&[("x", b"1")]), "other:1");
    for name in ["a.tar", "a.tar.gz"] {
        let file = world.text(name);
        let images = ["app:1", "registry.example.com/me/app:v2", "other:1"];
        let flags = ["-o", &file];
        world.trust(&[&["save"], &images[..], &flags].concat()).success();
        let loaded = world.user.docker(&["load", "-i", &file]).success();
        for image in images {
            assert!(loaded.stdout.contains(&format!("Loaded image: {image}")), "{}", loaded.stdout);
            let theirs = json_of(world.user.docker(&["image", "inspect", image]));
            let expected = if image == "other:1" { &second } else { &id };
            assert_eq!(theirs[0]["Id"], *expected, "{name} {image}");
        }
        world.user.docker(&[&["rmi"], &images[..]].concat()).success();
    }
    // The other way round, with a build on top for more layers, one of them twice.
    let file = world.text("a.tar");
    world.user.docker(&["load", "-i", &file]).success();
    fs::create_dir_all(world.path("context")).unwrap();
    world.file("context/f", b"content");
    let recipe = "FROM app:1\nCOPY f /f\nCOPY f /g\nENV A=b\n";
    world.file("context/Dockerfile", recipe.as_bytes());
    let context = world.text("context");
    let built = world.user.docker(&["build", "-t", "built:1", "-t", "built:2", &context]);
    built.success();
    let saved = world.text("theirs.tar");
    world.user.docker(&["save", "-o", &saved, "built:1", "built:2", "other:1"]).success();
    let loaded = world.trust_on("theirs", &["load", "-i", &saved]).success();
    let mut lines: Vec<&str> = loaded.stdout.lines().collect();
    lines.sort_unstable();
    let names = ["built:1", "built:2", "other:1"];
    assert_eq!(lines, names.map(|name| format!("Loaded image: {name}")));
    for name in names {
        let theirs = json_of(world.user.docker(&["image", "inspect", name]));
        let ours = json_of(world.trust_on("theirs", &["image", "inspect", name]));
        for member in ["Id", "RootFS", "Created", "Os", "Architecture"] {
            assert_eq!(ours[0][member], theirs[0][member], "{name} {member}");
        }
        assert_eq!(ours[0]["Config"]["Env"], theirs[0]["Config"]["Env"], "{name}");
    }
    // And back, still the same.
    let back = world.text("back.tar");
    world.trust_on("theirs", &["save", "built:1", "-o", &back]).success();
    let before = json_of(world.user.docker(&["image", "inspect", "built:1"]));
    world.user.docker(&["rmi", "built:1", "built:2"]).success();
    world.user.docker(&["load", "-i", &back]).success();
    let after = json_of(world.user.docker(&["image", "inspect", "built:1"]));
    assert_eq!(before[0]["Id"], after[0]["Id"]);
    assert_eq!(before[0]["RootFS"], after[0]["RootFS"]);
}

#[test]
fn import_makes_what_docker_makes() {
    let daemon = Dockerd::start();
    let mut world = World::new();
    world.user.use_docker(&daemon);
    let changes = [
        r#"CMD ["/bin/sh", "-c", "x"]"#,
        "ENTRYPOINT /entry $x",
        r#"ENV A=1 B="two words" C=$HOME"#,
        "ENV D=$A-${B:-none} E=${N:-none}",
        "EXPOSE 80 53/udp",
        "LABEL a=b 'c d'=e",
        "USER me:us",
        r#"VOLUME ["/data", "/x y"]"#,
        "VOLUME /logs",
        "WORKDIR /srv",
        "WORKDIR app",
        "ONBUILD RUN make",
        "HEALTHCHECK --interval=5s --retries=2 CMD curl localhost",
    ];
    let flags: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
    let plain = world.file("plain.tar", &rich_files());
    let packed = world.file("packed.tar.gz", &gzip(&rich_files()));
    let mut ids = Vec::new();
    for file in [&plain, &packed] {
        let args = [&["import"], &flags[..], &["-m", "note", file, "app:1"]].concat();
        let theirs = world.user.docker(&args).success();
        assert!(theirs.stdout.starts_with("sha256:"), "{}", theirs.stdout);
        world.user.set("SOURCE_DATE_EPOCH", "1700000000");
        let ours = world.trust(&args).success();
        ids.push(ours.stdout.clone());
        let theirs = json_of(world.user.docker(&["image", "inspect", "app:1"]));
        let ours = json_of(world.trust(&["image", "inspect", "app:1"]));
        for member in ["RootFS", "Os", "Architecture", "Comment"] {
            assert_eq!(ours[0][member], theirs[0][member], "{member}");
        }
        for member in [
            "Cmd",
            "Entrypoint",
            "Env",
            "ExposedPorts",
            "Labels",
            "User",
            "Volumes",
            "WorkingDir",
            "OnBuild",
            "Healthcheck",
        ] {
            assert_eq!(ours[0]["Config"][member], theirs[0]["Config"][member], "{member}");
        }
        assert_eq!(ours[0]["Created"], "2023-11-14T22:13:20Z");
    }
    assert_eq!(ids[0], ids[1], "the same files, the same image");
    world.trust(&["import", &plain, "--change", "RUN x"]).expect_code(2);
    let refused = world.trust(&["import", "https://host.example/files.tar"]).expect_code(2);
    assert!(refused.stderr.contains("nobody vouches"), "{}", refused.stderr);
    world.trust(&["import", &format!("file://{plain}"), "app:3"]).success();
    world.user.set("SOURCE_DATE_EPOCH", "yesterday");
    world.trust(&["import", &plain]).expect_code(2);
}

#[test]
fn skopeo_reads_what_we_save_and_we_what_skopeo_writes() {
    let world = World::new();
    let id = world.import(&rich_files(), "app:1");
    let skopeo = |from: &str, to: &str| {
        world.user.program("skopeo", &["--insecure-policy", "copy", from, to]).success();
    };
    let id_of = |reference: &str| {
        let config = world.user.program("skopeo", &["inspect", "--raw", reference]).success();
        let manifest: Value = serde_json::from_str(&config.stdout).unwrap();
        manifest["config"]["digest"].as_str().unwrap().to_owned()
    };
    let (docker, oci) = (world.text("docker.tar"), world.text("oci.tar"));
    world.trust(&["save", "app:1", "-o", &docker]).success();
    world.trust(&["save", "app:1", "--format", "oci-archive", "-o", &oci]).success();
    let out = |name: &str| format!("oci:{}:x", world.text(name));
    skopeo(&format!("docker-archive:{docker}"), &out("one"));
    skopeo(&format!("oci-archive:{docker}:1"), &out("two"));
    skopeo(&format!("oci-archive:{oci}:1"), &out("three"));
    for name in ["one", "two", "three"] {
        assert_eq!(id_of(&out(name)), id, "{name}");
    }
    // And what it makes of them.
    let archive = |kind: &str, name: &str| format!("{kind}:{}:h.example/app:v9", world.text(name));
    skopeo(&out("three"), &archive("docker-archive", "theirs.tar"));
    skopeo(&out("three"), &archive("oci-archive", "theirs-oci.tar"));
    let mut digests = Vec::new();
    for name in ["theirs.tar", "theirs-oci.tar", "three"] {
        let layout = format!("from-{name}");
        world.trust_on(&layout, &["load", "-i", &world.text(name)]).success();
        let entry = world.layout(&layout).read_index()["manifests"][0].clone();
        digests.push(entry["digest"].clone());
        assert_eq!(world.layout(&layout).id(&entry), id, "{name}");
        world.layout(&layout).assert_whole();
        assert_eq!(world.layout(&layout).blobs().len(), 3, "nothing else is kept");
    }
    assert_eq!(digests[1], digests[2], "OCI content stays as it is");
}

#[test]
fn umoci_unpacks_the_same_files_from_the_flattened_image() {
    let world = World::new();
    // The same tree, built up in layers with detours.
    let junk = tar(&[("junk/x", b"x"), ("etc/passwd", b"old"), ("bin", b"a file at first")]);
    let hide = tar(&[(".wh.junk", b""), ("etc/.wh.passwd", b""), (".wh.bin", b"")]);
    let members = docker_members(&[&junk, &hide, &rich_files()], "app:1");
    let file = world.file("app.tar", &archived(&members));
    world.trust(&["load", "-i", &file]).success();
    world.trust(&["image", "flatten", "app:1", "flat:1"]).success();
    world.trust(&["image", "flatten", "app:1", "flat:2"]).success();
    world.trust(&["image", "flatten", "flat:1", "flat:3", "--compression", "zstd"]).success();
    let layers = |name: &str| {
        let shown = json_of(world.trust(&["image", "inspect", name]));
        shown[0]["RootFS"]["Layers"].clone()
    };
    assert_eq!(layers("flat:1").as_array().unwrap().len(), 1);
    assert_eq!(layers("flat:1"), layers("flat:2"));
    assert_eq!(layers("flat:1"), layers("flat:3"), "it depends on the files alone");
    world.import(&rich_files(), "direct:1");
    world.trust(&["image", "flatten", "direct:1", "flat:4"]).success();
    let flat = world.layout("images");
    let entry = |name: &str| {
        let index = flat.read_index();
        let entries = index["manifests"].as_array().unwrap().clone();
        let name = format!("docker.io/library/{name}");
        let named =
            |one: &Value| one["annotations"].as_object().unwrap().values().any(|v| *v == name);
        entries.into_iter().find(named).unwrap()
    };
    assert_eq!(entry("flat:1")["digest"], entry("flat:2")["digest"]);

    let unpack = |image: &str| {
        // A colon would begin the tag to umoci.
        let plain = image.replace(':', "-");
        let (archive, layout) = (world.text("u.tar"), world.text(&format!("u-{plain}")));
        world.trust(&["save", image, "--format", "oci-archive", "-o", &archive]).success();
        fs::create_dir(&layout).unwrap();
        world.user.program("tar", &["-xf", &archive, "-C", &layout]).success();
        let (tag, bundle) =
            (image.split(':').next_back().unwrap(), world.text(&format!("b-{plain}")));
        let from = format!("{layout}:{tag}");
        world.user.program("umoci", &["unpack", "--image", &from, &bundle]).success();
        tree(&Path::new(&bundle).join("rootfs"))
    };
    fs::create_dir(world.path("expected")).unwrap();
    let (files, expected) = (world.file("rich.tar", &rich_files()), world.text("expected"));
    let flags =
        ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-pxf", &files, "-C", &expected];
    world.user.program("tar", &flags).success();
    let expected = tree(Path::new(&expected));
    for image in ["app:1", "flat:1", "flat:4"] {
        assert_eq!(unpack(image), expected, "{image}");
    }
}

#[test]
fn all_platforms_go_through_an_oci_archive() {
    let world = World::new();
    let layout = crate::harness::layout::Layout::new(&world.path("images"));
    let image = |architecture: &str| {
        layout.image(
            &[&tar(&[("x", architecture.as_bytes())])],
            &json!({"architecture": architecture}),
        )
    };
    let (amd, arm) = (image("amd64"), image("arm64"));
    let index = layout.index(&[amd, arm.clone()]);
    layout.add("docker.io/library/app:1", &index);
    let file = world.text("all.tar");
    world.trust(&["save", "app:1", "--format", "oci-archive", "-o", &file]).success();
    world.trust_on("all", &["load", "-i", &file]).success();
    assert_eq!(world.layout("all").read_index()["manifests"][0]["digest"], index["digest"]);
    assert_eq!(world.layout("all").blobs().len(), 7);
    let arm_alone = ["load", "-i", &file, "--platform", "linux/arm64"];
    world.trust_on("arm", &arm_alone).success();
    assert_eq!(world.layout("arm").read_index()["manifests"][0]["digest"], arm["digest"]);
    assert_eq!(world.layout("arm").blobs().len(), 3);
    let none = ["load", "-i", &file, "--platform", "linux/s390x"];
    world.trust_on("none", &none).expect_code(8);
    let one = world.text("one.tar");
    world.trust(&["save", "app:1", "--platform", "linux/arm64", "-o", &one]).success();
    world.trust_on("one", &["load", "-i", &one]).success();
    assert_eq!(world.layout("one").read_index()["manifests"][0]["digest"], arm["digest"]);
}

#[test]
fn the_same_images_give_the_same_bytes() {
    let world = World::new();
    world.import(&rich_files(), "app:1");
    for (name, flags) in [
        ("x.tar", &[][..]),
        ("x.tar.gz", &[]),
        ("x.tar.zst", &[]),
        ("x", &["--compression", "gzip"]),
    ] {
        let bytes = || {
            let file = world.text(name);
            world.trust(&[&["save", "app:1", "-o", &file], flags].concat()).success();
            fs::read(&file).unwrap()
        };
        assert_eq!(digest(&bytes()), digest(&bytes()), "{name}");
        world.trust_on(&format!("l-{name}"), &["load", "-i", &world.text(name)]).success();
    }
    assert_eq!(&fs::read(world.path("x.tar.gz")).unwrap()[..2], b"\x1f\x8b");
    assert_eq!(&fs::read(world.path("x")).unwrap()[..2], b"\x1f\x8b");
    assert_eq!(&fs::read(world.path("x.tar.zst")).unwrap()[..4], b"\x28\xb5\x2f\xfd");
    // A save that fails leaves the file that was there.
    let layer = world.layout("images").read_index()["manifests"][0]["digest"].clone();
    let manifest = world.layout("images").json(layer.as_str().unwrap());
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let path = world.layout("images").path_of(&layer);
    let mut damaged = fs::read(&path).unwrap();
    let before = fs::read(world.path("x.tar")).unwrap();
    damaged[20] ^= 1;
    fs::write(&path, damaged).unwrap();
    world.trust(&["save", "app:1", "-o", &world.text("x.tar")]).expect_code(14);
    assert_eq!(fs::read(world.path("x.tar")).unwrap(), before);
    let left = fs::read_dir(world.path("")).unwrap();
    let left = left.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(".trust-tmp")
    });
    assert_eq!(left.count(), 0);
}

/// Every path of a tree with all that can be told of it.
pub(super) fn tree(folder: &Path) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let kind = metadata.file_type();
        let device = kind.is_char_device() || kind.is_block_device();
        let mut facts = json!({
            "mode": format!("{:o}", metadata.mode()), "uid": metadata.uid(), "gid": metadata.gid(),
            "device": if device { metadata.rdev() } else { 0 }, "mtime": metadata.mtime(),
        });
        if kind.is_symlink() {
            facts["link"] = json!(fs::read_link(&path).unwrap());
        }
        if kind.is_file() {
            facts["content"] = json!(digest(&fs::read(&path).unwrap()));
            let mut value = [0; 64];
            let length =
                rustix::fs::lgetxattr(&path, "security.capability", &mut value).unwrap_or(0);
            facts["capability"] = json!(value[..length]);
            facts["names"] = json!(metadata.nlink());
        }
        if kind.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        if !name.is_empty() {
            found.insert(name, facts);
        }
    }
    found
}
