//! Docker's `config.json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::docker_config(data));
