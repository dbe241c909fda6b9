//! Files that name images: Dockerfiles, compose files, Kubernetes files (`spec/image-files.md`).
//!
//! Reading them is pure: a text goes in, the places of images come out, and a text with other
//! images in these places can be made. Nothing else of a text is ever touched.

mod dockerfile;
mod file;
mod outline;
#[cfg(test)]
mod proofs;
mod traced;
mod variables;
mod yaml;

pub use file::{
    ImageFile, ImageFileError, Input, Kind, Place, Skipped, SkippedBecause, Unresolved,
};
pub use outline::{Outline, Value};
