//! What is to be built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::content::Files;
use crate::build::context::Exclusion;
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::Network;
use crate::oci::media_type::Compression;
use crate::oci::{Platform, Reference};

/// An image that is to be built.
#[derive(Debug)]
pub struct Request {
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// What the image is for.
    pub platform: Platform,
    /// What was chosen.
    pub settings: Settings,
    /// The files that `COPY` and `ADD` take; a build without one has none.
    pub context: Files,
    /// What was left out of it, to say so when it is asked for.
    pub left_out: Option<LeftOut>,
    /// Other contexts, by name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// Which steps are made anew whatever was kept.
    pub fresh: Fresh,
}

/// What was chosen for a build, whatever platforms it is for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Values for arguments.
    pub arguments: BTreeMap<String, String>,
    /// Which stage is wanted: a name or number; the last one without it.
    pub target: Option<String>,
    /// Labels added to the image's own.
    pub labels: Vec<(String, String)>,
    /// The time that everything gets, in seconds since 1970.
    pub epoch: i64,
    /// How layers are stored.
    pub compression: Compression,
    /// Secrets, by id.
    pub secrets: BTreeMap<String, SecretBytes>,
    /// Sockets of SSH agents, by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// The network of commands that name none: `None` or `Host`.
    pub network: Network,
    /// Whether `RUN --security=insecure` is allowed.
    pub insecure_allowed: bool,
    /// Whether `RUN --network=host` is allowed.
    pub host_network_allowed: bool,
    /// Names and addresses that commands find in `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// Whether modes of the context are kept; else they become git's two.
    pub keeps_modes: bool,
}

/// What `.dockerignore` left out of a context.
#[derive(Clone)]
pub struct LeftOut(pub Arc<dyn Exclusion + Send + Sync>);

impl fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeftOut(…)")
    }
}

/// A context besides the first one.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// Files.
    Files(Files),
    /// An image.
    Image(Reference),
}

/// Which steps are made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fresh {
    /// Those whose inputs changed.
    #[default]
    Changed,
    /// All.
    All,
    /// All of these stages.
    Stages(BTreeSet<String>),
}
