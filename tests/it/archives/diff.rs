//! What is told of two images.

use super::world::{World, archived, docker_members, json_of, tar};

#[test]
fn layers_files_and_configurations() {
    let world = World::new();
    let base = tar(&[("etc/passwd", b"root"), ("etc/same", b"same"), ("gone", b"x")]);
    let change = tar(&[("etc/passwd", b"me"), (".wh.gone", b""), ("new", b"y")]);
    for (layers, tag) in [(&[&base[..]][..], "a:1"), (&[&base, &change], "a:2")] {
        let file = world.file("x.tar", &archived(&docker_members(layers, tag)));
        world.trust(&["load", "-i", &file]).success();
    }
    let shown = world.trust(&["image", "diff", "--files", "a:1", "a:2"]).success();
    assert_eq!(shown.stdout, "C /etc/passwd [size, content]\nD /gone\nA /new\n");
    let shown = world.trust(&["image", "diff", "--layers", "a:1", "a:2"]).success();
    let signs: Vec<&str> = shown.stdout.lines().map(|line| &line[..1]).collect();
    assert_eq!(signs, ["=", "+"]);
    let shown = world.trust(&["image", "diff", "a:1", "a:1"]).success();
    assert_eq!(shown.stdout.lines().count(), 1, "the layer, and nothing that differs");

    let all = json_of(world.trust(&["image", "diff", "--json", "a:1", "a:2"]));
    assert_eq!(all["layers"][1]["change"], "added");
    assert_eq!(all["files"][0]["path"], "/etc/passwd");
    assert_eq!(all["files"][0]["before"]["size"], 4);
    assert_eq!(all["files"][0]["changed"][1], "content");
    assert_eq!(all["config"].as_array().unwrap().len(), 0);
    let only = json_of(world.trust(&["image", "diff", "--json", "--layers", "a:1", "a:2"]));
    assert_eq!(only.as_object().unwrap().len(), 1);
    let lines = ["image", "diff", "--format", "{{.Kind}}{{.Path}}", "a:2", "a:1"];
    assert_eq!(world.trust(&lines).success().stdout, "C/etc/passwd\nA/gone\nD/new\n");

    let file = world.file("files.tar", &base);
    for (compression, name) in [("gzip", "b:1"), ("zstd", "b:2")] {
        let args = ["import", &file, name, "--compression", compression, "--change", "ENV A=1"];
        world.user.trust(&[&args[..], &["--layout", &world.text("images")]].concat()).success();
    }
    let shown = world.trust(&["image", "diff", "--layers", "b:1", "b:2"]).success();
    assert!(shown.stdout.starts_with("~ sha256:"), "{}", shown.stdout);
    let shown = world.trust(&["image", "diff", "--configuration", "a:1", "b:1"]).success();
    assert!(shown.stdout.contains("+ config.Env.A: \"1\"\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains("- config.Cmd: [\"x\"]\n"), "{}", shown.stdout);
    world.trust(&["image", "diff", "a:1", "none:1"]).expect_code(8);
}
