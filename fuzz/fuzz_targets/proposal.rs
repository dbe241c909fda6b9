//! A proposal in a companion's file: the name, a line feed, the custom data.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::codec::canonical_json::Value;
use trust::crypto::Hashes;
use trust::tuf::proposal::Proposal;
use trust::tuf::{Target, TargetName};

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(name) = std::str::from_utf8(&data[..end]) else { return };
    let (Ok(name), Ok(custom)) = (TargetName::parse(name), Value::parse(&data[end + 1..])) else {
        return;
    };
    let target = Target { length: 0, hashes: Hashes::of(b""), custom: Some(custom) };
    let Ok(proposal) = Proposal::read(&name, &target) else { return };
    let again = Proposal::read(&name, &proposal.to_target(0));
    assert_eq!(again.as_ref(), Ok(&proposal));
});
