//! A metadata file of each role.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::signed_envelope(data));
