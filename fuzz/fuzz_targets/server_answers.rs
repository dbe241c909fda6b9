//! Bodies and headers of servers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::server_answers(data));
