//! A file of a root ceremony.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::ceremony(data));
