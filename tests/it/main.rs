//! Tests of the whole: one binary, so that it is linked once.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unused_result_ok,
    clippy::unwrap_used,
    reason = "a test makes its own world and stops at the first surprise, except while it cleans up"
)]

mod archives;
mod attacks;
mod audit;
mod backup;
mod bad_input;
mod builds;
mod carry_on;
mod cli_keys;
// No release build can be killed at a chosen place.
#[cfg(debug_assertions)]
mod crashes;
mod crowds;
mod demo;
mod docker_place;
mod docs;
mod first_day;
mod fuzz_smoke;
mod harness;
mod interop;
mod keyring;
mod keys_example;
mod local_images;
#[path = "../peers/mod.rs"]
mod peers;
mod peers_selftest;
mod pinning;
mod queries;
mod registry_faults;
mod renewal;
mod repo_pin;
mod rescue;
mod rotation;
mod runner;
mod scale;
mod serve;
mod server;
mod takeover;
mod tidy;
mod transfers;
mod upkeep;
