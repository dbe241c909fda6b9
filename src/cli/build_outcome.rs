//! What is said of a build: to a person, and in the file of `--metadata-file`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::actions::build::rebuild::RebuildError;
use crate::actions::build::run::Outcome;
use crate::actions::build::verify::Mismatch;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::ui::Ui;
use crate::oci::ImageName;
use crate::oci::archive::EntryPath;

/// What came of the work.
#[derive(Debug)]
pub struct Finished {
    /// The image, or the images and their index.
    pub outcome: Outcome,
    /// The commit that was built, if the context is a repository.
    pub commit: Option<String>,
    /// The lock file that was written, if one was.
    pub lock: Option<PathBuf>,
    /// Devices that only root can make, and which an output therefore lacks.
    pub left_out: Vec<EntryPath>,
}

/// The error of two images that should be one, which says where they part.
pub fn differs(words: &str, found: &Mismatch, outcome: &Outcome) -> CliError {
    let mut words = words.to_owned();
    if let Some(path) = &found.path {
        words += ": the first path that is different is ";
        words += path;
        if !found.changed.is_empty() {
            words += " (";
            words += &found.changed.join(", ");
            words += ")";
        }
    } else if let Some(member) = &found.member {
        words += ": the configuration is different in `";
        words += member;
        words += "`";
    }
    let mut error = CliError::new(ErrorKind::Policy, words);
    if let Some(step) = &found.step {
        error = error.hint(format!("the first layer that is different was made by: {step}"));
    }
    let holes = outcome.images.iter().flat_map(|image| &image.inputs.holes);
    for hole in holes.collect::<BTreeSet<_>>() {
        error = error.hint(format!("the outcome depends on more than its inputs: {hole}"));
    }
    error
}

/// Says what a person should know of what was built.
pub fn say(ui: Ui, finished: &Finished, names: &[ImageName]) {
    let Finished { outcome, commit, lock, left_out } = finished;
    if let Some(commit) = commit {
        ui.status(format!("Built from {commit}"));
    }
    for image in &outcome.images {
        let (cached, steps) = image.cached;
        let platform = image.descriptor.platform.as_ref().map(ToString::to_string);
        let platform = platform.unwrap_or_default();
        ui.detail(format!(
            "{platform}: {} ({cached} of {steps} steps cached)",
            image.descriptor.digest
        ));
        for hole in &image.inputs.holes {
            ui.status(format!("Not fixed by the inputs: {hole}"));
        }
    }
    if let Some(lock) = lock {
        ui.status(format!("Wrote {}", lock.display()));
    }
    for path in left_out {
        ui.warn(format!("/{path} is a device, which only root can make: it was left out"));
    }
    for name in names {
        ui.status(format!("Named {}", name.familiar()));
    }
}

/// The document of `--metadata-file` (`spec/json-output.md`).
pub fn metadata(finished: &Finished, names: &[ImageName]) -> Value {
    let root = &finished.outcome.root;
    let mut document = json!({
        "containerimage.digest": root.digest.as_str(),
        "containerimage.descriptor": {
            "mediaType": root.media_type,
            "digest": root.digest.as_str(),
            "size": root.size,
        },
    });
    let mut add = |name: &str, value: Value| {
        if let Some(members) = document.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let [image] = finished.outcome.images.as_slice() {
        add("containerimage.config.digest", json!(image.id.as_str()));
    }
    let names: Vec<String> = names.iter().map(ImageName::to_string).collect();
    if !names.is_empty() {
        add("image.name", json!(names.join(",")));
    }
    if let Some(commit) = &finished.commit {
        add("vnd.trust.context", json!(commit));
    }
    let images = finished.outcome.images.iter().map(|image| {
        let record: Value = serde_json::from_str(&image.inputs.to_json()).unwrap_or_default();
        let (cached, steps) = image.cached;
        json!({
            "platform": image.descriptor.platform.as_ref().map(ToString::to_string),
            "digest": image.descriptor.digest.as_str(),
            "config": image.id.as_str(),
            "inputs": record,
            "steps": steps,
            "cached": cached,
        })
    });
    add("vnd.trust.images", json!(images.collect::<Vec<_>>()));
    document
}

impl From<RebuildError> for CliError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::Pull(cause) => cause.into(),
            RebuildError::Find(cause) => cause.into(),
            RebuildError::OtherDockerfile { .. } => Self::new(ErrorKind::Policy, error)
                .hint("take the Dockerfile of the commit that the image was built from"),
            RebuildError::NoRecord { .. } => {
                Self::new(ErrorKind::NotFound, error).hint("images that `trust build` made say it")
            }
            _ => Self::new(ErrorKind::Storage, error),
        }
    }
}
