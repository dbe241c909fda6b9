//! Images that somebody hostile made: refused by `pull`, or by whoever looks inside them later.

use std::fs;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::EntryType;
use test_case::test_case;

use super::scene::{Scene, blob_file};
use crate::harness::disk::files_under;
use crate::harness::image::{
    Blob, File, Image, OCI_CONFIG, OCI_INDEX, OCI_LAYER_ZSTD, OCI_MANIFEST, archive,
    digest_in_layout, index_of, noise, write_into_layout,
};
use crate::harness::registry::{Answer, Fault};
use crate::peers::image::digest;
use crate::peers::process::Finished;

fn image() -> Image {
    Image::of_size(5000, 1)
}

/// Serves these bytes as the manifest `app:1`.
fn serve_raw(scene: &Scene, media_type: &str, bytes: &[u8]) {
    scene.registry.contents().put_manifest("app", "1", media_type, bytes);
}

#[test_case(-1; "one less")]
#[test_case(-4000; "much less")]
#[test_case(1; "one more")]
#[test_case(1 << 40; "much more")]
fn a_layer_of_another_size_than_its_descriptor_says(by: i64) {
    let size = i64::try_from(image().layers[0].bytes.len()).unwrap() + by;
    let image = image().with_manifest(|manifest| manifest["layers"][0]["size"] = json!(size));
    let scene = Scene::serving(&image);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
}

#[test]
fn a_configuration_of_another_size_than_its_descriptor_says() {
    let image = image().with_manifest(|manifest| manifest["config"]["size"] = json!(7));
    let scene = Scene::serving(&image);
    scene.refuses_pull(7, &[&image.config.digest()]);
}

#[test_case(&json!(-1), "has the size -1"; "negative")]
#[test_case(&json!(i64::MIN), "has the size"; "the least there is")]
#[test_case(&json!(u64::MAX), "not well-formed"; "more than fits")]
#[test_case(&json!(1.5), "not well-formed"; "a fraction")]
#[test_case(&json!(1e300), "not well-formed"; "beyond all measure")]
#[test_case(&json!("12"), "not well-formed"; "text")]
#[test_case(&json!(null), "not well-formed"; "nothing")]
fn sizes_that_are_none(size: &Value, said: &str) {
    for part in ["config", "layers"] {
        let image = image().with_manifest(|manifest| match part {
            "config" => manifest["config"]["size"] = size.clone(),
            _ => manifest["layers"][0]["size"] = size.clone(),
        });
        let scene = Scene::serving(&image);
        scene.refuses_pull(10, &[said]);
        assert!(scene.registry.asked("GET", "/blobs/").is_empty(), "{:?}", scene.registry);
    }
}

#[test]
fn a_layer_larger_than_any_disk() {
    let image = image();
    let size = json!(i64::MAX);
    let image = image.with_manifest(|manifest| manifest["layers"][0]["size"] = size);
    let scene = Scene::serving(&image);
    let layer = format!("/blobs/{}", image.layers[0].digest());
    let endless = || Fault::wrong_length(isize::MAX);
    scene.registry.script().always("GET", &layer, endless);
    let finished = scene.pull();
    assert!(matches!(finished.code, 7 | 10), "{finished:?}");
    assert_eq!(digest_in_layout(&scene.layout(), &scene.image()), None);
}

#[test_case("sha256:../../../../etc/passwd")]
#[test_case("../../../../etc/passwd")]
#[test_case("sha256:ABCDEF")]
#[test_case("sha256:")]
#[test_case("")]
fn digests_that_are_none(digest: &str) {
    for part in ["config", "layers"] {
        let image = image().with_manifest(|manifest| match part {
            "config" => manifest["config"]["digest"] = json!(digest),
            _ => manifest["layers"][0]["digest"] = json!(digest),
        });
        let scene = Scene::serving(&image);
        scene.refuses_pull(10, &["invalid digest"]);
        assert!(scene.registry.asked("GET", "/blobs/").is_empty(), "{:?}", scene.registry);
    }
}

/// The image's manifest, filled up with blanks to so many bytes.
fn padded(image: &Image, size: usize) -> Vec<u8> {
    let mut bytes = image.manifest.bytes.clone();
    bytes.resize(size, b' ');
    bytes
}

