//! HTTP to registries and notary servers: transport, TLS, authentication, the two APIs.

pub mod auth;
pub mod http;
pub mod notary;
pub mod registry;
pub mod retry;
pub mod tls;

pub use auth::{CredentialSource, Login};
pub use http::{HttpClient, HttpOptions, TransportError};
pub use notary::{FileVersion, NotaryClient, NotaryError};
pub use registry::{RegistryClient, RegistryError};
