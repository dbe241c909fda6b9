//! Changes to a repository that no command line could say, made by the library.

use std::sync::Arc;

use trust::actions::context::{Connections, Context, ServerChoice, Strictness};
use trust::actions::publish::{PublishError, publish};
use trust::clock::SystemClock;
use trust::crypto::Passphrase;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::editor::{Draft, EditError};
use trust::tuf::{Gun, Pinning};

use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::world::{Person, World};

/// Publishes a change of the repository with the keys of this person.
pub(super) fn change(
    world: &World,
    person: &Person<'_>,
    name: &str,
    mut edit: impl FnMut(&mut Draft) -> Result<(), EditError>,
) {
    let gun = Gun::parse(name).unwrap();
    let context = context(world, person);
    let changing = publish(&context, &gun, None, |draft, _| {
        edit(draft)?;
        Ok::<_, PublishError>(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(runtime.block_on(changing).unwrap());
}

fn context(world: &World, person: &Person<'_>) -> Context {
    Context {
        trust_dir: TrustDir::new(person.user.trust_folder()),
        clock: Arc::new(SystemClock),
        passphrases: Arc::new(Known),
        connections: Connections {
            config_dir: person.user.docker_config(),
            server: ServerChoice::Fixed(world.notary.url()),
            ..Connections::default()
        },
        pinning: Pinning::default(),
        strictness: Strictness::default(),
        example_keys_allowed: false,
        keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
    }
}

/// Knows the passphrases of all keys.
struct Known;

impl PassphraseSource for Known {
    fn passphrase(&self, asked: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let known = if asked.role == "root" { ROOT_PASSPHRASE } else { REPOSITORY_PASSPHRASE };
        Ok(Passphrase::new(known.to_owned()))
    }
}
