//! A metadata file of each role.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::tuf::RoleName;
use trust::tuf::Signed;
use trust::tuf::Snapshot;
use trust::tuf::Targets;
use trust::tuf::TimestampFile;

fuzz_target!(|data: &[u8]| {
    for role in [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets, RoleName::releases()] {
        drop(Signed::<TimestampFile>::parse(&role, data));
        drop(Signed::<Snapshot>::parse(&role, data));
        drop(Signed::<Targets>::parse(&role, data));
    }
});
