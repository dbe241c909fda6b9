//! The attacks of server.md §1.2 that the engine decides, one test each, numbered as there, and
//! notary.md §9.5's list.

use std::sync::Arc;

use jiff::SignedDuration;
use test_case::test_case;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::hash::HashError;
use crate::limits::{MAX_DELEGATION_ROLES, MAX_SIGNATURES_PER_KEY, MAX_VERSION};
use crate::tuf::metadata::{DelegationRole, Problem, encode_envelope};
use crate::tuf::names::RoleName;
use crate::tuf::pinning::Pin;
use crate::tuf::root_trust::RootTrustError;
use crate::tuf::testing::{
    Files, Repo, TestKey, below, days, empty_targets, name, now, role, target, threshold,
};
use crate::tuf::trusted::errors::{Note, UpdateError};
use crate::tuf::trusted::repository::{LookupError, TrustedRepository};
use crate::tuf::trusted::{Expiry, TrustedSet};
use crate::tuf::verify::VerifyError;

const ROOT: RoleName = RoleName::Root;
const TIMESTAMP: RoleName = RoleName::Timestamp;
const SNAPSHOT: RoleName = RoleName::Snapshot;
const TARGETS: RoleName = RoleName::Targets;

fn resume(repo: &Repo, cached: &Files) -> TrustedSet {
    TrustedSet::resume(repo.gun.clone(), now(), Expiry::Enforced, Pin::FirstUse, cached).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, UpdateError>) -> UpdateError {
    result.unwrap_err()
}

#[track_caller]
fn too_few(result: Result<TrustedRepository, UpdateError>, of: &RoleName, have: u32, need: u32) {
    let cause = VerifyError::ThresholdNotMet { role: of.clone(), have, need };
    assert_eq!(refused(result), UpdateError::Signatures(cause));
}

#[track_caller]
fn malformed<T: std::fmt::Debug>(
    result: Result<T, UpdateError>,
    of: &RoleName,
    path: &str,
) -> Problem {
    match refused(result) {
        UpdateError::Metadata { role, cause } => {
            assert_eq!((&role, cause.path.join(".").as_str()), (of, path));
            cause.problem
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn rolled_back(
    result: Result<TrustedRepository, UpdateError>,
    of: &RoleName,
    trusted: u64,
    offered: u64,
) {
    assert_eq!(refused(result), UpdateError::RolledBack { role: of.clone(), trusted, offered });
}

#[track_caller]
fn unusable(repo: &TrustedRepository, of: &str) -> UpdateError {
    assert!(!repo.targets().contains_key(&role(of)));
    repo.unusable()[&role(of)].clone()
}

/// A repository with `targets/releases`, and `targets/a` with `targets/a/b` below it.
fn delegated() -> Repo {
    let mut repo = Repo::new();
    repo.delegate("targets/releases", vec![TestKey::bare()], &[""]);
    repo.delegate("targets/a", vec![TestKey::bare()], &["", "dir/"]);
    repo.delegate("targets/a/b", vec![TestKey::bare()], &["targets/a", "v"]);
    repo
}

#[test]
fn an_honest_repository_is_read_and_read_again() {
    let mut repo = delegated();
    let first = repo.first().unwrap();
    assert!(first.is_first_use());
    let walk: Vec<&str> = first.walk().into_iter().map(RoleName::as_str).collect();
    assert_eq!(walk, ["targets", "targets/releases", "targets/a", "targets/a/b"]);
    assert!(first.unusable().is_empty() && first.expired().is_empty() && first.notes().is_empty());
    let again = repo.publish().again(&first.files()).unwrap();
    assert!(!again.is_first_use());
    assert_eq!(again.lookup(&name("v1"), &[TARGETS]).unwrap().target, &target("one"));
    assert_eq!(again.all(&name("v1")).len(), 4);
}

#[test]
fn row_1_a_root_without_the_old_keys() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    let gun = repo.gun.to_string();
    repo.keys(&ROOT, vec![TestKey::certified(&gun)], 1);
    repo.version(&ROOT, 2);
    let cause = VerifyError::ThresholdNotMet { role: ROOT, have: 0, need: 1 };
    assert_eq!(refused(repo.again(&cached)), UpdateError::RootNotVouchedFor { version: 2, cause });
}

#[test]
fn row_2_a_root_without_its_own_keys() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    let old = repo.signers[&ROOT].clone();
    let gun = repo.gun.to_string();
    repo.keys(&ROOT, vec![TestKey::certified(&gun)], 1);
    repo.version(&ROOT, 2).signed_by(&ROOT, old);
    let cause = VerifyError::ThresholdNotMet { role: ROOT, have: 0, need: 1 };
    assert_eq!(refused(repo.again(&cached)), UpdateError::RootNotVouchedFor { version: 2, cause });
}

#[test]
fn a_root_signed_by_both_is_followed() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    let old = repo.signers[&ROOT].clone();
    let new = TestKey::certified(repo.gun.as_str());
    repo.keys(&ROOT, vec![new.clone()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]).signed_by(&ROOT, [old, vec![new]].concat());
    assert_eq!(repo.again(&cached).unwrap().root().body().header.version, 2);
}

#[test]
fn the_old_threshold_must_be_met_by_old_keys_in_certificates_for_this_repository() {
    let mut repo = Repo::new();
    let gun = repo.gun.to_string();
    let (ours, foreign) = (TestKey::certified(&gun), TestKey::certified("docker.io/library/other"));
    repo.keys(&ROOT, vec![ours, foreign.clone()], 1);
    let cached = repo.cached();
    // The key for the other repository is in the role, yet nothing it signs counts here.
    let new = TestKey::certified(&gun);
    repo.keys(&ROOT, vec![new.clone()], 1);
    repo.version(&ROOT, 2).signed_by(&ROOT, vec![foreign, new]);
    assert!(matches!(
        refused(repo.again(&cached)),
        UpdateError::RootNotVouchedFor { cause: VerifyError::ThresholdNotMet { have: 0, .. }, .. }
    ));
}

#[test_case(&TIMESTAMP; "row 3 timestamp")]
#[test_case(&SNAPSHOT; "row 4 snapshot")]
#[test_case(&TARGETS; "row 5 targets")]
fn rows_3_to_5_signed_by_a_stranger(of: &RoleName) {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.publish().signed_by(of, vec![TestKey::bare()]);
    too_few(repo.again(&cached), of, 0, 1);
}

#[test]
fn row_6_signed_by_a_stranger_at_first_use() {
    let mut repo = Repo::new();
    repo.signed_by(&TARGETS, vec![TestKey::bare()]);
    too_few(repo.first(), &TARGETS, 0, 1);
}

#[test]
fn row_7_a_delegation_signed_by_the_key_of_another() {
    let mut repo = delegated();
    let others = repo.signers[&role("targets/a")].clone();
    repo.signed_by(&role("targets/releases"), others);
    let read = repo.first().unwrap();
    assert!(matches!(
        unusable(&read, "targets/releases"),
        UpdateError::Signatures(VerifyError::ThresholdNotMet { have: 0, need: 1, .. })
    ));
    assert!(read.targets().contains_key(&role("targets/a")));
}

