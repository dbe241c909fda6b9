//! `docker-registry`, with its blobs in a temporary folder; or `trust serve` on the same file of
//! configuration.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::certificates::Authority;
use super::http::{self, Request, Response};
use super::process::{self, Process};
use super::token_server::{Mint, TokenServer};

/// Who may use a [`Registry`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum RegistryAuth<'a> {
    /// Anybody.
    #[default]
    Open,
    /// One user, by Basic authentication against a bcrypt file.
    Htpasswd {
        /// The name.
        user: &'a str,
        /// The password.
        password: &'a str,
    },
    /// Whoever has a token of this server.
    Token(&'a TokenServer),
}

/// How a [`Registry`] is set up; the default is open, plain HTTP.
#[derive(Debug, Default)]
pub(crate) struct RegistryOptions<'a> {
    /// Who may use it.
    pub(crate) auth: RegistryAuth<'a>,
    /// Whether manifests may be deleted.
    pub(crate) delete: bool,
    /// Serves HTTPS with a certificate of this authority.
    pub(crate) tls: Option<&'a Authority>,
}

/// Whether `trust serve` stands in for the servers of others: the same tests, with our server.
pub(crate) fn ours_stands_in() -> bool {
    std::env::var("TRUST_TEST_SERVERS").is_ok_and(|servers| servers == "trust")
}

/// The program that stands in.
pub(crate) const TRUST: &str = env!("CARGO_BIN_EXE_trust");

/// A running `docker-registry`.
#[derive(Debug)]
pub(crate) struct Registry {
    process: Process,
    port: u16,
    access: Access,
    authority: Option<PathBuf>,
    _folder: TempDir,
}

impl Registry {
    /// Starts a registry and waits until it listens.
    pub(crate) fn start(options: &RegistryOptions<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yml"), configuration(&folder, options)).unwrap();
        let args = ["serve", "config.yml"];
        let program = if ours_stands_in() { TRUST } else { "docker-registry" };
        let home = folder.path().display().to_string();
        let mut process = Process::start(program, &args, folder.path(), &[("HOME", &home)]);
        let port = process.await_port();
        let access = match options.auth {
            RegistryAuth::Open => Access::Open,
            RegistryAuth::Htpasswd { user, password } => {
                Access::Basic(STANDARD.encode(format!("{user}:{password}")))
            }
            RegistryAuth::Token(tokens) => Access::Token(tokens.mint()),
        };
        let authority = options.tls.map(Authority::certificate_file);
        Self { process, port, access, authority, _folder: folder }
    }

    /// Returns `localhost:PORT`, the name images have here.
    pub(crate) fn host_port(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Returns the address, without a closing slash.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host_port())
    }

    /// Sends a request to `path`, which starts with a slash, with all rights there are.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let authorization = self.access.header(path);
        let mut headers = headers.to_vec();
        headers.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        let url = format!("{}{path}", self.url());
        let request = Request { method, url: &url, headers: &headers, body };
        http::send(&request, self.authority.as_deref())
    }

    /// Returns what the registry logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Ends the registry; clients then find nobody at its address.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }
}

/// How the harness itself gets in.
#[derive(Debug)]
enum Access {
    Open,
    Basic(String),
    Token(Mint),
}

impl Access {
    /// Returns the `Authorization` for a path of the form `/v2/<repository>/<kind>/…`.
    fn header(&self, path: &str) -> Option<String> {
        match self {
            Self::Open => None,
            Self::Basic(encoded) => Some(format!("Basic {encoded}")),
            Self::Token(mint) => {
                let rest = path.strip_prefix("/v2/").unwrap_or(path);
                let kinds = ["/manifests/", "/blobs/", "/tags/"];
                let end = kinds.iter().find_map(|kind| rest.rfind(kind)).unwrap_or(rest.len());
                Some(format!("Bearer {}", mint.token(&rest[..end])))
            }
        }
    }
}

fn configuration(folder: &TempDir, options: &RegistryOptions<'_>) -> String {
    let root = folder.path().display();
    let mut text = format!(
        "version: 0.1\n\
         log: {{level: info, formatter: json}}\n\
         storage:\n  filesystem: {{rootdirectory: {root}/data}}\n  delete: {{enabled: {}}}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: not a secret\n",
        options.delete
    );
    if let Some(authority) = options.tls {
        let files = authority.issue(folder.path(), "registry");
        let (certificate, key) = (files.certificate.display(), files.key.display());
        writeln!(text, "  tls: {{certificate: {certificate}, key: {key}}}").unwrap();
    }
    match options.auth {
        RegistryAuth::Open => {}
        RegistryAuth::Htpasswd { user, password } => {
            let file = folder.path().join("htpasswd");
            fs::write(&file, htpasswd(user, password)).unwrap();
            writeln!(text, "auth: {{htpasswd: {{realm: peers, path: {}}}}}", file.display())
                .unwrap();
        }
        RegistryAuth::Token(tokens) => {
            let (realm, service, issuer) = (tokens.realm(), tokens.service(), tokens.issuer());
            let bundle = tokens.bundle_pem().display().to_string();
            write!(
                text,
                "auth:\n  token:\n    realm: {realm}\n    service: {service}\n    \
                 issuer: {issuer}\n    rootcertbundle: {bundle}\n"
            )
            .unwrap();
        }
    }
    text
}

fn htpasswd(user: &str, password: &str) -> String {
    let mut command = Command::new("htpasswd");
    // Cost 5 is the least there is: the test pays for it at every request.
    command.args(["-BbnC", "5", user, password]);
    process::run(&command, b"", Duration::from_secs(30)).success().stdout
}
