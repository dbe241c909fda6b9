//! A staged change.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::change(data));
