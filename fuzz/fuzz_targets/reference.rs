//! The name of an image.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::reference(data));
