//! Pulling from registries that fail: what is asked again, from where, and when it ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use test_case::test_case;

use super::scene::Scene;
use crate::harness::image::{
    Blob, DOCKER_FOREIGN_LAYER, File, Image, OCI_INDEX, archive, digest_in_layout, index_of, noise,
};
use crate::harness::registry::contents::Transfer;
use crate::harness::registry::{Answer, Entry, Fault, Meeting};

/// Bytes of the layer whose connections are cut.
const SIZE: usize = 400_000;
/// More requests for one thing than anybody patient makes.
const MANY: usize = 12;

fn image() -> Image {
    Image::of_size(SIZE, 1)
}

/// Where a request wants to begin; 0 if it wants all.
fn start(entry: &Entry) -> usize {
    let Some(range) = entry.header("range") else { return 0 };
    let first = range.strip_prefix("bytes=").unwrap().split('-').next().unwrap();
    first.parse().unwrap()
}

/// The target of requests for the bytes of an image's first layer.
fn first_layer(image: &Image) -> String {
    format!("/blobs/{}", image.layers[0].digest())
}

#[test]
fn an_honest_registry() {
    let image = Image::of_small_layers(3, 1);
    let scene = Scene::serving(&image);
    scene.pulls(&image);
    for blob in image.blobs() {
        assert_eq!(scene.downloads(blob).len(), 1, "{:?}", scene.registry);
    }
}

#[test_case(0)]
#[test_case(1)]
#[test_case(2)]
#[test_case(3)]
#[test_case(4)]
#[test_case(5)]
#[test_case(6)]
#[test_case(7)]
#[test_case(8)]
#[test_case(9)]
fn a_download_that_was_cut_goes_on_where_it_was(tenths: usize) {
    let image = image();
    let scene = Scene::serving(&image);
    let cut = image.layers[0].bytes.len() * tenths / 10;
    scene.registry.script().once("GET", &first_layer(&image), move || Fault::cut_after(cut));
    scene.pulls(&image);
    let starts: Vec<usize> = scene.downloads(&image.layers[0]).iter().map(start).collect();
    assert_eq!(starts, [0, cut], "what had come was fetched again, or not all of it");
}

#[test]
fn a_download_that_is_cut_more_than_once_goes_on_each_time() {
    let image = image();
    let scene = Scene::serving(&image);
    let cut = || Fault::cut_after(100_000);
    scene.registry.script().nth("GET", &first_layer(&image), 1..=2, cut);
    scene.pulls(&image);
    let starts: Vec<usize> = scene.downloads(&image.layers[0]).iter().map(start).collect();
    assert_eq!(starts, [0, 100_000, 200_000]);
}

#[test]
fn a_download_that_is_always_cut_at_once_has_an_end() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.registry.script().always("GET", &first_layer(&image), || Fault::cut_after(0));
    scene.refuses_pull(10, &["the connection broke", &scene.registry.host()]);
    let asked = scene.downloads(&image.layers[0]).len();
    assert!((2..=MANY).contains(&asked), "asked {asked} times");
}

#[test]
fn a_registry_without_ranges_is_asked_for_all_of_it() {
    let image = image();
    let scene = Scene::serving(&image);
    let layer = first_layer(&image);
    scene.registry.script().once("GET", &layer, || Fault::cut_after(150_000));
    scene.registry.script().always("GET", &layer, Fault::without_ranges);
    scene.pulls(&image);
}

#[test]
fn a_registry_that_knows_no_such_range_any_more() {
    let image = image();
    let scene = Scene::serving(&image);
    let layer = first_layer(&image);
    scene.registry.script().once("GET", &layer, || Fault::cut_after(150_000));
    scene.registry.script().once("GET", &layer, || Fault::error(416, "RANGE_INVALID"));
    let finished = scene.pull();
    // To begin anew is right, and so is to give up; to go on with anything else is not.
    match finished.code {
        0 => scene.has(&image),
        10 => assert!(finished.stderr.contains("416"), "{finished:?}"),
        _ => panic!("{finished:?}"),
    }
}

