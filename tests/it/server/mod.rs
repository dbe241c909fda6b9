//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod backup;
mod base;
pub(crate) mod harness;
mod signer_remote;
mod signer_reseal;
mod signer_token;
