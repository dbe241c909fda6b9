//! Image references, digests, manifests and indexes.

pub mod digest;
pub mod manifest;
pub mod platform;
pub mod reference;

pub use digest::Digest;
pub use reference::Reference;
