//! A root, and whose keys count in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::tuf::Gun;
use trust::tuf::RoleName;
use trust::tuf::Root;
use trust::tuf::Signed;
use trust::tuf::root_trust::Dates;
use trust::tuf::root_trust::certified_keys;

fuzz_target!(|data: &[u8]| {
    let Ok(root) = Signed::<Root>::parse(&RoleName::Root, data) else { return };
    let Ok(gun) = Gun::parse("docker.io/library/alpine") else { return };
    drop(certified_keys(root.unverified(), &gun, Dates::Ignored));
});
