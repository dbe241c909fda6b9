//! What one who may sign a role can do to the others: what is prevented, and what is not, as
//! `spec/threat-model.md` and `spec/thresholds.md` say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::{KeyId, PrivateKey};
use crate::limits::MAX_VERSION;
use crate::tuf::editor::{Draft, EditError};
use crate::tuf::metadata::{Document as _, Targets};
use crate::tuf::names::RoleName;
use crate::tuf::proposal::{COMPANION_PATH, Proposal, ProposalError, Proposals};
use crate::tuf::testing::{Repo, TestKey, days, empty_targets, name, now, role, target, threshold};
use crate::tuf::trusted::Expiry;
use crate::tuf::trusted::errors::UpdateError;
use crate::tuf::verify::RoleKeys;

const SNAPSHOT: RoleName = RoleName::Snapshot;
const TIMESTAMP: RoleName = RoleName::Timestamp;

fn held(key: &TestKey) -> BTreeMap<KeyId, PrivateKey> {
    let copy = PrivateKey::from_pkcs8(&key.private.to_pkcs8().unwrap()).unwrap();
    [(copy.id(), copy)].into()
}

/// Bob may sign `targets/bob` and, with alice, `targets/releases`.
fn two_of_two() -> (Repo, TestKey, TestKey) {
    let (mut repo, alice, bob) = (Repo::new(), TestKey::bare(), TestKey::bare());
    repo.delegate("targets/bob", vec![bob.clone()], &[""]);
    repo.delegate("targets/releases", vec![alice.clone(), bob.clone()], &[""]);
    repo.delegate("targets/proposals", vec![alice.clone(), bob.clone()], &[COMPANION_PATH]);
    (repo, alice, bob)
}

/// Not a wish but what is: any one key of the companion can use its versions up.
#[test]
fn a_co_signer_who_uses_up_the_companions_versions_ends_proposals() {
    let (mut repo, alice, _) = two_of_two();
    let companion = role("targets/proposals");
    let pair = repo.signers[&companion].clone();
    repo.signers.insert(companion.clone(), pair[1..].to_vec());
    repo.version(&companion, MAX_VERSION);
    let trusted = repo.first().unwrap();
    assert!(trusted.unusable().is_empty(), "readers are not stopped");
    let mut draft = Draft::from_trusted(&trusted);
    let releases = role("targets/releases");
    let before = draft.targets(&releases).cloned();
    draft.add_target(&releases, &name("1.0"), target("1.0"), now()).unwrap();
    draft.propose(&releases, before.as_ref(), &held(&alice), now()).unwrap();
    draft.put_back(&releases, &Draft::from_trusted(&trusted));
    let error = draft.sign(&held(&alice), now()).unwrap_err();
    assert_eq!(error, EditError::VersionExhausted { role: companion });
}

/// A file does not say what it follows. Alice signed version 3 on a version 2 that was never
/// published; on another version 2 bob can still have her signature counted, but for that very
/// document only, and only until there is a version 3.
#[test]
fn a_signature_on_what_was_overtaken_holds_until_its_version_is_published() {
    let (alice, bob) = (TestKey::bare(), TestKey::bare());
    let pairs = [&alice, &bob].map(|key| (key.id(), key.public.clone()));
    let keys = RoleKeys { role: RoleName::releases(), keys: pairs.into(), threshold: threshold(2) };
    let body = |version: u64, tags: &[&str]| {
        let mut body = empty_targets();
        body.header.version = version;
        body.header.expires = days(1000);
        body.targets.extend(tags.iter().map(|tag| (name(tag), target(tag))));
        body
    };
    let third = body(3, &["revoked", "first", "second"]);
    let signature = alice.signature(&third.to_json().to_canonical());
    let reading = |current: &Targets| {
        let revived =
            Proposal::new(keys.role.clone(), Some(current), &third, vec![signature.clone()]);
        let mut companion = empty_targets();
        companion.targets.insert(revived.name().unwrap(), revived.to_target(1));
        let current = Arc::new(current.clone());
        Proposals::read(&keys.role, Some(&current), &keys, &companion, now())
    };
    let found = reading(&body(2, &[]));
    assert_eq!(found.pending[0].signers, [alice.id()].into());
    assert_eq!(*found.pending[0].body, third);
    let found = reading(&body(3, &[]));
    assert_eq!(found.pending, []);
    assert_eq!(found.ignored[0].1, ProposalError::Version { version: 3, wanted: 4 });
}

/// Not a wish but what is: a signer's file that is another role's is refused with all the rest.
#[test]
fn a_signer_whose_file_is_anothers_stops_readers_but_not_the_owner() {
    let (bob, of, releases) = (TestKey::bare(), role("targets/bob"), role("targets/releases"));
    let mut repo = Repo::new();
    repo.delegate("targets/releases", vec![bob.clone()], &[""]);
    repo.delegate("targets/bob", vec![bob], &[""]);
    repo.version(&of, 1).version(&releases, 2);
    let cached = repo.cached();
    repo.bump(&[SNAPSHOT, TIMESTAMP]).fixed.insert(of.clone(), cached[&releases].clone());
    let stopped = UpdateError::OtherRolesFile { role: of, of: releases };
    assert_eq!(repo.again_at(&cached, now(), Expiry::Enforced).unwrap_err(), stopped);
    // An owner is not stopped, and can take the signer away.
    let trusted = repo.again_at(&cached, now(), Expiry::Remembered).unwrap();
    assert_eq!(trusted.unusable().get(&role("targets/bob")), Some(&stopped));
    let mut draft = Draft::from_trusted(&trusted);
    draft.remove_delegation(&role("targets/bob")).unwrap();
    assert!(!draft.exists(&role("targets/bob")));
}
