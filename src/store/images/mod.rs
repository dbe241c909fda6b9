//! Images on the user's disk: an OCI image layout that other programs read and write as well
//! (OCI image-spec, "Image Layout"; `spec/image-layout.md`).
//!
//! * which images there are: [`layout`]
//! * their content: [`blobs`], verified as it is written and as it is read
//! * steps of builds that were done: [`build_cache`]
//! * reading and storing layers: [`layer_archive`]
//! * adding images while others remove some: [`lease`]

pub mod blobs;
pub mod build_cache;
pub mod error;
pub mod layer_archive;
pub mod layout;
pub mod lease;

pub use blobs::{BlobReader, BlobWriter};
pub use build_cache::{BuildSteps, StepRecord};
pub use error::ImageLayoutError;
pub use layout::ImageLayout;
pub use lease::Lease;
