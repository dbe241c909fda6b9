//! A registry's client (OCI distribution 1.1, docker's registry v2).
//!
//! * where it is, over what, and who asks: [`connection`]
//! * reading [`manifests`], [`tags`]; fetching [`blobs`]; sending: [`uploads`]

pub mod blobs;
pub mod connection;
pub mod error;
pub mod manifests;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod uploads;

pub use blobs::BlobSink;
pub use connection::RegistryClient;
pub use error::RegistryError;
pub use manifests::ServedManifest;
pub use uploads::{Accepted, Destination, Upload, UploadProgress, Uploaded};
