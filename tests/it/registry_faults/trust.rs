//! With content trust: a registry whose tags move and whose answers lie cannot change what is
//! pulled, and a push that fails leaves no tag without its signature.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use test_case::test_case;
use trust::codec::canonical_json::Value;
use trust::crypto::{KeyHeaders, Passphrase, PrivateKey};
use trust::store::TrustDir;

use super::scene::Scene;
use crate::harness::image::{
    Blob, Image, OCI_INDEX, digest_in_layout, index_of, write_into_layout,
};
use crate::harness::registry::Fault;
use crate::harness::server::Replies;
use crate::harness::{Reply, Repository, Server};

/// A scene with a trust server, where `app:1` is signed.
struct Signed {
    scene: Scene,
    repository: Repository,
    replies: Replies,
    server: Server,
    /// What the registry had under the tag at each publication.
    tags_at_publication: Arc<Mutex<Vec<Option<String>>>>,
}

impl Signed {
    /// Signs these bytes as `app:1`.
    fn over(mut scene: Scene, manifest: &[u8]) -> Self {
        let mut repository = Repository::new(&scene.registry.image("app"));
        repository.add_target("targets", "1", manifest);
        let (replies, tags) = (Replies::default(), Arc::<Mutex<Vec<_>>>::default());
        let (script, world, notes) = (replies.clone(), scene.registry.world(), Arc::clone(&tags));
        let server = Server::start(move |request| {
            if request.method == "POST" {
                notes.lock().unwrap().push(world.contents.tagged("app", "1"));
            }
            script.reply(request)
        });
        scene.user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
        let mut signed = Self { scene, repository, replies, server, tags_at_publication: tags };
        signed.publish();
        signed
    }

    /// A person who is to pull this image, which is signed.
    fn serving(image: &Image) -> Self {
        Self::over(Scene::serving(image), &image.manifest.bytes)
    }

    /// A person who is to push this image, and holds the key that signs; another is signed now.
    fn holding(image: &Image) -> Self {
        let signed = Self::over(Scene::holding(image), b"another");
        let store = TrustDir::new(signed.user.trust_folder()).keys().unwrap();
        let gun = Some(signed.repository.gun().to_owned());
        let headers = KeyHeaders { role: Some("targets".to_owned()), gun, path: None };
        for key in signed.repository.signers("targets") {
            let key = PrivateKey::from_pkcs8(&key.pkcs8()).unwrap();
            store.add(&key, &headers, &Passphrase::new(String::new())).unwrap();
        }
        signed.replies.set("", Reply::status(200, ""));
        signed
    }

    /// Serves the trust data as it is now.
    fn publish(&mut self) {
        self.repository.publish();
        for (name, bytes) in self.repository.files() {
            self.replies.set(name, Reply::file(bytes.clone()));
        }
    }

    #[track_caller]
    fn refuses_trusted(&self, command: &str, code: i32, said: &[&str]) {
        let words = ["--no-prompt", command, "-q", "--trust", &self.image()];
        self.refuses(&words, code, said);
    }

    #[track_caller]
    fn pulls_trusted(&self, image: &Image) {
        self.run(&["pull", "-q", "--trust", &self.image()]).success();
        self.has(image);
    }

    fn publications(&self) -> Vec<Option<String>> {
        self.tags_at_publication.lock().unwrap().clone()
    }
}

