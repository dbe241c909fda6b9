//! A root, and whose keys count in it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::root(data));
