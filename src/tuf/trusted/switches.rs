//! Each departure from the strictest rules (server.md §1.4): refused without its switch, accepted
//! and told with it, and nothing else accepted besides.

use test_case::test_case;

use crate::crypto::Sha256Hash;
use crate::tuf::names::RoleName;
use crate::tuf::pinning::Pin;
use crate::tuf::rules::{Bounds, EqualTimestamp, MissingDelegation, RootWalk, Rules};
use crate::tuf::testing::{Files, Repo, TestKey, below, days, name, now, role};
use crate::tuf::trusted::errors::{Note, UpdateError};
use crate::tuf::trusted::repository::{LookupError, TrustedRepository};
use crate::tuf::trusted::{Expiry, TrustedSet};
use crate::tuf::verify::VerifyError;

const ROOT: RoleName = RoleName::Root;
const TIMESTAMP: RoleName = RoleName::Timestamp;
const SNAPSHOT: RoleName = RoleName::Snapshot;
const TARGETS: RoleName = RoleName::Targets;

const NOTARY_WALK: Rules = Rules {
    root_walk: RootWalk::Notary,
    equal_timestamp: EqualTimestamp::Keep,
    missing_delegation: MissingDelegation::Refuse,
    bounds: STANDARD,
};
const STANDARD: Bounds = Bounds {
    timestamp: 1 << 20,
    root: 1 << 20,
    snapshot: 100 << 20,
    targets: 100 << 20,
    rotations: 1024,
    delegations: 1024,
};

fn set(repo: &Repo, cached: &Files, rules: Rules) -> TrustedSet {
    TrustedSet::resume(repo.gun.clone(), now(), Expiry::Enforced, Pin::FirstUse, cached)
        .unwrap()
        .with_rules(rules)
}

fn again(repo: &Repo, cached: &Files, rules: Rules) -> Result<TrustedRepository, UpdateError> {
    let files = repo.files();
    let mut set = set(repo, cached, rules);
    set.accept_root(&files[&ROOT])?;
    below(set, &files)
}

#[test]
fn the_default_is_the_strictest() {
    let strict = Rules { root_walk: RootWalk::Strict, ..NOTARY_WALK };
    assert_eq!(Rules::default(), strict);
}

#[test_case(1, 3; "versions left out")]
#[test_case(1, 1; "another root of the same version")]
fn a_root_out_of_step_that_the_trusted_keys_signed(trusted: u64, offered: u64) {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.version(&ROOT, offered).header(&ROOT).expires = days(99);
    repo.bump(&[SNAPSHOT, TIMESTAMP]);
    assert_eq!(
        again(&repo, &cached, Rules::default()).unwrap_err(),
        UpdateError::NotTheNextRoot { trusted, offered }
    );
    let read = again(&repo, &cached, NOTARY_WALK).unwrap();
    assert_eq!(read.root().body().header.version, offered);
    assert_eq!(read.notes(), [Note::RootOutOfStep { trusted, offered }]);
}

#[test]
fn the_next_root_is_nothing_to_tell_of() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.bump(&[ROOT, SNAPSHOT, TIMESTAMP]);
    assert_eq!(again(&repo, &cached, NOTARY_WALK).unwrap().notes(), []);
}

#[test_case(3; "later")]
#[test_case(1; "the same")]
fn a_root_out_of_step_needs_the_trusted_keys_all_the_same(version: u64) {
    let mut repo = Repo::new();
    let cached = repo.cached();
    let gun = repo.gun.to_string();
    repo.keys(&ROOT, vec![TestKey::certified(&gun)], 1);
    repo.version(&ROOT, version);
    let cause = VerifyError::ThresholdNotMet { role: ROOT, have: 0, need: 1 };
    assert_eq!(
        again(&repo, &cached, NOTARY_WALK).unwrap_err(),
        UpdateError::RootNotVouchedFor { version, cause }
    );
}

#[test]
fn no_walk_leads_to_an_older_root() {
    let mut repo = Repo::new();
    let cached = repo.version(&ROOT, 3).cached();
    repo.version(&ROOT, 2);
    assert_eq!(
        again(&repo, &cached, NOTARY_WALK).unwrap_err(),
        UpdateError::RolledBack { role: ROOT, trusted: 3, offered: 2 }
    );
}

#[test]
fn another_timestamp_of_the_same_version() {
    let mut repo = Repo::new();
    let cached = repo.cached();
    repo.bump(&[SNAPSHOT]).header(&SNAPSHOT).expires = days(50);
    let files = repo.files();
    let follow = Rules { equal_timestamp: EqualTimestamp::Follow, ..Rules::default() };
    for (rules, from, note) in [
        (Rules::default(), &cached, Note::SameTimestampVersion { version: 1 }),
        (follow, &files, Note::SameTimestampVersionFollowed { version: 1 }),
    ] {
        let mut set = set(&repo, &cached, rules);
        set.accept_timestamp(&files[&TIMESTAMP]).unwrap();
        assert_eq!(set.wanted_snapshot().unwrap().sha256, Sha256Hash::of(&from[&SNAPSHOT]));
        assert_eq!(set.notes, [note]);
    }
}

