//! Somebody whose trust server is ours.

use std::fmt;
use std::sync::Arc;

use trust::actions::context::{Connections, Context, ServerChoice};
use trust::actions::update::{RefreshError, Source, Updated, refresh};
use trust::actions::verify::{Request as VerifyRequest, Verdict, VerifyImageError, verify};
use trust::clock::SystemClock;
use trust::crypto::Passphrase;
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::oci::Reference;
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::trusted::UpdateError;
use trust::tuf::{Gun, Pinning};

use crate::harness::disk::{Files, files_under};
use crate::harness::server::{Replies, Reply, Server};
use crate::harness::{Key, Repository};
use crate::peers::User;
use crate::peers::process::Finished;

/// A person, their one repository, and the server that hands it out.
pub(crate) struct Victim {
    /// What the owner does.
    pub(crate) repository: Repository,
    /// What is served; the attacker may change it.
    pub(crate) replies: Replies,
    server: Server,
    user: User,
}

impl Victim {
    /// Somebody who never saw the repository.
    pub(crate) fn new() -> Self {
        let replies = Replies::default();
        let script = replies.clone();
        let server = Server::start(move |request| script.reply(request));
        let mut user = User::new();
        user.set("DOCKER_CONTENT_TRUST_SERVER", &server.url());
        let repository = Repository::new(&format!("{}/app", server.host_port()));
        Self { repository, replies, server, user }
    }

    /// Somebody who trusts version 3 of everything but the root, which has version 1; `prepare`
    /// changes the repository before that.
    pub(crate) fn primed_with(prepare: impl FnOnce(&mut Repository)) -> Self {
        let mut victim = Self::new();
        for role in ["targets", "snapshot", "timestamp"] {
            victim.repository.set_version(role, 3);
        }
        prepare(&mut victim.repository);
        victim.publish();
        victim.refresh().unwrap();
        victim
    }

    /// Somebody who trusts an honest repository.
    pub(crate) fn primed() -> Self {
        Self::primed_with(|_| ())
    }

    /// Somebody who trusts a repository where `key` signs `targets/releases`, which vouches for
    /// other content under the tag `1` than `targets` does.
    pub(crate) fn primed_with_releases(key: &std::rc::Rc<Key>) -> Self {
        Self::primed_with(|repository| {
            repository.delegate("targets/releases", &[std::rc::Rc::clone(key)], 1, &[""]);
            repository.set_version("targets/releases", 3);
            repository.add_target("targets/releases", "1", b"release");
        })
    }

    /// Publishes the repository as it is now, and serves it.
    pub(crate) fn publish(&mut self) {
        self.repository.publish();
        self.serve();
    }

    /// Serves what the owner has published.
    pub(crate) fn serve(&self) {
        for (name, bytes) in self.repository.files() {
            self.replies.set(name, Reply::file(bytes.clone()));
        }
    }

    /// Serves other bytes under the very names by which a role's last file is asked for.
    pub(crate) fn tamper(&self, role: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.repository.raw(role);
        change(&mut bytes);
        self.answer(role, &Reply::file(bytes));
    }

    /// Answers in another way under the names by which a role's last file is asked for.
    pub(crate) fn answer(&self, role: &str, reply: &Reply) {
        for name in [format!("{role}.json"), self.repository.file_name(role)] {
            self.replies.set(&name, reply.clone());
        }
    }

    /// The person at the machine.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The image `…/app:1`.
    pub(crate) fn image(&self) -> String {
        format!("{}:1", self.repository.gun())
    }

    /// What is in the trust directory: keys and cache.
    pub(crate) fn trust_files(&self) -> Files {
        files_under(&self.user.trust_folder())
    }

    /// Runs `trust verify` for the tag, without a registry.
    pub(crate) fn verify_by_program(&self) -> Finished {
        self.user.trust(&["verify", "--no-registry", &self.image()])
    }

    /// Does the same in the library.
    pub(crate) fn verify(&self) -> Result<Verdict, VerifyImageError> {
        let request = VerifyRequest {
            reference: Reference::parse(&self.image()).unwrap(),
            no_registry: true,
            source: Source::Server,
            signers: Vec::new(),
            platform: None,
            children: false,
        };
        block_on(verify(&self.context(), &request, &mut Vec::new()))
    }

    /// Brings the cache up to date in the library.
    pub(crate) fn refresh(&self) -> Result<Updated, RefreshError> {
        let gun = Gun::parse(self.repository.gun()).unwrap();
        block_on(refresh(&self.context(), &gun, Source::Server))
    }

    /// Does so under other rules of pinning, which the program has no flag for.
    pub(crate) fn refresh_pinned(&self, pinning: Pinning) -> Result<Updated, RefreshError> {
        let gun = Gun::parse(self.repository.gun()).unwrap();
        let context = Context { pinning, ..self.context() };
        block_on(refresh(&context, &gun, Source::Server))
    }

    /// The program must end with `code` and the library with an error, which is returned; neither
    /// may change a byte of the trust directory.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> RefreshError {
        let before = self.trust_files();
        let finished = self.verify_by_program().expect_code(code);
        assert!(finished.stdout.is_empty(), "a verdict was printed: {}", finished.stdout);
        assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
        self.assert_untouched(&before);
        let error = self.refresh().expect_err("the library accepted what the program refused");
        self.assert_untouched(&before);
        error
    }

    /// As [`Self::fails`], and it must be a rule that was broken.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32) -> UpdateError {
        match self.fails(code) {
            RefreshError::Refused { cause, .. } => cause,
            other => panic!("failed, but broke no rule: {other:?}"),
        }
    }

    /// Both must accept it.
    #[track_caller]
    pub(crate) fn accepts(&self) -> Updated {
        self.verify_by_program().success();
        self.refresh().unwrap()
    }

    /// Looks it over under other rules of pinning.
    pub(crate) fn doctor_pinned(&self, pinning: Pinning) -> trust::actions::repo::doctor::Report {
        use trust::actions::repo::doctor::{Request, doctor};
        let gun = Gun::parse(self.repository.gun()).unwrap();
        let context = Context { pinning, ..self.context() };
        let request = Request { source: Source::Server, within: None };
        block_on(doctor(&context, &gun, &request))
    }

    #[track_caller]
    fn assert_untouched(&self, before: &Files) {
        let after = self.trust_files();
        assert!(*before == after, "the trust directory changed:\n{before:#?}\n{after:#?}");
    }

    fn context(&self) -> Context {
        Context {
            trust_dir: TrustDir::new(self.user.trust_folder()),
            clock: Arc::new(SystemClock),
            passphrases: Arc::new(Nobody),
            connections: Connections {
                config_dir: self.user.docker_config(),
                server: ServerChoice::Fixed(self.server.url()),
                ..Connections::default()
            },
            pinning: Pinning::default(),
            example_keys_allowed: false,
            keyring: KeyringEnv { bus_address: None, runtime_dir: None, wait: KeyringEnv::WAIT },
        }
    }
}

impl fmt::Debug for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Victim").field("log", &self.server.log()).finish_non_exhaustive()
    }
}

/// Knows no passphrase: whoever verifies needs none.
#[derive(Debug)]
struct Nobody;

impl PassphraseSource for Nobody {
    fn passphrase(&self, request: &PassphraseRequest) -> Result<Passphrase, PassphraseError> {
        let (role, key_id) = (request.role.clone(), request.key_id.to_string());
        Err(PassphraseError::NoSource { role, key_id })
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}
