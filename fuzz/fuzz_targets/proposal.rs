//! A proposal in a companion role.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::proposal(data));
