//! Whatever is offered in whatever order, over many updates: no version ever goes down, and
//! nothing is accepted that the role's keys did not sign.

use proptest::prelude::*;

use crate::tuf::names::RoleName;
use crate::tuf::pinning::Pin;
use crate::tuf::testing::{Files, Repo, TestKey, days, now, role};
use crate::tuf::trusted::repository::TrustedRepository;
use crate::tuf::trusted::{Expiry, TrustedSet};
use crate::tuf::verify::verify;

/// What the owner, or an attacker who holds some keys, does before the next update.
#[derive(Debug, Clone)]
enum Step {
    /// The owner publishes all.
    Publish,
    /// Somebody who holds the key of a role signs this version.
    Version(usize, u64),
    /// A stranger signs a role.
    Forge(usize),
    /// A role has expired.
    Expire(usize),
    /// The snapshot leaves a delegation out.
    Strip,
    /// A byte of a file is another than the one that was signed.
    Flip(usize, usize),
    /// Files of an earlier state are served.
    Replay(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Publish),
        2 => (0..4usize, 1..9u64).prop_map(|(role, version)| Step::Version(role, version)),
        1 => (0..4usize).prop_map(Step::Forge),
        1 => (0..4usize).prop_map(Step::Expire),
        1 => Just(Step::Strip),
        1 => (0..4usize, any::<usize>()).prop_map(|(role, at)| Step::Flip(role, at)),
        3 => (0..4usize, any::<usize>()).prop_map(|(role, when)| Step::Replay(role, when)),
    ]
}

fn roles() -> [RoleName; 4] {
    [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets, role("targets/releases")]
}

fn serve(honest: &mut Repo, past: &[Files], step: &Step) -> Files {
    let roles = roles();
    let mut lying = honest.clone();
    match step {
        Step::Publish => {
            honest.publish();
            return honest.files();
        }
        Step::Version(role, version) => drop(lying.publish().version(&roles[*role], *version)),
        Step::Forge(role) => drop(lying.publish().signed_by(&roles[*role], vec![TestKey::bare()])),
        Step::Expire(role) => lying.publish().header(&roles[*role]).expires = days(-1),
        Step::Strip => drop(lying.publish().unlisted.insert(roles[3].clone())),
        Step::Flip(role, at) => {
            let mut files = lying.publish().files();
            let file = files.get_mut(&roles[*role]).unwrap();
            let at = at % file.len();
            file[at] ^= 0x10;
            return files;
        }
        Step::Replay(role, when) => {
            let old = &past[when % past.len()];
            let mut files = lying.publish().files();
            // This role and what the server signs above it.
            for role in &roles[..=*role] {
                files.insert(role.clone(), old[role].clone());
            }
            return files;
        }
    }
    lying.files()
}

/// Offers each file in turn and carries on after an error, as a careless caller might.
fn read(gun: &Repo, cached: &Files, files: &Files) -> Option<TrustedRepository> {
    let gun = gun.gun.clone();
    let mut set = TrustedSet::resume(gun, now(), Expiry::Enforced, Pin::FirstUse, cached).unwrap();
    drop(set.accept_timestamp(&files[&RoleName::Timestamp]));
    drop(set.accept_snapshot(&files[&RoleName::Snapshot]));
    for role in &roles()[2..] {
        drop(set.accept_targets(role, &files[role]));
    }
    set.finish().ok()
}

fn check(repo: &Repo, read: &TrustedRepository, floors: &mut [u64; 4]) {
    let root = read.root().body();
    let version = |role: &RoleName| match role {
        RoleName::Timestamp => Some(read.timestamp().body().header.version),
        RoleName::Snapshot => Some(read.snapshot().body().header.version),
        other => read.targets().get(other).map(|file| file.body().header.version),
    };
    for (role, floor) in roles().iter().zip(floors) {
        if let Some(version) = version(role) {
            assert!(version >= *floor, "{role} went from {floor} to {version}");
            // What is not stored sets no floor.
            if read.files().contains_key(role) {
                *floor = version;
            }
        }
    }
    let signed = read.timestamp().signed().clone();
    verify(signed, &root.role_keys(&RoleName::Timestamp).unwrap()).unwrap();
    let signed = read.snapshot().signed().clone();
    verify(signed, &root.role_keys(&RoleName::Snapshot).unwrap()).unwrap();
    for (role, file) in read.targets() {
        let keys = match role.parent() {
            None => root.role_keys(role),
            Some(parent) => read.targets()[&parent].body().role_keys(role),
        };
        verify(file.signed().clone(), &keys.unwrap()).unwrap();
        let listed = &read.snapshot().body().meta[role];
        listed.hashes.check(file.raw()).unwrap();
    }
    read.timestamp().body().snapshot.hashes.check(read.snapshot().raw()).unwrap();
    assert_eq!(read.root().raw(), repo.fixed[&RoleName::Root]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_sequence_of_updates_lowers_a_version_or_admits_what_is_not_signed(
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let mut repo = Repo::new();
        repo.delegate("targets/releases", vec![TestKey::bare()], &[""]);
        let root = repo.files()[&RoleName::Root].clone();
        repo.fixed.insert(RoleName::Root, root);
        let mut cached = repo.files();
        let mut past = vec![cached.clone()];
        let mut floors = [1; 4];
        for step in &steps {
            let files = serve(&mut repo, &past, step);
            if let Some(read) = read(&repo, &cached, &files) {
                check(&repo, &read, &mut floors);
                cached.extend(read.files());
            }
            past.push(files);
        }
        // After all that an honest server is followed again, unless versions were driven up by
        // whoever holds the keys.
        for (role, floor) in roles().iter().zip(floors) {
            let header = repo.header(role);
            header.version = header.version.max(floor) + 1;
        }
        prop_assert!(read(&repo, &cached, &repo.files()).is_some());
    }
}
