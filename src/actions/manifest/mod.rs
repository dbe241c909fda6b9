//! Manifests in registries.

pub mod inspect;
pub mod referrers;
pub mod rm;
