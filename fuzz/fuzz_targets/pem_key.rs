//! A private key file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::pem_key(data));