#[test]
fn a_manifest_of_4_mebibytes_is_the_largest() {
    let image = image();
    let scene = Scene::serving(&image);
    let largest = padded(&image, 4 << 20);
    serve_raw(&scene, OCI_MANIFEST, &largest);
    scene.pull().success();
    assert_eq!(digest_in_layout(&scene.layout(), &scene.image()), Some(digest(&largest)));
}

#[test]
fn a_manifest_of_more_than_4_mebibytes() {
    let image = image();
    for (size, announced) in [((4 << 20) + 1, None), (8 << 20, None), (10, Some(1 << 40))] {
        let scene = Scene::serving(&image);
        serve_raw(&scene, OCI_MANIFEST, &padded(&image, size.max(image.manifest.bytes.len())));
        if let Some(announced) = announced {
            let lie = move || Fault::alter(move |a| Answer { announced: Some(announced), ..a });
            scene.registry.script().always("GET", "/manifests/", lie);
        }
        scene.refuses_pull(10, &["more than 4194304 bytes"]);
    }
}

#[test]
fn an_index_that_contains_itself() {
    let scene = Scene::new();
    let index = index_of(&[image().index_entry("amd64")]);
    // No index can know its own digest, so the registry must lie about what is there.
    serve_raw(&scene, OCI_INDEX, &index.bytes);
    let inner = image().digest();
    scene.registry.contents().put_manifest_as("app", &inner, OCI_MANIFEST, &index.bytes);
    for flag in ["--all-platforms", "--platform=linux/amd64"] {
        scene.refuses(&["pull", "-q", flag, &scene.image()], 7, &[&inner]);
    }
}

/// Serves indexes, each of which contains the one before so many times; returns the outermost.
fn serve_nested(scene: &Scene, depth: usize, times: usize) -> Blob {
    let image = image();
    image.serve(&scene.registry, "app", &image.digest());
    let mut inner = image.index_entry("amd64");
    let mut outermost = image.manifest;
    for _ in 0..depth {
        outermost = index_of(&vec![inner; times]);
        scene.registry.contents().put_manifest("app", "1", OCI_INDEX, &outermost.bytes);
        inner = outermost.descriptor();
        inner["platform"] = json!({"architecture": "amd64", "os": "linux"});
    }
    outermost
}

#[test]
fn indexes_in_indexes_ten_thousand_deep() {
    let scene = Scene::new();
    serve_nested(&scene, 10_000, 1);
    for flag in ["--all-platforms", "--platform=linux/amd64"] {
        scene.registry.forget_log();
        scene.refuses(
            &["pull", "-q", flag, &scene.image()],
            10,
            &["nests indexes more than 4 deep"],
        );
        let asked = scene.registry.asked("GET", "/manifests/").len();
        assert!(asked < 100, "followed {asked} deep");
    }
}

#[test]
fn an_index_in_an_index() {
    let scene = Scene::new();
    let outermost = serve_nested(&scene, 2, 1);
    scene.run(&["pull", "-q", "--all-platforms", &scene.image()]).success();
    let stored = digest_in_layout(&scene.layout(), &scene.image());
    assert_eq!(stored, Some(outermost.digest()));
}

#[test]
fn what_an_index_names_again_and_again_is_fetched_once() {
    let scene = Scene::new();
    serve_nested(&scene, 2, 1000);
    let finished = scene.run(&["pull", "-q", "--all-platforms", &scene.image()]);
    finished.success();
    let asked = scene.registry.asked("GET", "/manifests/").len();
    assert!(asked <= 4, "asked {asked} times");
}

#[test_case(100_000, "more than 4194304 bytes"; "a hundred thousand")]
#[test_case(5_000, "more than 4096"; "five thousand")]
fn an_index_of_so_many_entries(count: usize, said: &str) {
    let scene = Scene::new();
    let entries: Vec<Value> = (0..count)
        .map(|number| {
            let digest = digest(&number.to_le_bytes());
            json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 7})
        })
        .collect();
    serve_raw(&scene, OCI_INDEX, &index_of(&entries).bytes);
    scene.refuses(&["pull", "-q", "--all-platforms", &scene.image()], 10, &[said]);
    assert_eq!(scene.registry.asked("GET", "/manifests/sha256").len(), 0);
}

