//! The head of a backup of keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::backup(data));
