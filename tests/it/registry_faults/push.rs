//! Pushing to registries that fail: what is sent again, from where, and when it ends.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use test_case::test_case;

use super::scene::{Scene, blob_file};
use crate::harness::ScriptedRegistry;
use crate::harness::image::{Blob, DOCKER_FOREIGN_LAYER, Image, OCI_MANIFEST, write_into_layout};
use crate::harness::registry::contents::Transfer;
use crate::harness::registry::{Answer, Entry, Fault, Meeting};
use crate::harness::server::Request;

/// Bytes of the layer whose connections are cut.
const SIZE: usize = 400_000;
/// More requests for one thing than anybody patient makes.
const MANY: usize = 12;

fn image() -> Image {
    Image::of_size(SIZE, 1)
}

/// Whether a request carries the layer, or what is left of it: the configuration is smaller.
fn carries_layer(request: &Request) -> bool {
    let length = request.header("content-length").and_then(|text| text.parse::<usize>().ok());
    let has_body = length.is_some_and(|length| length > 10_000)
        || request.header("transfer-encoding").is_some();
    request.target.contains("/blobs/uploads/") && has_body
}

/// Fails the requests that carry the layer with these numbers, the first being 1.
fn fail_layer(
    registry: &ScriptedRegistry,
    numbers: impl std::ops::RangeBounds<usize> + Send + Sync + 'static,
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) {
    let seen = Mutex::new(0);
    registry.script().rule(move |request, _| {
        if !carries_layer(request) {
            return None;
        }
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        numbers.contains(&*seen).then(&fault)
    });
}

/// How many bytes of blobs the registry was sent.
fn sent(scene: &Scene) -> usize {
    scene.uploads().iter().map(|entry| entry.received).sum()
}

/// How many bytes the blobs of an image have.
fn length(image: &Image) -> usize {
    image.blobs().map(|blob| blob.bytes.len()).sum()
}

fn position(log: &[Entry], method: &str, part: &str) -> usize {
    log.iter().position(|entry| entry.is(method, part)).unwrap()
}

#[test]
fn an_honest_registry() {
    let image = Image::of_small_layers(3, 1);
    let scene = Scene::holding(&image);
    scene.pushes(&image);
    assert_eq!(sent(&scene), length(&image));
    let put = &scene.registry.asked("PUT", "/manifests/1")[0];
    assert_eq!(put.header("content-type"), Some(OCI_MANIFEST));
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
fn an_upload_that_was_cut_goes_on_where_it_was(tenths: usize) {
    let image = image();
    let scene = Scene::holding(&image);
    let cut = image.layers[0].bytes.len() * tenths / 10;
    fail_layer(&scene.registry, 1..=1, move || Fault::CutRequest(cut));
    scene.pushes(&image);
    assert_eq!(sent(&scene), length(&image), "something was sent twice: {:?}", scene.registry);
    let asked_how_far = scene.registry.asked("GET", "/blobs/uploads/");
    assert_eq!(asked_how_far.len(), 1, "{:?}", scene.registry);
}

#[test]
fn an_upload_that_is_cut_more_than_once_goes_on_each_time() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1..=2, || Fault::CutRequest(100_000));
    scene.pushes(&image);
    assert_eq!(sent(&scene), length(&image), "{:?}", scene.registry);
}

#[test]
fn what_the_registry_lost_is_sent_again() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1..=1, || Fault::CutRequest(100_000));
    fail_layer(&scene.registry, 1..=1, || Fault::CutAndLose(100_000));
    scene.pushes(&image);
    assert_eq!(sent(&scene), length(&image) + 100_000, "{:?}", scene.registry);
}

#[test]
fn an_upload_that_is_always_cut_at_once_has_an_end() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1.., || Fault::CutAndLose(1));
    scene.refuses_push(10, &[&scene.registry.host()]);
    assert!(scene.uploads().len() <= MANY, "{:?}", scene.registry);
}

