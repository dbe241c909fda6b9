//! A registry's client (OCI distribution 1.1, docker's registry v2).
//!
//! * where it is, over what, and who asks: [`connection`]
//! * reading: [`manifests`], [`digests`], [`tags`], [`catalog`], [`search`], [`referrers`],
//!   [`image_config`]
//! * fetching [`blobs`]; sending: [`uploads`]; what is taken away again: [`deletion`]

pub mod blobs;
pub mod catalog;
pub mod connection;
pub mod deletion;
pub mod digests;
pub mod error;
pub mod image_config;
pub mod manifests;
mod paging;
pub mod referrers;
pub mod search;
mod signed_push;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod uploads;

pub use blobs::BlobSink;
pub use connection::RegistryClient;
pub use error::RegistryError;
pub use manifests::ServedManifest;
pub use referrers::{Keeper, Referrers};
pub use search::{SearchInterface, SearchResults};
pub use uploads::{Accepted, Destination, Upload, UploadProgress, Uploaded};
