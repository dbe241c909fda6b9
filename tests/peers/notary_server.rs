//! `notary-server` and `notary-signer`, with memory storage; or `trust serve` in the server's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::certificates::Authority;
use super::http::{self, Request, Response};
use super::process::Process;
use super::registry::{TRUST, ours_stands_in};
use super::token_server::TokenServer;

/// Who holds the server's timestamp and snapshot keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The server itself: Ed25519 keys in memory.
    #[default]
    Local,
    /// A `notary-signer` over mutual TLS: ECDSA keys.
    Remote,
}

/// How a [`NotaryServer`] is set up; the default is open, local, for any name.
#[derive(Debug, Default)]
pub(crate) struct NotaryOptions<'a> {
    /// Who signs.
    pub(crate) signer: Signer,
    /// Who lets users in; nobody asks them when absent.
    pub(crate) auth: Option<&'a TokenServer>,
    /// Prefixes names must have, each with its closing slash; empty for any.
    pub(crate) gun_prefixes: Vec<String>,
    /// Who signs the server's certificate; a fresh authority when absent.
    pub(crate) authority: Option<Arc<Authority>>,
    /// Only clients with a certificate of this authority get in; the harness itself does not.
    pub(crate) client_authority: Option<&'a Authority>,
}

/// A running `notary-server`.
#[derive(Debug)]
pub(crate) struct NotaryServer {
    process: Process,
    port: u16,
    authority: Arc<Authority>,
    signer: Option<NotarySigner>,
    _folder: TempDir,
}

impl NotaryServer {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(options: &NotaryOptions<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = options.authority.clone().unwrap_or_else(|| Arc::new(Authority::new()));
        let signer = match options.signer {
            Signer::Local => None,
            Signer::Remote => Some(NotarySigner::start(&authority)),
        };
        let mut process = if ours_stands_in() {
            let config = our_config(folder.path(), &authority, signer.as_ref(), options);
            fs::write(folder.path().join("server.yml"), config).unwrap();
            let home = folder.path().display().to_string();
            Process::start(TRUST, &["serve", "server.yml"], folder.path(), &[("HOME", &home)])
        } else {
            let config = server_config(folder.path(), &authority, signer.as_ref(), options);
            fs::write(folder.path().join("server.json"), config).unwrap();
            let args = ["-config", "server.json", "-logf", "logfmt"];
            Process::start("notary-server", &args, folder.path(), &[])
        };
        let port = process.await_port();
        Self { process, port, authority, signer, _folder: folder }
    }

    /// Returns `localhost:PORT`.
    pub(crate) fn host_port(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Returns the address clients are given, without a closing slash.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.host_port())
    }

    /// Returns the file of the certificate the server's is signed by.
    pub(crate) fn ca_pem(&self) -> PathBuf {
        self.authority.certificate_file()
    }

    /// Sends a request of its own making to `path`, which starts with a slash.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let url = format!("{}{path}", self.url());
        http::send(&Request { method, url: &url, headers, body }, Some(&self.ca_pem()))
    }

    /// Returns the current metadata of a role, as an open server serves it.
    pub(crate) fn metadata(&self, gun: &str, role: &str) -> Response {
        self.request("GET", &format!("/v2/{gun}/_trust/tuf/{role}.json"), &[], b"")
    }

    /// Returns what the server logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Returns the signer behind the server, if there is one.
    pub(crate) fn signer(&self) -> Option<&NotarySigner> {
        self.signer.as_ref()
    }

    /// Ends the server; clients then find nobody at its address.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }
}

/// A running `notary-signer`; only a client with a certificate of the same authority may ask it.
#[derive(Debug)]
pub(crate) struct NotarySigner {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl NotarySigner {
    /// Starts a signer whose certificate `authority` signs.
    pub(crate) fn start(authority: &Authority) -> Self {
        Self::start_at(authority, 0)
    }

    /// Starts a signer at this port, or at any if it is 0.
    pub(crate) fn start_at(authority: &Authority, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = authority.issue(folder.path(), "signer");
        let config = json!({
            "server": {
                "grpc_addr": format!("127.0.0.1:{port}"),
                "tls_cert_file": files.certificate,
                "tls_key_file": files.key,
                "client_ca_file": authority.certificate_file(),
            },
            "storage": {"backend": "memory"},
            "logging": {"level": "debug"},
        });
        fs::write(folder.path().join("signer.json"), config.to_string()).unwrap();
        let args = ["-config", "signer.json", "-logf", "logfmt"];
        let mut process = Process::start("notary-signer", &args, folder.path(), &[]);
        let port = process.await_port();
        Self { process, port, _folder: folder }
    }

    /// Returns what the signer logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Returns its port on `localhost`.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// The same for `trust serve`; JSON is YAML.
fn our_config(
    folder: &Path,
    authority: &Authority,
    signer: Option<&NotarySigner>,
    options: &NotaryOptions<'_>,
) -> String {
    let files = authority.issue(folder, "server");
    let mut config = json!({
        "version": 0.1,
        "log": {"level": "debug"},
        "storage": {"filesystem": {"rootdirectory": folder.join("data")}},
        "http": {
            "addr": "127.0.0.1:0",
            "tls": {"certificate": files.certificate, "key": files.key},
        },
        "trust": {"gunprefixes": options.gun_prefixes},
    });
    if let Some(clients) = options.client_authority {
        config["http"]["tls"]["clientcas"] = json!([clients.certificate_file()]);
    }
    if let Some(signer) = signer {
        let key = folder.join("server-key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        config["trust"]["signer"] = json!({"remote": {
            "address": format!("localhost:{}", signer.port),
            "ca": authority.certificate_file(),
            "certificate": files.certificate,
            "key": key,
        }});
    }
    if let Some(tokens) = options.auth {
        config["auth"] = json!({"token": {
            "realm": tokens.realm(),
            "service": tokens.service(),
            "issuer": tokens.issuer(),
            "rootcertbundle": tokens.bundle_pem(),
        }});
    }
    config.to_string()
}

fn server_config(
    folder: &Path,
    authority: &Authority,
    signer: Option<&NotarySigner>,
    options: &NotaryOptions<'_>,
) -> String {
    let files = authority.issue(folder, "server");
    let trust_service = match signer {
        None => json!({"type": "local"}),
        Some(signer) => json!({
            "type": "remote",
            "hostname": "localhost",
            "port": signer.port.to_string(),
            "key_algorithm": "ecdsa",
            "tls_ca_file": authority.certificate_file(),
            "tls_client_cert": files.certificate,
            "tls_client_key": files.key,
        }),
    };
    let mut config = json!({
        "server": {
            "http_addr": "127.0.0.1:0",
            "tls_cert_file": files.certificate,
            "tls_key_file": files.key,
        },
        "trust_service": trust_service,
        "storage": {"backend": "memory"},
        "logging": {"level": "debug"},
    });
    if let Some(clients) = options.client_authority {
        config["server"]["client_ca_file"] = json!(clients.certificate_file());
    }
    if let Some(tokens) = options.auth {
        config["auth"] = json!({"type": "token", "options": {
            "realm": tokens.realm(),
            "service": tokens.service(),
            "issuer": tokens.issuer(),
            "rootcertbundle": tokens.bundle_pem(),
        }});
    }
    if !options.gun_prefixes.is_empty() {
        config["repositories"] = json!({"gun_prefixes": options.gun_prefixes});
    }
    config.to_string()
}