#[test_case("0-9999999"; "more than there is")]
#[test_case("5-17"; "not from the start")]
#[test_case("0--1"; "no number")]
#[test_case("bytes=a-b"; "no range")]
fn a_registry_that_lies_about_how_far_it_is(range: &'static str) {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1.., || Fault::CutAndLose(100_000));
    let lie = move || Fault::header("Range", range);
    scene.registry.script().always("GET", "/blobs/uploads/", lie);
    scene.refuses_push(10, &[&scene.registry.host()]);
    assert!(scene.registry.log().len() <= 5 * MANY, "{:?}", scene.registry);
}

#[test]
fn a_lost_upload_is_begun_again() {
    let image = image();
    let scene = Scene::holding(&image);
    let seen = AtomicUsize::new(0);
    scene.registry.script().rule(move |request, world| {
        if carries_layer(request) && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            world.contents.lose_uploads();
            return Some(Fault::lost_upload());
        }
        None
    });
    scene.push().success();
    scene.registry_has("app", &image);
}

#[test]
fn an_upload_lost_while_the_connection_was_cut_is_begun_again() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1..=1, || Fault::CutRequest(100_000));
    scene.registry.script().rule(|request, world| {
        if request.method == "GET" && request.target.contains("/blobs/uploads/") {
            world.contents.lose_uploads();
        }
        None
    });
    scene.pushes(&image);
}

#[test]
fn uploads_that_are_always_lost_have_an_end() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1.., Fault::lost_upload);
    scene.refuses_push(10, &["blob upload unknown"]);
    assert!(scene.registry.asked("POST", "/blobs/uploads/").len() <= MANY, "{:?}", scene.registry);
}

#[test]
fn a_chunk_out_of_order_is_sorted_out() {
    let image = image();
    let scene = Scene::holding(&image);
    // The registry kept more than it said when it answered last.
    fail_layer(&scene.registry, 1..=1, || Fault::CutRequest(100_000));
    scene.registry.script().once("GET", "/blobs/uploads/", || Fault::header("Range", "0-49999"));
    let finished = scene.push();
    let tagged = scene.registry.contents().tagged("app", "1");
    // To ask again and go on is right, and so is to begin anew or to give up.
    match finished.code {
        0 => assert_eq!(tagged, Some(image.digest())),
        10 => assert_eq!(tagged, None),
        _ => panic!("{finished:?}"),
    }
}

#[test_case(false; "once the body has come")]
#[test_case(true; "before the body has come")]
fn a_token_that_expires_in_the_middle_of_an_upload(early: bool) {
    let image = image();
    let mut scene = Scene::holding(&image);
    scene.demand_login();
    let seen = AtomicUsize::new(0);
    let realm = format!("http://{}/token", scene.registry.host());
    scene.registry.script().rule(move |request, world| {
        if !carries_layer(request) || seen.fetch_add(1, Ordering::SeqCst) > 0 {
            return None;
        }
        world.door.expire_tokens();
        let challenge = format!(
            "Bearer realm=\"{realm}\",service=\"scripted\",scope=\"repository:app:pull,push\",\
             error=\"invalid_token\""
        );
        let answer = Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", &challenge);
        early.then_some(Fault::Early(answer))
    });
    scene.pushes(&image);
    assert!(scene.registry.log().iter().any(|entry| entry.status == 401 && entry.method != "HEAD"));
}

#[test]
fn a_token_that_expires_between_blobs_and_manifest() {
    let image = image();
    let mut scene = Scene::holding(&image);
    scene.demand_login();
    let seen = AtomicUsize::new(0);
    scene.registry.script().rule(move |request, world| {
        let is_manifest = request.method == "PUT" && request.target.contains("/manifests/");
        if is_manifest && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            world.door.expire_tokens();
        }
        None
    });
    scene.pushes(&image);
}

#[test]
fn tokens_that_are_never_good_have_an_end() {
    let image = image();
    let mut scene = Scene::holding(&image);
    scene.demand_login();
    scene.registry.script().rule(|request, world| {
        if request.target.contains("/blobs/uploads/") {
            world.door.expire_tokens();
        }
        None
    });
    scene.refuses_push(9, &["login"]);
    assert!(scene.registry.door().issued() <= MANY, "{:?}", scene.registry);
}

