//! What the processes of a sandbox say to each other.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::build::run::channel::as_text;
use crate::build::runner::RunError;
use crate::oci::archive::{EntryPath, Kind};
use crate::oci::{Descriptor, Digest};
use crate::store::roots::{Found, FoundKind, RootsError};

/// Bytes that are a path, or something like it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Raw(#[serde(with = "as_text")] pub(super) Vec<u8>);

impl Raw {
    pub(super) fn of(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    pub(super) fn into_path(self) -> PathBuf {
        PathBuf::from(std::ffi::OsString::from_vec(self.0))
    }
}

/// What the keeper of a sandbox is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// To begin: make a folder for this run.
    Begin { work: Raw, user_namespace: bool, marks_for_user: bool },
    /// The numbers of users and groups in the new user namespace mean something now.
    Mapped,
    /// To take away all that is kept from run to run: layers and caches that nobody uses now.
    Forget,
    /// To lay out an image.
    LayOut { layout: Raw, layers: Vec<Layer>, form: Form, owners: String },
    /// To make a folder in the run's folder.
    Folder { name: String },
    /// To unpack the archive that is read from the descriptor into this folder.
    Fill { folder: Raw },
    /// To take hold of the folder of a cache.
    Cache { id: String, hold: Hold, mode: u32, owner: (u32, u32) },
    /// The folder of the cache has what it begins with.
    CacheFilled { folder: Raw, hold: Hold },
    /// To run the command. Descriptors: standard input if there is one, then files held in memory.
    Run(Box<Spec>),
    /// To list what the command left.
    List,
    /// To make what the command wrote the folder of a layer: these paths go, and these get the time.
    Adopt { name: String, gone: Vec<Raw>, dated: Vec<Raw>, epoch: i64 },
    /// To open a file that was listed.
    Open { path: Raw },
}

/// A layer of an image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Layer {
    media_type: String,
    digest: String,
    size: u64,
    diff_id: String,
}

/// How the files of an image are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Form {
    /// A folder for each layer, which overlayfs puts on top of each other.
    Overlay,
    /// One folder for this run.
    Copy,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hold {
    Shared,
    Private,
    Locked,
}

/// How a command is run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) isolation: Isolated,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) folder: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    pub(super) hostname: String,
    pub(super) host_network: bool,
    pub(super) insecure: bool,
    pub(super) hosts: Raw,
    pub(super) resolv_conf: Raw,
    pub(super) mounts: Vec<Mount>,
    pub(super) input: Input,
    pub(super) epoch: i64,
}

/// Whether the command is kept in by namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Isolated {
    /// By all of them.
    Namespaces,
    /// It only has another root folder.
    Chroot,
    /// By another program, an OCI runtime.
    Runtime(Raw),
}

/// Where the standard input of a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Input {
    Nothing,
    Descriptor,
    Terminal { rows: u16, columns: u16 },
}

/// Something that is mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mount {
    pub(super) target: String,
    pub(super) what: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum MountKind {
    /// What is at this path of the machine.
    Bind { source: Raw, read_only: bool },
    /// A folder in memory.
    Tmpfs { size: Option<u64> },
    /// The bytes of the descriptor of this number.
    Held { descriptor: usize, mode: u32, owner: (u32, u32) },
    /// A socket of the run's folder.
    Socket { source: Raw, mode: u32, owner: (u32, u32) },
}

/// What the keeper answers, and the first process of the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// There is a user namespace now, in which no number means anything.
    Unshared,
    /// There is a folder for the run.
    Begun { run: Raw },
    /// It is done.
    Done,
    /// Here is the folder of a cache, and whether it is new.
    Cache { folder: Raw, is_new: bool },
    /// Here is the other end of the command's terminal.
    Terminal,
    /// The command ended.
    Ended { status: i32, stubs: Vec<Raw> },
    /// Some of what it left.
    Found(Vec<Listed>),
    /// Here is the file.
    Opened,
    /// It cannot be done.
    Failed(Failure),
}

/// Something that a command left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Listed {
    path: Raw,
    kind: ListedKind,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    inode: Option<u64>,
    capability: Option<Raw>,
    further: bool,
    /// Whether nobody touched it.
    pub(super) untouched: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum ListedKind {
    File,
    Folder,
    Opaque,
    Whiteout,
    Socket,
    Fifo,
    Symlink(Raw),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

/// Why something cannot be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) what: String,
    pub(super) cause: Option<i32>,
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FailureKind {
    /// The machine cannot do it.
    Unable,
    /// The machine cannot put layers on top of each other.
    NoOverlay,
    /// The machine lets nobody mount or make namespaces.
    NoNamespaces,
    /// The image does not have it.
    NotInImage,
    /// The image has it, but it cannot be run.
    NotExecutable,
    /// Nobody can do it.
    Unsupported,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Something failed.
    System,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None }
    }

    /// That something failed, and what the system said.
    pub(super) fn system(doing: impl Into<String>, cause: impl Into<std::io::Error>) -> Self {
        Self::new(FailureKind::System, doing).because(cause)
    }

    pub(super) fn because(self, cause: impl Into<std::io::Error>) -> Self {
        Self { cause: cause.into().raw_os_error(), ..self }
    }

    pub(super) fn into_error(self) -> RunError {
        let cause = self.cause.map(std::io::Error::from_raw_os_error);
        let what = self.what;
        match self.kind {
            FailureKind::Unable | FailureKind::NoOverlay | FailureKind::NoNamespaces => {
                RunError::Unable { what, cause }
            }
            FailureKind::Interrupted => RunError::Interrupted,
            FailureKind::NotInImage => RunError::NotInImage { what },
            FailureKind::NotExecutable => RunError::NotExecutable { what },
            FailureKind::Unsupported => RunError::Unsupported { what },
            FailureKind::System => match cause {
                Some(cause) => RunError::System { doing: what, cause },
                None => RunError::Unsupported { what },
            },
        }
    }
}

