//! The files that a build is given: a folder of the user's, or an archive on its standard input.
//!
//! * a folder: [`folder`]; an archive: [`archive`]
//! * contents that need not be read again to know what they are: [`known`]
//!
//! What a file is here does not depend on whose machine it is on: its owner is root, its time the
//! build's, its mode one of git's two, and a hard link is a file like any other
//! (spec/canonical-image.md).

pub mod archive;
pub mod error;
pub mod folder;
pub mod known;
pub mod reading;

pub use archive::from_archive;
pub use error::ContextError;
pub use folder::from_folder;
pub use known::KnownFiles;
pub use reading::{Exclusion, Reading, read_file, without};

#[cfg(test)]
mod tests;
