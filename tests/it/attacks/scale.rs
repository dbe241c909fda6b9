//! More of everything than anybody has, honestly signed.

use std::rc::Rc;

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::actions::verify::VerifyImageError;
use trust::codec::canonical_json::Value;
use trust::tuf::RoleName;
use trust::tuf::trusted::{LookupError, UpdateError};

use super::assert_matches;
use crate::harness::repository::{at, file_meta};
use crate::harness::{Key, Victim};

/// So many more roots, each the successor of the one before.
fn more_roots(victim: &mut Victim, count: usize) {
    for _ in 0..count {
        victim.repository.bump(&["root"]);
        victim.repository.publish();
    }
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
}

#[test]
fn row_41_a_thousand_roots_are_followed() {
    let mut victim = Victim::primed();
    more_roots(&mut victim, 1000);
    assert_eq!(victim.refresh().unwrap().trusted.root().body().header.version, 1001);
}

#[test]
fn row_41_two_thousand_roots_are_not_followed_and_none_is_asked_for() {
    let mut victim = Victim::primed();
    more_roots(&mut victim, 2000);
    let before = victim.trust_files();
    let asked = victim.server().log().len();
    let error = victim.refresh().unwrap_err();
    assert_matches!(error, RefreshError::TooManyRoots { behind: 2000, .. });
    victim.assert_untouched(&before);
    let log = victim.server().log().split_off(asked);
    assert!(!log.iter().any(|line| line.ends_with("/2.root.json")), "{log:?}");
}

/// Delegations of one key, and files for as many of them as are listed.
fn delegations(victim: &mut Victim, count: usize, listed: bool) {
    let key = victim.repository.signers("targets").remove(0);
    victim.repository.delegate("targets/first", &[Rc::clone(&key)], 1, &[""]);
    victim.repository.before_signing("targets", move |body| {
        let Value::Array(roles) = at(body, &["delegations", "roles"]) else { panic!() };
        let first = roles[0].clone();
        for n in 1..count {
            let mut role = first.clone();
            *at(&mut role, &["name"]) = Value::from(format!("targets/r{n}"));
            roles.push(role);
        }
    });
    if listed {
        victim.repository.before_signing("snapshot", move |body| {
            for n in 1..count {
                *at(body, &["meta", &format!("targets/r{n}")]) = file_meta(b"x");
            }
        });
    }
    victim.publish();
}

#[test]
fn ten_thousand_delegations_with_files_are_refused_before_one_is_asked_for() {
    let mut victim = Victim::new();
    delegations(&mut victim, 10_000, true);
    assert_matches!(victim.refuses(7), UpdateError::TooManyDelegations { .. });
    let log = victim.server().log();
    assert!(!log.iter().any(|line| line.contains("targets/")), "{log:?}");
}

#[test]
fn ten_thousand_delegations_that_never_signed_are_no_obstacle() {
    let mut victim = Victim::new();
    delegations(&mut victim, 10_000, false);
    assert_eq!(victim.accepts().trusted.targets().len(), 2);
}

#[test]
fn a_thousand_levels_have_no_names() {
    let mut victim = Victim::new();
    let key = Key::plain();
    let mut role = "targets".to_owned();
    for _ in 0..1000 {
        role.push_str("/a");
        victim.repository.delegate(&role, &[Rc::clone(&key)], 1, &[""]);
    }
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Metadata { role: RoleName::Snapshot, .. });
    assert!(victim.trust_files().is_empty());
}

#[test_case("../../../escape"; "a way out")]
#[test_case("/etc/passwd"; "an absolute path")]
#[test_case("targets/../x"; "a way round")]
#[test_case("%2e%2e/%2e%2e/x"; "a way out in disguise")]
#[test_case("..\\..\\x"; "a way out elsewhere")]
#[test_case("C:\\x"; "a drive")]
#[test_case("😀"; "a face")]
#[test_case("x..."; "dots at the end")]
#[test_case(" "; "a blank")]
#[test_case("-rf"; "a flag")]
#[test_case("\u{202e}gpj.exe"; "writing turned round")]
fn a_target_is_never_a_path(name: &str) {
    let mut victim = Victim::primed();
    victim.repository.add_target("targets", name, b"x");
    victim.repository.add_target("targets", &"x".repeat(4096), b"x");
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    victim.accepts();
    let folder = format!("tuf/{}", victim.repository.gun());
    let known = ["root", "targets", "snapshot", "timestamp"];
    let mut known = known.map(|role| format!("{folder}/metadata/{role}.json")).to_vec();
    known.push(format!("{folder}/.trust-seen"));
    for path in victim.trust_files().keys() {
        let path = path.display().to_string();
        assert!(known.contains(&path), "{path}");
    }
}

#[test_case("a\0b"; "a zero byte")]
#[test_case("a\u{7f}"; "a control character")]
#[test_case(&"x".repeat(4097); "too long")]
#[test_case(""; "nothing")]
fn a_target_whose_name_nobody_could_write_is_refused(name: &str) {
    let mut victim = Victim::primed();
    victim.repository.add_target("targets", name, b"x");
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(victim.refuses(7), UpdateError::Metadata { role: RoleName::Targets, .. });
}

#[test]
fn row_9_a_signers_draft_does_not_become_a_release() {
    let key = Key::plain();
    let mut victim = Victim::primed_with(|repository| {
        for role in ["targets/alice", "targets/releases"] {
            repository.delegate(role, &[Rc::clone(&key)], 1, &[""]);
        }
        repository.add_target("targets/alice", "1", b"draft");
        repository.add_target("targets/releases", "1", b"release");
    });
    let draft = victim.repository.raw("targets/alice");
    victim.repository.after_signing("targets/releases", move |bytes| bytes.clone_from(&draft));
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.refuses(7),
        UpdateError::OtherRolesFile { role, of }
            if role.as_str() == "targets/releases" && of.as_str() == "targets/alice"
    );
    assert_matches!(victim.verify().unwrap_err(), VerifyImageError::Refresh(_));
}

#[test]
fn what_lies_below_an_unusable_role_is_unusable() {
    let mut victim = Victim::primed_with_releases(&Key::plain());
    victim.repository.delegate("targets/releases/inner", &[Key::plain()], 1, &[""]);
    victim.repository.sign_with("targets/releases", &[Key::plain()]);
    victim.repository.bump(&["targets/releases", "snapshot", "timestamp"]);
    victim.publish();
    assert_matches!(
        victim.verify().unwrap_err(),
        VerifyImageError::RoleUnusable(LookupError::RoleUnusable { role, .. })
            if role.as_str() == "targets/releases"
    );
    let log = victim.server().log();
    assert!(!log.iter().any(|line| line.contains("inner")), "{log:?}");
}
