//! Image references, digests, manifests and indexes.

pub mod digest;
pub mod manifest;
pub mod platform;
pub mod reference;

pub use digest::{Digest, DigestError};
pub use manifest::{Descriptor, ImageManifest, Index, Manifest, ManifestError};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
