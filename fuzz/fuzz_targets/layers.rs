//! Layers on top of each other.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::layers(data));
