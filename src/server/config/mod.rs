//! How the server is set up: the registry's configuration file, the environment over it, and what a
//! start without either means (spec/server-configuration.md).
//!
//! [`document`] reads YAML into nodes that know where they stand, [`environment`] puts `REGISTRY_…`
//! over them, [`decode`] gives them to `serde` and says of every mistake where it is, [`mod@file`] has
//! the file's own structure, [`own`] that of the section `trust`. The outcome is a [`Config`].

pub mod decode;
pub mod document;
pub mod duration;
pub mod environment;
pub mod error;
pub mod file;
pub mod load;
pub mod own;
pub mod show;

pub use decode::Raw;
pub use error::ConfigError;
pub use load::{Flags, Source, certificate_names, load};

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::crypto::secret::Passphrase;
use crate::server::listen::Limits;
use crate::server::listen::base::Links;
use crate::server::logging::LogOptions;
use crate::server::registry::Sparse;
use crate::server::tls::{Files, Rules};

/// Everything a server is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The log.
    pub log: LogOptions,
    /// Whether each request is logged.
    pub access_log: bool,
    /// The folder of keys, certificates and, unless it is elsewhere, the database.
    pub data: PathBuf,
    /// The folder of content.
    pub content: PathBuf,
    /// The database; SQLite in `data` if it is not named.
    pub database: Option<Passphrase>,
    /// Names, with a port where it is not that of the scheme, by which clients know this server:
    /// the host in a GUN.
    pub hosts: Vec<String>,
    /// The listener.
    pub http: Http,
    /// The registry.
    pub registry: RegistryConfig,
    /// Who is asked for a login.
    pub auth: AuthConfig,
    /// What readiness depends on beside database and signer.
    pub health: Health,
    /// What peers may do.
    pub limits: Limits,
    /// Beginnings of GUNs outside of which nothing is published; none for no bound.
    pub gun_prefixes: Vec<String>,
    /// `trust.accounts`, for `auth`.
    pub accounts: Option<Raw>,
    /// `trust.policy`, for `trust`.
    pub policy: Option<Raw>,
    /// `trust.signer`, for `signer`.
    pub signer: Option<Raw>,
    /// `trust.upkeep`, for `upkeep`.
    pub upkeep: Option<Raw>,
    /// `trust.retention`, for `upkeep`.
    pub retention: Option<Raw>,
    /// Things to be told: keys that are taken and mean nothing here.
    pub notes: Vec<String>,
}

/// Where and how is listened.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where.
    pub listen: Listen,
    /// With or without TLS.
    pub scheme: Scheme,
    /// How links are made.
    pub links: Links,
    /// Header fields of every answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Signs what an upload's address says of it; made up anew at each start if it is missing.
    pub secret: Option<Passphrase>,
    /// How long requests have to end at the end.
    pub drain: Duration,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// A second listener, for whoever watches the server.
    pub debug: Option<Debug>,
    /// Whether the first listener answers `/metrics` too.
    pub metrics: bool,
    /// Proxies whose word on the client's address is taken.
    pub proxies: Vec<String>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`; without a host it is every address of this machine.
    Tcp(String),
    /// A socket at a path.
    Unix(PathBuf),
}

/// How the server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Plain {
        /// On other addresses than those of this machine, too: something in front has TLS.
        anywhere: bool,
    },
    /// TLS.
    Tls {
        /// The certificate; an authority of the server's own if there is none.
        files: Option<Files>,
        /// Which connections are good enough.
        rules: Rules,
    },
}

/// The second listener, plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    /// `host:port`.
    pub address: String,
    /// Where metrics are; `None` for nowhere.
    pub metrics: Option<String>,
}

/// How the registry behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Whether anything may be deleted.
    pub delete: bool,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// What becomes of uploads that nobody ends.
    pub purge: Purge,
    /// Which manifests may refer to what the repository does not have.
    pub sparse: Sparse,
    /// Patterns of `repository:tag` that are set once.
    pub immutable_tags: Vec<String>,
    /// The shortest chunk that clients are asked to send, in bytes; 0 to ask for none.
    pub chunk_min_bytes: u64,
}

/// What becomes of uploads that nobody ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Whether they are removed.
    pub enabled: bool,
    /// How long nothing came.
    pub age: Duration,
    /// How often is looked.
    pub interval: Duration,
    /// Only say what would be removed.
    pub dry_run: bool,
}

impl Default for Purge {
    /// The registry's defaults.
    fn default() -> Self {
        Self {
            enabled: true,
            age: Duration::from_hours(168),
            interval: Duration::from_hours(24),
            dry_run: false,
        }
    }
}

/// Who is asked for a login.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuthConfig {
    /// Nobody.
    #[default]
    Open,
    /// Everybody, by a file of `htpasswd`.
    Htpasswd {
        /// What is shown when a password is asked for.
        realm: String,
        /// The file.
        path: PathBuf,
    },
    /// Everybody, by tokens of another server.
    Token(TokenConfig),
}

/// Tokens of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// Where they are had.
    pub realm: String,
    /// For whom they are.
    pub service: String,
    /// By whom they are.
    pub issuer: String,
    /// Certificates that they are signed under.
    pub root_cert_bundle: Option<PathBuf>,
    /// Keys that they are signed with (RFC 7517).
    pub jwks: Option<PathBuf>,
    /// Algorithms that they are signed with; none for all.
    pub algorithms: Vec<String>,
    /// Whether the realm is at this server's own host, under the path of `realm`.
    pub auto_redirect: bool,
}

/// What readiness depends on beside database and signer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Files whose presence means that no more requests are to be sent here.
    pub files: Vec<PathBuf>,
}

impl Listen {
    /// Whether nobody but this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let host = host.trim_matches(['[', ']']);
                host == "localhost"
                    || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// How an address is written in a reference or a link.
pub fn host_text(address: SocketAddr, asked: &Listen) -> String {
    let asked_host = match asked {
        Listen::Tcp(asked) => asked.rsplit_once(':').map_or("", |(host, _)| host),
        Listen::Unix(_) => "",
    };
    let is_name = asked_host.parse::<IpAddr>().is_err()
        && !asked_host.is_empty()
        && !asked_host.starts_with('[');
    if is_name {
        return format!("{asked_host}:{}", address.port());
    }
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return format!("localhost:{}", address.port());
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("localhost:5000", true)]
    #[test_case("127.0.0.1:0", true)]
    #[test_case("[::1]:5000", true)]
    #[test_case(":5000", false)]
    #[test_case("0.0.0.0:5000", false)]
    #[test_case("registry.example.com:443", false)]
    fn reach(address: &str, is_local: bool) {
        assert_eq!(Listen::Tcp(address.to_owned()).is_local(), is_local);
    }

    #[test_case("127.0.0.1:5000", "127.0.0.1:0", "localhost:5000")]
    #[test_case("0.0.0.0:5000", ":5000", "localhost:5000")]
    #[test_case("192.0.2.1:5000", "192.0.2.1:5000", "192.0.2.1:5000")]
    #[test_case("192.0.2.1:5000", "registry.example.com:5000", "registry.example.com:5000")]
    fn what_a_reference_begins_with(address: &str, asked: &str, expected: &str) {
        let asked = Listen::Tcp(asked.to_owned());
        assert_eq!(host_text(address.parse().unwrap(), &asked), expected);
    }
}
