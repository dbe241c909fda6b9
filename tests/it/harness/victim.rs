//! Somebody whose trust server is ours.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use trust::actions::context::{Connections, Context, ServerChoice, Strictness};
use trust::actions::update::{RefreshError, Source, Updated, refresh, update};
use trust::actions::verify::{Request as VerifyRequest, Verdict, VerifyImageError, verify};
use trust::client::{CredentialSource, HttpClient, HttpOptions, Login, NotaryClient};
use trust::clock::{Clock, SystemClock};
use trust::crypto::secret::{PassphraseError, PassphraseRequest, PassphraseSource};
use trust::crypto::{KeyHeaders, Passphrase, PrivateKey};
use trust::oci::Reference;
use trust::store::TrustDir;
use trust::store::keyring::KeyringEnv;
use trust::tuf::trusted::{Expiry, UpdateError};
use trust::tuf::{Gun, Pinning};
use url::Url;

use crate::harness::disk::{Files, files_under};
use crate::harness::server::{Replies, Reply, Server};
use crate::harness::{Corruption, Key, Repository};
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

    /// Corrupts what is served of a role, or of a root between by its number, `2.root` say.
    pub(crate) fn corrupt(&self, file: &str, corruption: Corruption) {
        let Some((_, "root")) = file.split_once('.') else {
            return self.answer(file, &corruption.reply(self.repository.raw(file)));
        };
        let name = format!("{file}.json");
        let honest = self.repository.files()[&name].clone();
        self.replies.set(&name, corruption.reply(honest));
    }

    /// Gives the person the private keys of a role, stored in the clear.
    pub(crate) fn hold_keys_of(&self, role: &str) {
        let store = TrustDir::new(self.user.trust_folder()).keys().unwrap();
        let headers = KeyHeaders {
            role: Some(role.to_owned()),
            gun: (role == "targets").then(|| self.repository.gun().to_owned()),
            path: None,
        };
        for key in self.repository.signers(role) {
            let key = PrivateKey::from_pkcs8(&key.pkcs8()).unwrap();
            store.add(&key, &headers, &Passphrase::new(String::new())).unwrap();
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

    /// The person, whose settings may be changed.
    pub(crate) fn user_mut(&mut self) -> &mut User {
        &mut self.user
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

    /// Brings the cache of somebody up to date who never saw the repository, and forgets it.
    pub(crate) fn refresh_as_another(&self) -> Result<Updated, RefreshError> {
        let gun = Gun::parse(self.repository.gun()).unwrap();
        let another = User::new();
        block_on(refresh(&context_of(&another, &self.server), &gun, Source::Server))
    }

    /// Brings the cache up to date by another clock than the machine's.
    pub(crate) fn refresh_by(&self, clock: Arc<dyn Clock>) -> Result<Updated, RefreshError> {
        let gun = Gun::parse(self.repository.gun()).unwrap();
        let context = Context { clock, ..self.context() };
        block_on(refresh(&context, &gun, Source::Server))
    }

    /// Brings the cache up to date as somebody who waits no longer than this for the next byte.
    pub(crate) fn refresh_impatiently(&self, idle: Duration) -> Result<Updated, RefreshError> {
        let gun = Gun::parse(self.repository.gun()).unwrap();
        let options = HttpOptions { insecure: true, idle_timeout: idle, ..HttpOptions::default() };
        let base = Url::parse(&self.server.url()).unwrap();
        let http = HttpClient::new(options);
        let notary = NotaryClient::new(base, &gun, "pull", http, Arc::new(Nobody));
        let context = self.context();
        block_on(update(&context, &gun, &notary, Source::Server, Expiry::Enforced))
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

    /// The trust directory must be as it was.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, before: &Files) {
        let after = self.trust_files();
        assert!(*before == after, "the trust directory changed:\n{before:#?}\n{after:#?}");
    }

    /// What the library is told of the person.
    pub(crate) fn context(&self) -> Context {
        context_of(&self.user, &self.server)
    }
}

/// What the library is told of a person who asks this server, and who knows no passphrase.
pub(crate) fn context_of(user: &User, server: &Server) -> Context {
    Context {
        trust_dir: TrustDir::new(user.trust_folder()),
        clock: Arc::new(SystemClock),
        passphrases: Arc::new(Nobody),
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

impl CredentialSource for Nobody {
    fn login(&self) -> Result<Option<Login>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}

/// Runs something of the library to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}
