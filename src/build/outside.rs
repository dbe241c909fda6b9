//! What a build needs from elsewhere: images, downloads, repositories, and somebody who watches.

use std::error::Error;
use std::fmt;

use crate::build::content::{Content, Files};
use crate::build::runner::Stream;
use crate::oci::{Descriptor, ImageConfig, ImageManifest, Platform, Reference};

/// Whatever went wrong elsewhere.
pub type OutsideError = Box<dyn Error + Send + Sync>;

/// Brings in what the build cannot make itself. All calls block.
pub trait Outside: fmt::Debug {
    /// The image of this name for this platform: in the layout when this returns, its content kept
    /// by the build's lease.
    fn image(&self, name: &Reference, platform: &Platform) -> Result<Base, OutsideError>;

    /// Whether what `ADD` names is a git repository, and neither a URL of a file nor a path.
    fn is_repository(&self, source: &str) -> bool;

    /// What a URL of `ADD` gives. `checksum`, as `sha256:HEX`, is what the bytes must have.
    fn download(&self, url: &str, checksum: Option<&str>) -> Result<Download, OutsideError>;

    /// The files of a git repository: `url` as `ADD` has it, with what follows its `#`. `checksum`
    /// is a commit, or the beginning of one. Files have git's modes.
    fn clone(
        &self,
        url: &str,
        checksum: Option<&str>,
        keep_git_dir: bool,
    ) -> Result<Checkout, OutsideError>;

    /// Whether the build is to stop before its next step.
    fn stopped(&self) -> bool;

    /// Tells who watches.
    fn report(&self, event: Event<'_>);
}

/// An image that a stage begins from, or files are copied from.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its manifest for the platform.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The configuration, as it is.
    pub config: ImageConfig,
    /// How the digest was found.
    pub pinned: Pinned,
}

/// What the digest of a name rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// The name has it.
    ByName,
    /// A lock file has it.
    ByLock,
    /// Trust data have it, signed.
    BySignature,
    /// Nothing: it is what the tag means now.
    Unpinned,
}

/// What was downloaded.
#[derive(Debug, Clone)]
pub struct Download {
    /// The bytes.
    pub content: Content,
    /// How many.
    pub size: u64,
    /// Their digest, as `sha256:HEX`.
    pub checksum: String,
    /// Whether a checksum was demanded, by the instruction or a lock file.
    pub pinned: bool,
}

/// What was checked out.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The files.
    pub files: Files,
    /// Whether git's own folder is among them, which no two programs write alike.
    pub keeps_git_dir: bool,
    /// The commit, in full.
    pub commit: String,
    /// Whether a commit was demanded.
    pub pinned: bool,
}

/// What happens in a build.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A step begins; steps are numbered from 1.
    Begins {
        /// Which one.
        step: usize,
        /// How many there are.
        of: usize,
        /// Its stage.
        stage: &'a str,
        /// Its text, without secrets.
        text: &'a str,
    },
    /// A command wrote something.
    Wrote {
        /// Which step.
        step: usize,
        /// Where it wrote.
        stream: Stream,
        /// What.
        bytes: &'a [u8],
    },
    /// A step is done.
    Done {
        /// Which one.
        step: usize,
        /// Whether it was there already.
        cached: bool,
    },
    /// Something worth saying.
    Warning(&'a str),
}
