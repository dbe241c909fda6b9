//! Layouts on disks that are full or read-only, damaged ones, and large ones.

use std::fs;

use serde_json::json;

use crate::harness::disk::run_with_mounts;
use crate::harness::layout::{Layout, archive};
use crate::harness::signer::TRUST;
use crate::local_images::world::{World, created};

fn variables(world: &World) -> Vec<(String, String)> {
    vec![
        ("HOME".to_owned(), world.user.home().display().to_string()),
        ("DOCKER_CONFIG".to_owned(), world.user.docker_config().display().to_string()),
    ]
}

#[test]
fn a_read_only_layout_is_read_and_changing_it_fails_cleanly() {
    let world = World::with_images();
    let folder = world.folder().display().to_string();
    let before = world.layout().read_index();
    let script = format!(
        "mount --bind {folder} {folder}\nmount -o remount,ro,bind {folder}\n\
         {TRUST} images -q --layout {folder} | wc -l\n\
         {TRUST} image inspect --layout {folder} --format '{{{{.RepoTags}}}}' app:1\n\
         {TRUST} history -q --layout {folder} app:1 >&2\n\
         for words in 'tag app:1 x' 'rmi app:1' 'prune -f'; do\n\
         code=0; {TRUST} $words --layout {folder} || code=$?; echo $code\ndone\n"
    );
    let finished = run_with_mounts(&script, &variables(&world)).success();
    assert_eq!(finished.stdout, "3\n[app:1]\n14\n14\n14\n", "{}", finished.stderr);
    assert!(finished.stderr.contains("Read-only file system"), "{}", finished.stderr);
    assert_eq!(world.layout().read_index(), before);
}

#[test]
fn a_full_disk_loses_nothing() {
    let world = World::with_images();
    let folder = world.folder().display().to_string();
    let script = format!(
        "mv {folder} {folder}.kept\nmkdir {folder}\nmount -t tmpfs -o size=256k tmpfs {folder}\n\
         cp -a {folder}.kept/. {folder}/\n\
         {TRUST} tag app:1 first --layout {folder}\n\
         cat /dev/zero > {folder}/blobs/filler 2>/dev/null || true\n\
         code=0; {TRUST} tag app:1 second --layout {folder} || code=$?; echo $code\n\
         {TRUST} images -q --layout {folder} | wc -l\n\
         rm {folder}/blobs/filler\n\
         {TRUST} tag app:1 second --layout {folder}\n\
         {TRUST} images -q --layout {folder} | wc -l\n\
         {TRUST} image layers --verify --layout {folder} second >&2\n"
    );
    let finished = run_with_mounts(&script, &variables(&world)).success();
    assert_eq!(finished.stdout, "14\n4\n5\n", "{}", finished.stderr);
    assert!(finished.stderr.contains("No space left on device"), "{}", finished.stderr);
}

#[test]
fn damaged_content_is_told_and_the_image_can_be_removed() {
    let world = World::with_images();
    let layout = world.layout();
    let id = world.id("app:1");
    fs::write(layout.path_of(&id), b"{}").unwrap();
    let listed = world.trust(&["images", "--format", "{{.Repository}} {{.Size}}"]).success();
    assert!(listed.stdout.contains("app N/A\n"), "{}", listed.stdout);
    assert!(
        listed.stderr.contains("the image app:1 cannot be read: the content of"),
        "{}",
        listed.stderr
    );
    let finished = world.trust(&["history", "app:1"]).expect_code(14);
    assert!(finished.stderr.contains("is damaged"), "{}", finished.stderr);
    let printed = world.prints(&["rmi", "app:1"]);
    assert_eq!(printed, format!("Untagged: app:1\nDeleted: {id}\n"));
    layout.assert_whole();
    assert_eq!(layout.blobs().len(), 6);
}

#[test]
fn layers_that_are_missing_or_changed_are_told() {
    let world = World::with_images();
    let layout = world.layout();
    let layers = world.prints(&["image", "layers", "--format", "{{.Digest}}", "app:1"]);
    let layers: Vec<&str> = layers.lines().collect();
    let size = fs::read(layout.path_of(layers[1])).unwrap().len();
    fs::write(layout.path_of(layers[1]), vec![0; size]).unwrap();
    world.trust(&["image", "layers", "app:1"]).success();
    let finished = world.trust(&["image", "layers", "--verify", "app:1"]).expect_code(14);
    assert!(finished.stdout.contains("damaged"), "{}", finished.stdout);
    fs::remove_file(layout.path_of(layers[0])).unwrap();
    let finished = world.trust(&["image", "layers", "app:1"]).expect_code(8);
    assert!(finished.stdout.contains("missing"), "{}", finished.stdout);
    assert!(finished.stderr.contains(layers[0]), "{}", finished.stderr);
}

#[test]
fn what_is_no_layout_or_no_index_is_told_and_left_alone() {
    let world = World::with_images();
    let index = world.folder().join("index.json");
    for (text, words) in
        [("{", "is not well-formed"), ("{}", "has no `manifests`"), ("[]", "is not well-formed")]
    {
        fs::write(&index, text).unwrap();
        for command in
            [&["images"][..], &["rmi", "app:1"], &["tag", "app:1", "x"], &["prune", "-af"]]
        {
            let finished = world.trust(command).expect_code(14);
            assert!(finished.stderr.contains(words), "{}", finished.stderr);
        }
        assert_eq!(fs::read_to_string(&index).unwrap(), text);
    }
    fs::write(world.folder().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    let finished = world.trust(&["images"]).expect_code(14);
    assert!(finished.stderr.contains("says another version"), "{}", finished.stderr);
    let finished = world.user.trust(&["images", "--layout", "."]).expect_code(14);
    assert!(finished.stderr.contains("has other things in it"), "{}", finished.stderr);
}

#[test]
fn a_thousand_images_are_listed_found_and_removed() {
    let world = World::new();
    let layout = Layout::new(&world.folder());
    let layer = archive(&[("base", "base")]);
    let mut index = layout.read_index();
    for number in 0..1000 {
        let image = layout.image(&[&layer], &created("2024-01-01", &number.to_string()));
        let mut entry = image.clone();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": format!("docker.io/library/many:{number}")});
        index["manifests"].as_array_mut().unwrap().push(entry);
    }
    layout.write_index(&index);
    assert_eq!(world.prints(&["images", "-q"]).lines().count(), 1000);
    assert_eq!(world.prints(&["images", "many:77"]).lines().count(), 2);
    world.trust(&["tag", "many:500", "one"]).success();
    let ids = world.prints(&["images", "-q", "--no-trunc", "many:*"]);
    let words: Vec<&str> = [&["rmi"][..], &ids.lines().collect::<Vec<_>>()].concat();
    let finished = world.trust(&words).expect_code(12);
    assert_eq!(finished.stdout.matches("Deleted: ").count(), 999);
    assert_eq!(world.names(), ["many:500", "one:latest"]);
    assert_eq!(layout.blobs().len(), 3);
}
