//! A file of a root ceremony; what is read is written and is of the same ceremony again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::clock::Timestamp;
use trust::tuf::ceremony::Ceremony;

fuzz_target!(|data: &[u8]| {
    let Ok(mut ceremony) = Ceremony::parse(data) else { return };
    let again = Ceremony::parse(&ceremony.encode(Timestamp::UNIX_EPOCH));
    let Ok(again) = again else { panic!("what was read cannot be read again: {again:?}") };
    assert_eq!(ceremony.merge(&again), Ok(()));
    drop(ceremony.tallies());
    drop(ceremony.files(Timestamp::UNIX_EPOCH));
});
