//! What is read is written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::codec::canonical_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = Value::parse(data) else { return };
    assert_eq!(Value::parse(&value.to_wire()).as_ref(), Ok(&value));
});