#[test_case("bytes=0-"; "from the start")]
#[test_case("bytes=150001-"; "with a gap")]
#[test_case("bytes=149999-"; "with an overlap")]
fn another_part_than_was_asked_for_is_refused(range: &str) {
    let image = image();
    let scene = Scene::serving(&image);
    let (layer, range) = (first_layer(&image), range.to_owned());
    scene.registry.script().once("GET", &layer, || Fault::cut_after(150_000));
    scene.registry.script().always("GET", &layer, move || Fault::another_range(range.clone()));
    scene.refuses_pull(10, &["another part than was asked for"]);
}

#[test]
fn a_part_is_refused_where_all_was_asked_for() {
    let image = image();
    let scene = Scene::serving(&image);
    let part = || Fault::another_range("bytes=100-".to_owned());
    scene.registry.script().always("GET", &first_layer(&image), part);
    scene.refuses_pull(10, &["another part than was asked for"]);
}

#[test]
fn a_part_that_does_not_say_which_is_refused() {
    let image = image();
    let scene = Scene::serving(&image);
    let layer = first_layer(&image);
    scene.registry.script().once("GET", &layer, || Fault::cut_after(150_000));
    let nameless = || {
        Fault::alter(|mut answer| {
            answer.headers.retain(|(name, _)| name != "Content-Range");
            answer
        })
    };
    scene.registry.script().always("GET", &layer, nameless);
    scene.refuses_pull(10, &["a part without saying which"]);
}

#[test]
fn a_blob_that_is_another_one_after_the_cut() {
    let image = image();
    let scene = Scene::serving(&image);
    let layer = first_layer(&image);
    scene.registry.script().once("GET", &layer, || Fault::cut_after(150_000));
    scene.registry.script().always("GET", &layer, Fault::flipped_bit);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
}

#[test_case("manifests")]
#[test_case("blobs")]
fn what_was_busy_is_asked_again(what: &str) {
    let image = image();
    for (status, retry_after) in
        [(429, "0"), (429, "Sun, 06 Nov 1994 08:49:38 GMT"), (503, "0"), (502, "0"), (504, "0")]
    {
        let scene = Scene::serving(&image);
        let fault = move || {
            Fault::Answer(Answer::error(status, "TOOMANYREQUESTS").with("Retry-After", retry_after))
        };
        scene.registry.script().once("GET", &format!("/{what}/"), fault);
        scene.pulls(&image);
    }
}

#[test_case("manifests", "3600"; "a manifest, in seconds")]
#[test_case("blobs", "3600"; "a blob, in seconds")]
#[test_case("manifests", "Sun, 06 Nov 1994 10:00:00 GMT"; "a manifest, at a date")]
#[test_case("blobs", "Sun, 06 Nov 1994 10:00:00 GMT"; "a blob, at a date")]
fn who_wants_more_rest_than_we_have_is_left_alone(what: &str, retry_after: &'static str) {
    let image = image();
    let scene = Scene::serving(&image);
    let fault = move || Fault::too_many_requests(retry_after);
    for method in ["GET", "HEAD"] {
        scene.registry.script().always(method, &format!("/{what}/"), fault);
    }
    scene.refuses_pull(10, &["429", "toomanyrequests"]);
    let most = if what == "blobs" { 2 } else { 1 };
    let asked = scene.registry.log().iter().filter(|entry| entry.status == 429).count();
    assert!((1..=most).contains(&asked), "{:?}", scene.registry);
}

