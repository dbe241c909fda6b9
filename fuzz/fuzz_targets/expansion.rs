//! A word with variables, and what they are set to.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::expansion(data));
