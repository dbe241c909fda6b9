//! What docker did with content trust before its release 29 did without: `spec/docker.md`.
//!
//! Trust says which digest a tag has; docker is handed the digest, and never the tag. Which words
//! docker is started with is decided by the commands; here is what has to be known for that.

pub mod build;
pub mod install;
pub mod known;
pub mod plugin;
pub mod pull;
pub mod push;
pub mod run;
pub mod service;
pub mod uninstall;

pub use known::{Known, known};