#[test_case("manifests", 500, 10, "500")]
#[test_case("blobs", 500, 10, "500")]
#[test_case("manifests", 502, 10, "502")]
#[test_case("blobs", 502, 10, "502")]
#[test_case("manifests", 503, 10, "503")]
#[test_case("blobs", 503, 10, "503")]
#[test_case("manifests", 400, 10, "400")]
#[test_case("blobs", 400, 10, "400")]
#[test_case("manifests", 401, 9, "login")]
#[test_case("blobs", 401, 9, "login")]
#[test_case("manifests", 403, 9, "forbids")]
#[test_case("blobs", 403, 9, "forbids")]
#[test_case("manifests", 404, 8, "app:1")]
#[test_case("blobs", 404, 8, "sha256:")]
fn what_stays_broken_has_an_end(what: &str, status: u16, code: i32, said: &str) {
    let image = image();
    let scene = Scene::serving(&image);
    for method in ["GET", "HEAD"] {
        let fault = move || Fault::error(status, "SOMETHING");
        scene.registry.script().always(method, &format!("/{what}/"), fault);
    }
    scene.refuses_pull(code, &[said]);
    let asked = scene.registry.log().iter().filter(|entry| entry.status == status).count();
    assert!(asked <= MANY, "{:?}", scene.registry);
}

#[test]
fn a_token_that_expires_on_the_way() {
    let image = image();
    let mut scene = Scene::serving(&image);
    scene.demand_login();
    let layer = first_layer(&image);
    let asked = AtomicUsize::new(0);
    scene.registry.script().rule(move |request, world| {
        let is_layer = request.method == "GET" && request.target.contains(&layer);
        if is_layer && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            world.door.expire_tokens();
        }
        None
    });
    scene.pulls(&image);
    assert!(scene.registry.log().iter().any(|entry| entry.status == 401 && is_blob(entry)));
}

fn is_blob(entry: &Entry) -> bool {
    entry.is("GET", "/blobs/")
}

#[test]
fn a_token_that_expires_while_a_download_is_cut() {
    let image = image();
    let mut scene = Scene::serving(&image);
    scene.demand_login();
    let layer = first_layer(&image);
    let asked = AtomicUsize::new(0);
    scene.registry.script().rule(move |request, world| {
        if request.method != "GET" || !request.target.contains(&layer) {
            return None;
        }
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Some(Fault::cut_after(200_000)),
            1 => {
                world.door.expire_tokens();
                None
            }
            _ => None,
        }
    });
    scene.pulls(&image);
    let begun_again = scene.downloads(&image.layers[0]).iter().skip(1).any(|e| start(e) == 0);
    assert!(!begun_again, "what had come was fetched again");
}

#[test]
fn tokens_that_are_never_good_have_an_end() {
    let image = image();
    let mut scene = Scene::serving(&image);
    scene.demand_login();
    scene.registry.script().rule(|request, world| {
        if request.target.contains("/blobs/") {
            world.door.expire_tokens();
        }
        None
    });
    scene.refuses_pull(9, &["login"]);
    assert!(scene.registry.door().issued() <= MANY, "{:?}", scene.registry);
}

#[test]
fn a_login_that_is_missing_or_wrong() {
    let image = image();
    let mut scene = Scene::serving(&image);
    scene.registry.door().demand_login("alice", "secret");
    scene.refuses_pull(9, &["login"]);
    let host = scene.registry.host();
    scene.user.log_in(&host, "alice", "guessed");
    scene.refuses_pull(9, &["/token refuses access"]);
}

#[test_case(301)]
#[test_case(302)]
#[test_case(303)]
#[test_case(307)]
#[test_case(308)]
fn blobs_are_fetched_from_elsewhere_without_the_login(status: u16) {
    let image = image();
    let mut scene = Scene::serving(&image);
    scene.demand_login();
    send_elsewhere(&scene, status);
    let elsewhere = format!("/elsewhere/{}", image.layers[0].digest());
    serve_elsewhere(&scene, &image, 150_000);
    scene.pulls(&image);
    let asked = scene.registry.asked("GET", "/elsewhere/");
    assert!(asked.len() >= 3, "{:?}", scene.registry);
    for entry in &asked {
        assert_eq!(entry.header("authorization"), None);
        assert_eq!(entry.header("host"), Some(&*scene.registry.other_host()));
    }
    let starts: Vec<usize> =
        asked.iter().filter(|entry| entry.target == elsewhere).map(start).collect();
    assert_eq!(starts, [0, 150_000], "the range does not travel, or too much does");
}