/// What is said of an answer that was not to be expected.
pub(super) fn surprise() -> Failure {
    Failure::new(FailureKind::Unsupported, "the sandbox answered something else")
}

impl From<RootsError> for Failure {
    fn from(error: RootsError) -> Self {
        if let RootsError::Owner { .. } = &error {
            return Self::new(FailureKind::Unable, format!("{error}; {OWNERS_HINT}"));
        }
        let mut words = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            if error.downcast_ref::<std::io::Error>().is_none() {
                words = format!("{words}: {error}");
            }
            source = error.source();
        }
        let cause = error.os_error();
        Self { kind: FailureKind::System, what: words, cause }
    }
}

impl Layer {
    pub(super) fn of(layer: &Descriptor, diff_id: &Digest) -> Self {
        Self {
            media_type: layer.media_type.clone(),
            digest: layer.digest.as_str().to_owned(),
            size: layer.size,
            diff_id: diff_id.as_str().to_owned(),
        }
    }

    pub(super) fn parts(&self) -> Option<(Descriptor, Digest)> {
        let digest = Digest::parse(&self.digest).ok()?;
        let layer = Descriptor::new(&self.media_type, digest, self.size);
        Some((layer, Digest::parse(&self.diff_id).ok()?))
    }
}

impl Listed {
    pub(super) fn of(found: Found, untouched: bool) -> Self {
        let kind = match found.kind {
            FoundKind::OpaqueFolder => ListedKind::Opaque,
            FoundKind::Whiteout => ListedKind::Whiteout,
            FoundKind::Socket => ListedKind::Socket,
            FoundKind::Image(Kind::Folder) => ListedKind::Folder,
            FoundKind::Image(Kind::Fifo) => ListedKind::Fifo,
            FoundKind::Image(Kind::Symlink(target)) => ListedKind::Symlink(Raw(target.into_vec())),
            FoundKind::Image(Kind::CharDevice { major, minor }) => {
                ListedKind::CharDevice(major, minor)
            }
            FoundKind::Image(Kind::BlockDevice { major, minor }) => {
                ListedKind::BlockDevice(major, minor)
            }
            FoundKind::Image(Kind::File | Kind::Hardlink(_)) => ListedKind::File,
        };
        Self {
            path: Raw(found.path.as_bytes().to_vec()),
            kind,
            mode: found.mode,
            uid: found.uid,
            gid: found.gid,
            size: found.size,
            inode: found.inode,
            capability: found.capability.map(Raw),
            further: found.further,
            untouched,
        }
    }

    /// What was found, if the path is one.
    pub(super) fn into_found(self) -> Option<Found> {
        let path = match &self.path.0[..] {
            b"" => EntryPath::default(),
            path => EntryPath::parse(path).ok()?,
        };
        let kind = match self.kind {
            ListedKind::Opaque => FoundKind::OpaqueFolder,
            ListedKind::Whiteout => FoundKind::Whiteout,
            ListedKind::Socket => FoundKind::Socket,
            ListedKind::Folder => FoundKind::Image(Kind::Folder),
            ListedKind::Fifo => FoundKind::Image(Kind::Fifo),
            ListedKind::File => FoundKind::Image(Kind::File),
            ListedKind::Symlink(target) => {
                FoundKind::Image(Kind::Symlink(target.0.into_boxed_slice()))
            }
            ListedKind::CharDevice(major, minor) => {
                FoundKind::Image(Kind::CharDevice { major, minor })
            }
            ListedKind::BlockDevice(major, minor) => {
                FoundKind::Image(Kind::BlockDevice { major, minor })
            }
        };
        Some(Found {
            path,
            kind,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            inode: self.inode,
            touched: (0, 0),
            capability: self.capability.map(|raw| raw.0),
            further: self.further,
        })
    }
}

const OWNERS_HINT: &str = "who is not root needs numbers of further users and groups for that: a \
     line for the user in /etc/subuid and /etc/subgid, and the programs newuidmap and newgidmap \
     (package uidmap)";
