//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod base;
pub(crate) mod content;
pub(crate) mod harness;
mod registry_blobs;
mod registry_lists;
mod registry_manifests;
mod registry_peers;
mod registry_uploads;
