//! Building: for one platform, or for several and an index of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::runtime::Handle;

use crate::actions::build::lock::{Lock, LockError, LockMode};
use crate::actions::build::opened::{
    DockerfileAt, OpenError, Opened, Opening, Origin, open, open_named,
};
use crate::actions::build::outside::{Memory, Recorded, Sources, Watcher};
use crate::actions::build::place::{NamedPlace, Place};
use crate::actions::context::Context;
use crate::build::built::Built;
use crate::build::engine::{Workshop, build as build_one};
use crate::build::error::BuildError;
use crate::build::request::{self as one, Fresh, NamedContext, Settings};
use crate::build::runner::Runner;
use crate::client::git::GitSettings;
use crate::oci::canonical::{self, CanonicalError};
use crate::oci::manifest::OCI_INDEX;
use crate::oci::{Descriptor, ImageName, Platform};
use crate::store::{ImageLayout, ImageLayoutError, Lease};

/// What is to be built, and of what.
#[derive(Debug, Clone)]
pub struct Request {
    /// The context.
    pub place: Place,
    /// Contexts besides it, by name.
    pub contexts: Vec<(String, NamedPlace)>,
    /// Which Dockerfile.
    pub dockerfile: DockerfileAt,
    /// What was chosen.
    pub settings: Settings,
    /// What for; at least one.
    pub platforms: Vec<Platform>,
    /// Which steps are made anew.
    pub fresh: Fresh,
    /// Whether registries are asked even for bases that are here.
    pub refreshes: bool,
    /// Which lock file, and what is done with it.
    pub lock: Option<(PathBuf, LockMode)>,
    /// Where a lock file would be that nobody asks for: it is no part of the context.
    pub lock_beside: Option<PathBuf>,
    /// What must be what it was, in a build that is repeated.
    pub recorded: Option<Recorded>,
}

/// What a build works with.
#[derive(Clone)]
pub struct Workplace {
    /// Connections, trust data, the clock.
    pub context: Context,
    /// Where images are.
    pub layout: ImageLayout,
    /// Runs what waits for the network.
    pub runtime: Handle,
    /// Whether only signed bases are taken, and who must have signed them.
    pub trusted: Option<Vec<String>>,
    /// Runs commands.
    pub runner: Arc<dyn Runner + Send + Sync>,
    /// Who watches.
    pub watcher: Arc<dyn Watcher>,
    /// Set when the build is to stop.
    pub stop: Arc<AtomicBool>,
    /// Where temporary folders are made.
    pub temporary_dir: PathBuf,
    /// The folder that builds keep things in.
    pub work: PathBuf,
    /// Where programs are looked up.
    pub path: Option<OsString>,
}

impl fmt::Debug for Workplace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workplace").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// A context that is open, with its lock file: what several builds may be made of.
#[derive(Debug)]
pub struct Prepared {
    /// The context, and its Dockerfile.
    pub opened: Opened,
    contexts: BTreeMap<String, NamedContext>,
    given: BTreeMap<String, PathBuf>,
    lock: Option<Lock>,
    memory: Memory,
}