#[test]
fn a_login_that_is_missing() {
    let image = image();
    let scene = Scene::holding(&image);
    scene.registry.door().demand_login("alice", "secret");
    scene.refuses_push(9, &["login"]);
}

#[test_case("POST", "/blobs/uploads/"; "where an upload begins")]
#[test_case("PUT", "/blobs/uploads/"; "where it ends")]
#[test_case("PUT", "/manifests/"; "at the manifest")]
#[test_case("HEAD", "/blobs/"; "at the question whether it is there")]
fn what_was_busy_is_asked_again(method: &'static str, part: &str) {
    let image = image();
    for (status, retry_after) in [(429, "0"), (429, "Sun, 06 Nov 1994 08:49:38 GMT"), (503, "0")] {
        let scene = Scene::holding(&image);
        let answer = Answer::error(status, "TOOMANYREQUESTS").with("Retry-After", retry_after);
        scene.registry.script().once(method, part, move || Fault::Answer(answer.clone()));
        scene.push().success();
        scene.registry_has("app", &image);
    }
}

#[test_case("POST", "/blobs/uploads/"; "where an upload begins")]
#[test_case("PUT", "/manifests/"; "at the manifest")]
fn who_wants_more_rest_than_we_have_is_left_alone(method: &'static str, part: &str) {
    for retry_after in ["3600", "Sun, 06 Nov 1994 10:00:00 GMT"] {
        let image = image();
        let scene = Scene::holding(&image);
        let fault = move || Fault::too_many_requests(retry_after);
        scene.registry.script().always(method, part, fault);
        scene.refuses_push(10, &["429", "toomanyrequests"]);
        assert!(scene.registry.asked(method, part).len() <= 2, "{:?}", scene.registry);
    }
}

#[test_case("POST", "/blobs/uploads/", 500, 10, "500")]
#[test_case("POST", "/blobs/uploads/", 503, 10, "503")]
#[test_case("POST", "/blobs/uploads/", 401, 9, "login")]
#[test_case("POST", "/blobs/uploads/", 403, 9, "forbids")]
#[test_case("POST", "/blobs/uploads/", 404, 8, "app")]
#[test_case("POST", "/blobs/uploads/", 413, 10, "413")]
#[test_case("PUT", "/blobs/uploads/", 500, 10, "500")]
#[test_case("PUT", "/blobs/uploads/", 400, 10, "something is not right")]
#[test_case("PUT", "/blobs/uploads/", 413, 10, "413")]
#[test_case("PUT", "/manifests/", 500, 10, "500")]
#[test_case("PUT", "/manifests/", 502, 10, "502")]
#[test_case("PUT", "/manifests/", 400, 10, "something is not right")]
#[test_case("PUT", "/manifests/", 403, 9, "forbids")]
#[test_case("PUT", "/manifests/", 405, 10, "405")]
#[test_case("HEAD", "/blobs/", 401, 9, "login")]
#[test_case("HEAD", "/blobs/", 403, 9, "forbids")]
fn what_stays_broken_has_an_end(
    method: &'static str,
    part: &str,
    status: u16,
    code: i32,
    said: &str,
) {
    let image = image();
    let scene = Scene::holding(&image);
    let fault = move || Fault::error(status, "SOMETHING_IS_NOT_RIGHT");
    scene.registry.script().always(method, part, fault);
    scene.refuses_push(code, &[said]);
    let asked = scene.registry.log().iter().filter(|entry| entry.status == status).count();
    assert!((1..=MANY).contains(&asked), "{:?}", scene.registry);
}

#[test_case("PUT", "/manifests/"; "of the manifest")]
#[test_case("PUT", "/blobs/uploads/"; "of the end of an upload")]
#[test_case("POST", "/blobs/uploads/"; "of the begin of an upload")]
fn an_answer_that_was_lost(method: &'static str, part: &str) {
    let image = image();
    let scene = Scene::holding(&image);
    scene.registry.script().once(method, part, || Fault::Swallow);
    scene.push().success();
    let tagged = scene.registry.contents().tagged("app", "1");
    assert_eq!(tagged, Some(image.digest()));
}

