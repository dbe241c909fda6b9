//! Files that are honest each by itself, but were never published together.

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::NotaryError;
use trust::tuf::RoleName;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::{Key, Reply, Repository, Victim, tamper};

#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("targets/releases")]
fn another_file_of_the_same_length_is_refused(role: &str) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    advance(&mut victim.repository);
    victim.publish();
    victim.tamper(role, tamper::bit_flipped);
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(7), UpdateError::Checksum { role, .. } if *role == expected);
}

#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("targets/releases")]
fn a_shorter_file_is_refused(role: &str) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    advance(&mut victim.repository);
    victim.publish();
    victim.tamper(role, tamper::truncated);
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(7), UpdateError::Length { role, .. } if *role == expected);
}

#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("targets/releases")]
fn row_39_a_longer_file_is_refused_though_it_means_the_same(role: &str) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    advance(&mut victim.repository);
    victim.publish();
    victim.tamper(role, tamper::lengthened);
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(
        victim.refuses(7),
        UpdateError::Length { role, listed, got } if *role == expected && *got == listed + 1
    );
}

#[test_case("snapshot")]
#[test_case("targets")]
fn row_43_the_file_of_yesterday_is_refused_under_the_name_of_today(role: &str) {
    let mut victim = Victim::primed();
    let old = victim.repository.raw(role);
    advance(&mut victim.repository);
    victim.publish();
    victim.tamper(role, |bytes| *bytes = old);
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(victim.refuses(7), UpdateError::Checksum { role, .. } if *role == expected);
}

#[test_case("snapshot")]
#[test_case("targets")]
#[test_case("targets/releases")]
fn row_44_a_file_that_is_named_but_not_there_is_withheld(role: &str) {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    advance(&mut victim.repository);
    victim.publish();
    victim.answer(role, &crate::harness::server::not_found());
    let before = victim.trust_files();
    let finished = victim.verify_by_program();
    assert_eq!(finished.code, 7, "{finished:?}");
    let expected = RoleName::parse(role).unwrap();
    assert_matches!(
        victim.refresh().unwrap_err(),
        RefreshError::Withheld { role, cause: NotaryError::NotFound { .. }, .. } if *role == expected
    );
    assert_eq!(victim.trust_files(), before);
}

#[test_case(&["hashes", "sha256"]; "the known hash alone")]
#[test_case(&["hashes", "sha512"]; "the unused hash alone")]
fn every_known_hash_must_be_right(wrong: &'static [&'static str]) {
    let mut victim = Victim::primed();
    advance(&mut victim.repository);
    // Of two hashes one is honest: whoever looks at that one alone is deceived.
    let length = if wrong[1] == "sha256" { 32 } else { 64 };
    let digest = trust::codec::text::to_base64(&vec![7; length]);
    victim.repository.before_signing("snapshot", move |body| {
        let path = ["meta", "targets", wrong[0], wrong[1]];
        *crate::harness::repository::at(body, &path) = digest.as_str().into();
    });
    victim.publish();
    // The file is asked for by its sha256, whatever that is.
    let raw = victim.repository.raw("targets");
    let name = format!("targets.{}.json", "07".repeat(32));
    victim.replies.set(&name, Reply::file(raw));
    assert_matches!(victim.refuses(7), UpdateError::Checksum { role: RoleName::Targets, .. });
}

#[test]
fn the_files_of_another_repository_are_refused_though_its_owner_is_the_same() {
    let mut victim = Victim::primed();
    let mut other = Repository::new(victim.repository.gun());
    other.grant("root", &victim.repository.signers("root"), 1);
    for role in ["targets", "snapshot", "timestamp"] {
        other.set_version(role, 9);
    }
    other.publish();
    victim.repository = other;
    victim.serve();
    // Its root has the same version and key as ours, but other content.
    assert_matches!(victim.refuses(7), UpdateError::NotTheNextRoot { trusted: 1, offered: 1 });
}

#[test]
fn of_two_honest_states_nothing_but_the_one_or_the_other_is_accepted() {
    let roles = ["timestamp", "snapshot", "targets", "targets/releases"];
    let mut victim = Victim::new();
    victim.repository.delegate("targets/releases", &[Key::plain()], 1, &[""]);
    victim.repository.publish();
    let old = roles.map(|role| (victim.repository.raw(role), victim.repository.file_name(role)));
    advance(&mut victim.repository);
    victim.publish();
    let new = roles.map(|role| (victim.repository.raw(role), victim.repository.file_name(role)));
    for mix in 0..1_u32 << roles.len() {
        for (index, role) in roles.into_iter().enumerate() {
            let (file, _) = if mix >> index & 1 == 0 { &old[index] } else { &new[index] };
            for name in [&format!("{role}.json"), &old[index].1, &new[index].1] {
                victim.replies.set(name, Reply::file(file.clone()));
            }
        }
        let somebody = victim.refresh_as_another();
        let pure = mix == 0 || mix == (1 << roles.len()) - 1;
        match somebody {
            Ok(_) => assert!(pure, "{mix:04b} was accepted"),
            Err(RefreshError::Refused {
                cause: UpdateError::Checksum { .. } | UpdateError::Length { .. },
                ..
            }) => assert!(!pure, "{mix:04b} was refused"),
            Err(other) => panic!("{mix:04b}: {other:?}"),
        }
    }
}

fn advance(repository: &mut Repository) {
    repository.bump(&["targets", "snapshot", "timestamp"]);
    if repository.files().contains_key("targets/releases.json") {
        repository.bump(&["targets/releases"]);
    }
}