#[test]
fn an_image_of_five_thousand_layers() {
    let image = image().with_manifest(|manifest| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = json!(vec![layer; 5000]);
    });
    Scene::serving(&image).refuses_pull(10, &["more than 4096"]);
}

#[test_case("not json"; "text")]
#[test_case("[]"; "a list")]
#[test_case("null"; "nothing")]
#[test_case("\u{feff}{}"; "with a mark")]
#[test_case(r#"{"rootfs":7}"#; "of another shape")]
fn a_configuration_that_is_none(text: &str) {
    let image = Image::of_parts(Blob::new(OCI_CONFIG, text), image().layers);
    let scene = Scene::serving(&image);
    scene.refuses_pull(10, &["configuration", &image.config.digest()]);
}

#[test]
fn a_configuration_nested_a_hundred_thousand_deep() {
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let image = Image::of_parts(Blob::new(OCI_CONFIG, text), image().layers);
    Scene::serving(&image).refuses_pull(10, &["configuration"]);
}

#[test]
fn a_configuration_without_end() {
    let image = image();
    let size = json!(1_u64 << 40);
    let image = image.with_manifest(|manifest| manifest["config"]["size"] = size);
    let scene = Scene::serving(&image);
    let config = format!("/blobs/{}", image.config.digest());
    scene.registry.script().always("GET", &config, || Fault::wrong_length(1 << 40));
    scene.refuses_pull(10, &["more than"]);
}

#[test]
fn a_configuration_of_a_hundred_mebibytes() {
    let config = json!({
        "architecture": "amd64", "os": "linux", "padding": "x".repeat(100 << 20),
        "rootfs": {"type": "layers", "diff_ids": [image().layers[0].digest()]},
    });
    let image = Image::of_parts(Blob::json(OCI_CONFIG, &config), image().layers);
    Scene::serving(&image).refuses_pull(10, &["more than"]);
}

/// An image whose configuration lists other layers than its manifest.
fn with_diff_ids(diff_ids: &[String]) -> Image {
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    Image::of_parts(Blob::json(OCI_CONFIG, &config), image().layers)
}

#[test_case(0; "none")]
#[test_case(2; "one too many")]
#[test_case(100; "a hundred")]
fn layers_that_the_configuration_counts_otherwise(count: usize) {
    let image = with_diff_ids(&vec![digest(b"x"); count]);
    Scene::serving(&image).refuses_pull(7, &["but its configuration is for"]);
}

#[test_case("pull", ".."; "up")]
#[test_case("pull", "a/../b"; "up within")]
#[test_case("pull", "a/.."; "up at the end")]
#[test_case("pull", "./a"; "here")]
#[test_case("pull", "a//b"; "an empty part")]
#[test_case("pull", "a:../x"; "a tag that goes up")]
#[test_case("pull", "a@sha256:../x"; "a digest that goes up")]
#[test_case("push", "a/../b"; "up within, of a push")]
#[test_case("push", "a:../x"; "a tag that goes up, of a push")]
fn names_that_climb_out(command: &str, name: &str) {
    let scene = Scene::new();
    let name = format!("{}/{name}", scene.registry.host());
    scene.refuses(&[command, "-q", &name], 2, &[]);
    assert!(scene.registry.log().is_empty(), "{:?}", scene.registry);
}

