//! Histories as servers and caches leave them, and as attackers would like them.

use test_case::test_case;

use crate::crypto::Sha256Hash;
use crate::tuf::history::{Fault, History, KeptFile, examine};
use crate::tuf::metadata::{Document, Root, Signed};
use crate::tuf::names::RoleName;
use crate::tuf::testing::{Files, Repo, TestKey, days, empty_targets, role};
use crate::tuf::trusted::UpdateError;
use crate::tuf::verify::VerifyError;

const ROOT: RoleName = RoleName::Root;
const TIMESTAMP: RoleName = RoleName::Timestamp;
const SNAPSHOT: RoleName = RoleName::Snapshot;
const TARGETS: RoleName = RoleName::Targets;

/// Files of several publications, each once, the newest first.
fn kept(publications: &[Files]) -> Vec<KeptFile> {
    let mut files: Vec<KeptFile> = Vec::new();
    for (role, bytes) in publications.iter().rev().flatten() {
        let file = KeptFile { role: role.clone(), bytes: bytes.clone() };
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

fn judged(repo: &Repo, publications: &[Files]) -> History {
    examine(&repo.gun, &kept(publications), None)
}

/// What is wrong, by role and version.
fn faults(history: &History) -> Vec<(String, Fault)> {
    let name = |role: &RoleName, version: Option<u64>| format!("{role} {}", version.unwrap_or(0));
    let refused = history.findings.iter().filter_map(|finding| {
        Some((name(&finding.role, finding.version), finding.refused.clone()?))
    });
    let mut refused: Vec<_> = refused.collect();
    refused.sort_by(|one, other| one.0.cmp(&other.0));
    refused
}

fn versions(history: &History) -> Vec<String> {
    let version = |(role, place): (&RoleName, &usize)| {
        format!("{role} {}", history.findings[*place].version.unwrap())
    };
    history.current.iter().map(version).collect()
}

fn too_few(role: &RoleName) -> VerifyError {
    VerifyError::ThresholdNotMet { role: role.clone(), have: 0, need: 1 }
}

/// Gives the root a new key; the old one signs, too.
fn rotate_root(repo: &mut Repo) {
    let mut signers = repo.signers[&ROOT].clone();
    signers.truncate(1);
    let new = TestKey::certified(repo.gun.as_str());
    repo.keys(&ROOT, vec![new.clone()], 1);
    repo.signers.insert(ROOT, vec![new, signers.remove(0)]);
    repo.bump(&[ROOT]);
}

/// Three roots, each with other root and timestamp keys, and two publications of each.
fn long_history() -> (Repo, Vec<Files>) {
    let mut repo = Repo::new();
    repo.delegate("targets/releases", vec![TestKey::bare()], &[""]);
    repo.delegate("targets/releases/a", vec![TestKey::bare()], &[""]);
    let mut publications = vec![repo.files()];
    for round in 0..5 {
        if round % 2 == 1 {
            rotate_root(&mut repo);
            repo.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
        }
        repo.publish();
        publications.push(repo.files());
    }
    (repo, publications)
}

#[test]
fn all_that_was_ever_published_verifies_whatever_its_age_and_order() {
    let (repo, publications) = long_history();
    let history = judged(&repo, &publications);
    assert_eq!(faults(&history), []);
    let newest = [
        "root 3",
        "timestamp 6",
        "snapshot 6",
        "targets 6",
        "targets/releases 6",
        "targets/releases/a 6",
    ];
    assert_eq!(versions(&history), newest);
    let mut files = kept(&publications);
    files.reverse();
    let reversed = examine(&repo.gun, &files, None);
    assert_eq!(faults(&reversed), []);
    assert_eq!(versions(&reversed), newest);
    assert_eq!(reversed.findings[0].sha256, Sha256Hash::of(&files[0].bytes));
}

#[test_case(0; "the oldest")]
#[test_case(3; "one between")]
#[test_case(5; "the newest")]
fn roots_before_and_after_an_anchor_count(place: usize) {
    let (repo, publications) = long_history();
    let anchor = &publications[place][&ROOT];
    let history = examine(&repo.gun, &kept(&publications), Some(anchor));
    assert_eq!(faults(&history), []);
    assert!(!history.current.is_empty());
}

#[test]
fn the_oldest_root_may_be_any() {
    let (repo, publications) = long_history();
    let history = judged(&repo, &publications[4..]);
    assert_eq!(faults(&history), []);
    assert!(versions(&history).contains(&"root 3".to_owned()));
}

#[test]
fn a_root_may_be_missing_where_the_one_before_vouches_all_the_same() {
    let mut repo = Repo::new();
    let mut publications = vec![repo.files()];
    repo.bump(&[ROOT, ROOT]).publish();
    publications.push(repo.files());
    assert_eq!(faults(&judged(&repo, &publications)), []);
}

#[test]
fn a_root_that_nobody_vouches_for_is_refused_and_with_it_what_it_would_allow() {
    let (repo, mut publications) = long_history();
    let mut thief = repo.clone();
    thief.keys(&ROOT, vec![TestKey::certified(repo.gun.as_str())], 1);
    thief.keys(&TIMESTAMP, vec![TestKey::bare()], 1);
    thief.bump(&[ROOT]).publish();
    publications.push(thief.files());
    let history = judged(&repo, &publications);
    let cause = UpdateError::RootNotVouchedFor { version: 4, cause: too_few(&ROOT) };
    let found = faults(&history);
    assert_eq!(found[0], ("root 4".to_owned(), Fault::Root { version: 4, cause }));
    assert_eq!(found[1], ("timestamp 7".to_owned(), too_few(&TIMESTAMP).into()));
    assert!(versions(&history).contains(&"timestamp 6".to_owned()));
}

/// Two next roots that both follow, as two machines may sign them: the published one is current.
#[test]
fn of_two_roots_of_one_version_the_one_that_is_referred_to_is_current() {
    let mut repo = Repo::new();
    let first = repo.files();
    repo.bump(&[ROOT]);
    let published = repo.header(&ROOT).expires;
    let others = [11, 12, 13].map(|number| {
        repo.header(&ROOT).expires = days(number);
        repo.files()[&ROOT].clone()
    });
    repo.header(&ROOT).expires = published;
    let second = repo.publish().files();
    let mut files = kept(&[first, second.clone()]);
    files.extend(others.map(|bytes| KeptFile { role: ROOT, bytes }));
    let history = examine(&repo.gun, &files, None);
    assert_eq!(history.findings[history.current[&ROOT]].sha256, Sha256Hash::of(&second[&ROOT]));
    let twin = Fault::Twin { role: ROOT, version: 2 };
    assert_eq!(faults(&history), [(); 3].map(|()| ("root 2".to_owned(), twin.clone())));
}

/// Whoever makes up an old root can list the anchor's keys in it, but not sign with them.
#[test]
fn a_made_up_root_before_the_anchor_does_not_count() {
    let mut repo = Repo::new();
    repo.bump(&[ROOT]);
    let honest = repo.files();
    let mut thief = Repo::new();
    let mut listed = repo.signers[&ROOT].clone();
    let own = TestKey::certified(repo.gun.as_str());
    listed.push(own.clone());
    thief.keys(&ROOT, listed, 1);
    thief.signers.insert(ROOT, vec![own]);
    let anchor = honest[&ROOT].clone();
    let history = examine(&repo.gun, &kept(&[thief.files(), honest]), Some(&anchor));
    let cause = UpdateError::RootNotVouchedFor { version: 1, cause: too_few(&ROOT) };
    assert_eq!(faults(&history)[0], ("root 1".to_owned(), Fault::Root { version: 1, cause }));
    assert_eq!(faults(&history).len(), 4);
    assert!(!history.current.is_empty());
}

#[test]
fn under_another_anchor_nothing_counts() {
    let repo = Repo::new();
    let anchor = Repo::new().files()[&ROOT].clone();
    let history = examine(&repo.gun, &kept(&[repo.files()]), Some(&anchor));
    let cause = UpdateError::NotTheNextRoot { trusted: 1, offered: 1 };
    assert_eq!(faults(&history)[0], ("root 1".to_owned(), Fault::Root { version: 1, cause }));
    assert!(history.current.is_empty());
    let history = examine(&repo.gun, &kept(&[repo.files()]), Some(b"{}"));
    assert!(matches!(
        &faults(&history)[0].1,
        Fault::Root { version: 1, cause: UpdateError::Metadata { .. } }
    ));
    assert!(history.findings.iter().all(|finding| finding.refused.is_some()));
}

#[test]
fn without_roots_nobody_knows_who_signs() {
    let repo = Repo::new();
    let mut files = repo.files();
    files.remove(&ROOT);
    let history = judged(&repo, &[files]);
    let unknown = |role: RoleName| (format!("{role} 1"), Fault::Unknown { role });
    assert_eq!(faults(&history), [SNAPSHOT, TARGETS, TIMESTAMP].map(unknown));
    assert!(history.current.is_empty());
    assert!(examine(&repo.gun, &[], None).findings.is_empty());
}

#[test]
fn what_cannot_be_read_is_said_to_be_so() {
    let repo = Repo::new();
    let mut files = kept(&[repo.files()]);
    for role in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS, role("targets/a")] {
        files.push(KeptFile { role, bytes: b"not json".to_vec() });
    }
    let history = examine(&repo.gun, &files, None);
    let found = faults(&history);
    assert_eq!(found.len(), 5);
    assert!(found.iter().filter(|(_, fault)| matches!(fault, Fault::Unreadable(_))).count() >= 4);
    assert_eq!(history.current.len(), 4);
}

#[test]
fn of_two_collections_of_one_name_the_one_in_use_counts() {
    let mut old = Repo::new();
    old.publish().publish();
    old.timestamp.expires = days(1);
    let new = Repo::new();
    let history = judged(&new, &[new.files(), old.files()]);
    assert!(versions(&history).contains(&"timestamp 1".to_owned()));
    assert_eq!(faults(&history).len(), 4);
    assert!(faults(&history).iter().any(|(name, _)| name == "timestamp 3"));
}

#[test]
fn the_file_that_is_referred_to_has_a_twin() {
    let mut repo = Repo::new();
    let published = repo.files();
    repo.targets.get_mut(&TARGETS).unwrap().header.expires = days(200);
    let unpublished = repo.files().remove(&TARGETS).unwrap();
    let mut files = kept(&[published]);
    files.insert(0, KeptFile { role: TARGETS, bytes: unpublished });
    let history = examine(&repo.gun, &files, None);
    let twin = Fault::Twin { role: TARGETS, version: 1 };
    assert_eq!(faults(&history), [("targets 1".to_owned(), twin.clone())]);
    assert_eq!(history.findings[0].refused, Some(twin));
}

#[test]
fn one_roles_file_is_not_anothers_though_the_key_is_the_same() {
    let mut repo = Repo::new();
    let key = TestKey::bare();
    repo.delegate("targets/releases", vec![key.clone()], &[""]);
    repo.delegate("targets/a", vec![key], &[""]);
    let files = repo.publish().files();
    let mut all = kept(std::slice::from_ref(&files));
    all.push(KeptFile { role: role("targets/releases"), bytes: files[&role("targets/a")].clone() });
    let history = examine(&repo.gun, &all, None);
    let (role, of) = (role("targets/releases"), role("targets/a"));
    let found = faults(&history);
    assert_eq!(found, [("targets/releases 2".to_owned(), Fault::OtherRole { role, of })]);
}

#[test]
fn keys_that_a_delegation_had_once_count_for_its_old_files() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let first = repo.files();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let second = repo.publish().files();
    assert_eq!(faults(&judged(&repo, &[first, second.clone()])), []);
    repo.signed_by(&role("targets/a"), vec![TestKey::bare()]);
    let third = repo.publish().files();
    let history = judged(&repo, &[second, third]);
    let a = role("targets/a");
    assert_eq!(faults(&history), [("targets/a 3".to_owned(), too_few(&a).into())]);
    // Readers leave the role out, but ask for the file.
    assert_eq!(history.findings[history.current[&a]].version, Some(3));
}

