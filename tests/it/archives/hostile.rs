//! Archives that lie, break off, climb out or blow up: refused with a reason, nothing left behind.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::world::{World, archived, docker_members, gzip, gzip_tightly, tar};
use crate::harness::layout::{CONFIG, INDEX, LAYER, Layout, MANIFEST};
use crate::peers::image::digest;

/// Loads an archive, which must be refused so, and looks that nothing is left of it.
fn refused(archive: &[u8], code: i32, words: &str) {
    let world = World::new();
    // Something that was there before.
    world.import(&tar(&[("x", b"before")]), "before:1");
    let before = (world.layout("images").read_index(), world.layout("images").blobs());
    let file = world.file("archive", archive);
    for input in [&["load", "-i", &file][..], &["load"]] {
        let done = if input.len() == 1 {
            let layout = world.text("images");
            world.user.trust_with_input(&["load", "--layout", &layout], archive)
        } else {
            world.trust(input)
        };
        let done = done.expect_code(code);
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
        assert_eq!(done.stdout, "");
        let after = (world.layout("images").read_index(), world.layout("images").blobs());
        assert_eq!(after, before, "{words}");
        for hidden in [".trust-incoming", ".trust-leases"] {
            let folder = world.path("images").join(hidden);
            assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "{words}: {hidden}");
        }
    }
}

/// Docker's archive with this one layer.
fn with_layer(layer: &[u8]) -> Vec<u8> {
    archived(&docker_members(&[layer], "app:1"))
}

/// Docker's archive, its members changed.
fn changed(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut members = docker_members(&[&tar(&[("x", b"1")]), &tar(&[("y", b"2")])], "app:1");
    change(&mut members);
    archived(&members)
}

fn replace(members: &mut [(String, Vec<u8>)], name: &str, bytes: &[u8]) {
    let member = members.iter_mut().find(|(member, _)| member == name).unwrap();
    member.1 = bytes.to_vec();
}

#[test]
fn entries_that_climb_out() {
    for name in ["../x", "a/../../x", "/../x"] {
        refused(&with_layer(&tar(&[(name, b"x")])), 7, "climbs out");
    }
    refused(&tar(&[("../manifest.json", b"[]")]), 7, "climbs out");
    let list = json!([{"Config": "../../etc/passwd", "Layers": []}]).to_string();
    refused(&tar(&[("manifest.json", list.as_bytes())]), 7, "climbs out");
}

#[test]
fn writing_through_a_link_stays_in_the_image() {
    let world = World::new();
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    let outside = world.text("outside");
    layer.append_link(&mut header, "way", &outside).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o644);
    layer.append_data(&mut header, "way/file", &b"evil"[..]).unwrap();
    let id = world.import(&layer.into_inner().unwrap(), "app:1");
    assert!(id.starts_with("sha256:"));
    world.trust(&["image", "flatten", "app:1", "flat:1"]).success();
    assert!(!world.path("outside").exists());
    let same = world.trust(&["image", "diff", "--files", "app:1", "flat:1"]).success();
    assert_eq!(same.stdout, "");
}

#[test]
fn bombs() {
    // Some 1 MB that unpack to more than a thousand million bytes.
    let member = gzip_tightly(&vec![0; 64 << 20]);
    refused(&with_layer(&member.repeat(17)), 7, "no honest archive");
    let zeros = vec![0; 32 << 20];
    let frame = zstd::bulk::compress(&zeros, 1).unwrap();
    refused(&with_layer(&frame.repeat(34)), 7, "no honest archive");
    // The whole archive may be one as well.
    refused(&member.repeat(17), 7, "no honest archive");
    let world = World::new();
    let file = world.file("files.tar", &tar(&[("x", &vec![0; 100_000])]));
    let done = world.trust(&["import", &file, "--max-size", "50kB"]).expect_code(12);
    assert!(done.stderr.contains("more than 50000 bytes"), "{}", done.stderr);
    world.trust(&["import", &file, "--max-size", "1MB"]).success();
}

#[test]
fn archives_that_break_off() {
    let whole = changed(|_| {});
    for length in [100, 700, 1300, whole.len() - 1500] {
        let words = if length == whole.len() - 1500 { "" } else { "ends in the middle" };
        refused(&whole[..length], 14, words);
    }
    let packed = gzip(&whole);
    refused(&packed[..packed.len() - 4], 14, "ends in the middle");
    refused(&packed[..packed.len() / 2], 14, "ends in the middle");
    let layer = gzip(&tar(&[("x", b"1")]));
    refused(&with_layer(&layer[..layer.len() - 3]), 14, "ends in the middle");
    refused(b"", 14, "has no images");
    refused(b"this is no archive, but a text of some length".repeat(50).as_slice(), 14, "byte 0");
    refused(b"BZh91AY&SY and so on", 14, "bzip2");
}

#[test]
fn layers_that_are_others() {
    let other = tar(&[("x", b"other")]);
    refused(&changed(|members| replace(members, "0/layer.tar", &other)), 7, "configuration says");
    let swapped = changed(|members| {
        let list = json!([{"Config": "config.json", "RepoTags": ["app:1"],
            "Layers": ["1/layer.tar", "0/layer.tar"]}]);
        replace(members, "manifest.json", list.to_string().as_bytes());
    });
    refused(&swapped, 7, "configuration says");
}