#[test]
fn what_the_registry_has_is_not_sent() {
    let image = Image::of_small_layers(3, 1);
    let scene = Scene::holding(&image);
    for layer in &image.layers {
        scene.registry.contents().put_blob("app", &layer.bytes);
    }
    scene.pushes(&image);
    assert_eq!(sent(&scene), image.config.bytes.len(), "{:?}", scene.registry);
    assert_eq!(scene.registry.asked("POST", "/blobs/uploads/").len(), 1);
    scene.registry.forget_log();
    scene.pushes(&image);
    assert_eq!(scene.uploads().len(), 0, "{:?}", scene.registry);
    assert_eq!(scene.registry.asked("POST", "/blobs/uploads/").len(), 0);
}

#[test]
fn a_layer_that_is_there_twice_is_sent_once() {
    let layer = Blob::layer_of(1000, 1);
    let image = Image::of(vec![layer.clone(), Blob::layer_of(10, 2), layer.clone()]);
    let scene = Scene::holding(&image);
    scene.pushes(&image);
    assert_eq!(sent(&scene), length(&image) - layer.bytes.len(), "{:?}", scene.registry);
}

/// Somebody who pulled an image from `app` and is to push it to `copies/app`.
fn pulled_and_renamed(image: &Image, login: bool) -> Scene {
    let mut scene = Scene::serving(image);
    if login {
        scene.demand_login();
    }
    scene.pulls(image);
    write_into_layout(&scene.layout(), &scene.registry.image("copies/app:1"), image);
    scene.registry.forget_log();
    scene
}

#[test_case(false; "open to everybody")]
#[test_case(true; "with a login")]
fn what_another_repository_has_is_mounted(login: bool) {
    let image = Image::of_small_layers(3, 1);
    let scene = pulled_and_renamed(&image, login);
    scene.run(&["push", "-q", &scene.registry.image("copies/app:1")]).success();
    scene.registry_has("copies/app", &image);
    assert_eq!(scene.uploads().len(), 0, "{:?}", scene.registry);
    let posts = scene.registry.asked("POST", "/v2/copies/app/blobs/uploads/?");
    let mounts = posts.iter().filter(|entry| entry.status == 201);
    for blob in image.blobs() {
        let hex = blob.digest().replace("sha256:", "");
        let mounted = mounts
            .clone()
            .any(|entry| entry.target.contains(&hex) && entry.target.contains("from=app"));
        assert!(mounted, "{hex}: {:?}", scene.registry);
    }
}

#[test]
fn what_is_not_mounted_is_sent() {
    let image = Image::of_small_layers(3, 1);
    let scene = pulled_and_renamed(&image, false);
    scene.registry.contents().refuse_mounts();
    scene.run(&["push", "-q", &scene.registry.image("copies/app:1")]).success();
    scene.registry_has("copies/app", &image);
    assert_eq!(sent(&scene), length(&image));
    // The upload that was offered in place of the mount is the one that is used.
    let posts = scene.registry.asked("POST", "/blobs/uploads/").len();
    assert_eq!(posts, image.blobs().count(), "{:?}", scene.registry);
}

#[test]
fn a_mount_that_is_an_error_is_no_end() {
    let image = Image::of_small_layers(3, 1);
    let scene = pulled_and_renamed(&image, false);
    scene.registry.script().rule(|request, _| {
        let is_mount = request.target.contains("mount=");
        is_mount.then(|| Fault::error(404, "NAME_UNKNOWN"))
    });
    let finished = scene.run(&["push", "-q", &scene.registry.image("copies/app:1")]);
    finished.success();
    scene.registry_has("copies/app", &image);
}

#[test]
fn a_mount_is_not_asked_of_another_registry() {
    let image = Image::of_small_layers(2, 1);
    let scene = Scene::serving(&image);
    scene.pulls(&image);
    let other = ScriptedRegistry::start();
    let new = other.image("app:1");
    write_into_layout(&scene.layout(), &new, &image);
    scene.run(&["push", "-q", &new]).success();
    assert_eq!(other.contents().tagged("app", "1"), Some(image.digest()));
    let mounts = other.log().iter().filter(|entry| entry.target.contains("mount=")).count();
    assert_eq!(mounts, 0, "{other:?}");
}

