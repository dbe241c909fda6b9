//! Content trust for container images, as Docker Content Trust and Notary v1 do it.
//!
//! Which module do I want?
//!
//! * bytes, text, JSON, PEM, time stamps: [`codec`]
//! * keys, signatures, certificates, key files: [`crypto`]
//! * what a signature over metadata means, and what to publish next: [`tuf`]
//! * image references, digests, manifests: [`oci`]
//! * what a Dockerfile says: [`dockerfile`]
//! * what travels over HTTP: [`wire`]
//! * the user's disk: [`store`]
//! * registries and notary servers: [`client`]
//! * a Dockerfile turned into an image: [`build`]
//! * one thing a user can do, whole: [`actions`]
//! * a registry and a notary server in one process: [`server`]
//! * the command line: [`cli`]
//!
//! What a name means, and what is signed of a document:
//!
//! ```
//! use trust::codec::canonical_json::Value;
//! use trust::oci::Reference;
//! use trust::tuf::Gun;
//!
//! let image = Reference::parse("alpine:3.20").unwrap();
//! let repository = Gun::parse(&image.name()).unwrap();
//! assert_eq!(repository.as_str(), "docker.io/library/alpine");
//!
//! let received = Value::parse(br#"{"version": 1, "_type": "Root"}"#).unwrap();
//! assert_eq!(received.to_canonical(), br#"{"_type":"Root","version":1}"#);
//! ```
//!
//! A module may use only those above it; `tests/it/tidy.rs` holds that.

pub mod actions;
pub mod build;
pub mod cli;
pub mod client;
pub mod clock;
pub mod codec;
pub mod crypto;
pub mod dockerfile;
pub mod limits;
pub mod oci;
pub mod server;
pub mod store;
pub mod tuf;
pub mod wire;