/// What was built. It is in the layout, and kept by the lease alone.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The manifest, or the index of several.
    pub root: Descriptor,
    /// The image for each platform.
    pub images: Vec<Built>,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunBuildError {
    /// The context.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// Something of the Dockerfile, or of what it leads to.
    #[error("{cause}")]
    Build {
        /// What the Dockerfile is called.
        name: String,
        /// Its text.
        text: String,
        /// What is wrong.
        #[source]
        cause: Box<BuildError>,
    },
    /// The index of several platforms cannot be written.
    #[error(transparent)]
    Index(#[from] CanonicalError),
}

/// Opens what the build is of.
pub fn prepare(
    place: &Workplace,
    lease: &Lease,
    request: &Request,
) -> Result<Prepared, RunBuildError> {
    let lock = request.lock.as_ref().map(|(path, mode)| Lock::open(path, *mode)).transpose()?;
    let memory = Memory::default();
    let mut given = BTreeMap::new();
    let (opened, contexts) = {
        let sources = sources(place, lease, request, lock.as_ref(), &memory, BTreeMap::new());
        let how = Opening {
            dockerfile: &request.dockerfile,
            lock: request
                .lock
                .as_ref()
                .map(|(path, _)| path.as_path())
                .or(request.lock_beside.as_deref()),
            keeps_modes: request.settings.keeps_modes,
            keeps_git_dir: request
                .settings
                .arguments
                .get("BUILDKIT_CONTEXT_KEEP_GIT_DIR")
                .is_some_and(|value| matches!(value.as_str(), "1" | "true")),
            work: &place.work,
            now: place.context.clock.now().as_second(),
        };
        let opened = open(&sources, &request.place, &how)?;
        let mut contexts = BTreeMap::new();
        for (name, place) in &request.contexts {
            let context = open_named(&sources, name, place, &how, &mut given)?;
            contexts.insert(name.clone(), context);
        }
        (opened, contexts)
    };
    Ok(Prepared { opened, contexts, given, lock, memory })
}

/// Builds for every platform. The steps of `fresh` are made anew.
pub fn build(
    place: &Workplace,
    lease: &Lease,
    request: &Request,
    prepared: &Prepared,
    fresh: &Fresh,
) -> Result<Outcome, RunBuildError> {
    let Prepared { opened, contexts, given, lock, memory } = prepared;
    let sources = sources(place, lease, request, lock.as_ref(), memory, given.clone());
    let now = place.context.clock.now().as_second();
    let shop = Workshop {
        lease,
        folder: &place.work,
        runner: place.runner.as_ref(),
        outside: &sources,
        now,
    };
    let mut images = Vec::new();
    for platform in &request.platforms {
        let one = one::Request {
            dockerfile: opened.dockerfile.clone(),
            platform: platform.clone(),
            settings: request.settings.clone(),
            context: opened.files.clone(),
            left_out: opened.left_out.clone(),
            contexts: contexts.clone(),
            fresh: fresh.clone(),
        };
        let built = build_one(&one, shop).map_err(|cause| RunBuildError::Build {
            name: opened.dockerfile_name.clone(),
            text: opened.dockerfile.clone(),
            cause: Box::new(cause),
        })?;
        images.push(built);
    }
    opened.known.save();
    let root = match images.as_slice() {
        [only] => only.descriptor.clone(),
        several => {
            let manifests: Vec<Descriptor> =
                several.iter().map(|image| image.descriptor.clone()).collect();
            let bytes = canonical::index_bytes(&manifests, &BTreeMap::new())?;
            let digest = lease.put(&bytes)?;
            Descriptor::new(OCI_INDEX, digest, bytes.len() as u64)
        }
    };
    Ok(Outcome { root, images })
}

impl Prepared {
    /// Writes the lock file, if there is one and it has something new. Returns which file that is.
    pub fn write_lock(&self) -> Result<Option<&Path>, LockError> {
        match &self.lock {
            Some(lock) if lock.write()? => Ok(Some(lock.path())),
            _ => Ok(None),
        }
    }

    /// Where the context is from, if that can be named.
    pub fn commit(&self) -> Option<&str> {
        match &self.opened.origin {
            Origin::Commit(commit) => Some(commit),
            _ => None,
        }
    }
}

/// Gives what was built its names in the layout; without one it is there by its digest alone.
pub fn name(lease: &Lease, outcome: &Outcome, names: &[ImageName]) -> Result<(), ImageLayoutError> {
    lease.commit(|index| {
        for name in names {
            index.set(name, &outcome.root, None);
        }
        if names.is_empty() {
            index.add(&outcome.root, None);
        }
        Ok(())
    })
}

fn sources<'a>(
    place: &'a Workplace,
    lease: &'a Lease,
    request: &'a Request,
    lock: Option<&'a Lock>,
    memory: &'a Memory,
    given: BTreeMap<String, PathBuf>,
) -> Sources<'a> {
    Sources {
        context: &place.context,
        layout: &place.layout,
        lease,
        runtime: place.runtime.clone(),
        trusted: place.trusted.as_deref(),
        refreshes: request.refreshes,
        lock,
        recorded: request.recorded.as_ref(),
        given,
        git: GitSettings {
            path: place.path.clone(),
            agent: request.settings.ssh.get("default").cloned(),
            token: request.settings.secrets.get("GIT_AUTH_TOKEN").cloned(),
            header: request.settings.secrets.get("GIT_AUTH_HEADER").cloned(),
        },
        temporary_dir: place.temporary_dir.clone(),
        epoch: request.settings.epoch,
        watcher: Arc::clone(&place.watcher),
        stop: Arc::clone(&place.stop),
        memory,
    }
}
