//! A private key file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::crypto::KeyBlock;

fuzz_target!(|data: &[u8]| {
    drop(KeyBlock::parse_all(data));
});
