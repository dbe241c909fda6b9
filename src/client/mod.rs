//! HTTP to registries and notary servers: transport, TLS, authentication, the two APIs.

pub mod auth;
mod body;
pub mod docker;
pub mod download;
pub mod error;
pub mod git;
pub mod http;
pub mod notary;
pub mod piece;
pub mod registry;
pub mod retry;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;

pub use auth::{CredentialSource, Login};
pub use error::TransportError;
pub use http::{HttpClient, HttpOptions, Timeouts};
pub use notary::{FileVersion, NotaryClient, NotaryError};
pub use piece::{BlobSource, Pieces};
pub use registry::{RegistryClient, RegistryError};
pub use tls::TlsError;
