//! An expired collection, which notary cannot publish any more and we can (notary.md §4.10), judged
//! by a clock that is ahead of the server's.

use std::sync::Arc;

use trust::actions::Context;
use trust::actions::context::{Connections, ServerChoice, Strictness};
use trust::actions::stage::publish_staged;
use trust::actions::update::{RefreshError, Source, refresh};
use trust::clock::{Clock as _, FixedClock, SystemClock, Timestamp};
use trust::crypto::Passphrase;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{Gun, Pinning, RoleName};

use super::notary_world::{GUN, Tool, file, names, person, seen_by, server, staged_by};
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryServer, User};

#[derive(Debug)]
struct OfTheUser;

impl PassphraseSource for OfTheUser {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let of_role = if request.role == "root" { ROOT_PASSPHRASE } else { REPOSITORY_PASSPHRASE };
        Ok(Passphrase::new(of_role.to_owned()))
    }
}

/// What the user's programs work with, some years from now.
fn in_years(user: &User, server: &NotaryServer, years: i64) -> Context {
    let then = SystemClock.now().as_second() + years * 365 * 86_400;
    Context {
        trust_dir: TrustDir::new(user.trust_folder()),
        clock: Arc::new(FixedClock(Timestamp::from_second(then).unwrap())),
        passphrases: Arc::new(OfTheUser),
        connections: Connections {
            config_dir: user.docker_config(),
            server: ServerChoice::Fixed(server.url()),
            ..Connections::default()
        },
        pinning: Pinning::default(),
        strictness: Strictness::default(),
        example_keys_allowed: false,
        keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
    }
}

#[test]
fn what_notary_staged_for_an_expired_collection_is_published() {
    for flags in [&["-p"][..], &["-p", "--server-managed-snapshot"]] {
        let server = server();
        let owner = person(&server);
        Tool::Trust.run(&owner, "init", &[flags, &[GUN]].concat()).success();
        let path = file(&owner, "content", "content");
        Tool::Notary.run(&owner, "add", &[GUN, "late", &path]).success();
        Tool::Trust.run(&owner, "witness", &[GUN, "targets"]).success();

        let context = in_years(&owner, &server, 4);
        let gun = Gun::parse(GUN).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let published = runtime.block_on(async {
            let refused = refresh(&context, &gun, Source::Server).await;
            assert!(
                matches!(
                    refused,
                    Err(RefreshError::Refused { cause: UpdateError::Expired { .. }, .. })
                ),
                "{refused:?}"
            );
            publish_staged(&context, &gun).await.unwrap()
        });
        assert_eq!(published.renewed, [RoleName::Targets]);
        assert_eq!(names(&seen_by(&owner, &[])), ["late"]);
        assert_eq!(staged_by(&owner).len(), 0);
        Tool::Notary.run(&owner, "add", &[GUN, "later", &path, "-p"]).success();
        assert_eq!(names(&seen_by(&person(&server), &[])), ["late", "later"]);
    }
}
