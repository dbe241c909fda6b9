//! The name of an image.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::oci::Reference;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(Reference::parse(text));
});
