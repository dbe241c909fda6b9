//! Listings, filters, histories, layers, inspections.

use serde_json::{Value, json};
use test_case::test_case;

use crate::harness::layout::{Layout, archive};
use crate::local_images::world::{World, created};

/// A listing without what depends on the day.
fn columns(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect()
}

#[test]
fn images_are_listed_as_docker_lists_them() {
    let world = World::with_images();
    let text = world.prints(&["images"]);
    let rows = columns(&text);
    assert_eq!(rows[0], ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let names: Vec<&[&str]> = rows[1..].iter().map(|row| &row[..2]).collect();
    assert_eq!(names, [["h.example:5000/x/other", "2"], ["app", "1"], ["base", "1"]]);
    assert!(rows[1..].iter().all(|row| row[2].len() == 12 && row[3].ends_with("ago")), "{text}");
    assert_eq!(world.prints(&["image", "ls"]), text);
    assert_eq!(world.prints(&["image", "list", "-a"]), text);
    let whole = world.prints(&["images", "--digests", "--no-trunc"]);
    let rows = columns(&whole);
    assert_eq!(rows[0], ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]);
    assert!(rows[1][2].starts_with("sha256:") && rows[1][3].starts_with("sha256:"), "{whole}");
    let ids = world.prints(&["images", "-q", "--no-trunc"]);
    let expected: Vec<&str> = rows[1..].iter().map(|row| row[3]).collect();
    assert_eq!(ids.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn no_images_are_a_heading_and_an_empty_list() {
    let world = World::new();
    assert_eq!(world.prints(&["images"]), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    assert_eq!(world.prints(&["images", "-q"]), "");
    assert_eq!(world.prints(&["images", "--json"]), "[]\n");
    assert!(!world.folder().exists(), "listing makes nothing");
}

#[test_case(&["app"], &["app:1"]; "a repository")]
#[test_case(&["app:2"], &[]; "another tag")]
#[test_case(&["*/*/other"], &["h.example:5000/x/other:2"]; "a pattern")]
#[test_case(&["-f", "reference=b*", "-f", "reference=a*"], &["app:1", "base:1"]; "one of two patterns")]
#[test_case(&["-f", "dangling=false", "-f", "label=made"], &["app:1", "base:1", "h.example:5000/x/other:2"]; "a label")]
#[test_case(&["-f", "label=made=app"], &["app:1"]; "a label with its value")]
#[test_case(&["-f", "label=made=app", "-f", "label=made=base"], &[]; "both of two labels")]
#[test_case(&["-f", "before=app:1"], &["base:1"]; "before")]
#[test_case(&["-f", "since=app"], &[]; "since, not found below")]
#[test_case(&["-f", "since=base:1", "app"], &["app:1"]; "since and a name")]
#[test_case(&["-f", "until=2024-01-02T12:00:00"], &["app:1", "base:1"]; "until")]
#[test_case(&["-f", "dangling=true"], &[]; "dangling")]
fn filters(filters: &[&str], expected: &[&str]) {
    let world = World::with_images();
    let words = [&["images", "--format", "{{.Repository}}:{{.Tag}}"], filters].concat();
    if filters.contains(&"since=app") {
        assert!(world.trust(&words).expect_code(8).stderr.contains("No such image: app"));
        return;
    }
    let printed = world.prints(&words);
    let mut names: Vec<&str> = printed.lines().collect();
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_filter_that_is_none_is_refused_in_dockers_words() {
    let world = World::with_images();
    for (filter, words) in [
        ("foo=1", "invalid filter 'foo'"),
        ("foo", "invalid filter 'foo'"),
        ("dangling=maybe", "invalid filter 'dangling=maybe'"),
        ("reference=[", "invalid filter 'reference=['"),
    ] {
        let finished = world.trust(&["images", "-f", filter]).expect_code(2);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
}

#[test]
fn templates_and_json() {
    let world = World::with_images();
    let line = world.prints(&["images", "--format", "json", "app"]);
    let row: Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [
        ("Repository", "app"),
        ("Tag", "1"),
        ("Containers", "N/A"),
        ("CreatedAt", "2024-01-02 00:00:00 +0000 UTC"),
    ] {
        assert_eq!(row[field], value);
    }
    let table = world.prints(&["images", "--format", "table {{.ID}}\\t{{.CreatedSince}}", "app"]);
    assert!(table.starts_with("IMAGE ID       CREATED\n"), "{table}");
    let raw = world.prints(&["images", "--format", "raw", "app"]);
    assert!(raw.starts_with("repository: app\ntag: 1\nimage_id: "), "{raw}");
    let rows: Value = serde_json::from_str(&world.prints(&["images", "--json", "app"])).unwrap();
    assert_eq!(rows[0]["name"], "docker.io/library/app:1");
    assert_eq!(rows[0]["created"], "2024-01-02T00:00:00Z");
    let finished = world.trust(&["images", "--format", "{{.Nope}}"]).expect_code(2);
    assert!(finished.stderr.contains("there is no field Nope"), "{}", finished.stderr);
}

#[test]
fn names_of_others_and_none() {
    let world = World::with_images();
    let layout = world.layout();
    let bare =
        layout.image(&[&archive(&[("bare", "")])], &json!({"created": "1970-01-01T00:00:00Z"}));
    let nameless = layout.image(&[&archive(&[("nameless", "")])], &json!({}));
    layout.add("v1", &bare);
    layout.add("", &nameless);
    let both = world.prints(&["images", "--format", "{{.Repository}} {{.Tag}} {{.CreatedSince}}"]);
    assert!(both.contains("<none> v1 N/A\n") && both.contains("<none> <none> N/A\n"), "{both}");
    assert_eq!(world.id("v1"), layout.id(&bare));
    let dangling = world.prints(&["images", "-q", "--no-trunc", "-f", "dangling=true"]);
    assert_eq!(dangling.trim(), layout.id(&nameless));
    world.trust(&["tag", &layout.id(&nameless)[7..19], "now"]).success();
    assert_eq!(world.prints(&["images", "-q", "-f", "dangling=true"]), "");
    assert_eq!(world.id("now"), layout.id(&nameless));
}

#[test]
fn digests_are_those_of_the_repository() {
    let world = World::with_images();
    let layout = world.layout();
    let listed =
        |name: &str| world.prints(&["images", "--format", "{{.Digest}}", name]).trim().to_owned();
    let mut index = layout.read_index();
    let own = index["manifests"][1]["digest"].as_str().unwrap().to_owned();
    assert_eq!(listed("app:1"), own);
    let theirs = format!("docker.io/library/app@sha256:{}", "7".repeat(64));
    index["manifests"][1]["annotations"]["vnd.trust.image.source"] = json!(theirs);
    layout.write_index(&index);
    assert_eq!(listed("app:1"), theirs["docker.io/library/app@".len()..]);
    let short = &theirs["docker.io/library/".len()..];
    assert_eq!(world.id(short), world.id("app:1"));
    world.trust(&["tag", short, "h.example/else:1"]).success();
    assert_eq!(listed("h.example/else:1"), own);
    let digests = ["image", "inspect", "--format", "{{.RepoDigests}}", "h.example/else:1"];
    assert_eq!(world.prints(&digests), format!("[{short}]\n"));
    assert_eq!(world.prints(&["rmi", "app:1"]), format!("Untagged: app:1\nUntagged: {short}\n"));
}

#[test]
fn history_and_layers() {
    let world = World::with_images();
    let text = world.prints(&["history", "base:1"]);
    let rows = columns(&text);
    assert_eq!(rows[0], ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    assert_eq!(rows[1][2..], ["CMD run", "0B", "note"]);
    assert_eq!((rows[2][0], rows[2][2], rows[2][3]), ("<missing>", "COPY base", "2.05kB"));
    assert!(world.id("base:1").contains(rows[1][0]));
    let ids = world.prints(&["image", "history", "-q", "--no-trunc", "base:1"]);
    assert_eq!(ids, format!("{}\n<missing>\n", world.id("base:1")));
    let plain = world.prints(&["history", "-H=false", "base:1"]);
    assert!(plain.contains("2024-01-01T00:00:00Z") && plain.contains("2048"), "{plain}");
    // Two layers and one step that made one.
    let steps: Value =
        serde_json::from_str(&world.prints(&["history", "--json", "app:1"])).unwrap();
    let made: Vec<(&str, bool)> = (steps.as_array().unwrap().iter())
        .map(|step| (step["created_by"].as_str().unwrap(), step["layer"].is_string()))
        .collect();
    assert_eq!(made, [("", true), ("CMD run", false), ("COPY app", true)]);
    let layers: Value =
        serde_json::from_str(&world.prints(&["image", "layers", "--json", "app:1"])).unwrap();
    let diff_ids =
        world.prints(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", "app:1"]);
    let diff_ids: Value = serde_json::from_str(&diff_ids).unwrap();
    for place in 0..2 {
        assert_eq!(layers[place]["diff_id"], diff_ids[place]);
        assert_eq!(layers[place]["state"], "here");
    }
    assert_eq!(layers[0]["chain_id"], diff_ids[0]);
    assert_ne!(layers[1]["chain_id"], diff_ids[1]);
}

#[test]
fn more_steps_than_layers_are_no_error() {
    let world = World::new();
    let layout = Layout::new(&world.folder());
    let history: Vec<Value> = (0..3).map(|n| json!({"created_by": n.to_string()})).collect();
    layout.add("a:1", &layout.image(&[b"layer"], &json!({"history": history})));
    let steps =
        world.prints(&["history", "--format", "{{.CreatedBy}} {{.Size}} {{.CreatedAt}}", "a:1"]);
    assert_eq!(steps, "2 0B N/A\n1 0B N/A\n0 5B N/A\n");
}

#[test]
fn inspections_have_dockers_form_and_go_on_after_one_that_fails() {
    let world = World::with_images();
    let finished = world.trust(&["image", "inspect", "nope", "app:1", "base:1"]).expect_code(8);
    assert!(finished.stderr.contains("No such image: nope"), "{}", finished.stderr);
    assert!(finished.stdout.contains(r"a\u003cb\u003e\u0026c"), "{}", finished.stdout);
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(found[0]["RepoTags"], json!(["app:1"]));
    assert_eq!(world.trust(&["image", "inspect", "nope"]).expect_code(8).stdout, "[]\n");
    for (template, expected) in [
        ("{{.Config.Cmd}}", "[/bin/run app]"),
        ("{{index .Config.Labels \"made\"}}", "app"),
        ("{{index .Config.Labels \"nope\"}}", ""),
        ("{{.Config.Labels.nope}}", "<no value>"),
        ("{{json .Config.Cmd}}", r#"["/bin/run","app"]"#),
        (
            "{{json .Config}}",
            r#"{"Cmd":["/bin/run","app"],"Labels":{"made":"app","odd":"a<b>&c"}}"#,
        ),
        ("{{.Os}}/{{.Architecture}}{{.Variant}} {{.Created}}", "linux/amd64 2024-01-02T00:00:00Z"),
        ("{{range .RepoTags}}{{.}};{{end}}{{len .RootFS.Layers}}", "app:1;2"),
        ("{{.Config.Volumes.x}} {{.Config.Entrypoint}}", "<no value> []"),
    ] {
        let printed = world.prints(&["image", "inspect", "--format", template, "app:1"]);
        assert_eq!(printed, format!("{expected}\n"), "{template}");
    }
    let finished =
        world.trust(&["image", "inspect", "--format", "{{.Nope}}", "app:1"]).expect_code(2);
    assert!(finished.stderr.contains("there is no field Nope"), "{}", finished.stderr);
}

#[test]
fn one_of_several_platforms_is_chosen() {
    let world = World::new();
    let layout = Layout::new(&world.folder());
    let image = |architecture: &str, name: &str| {
        let mut config = created("2024-01-01", name);
        config["architecture"] = json!(architecture);
        layout.image(&[name.as_bytes()], &config)
    };
    let parts = [image("s390x", "one"), image("arm64", "two"), image("amd64", "three")];
    layout.add("multi:1", &layout.index(&parts));
    let architecture = |words: &[&str]| {
        let words =
            [&["image", "inspect", "--format", "{{.Architecture}}", "multi:1"], words].concat();
        world.prints(&words).trim().to_owned()
    };
    let ours = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    assert_eq!(architecture(&[]), ours);
    assert_eq!(architecture(&["--platform", "linux/s390x"]), "s390x");
    let finished = world.trust(&["history", "--platform", "linux/386", "multi:1"]).expect_code(8);
    assert!(finished.stderr.contains("multi:1 is not here for linux/386"), "{}", finished.stderr);
}