#[test]
fn row_7_a_cached_delegation_is_verified_with_the_keys_of_today() {
    let mut repo = delegated();
    let cached = repo.cached();
    let old = repo.files()[&role("targets/releases")].clone();
    repo.delegate("targets/releases", vec![TestKey::bare()], &[""]);
    repo.fixed.insert(role("targets/releases"), old);
    let read = repo.bump(&[TARGETS, SNAPSHOT, TIMESTAMP]).again(&cached).unwrap();
    assert!(matches!(unusable(&read, "targets/releases"), UpdateError::Signatures(_)));
}

#[test]
fn row_8_a_snapshot_as_timestamp() {
    let mut repo = Repo::new();
    let shared = repo.signers[&SNAPSHOT].clone();
    repo.keys(&TIMESTAMP, shared, 1);
    let snapshot = repo.files()[&SNAPSHOT].clone();
    repo.instead.insert(TIMESTAMP, snapshot);
    let problem = malformed(repo.first(), &TIMESTAMP, "signed._type");
    assert!(matches!(problem, Problem::DocumentType { expected: "Timestamp", .. }));
}

#[test]
fn row_9_the_file_of_one_delegation_as_anothers() {
    let mut repo = delegated();
    let other = repo.files()[&role("targets/a")].clone();
    repo.fixed.insert(role("targets/releases"), other);
    // It delegates to `targets/a/b`, which `targets/releases` cannot.
    let problem =
        malformed(repo.first(), &role("targets/releases"), "signed.delegations.roles.0.name");
    assert!(matches!(problem, Problem::NotAChild { .. }));
    let other = repo.files()[&role("targets/a/b")].clone();
    repo.fixed.insert(role("targets/releases"), other);
    let read = repo.first().unwrap();
    assert!(matches!(unusable(&read, "targets/releases"), UpdateError::Signatures(_)));
}

/// `targets/releases` and `targets/a` are signed by one key, as docker has it.
fn one_key_for_two_roles() -> Repo {
    let mut repo = Repo::new();
    let key = TestKey::bare();
    repo.delegate("targets/releases", vec![key.clone()], &[""]);
    repo.delegate("targets/a", vec![key], &[""]);
    repo
}

#[test]
fn row_9_a_signers_draft_seen_before_is_no_release() {
    let mut repo = one_key_for_two_roles();
    let cached = repo.cached();
    let (draft, releases) = (role("targets/a"), role("targets/releases"));
    repo.bump(&[SNAPSHOT, TIMESTAMP]).fixed.insert(releases.clone(), cached[&draft].clone());
    assert_eq!(
        refused(repo.again(&cached)),
        UpdateError::OtherRolesFile { role: releases, of: draft }
    );
}

#[test]
fn row_9_two_roles_of_one_key_do_not_change_places() {
    let mut repo = one_key_for_two_roles();
    let cached = repo.cached();
    let (draft, releases) = (role("targets/a"), role("targets/releases"));
    repo.bump(&[SNAPSHOT, TIMESTAMP]);
    repo.fixed.insert(releases.clone(), cached[&draft].clone());
    repo.fixed.insert(draft, cached[&releases].clone());
    assert!(matches!(refused(repo.again(&cached)), UpdateError::OtherRolesFile { .. }));
}

#[test]
fn row_9_the_same_file_for_two_roles_from_the_start_is_one_thing_said_twice() {
    let mut repo = one_key_for_two_roles();
    let file = repo.files()[&role("targets/a")].clone();
    repo.fixed.insert(role("targets/releases"), file);
    let cached = repo.cached();
    let read = repo.bump(&[SNAPSHOT, TIMESTAMP]).again(&cached).unwrap();
    assert!(read.unusable().is_empty());
}

#[test]
fn row_9_who_has_seen_neither_file_cannot_tell_them_apart() {
    let mut repo = one_key_for_two_roles();
    let draft = repo.files()[&role("targets/a")].clone();
    repo.fixed.insert(role("targets/releases"), draft);
    // Not a wish but what is: spec/threat-model.md says so.
    assert!(repo.first().unwrap().unusable().is_empty());
}

#[test]
fn row_10_another_repositorys_data() {
    let other = Repo::named("docker.io/library/other");
    let gun = Repo::new().gun;
    let root = &other.files()[&ROOT];
    let set = TrustedSet::first_use(gun.clone(), now(), Expiry::Enforced, Pin::FirstUse, root);
    assert!(matches!(
        refused(set),
        UpdateError::Root(RootTrustError::NoCertificate { gun: of, .. }) if of == gun
    ));
}

#[test_case("length", Value::Int(-1), "length"; "negative length")]
#[test_case("length", Value::Int(1 << 53), "length"; "length beyond two to the 53")]
#[test_case("hashes", Value::object::<&str>([]), "hashes"; "no hashes")]
#[test_case("hashes", Value::object([("sha1", Value::from("AAAAAAAAAAAAAAAAAAAAAAAAAAA="))]), "hashes"; "sha1 alone")]
#[test_case("hashes", Value::object([("sha256", Value::from("AAAA"))]), "hashes.sha256"; "short sha256")]
fn row_14_a_target_that_cannot_be_checked(member: &'static str, value: Value, path: &str) {
    let mut repo = Repo::new();
    repo.with(&TARGETS, move |members| {
        let Some(Value::Object(targets)) = members.get_mut("targets") else { panic!() };
        let Some(Value::Object(target)) = targets.get_mut("v1") else { panic!() };
        target.insert(member.to_owned(), value.clone());
    });
    malformed(repo.first(), &TARGETS, &format!("signed.targets.v1.{path}"));
}

#[test]
fn row_16_timestamp_rollback() {
    let mut repo = Repo::new();
    let cached = repo.version(&TIMESTAMP, 3).cached();
    rolled_back(repo.version(&TIMESTAMP, 2).again(&cached), &TIMESTAMP, 3, 2);
}

#[test]
fn row_17_another_timestamp_of_the_same_version_is_not_followed() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.bump(&[SNAPSHOT]).header(&SNAPSHOT).expires = days(50);
    let files = repo.files();
    let mut set = resume(&repo, &cached);
    set.accept_timestamp(&files[&TIMESTAMP]).unwrap();
    let wanted = set.wanted_snapshot().unwrap();
    assert_eq!(wanted.sha256, crate::crypto::Sha256Hash::of(&cached[&SNAPSHOT]));
    let read = below_cached(set, &cached).unwrap();
    assert_eq!(read.notes(), [Note::SameTimestampVersion { version: 1 }]);
    assert_eq!(read.files(), cached);
}

fn below_cached(mut set: TrustedSet, files: &Files) -> Result<TrustedRepository, UpdateError> {
    set.accept_snapshot(&files[&SNAPSHOT])?;
    while let Some(wanted) = set.wanted_targets()?.first() {
        set.accept_targets(&wanted.role, &files[&wanted.role])?;
    }
    set.finish()
}

