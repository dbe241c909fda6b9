//! A sequence of files for a trusted set, after a real root.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::trusted_set(data));
