//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod base;
mod crashes_at_every_step;
mod database_postgres;
mod database_sqlite;
mod enforcement_decisions;
mod enforcement_pins;
mod enforcement_quarantine;
pub(crate) mod enforcement_world;
mod faults_of_disk;
mod front_config;
mod front_limits;
mod fsck_findings;
mod gc_collection;
mod gc_soak;
pub(crate) mod harness;
mod notary;
mod retention_rules;
pub(crate) mod stock;
mod tmpfs;
