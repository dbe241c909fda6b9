//! Documents that are not what trust metadata looks like, in ways that deceived others.

use test_case::test_case;
use trust::codec::canonical_json::Value;
use trust::tuf::metadata::Problem;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::repository::at;
use crate::harness::{Victim, tamper};

#[test_case("\"version\":4", "\"version\":0"; "version 0")]
#[test_case("\"version\":4", "\"version\":-1"; "version minus 1")]
#[test_case("\"version\":4", "\"version\":1.5"; "version 1 point 5")]
#[test_case("\"version\":4", "\"version\":1e308"; "version beyond any number")]
#[test_case("\"version\":4", "\"version\":4.0"; "version with a fraction of nothing")]
#[test_case("\"version\":4", "\"version\":4e0"; "version with an exponent")]
#[test_case("\"version\":4", "\"version\":04"; "version with a leading zero")]
#[test_case("\"version\":4", "\"version\":9007199254740992"; "version 2 to the 53")]
#[test_case("\"version\":4", "\"version\":9223372036854775808"; "version 2 to the 63")]
#[test_case("\"version\":4", "\"version\":18446744073709551620"; "version that wraps to 4")]
#[test_case("\"version\":4", "\"version\":null"; "version null")]
#[test_case("\"version\":4", "\"version\":\"4\""; "version as text")]
#[test_case("\"version\":4", "\"version\":true"; "version true")]
#[test_case(",\"version\":4", ""; "no version")]
#[test_case("\"version\":4", "\"version\":4,\"version\":5"; "two versions")]
#[test_case("{\"signed\":", "{\"signed\":{},\"signed\":"; "two documents")]
#[test_case("\"signatures\":", "\"signatures\":[],\"signatures\":"; "two lists of signatures")]
#[test_case("{\"signed\":", "{\"other\":"; "no document")]
#[test_case("\"expires\":", "\"other\":"; "no expiry")]
#[test_case("\"expires\":\"", "\"expires\":\"not before "; "an expiry that is no time")]
#[test_case("\"expires\":\"2", "\"expires\":\"+12"; "an expiry in the year 10000")]
#[test_case("\"expires\":", "\"expires\":0,\"x\":"; "an expiry that is a number")]
#[test_case("\"_type\":\"Timestamp\"", "\"_type\":\"timestamp\""; "type in small letters")]
#[test_case("\"_type\":\"Timestamp\",", ""; "no type")]
#[test_case("\"sha256\"", "\"sha224\""; "no hash that names the file")]
#[test_case("\"sha256\"", "\"SHA256\""; "hash in capital letters")]
#[test_case("\"hashes\":{", "\"hashes\":{\"sha256\":\"AAAA\","; "a hash twice")]
#[test_case("\"length\":", "\"length\":-"; "a length below zero")]
#[test_case("\"meta\":{\"snapshot\"", "\"meta\":{\"snapshots\""; "no snapshot listed")]
#[test_case("\"meta\":{\"snapshot\"", "\"meta\":{\"../snapshot\""; "a role that leads away")]
#[test_case("\"sig\":\"", "\"sig\":\"@"; "a signature that is not base64")]
#[test_case("{\"signed\":", "\u{feff}{\"signed\":"; "a byte order mark")]
#[test_case("{\"signed\":", "[{\"signed\":"; "not balanced")]
#[test_case("\"_type\"", "\"\\ud800\":1,\"_type\""; "half a surrogate pair")]
fn row_28_a_timestamp_with_this_is_refused(honest: &str, hostile: &str) {
    let mut victim = Victim::primed();
    victim.repository.bump(&["timestamp"]);
    victim.repository.after_signing("timestamp", tamper::rewritten(honest, hostile));
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Metadata { role, .. } if role.as_str() == "timestamp");
}

#[test_case(tamper::truncated; "its last byte missing")]
#[test_case(tamper::emptied; "no byte")]
#[test_case(nested; "arrays a hundred thousand deep")]
#[test_case(not_utf8; "bytes that are no text")]
#[test_case(trailing; "something behind the end")]
fn a_timestamp_that_is_this_is_refused(change: fn(&mut Vec<u8>)) {
    let victim = Victim::primed();
    victim.tamper("timestamp", change);
    assert_matches!(victim.refuses(7), UpdateError::Metadata { role, .. } if role.as_str() == "timestamp");
}

#[test_case(tamper::truncated; "its last byte missing")]
#[test_case(tamper::emptied; "no byte")]
#[test_case(nested; "arrays a hundred thousand deep")]
fn a_first_root_that_is_this_is_refused(change: fn(&mut Vec<u8>)) {
    let mut victim = Victim::new();
    victim.publish();
    victim.tamper("root", change);
    assert_matches!(victim.refuses(7), UpdateError::Metadata { role, .. } if role.as_str() == "root");
    assert!(victim.trust_files().is_empty());
}

#[test_case(&[("sha1", 20)]; "sha1 alone")]
#[test_case(&[("md5", 16)]; "md5 alone")]
#[test_case(&[("sha3-256", 32)]; "an algorithm of the future")]
#[test_case(&[]; "none")]
#[test_case(&[("sha256", 31)]; "a sha256 too short")]
#[test_case(&[("sha256", 32), ("sha512", 3)]; "a sha512 too short")]
fn rows_13_and_14_a_target_with_these_hashes_is_refused(hashes: &'static [(&'static str, usize)]) {
    let mut victim = Victim::primed();
    victim.repository.before_signing("targets", move |body| {
        let digest = |length| Value::from(trust::codec::text::to_base64(&vec![7; length]));
        let hashes = hashes.iter().map(|(name, length)| (*name, digest(*length)));
        *at(body, &["targets", "1", "hashes"]) = Value::object(hashes);
    });
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role, cause }
            if role.as_str() == "targets" && matches!(cause.problem, Problem::Hash(_))
    );
}

#[test_case("targets")]
#[test_case("root")]
fn row_24_a_snapshot_without_this_role_is_refused(role: &'static str) {
    let mut victim = Victim::primed();
    victim.repository.before_signing("snapshot", move |body| {
        if let Value::Object(meta) = at(body, &["meta"]) {
            meta.remove(role);
        }
    });
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: of, cause }
            if of.as_str() == "snapshot" && cause.path == ["signed", "meta", role]
    );
}

#[test_case("timestamp")]
#[test_case("snapshot")]
#[test_case("targets")]
fn a_root_without_this_role_is_refused(role: &'static str) {
    let mut victim = Victim::new();
    victim.repository.unset("root", &["roles", role]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Metadata { role: of, cause }
            if of.as_str() == "root" && cause.problem == Problem::Missing
    );
}

#[test]
fn a_target_name_that_leads_away_is_only_a_name() {
    let mut victim = Victim::primed();
    victim.repository.add_target("targets", "../../../escape", b"x");
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    victim.accepts();
    assert!(victim.trust_files().keys().all(|path| path.starts_with("tuf")));
}

fn nested(bytes: &mut Vec<u8>) {
    *bytes = "[".repeat(100_000).into_bytes();
}

fn not_utf8(bytes: &mut Vec<u8>) {
    bytes.splice(2..2, [0xff, 0xfe]);
}

fn trailing(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(b"{}");
}
