//! The bytes of files: where they are, without having them in memory.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::crypto::hash::Sha256Hash;
use crate::oci::archive::Tree;

/// Bytes that can be read, as often as somebody wants.
pub trait Bytes: Send + Sync + fmt::Debug {
    /// Begins to read them, from the first one on.
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Their SHA-256. They are read for it unless somebody knows it.
    fn sha256(&self) -> io::Result<Sha256Hash>;

    /// Their SHA-256, if it is known without reading them.
    fn known_sha256(&self) -> Option<Sha256Hash>;
}

/// A file's bytes.
pub type Content = Arc<dyn Bytes>;

/// Files and what is in them: of a context, or of a stage as it is at some moment.
pub type Files = Tree<Content>;