#[test]
fn tags_that_climb_out() {
    let image = image();
    let scene = Scene::serving(&image);
    let tags = json!({"name": "app", "tags": ["../../escaped", "1", "a b", "\u{1b}[2J"]});
    let answer = Answer::new(200, tags.to_string()).with("Content-Type", "application/json");
    let fault = move || Fault::Answer(answer.clone());
    scene.registry.script().always("GET", "/tags/list", fault);
    let before = files_under(&scene.user.home());
    let finished = scene.run(&["pull", "-q", "-a", &scene.registry.image("app")]);
    let finished = finished.success();
    assert_eq!(finished.stdout, format!("{}\n", scene.image()));
    assert!(!finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
    let new = files_under(&scene.user.home());
    let new = new.keys().filter(|path| !before.contains_key(*path));
    assert!(
        new.clone().all(|path| path.starts_with("images/blobs")),
        "{:?}",
        new.collect::<Vec<_>>()
    );
}

#[test]
fn words_of_a_registry_do_not_reach_the_terminal_as_commands() {
    let image = image();
    let scene = Scene::serving(&image);
    let body = json!({"errors": [{"code": "\u{1b}[2J", "message": "\u{1b}]0;owned\u{7}\r\nok"}]});
    let answer = Answer::new(400, body.to_string()).with("Content-Type", "application/json");
    let fault = move || Fault::Answer(answer.clone());
    scene.registry.script().always("GET", "/manifests/", fault);
    let finished = scene.refuses_pull(10, &["400"]);
    let harmless = |letter: char| letter == '\n' || !letter.is_control();
    assert!(finished.stderr.chars().all(harmless), "{:?}", finished.stderr);
}

// From here on: images that are what their digests say, and are a trap to whoever looks inside.

/// Somebody who has this image as `app:1`.
fn look_inside(image: &Image, words: &[&str]) -> (Scene, Finished) {
    let scene = Scene::new();
    let name = "trap.example/app:1";
    write_into_layout(&scene.layout(), name, image);
    let before = files_under(&scene.user.home());
    let finished = scene.run(words);
    let after = files_under(&scene.user.home());
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        assert!(path.starts_with("images/blobs"), "left behind: {}", path.display());
    }
    (scene, finished)
}

/// Flattens `app:1` into `flat:1`.
const FLATTEN: [&str; 4] = ["image", "flatten", "trap.example/app:1", "trap.example/flat:1"];
/// Compares it with what is harmless.
const DIFF: [&str; 4] = ["image", "diff", "kept.example/kept:1", "trap.example/app:1"];
const FLAT: &str = "trap.example/flat:1";

/// The names in the one layer of what was flattened.
fn names_in_flat(scene: &Scene) -> Vec<String> {
    let layout = scene.layout();
    let read = |digest: &str| fs::read(blob_file(&layout, digest)).unwrap();
    let manifest: Value =
        serde_json::from_slice(&read(&digest_in_layout(&layout, FLAT).unwrap())).unwrap();
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    let bytes = read(layer["digest"].as_str().unwrap());
    let bytes = match layer["mediaType"].as_str().unwrap() {
        OCI_LAYER_ZSTD => zstd::decode_all(&*bytes).unwrap(),
        name if name.ends_with("gzip") => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
            plain
        }
        _ => bytes,
    };
    let mut archive = tar::Archive::new(&*bytes);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    entries.map(|entry| String::from_utf8_lossy(&entry.path_bytes()).into_owned()).collect()
}

#[test_case(File::plain("../escaped", "x"), 7, "climbs out"; "up")]
#[test_case(File::plain("../../../../../../../../tmp/escaped", "x"), 7, "climbs out"; "far up")]
#[test_case(File::plain("a/../../escaped", "x"), 7, "climbs out"; "up from within")]
#[test_case(File::plain("..", "x"), 7, "climbs out"; "nothing but up")]
#[test_case(File::plain("../.wh.escaped", "x"), 7, "climbs out"; "a removal above")]
#[test_case(File::link(EntryType::Link, "a", "../escaped"), 7, "climbs out"; "a hard link up")]
#[test_case(File::link(EntryType::Link, "a", "/etc/passwd"), 14, "not a file of the image"; "a hard link to a file here")]
#[test_case(File::link(EntryType::Link, "a", "a"), 14, "not a file of the image"; "a hard link to itself")]
#[test_case(File::link(EntryType::Link, "a", "missing"), 14, "not a file of the image"; "a hard link to nothing")]
#[test_case(File::plain("a/..", "x"), 14, "no folder"; "a file in place of the root, in disguise")]
#[test_case(File::plain(".", "x"), 14, "no folder"; "a file in place of the root")]
#[test_case(File::plain(".wh...", "x"), 14, "not the name of a file"; "the removal of what is above")]
#[test_case(File::plain(".wh..", "x"), 14, "not the name of a file"; "the removal of the root")]
fn entries_that_climb_out(file: File, code: i32, said: &str) {
    let files = [File::plain("before", "1"), file, File::plain("after", "2")];
    let image = Image::of(vec![Blob::layer_of(10, 1), Blob::gzip_layer(&archive(&files))]);
    for words in [FLATTEN, DIFF] {
        let (scene, finished) = look_inside(&image, &words);
        let finished = finished.expect_code(code);
        assert!(finished.stderr.contains(said), "{finished:?}");
        assert!(finished.stdout.is_empty(), "{finished:?}");
        assert_eq!(digest_in_layout(&scene.layout(), FLAT), None);
    }
}

