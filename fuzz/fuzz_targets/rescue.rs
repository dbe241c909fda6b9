//! The record of a rescued collection, and its files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::rescue(data));
