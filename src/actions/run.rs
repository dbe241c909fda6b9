//! Running a command of an image, as the image says it or otherwise, and keeping what it changed.
//!
//! What is kept is an image of this machine, `localhost/run/NAME`: the command's image with one more
//! layer, or none if nothing changed. [`crate::actions::commit`] makes something of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::actions::context::Context;
use crate::actions::image::find::{FindError, LocalImage, find, find_for};
use crate::actions::image::import::{Made, made};
use crate::actions::pull::{self, PullError, pull};
use crate::actions::transfer::{Platforms, Progress};
use crate::build::content::Files;
use crate::build::image::{Image, Layered};
use crate::build::layer;
use crate::build::layer::write::WriteError;
use crate::build::runner::{Job, Mountable, Mounted, Outcome, Root, RunError, Runner, Stream};
use crate::dockerfile::{Network, Security};
use crate::oci::canonical::{self, CanonicalError};
use crate::oci::manifest::OCI_MANIFEST;
use crate::oci::media_type::{Compression, OCI_CONFIG};
use crate::oci::{Descriptor, Digest, ImageName, Platform, Reference, ReferenceError};
use crate::store::images::Lease;
use crate::store::images::layer_archive::{LayerError, pairs};
use crate::store::{ImageLayout, ImageLayoutError};

/// What is run, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// What takes the place of the image's `CMD`, if there is something.
    pub command: Vec<String>,
    /// What takes the place of the image's `ENTRYPOINT`; empty for none at all.
    pub entrypoint: Option<Vec<String>>,
    /// Variables besides the image's.
    pub environment: Vec<(String, String)>,
    /// Where it runs, if not where the image says.
    pub folder: Option<String>,
    /// As who, if not as the image says.
    pub user: Option<String>,
    /// The name of the machine that it sees.
    pub hostname: String,
    /// Names and addresses in its `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// The network that it sees: `None` or `Host`.
    pub network: Network,
    /// How it is kept in.
    pub security: Security,
    /// Files and folders of this machine.
    pub volumes: Vec<Volume>,
    /// Whether it may read what is typed.
    pub interactive: bool,
    /// What the changes are kept as.
    pub kept: Option<ImageName>,
    /// The time that they get, in seconds since 1970.
    pub epoch: i64,
}

/// A file or folder of this machine in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where it is here.
    pub path: std::path::PathBuf,
    /// Where it is there.
    pub target: String,
    /// Whether it may not be written to.
    pub read_only: bool,
}

/// What came of a command.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub status: i32,
    /// What somebody should know.
    pub warnings: Vec<String>,
    /// The image that its changes were kept as.
    pub kept: Option<Made>,
}

