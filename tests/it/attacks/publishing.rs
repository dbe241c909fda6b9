//! What a hostile server can do to somebody who publishes: nothing is signed for it.

use std::rc::Rc;

use test_case::test_case;
use trust::actions::initialize::{InitializeError, Plan};
use trust::actions::publish::{PublishError, Published, publish};
use trust::actions::update::RefreshError;
use trust::client::{NotaryError, TransportError};
use trust::clock::{Clock, SystemClock};
use trust::codec::canonical_json::Value;
use trust::crypto::Hashes;
use trust::limits::{MAX_TARGETS_BYTES, MAX_VERSION};
use trust::tuf::changelist::DelegationEdit;
use trust::tuf::editor::EditError;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{Gun, RoleName, Target, TargetName};

use super::assert_matches;
use crate::harness::repository::at;
use crate::harness::victim::block_on;
use crate::harness::{Corruption, Key, Reply, Victim};

const BACK: &str = "targets/back";

/// The owner of a repository with a delegation that was removed at this version.
fn owner(version: i64) -> (Victim, Rc<Key>) {
    let key = Key::plain();
    let victim = Victim::primed_with(|repository| {
        repository.delegate(BACK, &[Rc::clone(&key)], 1, &[""]);
        repository.set_version(BACK, version);
        repository.set("targets", &["delegations", "roles"], Value::Array(Vec::new()));
    });
    victim.hold_keys_of("targets");
    victim.hold_keys_of(BACK);
    victim.replies.set("", Reply::status(200, ""));
    (victim, key)
}

/// Delegates again, and signs something there.
fn bring_back(victim: &Victim, key: &Key) -> Result<Published, PublishError> {
    let gun = Gun::parse(victim.repository.gun()).unwrap();
    let role = RoleName::parse(BACK).unwrap();
    let edit = DelegationEdit {
        add_keys: vec![key.public().clone()],
        add_paths: vec![String::new()],
        ..DelegationEdit::default()
    };
    let name = TargetName::parse("2").unwrap();
    let target = Target { length: 3, hashes: Hashes::of(b"new"), custom: None };
    block_on(publish(&victim.context(), &gun, None, |draft, _| {
        let now = SystemClock.now();
        draft.edit_delegation(&role, true, &edit, now)?;
        draft.add_target(&role, &name, target.clone(), now)?;
        Ok::<(), PublishError>(())
    }))
}

fn publications(victim: &Victim) -> usize {
    victim.server().log().iter().filter(|line| line.starts_with("POST")).count()
}

#[test]
fn a_role_that_comes_back_begins_above_its_last_version() {
    let (victim, key) = owner(7);
    let published = bring_back(&victim, &key).unwrap().publication.unwrap();
    assert_eq!(published.roles[&RoleName::parse(BACK).unwrap()].version, 8);
    assert_eq!(publications(&victim), 1);
}

#[test_case(1 << 31; "more than anybody signs")]
#[test_case(i64::try_from(MAX_VERSION).unwrap() - 1; "the last but one")]
#[test_case(i64::try_from(MAX_VERSION).unwrap(); "the last")]
fn a_server_does_not_use_up_the_versions_of_a_role_that_comes_back(version: i64) {
    let (victim, key) = owner(version);
    let before = victim.trust_files();
    assert_matches!(
        bring_back(&victim, &key).unwrap_err(),
        PublishError::Edit(EditError::VersionExhausted { role }) if role.as_str() == BACK
    );
    assert_eq!(publications(&victim), 0);
    victim.assert_untouched(&before);
}

#[test]
fn the_last_version_is_not_taken_from_another_file_than_the_one_listed() {
    let (mut victim, key) = owner(7);
    let name = victim.repository.file_name(BACK);
    victim.repository.set_version(BACK, 8);
    victim.repository.publish();
    victim.replies.set(&name, Reply::file(victim.repository.raw(BACK)));
    let before = victim.trust_files();
    assert_matches!(
        bring_back(&victim, &key).unwrap_err(),
        PublishError::Refresh(RefreshError::Refused { cause: UpdateError::Checksum { .. }, .. })
    );
    assert_eq!(publications(&victim), 0);
    victim.assert_untouched(&before);
}

#[test]
fn no_more_is_downloaded_of_a_role_that_comes_back_than_of_any_other() {
    let (mut victim, key) = owner(7);
    let length = MAX_TARGETS_BYTES + 1;
    victim.repository.before_signing("snapshot", move |snapshot| {
        *at(snapshot, &["meta", BACK, "length"]) = Value::from(i64::try_from(length).unwrap());
    });
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    victim.replies.set("", Reply::status(200, ""));
    assert_matches!(
        bring_back(&victim, &key).unwrap_err(),
        PublishError::Refresh(RefreshError::Refused { cause: UpdateError::TooLarge { role, .. }, .. })
            if role.as_str() == BACK
    );
    assert_eq!(publications(&victim), 0);
    let asked = victim.server().log();
    assert!(!asked.iter().any(|line| line.contains("targets/back.")), "{asked:?}");
}

fn key_file(kind: &str, public: &str) -> Reply {
    let key = format!(r#"{{"keytype":"{kind}","keyval":{{"private":null,"public":"{public}"}}}}"#);
    Reply::file(key.into_bytes())
}

#[test_case("timestamp")]
#[test_case("snapshot")]
fn a_repository_is_not_begun_with_a_server_key_that_verifies_nothing(role: &str) {
    let unusable = [
        key_file("quantum", "AAAA"),
        key_file("ed25519", "AAAA"),
        key_file("ed25519", &"A".repeat(40)),
        key_file("ecdsa", "AAAA"),
        key_file("rsa", ""),
    ];
    for reply in unusable {
        let victim = Victim::new();
        let good = victim.repository.signers("timestamp").remove(0).public().to_json().to_wire();
        for other in ["timestamp", "snapshot"] {
            victim.replies.set(&format!("{other}.key"), Reply::file(good.clone()));
        }
        victim.replies.set(&format!("{role}.key"), reply);
        assert_matches!(
            begin(&victim).unwrap_err(),
            PublishError::Initialize(InitializeError::ServerKey { role: of, .. })
                if of.as_str() == role
        );
        assert!(victim.trust_files().is_empty());
    }
}

#[test_case(Corruption::NotFound)]
#[test_case(Corruption::ServerError)]
#[test_case(Corruption::Unauthorized)]
#[test_case(Corruption::NotJson)]
fn a_repository_is_not_begun_without_the_servers_keys(wrong: Corruption) {
    let victim = Victim::new();
    victim.replies.set("timestamp.key", wrong.reply(b"no key".to_vec()));
    assert_matches!(
        begin(&victim).unwrap_err(),
        PublishError::Initialize(InitializeError::Server(
            NotaryError::NotFound { .. }
                | NotaryError::Transport(
                    TransportError::Status { status: 500, .. }
                        | TransportError::Unauthorized { .. }
                        | TransportError::BadAnswer { .. }
                )
        ))
    );
    assert!(victim.trust_files().is_empty());
}

/// Publishes to a repository that is not there yet.
fn begin(victim: &Victim) -> Result<Published, PublishError> {
    let gun = Gun::parse(victim.repository.gun()).unwrap();
    let nothing = |_: &mut _, _: Option<&_>| Ok::<(), PublishError>(());
    block_on(publish(&victim.context(), &gun, Some(&Plan::default()), nothing))
}
