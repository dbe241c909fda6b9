//! What a server answers to somebody it does not know.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::challenge(data));
