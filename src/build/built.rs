//! What came of a build.

use std::collections::{BTreeMap, BTreeSet};

use crate::oci::{Descriptor, Digest};

/// An image that was built. It is in the layout, and kept by the build's lease alone.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its manifest, with its platform.
    pub descriptor: Descriptor,
    /// The digest of its configuration.
    pub id: Digest,
    /// What it was made of.
    pub inputs: Inputs,
    /// How many steps were there already, and how many there were.
    pub cached: (usize, usize),
}

/// What an image was made of: what its manifest records (spec/canonical-image.md).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The digest of the Dockerfile.
    pub dockerfile: Option<Digest>,
    /// The Dockerfile's name.
    pub dockerfile_name: String,
    /// The digest of the context's files, as far as they were used; none if none were.
    pub context: Option<Digest>,
    /// Where the context is from, if that can be named: `URL#COMMIT[:FOLDER]`.
    pub context_source: Option<String>,
    /// Images: the name as written, and its digest.
    pub images: BTreeMap<String, Digest>,
    /// Downloads and repositories: the URL, and checksum or commit.
    pub downloads: BTreeMap<String, String>,
    /// Arguments that were given and used.
    pub arguments: BTreeMap<String, String>,
    /// The stage.
    pub target: Option<String>,
    /// The time, in seconds since 1970.
    pub epoch: i64,
    /// What the outcome depends on besides: each a word and what it is about, such as
    /// `network: RUN at line 3`.
    pub holes: BTreeSet<String>,
}
