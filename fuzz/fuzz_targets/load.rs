//! An archive of images.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::load(data));
