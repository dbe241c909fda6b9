//! Repositories as large as any that is out there: everything works within the limits.

use std::rc::Rc;
use std::sync::Arc;

use trust::actions::context::{Connections, Context, ServerChoice, Strictness};
use trust::actions::image::target_of;
use trust::actions::publish::{PublishError, publish};
use trust::clock::{Clock as _, SystemClock};
use trust::codec::canonical_json::Value;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::crypto::{Passphrase, PrivateKey};
use trust::oci::Digest;
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::changelist::DelegationEdit;
use trust::tuf::editor::Draft;
use trust::tuf::{Gun, Pinning, RoleName, TargetName};

use crate::harness::repository::file_meta;
use crate::harness::{Key, Signer, Victim};
use crate::peers::user::REPOSITORY_PASSPHRASE;
use crate::peers::{NotaryOptions, NotaryServer};

#[test]
fn seventy_five_thousand_targets_are_read() {
    let victim = Victim::primed_with(|repository| {
        let content = file_meta(b"content");
        let names = (0..75_000).map(|number| (format!("release-{number}"), content.clone()));
        let targets = Value::object(names.chain([("1".to_owned(), content.clone())]));
        repository.set("targets", &["targets"], targets);
    });
    let updated = victim.accepts();
    let targets = &updated.trusted.targets()[&RoleName::Targets];
    assert_eq!(targets.body().targets.len(), 75_001);
    // From the cache, too.
    victim.user().trust(&["verify", "--offline", "--no-registry", &victim.image()]).success();
}

#[test]
fn a_hundred_delegations_are_read() {
    let victim = Victim::primed_with(|repository| {
        for number in 0..100 {
            let role = format!("targets/signer{number}");
            repository.delegate(&role, &[Key::plain()], 1, &[""]);
            repository.set_version(&role, 3);
            repository.add_target(&role, "1", b"content");
        }
    });
    let updated = victim.accepts();
    assert_eq!(updated.trusted.targets().len(), 101);
    assert!(updated.trusted.unusable().is_empty());
    let gun = victim.repository.gun();
    let listed = victim.user().trust(&["signer", "ls", "--json", gun]).success();
    assert_eq!(listed.stdout.matches("signer").count(), 100, "{}", listed.stdout);
}

#[test]
fn a_chain_of_a_hundred_roots_is_followed_by_who_knew_the_first_and_by_who_knew_none() {
    let mut victim = Victim::primed();
    let gun = victim.repository.gun().to_owned();
    for _ in 0..100 {
        let old = victim.repository.signers("root");
        let new = Key::certified(&gun);
        victim.repository.grant("root", &[Rc::clone(&new)], 1);
        victim.repository.sign_with("root", &[old[0].clone(), new]);
        victim.repository.bump(&["root", "snapshot", "timestamp"]);
        victim.repository.publish();
        let root = victim.repository.signers("root").pop().unwrap();
        victim.repository.sign_with("root", &[root]);
    }
    victim.serve();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 101);
    std::fs::remove_dir_all(victim.user().trust_folder().join("tuf")).unwrap();
    assert_eq!(victim.accepts().trusted.root().body().header.version, 101);
}

#[test]
fn a_repository_of_ten_thousand_tags_is_signed_verified_inspected_and_revoked_from() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let first = signer.push("app", "first");
    signer.user.trust(&["sign", "--quiet", &first]).success();
    let repository = first.rsplit_once(':').unwrap().0.to_owned();
    change(&signer, &notary, &repository, |draft| {
        let digest = Digest::sha256_of(b"content");
        for number in 0..10_000 {
            let tag = TargetName::parse(&format!("tag-{number}")).unwrap();
            let target = target_of(7, &digest).unwrap();
            draft.add_target(&RoleName::Targets, &tag, target, SystemClock.now())?;
        }
        Ok(())
    });
    let another = signer.push("app", "another");
    signer.user.trust(&["sign", &another]).success();
    signer.user.trust(&["verify", &first, &another]).success();
    let middle = format!("{repository}:tag-5000");
    signer.user.trust(&["verify", "--no-registry", &middle]).success();
    let inspected = signer.user.trust(&["inspect", &repository]).success();
    assert_eq!(inspected.stdout.matches("\"SignedTag\"").count(), 10_002);
    signer.user.trust(&["revoke", "--yes", &middle]).success();
    signer.user.trust(&["verify", "--no-registry", &middle]).expect_code(3);
    signer.user.trust(&["verify", &first, &another]).success();
}

#[test]
fn a_hundred_signers_are_listed_added_to_and_removed_from() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let first = signer.push("app", "first");
    signer.user.trust(&["sign", "--quiet", "--signer", "alice", &first]).success();
    let repository = first.rsplit_once(':').unwrap().0.to_owned();
    change(&signer, &notary, &repository, |draft| {
        for number in 0..99 {
            let key = PrivateKey::generate_ecdsa().unwrap();
            let edit = DelegationEdit {
                add_keys: vec![key.public_key().clone()],
                add_paths: vec![String::new()],
                ..DelegationEdit::default()
            };
            let role = RoleName::delegation(&format!("signer{number}")).unwrap();
            draft.edit_delegation(&role, true, &edit, SystemClock.now())?;
            draft.edit_delegation(&RoleName::releases(), false, &edit, SystemClock.now())?;
        }
        Ok(())
    });
    let count = || {
        let listed = signer.user.trust(&["signer", "ls", "--json", &repository]).success();
        serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap().as_array().unwrap().len()
    };
    assert_eq!(count(), 100);
    signer.user.trust(&["key", "generate", "bob"]).success();
    let add = ["signer", "add", "--key", "bob.pub", "bob", &repository];
    signer.user.trust(&add).success();
    assert_eq!(count(), 101);
    signer.user.trust(&["signer", "rm", "--force", "signer50", &repository]).success();
    assert_eq!(count(), 100);
    let second = signer.push("app", "second");
    signer.user.trust(&["sign", "--quiet", &second]).success();
    signer.user.trust(&["verify", &first, &second]).success();
}

/// Publishes what no command line could say.
fn change(
    signer: &Signer,
    notary: &NotaryServer,
    repository: &str,
    mut edit: impl FnMut(&mut Draft) -> Result<(), trust::tuf::editor::EditError>,
) {
    let context = Context {
        trust_dir: TrustDir::new(signer.user.trust_folder()),
        clock: Arc::new(SystemClock),
        passphrases: Arc::new(Known),
        connections: Connections {
            config_dir: signer.user.docker_config(),
            server: ServerChoice::Fixed(notary.url()),
            ..Connections::default()
        },
        pinning: Pinning::default(),
        strictness: Strictness::default(),
        example_keys_allowed: false,
        keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
    };
    let gun = Gun::parse(repository).unwrap();
    let work = publish(&context, &gun, None, |draft, _| {
        edit(draft)?;
        Ok::<_, PublishError>(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(work).unwrap().publication.is_some());
}

/// Knows the passphrase of the repository's keys.
#[derive(Debug)]
struct Known;

impl PassphraseSource for Known {
    fn passphrase(&self, _: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        Ok(Passphrase::new(REPOSITORY_PASSPHRASE.to_owned()))
    }
}
