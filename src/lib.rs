//! Content trust for container images, as Docker Content Trust and Notary v1 do it.
//!
//! Which module do I want?
//!
//! * bytes, text, JSON, PEM, time stamps: [`codec`]
//! * keys, signatures, certificates, key files: [`crypto`]
//! * what a signature over metadata means, and what to publish next: [`tuf`]
//! * image references, digests, manifests: [`oci`]
//! * what travels over HTTP: [`wire`]
//! * the user's disk: [`store`]
//! * registries and notary servers: [`client`]
//! * one thing a user can do, whole: [`actions`]
//! * the command line: [`cli`]
//!
//! A module may use only those above it; `tests/it/tidy.rs` holds that.

pub mod actions;
pub mod cli;
pub mod client;
pub mod clock;
pub mod codec;
pub mod crypto;
pub mod limits;
pub mod oci;
pub mod store;
pub mod tuf;
pub mod wire;