/// Redirects every request for the bytes of a blob to the other name of this machine.
fn send_elsewhere(scene: &Scene, status: u16) {
    let other = scene.registry.other_host();
    scene.registry.script().rule(move |request, _| {
        let (_, digest) = request.target.strip_prefix("/v2/")?.split_once("/blobs/")?;
        let target = format!("http://{other}/elsewhere/{digest}");
        (request.method == "GET").then(|| Fault::redirect(status, &target))
    });
}

/// Hands out the blobs of an image to whoever was sent there, as a store of files does; the first
/// answer with the first layer is cut after so many bytes.
fn serve_elsewhere(scene: &Scene, image: &Image, cut: usize) {
    let (layer, cut) = (image.layers[0].digest(), Mutex::new(Some(cut)));
    for blob in image.blobs() {
        scene.registry.contents().put_blob("elsewhere", &blob.bytes);
    }
    scene.registry.script().rule(move |request, world| {
        let digest = request.target.strip_prefix("/elsewhere/")?;
        let mut honest = request.clone();
        honest.target = format!("/v2/elsewhere/blobs/{digest}");
        let cut = if digest == layer { cut.lock().unwrap().take() } else { None };
        Some(Fault::Answer(Answer { cut, ..world.contents.answer(&honest, |_| true) }))
    });
}

#[test]
fn elsewhere_may_serve_no_other_bytes_than_the_registry() {
    let image = image();
    let scene = Scene::serving(&image);
    send_elsewhere(&scene, 307);
    scene.registry.script().rule(|request, _| {
        let is_there = request.target.starts_with("/elsewhere/");
        is_there.then(|| Fault::Answer(Answer::new(200, "something else")))
    });
    scene.refuses_pull(7, &["sha256:"]);
}

#[test]
fn redirects_that_never_end() {
    let image = image();
    let scene = Scene::serving(&image);
    let fault = || Fault::redirect(307, "/v2/app/blobs/uploads/again");
    scene.registry.script().always("GET", "/blobs/", fault);
    scene.refuses_pull(10, &["too many redirects"]);
    assert!(scene.registry.log().len() <= 4 * MANY, "{:?}", scene.registry);
}

#[test]
fn a_layer_whose_bytes_are_others() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.registry.script().always("GET", &first_layer(&image), Fault::flipped_bit);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
    // Nothing is kept of it that the next pull would take for good.
    scene.registry.script().clear();
    scene.pulls(&image);
}

#[test]
fn a_configuration_whose_bytes_are_others() {
    let image = image();
    let scene = Scene::serving(&image);
    let config = format!("/blobs/{}", image.config.digest());
    scene.registry.script().always("GET", &config, Fault::flipped_bit);
    scene.refuses_pull(7, &[&image.config.digest()]);
}

#[test]
fn a_manifest_whose_bytes_are_others() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.registry.script().always("GET", "/manifests/", || Fault::body(|body| body.push(b' ')));
    let by_digest = format!("{}@{}", scene.registry.image("app"), image.digest());
    scene.refuses(&["pull", "-q", &by_digest], 7, &[&image.digest()]);
    // The tag's digest is what the header claims.
    scene.refuses_pull(7, &[&image.digest()]);
}

#[test]
fn a_digest_header_that_lies_about_a_manifest() {
    let image = image();
    let scene = Scene::serving(&image);
    let other = Image::of_size(10, 9).digest();
    let lie = move || Fault::header("Docker-Content-Digest", other.clone());
    scene.registry.script().always("GET", "/manifests/", lie);
    scene.refuses_pull(7, &["claims"]);
}

