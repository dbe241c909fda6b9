//! Layers of images laid out as folders, and what a command leaves in such a folder.
//!
//! * layers as folders, one on top of the other as overlayfs has them: [`layers`], entry by entry
//!   in [`unpack`]
//! * what is in a folder: [`survey`]
//! * taking folders away, however deep: [`remove`]
//!
//! Everything is reached from a folder that is open, name by name and never through a symbolic
//! link: neither a layer nor a command leads out of it. Owners on disk are those of the image, as
//! far as whoever runs this may give files away.

pub mod beneath;
pub mod layers;
pub mod remove;
pub mod survey;
pub mod unpack;

use std::io;

use rustix::io::Errno;

use crate::oci::archive::ArchiveError;
use crate::store::ImageLayoutError;
use crate::store::images::layer_archive::LayerError;

pub use layers::Layers;
pub use survey::{Found, FoundKind};
pub use unpack::{Style, Unpacker};

/// Where overlayfs keeps what it notes of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// In `trusted.overlay.`, which only root of the machine may write.
    Trusted,
    /// In `user.overlay.`: mounts of a user namespace.
    User,
}

/// Why files could not be laid out, looked at or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what, below the folder at hand.
        path: String,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// An owner that files here cannot be given.
    #[error("`{path}` of the image belongs to {uid}:{gid}, which files cannot be given to here")]
    Owner {
        /// The file.
        path: String,
        /// Its user.
        uid: u64,
        /// Its group.
        gid: u64,
    },
    /// An archive that is no layer.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A layer that is not what it should be.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

impl Marks {
    /// The attribute of a folder that hides what is below it.
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

impl RootsError {
    /// What the operating system said, if it said something.
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::Io { cause, .. } => cause.raw_os_error(),
            _ => None,
        }
    }
}

fn failed(action: &'static str, path: &[u8], cause: Errno) -> RootsError {
    RootsError::Io { action, path: shown(path), cause: cause.into() }
}

/// A path for people.
fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let text = if text.is_empty() { "/".into() } else { text };
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
