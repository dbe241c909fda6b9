//! The server: what it answers, in this process, over SQLite or PostgreSQL.
//!
//! With `TRUST_TEST_DATABASE=postgres` every test of this folder runs on PostgreSQL.

mod base;
mod database_postgres;
mod database_sqlite;
pub(crate) mod harness;
mod tmpfs;
