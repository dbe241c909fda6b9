//! What is read is written, and if that can be read it is the same: control characters stay raw
//! when written and are refused when read, as the reference does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::codec::canonical_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = Value::parse(data) else { return };
    if let Ok(again) = Value::parse(&value.to_wire()) {
        assert_eq!(again, value);
    }
});