#[test_case("/inside"; "from the root")]
#[test_case("//inside"; "from the root twice")]
#[test_case("./a/../inside"; "there and back")]
fn entries_whose_names_only_look_as_if_they_climbed_out(name: &str) {
    let files = [File::plain(name, "1"), File::plain("after", "2")];
    let image = Image::of(vec![Blob::gzip_layer(&archive(&files))]);
    let (scene, finished) = look_inside(&image, &FLATTEN);
    finished.success();
    let names = names_in_flat(&scene);
    assert!(names.contains(&"inside".to_owned()), "{names:?}");
    assert!(names.contains(&"after".to_owned()), "{names:?}");
}

#[test]
fn a_link_to_a_folder_outside_and_a_file_behind_it() {
    let files = [
        File::link(EntryType::Symlink, "door", "../../../../../../../../tmp"),
        File::plain("door/escaped", "x"),
    ];
    let image = Image::of(vec![Blob::gzip_layer(&archive(&files))]);
    let (scene, finished) = look_inside(&image, &FLATTEN);
    finished.success();
    // The later entry takes the link's place, as when such an image is unpacked layer by layer.
    let names = names_in_flat(&scene);
    assert!(names.iter().all(|name| !name.contains("..")), "{names:?}");
}

/// zstd of an archive that holds one file of zeros of so many bytes; a block of 128 KiB takes four
/// bytes (RFC 8878 §3.1.1.2).
fn zstd_bomb(size: u64) -> Blob {
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = zstd::encode_all(&header.as_bytes()[..], 1).unwrap();
    // Frames follow one another; this one has no checksum, no size, and a window of 128 KiB.
    bytes.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0b0000_0000, 0b0011_1000]);
    let blocks = size / (128 << 10);
    for number in 1..=blocks {
        let is_last = u32::from(number == blocks);
        let head = is_last | (1 << 1) | ((128 << 10) << 3);
        bytes.extend_from_slice(&head.to_le_bytes()[..3]);
        bytes.push(0);
    }
    bytes.extend(zstd::encode_all(&[0; 1024][..], 1).unwrap());
    Blob::new(OCI_LAYER_ZSTD, bytes).with_diff_id(&digest(b"a lie"))
}

#[test]
fn the_bomb_is_one() {
    let plain = zstd::decode_all(&*zstd_bomb(1 << 20).bytes).unwrap();
    let mut archive = tar::Archive::new(&*plain);
    let sizes: Vec<u64> = archive.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert_eq!(sizes, [1 << 20]);
}

/// gzip of 64 MiB of zeros so many times, one member after the other (RFC 1952 §2.2).
fn gzip_bomb(times: usize) -> Blob {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    let once = encoder.finish().unwrap();
    Blob::new(crate::harness::image::OCI_LAYER_GZIP, once.repeat(times))
        .with_diff_id(&digest(b"a lie"))
}

#[test_case(zstd_bomb(1 << 40); "zstd, a tebibyte")]
#[test_case(gzip_bomb(256); "gzip, 16 gibibytes")]
fn bombs(layer: Blob) {
    let image = Image::of(vec![layer]);
    for words in [FLATTEN, DIFF] {
        let (scene, finished) = look_inside(&image, &words);
        let finished = finished.expect_code(7);
        assert!(finished.stderr.contains("this is no honest archive"), "{finished:?}");
        assert_eq!(digest_in_layout(&scene.layout(), FLAT), None);
    }
}

#[test]
fn bombs_are_pulled_as_they_are() {
    // Nobody unpacks them on the way.
    let image = Image::of(vec![zstd_bomb(1 << 36)]);
    Scene::serving(&image).pulls(&image);
}

