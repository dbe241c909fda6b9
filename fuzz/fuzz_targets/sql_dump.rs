//! A dump of notary's databases.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trust_fuzz::sql_dump(data));
