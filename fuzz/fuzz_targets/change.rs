//! A staged change; what is read is written and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::tuf::changelist::Change;

fuzz_target!(|data: &[u8]| {
    let Ok(change) = Change::parse(data) else { return };
    let again = Change::parse(&change.encode());
    assert_eq!(again.as_ref(), Ok(&change));
});
