//! A person at a machine: a home folder, settings, and the programs run with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use super::certificates::CertificateFiles;
use super::dockerd::Dockerd;
use super::notary_server::NotaryServer;
use super::process::{self, Finished};

/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(100);
/// The passphrase of root keys.
pub(crate) const ROOT_PASSPHRASE: &str = "root passphrase";
/// The passphrase of every other key.
pub(crate) const REPOSITORY_PASSPHRASE: &str = "repository passphrase";

/// Runs `docker`, `notary` and `trust` on one set of keys, trust data and credentials.
///
/// Programs see the variables of [`User::set`] and `HOME`, `DOCKER_CONFIG` and `PATH`; nothing of
/// the environment the test runs in. Passphrases are set from the start.
#[derive(Debug)]
pub(crate) struct User {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    logins: BTreeMap<String, String>,
    notary_options: Vec<String>,
}

impl User {
    /// Returns a user with an empty home folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(".docker");
        fs::create_dir(&config).unwrap();
        let mut user = Self {
            folder,
            variables: BTreeMap::new(),
            logins: BTreeMap::new(),
            notary_options: Vec::new(),
        };
        user.set("HOME", &user.home().display().to_string());
        user.set("DOCKER_CONFIG", &config.display().to_string());
        user.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", ROOT_PASSPHRASE);
        user.set("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", REPOSITORY_PASSPHRASE);
        user.set("NOTARY_ROOT_PASSPHRASE", ROOT_PASSPHRASE);
        for role in ["TARGETS", "SNAPSHOT", "DELEGATION"] {
            user.set(&format!("NOTARY_{role}_PASSPHRASE"), REPOSITORY_PASSPHRASE);
        }
        user
    }

    /// Returns somebody with the same settings and a copy of all files.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = Self::new();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(format!("{}/.", self.home().display())).arg(twin.home());
        process::run(&copy, b"", TIMEOUT).success();
        let own = ["HOME", "DOCKER_CONFIG"].map(|name| (name, twin.variables[name].clone()));
        twin.variables.clone_from(&self.variables);
        for (name, value) in own {
            twin.set(name, &value);
        }
        twin.logins.clone_from(&self.logins);
        twin.notary_options.clone_from(&self.notary_options);
        twin
    }

    /// Returns the home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Returns the folder of keys and trust data, shared by all programs.
    pub(crate) fn trust_folder(&self) -> PathBuf {
        self.docker_config().join("trust")
    }

    /// Returns the docker configuration folder.
    pub(crate) fn docker_config(&self) -> PathBuf {
        self.folder.path().join(".docker")
    }

    /// Sets an environment variable for all programs.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Takes an environment variable away.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Makes `server` the trust server, and its certificate authority known to all programs.
    pub(crate) fn use_notary(&mut self, server: &NotaryServer) {
        self.use_trust_server(&server.url(), &server.ca_pem());
    }

    /// Makes the server at `url` the trust server, and its certificate authority known to all
    /// programs.
    pub(crate) fn use_trust_server(&mut self, url: &str, authority: &Path) {
        self.set("DOCKER_CONTENT_TRUST_SERVER", url);
        let folder = self.tls_folder(url);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(authority, folder.join("ca.crt")).unwrap();
        let authority = authority.display().to_string();
        self.notary_options = vec!["-s".into(), url.to_owned(), "--tlscacert".into(), authority];
    }

    /// Makes the server at `url`, which speaks plain HTTP, the trust server of `notary` and `trust`.
    pub(crate) fn use_plain_trust_server(&mut self, url: &str) {
        self.set("DOCKER_CONTENT_TRUST_SERVER", url);
        self.notary_options = vec!["-s".into(), url.to_owned()];
    }

    /// Shows this certificate to the trust server from now on.
    pub(crate) fn use_client_certificate(&mut self, url: &str, files: &CertificateFiles) {
        let folder = self.tls_folder(url);
        fs::copy(&files.certificate, folder.join("client.cert")).unwrap();
        fs::copy(&files.key, folder.join("client.key")).unwrap();
        let words = ["--tlscert".to_owned(), files.certificate.display().to_string()];
        self.notary_options.extend(words);
        self.notary_options.extend(["--tlskey".to_owned(), files.key.display().to_string()]);
    }

    /// Returns the folder of docker's TLS files for a trust server.
    pub(crate) fn tls_folder(&self, url: &str) -> PathBuf {
        let host = url.trim_start_matches("https://").split('/').next().unwrap();
        self.docker_config().join("tls").join(host)
    }

    /// Makes `daemon` the one `docker` talks to.
    pub(crate) fn use_docker(&mut self, daemon: &Dockerd) {
        self.set("DOCKER_HOST", &daemon.host());
    }

    /// Writes credentials for `host` into the docker configuration, and for `notary`.
    pub(crate) fn log_in(&mut self, host: &str, name: &str, password: &str) {
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        self.set("NOTARY_AUTH", &encoded);
        self.logins.insert(host.to_owned(), encoded);
        let auths: serde_json::Map<_, _> = (self.logins.iter())
            .map(|(host, encoded)| (host.clone(), json!({"auth": encoded})))
            .collect();
        let text = json!({"auths": auths}).to_string();
        fs::write(self.docker_config().join("config.json"), text).unwrap();
    }

    /// Runs `docker` to its end.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn docker(&self, args: &[&str]) -> Finished {
        self.docker_with_input(args, b"")
    }

    /// Runs `docker` with `input` on its standard input.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn docker_with_input(&self, args: &[&str], input: &[u8]) -> Finished {
        self.run(docker_program(), args, input)
    }

    /// Runs the `trust` that was just built as docker runs it: as its plugin, from a folder of
    /// plugins, for the `docker` that has the command itself.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn plugin(&self, args: &[&str], input: &[u8]) -> Finished {
        let plugin = self.folder.path().join("docker-trust");
        if !plugin.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_trust"), &plugin).unwrap();
        }
        let mut command = Command::new(plugin);
        command.args(args).envs(&self.variables).current_dir(self.folder.path());
        command.env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", docker_program());
        process::run(&command, input, TIMEOUT)
    }

    /// Runs `trust docker` with that `docker`.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn trust_docker(&self, args: &[&str]) -> Finished {
        self.trust_docker_with_input(args, b"")
    }

    /// Runs `trust docker` with `input` on its standard input.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn trust_docker_with_input(&self, args: &[&str], input: &[u8]) -> Finished {
        let program = docker_program().display().to_string();
        self.trust_with_input(&[&["docker", "--docker", &program], args].concat(), input)
    }

    /// Runs `notary` on the same trust folder.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn notary(&self, args: &[&str]) -> Finished {
        self.notary_with_input(args, b"")
    }

    /// Runs `notary` with `input` on its standard input.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn notary_with_input(&self, args: &[&str], input: &[u8]) -> Finished {
        let folder = self.trust_folder().display().to_string();
        let mut words = vec!["-d", &folder];
        words.extend(self.notary_options.iter().map(String::as_str));
        words.extend(args);
        self.run(Path::new("notary"), &words, input)
    }

    /// Runs a program with nothing but these words.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn program(&self, name: &str, args: &[&str]) -> Finished {
        self.run(Path::new(name), args, b"")
    }

    /// Runs the `trust` that was just built.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn trust(&self, args: &[&str]) -> Finished {
        self.trust_with_input(args, b"")
    }

    /// Runs `trust` with `input` on its standard input.
    #[must_use = "ask for its `success` or an exit code"]
    pub(crate) fn trust_with_input(&self, args: &[&str], input: &[u8]) -> Finished {
        self.run(Path::new(env!("CARGO_BIN_EXE_trust")), args, input)
    }

    /// A command of the `trust` that was just built, for the caller to start.
    pub(crate) fn trust_command(&self, args: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trust"));
        command.args(args).env_clear().env("PATH", process::search_path()).envs(&self.variables);
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, program: &Path, args: &[&str], input: &[u8]) -> Finished {
        let mut command = Command::new(program);
        command.args(args).envs(&self.variables).current_dir(self.folder.path());
        process::run(&command, input, TIMEOUT)
    }
}

/// Returns the first `docker` on the search path that still has `docker trust`: newer ones lost it.
pub(crate) fn docker_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let has_trust = |path: &Path| {
            let mut command = Command::new(path);
            command.args(["trust", "--help"]);
            let shown = process::run(&command, b"", TIMEOUT);
            shown.code == 0 && shown.stdout.contains("docker trust")
        };
        process::find_program("docker", has_trust)
            .expect("no `docker` with `docker trust` on the search path")
    })
}