#[test]
fn the_tag_is_set_last() {
    let image = Image::of_small_layers(4, 1);
    let scene = Scene::holding(&image);
    scene.pushes(&image);
    let log = scene.registry.log();
    let tag = position(&log, "PUT", "/v2/app/manifests/1");
    let later: Vec<String> = log[tag + 1..].iter().map(Entry::line).collect();
    assert!(later.iter().all(|line| !line.starts_with('P')), "after the tag: {later:?}");
}

#[test]
fn a_tag_that_moves_during_the_push() {
    let image = image();
    let scene = Scene::holding(&image);
    let other = Image::of_size(100, 9);
    other.serve(&scene.registry, "app", "1");
    let newest = Image::of_size(100, 10);
    newest.serve(&scene.registry, "app", "other");
    let moved = newest.digest();
    scene.registry.script().rule(move |request, world| {
        if carries_layer(request) {
            world.contents.tag("app", "1", &moved);
        }
        None
    });
    scene.pushes(&image);
}

#[test]
fn a_push_that_fails_does_not_move_the_tag() {
    let image = image();
    let scene = Scene::holding(&image);
    let other = Image::of_size(100, 9);
    other.serve(&scene.registry, "app", "1");
    fail_layer(&scene.registry, 1.., || Fault::error(400, "DIGEST_INVALID"));
    scene.refuses(&["push", "-q", &scene.image()], 10, &["digest invalid"]);
    assert_eq!(scene.registry.contents().tagged("app", "1"), Some(other.digest()));
    assert!(scene.registry.asked("PUT", "/manifests/").is_empty());
}

#[test]
fn a_registry_that_claims_to_have_stored_another_manifest() {
    let image = image();
    let scene = Scene::holding(&image);
    let other = Image::of_size(10, 9).digest();
    let lie = move || Fault::header("Docker-Content-Digest", other.clone());
    scene.registry.script().always("PUT", "/manifests/", lie);
    scene.refuses(&["push", "-q", &scene.image()], 7, &["claims", &image.digest()]);
}

#[test]
fn several_blobs_at_once_but_not_all() {
    let image = Image::of_small_layers(12, 1);
    let scene = Scene::holding(&image);
    let meeting = Arc::new(Meeting::of(2));
    let shared = Arc::clone(&meeting);
    scene.registry.script().rule(move |request, _| {
        if request.method != "HEAD" && request.target.contains("/blobs/uploads/") {
            shared.attend();
        }
        None
    });
    scene.pushes(&image);
    assert!(meeting.took_place(), "one after the other");
    let most = scene.registry.most_at_once(Transfer::Up);
    assert!((2..=MOST_AT_ONCE).contains(&most), "{most} at once");
}

/// What the program may send at a time.
const MOST_AT_ONCE: usize = 6;

#[test]
fn chunks_are_as_large_as_the_registry_wants_them() {
    let image = image();
    let scene = Scene::holding(&image);
    scene.registry.contents().demand_chunks_of(SIZE * 2);
    scene.pushes(&image);
    let chunks = scene.registry.asked("PATCH", "/blobs/uploads/");
    assert!(chunks.iter().filter(|entry| entry.received > 10_000).count() <= 1, "{chunks:?}");
}

#[test_case("http://{other}{location}", false; "on another host")]
#[test_case("http://{host}{location}", true; "with the host")]
#[test_case("//{host}{location}", true; "with the host but no scheme")]
fn an_upload_goes_on_where_the_registry_says(address: &'static str, same: bool) {
    let image = image();
    let mut scene = Scene::holding(&image);
    scene.demand_login();
    let (host, other) = (scene.registry.host(), scene.registry.other_host());
    scene.registry.script().rule(move |request, _| {
        let (host, other) = (host.clone(), other.clone());
        let begins = request.method == "POST" && request.target.contains("/blobs/uploads/");
        begins.then(move || {
            Fault::alter(move |answer| {
                let location = answer.headers.iter().find(|(name, _)| name == "Location");
                let Some((_, location)) = location.cloned() else { return answer };
                let address = address.replace("{host}", &host).replace("{other}", &other);
                answer.with("Location", &address.replace("{location}", &location))
            })
        })
    });
    let finished = scene.push();
    if same {
        finished.success();
        scene.registry_has("app", &image);
    }
    for entry in scene.registry.log() {
        if entry.header("host") == Some(&*scene.registry.other_host()) {
            assert_eq!(entry.header("authorization"), None, "the login went to another host");
        }
    }
}

