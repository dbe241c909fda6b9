//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod base;
mod database_postgres;
mod database_sqlite;
mod fsck_findings;
mod gc_collection;
mod front_config;
mod front_limits;
pub(crate) mod harness;
mod notary;
mod retention_rules;
pub(crate) mod stock;
mod tmpfs;
