//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod auth_commands;
mod auth_guessing;
mod auth_hidden;
mod auth_programs;
mod auth_table;
mod auth_tokens;
mod auth_world;
mod backup;
mod base;
pub(crate) mod content;
mod crashes_at_every_step;
mod database_postgres;
mod database_sqlite;
mod enforcement_decisions;
mod enforcement_http;
mod enforcement_pins;
mod enforcement_programs;
mod enforcement_quarantine;
mod enforcement_race;
mod enforcement_signed_push;
mod enforcement_site;
mod enforcement_world;
mod faults_of_disk;
mod front_config;
mod front_limits;
mod fsck_findings;
mod gc_collection;
mod gc_soak;
pub(crate) mod harness;
mod notary;
mod registry_blobs;
mod registry_lists;
mod registry_manifests;
mod registry_peers;
mod registry_uploads;
mod retention_rules;
mod signer_remote;
mod signer_reseal;
mod signer_token;
pub(crate) mod stock;
mod tmpfs;