#[test_case("file:///etc/passwd"; "a file")]
#[test_case("http://"; "no address")]
#[test_case(""; "nothing")]
fn an_upload_is_not_sent_just_anywhere(location: &'static str) {
    let image = image();
    let scene = Scene::holding(&image);
    let fault = move || Fault::header("Location", location);
    scene.registry.script().always("POST", "/blobs/uploads/", fault);
    scene.refuses_push(10, &[&scene.registry.host()]);
}

#[test]
fn a_blob_that_is_damaged_here_is_not_sent_for_good() {
    let image = image();
    let scene = Scene::holding(&image);
    let file = blob_file(&scene.layout(), &image.layers[0].digest());
    let mut bytes = image.layers[0].bytes.clone();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let finished = scene.push().expect_code(14);
    assert!(finished.stderr.contains(&image.layers[0].digest()), "{}", finished.stderr);
    assert_eq!(scene.registry.contents().tagged("app", "1"), None);
    let kept = scene.registry.contents().blob("app", &image.layers[0].digest());
    assert_eq!(kept, None);
}

#[test]
fn a_blob_that_is_missing_here() {
    let image = image();
    let scene = Scene::holding(&image);
    std::fs::remove_file(blob_file(&scene.layout(), &image.layers[0].digest())).unwrap();
    let finished = scene.push().expect_code(14);
    assert!(finished.stderr.contains(&image.layers[0].digest()), "{}", finished.stderr);
    assert_eq!(scene.registry.contents().tagged("app", "1"), None);
}

#[test]
fn all_tags_but_the_broken_one() {
    let scene = Scene::new();
    let images = [1, 2, 3].map(|seed| Image::of_size(500, seed));
    for (image, tag) in images.iter().zip(["a", "b", "c"]) {
        write_into_layout(&scene.layout(), &scene.registry.image(&format!("app:{tag}")), image);
    }
    let fault = || Fault::error(400, "MANIFEST_INVALID");
    scene.registry.script().always("PUT", "/manifests/b", fault);
    let finished = scene.run(&["push", "-q", "-a", &scene.registry.image("app")]);
    let finished = finished.expect_code(10);
    assert!(finished.stderr.contains("manifest invalid"), "{}", finished.stderr);
    let tagged = ["a", "b", "c"].map(|tag| scene.registry.contents().tagged("app", tag));
    assert_eq!(tagged, [Some(images[0].digest()), None, Some(images[2].digest())]);
}

#[test]
fn an_image_that_is_not_here() {
    let scene = Scene::new();
    scene.refuses_push(8, &["app:1"]);
    assert!(scene.registry.log().is_empty(), "{:?}", scene.registry);
}

#[test]
fn foreign_layers_are_left_where_they_are() {
    let foreign = Blob::layer_of(2000, 5).called(DOCKER_FOREIGN_LAYER);
    let image = Image::of(vec![Blob::layer_of(1000, 4), foreign.clone()]);
    let image = image.with_manifest(|manifest| {
        manifest["layers"][1]["urls"] = json!(["https://elsewhere.invalid/layer"]);
    });
    let scene = Scene::holding(&image);
    scene.push().success();
    let contents = scene.registry.contents();
    assert_eq!(contents.tagged("app", "1"), Some(image.digest()));
    assert_eq!(contents.blob("app", &foreign.digest()), None, "it was sent all the same");
}

#[test]
fn a_registry_that_falls_silent() {
    let image = image();
    let scene = Scene::holding(&image);
    fail_layer(&scene.registry, 1.., || Fault::Silence);
    let words = ["push", "-q", "--idle-timeout", "1s", "--connect-timeout", "1s", &scene.image()];
    scene.refuses(&words, 10, &["nothing came within"]);
}
