//! The servers, and people with the programs they use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use trust::crypto::{Passphrase, PrivateKey};
use trust::store::TrustDir;

use crate::peers::image::{self, Pushed};
use crate::peers::process::{self, find_program};
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

/// The `trust` that is measured.
pub(crate) const TRUST: &str = env!("CARGO_BIN_EXE_trust");

/// One set of servers on loopback, for all programs.
#[derive(Debug)]
pub(crate) struct World {
    /// Where images are.
    pub(crate) registry: Registry,
    /// Where trust data is.
    pub(crate) notary: NotaryServer,
    daemon: Dockerd,
    docker: PathBuf,
}

/// Somebody with a home folder of their own.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    world: &'a World,
    /// For what is not measured.
    pub(crate) user: User,
}

impl World {
    /// Starts the servers.
    pub(crate) fn start() -> Self {
        let docker = find_program("docker", |path| {
            let shown = Command::new(path).args(["trust", "--help"]).output();
            shown.is_ok_and(|shown| String::from_utf8_lossy(&shown.stdout).contains("docker trust"))
        });
        Self {
            registry: Registry::start(&RegistryOptions::default()),
            notary: NotaryServer::start(&NotaryOptions::default()),
            daemon: Dockerd::start(),
            docker: docker.expect("no `docker` with `docker trust` on the search path"),
        }
    }

    /// Returns a new person whom nothing is known to.
    pub(crate) fn person(&self) -> Person<'_> {
        let mut user = User::new();
        user.use_notary(&self.notary);
        user.use_docker(&self.daemon);
        Person { world: self, user }
    }

    /// Returns the full name of a repository.
    pub(crate) fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.registry.host_port())
    }

    /// Pushes one small image under the tags `0` to `last`.
    pub(crate) fn push_tags(&self, repository: &str, last: usize) -> Pushed {
        let first = image::push_image(&self.registry, repository, "0", b"measured");
        for tag in 1..=last {
            let (media_type, manifest) = (&first.media_type, first.manifest.clone());
            let tag = tag.to_string();
            image::retag_raw(&self.registry, repository, &tag, media_type, manifest);
        }
        first
    }

    /// Returns the first line that each program has to say about its version.
    pub(crate) fn versions(&self) -> Vec<String> {
        let docker = self.docker.display().to_string();
        let asked = [
            (TRUST, "--version"),
            (docker.as_str(), "--version"),
            ("notary", "version"),
            ("notary-server", "-version"),
            ("docker-registry", "--version"),
            ("skopeo", "--version"),
            ("buildah", "--version"),
            ("umoci", "--version"),
        ];
        asked.into_iter().filter_map(|(program, argument)| version(program, argument)).collect()
    }
}

impl Person<'_> {
    /// Returns the command that runs `trust`.
    pub(crate) fn trust(&self, args: &[&str]) -> Command {
        self.command(TRUST.into(), args)
    }

    /// Returns the command that runs `docker`.
    pub(crate) fn docker(&self, args: &[&str]) -> Command {
        self.command(self.world.docker.clone(), args)
    }

    /// Returns the command that runs `notary`.
    pub(crate) fn notary(&self, args: &[&str]) -> Command {
        let mut command = self.command("notary".into(), &[]);
        command.arg("-d").arg(self.user.trust_folder());
        command.args(["-s", &self.world.notary.url(), "--tlscacert"]);
        command.arg(self.world.notary.ca_pem()).args(args);
        command
    }

    /// Forgets all trust data, as if no server had ever been asked.
    pub(crate) fn forget(&self) {
        fs::remove_dir_all(self.user.trust_folder()).ok();
    }

    /// Opens the root key.
    pub(crate) fn root_key(&self) -> PrivateKey {
        let keys = TrustDir::new(self.user.trust_folder()).keys().unwrap();
        let root = keys.list().unwrap().keys.into_iter().find(|key| key.role == "root").unwrap();
        let passphrase = Passphrase::new(ROOT_PASSPHRASE.to_owned());
        keys.read(&root.id).unwrap().decrypt(Some(&passphrase)).unwrap()
    }

    fn command(&self, program: PathBuf, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", process::search_path());
        command.env("HOME", self.user.home()).env("DOCKER_CONFIG", self.user.docker_config());
        command.env("DOCKER_CONTENT_TRUST_SERVER", self.world.notary.url());
        command.env("DOCKER_HOST", self.world.daemon.host());
        for (name, passphrase) in [
            ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", ROOT_PASSPHRASE),
            ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", REPOSITORY_PASSPHRASE),
            ("NOTARY_ROOT_PASSPHRASE", ROOT_PASSPHRASE),
            ("NOTARY_TARGETS_PASSPHRASE", REPOSITORY_PASSPHRASE),
            ("NOTARY_SNAPSHOT_PASSPHRASE", REPOSITORY_PASSPHRASE),
        ] {
            command.env(name, passphrase);
        }
        command
    }
}

fn version(program: &str, argument: &str) -> Option<String> {
    let path = find_program(program, |_| true).unwrap_or_else(|| program.into());
    let output = Command::new(path).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = text.split_whitespace().take(8).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