impl Deref for Signed {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl DerefMut for Signed {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

fn image() -> Image {
    Image::of_size(5000, 1)
}

#[test]
fn the_registry_is_not_asked_what_the_tag_is() {
    let image = image();
    let signed = Signed::serving(&image);
    let other = Image::of_size(10, 9);
    other.serve(&signed.registry, "app", "1");
    signed.pulls_trusted(&image);
    for method in ["GET", "HEAD"] {
        assert!(signed.registry.asked(method, "/manifests/1").is_empty(), "{:?}", signed.registry);
    }
}

#[test]
fn other_bytes_for_what_is_signed() {
    let image = image();
    let signed = Signed::serving(&image);
    let other = Image::of_size(10, 9).manifest.bytes;
    let lie = move || {
        let other = other.clone();
        Fault::body(|body| *body = other)
    };
    signed.registry.script().always("GET", "/manifests/", lie);
    signed.refuses_trusted("pull", 5, &[&image.digest()]);
}

#[test]
fn a_layer_that_the_signed_manifest_does_not_reach() {
    let image = image();
    let signed = Signed::serving(&image);
    let layer = format!("/blobs/{}", image.layers[0].digest());
    signed.registry.script().always("GET", &layer, Fault::flipped_bit);
    signed.refuses_trusted("pull", 7, &[&image.layers[0].digest()]);
}

#[test]
fn a_platform_that_the_signed_index_does_not_reach() {
    let image = image();
    let scene = Scene::new();
    image.serve(&scene.registry, "app", &image.digest());
    let index = index_of(&[image.index_entry("amd64")]);
    scene.registry.contents().put_manifest("app", "1", OCI_INDEX, &index.bytes);
    let signed = Signed::over(scene, &index.bytes);
    let inner = format!("/manifests/{}", image.digest());
    signed.registry.script().once("GET", &inner, || Fault::body(|body| body.push(b' ')));
    let words = ["pull", "-q", "--trust", "--platform", "linux/amd64", &signed.image()];
    signed.refuses(&words, 7, &[&image.digest()]);
    signed.run(&words).success();
}

#[test]
fn what_is_signed_is_not_there() {
    let image = image();
    let signed = Signed::over(Scene::new(), &image.manifest.bytes);
    Image::of_size(10, 9).serve(&signed.registry, "app", "1");
    signed.refuses_trusted("pull", 8, &[&image.digest()]);
}

#[test]
fn another_length_is_signed() {
    let image = image();
    let mut signed = Signed::serving(&image);
    signed.repository.set("targets", &["targets", "1", "length"], Value::from(7));
    signed.publish();
    signed.refuses_trusted("pull", 5, &["7 are signed"]);
}

#[test]
fn a_tag_that_is_not_signed() {
    let image = image();
    let signed = Signed::serving(&image);
    image.serve(&signed.registry, "app", "2");
    let name = signed.registry.image("app:2");
    signed.refuses(&["pull", "-q", "--trust", &name], 3, &["no valid trust data for 2"]);
    assert!(signed.registry.log().is_empty(), "{:?}", signed.registry);
    signed.run(&["pull", "-q", "--disable-content-trust", &name]).success();
}

#[test]
fn trust_data_that_has_expired() {
    let image = image();
    let mut signed = Signed::serving(&image);
    signed.repository.expire("targets");
    signed.publish();
    signed.refuses_trusted("pull", 6, &["expired"]);
    assert!(signed.registry.log().is_empty(), "{:?}", signed.registry);
}

#[test]
fn a_trust_server_that_is_out_of_order() {
    let image = image();
    let signed = Signed::serving(&image);
    signed.replies.set_all(&Reply::status(500, ""));
    signed.refuses_trusted("pull", 10, &[&signed.server.host_port()]);
    assert!(signed.registry.log().is_empty(), "{:?}", signed.registry);
}

#[test]
fn all_tags_are_all_that_are_signed() {
    let image = image();
    let signed = Signed::serving(&image);
    Image::of_size(10, 9).serve(&signed.registry, "app", "2");
    let name = signed.registry.image("app");
    signed.run(&["pull", "-q", "--trust", "-a", &name]).success();
    signed.has(&image);
    assert_eq!(digest_in_layout(&signed.layout(), &signed.registry.image("app:2")), None);
}

#[test]
fn trust_that_is_switched_off_is_told() {
    let image = image();
    let mut signed = Signed::serving(&image);
    signed.user.set("DOCKER_CONTENT_TRUST", "1");
    let other = Image::of_size(10, 9);
    other.serve(&signed.registry, "app", "1");
    let words = ["pull", "--disable-content-trust", &signed.image()];
    let finished = signed.run(&words).success();
    assert!(finished.stderr.contains("content trust"), "{}", finished.stderr);
    signed.has(&other);
    signed.pull().success();
    signed.has(&image);
}

#[test]
fn a_tag_is_not_there_before_its_signature() {
    let image = image();
    let signed = Signed::holding(&image);
    signed.run(&["push", "-q", "--trust", &signed.image()]).success();
    signed.registry_has("app", &image);
    assert_eq!(signed.publications(), [None], "the tag was there, and not signed");
}

#[test_case(500, 10; "it is broken")]
#[test_case(401, 9; "it wants a login")]
fn a_tag_does_not_move_when_nothing_is_signed(status: u16, code: i32) {
    let image = image();
    let signed = Signed::holding(&image);
    let other = Image::of_size(10, 9);
    other.serve(&signed.registry, "app", "1");
    signed.replies.set("", Reply::status(status, ""));
    signed.refuses_trusted("push", code, &["its tag was not moved"]);
    assert_eq!(signed.registry.contents().tagged("app", "1"), Some(other.digest()));
    assert_eq!(signed.publications().len(), 1);
}

#[test]
fn nothing_is_signed_of_what_could_not_be_sent() {
    let image = image();
    let signed = Signed::holding(&image);
    signed.registry.script().always("PUT", "/manifests/", || Fault::error(400, "MANIFEST_INVALID"));
    signed.refuses_trusted("push", 10, &["manifest invalid"]);
    assert!(signed.publications().is_empty(), "it was signed all the same");
}

#[test]
fn what_is_signed_is_what_was_sent_and_not_what_the_tag_says_later() {
    let image = image();
    let signed = Signed::holding(&image);
    let other = Image::of_size(10, 9);
    other.serve(&signed.registry, "app", "other");
    let moved = other.digest();
    // Somebody is quicker with the tag, again and again.
    signed.registry.script().rule(move |request, world| {
        if request.target.contains("/manifests/") {
            world.contents.tag("app", "1", &moved);
        }
        None
    });
    signed.run(&["push", "-q", "--trust", &signed.image()]).success();
    signed.registry_has("app", &image);
    assert_eq!(signed.publications(), [Some(other.digest())]);
}

#[test]
fn an_image_without_its_signature_is_not_copied() {
    let image = image();
    let signed = Signed::serving(&image);
    let other = Image::of(vec![Blob::layer_of(10, 9)]);
    other.serve(&signed.registry, "app", "2");
    write_into_layout(&signed.layout(), &signed.registry.image("app:2"), &other);
    let (from, to) = (signed.registry.image("app:2"), signed.registry.image("copies/app:2"));
    let finished = signed.user.trust(&["--no-prompt", "copy", "-q", "--trust", &from, &to]);
    let finished = finished.expect_code(3);
    assert!(finished.stderr.contains("no valid trust data for 2"), "{}", finished.stderr);
    assert!(signed.registry.log().is_empty(), "{:?}", signed.registry);
}
