//! Copying between registries, one of which fails.

use super::scene::Scene;
use crate::harness::ScriptedRegistry;
use crate::harness::image::Image;
use crate::harness::registry::Fault;

/// Somebody who copies `app:1` from one registry to another.
struct Crossing {
    from: Scene,
    to: ScriptedRegistry,
}

impl Crossing {
    fn of(image: &Image) -> Self {
        Self { from: Scene::serving(image), to: ScriptedRegistry::start() }
    }

    fn words(&self) -> [String; 4] {
        ["copy", "-q", &self.from.image(), &self.to.image("copies/app:1")].map(str::to_owned)
    }

    #[track_caller]
    fn copies(&self, image: &Image) {
        let words = self.words();
        self.from.user.trust(&words.each_ref().map(String::as_str)).success();
        let contents = self.to.contents();
        assert_eq!(contents.tagged("copies/app", "1"), Some(image.digest()));
        for blob in image.blobs() {
            let kept = contents.blob("copies/app", &blob.digest());
            assert_eq!(kept.as_ref(), Some(&blob.bytes));
        }
    }

    #[track_caller]
    fn refuses(&self, code: i32, said: &[&str]) {
        let words = self.words();
        let finished = self.from.user.trust(&words.each_ref().map(String::as_str));
        let finished = finished.expect_code(code);
        for part in said {
            assert!(finished.stderr.contains(part), "no `{part}` in: {}", finished.stderr);
        }
        assert_eq!(self.to.contents().tagged("copies/app", "1"), None, "the tag was set");
    }
}

fn image() -> Image {
    Image::of_size(400_000, 1)
}

#[test]
fn between_honest_registries() {
    let image = Image::of_small_layers(3, 1);
    Crossing::of(&image).copies(&image);
}

#[test]
fn within_one_registry_nothing_is_sent() {
    let image = Image::of_small_layers(3, 1);
    let scene = Scene::serving(&image);
    let copy = scene.registry.image("copies/app:1");
    scene.user.trust(&["copy", "-q", &scene.image(), &copy]).success();
    scene.registry_has("copies/app", &image);
    assert!(scene.uploads().is_empty(), "{:?}", scene.registry);
    assert!(image.layers.iter().all(|layer| scene.downloads(layer).is_empty()));
}

#[test]
fn a_download_that_was_cut() {
    let image = image();
    let crossing = Crossing::of(&image);
    let layer = format!("/blobs/{}", image.layers[0].digest());
    let script = crossing.from.registry.script();
    script.once("GET", &layer, || Fault::cut_after(150_000));
    crossing.copies(&image);
}

#[test]
fn an_upload_that_was_cut() {
    let image = image();
    let crossing = Crossing::of(&image);
    for method in ["PATCH", "PUT"] {
        crossing.to.script().once(method, "/blobs/uploads/", || Fault::CutRequest(20));
    }
    crossing.copies(&image);
}

#[test]
fn a_layer_whose_bytes_are_others() {
    let image = image();
    let crossing = Crossing::of(&image);
    let layer = format!("/blobs/{}", image.layers[0].digest());
    crossing.from.registry.script().always("GET", &layer, Fault::flipped_bit);
    crossing.refuses(7, &[&image.layers[0].digest()]);
}

#[test]
fn a_manifest_whose_bytes_are_others() {
    let image = image();
    let crossing = Crossing::of(&image);
    let script = crossing.from.registry.script();
    script.always("GET", "/manifests/", || Fault::body(|body| body.push(b' ')));
    crossing.refuses(7, &[&image.digest()]);
}

#[test]
fn a_layer_that_is_not_there() {
    let image = image();
    let crossing = Crossing::of(&image);
    crossing.from.registry.contents().remove_blob("app", &image.layers[0].digest());
    crossing.refuses(8, &[&image.layers[0].digest()]);
}

#[test]
fn a_tag_that_moves_while_it_is_copied() {
    let (image, other) = (image(), Image::of_size(500, 7));
    let crossing = Crossing::of(&image);
    let source = &crossing.from.registry;
    other.serve(source, "app", "other");
    let moved = other.digest();
    source.script().rule(move |request, world| {
        if request.target.contains("/blobs/") {
            world.contents.tag("app", "1", &moved);
        }
        None
    });
    crossing.copies(&image);
}
