//! Somebody who signs: a real registry, a real trust server, images to sign.

use std::process::Command;

use trust::tuf::Gun;

use crate::harness::disk::{Files, files_under};
use crate::peers::process::search_path;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryServer, Registry, RegistryOptions, User, image};

/// The program under test.
pub(crate) const TRUST: &str = env!("CARGO_BIN_EXE_trust");

/// A registry, and a person whose trust server is at `url`.
#[derive(Debug)]
pub(crate) struct Signer {
    /// The person.
    pub(crate) user: User,
    /// Where the images are.
    pub(crate) registry: Registry,
    url: String,
    kept: Option<NotaryServer>,
}

impl Signer {
    /// Starts a registry for somebody new.
    pub(crate) fn new(trust_server: &str) -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let mut signer =
            Self { user: User::new(), registry, url: trust_server.to_owned(), kept: None };
        signer.become_another();
        signer
    }

    /// Keeps the trust server as long as the person.
    pub(crate) fn keep(&mut self, server: NotaryServer) {
        self.kept = Some(server);
    }

    /// Goes on as somebody with an empty home folder.
    pub(crate) fn become_another(&mut self) {
        self.user = User::new();
        self.user.set("DOCKER_CONTENT_TRUST_SERVER", &self.url);
    }

    /// Pushes an image and returns its name.
    pub(crate) fn push(&self, repository: &str, tag: &str) -> String {
        image::push_image(&self.registry, repository, tag, tag.as_bytes());
        format!("{}/{repository}:{tag}", self.registry.host_port())
    }

    /// The variables the program needs besides passphrases.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let home = self.user.home().display().to_string();
        let config = self.user.docker_config().display().to_string();
        [
            ("PATH", search_path().as_str()),
            ("HOME", &home),
            ("DOCKER_CONFIG", &config),
            ("DOCKER_CONTENT_TRUST_SERVER", &self.url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// All variables the program needs.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = self.settings();
        for (kind, passphrase) in [("ROOT", ROOT_PASSPHRASE), ("REPOSITORY", REPOSITORY_PASSPHRASE)]
        {
            let name = format!("DOCKER_CONTENT_TRUST_{kind}_PASSPHRASE");
            variables.push((name, passphrase.to_owned()));
        }
        variables
    }

    /// A command of the program, to be started by the caller.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(TRUST);
        command.args(args).env_clear().envs(self.variables()).current_dir(self.user.home());
        command
    }

    /// What is in the trust directory: keys and cache.
    pub(crate) fn trust_files(&self) -> Files {
        files_under(&self.user.trust_folder())
    }

    /// The private keys.
    pub(crate) fn key_files(&self) -> Files {
        files_under(&self.user.trust_folder().join("private"))
    }

    /// Whatever happened before, a plain `trust sign` works now, and nothing but what belongs
    /// there lies in the trust directory.
    #[track_caller]
    pub(crate) fn recovers(&self, image: &str) {
        let listed = self.user.trust(&["key", "ls", "--json"]).success();
        assert_eq!(listed.stderr, "", "complaints about keys");
        self.user.trust(&["sign", "--quiet", image]).success();
        let verified = self.user.trust(&["verify", image]).success();
        assert_eq!(verified.stderr, "");
        let gun = Gun::parse(image.rsplit_once(':').unwrap().0).unwrap();
        let metadata = format!("tuf/{}/metadata", gun.as_str());
        for path in self.trust_files().keys() {
            let name = path.display().to_string();
            let is = |kind: &str| path.extension().is_some_and(|extension| extension == kind);
            let is_key = path.starts_with("private") && is("key") && name.len() == 76;
            let is_metadata = path.starts_with(&metadata) && is("json");
            let is_time = name.ends_with("/.trust-seen");
            assert!(is_key || is_metadata || is_time, "{name} was left behind");
        }
    }
}
