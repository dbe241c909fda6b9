//! How far a transfer is, told to whoever shows it.

use std::fmt;

use crate::oci::{Descriptor, Digest};

/// Somebody who shows how far a transfer is. Called from any thread, often.
pub trait Progress: Send + Sync + fmt::Debug {
    /// A blob is about to be fetched or sent.
    fn begins(&self, blob: &Descriptor);

    /// This many bytes of a blob are through; fewer than before if it begins anew.
    fn stands(&self, digest: &Digest, bytes: u64);

    /// A blob is where it should be.
    fn ends(&self, digest: &Digest, how: &Ended);
}

/// How a blob came to be where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was there.
    Existed,
    /// It was in another repository of the registry.
    Mounted,
    /// It was fetched.
    Fetched,
    /// It was sent.
    Sent,
    /// It is left to be had elsewhere: a foreign layer.
    Foreign,
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begins(&self, _: &Descriptor) {}

    fn stands(&self, _: &Digest, _: u64) {}

    fn ends(&self, _: &Digest, _: &Ended) {}
}
