//! Images made anew in their canonical form.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::peers::tree;
use super::world::{World, archived, docker_members, json_of, rich_files, tar};
use crate::harness::layout::Layout;
use crate::peers::dockerd::Dockerd;

/// Images `a:1` and `b:1` of the same files: one as our tests write archives, one as GNU tar does,
/// at another time, in other layers and with a detour.
fn two_images(world: &World) {
    let expected = world.path("expected");
    fs::create_dir(&expected).unwrap();
    let (files, expected) =
        (world.file("rich.tar", &rich_files()), expected.to_str().unwrap().to_owned());
    let flags =
        ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-pxf", &files, "-C", &expected];
    world.user.program("tar", &flags).success();
    let again = world.text("again.tar");
    let flags = ["--xattrs", "--xattrs-include=*", "--format=pax", "--mtime=@5", "--sort=name"];
    let rest = ["-cf", &again, "-C", &expected, "."];
    world.user.program("tar", &[&flags[..], &rest].concat()).success();
    let again = fs::read(&again).unwrap();
    for (layer, tag) in [(rich_files(), "a:1"), (again, "b:1")] {
        load(world, &[&layer], tag);
    }
}

fn load(world: &World, layers: &[&[u8]], tag: &str) {
    let file = world.file("x.tar", &archived(&docker_members(layers, tag)));
    world.trust(&["load", "-i", &file]).success();
}

/// Makes it canonical; returns its id and its digest.
fn canonicalize(world: &World, args: &[&str]) -> (String, String) {
    let done = world.trust(&[&["image", "canonicalize"], args].concat()).success();
    let digest = done.stderr.lines().find_map(|line| line.strip_prefix("Digest: "));
    (done.stdout.trim().to_owned(), digest.unwrap().to_owned())
}

#[test]
fn the_same_files_give_the_same_digest_whoever_packed_them() {
    let mut world = World::new();
    two_images(&world);
    let one = canonicalize(&world, &["a:1", "a:2"]);
    assert_eq!(one, canonicalize(&world, &["b:1", "b:2"]));
    assert_eq!(one, canonicalize(&world, &["b:2"]), "it is canonical already");
    let zstd = canonicalize(&world, &["a:2", "--compression", "zstd"]);
    assert_eq!((&one.0, one.1 == zstd.1), (&zstd.0, false), "the id stays, the digest does not");
    assert_eq!(one, canonicalize(&world, &[&zstd.0, "again:1"]));
    world.layout("images").assert_whole();
    let manifest = world.layout("images").json(&one.1);
    assert_eq!(manifest["annotations"], json!({"vnd.trust.profile": "canon-v1"}));
    let config = world.layout("images").json(&one.0);
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    // Held still by hand: who changes it makes a new profile.
    assert_eq!(one.1, GOLDEN);
    world.user.set("SOURCE_DATE_EPOCH", "86400");
    let later = canonicalize(&world, &["a:1", "a:3"]);
    assert_ne!(one.0, later.0);
    world.user.set("SOURCE_DATE_EPOCH", "99999999999");
    world.trust(&["image", "canonicalize", "a:1"]).expect_code(2);
}

#[test]
fn layers_stay_apart_and_say_no_more_than_they_change() {
    let world = World::new();
    let base = tar(&[("a", b"1"), ("d/x", b"1"), ("d/y", b"2"), ("gone/z", b"3")]);
    let change = tar(&[("./a", b"1"), ("d/.wh..wh..opq", b""), ("d/y", b"2"), (".wh.gone", b"")]);
    load(&world, &[&base, &change], "app:1");
    let (_, digest) = canonicalize(&world, &["app:1", "app:2"]);
    let layout = world.layout("images");
    let names = |number: usize| {
        let manifest = layout.json(&digest);
        let layer = manifest["layers"][number]["digest"].as_str().unwrap();
        let bytes = fs::read(layout.path_of(layer)).unwrap();
        let mut archive = ::tar::Archive::new(flate2::read::MultiGzDecoder::new(&bytes[..]));
        let entries = archive.entries().unwrap();
        let name = |entry: std::io::Result<::tar::Entry<'_, _>>| {
            entry.unwrap().path().unwrap().to_str().unwrap().to_owned()
        };
        entries.map(name).collect::<Vec<String>>()
    };
    assert_eq!(names(0), ["a", "d/", "d/x", "d/y", "gone/", "gone/z"]);
    assert_eq!(names(1), [".wh.gone", "d/", "d/.wh.x"]);
    let shown = world.trust(&["image", "diff", "--files", "app:1", "app:2"]).success();
    assert_eq!(shown.stdout, "", "the files are the same");
}