#[test]
fn rows_18_and_19_snapshot_rollback_behind_a_newer_timestamp() {
    let mut repo = Repo::new();
    let cached = repo.version(&SNAPSHOT, 3).cached();
    repo.version(&SNAPSHOT, 2).version(&TIMESTAMP, 9);
    rolled_back(repo.again(&cached), &SNAPSHOT, 3, 2);
}

#[test]
fn row_20_targets_rollback_behind_a_newer_snapshot() {
    let mut repo = Repo::new();
    let cached = repo.version(&TARGETS, 3).cached();
    repo.version(&TARGETS, 2).version(&SNAPSHOT, 9).version(&TIMESTAMP, 9);
    rolled_back(repo.again(&cached), &TARGETS, 3, 2);
}

#[test]
fn row_21_delegation_rollback() {
    let mut repo = delegated();
    let of = role("targets/releases");
    let cached = repo.version(&of, 5).cached();
    repo.version(&of, 2).version(&SNAPSHOT, 9).version(&TIMESTAMP, 9);
    rolled_back(repo.again(&cached), &of, 5, 2);
}

#[test]
fn a_delegation_is_not_rolled_back_under_cover_of_a_removed_signer() {
    let mut repo = delegated();
    let of = role("targets/releases");
    let (alice, bob) = (TestKey::bare(), TestKey::bare());
    repo.delegate("targets/releases", vec![alice.clone(), bob.clone()], &[""]);
    let cached = repo.version(&of, 9).signed_by(&of, vec![bob]).cached();
    repo.delegate("targets/releases", vec![alice], &[""]);
    repo.bump(&[TARGETS, SNAPSHOT, TIMESTAMP]).version(&of, 4);
    rolled_back(repo.again(&cached), &of, 9, 4);
}

#[test]
fn row_21_a_delegation_is_not_rolled_back_after_its_signer_was_seen_removed() {
    let mut repo = delegated();
    let of = role("targets/a");
    let below = role("targets/a/b");
    let (alice, bob) = (TestKey::bare(), TestKey::bare());
    repo.delegate("targets/a", vec![alice.clone(), bob.clone()], &[""]);
    repo.version(&of, 9).version(&below, 8).signed_by(&of, vec![bob.clone()]);
    let mut cached = repo.cached();
    // Bob is gone, and nobody has signed again: the role is unusable, and that is remembered.
    repo.delegate("targets/a", vec![alice.clone()], &[""]);
    repo.bump(&[TARGETS, SNAPSHOT, TIMESTAMP]).signed_by(&of, vec![bob]);
    let read = repo.again(&cached).unwrap();
    assert!(matches!(unusable(&read, "targets/a"), UpdateError::Signatures(_)));
    cached.extend(read.files());
    // What Alice signed long ago does not become news by that.
    repo.bump(&[SNAPSHOT, TIMESTAMP]).version(&of, 4).signed_by(&of, vec![alice]);
    rolled_back(repo.again(&cached), &of, 9, 4);
    repo.version(&of, 10).version(&below, 7);
    rolled_back(repo.again(&cached), &below, 8, 7);
    repo.version(&below, 8).again(&cached).unwrap();
    // A new key of targets lets all that be forgotten.
    repo.keys(&TARGETS, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]).version(&of, 4).again(&cached).unwrap();
}

#[test]
fn row_22_a_snapshot_that_names_an_older_root() {
    let mut repo = Repo::new();
    let old_root = repo.files()[&ROOT].clone();
    let cached = repo.version(&ROOT, 2).cached();
    repo.publish().version(&ROOT, 1);
    let files = repo.files();
    let mut set = resume(&repo, &cached);
    set.accept_timestamp(&files[&TIMESTAMP]).unwrap();
    assert!(matches!(
        refused(set.accept_snapshot(&files[&SNAPSHOT])),
        UpdateError::RootBehind { trusted: 2, .. }
    ));
    assert_eq!(
        refused(set.accept_root(&old_root)),
        UpdateError::RolledBack { role: ROOT, trusted: 2, offered: 1 }
    );
}

#[test]
fn row_23_a_delegation_that_vanishes_from_the_snapshot() {
    let mut repo = delegated();
    let mut cached = repo.cached();
    let of = role("targets/releases");
    repo.bump(&[SNAPSHOT, TIMESTAMP]).unlisted.insert(of.clone());
    // However often it is read, and whatever is stored in between.
    for _ in 0..3 {
        let read = repo.bump(&[SNAPSHOT, TIMESTAMP]).again(&cached).unwrap();
        assert_eq!(unusable(&read, "targets/releases"), UpdateError::Vanished { role: of.clone() });
        assert!(matches!(
            read.lookup(&name("v1"), &[of.clone(), TARGETS]),
            Err(LookupError::RoleUnusable { role, .. }) if role == of
        ));
        assert_eq!(read.files().keys().collect::<Vec<_>>(), [&ROOT]);
        cached.extend(read.files());
    }
}

#[test]
fn row_23_it_is_missed_even_if_the_snapshot_key_is_rotated_with_it() {
    let mut repo = delegated();
    let cached = repo.cached();
    let of = role("targets/releases");
    repo.keys(&SNAPSHOT, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]).unlisted.insert(of.clone());
    let read = repo.again(&cached).unwrap();
    assert_eq!(unusable(&read, "targets/releases"), UpdateError::Vanished { role: of });
}

#[test]
fn a_delegation_never_published_is_not_missed() {
    let mut repo = delegated();
    repo.unlisted.insert(role("targets/releases"));
    let read = repo.first().unwrap();
    assert!(read.unusable().is_empty());
    let found = read.lookup(&name("v1"), &[role("targets/releases"), TARGETS]).unwrap();
    assert_eq!(found.role, &TARGETS);
}

#[test_case(&TARGETS; "targets")]
#[test_case(&ROOT; "root")]
fn row_24_a_snapshot_that_lacks_a_base_role(of: &RoleName) {
    let mut repo = Repo::new();
    repo.unlisted.insert(of.clone());
    let problem = malformed(repo.first(), &SNAPSHOT, &format!("signed.meta.{of}"));
    assert_eq!(problem, Problem::Missing);
}

#[test]
fn row_25_recovery_after_a_timestamp_driven_up() {
    let mut repo = Repo::new();
    let cached = repo.version(&TIMESTAMP, MAX_VERSION).cached();
    repo.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT]).version(&TIMESTAMP, 1);
    assert_eq!(repo.again(&cached).unwrap().timestamp().body().header.version, 1);
}

#[test]
fn row_26_recovery_after_a_snapshot_driven_up() {
    let mut repo = Repo::new();
    repo.version(&SNAPSHOT, MAX_VERSION).version(&TIMESTAMP, MAX_VERSION);
    let cached = repo.cached();
    repo.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
    repo.keys(&SNAPSHOT, vec![TestKey::bare()], 1);
    repo.version(&ROOT, 2).version(&SNAPSHOT, 1).version(&TIMESTAMP, 1);
    assert_eq!(repo.again(&cached).unwrap().snapshot().body().header.version, 1);
}