#[test]
fn a_digest_header_that_lies_about_a_blob_harms_nobody() {
    let image = image();
    let scene = Scene::serving(&image);
    let other = Image::of_size(10, 9).digest();
    let lie = move || Fault::header("Docker-Content-Digest", other.clone());
    scene.registry.script().always("GET", "/blobs/", lie);
    scene.pulls(&image);
}

#[test_case(1; "by one")]
#[test_case(100_000; "by much")]
fn a_blob_that_is_announced_as_longer_than_it_is(by: isize) {
    let image = image();
    let scene = Scene::serving(&image);
    let fault = move || Fault::wrong_length(by);
    scene.registry.script().always("GET", &first_layer(&image), fault);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
}

#[test]
fn a_blob_that_is_announced_as_shorter_than_it_is() {
    let image = image();
    let scene = Scene::serving(&image);
    let fault = || Fault::wrong_length(-100_000);
    scene.registry.script().always("GET", &first_layer(&image), fault);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
}

#[test]
fn a_blob_with_more_bytes_than_announced_in_the_manifest_is_not_read_on_and_on() {
    let image = image();
    let scene = Scene::serving(&image);
    let more = || Fault::body(|body| body.extend(noise(3_000_000, 3)));
    scene.registry.script().always("GET", &first_layer(&image), more);
    scene.refuses_pull(7, &[&image.layers[0].digest()]);
}

#[test_case("text/html", 10, ""; "a page")]
#[test_case("text/plain", 10, "text/plain"; "text")]
#[test_case("application/vnd.oci.image.index.v1+json", 10, "is served as"; "an index")]
#[test_case("application/vnd.docker.distribution.manifest.v2+json", 10, "is served as"; "another kind")]
#[test_case("application/vnd.docker.distribution.manifest.v1+prettyjws", 2, "schema 1"; "the old kind")]
fn a_manifest_of_the_wrong_media_type(media_type: &'static str, code: i32, said: &str) {
    let image = image();
    let scene = Scene::serving(&image);
    for method in ["GET", "HEAD"] {
        let fault = move || Fault::header("Content-Type", media_type);
        scene.registry.script().always(method, "/manifests/", fault);
    }
    scene.refuses_pull(code, &[said]);
    assert!(scene.registry.asked("GET", "/blobs/").is_empty());
}

#[test_case("text/plain")]
#[test_case("application/vnd.oci.image.layer.v1.tar+zstd")]
#[test_case("application/x-anything")]
fn the_media_type_of_a_blob_is_the_manifests_to_say(media_type: &'static str) {
    let image = image();
    let scene = Scene::serving(&image);
    let fault = move || Fault::header("Content-Type", media_type);
    scene.registry.script().always("GET", "/blobs/", fault);
    scene.pulls(&image);
}

#[test]
fn a_page_where_a_blob_should_be() {
    let image = image();
    let scene = Scene::serving(&image);
    let page = || Answer::new(200, "<html>Log in</html>").with("Content-Type", "text/html");
    let fault = move || Fault::Answer(page());
    scene.registry.script().always("GET", &first_layer(&image), fault);
    scene.refuses_pull(10, &["a web page where a blob should be", &image.layers[0].digest()]);
}

#[test]
fn a_manifest_that_was_cut() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.registry.script().always("GET", "/manifests/", || Fault::cut_after(40));
    scene.refuses_pull(10, &["the connection broke after 40 bytes"]);
}

#[test]
fn a_manifest_that_ends_in_the_middle() {
    let image = image();
    let scene = Scene::serving(&image);
    let half = || {
        Fault::alter(|mut answer| {
            answer.body.truncate(40);
            // Without it nothing but the text tells.
            answer.headers.retain(|(name, _)| name != "Docker-Content-Digest");
            answer
        })
    };
    scene.registry.script().always("GET", "/manifests/", half);
    scene.refuses_pull(10, &["not well-formed"]);
}

