//! Running commands on the files of a stage: what a runner is asked, and what it answers.

use std::path::PathBuf;
use std::{fmt, io};

use crate::build::changes::Changes;
use crate::build::content::Files;
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::{Network, Security, Sharing};
use crate::oci::archive::ArchiveError;
use crate::oci::{Descriptor, Digest};
use crate::store::ImageLayoutError;

/// The files that a command sees as its root.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// The layers, base first: the blob in the layout, and its digest unpacked.
    pub layers: &'a [(Descriptor, Digest)],
    /// What they come to.
    pub files: &'a Files,
}

/// A command, and how it is run.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Program and arguments; looked up in `PATH`.
    pub arguments: Vec<String>,
    /// Its environment, complete but for `HOME`, which the runner adds if it is not there.
    pub environment: Vec<(String, String)>,
    /// Where it runs: an absolute path in the root.
    pub folder: String,
    /// As who, as `USER` has it: a name or number, perhaps a group. Empty is root.
    pub user: String,
    /// The name of the machine that it sees.
    pub hostname: String,
    /// Names and addresses added to `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// The network that it sees; never `Default`.
    pub network: Network,
    /// How it is kept in.
    pub security: Security,
    /// What is mounted, in order.
    pub mounts: Vec<Mounted<'a>>,
    /// Whether it may read what is typed here, on a terminal of its own if there is one.
    pub interactive: bool,
    /// The time that files it makes get, in seconds since 1970.
    pub epoch: i64,
}

/// Something that is mounted into the root, at an absolute path.
#[derive(Debug, Clone)]
pub struct Mounted<'a> {
    /// Where.
    pub target: String,
    /// What.
    pub what: Mountable<'a>,
}

/// What can be mounted.
#[derive(Debug, Clone)]
pub enum Mountable<'a> {
    /// Files; with `writable`, what is written to them is thrown away.
    Files {
        /// The files.
        files: &'a Files,
        /// Which part of them, from their top.
        source: String,
        /// Whether it may be written to.
        writable: bool,
    },
    /// A folder kept from build to build.
    Cache {
        /// Its name.
        id: String,
        /// Who may use it at the same time.
        sharing: Sharing,
        /// Whether it may not be written to.
        read_only: bool,
        /// What it begins as, if it begins now.
        seed: Option<(&'a Files, String)>,
        /// Permission bits of a new one.
        mode: u32,
        /// Owner and group of a new one.
        owner: (u32, u32),
    },
    /// A folder in memory.
    Tmpfs {
        /// Most bytes.
        size: Option<u64>,
    },
    /// A file of these bytes that is nowhere on a disk.
    Held {
        /// The bytes.
        bytes: SecretBytes,
        /// Permission bits.
        mode: u32,
        /// Owner and group.
        owner: (u32, u32),
    },
    /// A file or folder of this machine.
    Host {
        /// Where it is here.
        path: PathBuf,
        /// Whether it may not be written to.
        read_only: bool,
    },
    /// A socket of this machine.
    Socket {
        /// Where it is here.
        socket: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Owner and group.
        owner: (u32, u32),
    },
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// What it changed in the root. Files that it made have the job's time, and what the runner put
    /// there is not among them. The bytes last as long as this value.
    pub changes: Changes,
    /// What the person should know: what could not be kept apart, what was dropped.
    pub warnings: Vec<String>,
}

/// Why a command could not be run. That it failed is no error of this kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The machine, or the rights here, lack something.
    #[error("this machine cannot run commands of a build: {what}")]
    Unable {
        /// What is missing, in words that say what can be done.
        what: String,
        /// What the system said.
        #[source]
        cause: Option<io::Error>,
    },
    /// There is no such program, folder or user in the image.
    #[error("{what}")]
    NotInImage {
        /// What is not there.
        what: String,
    },
    /// The program is there, but cannot be run.
    #[error("{what}")]
    NotExecutable {
        /// Which one, and why.
        what: String,
    },
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// What was wanted of the runner is beyond it.
    #[error("{what}")]
    Unsupported {
        /// What was wanted.
        what: String,
    },
    /// The disk, or the system, failed.
    #[error("{doing} failed")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The files of the image cannot be laid out.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// A layer cannot be read.
    #[error("a layer of the image cannot be unpacked")]
    Archive(#[from] ArchiveError),
}

/// Which of a command's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Runs commands.
pub trait Runner: fmt::Debug {
    /// Runs one to its end; `output` gets what it writes, as it comes. Nothing of it is left when
    /// this returns: no process, no mount.
    fn run(
        &self,
        root: Root<'_>,
        job: &Job<'_>,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, RunError>;

    /// Tells that what the last command changed is a layer now, the last one of these; the others
    /// are those that it was run on. To be told while its outcome is still there: the next command
    /// on these layers may begin sooner then.
    fn stored(&self, _layers: &[(Descriptor, Digest)]) {}
}
