//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod base;
mod enforcement_decisions;
mod enforcement_pins;
mod enforcement_quarantine;
pub(crate) mod enforcement_world;
mod front_config;
mod front_limits;
pub(crate) mod harness;
mod notary;
