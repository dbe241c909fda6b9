//! A sequence of files for a trusted set, after a real root: the first byte of each says whose it
//! is, the next two how long.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::clock::Timestamp;
use trust::tuf::Gun;
use trust::tuf::Pin;
use trust::tuf::RoleName;
use trust::tuf::TrustedSet;
use trust::tuf::trusted::Expiry;

const ROOT: &[u8] = include_bytes!(
    "../../tests/data/notary-vectors/docker-trust-final/tuf/localhost:15005/survey/gv/metadata/root.json"
);
const TIMESTAMP: &[u8] = include_bytes!(
    "../../tests/data/notary-vectors/docker-trust-final/tuf/localhost:15005/survey/gv/metadata/timestamp.json"
);
const SNAPSHOT: &[u8] = include_bytes!(
    "../../tests/data/notary-vectors/docker-trust-final/tuf/localhost:15005/survey/gv/metadata/snapshot.json"
);
const TARGETS: &[u8] = include_bytes!(
    "../../tests/data/notary-vectors/docker-trust-final/tuf/localhost:15005/survey/gv/metadata/targets.json"
);

fuzz_target!(|data: &[u8]| {
    let Ok(gun) = Gun::parse("localhost:15005/survey/gv") else { return };
    let Ok(now) = Timestamp::from_second(1_795_500_000) else { return };
    let mut set = TrustedSet::first_use(gun, now, Expiry::Remembered, Pin::FirstUse, ROOT)
        .expect("a real root");
    let mut rest = data;
    while let [whose, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (file, next) = tail.split_at(length);
        drop(match whose % 5 {
            0 => set.accept_root(file).map(drop),
            1 => set.accept_timestamp(if length == 0 { TIMESTAMP } else { file }),
            2 => set.accept_snapshot(if length == 0 { SNAPSHOT } else { file }),
            3 => set.accept_targets(&RoleName::Targets, if length == 0 { TARGETS } else { file }),
            _ => set.accept_targets(&RoleName::releases(), file),
        });
        rest = next;
    }
    drop(set.finish());
});
