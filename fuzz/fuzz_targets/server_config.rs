//! The configuration of a server.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::server_config(data));
