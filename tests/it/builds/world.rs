//! A person with a folder of files to build from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::layout::Layout;
use crate::peers::User;
use crate::peers::process::Finished;

/// A person, and contexts in their home folder.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) user: User,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { user: User::new() }
    }

    /// With a context `app`: these files, a Dockerfile among them.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        world.files("app", files);
        world
    }

    /// Writes files into a folder of the home folder.
    pub(crate) fn files(&self, folder: &str, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.path(folder).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    /// A path in the home folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.user.home().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs `trust build WORDS`.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn build(&self, words: &[&str]) -> Finished {
        self.user.trust(&[&["build"], words].concat())
    }

    /// What a build prints: the digest.
    #[track_caller]
    pub(crate) fn digest(&self, words: &[&str]) -> String {
        let built = self.build(words).success();
        let digest = built.stdout.trim().to_owned();
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{built:?}");
        digest
    }

    /// The person's images.
    pub(crate) fn layout(&self) -> Layout {
        Layout::at(&self.user.home().join(".local/share/trust/images"))
    }

    /// A document of the layout.
    #[track_caller]
    pub(crate) fn document(&self, digest: &str) -> Value {
        document(&self.user.home().join(".local/share/trust/images"), digest)
    }

    /// The configuration of an image.
    #[track_caller]
    pub(crate) fn config(&self, digest: &str) -> Value {
        let manifest = self.document(digest);
        self.document(manifest["config"]["digest"].as_str().unwrap())
    }

    /// The files of an image, `PATH MODE CONTENT` each, as a tar of it has them.
    #[track_caller]
    pub(crate) fn files_of(&self, words: &[&str]) -> Vec<String> {
        let tar = self.path("files.tar");
        let output = format!("type=tar,dest={}", tar.display());
        self.build(&[words, &["-o", &output]].concat()).success();
        entries(&fs::read(tar).unwrap())
    }
}

/// The entries of an archive: path, mode in octal, content or link.
pub(crate) fn entries(archive: &[u8]) -> Vec<String> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(archive);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mode = entry.header().mode().unwrap();
        let content = if let Some(target) = entry.link_name().unwrap() {
            format!("-> {}", target.display())
        } else {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        found.push(format!("{path} {mode:04o} {content}").trim_end().to_owned());
    }
    found
}

/// A document of a layout.
#[track_caller]
pub(crate) fn document(layout: &Path, digest: &str) -> Value {
    let (algorithm, hex) = digest.split_once(':').unwrap();
    let bytes = fs::read(layout.join("blobs").join(algorithm).join(hex)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
