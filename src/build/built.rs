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
    /// The inputs of all steps that were found or made, by which they are kept.
    pub steps: BTreeSet<Digest>,
    /// How many steps were there already, and how many there were.
    pub cached: (usize, usize),
}

/// What an image was made of, besides the files in its layers: what its manifest records
/// (spec/canonical-image.md). Only what decides about the outcome is here, in a form that is the
/// same on every machine: no path, no name of a folder, no time of day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The digest of the Dockerfile.
    pub dockerfile: Option<Digest>,
    /// The digest of the files of contexts that commands saw through mounts; none if none did.
    pub mounted: Option<Digest>,
    /// Images: the whole name, and the digest of the manifest for the platform.
    pub images: BTreeMap<String, Digest>,
    /// Downloads and repositories: the URL, and checksum or commit.
    pub downloads: BTreeMap<String, String>,
    /// Arguments that were given and used.
    pub arguments: BTreeMap<String, String>,
    /// Labels that were added to the image's own.
    pub labels: BTreeMap<String, String>,
    /// Whether modes of the context were kept.
    pub keeps_modes: bool,
    /// The stage, if it is not the last one.
    pub target: Option<String>,
    /// The time, in seconds since 1970.
    pub epoch: i64,
    /// What the outcome depends on besides: each a word and what it is about, such as
    /// `network: RUN make install`.
    pub holes: BTreeSet<String>,
}
