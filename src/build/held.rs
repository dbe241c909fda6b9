//! Contents that are held in memory: here-documents and the like.

use std::fmt;
use std::io::{self, Read};

use crate::build::content::Bytes;
use crate::crypto::hash::Sha256Hash;

/// Bytes in memory.
pub struct Held(Vec<u8>);

impl Held {
    /// Takes them over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Bytes for Held {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        Ok(Sha256Hash::of(&self.0))
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        Some(Sha256Hash::of(&self.0))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.0.len()).finish()
    }
}