#[test]
fn a_registry_that_falls_silent() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.registry.script().always("GET", &first_layer(&image), || Fault::Silence);
    let words = ["pull", "-q", "--idle-timeout", "1s", "--connect-timeout", "1s", &scene.image()];
    scene.refuses(&words, 10, &["nothing came within"]);
}

#[test]
fn a_tag_that_moves_while_it_is_pulled() {
    let (image, other) = (image(), Image::of_size(5000, 7));
    for moment in ["/blobs/", "/manifests/sha256:"] {
        let scene = Scene::serving(&image);
        other.serve(&scene.registry, "app", "other");
        let moved = other.digest();
        scene.registry.script().rule(move |request, world| {
            if request.target.contains(moment) {
                world.contents.tag("app", "1", &moved);
            }
            None
        });
        scene.pulls(&image);
    }
}

#[test]
fn a_tag_that_moves_each_time_it_is_asked_for() {
    let (image, other) = (image(), Image::of_size(5000, 7));
    let scene = Scene::serving(&image);
    other.serve(&scene.registry, "app", "other");
    let digests = [image.digest(), other.digest()];
    let asked = AtomicUsize::new(0);
    scene.registry.script().rule(move |request, world| {
        if request.target.ends_with("/manifests/1") {
            let turn = asked.fetch_add(1, Ordering::SeqCst);
            world.contents.tag("app", "1", &digests[turn % 2]);
        }
        None
    });
    scene.pulls(&image);
}

#[test]
fn a_layer_that_is_there_twice_is_fetched_once() {
    let layer = Blob::layer_of(1000, 1);
    let image = Image::of(vec![layer.clone(), Blob::layer_of(10, 2), layer.clone()]);
    let scene = Scene::serving(&image);
    scene.pulls(&image);
    assert_eq!(scene.downloads(&layer).len(), 1);
}

#[test]
fn what_is_here_already_is_not_fetched() {
    let first = Image::of_small_layers(3, 1);
    let scene = Scene::serving(&first);
    scene.pulls(&first);
    let new = Blob::layer_of(1000, 77);
    let second = Image::of([first.layers.clone(), vec![new.clone()]].concat());
    second.serve(&scene.registry, "app", "1");
    scene.registry.forget_log();
    scene.pulls(&second);
    assert_eq!(scene.downloads(&new).len(), 1);
    assert!(first.layers.iter().all(|layer| scene.downloads(layer).is_empty()));
    scene.registry.forget_log();
    scene.pulls(&second);
    assert!(scene.registry.asked("GET", "/blobs/").is_empty(), "{:?}", scene.registry);
}

#[test]
fn what_is_damaged_here_is_not_taken_for_good() {
    let image = image();
    let scene = Scene::serving(&image);
    scene.pulls(&image);
    let file = super::scene::blob_file(&scene.layout(), &image.layers[0].digest());
    std::fs::remove_file(&file).unwrap();
    scene.pulls(&image);
    assert!(file.exists());
}

#[test]
fn empty_layers_of_every_kind() {
    let empty = archive(&[]);
    let image = Image::of(vec![
        Blob::gzip_layer(&empty),
        Blob::zstd_layer(&empty),
        Blob::new(crate::harness::image::OCI_LAYER, empty),
        Blob::new(crate::harness::image::OCI_LAYER, ""),
        Blob::layer_of(10, 1),
    ]);
    let scene = Scene::serving(&image);
    scene.pulls(&image);
}

#[test]
fn an_image_without_layers() {
    let image = Image::of(Vec::new());
    Scene::serving(&image).pulls(&image);
}