#[test]
fn lists_that_lie() {
    let list = |list: &serde_json::Value| {
        let list = list.to_string();
        changed(|members| replace(members, "manifest.json", list.as_bytes()))
    };
    let layers = json!(["0/layer.tar", "1/layer.tar"]);
    let none = list(&json!([{"Config": "config.json", "Layers": ["0/layer.tar", "2/layer.tar"]}]));
    refused(&none, 14, "`2/layer.tar` is listed and not in the archive");
    let no_config = list(&json!([{"Config": "none.json", "Layers": layers}]));
    refused(&no_config, 14, "`none.json` is listed and not in the archive");
    let layer = list(&json!([{"Config": "0/layer.tar", "Layers": layers}]));
    refused(&layer, 14, "is a layer and not a configuration");
    let fewer = list(&json!([{"Config": "config.json", "Layers": ["0/layer.tar"]}]));
    refused(&fewer, 14, "1 layers, but its configuration names 2");
    let name = list(&json!([{"Config": "config.json", "RepoTags": ["A B"], "Layers": layers}]));
    refused(&name, 14, "unusable name");
    refused(&list(&json!({})), 14, "not well-formed");
    refused(&list(&json!([])), 14, "has no images");
    refused(&changed(|members| replace(members, "config.json", b"no json")), 14, "`config.json`");
    let huge = " ".repeat((64 << 20) + 1);
    refused(&tar(&[("manifest.json", huge.as_bytes())]), 14, "that are no layers");
    let twice = changed(|members| members.push(("manifest.json".to_owned(), b"[]".to_vec())));
    refused(&twice, 14, "`manifest.json` twice");
    refused(&tar(&[("repositories", b"{}")]), 14, "before docker had");
    refused(&tar(&[("x", b"y")]), 14, "has no images");
}

#[test]
fn sizes_that_lie() {
    let mut layer = tar(&[("x", b"12345")]);
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&layer[..512]);
    header.set_size(1 << 30);
    header.set_cksum();
    layer[..512].copy_from_slice(header.as_bytes());
    refused(&with_layer(&layer), 14, "ends in the middle");
}

/// An archive of a layout that a test writes.
fn layout_archive(write: impl FnOnce(&Layout, &Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    write(&layout, folder.path());
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", folder.path()).unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn layouts_that_lie() {
    let layer = tar(&[("x", b"1")]);
    refused(
        &layout_archive(|layout, _| {
            let image = layout.image(&[&layer], &json!({}));
            layout.add("a:1", &image);
            fs::write(layout.path_of(&digest(&layer)), b"other").unwrap();
        }),
        7,
        "the content of `blobs/sha256/",
    );
    refused(
        &layout_archive(|layout, _| {
            let image = layout.image(&[&layer], &json!({}));
            layout.add("a:1", &image);
            fs::remove_file(layout.path_of(&digest(&layer))).unwrap();
        }),
        14,
        "is needed and not in the archive",
    );
    // The manifest has another layer than the configuration.
    refused(
        &layout_archive(|layout, _| {
            let config = json!({"os": "linux", "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": [digest(b"other")]}});
            let config = layout.blob(CONFIG, config.to_string().as_bytes());
            let layers = [layout.blob(LAYER, &layer)];
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                "layers": layers});
            layout.add("a:1", &layout.blob(MANIFEST, manifest.to_string().as_bytes()));
        }),
        7,
        "configuration says",
    );
    // A layer that is something else than its media type says.
    refused(
        &layout_archive(|layout, _| {
            let config = json!({"os": "linux", "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
            let config = layout.blob(CONFIG, config.to_string().as_bytes());
            let layers = [layout.blob(LAYER, &gzip(&layer))];
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                "layers": layers});
            layout.add("a:1", &layout.blob(MANIFEST, manifest.to_string().as_bytes()));
        }),
        7,
        "but its media type is",
    );
    // Two truths in one archive.
    refused(
        &layout_archive(|layout, folder| {
            let image = layout.image(&[&layer], &json!({}));
            layout.add("a:1", &image);
            let other = layout.blob(CONFIG, b"{}")["digest"].as_str().unwrap().replace(':', "/");
            let list = json!([{"Config": format!("blobs/{other}"), "Layers": []}]);
            fs::write(folder.join("manifest.json"), list.to_string()).unwrap();
        }),
        7,
        "which `index.json` does not have",
    );
    // Indexes in indexes.
    refused(
        &layout_archive(|layout, _| {
            let mut inner = layout.image(&[&layer], &json!({}));
            for _ in 0..8 {
                let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]});
                inner = layout.blob(INDEX, index.to_string().as_bytes());
            }
            layout.add("a:1", &inner);
        }),
        14,
        "more manifests than are followed",
    );
    refused(
        &layout_archive(|_, folder| fs::write(folder.join("index.json"), "no").unwrap()),
        14,
        "index of the archive",
    );
}

#[test]
fn many_entries_are_no_trouble() {
    let world = World::new();
    let mut layer = tar::Builder::new(Vec::new());
    for number in 0..100_000 {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_mode(0o644);
        let name = format!("d{}/f{number}", number % 100);
        layer.append_data(&mut header, name, &b""[..]).unwrap();
    }
    let layer = layer.into_inner().unwrap();
    world.import(&layer, "app:1");
    world.trust(&["image", "flatten", "app:1", "flat:1"]).success();
    let file = world.text("saved.tar");
    world.trust(&["save", "flat:1", "-o", &file]).success();
    world.trust_on("other", &["load", "-i", &file]).success();
}
