//! Instructions for somebody who signs what a trusted set is handed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::signed_sequence(data));