/// Why a command was not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunImageError {
    /// The image cannot be had.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The image is not here, or cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer of it cannot be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// There is nothing to be run.
    #[error("the image names no command, and none was given")]
    NoCommand,
    /// It could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What it changed cannot be written as a layer.
    #[error("what the command changed cannot be kept")]
    Write(#[from] WriteError),
    /// What it changed cannot be an image.
    #[error("what the command changed cannot be kept")]
    Canonical(#[from] CanonicalError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// The name that changes are kept under, from what a person calls them.
pub fn kept_name(name: &str) -> Result<ImageName, ReferenceError> {
    Reference::parse(&format!("localhost/run/{name}:latest")).map(ImageName::of_reference)
}

/// Finds the image, and fetches it if it is not here; with content trust what is run is what is
/// signed, whatever is here under the name.
pub async fn fetch(
    context: &Context,
    layout: &ImageLayout,
    typed: &str,
    trusted: Option<Vec<String>>,
    platform: Option<&Platform>,
    progress: &Arc<dyn Progress>,
) -> Result<LocalImage, RunImageError> {
    if trusted.is_none() {
        let found = match platform {
            Some(platform) => find_for(layout, typed, platform),
            None => find(layout, typed),
        };
        match found {
            Err(FindError::NotFound { .. } | FindError::NoPlatform { .. }) => {}
            found => return Ok(found?),
        }
    }
    let not_found = || FindError::NotFound { typed: typed.to_owned() };
    let reference = Reference::parse(typed).map_err(|_| not_found())?;
    let platforms = platform.map_or(Platforms::Host, |platform| Platforms::One(platform.clone()));
    let request = pull::Request { reference, trusted, platforms };
    let pulled = pull(context, layout, &request, progress).await?;
    Ok(find(layout, pulled.image.digest.as_str())?)
}

/// Runs a command. `work` is the folder that builds keep things in.
pub fn run(
    layout: &ImageLayout,
    image: &LocalImage,
    runner: &dyn Runner,
    work: &Path,
    request: &Request,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Finished, RunImageError> {
    let pairs = pairs(&image.manifest, &image.config)?;
    let run = Run { layout, image, pairs, work, request };
    let lease = layout.lease()?;
    let (outcome, files) = match run.under_lease(&lease, runner, output) {
        Ok(outcome) => outcome,
        Err(error) => {
            lease.tidy()?;
            return Err(error);
        }
    };
    let kept = match &request.kept {
        Some(name) => Some(run.keep(&files, &outcome, name)?),
        None => None,
    };
    lease.tidy()?;
    Ok(Finished { status: outcome.status, warnings: outcome.warnings, kept })
}

/// What is run, and where.
struct Run<'a> {
    layout: &'a ImageLayout,
    image: &'a LocalImage,
    /// The layers of the image, and the digests of what they unpack to.
    pairs: Vec<(&'a Descriptor, &'a Digest)>,
    work: &'a Path,
    request: &'a Request,
}

impl Run<'_> {
    /// Runs the command; gives what came of it, and the files that it found.
    fn under_lease(
        &self,
        lease: &Lease,
        runner: &dyn Runner,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<(Outcome, Files), RunImageError> {
        self.protect(lease)?;
        let mut files = Files::default();
        for (layer, diff_id) in &self.pairs {
            layer::read(self.layout, layer, diff_id, &mut files, self.work)?;
        }
        let (layers, diff_ids) = self.layers();
        let layers: Vec<_> = layers.into_iter().zip(diff_ids).collect();
        let job = job(&Image::of_base(&self.image.config), self.request)?;
        let root = Root { layers: &layers, files: &files };
        let outcome = runner.run(root, &job, output)?;
        Ok((outcome, files))
    }

    /// Keeps what the command changed as an image of this name.
    fn keep(
        &self,
        files: &Files,
        outcome: &Outcome,
        name: &ImageName,
    ) -> Result<Made, RunImageError> {
        let Self { image, request, .. } = self;
        made(self.layout, Some(name), |lease| {
            self.protect(lease)?;
            let (mut layers, mut diff_ids) = self.layers();
            let layered = if outcome.changes.is_empty() {
                Layered::No
            } else {
                let format = layer::Format { compression: Compression::Gzip, epoch: request.epoch };
                let stored = layer::write(lease, files, &outcome.changes, format, self.work)?;
                layers.push(stored.descriptor);
                diff_ids.push(stored.diff_id);
                Layered::Yes
            };
            let created = canonical::created(request.epoch)?;
            let mut config = Image::of_base(&image.config);
            let text = arguments(&config, request).join(" ");
            config.record(&text, layered, &created);
            put(lease, &config.document(&diff_ids, &created), &layers, &image.config.platform)
        })
    }

    fn protect(&self, lease: &Lease) -> Result<(), ImageLayoutError> {
        lease.protect(self.pairs.iter().map(|(layer, _)| &layer.digest))
    }

    fn layers(&self) -> (Vec<Descriptor>, Vec<Digest>) {
        let pairs = self.pairs.iter();
        pairs.map(|(layer, diff_id)| ((*layer).clone(), (*diff_id).clone())).unzip()
    }
}

fn job<'a>(config: &Image, request: &Request) -> Result<Job<'a>, RunImageError> {
    let arguments = arguments(config, request);
    if arguments.is_empty() {
        return Err(RunImageError::NoCommand);
    }
    let mut environment = config.environment();
    for (name, value) in &request.environment {
        match environment.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.clone_from(value),
            None => environment.push((name.clone(), value.clone())),
        }
    }
    let chosen = |given: &Option<String>, member| {
        given.clone().unwrap_or_else(|| config.text(member).to_owned())
    };
    let folder = chosen(&request.folder, "WorkingDir");
    let mounts = request.volumes.iter().map(|volume| Mounted {
        target: volume.target.clone(),
        what: Mountable::Host { path: volume.path.clone(), read_only: volume.read_only },
    });
    Ok(Job {
        arguments,
        environment,
        folder: if folder.is_empty() { "/".to_owned() } else { folder },
        user: chosen(&request.user, "User"),
        hostname: request.hostname.clone(),
        hosts: request.hosts.clone(),
        network: request.network,
        security: request.security,
        mounts: mounts.collect(),
        interactive: request.interactive,
        epoch: request.epoch,
    })
}

/// `ENTRYPOINT` and `CMD`; whoever gives another entry point does without the image's `CMD`, as
/// docker has it.
fn arguments(config: &Image, request: &Request) -> Vec<String> {
    let mut arguments = match &request.entrypoint {
        Some(entrypoint) => entrypoint.clone(),
        None => config.list("Entrypoint"),
    };
    if !request.command.is_empty() {
        arguments.extend(request.command.iter().cloned());
    } else if request.entrypoint.is_none() {
        arguments.extend(config.list("Cmd"));
    }
    arguments
}

/// Stores an image whose configuration and layers are known, as the canonical profile has it.
pub(super) fn put<E>(
    lease: &Lease,
    config: &Map<String, Value>,
    layers: &[Descriptor],
    platform: &Platform,
) -> Result<Made, E>
where
    E: From<CanonicalError> + From<ImageLayoutError>,
{
    let config = canonical::config_bytes(config)?;
    let id = lease.put(&config)?;
    let described = Descriptor::new(OCI_CONFIG, id.clone(), config.len() as u64);
    let annotations =
        BTreeMap::from([(canonical::PROFILE_ANNOTATION.to_owned(), canonical::PROFILE.to_owned())]);
    let manifest = canonical::manifest_bytes(&described, layers, &annotations, None)?;
    let digest = lease.put(&manifest)?;
    let mut descriptor = Descriptor::new(OCI_MANIFEST, digest, manifest.len() as u64);
    descriptor.platform = Some(platform.clone());
    Ok(Made { id, descriptor })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(entrypoint: Option<&[&str]>, command: &[&str]) -> Request {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Request {
            command: texts(command),
            entrypoint: entrypoint.map(texts),
            environment: vec![("A".to_owned(), "2".to_owned()), ("B".to_owned(), "3".to_owned())],
            folder: None,
            user: None,
            hostname: "sandbox".to_owned(),
            hosts: Vec::new(),
            network: Network::None,
            security: Security::Sandbox,
            volumes: Vec::new(),
            interactive: false,
            kept: None,
            epoch: 0,
        }
    }

    fn image() -> Image {
        let platform = Platform::parse("linux/amd64").unwrap();
        let mut image = Image::scratch(platform);
        image.set("Entrypoint", json!(["entry"]));
        image.set("Cmd", json!(["one", "two"]));
        image.set_variable("A", "1");
        image
    }

    #[test]
    fn entry_point_and_command_are_dockers() {
        let of = |entrypoint, command: &[&str]| {
            arguments(&image(), &request(entrypoint, command)).join(" ")
        };
        assert_eq!(of(None, &[]), "entry one two");
        assert_eq!(of(None, &["x"]), "entry x");
        assert_eq!(of(Some(&["other"]), &[]), "other");
        assert_eq!(of(Some(&["other"]), &["x"]), "other x");
        assert_eq!(of(Some(&[]), &["x"]), "x");
        let nothing = job(&image(), &request(Some(&[]), &[])).unwrap_err();
        assert!(matches!(nothing, RunImageError::NoCommand));
    }

    #[test]
    fn variables_that_were_given_win() {
        let job = job(&image(), &request(None, &[])).unwrap();
        let value = |name: &str| {
            let found = job.environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!((value("A"), value("B")), (Some("2"), Some("3")));
        assert!(value("PATH").is_some());
        assert_eq!(job.folder, "/");
    }

    #[test]
    fn what_is_kept_has_a_name_of_its_own() {
        assert_eq!(kept_name("x").unwrap().to_string(), "localhost/run/x:latest");
        assert!(kept_name("X Y").is_err());
    }
}
