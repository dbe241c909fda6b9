//! What is not canonical.

use std::io;

/// Why something cannot be written by the profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// An entry that has to come before one that was written.
    #[error("`{path}` comes after what it has to come before, or a second time")]
    Order {
        /// The entry.
        path: String,
    },
    /// An entry that is not in its normal form.
    #[error("the entry `{path}` is not in its normal form")]
    NotNormal {
        /// The entry.
        path: String,
    },
    /// A folder that no entry of the layer tells of.
    #[error("`{path}` is in a folder that is not there")]
    NoFolder {
        /// The entry.
        path: String,
    },
    /// A name that means something else in layers.
    #[error("no layer can have `{path}`: names that begin with `.wh.` stand for removed files")]
    Reserved {
        /// The entry.
        path: String,
    },
    /// Something is hidden and there at once: programs that unpack would not agree.
    #[error("`{path}` is hidden by the same layer that has it")]
    Hidden {
        /// The entry.
        path: String,
    },
    /// Something to be hidden whose name leaves no room for that.
    #[error("`{path}` cannot be hidden: its name is too long")]
    Unhideable {
        /// What is to be hidden.
        path: String,
    },
    /// A hard link to something that is no file of the layer, or comes later.
    #[error("`{path}` is a hard link to `{target}`, which is no file of the same layer before it")]
    LinkTarget {
        /// The entry.
        path: String,
        /// What it is to be a link to.
        target: String,
    },
    /// A device whose numbers do not fit.
    #[error("the device `{path}` has numbers that no archive can hold")]
    Device {
        /// The entry.
        path: String,
    },
    /// A time before 1970, or after what the header of an entry has room for.
    #[error("{epoch} is not a time that images can have: it is in seconds since 1970, to 2242")]
    Epoch {
        /// The time, in seconds since 1970.
        epoch: i64,
    },
    /// A number in a document that not every program would write the same.
    #[error("the document has the number {number}, which is no whole one")]
    Number {
        /// The number.
        number: String,
    },
    /// What is written to, or read from.
    #[error(transparent)]
    Io(#[from] io::Error),
}