#[test]
fn the_real_programs_take_them() {
    let daemon = Dockerd::start();
    let mut world = World::new();
    world.user.use_docker(&daemon);
    two_images(&world);
    let (id, digest) = canonicalize(&world, &["b:1", "canon:1"]);
    let file = world.text("canon.tar");
    world.trust(&["save", "canon:1", "-o", &file]).success();
    world.user.docker(&["load", "-i", &file]).success();
    let theirs = json_of(world.user.docker(&["image", "inspect", "canon:1"]));
    assert_eq!(theirs[0]["Id"], id.as_str());
    world.trust(&["save", "canon:1", "--format", "oci-archive", "-o", &file]).success();
    let copy = world.text("copy");
    let (from, to) = (format!("oci-archive:{file}:1"), format!("oci:{copy}:1"));
    world.user.program("skopeo", &["copy", &from, &to]).success();
    let copy = Layout::at(Path::new(&copy));
    assert_eq!(copy.read_index()["manifests"][0]["digest"], digest.as_str());
    let (from, bundle) = (format!("{}:1", world.text("copy")), world.text("bundle"));
    world.user.program("umoci", &["unpack", "--image", &from, &bundle]).success();
    let without_times = |folder: &str| {
        let mut tree = tree(Path::new(folder));
        for facts in tree.values_mut() {
            facts["mtime"] = Value::Null;
        }
        tree
    };
    let unpacked = without_times(&world.text("bundle/rootfs"));
    assert_eq!(unpacked, without_times(&world.text("expected")));
}

#[test]
fn differences_down_to_the_header() {
    let world = World::new();
    two_images(&world);
    canonicalize(&world, &["a:1", "c:1"]);
    canonicalize(&world, &["a:1", "c:2", "--compression", "zstd"]);
    let shown = world.trust(&["image", "diff", "c:1", "c:2"]).success().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("~ sha256:") && lines[0].ends_with(" [gzip, zstd]"), "{shown}");
    assert!(lines[1].starts_with("- manifest.layers.0.mediaType: "), "{shown}");
    assert_eq!(lines.len(), 3, "{shown}");
    let shown = world.trust(&["image", "diff", "--entries", "a:1", "b:1"]).success().stdout;
    let tool = shown.lines().find(|line| line.starts_with("  C /bin/tool [")).unwrap();
    for difference in
        ["mtime: 11145401322, 00000000005", "name: bin/tool, ./bin/tool", "pax:atime: "]
    {
        assert!(tool.contains(difference), "{shown}");
    }
    assert!(shown.contains("\n  A /\n"), "{shown}");
    assert!(shown.contains("  end: 1024 bytes, "), "{shown}");
    assert!(shown.contains("  order: /"), "{shown}");
    let all = json_of(world.trust(&["image", "diff", "--entries", "--json", "b:1", "c:1"]));
    let entries = all["entries"][0]["entries"].as_array().unwrap();
    let of = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
    let fields = |path: &str| {
        let fields = of(path)["fields"].as_array().unwrap();
        fields.iter().map(|field| field["field"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert!(fields("/etc/link").contains(&"name"), "{all}");
    assert!(!fields("/bin/tool").contains(&"content"), "{all}");
    assert_eq!(of("/")["kind"], "D");
    // The same files, and yet other digests.
    let member = |name: &str, kind: ::tar::EntryType, format: fn() -> ::tar::Header| {
        let mut header = format();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(0);
        header.set_cksum();
        header
    };
    let layer = |names: [&str; 2], format: fn() -> ::tar::Header| {
        let mut archive = ::tar::Builder::new(Vec::new());
        for name in names {
            archive.append(&member(name, ::tar::EntryType::Regular, format), &b""[..]).unwrap();
        }
        archive.into_inner().unwrap()
    };
    load(&world, &[&layer(["a", "b"], ::tar::Header::new_ustar)], "x:1");
    load(&world, &[&layer(["b", "a"], ::tar::Header::new_gnu)], "x:2");
    let shown = world.trust(&["image", "diff", "x:1", "x:2"]).success().stdout;
    let rest: Vec<&str> = shown.lines().skip(3).collect();
    assert!(rest[0].starts_with("  C /a ["), "{shown}");
    assert!(rest[0].contains("magic: ustar, ustar "), "{shown}");
    assert_eq!(*rest.last().unwrap(), "  order: /b before /a, which it comes after", "{shown}");
}

const GOLDEN: &str = "sha256:740cca3ad5c7ee4e757e2911a7e5ed42e9a5c93fd3d45a0428034a8085e88e44";
