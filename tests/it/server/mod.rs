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
mod base;
pub(crate) mod harness;
