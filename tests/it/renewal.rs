//! Expired trust data, whose owner must be able to sign it again (notary.md §4.10), judged by a
//! clock that is ahead of the servers'.

use std::sync::Arc;

use trust::actions::Context;
use trust::actions::context::{Connections, ServerChoice};
use trust::actions::publish::PublishError;
use trust::actions::sign::{Request, SignError, Signed, sign};
use trust::actions::update::{RefreshError, Source, refresh};
use trust::clock::{Clock, FixedClock, SystemClock, Timestamp};
use trust::crypto::Passphrase;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::oci::Reference;
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{Gun, Pinning, RoleName};

use crate::peers::image::push_image;
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions};

struct Same;

impl PassphraseSource for Same {
    fn passphrase(&self, _request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        Ok(Passphrase::new("correct horse".to_owned()))
    }
}

struct World {
    registry: Registry,
    notary: NotaryServer,
    home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let notary = NotaryServer::start(&NotaryOptions::default());
        Self { registry, notary, home: tempfile::tempdir().unwrap() }
    }

    fn context(&self, clock: Arc<dyn Clock>) -> Context {
        let config_dir = self.home.path().join(".docker");
        Context {
            trust_dir: TrustDir::new(config_dir.join("trust")),
            clock,
            passphrases: Arc::new(Same),
            connections: Connections {
                config_dir,
                server: ServerChoice::Fixed(self.notary.url()),
                ..Connections::default()
            },
            pinning: Pinning::default(),
            strictness: trust::actions::context::Strictness::default(),
            example_keys_allowed: false,
            keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
        }
    }

    fn request(&self, tag: &str, signer: Option<&str>) -> Request {
        push_image(&self.registry, "app", tag, tag.as_bytes());
        let image = format!("{}/app:{tag}", self.registry.host_port());
        Request {
            reference: Reference::parse(&image).unwrap(),
            all_tags: false,
            platform: None,
            signer: signer.map(str::to_owned),
            expected: None,
        }
    }

    fn gun(&self) -> Gun {
        Gun::parse(&format!("{}/app", self.registry.host_port())).unwrap()
    }
}

fn years_ahead(years: i64) -> Arc<dyn Clock> {
    let then = SystemClock.now().as_second() + years * 365 * 86_400;
    Arc::new(FixedClock(Timestamp::from_second(then).unwrap()))
}

async fn signed(world: &World, clock: Arc<dyn Clock>, request: &Request) -> Signed {
    sign(&world.context(clock), request).await.unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn the_owner_of_expired_trust_data_signs_it_again() {
    let world = World::new();
    let (first, second) = (world.request("1", Some("alice")), world.request("2", None));
    run(async {
        signed(&world, Arc::new(SystemClock), &first).await;

        let late = years_ahead(4);
        let refused = refresh(&world.context(late.clone()), &world.gun(), Source::Server).await;
        assert!(
            matches!(
                refused,
                Err(RefreshError::Refused { cause: UpdateError::Expired { .. }, .. })
            ),
            "{refused:?}"
        );

        let renewed = signed(&world, late.clone(), &second).await.published;
        assert!(renewed.renewed.contains(&RoleName::Targets), "{:?}", renewed.renewed);
        let publication = renewed.publication.unwrap();
        for (role, published) in &publication.roles {
            assert!(published.expires.instant() > late.now(), "{role} is still expired");
        }
        let roles: Vec<_> = publication.roles.keys().map(RoleName::as_str).collect();
        assert_eq!(roles, ["targets", "targets/alice", "targets/releases"]);
    });
}

#[test]
fn a_root_that_expired_is_signed_again_by_its_key() {
    let world = World::new();
    let (first, second) = (world.request("1", None), world.request("2", None));
    run(async {
        signed(&world, Arc::new(SystemClock), &first).await;
        let late = years_ahead(11);
        let renewed = signed(&world, late.clone(), &second).await.published;
        assert!(renewed.renewed.contains(&RoleName::Root), "{:?}", renewed.renewed);
        let root = &renewed.publication.unwrap().roles[&RoleName::Root];
        assert_eq!(root.version, 2);
        assert!(root.expires.instant() > late.now());
    });
}

#[test]
fn a_signer_without_the_repository_key_is_told_who_must_renew() {
    let world = World::new();
    let (first, second) = (world.request("1", Some("alice")), world.request("2", None));
    run(async {
        signed(&world, Arc::new(SystemClock), &first).await;
        let context = world.context(years_ahead(4));
        let keys = context.trust_dir.keys().unwrap();
        let targets = keys.list().unwrap().keys.into_iter().find(|key| key.role == "targets");
        let targets = targets.unwrap().id;
        keys.remove(&targets).unwrap();
        let refused = sign(&context, &second).await;
        let Err(SignError::Publish(PublishError::ExpiredAbove { role, candidates, .. })) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(role, RoleName::Targets);
        assert_eq!(candidates, [targets]);
    });
}