#[test]
fn rotating_the_timestamp_key_is_no_way_to_roll_the_snapshot_back() {
    let mut repo = Repo::new();
    let cached = repo.version(&SNAPSHOT, 7).cached();
    repo.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
    repo.version(&ROOT, 2).version(&SNAPSHOT, 6);
    rolled_back(repo.again(&cached), &SNAPSHOT, 7, 6);
}

#[test]
fn adding_a_key_is_no_way_to_roll_back_what_the_others_signed() {
    let mut repo = Repo::new();
    let cached = repo.version(&TIMESTAMP, 7).cached();
    let old = repo.signers[&TIMESTAMP].clone();
    repo.keys(&TIMESTAMP, [old, vec![TestKey::bare()]].concat(), 1);
    repo.bump(&[ROOT, SNAPSHOT]).version(&TIMESTAMP, 6);
    rolled_back(repo.again(&cached), &TIMESTAMP, 7, 6);
}

#[test]
fn row_27_recovery_after_targets_driven_up() {
    let mut repo = delegated();
    repo.version(&TARGETS, 100).version(&role("targets/releases"), 100);
    let cached = repo.cached();
    repo.keys(&TARGETS, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]);
    repo.version(&TARGETS, 1).version(&role("targets/releases"), 1);
    let read = repo.again(&cached).unwrap();
    assert_eq!(read.targets()[&role("targets/releases")].body().header.version, 1);
}

#[test]
fn row_27_the_snapshot_key_alone_does_not_roll_targets_back() {
    let mut repo = Repo::new();
    let cached = repo.version(&TARGETS, 100).cached();
    repo.keys(&SNAPSHOT, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]).version(&TARGETS, 1);
    rolled_back(repo.again(&cached), &TARGETS, 100, 1);
}

#[test_case("9223372036854775808"; "two to the 63")]
#[test_case("9007199254740992"; "two to the 53")]
#[test_case("1e308"; "1e308")]
#[test_case("1.5"; "one and a half")]
#[test_case("-1"; "minus one")]
#[test_case("0"; "zero")]
#[test_case("\"3\""; "text")]
#[test_case("null"; "null")]
#[test_case("[]"; "array")]
fn row_28_versions_that_are_none(version: &str) {
    for of in [TIMESTAMP, SNAPSHOT, TARGETS, ROOT] {
        let mut repo = Repo::new();
        let text = String::from_utf8(repo.files()[&of].clone()).unwrap();
        let bad = text.replace(r#""version":1}"#, &format!(r#""version":{version}}}"#));
        assert_ne!(text, bad);
        // Its signature is wrong now, but the form comes first.
        let result = if of == ROOT {
            TrustedSet::first_use(repo.gun, now(), Expiry::Enforced, Pin::FirstUse, bad.as_bytes())
                .map(drop)
        } else {
            repo.fixed.insert(of.clone(), bad.clone().into_bytes());
            if of != TARGETS {
                repo.instead.insert(of.clone(), bad.into_bytes());
            }
            repo.first_with_listing().map(drop)
        };
        assert!(matches!(refused(result), UpdateError::Metadata { role, .. } if role == of));
    }
}

impl Repo {
    /// Reads a repository whose snapshot was exchanged, with a timestamp that names it.
    fn first_with_listing(&self) -> Result<TrustedRepository, UpdateError> {
        let mut files = self.files();
        if self.instead.contains_key(&SNAPSHOT) {
            let timestamp = crate::tuf::metadata::TimestampFile {
                header: self.timestamp.clone(),
                snapshot: crate::tuf::metadata::FileMeta::of(&files[&SNAPSHOT]),
                others: [].into(),
            };
            let body = crate::tuf::metadata::Document::to_json(&timestamp);
            let signature = self.signers[&TIMESTAMP][0].signature(&body.to_canonical());
            files.insert(TIMESTAMP, encode_envelope(&body, &[signature]));
        }
        below(self.first_root(Pin::FirstUse)?, &files)
    }
}

#[test_case(&TIMESTAMP; "row 29 timestamp")]
#[test_case(&SNAPSHOT; "row 30 snapshot")]
#[test_case(&TARGETS; "row 30 targets")]
#[test_case(&ROOT; "row 31 the final root")]
fn rows_29_to_31_expired(of: &RoleName) {
    let mut repo = Repo::new();
    repo.header(of).expires = days(-1);
    let since = days(-1).instant();
    assert_eq!(refused(repo.first()), UpdateError::Expired { role: of.clone(), since });
}

#[test_case(&TIMESTAMP; "timestamp")]
#[test_case(&SNAPSHOT; "snapshot")]
#[test_case(&TARGETS; "targets")]
#[test_case(&ROOT; "root")]
fn expiry_is_strict_to_the_nanosecond(of: &RoleName) {
    let mut repo = Repo::new();
    repo.header(of).expires = Rfc3339::utc(now());
    repo.first().unwrap();
    let since = now() - SignedDuration::from_nanos(1);
    repo.header(of).expires = Rfc3339::utc(since);
    assert_eq!(refused(repo.first()), UpdateError::Expired { role: of.clone(), since });
}

#[test]
fn row_30_an_expired_delegation_is_unusable_and_what_is_below_it() {
    let mut repo = delegated();
    repo.header(&role("targets/a")).expires = days(-1);
    let read = repo.first().unwrap();
    assert!(matches!(unusable(&read, "targets/a"), UpdateError::Expired { .. }));
    assert!(!read.targets().contains_key(&role("targets/a/b")));
    // Whoever asks for the role below is not answered from elsewhere.
    let result = read.lookup(&name("v1"), &[role("targets/a/b"), TARGETS]);
    assert!(matches!(
        result,
        Err(LookupError::RoleUnusable { role: of, .. }) if of == role("targets/a")
    ));
}

#[test]
fn owners_can_load_what_has_expired() {
    let mut repo = delegated();
    for of in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS, role("targets/a")] {
        repo.header(&of).expires = days(-1);
    }
    let root = &repo.files()[&ROOT];
    let set =
        TrustedSet::first_use(repo.gun.clone(), now(), Expiry::Remembered, Pin::FirstUse, root);
    let read = below(set.unwrap(), &repo.files()).unwrap();
    let mut expired: Vec<&str> = read.expired().iter().map(|(of, _)| of.as_str()).collect();
    expired.sort_unstable();
    assert_eq!(expired, ["root", "snapshot", "targets", "targets/a", "timestamp"]);
}

#[test]
fn row_32_an_expired_root_in_between() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.version(&ROOT, 2).header(&ROOT).expires = days(-1);
    let between = repo.files()[&ROOT].clone();
    repo.version(&ROOT, 3).header(&ROOT).expires = days(1);
    let mut set = resume(&repo, &cached);
    set.accept_root(&between).unwrap();
    set.accept_root(&repo.files()[&ROOT]).unwrap();
    repo.bump(&[SNAPSHOT, TIMESTAMP]);
    assert_eq!(below(set, &repo.files()).unwrap().root().body().header.version, 3);
}

