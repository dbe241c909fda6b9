//! The head of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::server_requests(data));
