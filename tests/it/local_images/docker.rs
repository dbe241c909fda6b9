//! The same image in docker's daemon and in a layout.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use serde_json::{Value, json};

use crate::harness::layout::{LAYER, Layout, MANIFEST};
use crate::local_images::world::World;
use crate::peers::Dockerd;

#[test]
fn docker_and_we_say_the_same_of_one_image() {
    let daemon = Dockerd::start();
    let mut world = World::new();
    world.user.use_docker(&daemon);
    world.user.set("DOCKER_BUILDKIT", "0");
    let docker = |args: &[&str]| world.user.docker(args).success().stdout;
    let context = world.user.home().join("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("hello"), "hello").unwrap();
    fs::write(context.join("Dockerfile"), DOCKERFILE).unwrap();
    docker(&["build", "-q", "-t", "app:1", "context"]);
    docker(&["save", "-o", "saved.tar", "app:1"]);
    docker(&["rmi", "app:1"]);
    // Loaded, it has no parents, which a layout cannot know.
    docker(&["load", "-i", "saved.tar"]);
    let layout = Layout::new(&world.folder());
    let archive = fs::read(world.user.home().join("saved.tar")).unwrap();
    layout.add("docker.io/library/app:1", &from_docker(&layout, &archive));

    let theirs: Value = serde_json::from_str(&docker(&["image", "inspect", "app:1"])).unwrap();
    let ours: Value = serde_json::from_str(&world.prints(&["image", "inspect", "app:1"])).unwrap();
    for member in [
        "Id",
        "RepoTags",
        "RepoDigests",
        "Parent",
        "Comment",
        "Created",
        "DockerVersion",
        "Author",
        "Architecture",
        "Os",
        "RootFS",
    ] {
        assert_eq!(ours[0][member], theirs[0][member], "{member}");
    }
    for (name, value) in ours[0]["Config"].as_object().unwrap() {
        assert_eq!(*value, theirs[0]["Config"][name], "Config.{name}");
    }
    let order = |document: &Value| -> Vec<String> {
        document[0].as_object().unwrap().keys().cloned().collect()
    };
    let (theirs_order, ours_order) = (order(&theirs), order(&ours));
    let common: Vec<&String> =
        theirs_order.iter().filter(|name| ours_order.contains(name)).collect();
    let same: Vec<&String> = ours_order.iter().filter(|name| theirs_order.contains(name)).collect();
    assert_eq!(same, common, "members in docker's order");

    for template in [
        "{{json .RootFS.Layers}}",
        "{{.Config.Cmd}}",
        "{{.Config.Env}}",
        "{{json .Config.Labels}}",
        "{{index .Config.Labels \"none\"}}",
        "{{.Config.Labels.none}}",
        "{{.Config.Entrypoint}}",
        "{{range .RepoTags}}{{.}}{{end}}",
        "{{json .Config.ExposedPorts}}",
        "{{.Config.WorkingDir}}",
        "{{.Id}} {{.Os}}/{{.Architecture}} {{.Created}}",
        "{{len .RootFS.Layers}}{{.RootFS.Type}}",
    ] {
        let words = ["image", "inspect", "--format", template, "app:1"];
        assert_eq!(world.prints(&words), docker(&words), "{template}");
    }
    let template = "{{.ID}}|{{.CreatedAt}}|{{.CreatedBy}}|{{.Comment}}";
    for flags in [&[][..], &["--no-trunc"]] {
        let words = [&["history", "--format", template, "app:1"], flags].concat();
        assert_eq!(world.prints(&words), docker(&words));
        assert!(world.prints(&words).contains("COPY file:"));
    }
    let template =
        "{{.Repository}}|{{.Tag}}|{{.ID}}|{{.CreatedAt}}|{{.Containers}}|{{.SharedSize}}";
    let words = ["images", "--format", template];
    assert_eq!(world.prints(&words), docker(&words));
    let headings = |text: &str| {
        text.lines().next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for words in [
        &["images"][..],
        &["images", "--digests"],
        &["history", "app:1"],
        &["images", "--format", "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedAt}}\t{{.Size}}"],
    ] {
        assert_eq!(headings(&world.prints(words)), headings(&docker(words)), "{words:?}");
    }

    for program in [&docker as &dyn Fn(&[&str]) -> String, &|words| world.prints(words)] {
        program(&["tag", "app:1", "h.example/app:2"]);
        assert_eq!(program(&["rmi", "app:1"]), "Untagged: app:1\n");
        program(&["tag", "h.example/app:2", "app:1"]);
    }
    let id = world.id("app:1");
    let words = ["rmi", &id[7..19]];
    let theirs = world.user.docker(&words).expect_code(1).stderr;
    let ours = world.trust(&words).expect_code(12).stderr;
    let conflict = theirs.trim_start_matches("Error response from daemon: ").trim();
    assert!(ours.contains(conflict), "{ours}{theirs}");
    let words = ["rmi", "-f", &id];
    assert_eq!(sorted(&world.prints(&words)), sorted(&docker(&words)));
    assert_eq!(layout.blobs(), [""; 0]);
}

/// Docker prints names in no order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[..2].sort_unstable();
    lines
}

/// Puts what `docker save` wrote into a layout, byte by byte; returns the manifest.
fn from_docker(layout: &Layout, archive: &[u8]) -> Value {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let saved: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let file = |name: &Value| &files[name.as_str().unwrap()];
    let layers: Vec<Value> = (saved[0]["Layers"].as_array().unwrap().iter())
        .map(|layer| layout.blob(LAYER, file(layer)))
        .collect();
    let config =
        layout.blob("application/vnd.docker.container.image.v1+json", file(&saved[0]["Config"]));
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    layout.blob(MANIFEST, manifest.to_string().as_bytes())
}

const DOCKERFILE: &str = "FROM scratch
COPY hello /hello
COPY hello /hello2
LABEL who=me odd=\"a<b>&c\"
ENV KEY=value
WORKDIR /work
EXPOSE 80/tcp
MAINTAINER somebody
CMD [\"/hello\", \"a b\"]
";
