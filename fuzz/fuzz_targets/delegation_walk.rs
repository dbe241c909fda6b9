//! Delegations in search order.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::delegation_walk(data));
