//! An image manifest or index.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::oci::manifest::{Manifest, OCI_INDEX, OCI_MANIFEST};

fuzz_target!(|data: &[u8]| {
    for media_type in [OCI_MANIFEST, OCI_INDEX] {
        drop(Manifest::parse(media_type, data));
    }
});
