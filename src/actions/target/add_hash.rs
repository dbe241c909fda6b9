//! Adding something to a collection by its hashes and size alone.

use crate::actions::context::Context;
use crate::actions::target::add::{Placement, custom, put};
use crate::actions::target::error::TargetError;
use crate::codec::text::from_hex;
use crate::crypto::Hashes;
use crate::tuf::{Gun, Target};

/// What is known of the content.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its size in bytes.
    pub length: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Its SHA-512, in hexadecimal digits.
    pub sha512: Option<String>,
}

/// Stages a target that is not at hand; returns what it is.
pub fn add_hash(
    context: &Context,
    gun: &Gun,
    placement: &Placement,
    content: &Content,
) -> Result<Target, TargetError> {
    let mut hashes = Hashes::default();
    let given = [("sha256", 32, &content.sha256), ("sha512", 64, &content.sha512)];
    for (algorithm, bytes, text) in given {
        let Some(text) = text else { continue };
        let digest = from_hex(&text.to_ascii_lowercase());
        let digest = digest.ok().filter(|digest| digest.len() == bytes);
        let wrong = || TargetError::BadHash {
            algorithm,
            given: text.clone(),
            digits: bytes.saturating_mul(2),
        };
        hashes.insert(algorithm, digest.ok_or_else(wrong)?);
    }
    if hashes.iter().next().is_none() {
        return Err(TargetError::NoHash { name: placement.name.clone() });
    }
    let target = Target { length: content.length, hashes, custom: custom(placement)? };
    put(context, gun, placement, target)
}