#[test]
fn a_set_is_current_only_if_all_of_it_is_here() {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &[""]);
    let first = repo.files();
    let mut second = repo.publish().files();
    second.remove(&role("targets/a"));
    let history = judged(&repo, &[first, second.clone()]);
    assert!(versions(&history).contains(&"timestamp 1".to_owned()));
    second.remove(&ROOT);
    assert!(judged(&repo, &[second]).current.is_empty());
}

#[test]
fn what_the_newest_root_takes_the_keys_of_is_not_current() {
    let mut repo = Repo::new();
    let first = repo.files();
    repo.keys(&TARGETS, vec![TestKey::bare()], 1);
    repo.bump(&[ROOT]);
    let mut root_only = repo.files();
    root_only.retain(|role, _| *role == ROOT);
    let history = judged(&repo, &[first, root_only]);
    assert_eq!(faults(&history), []);
    assert!(history.current.is_empty());
}

#[test]
fn vanished_roles_that_the_snapshot_still_lists_are_not_needed() {
    let mut repo = Repo::new();
    repo.fixed.insert(role("targets/gone"), empty_targets().to_json().to_canonical());
    let mut files = repo.files();
    files.remove(&role("targets/gone"));
    assert!(Signed::<Root>::parse(&ROOT, &files[&ROOT]).is_ok());
    assert_eq!(versions(&judged(&repo, &[files])).len(), 4);
}