#[test]
fn following_an_equal_timestamp_follows_no_older_one_and_no_older_snapshot() {
    let follow = Rules { equal_timestamp: EqualTimestamp::Follow, ..Rules::default() };
    let mut repo = Repo::new();
    let cached = repo.version(&TIMESTAMP, 3).version(&SNAPSHOT, 3).cached();
    repo.version(&SNAPSHOT, 2);
    assert_eq!(
        again(&repo, &cached, follow).unwrap_err(),
        UpdateError::RolledBack { role: SNAPSHOT, trusted: 3, offered: 2 }
    );
    repo.version(&TIMESTAMP, 2);
    assert_eq!(
        again(&repo, &cached, follow).unwrap_err(),
        UpdateError::RolledBack { role: TIMESTAMP, trusted: 3, offered: 2 }
    );
}

fn releases() -> Repo {
    let mut repo = Repo::new();
    repo.delegate("targets/releases", vec![TestKey::bare()], &[""]);
    repo.delegate("targets/alice", vec![TestKey::bare()], &[""]);
    repo
}

#[test_case(|repo: &mut Repo| { repo.header(&role("targets/releases")).expires = days(-1); }; "expired")]
#[test_case(|repo: &mut Repo| { repo.signed_by(&role("targets/releases"), vec![TestKey::bare()]); }; "signed by a stranger")]
#[test_case(|repo: &mut Repo| { repo.unlisted.insert(role("targets/releases")); }; "vanished")]
fn a_role_of_the_priority_list_that_cannot_be_used(spoil: fn(&mut Repo)) {
    let mut repo = releases();
    let cached = repo.cached();
    repo.bump(&[role("targets/releases"), SNAPSHOT, TIMESTAMP]);
    spoil(&mut repo);
    let priority = [role("targets/releases"), TARGETS];
    let read = again(&repo, &cached, Rules::default()).unwrap();
    assert!(matches!(
        read.lookup(&name("v1"), &priority),
        Err(LookupError::RoleUnusable { role, .. }) if role == priority[0]
    ));
    let fall_back = Rules { missing_delegation: MissingDelegation::FallBack, ..Rules::default() };
    let read = again(&repo, &cached, fall_back).unwrap();
    assert_eq!(read.lookup(&name("v1"), &priority).unwrap().role, &TARGETS);
    // What was passed over is known all the same.
    assert!(read.unusable().contains_key(&priority[0]));
}

#[test]
fn a_delegation_that_vanishes_stops_also_those_who_do_not_ask_for_it() {
    let mut repo = releases();
    let cached = repo.cached();
    repo.bump(&[SNAPSHOT, TIMESTAMP]).unlisted.insert(role("targets/alice"));
    let priority = [role("targets/releases"), TARGETS];
    let read = again(&repo, &cached, Rules::default()).unwrap();
    assert!(matches!(
        read.lookup(&name("v1"), &priority),
        Err(LookupError::RoleUnusable { role: gone, .. }) if gone == role("targets/alice")
    ));
    let fall_back = Rules { missing_delegation: MissingDelegation::FallBack, ..Rules::default() };
    let read = again(&repo, &cached, fall_back).unwrap();
    read.lookup(&name("v1"), &priority).unwrap();
    // Without the switch it is missed the next time, too, whatever was stored.
    let mut stored = cached;
    stored.extend(read.files());
    let read = again(&repo, &stored, Rules::default()).unwrap();
    assert!(matches!(
        read.lookup(&name("v1"), &priority),
        Err(LookupError::RoleUnusable { role: gone, .. }) if gone == role("targets/alice")
    ));
}

#[test]
fn a_role_that_is_unusable_but_not_asked_for_stops_nobody() {
    let mut repo = releases();
    let cached = repo.cached();
    repo.bump(&[SNAPSHOT, TIMESTAMP]).header(&role("targets/alice")).expires = days(-1);
    let read = again(&repo, &cached, Rules::default()).unwrap();
    read.lookup(&name("v1"), &[role("targets/releases"), TARGETS]).unwrap();
    assert!(read.unusable().contains_key(&role("targets/alice")));
}

#[test]
fn bounds_are_those_of_the_rules() {
    let repo = releases();
    let files = repo.files();
    let length = |role: &RoleName| files[role].len() as u64;
    let first = |bounds: Bounds| {
        let set = repo.first_root(Pin::FirstUse).unwrap();
        below(set.with_rules(Rules { bounds, ..Rules::default() }), &files)
    };
    let exact = Bounds {
        snapshot: length(&SNAPSHOT),
        targets: length(&TARGETS).max(length(&role("targets/releases"))),
        delegations: 2,
        ..Bounds::default()
    };
    first(exact).unwrap();
    let too_large = |bounds: Bounds, of: &RoleName, limit: u64| {
        let expected = UpdateError::TooLarge { role: of.clone(), length: length(of), limit };
        assert_eq!(first(bounds).unwrap_err(), expected);
    };
    let less = exact.snapshot - 1;
    too_large(Bounds { snapshot: less, ..exact }, &SNAPSHOT, less);
    let less = length(&TARGETS) - 1;
    too_large(Bounds { targets: less, ..exact }, &TARGETS, less);
    assert!(matches!(
        first(Bounds { delegations: 1, ..exact }).unwrap_err(),
        UpdateError::TooManyDelegations { .. }
    ));
}
