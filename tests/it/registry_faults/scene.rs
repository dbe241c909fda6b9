//! A person with some images, and a registry that fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::ScriptedRegistry;
use crate::harness::disk::{Files, files_under};
use crate::harness::image::{Blob, Image, digest_in_layout, write_into_layout};
use crate::harness::registry::Entry;
use crate::peers::User;
use crate::peers::image::digest;
use crate::peers::process::Finished;

/// A person who has one image, `kept.example/kept:1`, and a registry with none.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) registry: ScriptedRegistry,
    pub(super) user: User,
}

impl Scene {
    pub(super) fn new() -> Self {
        let scene = Self { registry: ScriptedRegistry::start(), user: User::new() };
        write_into_layout(&scene.layout(), KEPT, &Image::of_size(100, 42));
        scene
    }

    /// A person who is to pull this image, `app:1`.
    pub(super) fn serving(image: &Image) -> Self {
        let scene = Self::new();
        image.serve(&scene.registry, "app", "1");
        scene
    }

    /// A person who has this image as `app:1` and is to push it.
    pub(super) fn holding(image: &Image) -> Self {
        let scene = Self::new();
        write_into_layout(&scene.layout(), &scene.image(), image);
        scene
    }

    /// The full name of `app:1`.
    pub(super) fn image(&self) -> String {
        self.registry.image("app:1")
    }

    pub(super) fn layout(&self) -> PathBuf {
        self.user.home().join("images")
    }

    /// Makes the registry demand a login, which the person has.
    pub(super) fn demand_login(&mut self) {
        self.registry.door().demand_login("alice", "secret");
        let host = self.registry.host();
        self.user.log_in(&host, "alice", "secret");
    }

    /// Runs a command of images on the layout.
    pub(super) fn run(&self, words: &[&str]) -> Finished {
        let layout = self.layout().display().to_string();
        self.user.trust(&[words, &["--layout", &layout]].concat())
    }

    /// Pulls `app:1`.
    pub(super) fn pull(&self) -> Finished {
        self.run(&["pull", "-q", &self.image()])
    }

    /// Pushes `app:1`.
    pub(super) fn push(&self) -> Finished {
        self.run(&["push", "-q", &self.image()])
    }

    /// Pulls `app:1`; the layout must have it whole, and what it had.
    #[track_caller]
    pub(super) fn pulls(&self, image: &Image) {
        self.pull().success();
        self.has(image);
    }

    /// The layout must have this image whole, as `app:1`, and what it had.
    #[track_caller]
    pub(super) fn has(&self, image: &Image) {
        let layout = self.layout();
        assert_eq!(digest_in_layout(&layout, &self.image()), Some(image.digest()));
        for blob in image.blobs().chain([&image.manifest]) {
            let file = fs::read(blob_file(&layout, &blob.digest()));
            assert_eq!(file.ok().as_ref(), Some(&blob.bytes), "{} is not stored", blob.digest());
        }
        assert!(digest_in_layout(&layout, KEPT).is_some(), "{KEPT} is gone");
        assert_sound(&layout);
    }

    /// Pushes `app:1`; the registry must have it whole.
    #[track_caller]
    pub(super) fn pushes(&self, image: &Image) {
        self.push().success();
        self.registry_has("app", image);
    }

    /// The registry must have this image whole, as `1` of a repository.
    #[track_caller]
    pub(super) fn registry_has(&self, repository: &str, image: &Image) {
        let contents = self.registry.contents();
        assert_eq!(contents.tagged(repository, "1"), Some(image.digest()));
        for blob in image.blobs() {
            let kept = contents.blob(repository, &blob.digest());
            assert_eq!(kept.as_ref(), Some(&blob.bytes), "{} was not sent", blob.digest());
        }
        let kept = contents.manifest(repository, &image.digest());
        assert_eq!(kept.as_ref(), Some(&image.manifest.bytes));
        assert_eq!(contents.open_uploads(), 0, "an upload was left open");
    }

    /// A command must end with this code and say all of this, and the layout must have what it
    /// had: no name more or less, no file changed, nothing added but whole blobs.
    #[track_caller]
    pub(super) fn refuses(&self, words: &[&str], code: i32, said: &[&str]) -> Finished {
        let before = files_under(&self.layout());
        let finished = self.run(words).expect_code(code);
        for part in said {
            assert!(finished.stderr.contains(part), "no `{part}` in: {}", finished.stderr);
        }
        assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
        self.assert_kept(&before);
        finished
    }

    /// The same for a pull of `app:1`.
    #[track_caller]
    pub(super) fn refuses_pull(&self, code: i32, said: &[&str]) -> Finished {
        let finished = self.refuses(&["pull", "-q", &self.image()], code, said);
        assert!(finished.stdout.is_empty(), "something was said to be pulled: {finished:?}");
        finished
    }

    /// The same for a push of `app:1`, after which the registry has no such tag.
    #[track_caller]
    pub(super) fn refuses_push(&self, code: i32, said: &[&str]) -> Finished {
        let finished = self.refuses(&["push", "-q", &self.image()], code, said);
        assert_eq!(self.registry.contents().tagged("app", "1"), None, "the tag was set");
        finished
    }

    #[track_caller]
    fn assert_kept(&self, before: &Files) {
        let after = files_under(&self.layout());
        for (path, content) in before {
            assert_eq!(after.get(path), Some(content), "{} changed", path.display());
        }
        for path in after.keys().filter(|path| !before.contains_key(*path)) {
            assert!(path.starts_with("blobs"), "left behind: {}", path.display());
        }
        assert_sound(&self.layout());
    }

    /// The requests for the bytes of this blob.
    pub(super) fn downloads(&self, blob: &Blob) -> Vec<Entry> {
        self.registry.asked("GET", &format!("/blobs/{}", blob.digest()))
    }

    /// The requests that carried bytes to the registry, of blobs.
    pub(super) fn uploads(&self) -> Vec<Entry> {
        let is_upload =
            |entry: &Entry| entry.target.contains("/blobs/uploads/") && entry.received > 0;
        self.registry.log().into_iter().filter(is_upload).collect()
    }
}

/// Every blob of a layout must be what its name says.
#[track_caller]
fn assert_sound(layout: &Path) {
    for path in files_under(&layout.join("blobs")).keys() {
        let bytes = fs::read(layout.join("blobs").join(path)).unwrap();
        let expected = digest(&bytes).replace(':', "/");
        assert_eq!(path.display().to_string(), expected, "a file is not what its name says");
    }
}

/// Where a layout keeps a blob.
pub(super) fn blob_file(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// What the person has from the start.
const KEPT: &str = "kept.example/kept:1";