#[test]
fn a_hundred_thousand_entries() {
    let files: Vec<File> = (0..100_000)
        .map(|number| File::plain(&format!("d{}/f{number}", number % 100), ""))
        .collect();
    let image = Image::of(vec![Blob::gzip_layer(&archive(&files))]);
    let (scene, finished) = look_inside(&image, &FLATTEN);
    finished.success();
    let names = names_in_flat(&scene);
    let count = names.iter().filter(|name| name.contains("/f")).count();
    assert_eq!(count, 100_000);
    let (_, finished) = look_inside(&image, &DIFF);
    assert!(finished.stdout.contains("d99/f99999"), "{}", finished.stderr);
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says() {
    let files = archive(&[File::plain("a", "x")]);
    let image = Image::of(vec![Blob::gzip_layer(&files).with_diff_id(&digest(b"another"))]);
    let (scene, finished) = look_inside(&image, &FLATTEN);
    assert_eq!(finished.code, 7, "{finished:?}");
    assert_eq!(digest_in_layout(&scene.layout(), FLAT), None);
}

/// An archive whose one entry says that it has so many bytes and has none.
fn with_size_field(field: [u8; 12]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[0] = b'a';
    header.set_mode(0o644);
    header.as_old_mut().size = field;
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    [&header.as_bytes()[..], &[0; 1024]].concat()
}

#[test_case(&noise(5000, 1), "not an entry of a tar archive"; "noise")]
#[test_case(&archive(&[File::plain("a", noise(5000, 1))])[..2000], "ends in the middle"; "an archive that ends early")]
#[test_case(&with_size_field(*b"77777777777\0"), "ends in the middle"; "a file of 8 gibibytes that is not there")]
#[test_case(&with_size_field([0xff; 12]), "not a number"; "a file of less than nothing")]
#[test_case(&with_size_field([0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "not a number"; "a file beyond all measure")]
#[test_case(&with_size_field(*b"not a number"), "not a number"; "a size that is none")]
fn archives_that_are_none(bytes: &[u8], said: &str) {
    let image = Image::of(vec![Blob::gzip_layer(bytes)]);
    for words in [FLATTEN, DIFF] {
        let (scene, finished) = look_inside(&image, &words);
        let finished = finished.expect_code(14);
        for part in [said, &image.layers[0].digest()] {
            assert!(finished.stderr.contains(part), "{finished:?}");
        }
        assert_eq!(digest_in_layout(&scene.layout(), FLAT), None);
    }
}

#[test_case(|bytes| bytes.truncate(bytes.len() / 2), 14, "ends in the middle"; "cut in half")]
#[test_case(|bytes| bytes[0] = 0, 7, "is not compressed"; "no gzip")]
#[test_case(|bytes| { let last = bytes.len() - 6; bytes[last] ^= 1; }, 14, "is damaged"; "with another checksum")]
#[test_case(Vec::clear, 7, "but the image's configuration says"; "nothing at all")]
fn gzip_that_is_none(change: fn(&mut Vec<u8>), code: i32, said: &str) {
    let mut layer = Blob::layer_of(5000, 1);
    change(&mut layer.bytes);
    let image = Image::of(vec![layer]);
    let (scene, finished) = look_inside(&image, &FLATTEN);
    let finished = finished.expect_code(code);
    assert!(finished.stderr.contains(said), "{finished:?}");
    assert_eq!(digest_in_layout(&scene.layout(), FLAT), None);
}

#[test]
fn names_in_a_layer_do_not_reach_the_terminal_as_commands() {
    let files = [File::plain("a\u{1b}[2Jb", "x"), File::plain("c\nd", "x")];
    let image = Image::of(vec![Blob::gzip_layer(&archive(&files))]);
    let (_, finished) = look_inside(&image, &DIFF);
    assert!(!finished.stdout.contains('\u{1b}'), "{:?}", finished.stdout);
    assert!(!finished.stdout.contains("c\nd"), "{:?}", finished.stdout);
}

#[test_case("layers")]
#[test_case("history")]
#[test_case("inspect")]
fn looking_at_an_image_whose_configuration_counts_otherwise(command: &str) {
    let image = with_diff_ids(&vec![digest(b"x"); 3]);
    let (_, finished) = look_inside(&image, &["image", command, "trap.example/app:1"]);
    // To show what there is is right, and so is to refuse; to stop at a surprise is not.
    assert!(matches!(finished.code, 0 | 10 | 14), "{finished:?}");
}
