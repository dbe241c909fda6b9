//! A `.dockerignore`, and a path.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::ignore_rules(data));