#[test]
fn zstd_layers() {
    let files = archive(&[File::plain("a", noise(1000, 1)), File::plain("b", "text")]);
    let image = Image::of(vec![Blob::zstd_layer(&files), Blob::gzip_layer(&files)]);
    let scene = Scene::serving(&image);
    scene.pulls(&image);
}

#[test]
fn several_blobs_at_once_but_not_all() {
    let image = Image::of_small_layers(12, 1);
    let scene = Scene::serving(&image);
    let meeting = Arc::new(Meeting::of(2));
    let shared = Arc::clone(&meeting);
    scene.registry.script().rule(move |request, _| {
        if request.method == "GET" && request.target.contains("/blobs/") {
            shared.attend();
        }
        None
    });
    scene.pulls(&image);
    assert!(meeting.took_place(), "one after the other");
    let most = scene.registry.most_at_once(Transfer::Down);
    assert!((2..=MOST_AT_ONCE).contains(&most), "{most} at once");
}

/// What the program may fetch at a time.
const MOST_AT_ONCE: usize = 6;

#[test]
fn one_broken_layer_among_many_ends_the_pull() {
    let image = Image::of_small_layers(12, 1);
    let scene = Scene::serving(&image);
    let broken = format!("/blobs/{}", image.layers[7].digest());
    scene.registry.script().always("GET", &broken, Fault::flipped_bit);
    scene.refuses_pull(7, &[&image.layers[7].digest()]);
    scene.registry.script().clear();
    scene.pulls(&image);
}

/// Serves an index of two platforms as `app:1`.
fn serve_platforms(scene: &Scene) -> [Image; 2] {
    let images = ["amd64", "arm64"].map(|name| {
        let image = Image::on(
            name,
            vec![Blob::layer_of(1000, name.len() as u64), Blob::gzip_layer(name.as_bytes())],
        );
        image.serve(&scene.registry, "app", &image.digest());
        image
    });
    let entries = [images[0].index_entry("amd64"), images[1].index_entry("arm64")];
    let index = index_of(&entries);
    scene.registry.contents().put_manifest("app", "1", OCI_INDEX, &index.bytes);
    images
}

#[test]
fn one_platform_is_asked_for_one_platform() {
    let scene = Scene::new();
    let [amd64, arm64] = serve_platforms(&scene);
    scene.run(&["pull", "-q", "--platform", "linux/arm64", &scene.image()]).success();
    assert_eq!(scene.downloads(&arm64.config).len(), 1);
    assert!(scene.downloads(&amd64.config).is_empty(), "{:?}", scene.registry);
    assert!(digest_in_layout(&scene.layout(), &scene.image()).is_some());
    scene.refuses(&["pull", "-q", "--platform", "linux/s390x", &scene.image()], 8, &["s390x"]);
}

#[test]
fn all_platforms_are_all_of_them_or_none() {
    let scene = Scene::new();
    let [_, arm64] = serve_platforms(&scene);
    let words = ["pull", "-q", "--all-platforms", &scene.image()];
    let broken = format!("/manifests/{}", arm64.digest());
    scene.registry.script().always("GET", &broken, || Fault::body(|body| body.push(b' ')));
    scene.refuses(&words, 7, &[&arm64.digest()]);
    scene.registry.script().clear();
    scene.registry.script().always("GET", &broken, || Fault::error(404, "MANIFEST_UNKNOWN"));
    scene.refuses(&words, 8, &[&arm64.digest()]);
    scene.registry.script().clear();
    scene.run(&words).success();
    assert!(digest_in_layout(&scene.layout(), &scene.image()).is_some());
}

#[test]
fn all_tags_but_the_broken_one() {
    let scene = Scene::new();
    let images = [1, 2, 3].map(|seed| Image::of_size(500, seed));
    for (image, tag) in images.iter().zip(["a", "b", "c"]) {
        image.serve(&scene.registry, "app", tag);
    }
    scene.registry.script().always("GET", "/manifests/b", || Fault::error(404, "MANIFEST_UNKNOWN"));
    let name = scene.registry.image("app");
    let finished = scene.run(&["pull", "-q", "-a", &name]).expect_code(8);
    assert!(finished.stderr.contains("app:b"), "{}", finished.stderr);
    let stored =
        ["a", "b", "c"].map(|tag| digest_in_layout(&scene.layout(), &format!("{name}:{tag}")));
    assert_eq!(stored, [Some(images[0].digest()), None, Some(images[2].digest())]);
}

