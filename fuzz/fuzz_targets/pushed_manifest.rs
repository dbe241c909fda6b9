//! A manifest that is pushed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::pushed_manifest(data));
