//! The canonical profile: the one way to write an image, so that the same files and settings give
//! the same digest on every machine (spec/canonical-image.md).
//!
//! * an entry of a layer in its normal form: [`entry`]
//! * which entries a layer has, and in which order: [`arrange()`]
//! * what changes a layer makes, told by the files: [`between()`]
//! * writing a layer, refusing what is not canonical: [`writer`]
//! * configurations, manifests and indexes as bytes: [`config`], [`manifest`], over [`json`]
//!
//! Nothing here touches the disk. How layers are packed is in [`crate::oci::archive::pack`].

pub mod arrange;
pub mod between;
pub mod config;
pub mod entry;
mod error;
#[cfg(test)]
mod golden;
pub mod json;
pub mod manifest;
mod order;
pub mod writer;

pub use arrange::{Change, arrange};
pub use between::between;
pub use config::{config_bytes, created};
pub use entry::{checkout_mode, normalized, whiteout};
pub use error::CanonicalError;
pub use json::json_bytes;
pub use manifest::{index_bytes, layer_descriptor, manifest_bytes};
pub use writer::LayerWriter;

/// The name of the profile, as manifests carry it. Whatever changes a digest is another name.
pub const PROFILE: &str = "canon-v1";
/// The annotation of a manifest that has [`PROFILE`].
pub const PROFILE_ANNOTATION: &str = "vnd.trust.profile";
/// The annotation of a manifest that has the record of what the image was made of.
pub const BUILD_ANNOTATION: &str = "vnd.trust.build";
