//! A certificate bundle.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::crypto::certificate::Certificate;

fuzz_target!(|data: &[u8]| {
    let Ok(bundle) = Certificate::parse_bundle(data) else { return };
    drop(Certificate::split_leaf(bundle));
});