#[test]
fn row_33_an_expired_cached_timestamp_is_replaced() {
    let mut repo = Repo::new();
    repo.header(&TIMESTAMP).expires = days(1);
    let cached = repo.cached();
    repo.bump(&[TIMESTAMP]).header(&TIMESTAMP).expires = days(14);
    let later = now() + SignedDuration::from_hours(48);
    repo.again_at(&cached, later, Expiry::Enforced).unwrap();
}

#[test]
fn row_34_a_lower_timestamp_is_a_rollback_though_the_cached_one_expired() {
    let mut repo = Repo::new();
    repo.version(&TIMESTAMP, 5).header(&TIMESTAMP).expires = days(1);
    let cached = repo.cached();
    repo.version(&TIMESTAMP, 4).header(&TIMESTAMP).expires = days(14);
    let later = now() + SignedDuration::from_hours(48);
    rolled_back(repo.again_at(&cached, later, Expiry::Enforced), &TIMESTAMP, 5, 4);
}

#[test_case(&SNAPSHOT, true; "longer snapshot")]
#[test_case(&SNAPSHOT, false; "shorter snapshot")]
#[test_case(&TARGETS, true; "longer targets")]
#[test_case(&TARGETS, false; "shorter targets")]
fn row_39_other_lengths_than_promised(of: &RoleName, longer: bool) {
    let mut repo = Repo::new();
    let mut file = repo.files()[of].clone();
    let listed = u64::try_from(file.len()).unwrap();
    if longer {
        file.push(b' ');
    } else {
        file.pop();
    }
    let got = u64::try_from(file.len()).unwrap();
    repo.instead.insert(of.clone(), file);
    let error = refused(repo.first());
    assert_eq!(error, UpdateError::Length { role: of.clone(), listed, got });
}

#[test]
fn a_file_said_to_be_enormous_is_not_asked_for() {
    let mut repo = Repo::new();
    repo.with(&TIMESTAMP, |members| {
        let Some(Value::Object(meta)) = members.get_mut("meta") else { panic!() };
        let Some(Value::Object(snapshot)) = meta.get_mut("snapshot") else { panic!() };
        snapshot.insert("length".to_owned(), Value::Int(1 << 40));
    });
    assert!(matches!(
        refused(repo.first()),
        UpdateError::TooLarge { role: SNAPSHOT, length: 1_099_511_627_776, .. }
    ));
}

#[test_case(&SNAPSHOT; "snapshot")]
#[test_case(&TARGETS; "targets")]
#[test_case(&role("targets/releases"); "delegation")]
fn rows_43_and_44_other_bytes_than_promised(of: &RoleName) {
    let mut repo = delegated();
    let mut file = repo.files()[of].clone();
    let last = file.len() - 3;
    file[last] ^= 1;
    repo.instead.insert(of.clone(), file);
    assert!(matches!(
        refused(repo.first()),
        UpdateError::Checksum { role, cause: HashError::Mismatch { .. } } if role == *of
    ));
}

#[test_case(1, 1; "the same version again")]
#[test_case(1, 3; "one left out")]
fn row_45_a_root_that_does_not_follow(trusted: u64, offered: u64) {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.version(&ROOT, offered).header(&ROOT).expires = days(99);
    assert_eq!(refused(repo.again(&cached)), UpdateError::NotTheNextRoot { trusted, offered });
}

#[test]
fn row_46_two_signatures_of_three() {
    let mut repo = Repo::new();
    let keys = vec![TestKey::bare(), TestKey::bare(), TestKey::bare()];
    repo.keys(&SNAPSHOT, keys.clone(), 3);
    repo.first().unwrap();
    repo.signed_by(&SNAPSHOT, keys[..2].to_vec());
    too_few(repo.first(), &SNAPSHOT, 2, 3);
}

#[test]
fn row_47_a_threshold_beyond_the_keys() {
    let mut repo = Repo::new();
    let keys: Vec<_> = (0..5).map(|_| TestKey::bare()).collect();
    repo.keys(&TARGETS, keys, 6);
    repo.first_root(Pin::FirstUse).unwrap();
    too_few(repo.first(), &TARGETS, 5, 6);
}

#[test]
fn row_48_one_key_listed_nine_times() {
    let mut repo = Repo::new();
    let key = TestKey::bare();
    repo.keys(&TARGETS, vec![key; 9], 2);
    too_few(repo.first(), &TARGETS, 1, 2);
}

#[test]
fn row_48_one_key_in_two_certificates() {
    let mut repo = Repo::new();
    let key = TestKey::certified(repo.gun.as_str());
    let again = key.recertified(repo.gun.as_str());
    assert_ne!(key.id(), again.id());
    repo.keys(&TARGETS, vec![key, again], 2);
    too_few(repo.first(), &TARGETS, 1, 2);
}