#[test]
fn all_tags_of_a_registry_that_lists_two_at_a_time() {
    let scene = Scene::new();
    let image = Image::of_size(500, 1);
    for tag in ["a", "b", "c", "d", "e"] {
        image.serve(&scene.registry, "app", tag);
    }
    scene.registry.script().always("GET", "/tags/list", || {
        Fault::AsIf(Box::new(|request| request.target = request.target.replace("n=1000", "n=2")))
    });
    let name = scene.registry.image("app");
    let finished = scene.run(&["pull", "-q", "-a", &name]).success();
    assert_eq!(finished.stdout.lines().count(), 5, "{}", finished.stdout);
    assert_eq!(scene.registry.asked("GET", "/tags/list").len(), 3);
    assert_eq!(scene.downloads(&image.layers[0]).len(), 1);
}

#[test]
fn a_list_of_tags_without_end() {
    let scene = Scene::serving(&image());
    scene.registry.script().always("GET", "/tags/list", || {
        Fault::header("Link", "</v2/app/tags/list?n=1000>; rel=\"next\"")
    });
    let words = ["pull", "-q", "-a", &scene.registry.image("app")];
    scene.refuses(&words, 10, &["the list of tags has no end"]);
}

/// An image with a layer that is somewhere else, and the address it names.
fn with_foreign_layer(url: &str) -> (Image, Blob) {
    let foreign = Blob::layer_of(2000, 5).called(DOCKER_FOREIGN_LAYER);
    let image = Image::of(vec![Blob::layer_of(1000, 4), foreign.clone()]);
    let image = image.with_manifest(|manifest| {
        manifest["layers"][1]["urls"] = json!([url]);
    });
    (image, foreign)
}

#[test]
fn a_foreign_layer_that_the_registry_has_is_taken_from_there() {
    let (image, _) = with_foreign_layer("http://127.0.0.1:9/nobody/listens");
    let scene = Scene::serving(&image);
    scene.pulls(&image);
}

#[test]
fn a_foreign_layer_that_nobody_has() {
    let (image, foreign) = with_foreign_layer("http://127.0.0.1:9/nobody/listens");
    let scene = Scene::serving(&image);
    scene.registry.contents().remove_blob("app", &foreign.digest());
    let finished = scene.pull();
    assert!(matches!(finished.code, 8 | 10), "{finished:?}");
    assert!(finished.stderr.contains("/nobody/listens"), "{}", finished.stderr);
    assert_eq!(digest_in_layout(&scene.layout(), &scene.image()), None);
}

/// A mirror's damaged layer is no last word: Docker Hub itself is asked, which cannot be reached here.
#[test]
fn a_mirror_that_serves_other_bytes_is_passed_over() {
    let image = image();
    let scene = Scene::new();
    image.serve(&scene.registry, "library/tool", "1");
    let config = scene.user.trust_folder();
    std::fs::create_dir_all(&config).unwrap();
    let mirrors =
        format!(r#"{{"trust":{{"registry_mirrors":["http://{}"]}}}}"#, scene.registry.host());
    std::fs::write(config.join("config.json"), mirrors).unwrap();
    scene.registry.script().always("GET", &first_layer(&image), Fault::flipped_bit);
    let words = ["pull", "-q", "--connect-timeout", "1s", "tool:1"];
    scene.refuses(&words, 10, &["registry-1.docker.io"]);
    assert!(!scene.registry.asked("GET", "/blobs/").is_empty());
}
