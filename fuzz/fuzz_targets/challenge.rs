//! What a server answers to somebody it does not know.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::wire::Challenge;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(Challenge::parse_all([text]));
});
