//! A registry's client (OCI distribution 1.1, docker's registry v2).
//!
//! * where it is, over what, and who asks: [`connection`]
//! * [`manifests`], [`tags`]

pub mod connection;
pub mod error;
pub mod manifests;
pub mod tags;
#[cfg(test)]
mod tests;

pub use connection::RegistryClient;
pub use error::RegistryError;
pub use manifests::ServedManifest;
