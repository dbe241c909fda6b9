//! Image references, digests, manifests and indexes, image layouts, layers and archives; and the one
//! canonical way to write an image.

pub mod archive;
pub mod canonical;
pub mod descriptor;
pub mod digest;
pub mod docker_archive;
pub mod image_config;
pub mod layout;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;
pub mod repository_name;
pub mod twin;

pub use descriptor::Descriptor;
pub use digest::{Digest, DigestError};
pub use image_config::{ImageConfig, ImageConfigError};
pub use layout::{Entry, ImageName, LayoutIndex, LayoutIndexError};
pub use manifest::{ImageManifest, Index, Manifest, ManifestError};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
pub use repository_name::{RepositoryName, RepositoryNameError, TagName};
