//! Metadata that docker and notary wrote (`tests/data/notary-vectors`): read, accepted, and
//! written again byte for byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use test_case::test_case;

use crate::clock::Timestamp;
use crate::tuf::metadata::{
    Document, Root, Signed, Snapshot, Targets, TimestampFile, encode_envelope,
};
use crate::tuf::names::{Gun, RoleName};
use crate::tuf::pinning::Pin;
use crate::tuf::testing::{Files, below};
use crate::tuf::trusted::{Expiry, TrustedSet, UpdateError};

fn folder(store: &str, gun: &str) -> PathBuf {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors");
    vectors.join(store).join("tuf").join(gun).join("metadata")
}

#[expect(clippy::disallowed_methods, reason = "test data")]
fn read(store: &str, gun: &str) -> Files {
    let mut files = BTreeMap::new();
    let top = folder(store, gun);
    for name in [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "targets/alice",
        "targets/alpha",
        "targets/releases",
    ] {
        if let Ok(bytes) = std::fs::read(top.join(format!("{name}.json"))) {
            files.insert(RoleName::parse(name).unwrap(), bytes);
        }
    }
    files
}

fn again<T: Document>(role: &RoleName, raw: &[u8]) -> Vec<u8> {
    let signed = Signed::<T>::parse(role, raw).unwrap();
    assert_eq!(signed.unknown_members(), [""; 0], "{role}");
    encode_envelope(&signed.unverified().to_json(), signed.signatures())
}

fn written_again(role: &RoleName, raw: &[u8]) -> String {
    let bytes = match role {
        RoleName::Root => again::<Root>(role, raw),
        RoleName::Timestamp => again::<TimestampFile>(role, raw),
        RoleName::Snapshot => again::<Snapshot>(role, raw),
        _ => again::<Targets>(role, raw),
    };
    String::from_utf8(bytes).unwrap()
}

#[test_case("nh-init", GUN; "after init")]
#[test_case("nh-step1", GUN; "after a publish")]
#[test_case("nh-step2", GUN; "with delegations")]
#[test_case("nh-final", GUN; "after rotations")]
#[test_case("docker-trust-signed", DOCKER; "docker signed")]
#[test_case("docker-trust-final", DOCKER; "docker at last")]
#[test_case("docker-trust-final", DOCKER2; "docker's second repository")]
fn files_are_written_again_byte_for_byte(store: &str, gun: &str) {
    let files = read(store, gun);
    assert!(files.len() >= 3);
    for (role, raw) in files {
        assert_eq!(written_again(&role, &raw), String::from_utf8(raw).unwrap(), "{role}");
    }
}

#[test_case("nh-step1", GUN, 1; "after a publish")]
#[test_case("nh-step2", GUN, 3; "with delegations")]
#[test_case("nh-final", GUN, 2; "after rotations")]
#[test_case("docker-trust-signed", DOCKER, 3; "docker signed")]
#[test_case("docker-trust-final", DOCKER, 3; "docker at last")]
#[test_case("docker-trust-final", DOCKER2, 1; "docker's second repository")]
fn chains_are_accepted(store: &str, gun: &str, roles: usize) {
    let files = read(store, gun);
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let gun = Gun::parse(gun).unwrap();
    let set = TrustedSet::resume(gun, now, Expiry::Enforced, Pin::FirstUse, &files).unwrap();
    let read = below(set, &files).unwrap();
    assert_eq!((read.targets().len(), read.unusable().len()), (roles, 0));
    assert!(read.files().iter().all(|(role, raw)| files[role] == *raw));
}

#[test]
fn the_anchor_is_believed_for_no_other_name() {
    let files = read("nh-final", GUN);
    let gun = Gun::parse("example.com/another").unwrap();
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let set = TrustedSet::resume(gun, now, Expiry::Enforced, Pin::FirstUse, &files);
    assert!(matches!(set.unwrap_err(), UpdateError::Root(_)));
}

const GUN: &str = "example.com/vectors/one";
const DOCKER: &str = "localhost:15005/survey/gv";
const DOCKER2: &str = "localhost:15005/survey/gv2";