#[test]
fn row_48_a_key_under_an_id_that_is_not_its_own() {
    let mut repo = Repo::new();
    let key = TestKey::bare();
    let forged = TestKey::bare().id();
    repo.keys(&TARGETS, vec![key.clone()], 1);
    repo.root.keys.insert(forged.clone(), key.public.clone());
    repo.root.roles.get_mut("targets").unwrap().key_ids.push(forged.clone());
    repo.first().unwrap();
    // Only when it is used: then it is an error, whatever else is right.
    let mut text = String::from_utf8(repo.files()[&TARGETS].clone()).unwrap();
    let entry = text.split_once(r#""signatures":["#).unwrap().1.strip_suffix("]}").unwrap();
    let twin = entry.replace(key.id().as_str(), forged.as_str());
    text = text.replace(entry, &format!("{entry},{twin}"));
    repo.fixed.insert(TARGETS, text.into_bytes());
    let computed = key.id();
    assert_eq!(
        refused(repo.first()),
        UpdateError::Signatures(VerifyError::KeyIdMismatch {
            role: TARGETS,
            listed: forged,
            computed
        })
    );
}

#[test]
fn row_49_garbage_beside_a_valid_signature() {
    let mut repo = Repo::new();
    let text = String::from_utf8(repo.files()[&TARGETS].clone()).unwrap();
    let id = repo.signers[&TARGETS][0].id();
    let stranger = TestKey::bare().id();
    for garbage in [
        format!(r#"{{"keyid":"{id}","method":"eddsa","sig":""}}"#),
        format!(r#"{{"keyid":"{id}","method":"eddsa","sig":"AAAA"}}"#),
        format!(r#"{{"keyid":"{id}","method":"rsapss","sig":"AAAA"}}"#),
        format!(r#"{{"keyid":"{id}","method":"nonsense","sig":"AAAA"}}"#),
        format!(r#"{{"keyid":"{stranger}","method":"eddsa","sig":"AAAA"}}"#),
        r#"{"keyid":"?","method":"eddsa","sig":"AAAA"}"#.to_owned(),
    ] {
        let padded = text.replace(r#""signatures":["#, &format!(r#""signatures":[{garbage},"#));
        repo.fixed.insert(TARGETS, padded.into_bytes());
        repo.first().unwrap();
    }
}

#[test]
fn a_flood_of_signatures_by_one_key_is_not_tried() {
    let mut repo = Repo::new();
    let text = String::from_utf8(repo.files()[&TARGETS].clone()).unwrap();
    let id = repo.signers[&TARGETS][0].id();
    let garbage = format!(r#"{{"keyid":"{id}","method":"eddsa","sig":"AAAA"}},"#);
    let padded = |count| {
        text.replace(r#""signatures":["#, &format!(r#""signatures":[{}"#, garbage.repeat(count)))
    };
    repo.fixed.insert(TARGETS, padded(MAX_SIGNATURES_PER_KEY - 1).into_bytes());
    repo.first().unwrap();
    repo.fixed.insert(TARGETS, padded(MAX_SIGNATURES_PER_KEY).into_bytes());
    too_few(repo.first(), &TARGETS, 0, 1);
    repo.fixed.insert(TARGETS, padded(1024).into_bytes());
    let problem = malformed(repo.first(), &TARGETS, "signatures");
    assert_eq!(problem, Problem::TooManySignatures(1025));
}

#[test_case(Some(Value::Int(0)); "zero")]
#[test_case(Some(Value::Int(-1)); "minus one")]
#[test_case(Some(Value::Int(1 << 31)); "two to the 31")]
#[test_case(Some(Value::Null); "null")]
#[test_case(Some(Value::String("1".to_owned())); "text")]
#[test_case(None; "missing")]
fn row_50_thresholds_that_are_none(number: Option<Value>) {
    let roles = ["root", "timestamp", "snapshot", "targets"];
    for (of, number) in roles.into_iter().zip(std::iter::repeat_n(number, 4)) {
        let mut repo = Repo::new();
        repo.with(&ROOT, move |members| {
            let Some(Value::Object(roles)) = members.get_mut("roles") else { panic!() };
            let Some(Value::Object(spec)) = roles.get_mut(of) else { panic!() };
            match &number {
                Some(number) => drop(spec.insert("threshold".to_owned(), number.clone())),
                None => drop(spec.remove("threshold")),
            }
        });
        malformed(repo.first_root(Pin::FirstUse), &ROOT, &format!("signed.roles.{of}.threshold"));
    }
}

#[test]
fn row_51_one_of_two_keys_stolen_and_then_rotated_away() {
    let mut repo = Repo::new();
    let (kept, stolen) = (TestKey::bare(), TestKey::bare());
    repo.keys(&TARGETS, vec![kept.clone(), stolen.clone()], 2);
    let cached = repo.cached();
    repo.publish().signed_by(&TARGETS, vec![stolen.clone()]);
    too_few(repo.again(&cached), &TARGETS, 1, 2);
    let fresh = TestKey::bare();
    repo.keys(&TARGETS, vec![kept, fresh], 2);
    repo.bump(&[ROOT]).again(&cached).unwrap();
    repo.signed_by(&TARGETS, vec![stolen]);
    too_few(repo.again(&cached), &TARGETS, 0, 2);
}

#[test]
fn an_old_key_of_the_timestamp_is_useless_after_its_rotation() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    let old = repo.signers[&TIMESTAMP].clone();
    repo.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]).signed_by(&TIMESTAMP, old);
    too_few(repo.again(&cached), &TIMESTAMP, 0, 1);
}

#[test]
fn no_signatures_at_all_is_fatal_even_for_a_delegation() {
    for of in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS, role("targets/a")] {
        let mut repo = delegated();
        repo.signed_by(&of, Vec::new());
        assert_eq!(
            refused(repo.first()),
            UpdateError::Signatures(VerifyError::NoSignatures { role: of })
        );
    }
}

#[test]
fn a_damaged_anchor_is_fatal_and_a_damaged_cache_is_not() {
    let repo = delegated();
    let cached = repo.cached();
    for of in cached.keys() {
        let mut damaged = cached.clone();
        damaged.insert(of.clone(), b"{}".to_vec());
        let result = repo.again(&damaged);
        assert_eq!(result.is_err(), *of == ROOT, "{of}");
    }
    let mut stranger = Repo::new();
    stranger.signed_by(&ROOT, vec![TestKey::certified(stranger.gun.as_str())]);
    let anchor = Files::from([(ROOT, stranger.files()[&ROOT].clone())]);
    let set =
        TrustedSet::resume(stranger.gun.clone(), now(), Expiry::Enforced, Pin::FirstUse, &anchor);
    assert!(matches!(refused(set), UpdateError::Signatures(VerifyError::ThresholdNotMet { .. })));
}

#[test]
fn an_unsigned_cached_file_sets_no_floor() {
    let mut repo = Repo::new();
    let mut cached = repo.cached();
    let mut forged = repo.clone();
    forged.version(&TIMESTAMP, 99).signed_by(&TIMESTAMP, vec![TestKey::bare()]);
    cached.insert(TIMESTAMP, forged.files()[&TIMESTAMP].clone());
    repo.publish().again(&cached).unwrap();
}

#[test]
fn files_below_another_timestamp_are_not_mixed_in() {
    let mut repo = delegated();
    let old = repo.files();
    let mut set = repo.first_root(Pin::FirstUse).unwrap();
    set.accept_timestamp(&old[&TIMESTAMP]).unwrap();
    set.accept_snapshot(&old[&SNAPSHOT]).unwrap();
    set.accept_targets(&TARGETS, &old[&TARGETS]).unwrap();
    let root = old[&ROOT].clone();
    repo.fixed.insert(ROOT, root);
    let new = repo.publish().files();
    set.accept_timestamp(&new[&TIMESTAMP]).unwrap();
    assert_eq!(set.wanted_targets(), Err(UpdateError::OutOfOrder));
    set.accept_snapshot(&new[&SNAPSHOT]).unwrap();
    assert_eq!(set.wanted_targets().unwrap().len(), 1);
    assert_eq!(refused(set.finish()), UpdateError::OutOfOrder);
}

#[test]
fn everything_has_its_order() {
    let repo = delegated();
    let files = repo.files();
    let mut set = repo.first_root(Pin::FirstUse).unwrap();
    let out_of_order = Err(UpdateError::OutOfOrder);
    assert_eq!(set.wanted_snapshot().map(drop), out_of_order);
    assert_eq!(set.accept_snapshot(&files[&SNAPSHOT]), out_of_order);
    assert_eq!(set.accept_targets(&TARGETS, &files[&TARGETS]), out_of_order);
    set.accept_timestamp(&files[&TIMESTAMP]).unwrap();
    set.accept_snapshot(&files[&SNAPSHOT]).unwrap();
    // A delegation before its parent, and one that nobody delegates to.
    let of = role("targets/a/b");
    assert_eq!(set.accept_targets(&of, &files[&of]), out_of_order);
    assert_eq!(set.accept_targets(&role("targets/zz"), b"{}"), out_of_order);
    assert_eq!(refused(set.finish()), UpdateError::OutOfOrder);
}

#[test]
fn too_many_delegations_are_refused_before_they_are_asked_for() {
    let mut repo = Repo::new();
    let child = |n: usize| role(&format!("targets/r{n}"));
    let top = repo.targets.get_mut(&TARGETS).unwrap();
    for n in 0..=MAX_DELEGATION_ROLES {
        top.delegations.roles.push(DelegationRole {
            name: child(n),
            key_ids: Vec::new(),
            paths: vec![String::new()],
            threshold: threshold(1),
        });
        // Their files are worthless: each would be left out as unusable.
        repo.fixed.insert(child(n), b"x".to_vec());
    }
    assert!(matches!(refused(repo.first()), UpdateError::TooManyDelegations { .. }));
    let last = repo.targets.get_mut(&TARGETS).unwrap().delegations.roles.pop().unwrap();
    repo.fixed.remove(&last.name);
    assert!(matches!(refused(repo.first()), UpdateError::Metadata { .. }));
}

#[test]
fn deep_delegations_are_followed_so_far() {
    let mut repo = Repo::new();
    let mut child = "targets".to_owned();
    for _ in 0..32 {
        child.push_str("/d");
        repo.delegate(&child, vec![TestKey::bare()], &[""]);
    }
    assert_eq!(repo.first().unwrap().targets().len(), 33);
    child.push_str("/d");
    repo.delegate(&child, vec![TestKey::bare()], &[""]);
    assert_eq!(refused(repo.first()), UpdateError::TooManyDelegations { role: role(&child) });
}

#[test]
fn targets_outside_the_paths_of_a_role_are_not_found_there() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &["dir/"]);
    repo.delegate("targets/a/b", vec![TestKey::bare()], &["", "dir/sub/"]);
    repo.delegate("targets/none", vec![TestKey::bare()], &[]);
    for (of, path) in
        [("targets/a", "dir/x"), ("targets/a/b", "dir/x"), ("targets/a/b", "dir/sub/x")]
    {
        repo.targets.get_mut(&role(of)).unwrap().targets.insert(name(path), target(of));
    }
    let read = repo.first().unwrap();
    let found = |of: &str, path: &str| read.in_role(&role(of), &name(path)).is_some();
    assert!(found("targets/a", "dir/x") && found("targets/a/b", "dir/sub/x"));
    assert!(!found("targets/a", "v1") && !found("targets/a/b", "dir/x"));
    assert!(!found("targets/none", "v1") && found("targets", "v1"));
    assert_eq!(read.lookup(&name("dir/sub/x"), &[TARGETS]).unwrap().role, &role("targets/a/b"));
    let nothing = read.lookup(&name("v9"), &[TARGETS]);
    assert_eq!(nothing, Err(LookupError::NotFound { name: name("v9") }));
}

#[test]
fn the_first_role_asked_for_wins() {
    let mut repo = delegated();
    let of = role("targets/releases");
    repo.targets.get_mut(&of).unwrap().targets.insert(name("v1"), target("two"));
    let read = repo.first().unwrap();
    let first = |priority: &[RoleName]| read.lookup(&name("v1"), priority).unwrap().role.clone();
    assert_eq!(first(&[TARGETS]), TARGETS);
    assert_eq!(first(&[of.clone(), TARGETS]), of);
    assert_eq!(first(&[TARGETS, of]), TARGETS);
}

#[test]
fn a_stale_file_of_a_role_that_is_gone_does_no_harm() {
    let mut repo = delegated();
    let cached = repo.cached();
    let top = repo.targets.get_mut(&TARGETS).unwrap();
    top.delegations.roles.retain(|child| child.name == role("targets/releases"));
    repo.targets.remove(&role("targets/a"));
    repo.targets.remove(&role("targets/a/b"));
    repo.fixed.insert(role("targets/a"), b"no longer anything".to_vec());
    let read = repo.bump(&[TARGETS, SNAPSHOT, TIMESTAMP]).again(&cached).unwrap();
    assert_eq!(read.walk().len(), 2);
    assert!(read.unusable().is_empty());
    assert!(read.listed(&role("targets/a")).is_some());
}

#[test]
fn seventy_five_thousand_targets_and_listings() {
    let mut repo = Repo::new();
    let top = repo.targets.get_mut(&TARGETS).unwrap();
    for n in 0..75_000 {
        top.targets.insert(name(&format!("target-{n}")), target("x"));
    }
    for n in 0..75_000 {
        repo.fixed.insert(role(&format!("targets/r{n}")), Vec::new());
    }
    let files = repo.files();
    let gun = repo.gun.clone();
    let root = &files[&ROOT];
    let set = TrustedSet::first_use(gun, now(), Expiry::Enforced, Pin::FirstUse, root).unwrap();
    let read = below(set, &files).unwrap();
    assert!(read.lookup(&name("target-74999"), &[TARGETS]).is_ok());
    assert_eq!(read.snapshot().body().meta.len(), 75_002);
}

mod certificates {
    use test_case::test_case;

    use super::*;

    fn certified(name: &str, since: Timestamp) -> Repo {
        let mut repo = Repo::new();
        repo.keys(&ROOT, vec![TestKey::certified_since(name, since)], 1);
        repo
    }

    const GUN: &str = "docker.io/library/alpine";

    #[test_case("docker.io/library/alpine", true; "the name")]
    #[test_case("docker.io/library/*", true; "a wildcard")]
    #[test_case("*", true; "all")]
    #[test_case("docker.io/library/alp*", true; "a beginning")]
    #[test_case("docker.io/library", false; "a folder")]
    #[test_case("docker.io/library/alpine2", false; "longer")]
    #[test_case("docker.io/library/Alpine", false; "another case")]
    #[test_case("docker.io/*/alpine", false; "a star inside")]
    fn the_common_name_must_cover_the_repository(name: &str, accepted: bool) {
        let result = certified(name, now()).first();
        assert_eq!(result.is_ok(), accepted);
        if let Err(error) = result {
            assert!(matches!(error, UpdateError::Root(RootTrustError::NoCertificate { .. })));
        }
    }

    #[test_case(0, true; "today")]
    #[test_case(24, true; "in a day")]
    #[test_case(25, false; "in more than a day")]
    #[test_case(-24 * 3650, true; "to this second")]
    #[test_case(-24 * 3650 - 1, false; "an hour ago")]
    fn dates_count(hours: i64, accepted: bool) {
        let result = certified(GUN, now() + SignedDuration::from_hours(hours)).first();
        assert_eq!(result.is_ok(), accepted);
        if let Err(error) = result {
            assert!(matches!(error, UpdateError::Root(RootTrustError::OutOfDate { .. })));
        }
    }

    fn in_ten_years() -> Timestamp {
        now() + SignedDuration::from_hours(24 * 3650 + 1)
    }

    #[test]
    fn a_cached_root_ages_too() {
        let mut repo = Repo::new();
        let cached = repo.cached();
        for of in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS] {
            repo.header(&of).expires = days(5000);
        }
        let gun = repo.gun.to_string();
        repo.publish().bump(&[ROOT]);
        let result = repo.again_at(&cached, in_ten_years(), Expiry::Enforced);
        assert!(matches!(refused(result), UpdateError::Root(RootTrustError::OutOfDate { .. })));
        // The expired key still vouches for its successor.
        let old = repo.signers[&ROOT].clone();
        let new = TestKey::certified_since(&gun, in_ten_years());
        repo.keys(&ROOT, vec![new.clone()], 1);
        repo.signed_by(&ROOT, [old, vec![new]].concat());
        repo.again_at(&cached, in_ten_years(), Expiry::Enforced).unwrap();
    }

    #[test]
    fn keys_in_date_must_reach_the_threshold_by_themselves() {
        let mut repo = Repo::new();
        for of in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS] {
            repo.header(&of).expires = days(5000);
        }
        let young = TestKey::certified_since(GUN, now() + SignedDuration::from_hours(20));
        repo.keys(&ROOT, vec![TestKey::certified(GUN), young], 2);
        let cached = repo.cached();
        let result = repo.publish().again_at(&cached, in_ten_years(), Expiry::Enforced);
        too_few(result, &ROOT, 1, 2);
    }

    #[test]
    fn bare_keys_are_no_root_keys() {
        let mut repo = Repo::new();
        repo.keys(&ROOT, vec![TestKey::bare()], 1);
        assert!(matches!(
            refused(repo.first()),
            UpdateError::Root(RootTrustError::NoCertificate { cause: None, .. })
        ));
        // Nor do they help a certified one over the threshold.
        repo.keys(&ROOT, vec![TestKey::bare(), TestKey::certified(GUN)], 2);
        too_few(repo.first(), &ROOT, 1, 2);
    }

    #[test]
    fn weakly_signed_certificates_do_not_count() {
        let mut repo = Repo::new();
        let key = TestKey::certified(GUN);
        let weak = key.weakly_certified();
        repo.keys(&ROOT, vec![weak], 1);
        assert!(matches!(
            refused(repo.first()),
            UpdateError::Root(RootTrustError::NoCertificate { cause: Some(_), .. })
        ));
    }

    impl TestKey {
        /// The same certificate, said to be signed with an algorithm nobody trusts.
        fn weakly_certified(&self) -> Self {
            let bundle =
                crate::crypto::certificate::Certificate::parse_bundle(self.public.public());
            let mut der = bundle.unwrap()[0].der().to_vec();
            let sha256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
            for at in 0..der.len() - 8 {
                if der[at..at + 8] == sha256 {
                    der[at + 7] = 9;
                }
            }
            let weak = crate::crypto::certificate::Certificate::from_der(&der).unwrap();
            let public =
                crate::crypto::PublicKey::new(crate::crypto::KeyType::EcdsaX509, weak.to_pem());
            Self::of(Arc::clone(&self.private), public)
        }
    }
}

mod pins {
    use super::*;

    fn pinned(repo: &Repo, pin: Pin) -> Result<TrustedRepository, UpdateError> {
        below(repo.first_root(pin)?, &repo.files())
    }

    #[test]
    fn a_pinned_key_is_believed_by_either_id() {
        let repo = Repo::new();
        let key = &repo.signers[&ROOT][0];
        pinned(&repo, Pin::KeyIds([key.id()].into())).unwrap();
        pinned(&repo, Pin::KeyIds([key.public.canonical_id().unwrap()].into())).unwrap();
        let other = Pin::KeyIds([TestKey::bare().id()].into());
        assert!(matches!(
            refused(pinned(&repo, other)),
            UpdateError::Root(RootTrustError::NotPinned { .. })
        ));
    }

    #[test]
    fn pinned_keys_must_reach_the_threshold_by_themselves() {
        let mut repo = Repo::new();
        let gun = repo.gun.to_string();
        let keys = vec![TestKey::certified(&gun), TestKey::certified(&gun)];
        repo.keys(&ROOT, keys.clone(), 2);
        too_few(pinned(&repo, Pin::KeyIds([keys[0].id()].into())), &ROOT, 1, 2);
    }

    #[test]
    fn a_key_that_only_bears_the_pinned_id_is_not_believed() {
        let mut repo = Repo::new();
        let pinned_id = TestKey::certified(repo.gun.as_str()).id();
        let key = repo.signers[&ROOT][0].clone();
        repo.root.keys.insert(pinned_id.clone(), key.public);
        repo.root.roles.get_mut("root").unwrap().key_ids.push(pinned_id.clone());
        let result = pinned(&repo, Pin::KeyIds([pinned_id].into()));
        too_few(result, &ROOT, 0, 1);
    }

    #[test]
    fn forbidden_is_for_those_never_seen() {
        let mut repo = Repo::new();
        assert!(matches!(
            refused(pinned(&repo, Pin::Forbidden)),
            UpdateError::Root(RootTrustError::FirstUseForbidden { .. })
        ));
        let cached = repo.cached();
        let gun = repo.gun.clone();
        let set = TrustedSet::resume(gun, now(), Expiry::Enforced, Pin::Forbidden, &cached);
        repo.fixed.insert(ROOT, cached[&ROOT].clone());
        below(set.unwrap(), &repo.publish().files()).unwrap();
    }

    #[test]
    fn a_pin_set_later_holds_for_the_cache_too() {
        let repo = Repo::new();
        let cached = repo.cached();
        let pin = Pin::KeyIds([TestKey::bare().id()].into());
        let gun = repo.gun;
        let set = TrustedSet::resume(gun, now(), Expiry::Enforced, pin, &cached).unwrap();
        assert!(matches!(
            refused(below(set, &cached)),
            UpdateError::Root(RootTrustError::NotPinned { .. })
        ));
    }
}

#[test]
fn empty_files_are_written_as_the_reference_does() {
    let mut repo = Repo::new();
    repo.targets.insert(TARGETS, empty_targets());
    let text = String::from_utf8(repo.files()[&TARGETS].clone()).unwrap();
    assert!(
        text.starts_with(r#"{"signed":{"_type":"Targets","delegations":{"keys":{},"roles":[]},"#)
    );
    assert!(text.contains(r#""targets":{},"version":1}"#));
}

/// What only waits for signatures can be spoilt by any of those who may sign it.
#[test]
fn a_huge_file_of_proposals_stops_nobody() {
    let mut repo = Repo::new();
    repo.delegate("targets/proposals", vec![TestKey::bare()], &[".trust/proposals/"]);
    repo.with(&SNAPSHOT, |members| {
        let Some(Value::Object(meta)) = members.get_mut("meta") else { panic!() };
        let Some(Value::Object(companion)) = meta.get_mut("targets/proposals") else { panic!() };
        companion.insert("length".to_owned(), Value::Int(100 << 20));
    });
    let trusted = repo.first().unwrap();
    assert!(trusted.lookup(&name("v1"), &[TARGETS]).is_ok());
    let problem = &trusted.unusable()[&role("targets/proposals")];
    assert!(matches!(problem, UpdateError::TooLarge { length: 104_857_600, .. }), "{problem:?}");
}
