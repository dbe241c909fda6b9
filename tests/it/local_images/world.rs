//! A person with a few images.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::layout::{Layout, archive};
use crate::peers::User;
use crate::peers::process::Finished;

/// A person, and the layout `images` in their home folder.
#[derive(Debug)]
pub(super) struct World {
    pub(super) user: User,
}

impl World {
    pub(super) fn new() -> Self {
        Self { user: User::new() }
    }

    /// With a base, an image made of it, and one more, each with a name.
    pub(super) fn with_images() -> Self {
        let world = Self::new();
        let layout = Layout::new(&world.folder());
        let [base, app, other] = ["base", "app", "other"].map(|name| archive(&[(name, name)]));
        layout.add(
            "docker.io/library/base:1",
            &layout.image(&[&base], &created("2024-01-01", "base")),
        );
        layout.add(
            "docker.io/library/app:1",
            &layout.image(&[&base, &app], &created("2024-01-02", "app")),
        );
        layout.add(
            "h.example:5000/x/other:2",
            &layout.image(&[&other], &created("2024-01-03", "other")),
        );
        world
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.user.home().join(IMAGES)
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::at(&self.folder())
    }

    /// Runs `trust WORDS --layout images`.
    #[must_use = "ask for its `success` or an exit code"]
    pub(super) fn trust(&self, words: &[&str]) -> Finished {
        self.user.trust(&[words, &["--layout", IMAGES]].concat())
    }

    /// What it prints when all is well.
    #[track_caller]
    pub(super) fn prints(&self, words: &[&str]) -> String {
        self.trust(words).success().stdout
    }

    /// The id of an image, as it is told.
    pub(super) fn id(&self, name: &str) -> String {
        self.prints(&["image", "inspect", "--format", "{{.Id}}", name]).trim().to_owned()
    }

    /// Names of images, sorted, as they are listed.
    pub(super) fn names(&self) -> Vec<String> {
        let listed = self.prints(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// What a configuration says of an image made on that day by a command.
pub(super) fn created(day: &str, command: &str) -> Value {
    let time = format!("{day}T00:00:00Z");
    json!({
        "created": time,
        "config": {"Labels": {"made": command, "odd": "a<b>&c"}, "Cmd": ["/bin/run", command]},
        "history": [
            {"created": time, "created_by": format!("COPY {command}")},
            {"created": time, "created_by": "CMD run", "empty_layer": true, "comment": "note"},
        ],
    })
}

/// The layout, below the home folder.
pub(super) const IMAGES: &str = "images";
