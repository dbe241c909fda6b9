//! The same server for `notary` and for us: it takes our repositories for honest ones, so that what
//! is refused is refused for the attack; and where spec/ says that it lets an attack pass, it does.

use std::fs;
use std::rc::Rc;

use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::server::certificate_pem;
use crate::harness::{Corruption, Key, Reply, Victim};
use crate::peers::process::Finished;

/// Somebody who uses both programs, each with its own memory.
fn with_notary(victim: &mut Victim) {
    victim.replies.set("?", Reply::status(200, "{}"));
    let url = victim.server().url();
    let path = victim.user().home().join("server.pem");
    fs::write(&path, certificate_pem()).unwrap();
    victim.user_mut().use_trust_server(&url, &path);
}

/// What `notary` lists of these roles, in a trust folder of its own.
fn notary_lists(victim: &Victim, roles: &[&str]) -> Finished {
    let folder = victim.user().home().join("notary").display().to_string();
    let gun = victim.repository.gun().to_owned();
    let mut words = vec!["-d", &folder, "list", &gun];
    for role in roles {
        words.extend(["-r", role]);
    }
    victim.user().notary(&words)
}

fn digest_of(content: &[u8]) -> String {
    trust::crypto::Sha256Hash::of(content).to_hex()
}

/// Alice's key signs her own role and `targets/releases`, as docker has it.
fn alice() -> Victim {
    let key = Key::plain();
    let mut victim = Victim::primed_with(|repository| {
        for role in ["targets/alice", "targets/releases"] {
            repository.delegate(role, &[Rc::clone(&key)], 1, &[""]);
        }
        repository.add_target("targets/alice", "1", b"draft");
        repository.add_target("targets/releases", "1", b"release");
    });
    with_notary(&mut victim);
    victim
}

#[test]
fn notary_takes_our_repositories_for_honest() {
    let victim = alice();
    for (role, content) in [("targets/releases", "release"), ("targets/alice", "draft")] {
        let found = notary_lists(&victim, &[role]).success();
        assert!(found.stdout.contains(&digest_of(content.as_bytes())), "{}", found.stdout);
    }
}

#[test]
fn notary_refuses_a_strangers_targets_too() {
    let mut victim = alice();
    notary_lists(&victim, &["targets"]).success();
    Corruption::ForeignKeys.apply(&mut victim.repository, "targets");
    victim.repository.bump(&["targets", "snapshot", "timestamp"]);
    victim.publish();
    assert_ne!(notary_lists(&victim, &["targets"]).code, 0);
    assert_matches!(victim.refuses(7), UpdateError::Signatures(_));
}

#[test]
fn row_9_notary_takes_a_signers_draft_for_a_release() {
    let mut victim = alice();
    notary_lists(&victim, &["targets/releases"]).success();
    let draft = victim.repository.raw("targets/alice");
    victim.repository.after_signing("targets/releases", move |bytes| bytes.clone_from(&draft));
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    let found = notary_lists(&victim, &["targets/releases"]).success();
    assert!(found.stdout.contains(&digest_of(b"draft")), "{}", found.stdout);
    assert_matches!(victim.refuses(7), UpdateError::OtherRolesFile { .. });
}

#[test]
fn row_23_notary_does_not_miss_what_vanishes() {
    let mut victim = alice();
    notary_lists(&victim, &["targets/releases", "targets"]).success();
    victim.repository.forget("targets/releases");
    victim.repository.bump(&["snapshot", "timestamp"]);
    victim.publish();
    let found = notary_lists(&victim, &["targets/releases", "targets"]).success();
    assert!(found.stdout.contains(&digest_of(b"content")), "{}", found.stdout);
    victim.verify_by_program().expect_code(7);
}
