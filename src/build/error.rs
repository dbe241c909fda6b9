//! Why a build failed.

use std::io;
use std::ops::Range;

use crate::build::accounts::AccountError;
use crate::build::context::ContextError;
use crate::build::copy::CopyError;
use crate::build::layer::WriteError;
use crate::build::outside::OutsideError;
use crate::build::runner::RunError;
use crate::dockerfile::{ExpansionError, SyntaxError};
use crate::oci::archive::ArchiveError;
use crate::oci::canonical::CanonicalError;
use crate::oci::platform::PlatformError;
use crate::oci::{ReferenceError, image_config};
use crate::store::ImageLayoutError;
use crate::store::images::layer_archive::LayerError;

/// A problem, and where in the Dockerfile it is.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct BuildError {
    /// Which bytes of the Dockerfile; none if it is about none in particular.
    pub at: Option<Range<usize>>,
    /// The instruction of a base that was carried out there, if it was one (`ONBUILD`).
    pub trigger: Option<String>,
    /// What is wrong.
    pub problem: Box<Problem>,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The Dockerfile, or a trigger, is not well-formed.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A variable cannot be replaced.
    #[error(transparent)]
    Expansion(#[from] ExpansionError),
    /// The stage that is wanted is not there.
    #[error("there is no stage `{name}`")]
    NoStage {
        /// Its name or number.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A stage that comes only later.
    #[error("the stage `{name}` is not there yet: only stages above can be used")]
    LaterStage {
        /// Its name or number.
        name: String,
    },
    /// A variable made a name empty.
    #[error("the name of the base is empty")]
    BlankBase,
    /// A platform that is none.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A name of an image that is none.
    #[error("`{name}` is neither a stage nor the name of an image")]
    Name {
        /// As written, its variables replaced.
        name: String,
        /// A stage that may have been meant.
        nearest: Option<String>,
        /// What is wrong with it.
        #[source]
        cause: ReferenceError,
    },
    /// An image that is not to be had.
    #[error("the image `{name}` cannot be used")]
    Image {
        /// Its name.
        name: String,
        /// A stage that may have been meant.
        nearest: Option<String>,
        /// Why.
        #[source]
        cause: OutsideError,
    },
    /// A download that is not to be had.
    #[error("`{url}` cannot be added")]
    Download {
        /// Where from.
        url: String,
        /// Why.
        #[source]
        cause: OutsideError,
    },
    /// `--checksum` that is about nothing.
    #[error("a checksum needs one source that is a URL or a git repository")]
    Checksum,
    /// A URL where files are meant.
    #[error("`{source_text}` is not in the context: only ADD fetches from elsewhere")]
    RemoteCopy {
        /// As written, its variables replaced.
        source_text: String,
    },
    /// A port that is none.
    #[error("`{port}` is not a port: {problem}")]
    Port {
        /// As written, its variables replaced.
        port: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A signal that is none.
    #[error("`{signal}` is not a signal")]
    Signal {
        /// As written, its variables replaced.
        signal: String,
    },
    /// A volume without a path.
    #[error("a volume needs a path")]
    EmptyVolume,
    /// A mount that cannot be.
    #[error("the mount cannot be made: {problem}")]
    Mount {
        /// What is wrong with it.
        problem: String,
    },
    /// A secret that is not given.
    #[error("the secret `{id}` is needed, and was not given")]
    NoSecret {
        /// Which.
        id: String,
    },
    /// An SSH agent that is not given.
    #[error("the SSH agent `{id}` is needed, and was not given")]
    NoSsh {
        /// Which.
        id: String,
    },
    /// A right that was not given.
    #[error("the command wants {right}, which was not allowed")]
    NotAllowed {
        /// Which.
        right: &'static str,
    },
    /// More triggers than are followed.
    #[error("the base has more than {limit} instructions for its builds")]
    TooManyTriggers {
        /// Most.
        limit: usize,
    },
    /// More layers than an image may have.
    #[error("the image would have more than {limit} layers")]
    TooManyLayers {
        /// Most.
        limit: usize,
    },
    /// Files cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Who is meant is not known.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Files of a context cannot be used.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    Content {
        /// Where it goes, or is.
        path: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// What a step changed does not fit the files of the stage.
    #[error("the files of the stage cannot be changed so")]
    Files(#[from] ArchiveError),
    /// A command could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A command failed.
    #[error("the command `{command}` ended with exit code {status}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code.
        status: i32,
    },
    /// A layer cannot be read or written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A layer cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The image layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The configuration of a base.
    #[error("the base cannot be used")]
    Config(#[from] image_config::ImageConfigError),
    /// The image has no canonical form.
    #[error("the image has no canonical form")]
    Canonical(#[from] CanonicalError),
    /// Somebody stopped it.
    #[error("the build was stopped")]
    Stopped,
}

impl BuildError {
    /// A problem at no place in particular.
    pub fn anywhere(problem: impl Into<Problem>) -> Self {
        Self { at: None, trigger: None, problem: Box::new(problem.into()) }
    }

    /// A problem at these bytes of the Dockerfile.
    pub fn at(at: &Range<usize>, problem: impl Into<Problem>) -> Self {
        Self { at: Some(at.clone()), trigger: None, problem: Box::new(problem.into()) }
    }
}
