//! The registry's configuration file: what it has, what of it is not supported here, and what is
//! taken and means nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::server::config::document::Node;
use crate::server::config::duration::Span;
use crate::server::config::own::Own;
use crate::server::config::{ConfigError, decode};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Option<String>,
    pub(super) log: Log,
    pub(super) loglevel: Option<Level>,
    pub(super) storage: Storage,
    pub(super) http: Http,
    pub(super) auth: Auth,
    pub(super) health: Health,
    pub(super) validation: Validation,
    pub(super) compatibility: Option<IgnoredAny>,
    pub(super) trust: Own,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<Level>,
    pub(super) formatter: Option<Formatter>,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) accesslog: AccessLog,
    pub(super) reportcaller: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Error,
    Warn,
    Warning,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Formatter {
    Text,
    Json,
    Logstash,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccessLog {
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Storage {
    pub(super) filesystem: Option<FileSystem>,
    pub(super) delete: Enabled,
    pub(super) maintenance: Maintenance,
    pub(super) cache: Option<IgnoredAny>,
    pub(super) redirect: Option<IgnoredAny>,
    pub(super) tag: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileSystem {
    pub(super) rootdirectory: Option<String>,
    pub(super) maxthreads: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Enabled {
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Maintenance {
    pub(super) uploadpurging: UploadPurging,
    pub(super) readonly: Enabled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UploadPurging {
    pub(super) enabled: Option<bool>,
    pub(super) age: Option<Span>,
    pub(super) interval: Option<Span>,
    pub(super) dryrun: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) addr: Option<String>,
    pub(super) net: Option<Net>,
    pub(super) host: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) relativeurls: Option<bool>,
    pub(super) draintimeout: Option<Span>,
    pub(super) headers: BTreeMap<String, Vec<String>>,
    pub(super) tls: Tls,
    pub(super) http2: Disabled,
    pub(super) h2c: Option<IgnoredAny>,
    pub(super) debug: Debug,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Net {
    Tcp,
    Unix,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) clientcas: Vec<String>,
    pub(super) minimumtls: Option<Minimum>,
    pub(super) ciphersuites: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Minimum {
    #[serde(rename = "tls1.0")]
    Tls10,
    #[serde(rename = "tls1.1")]
    Tls11,
    #[serde(rename = "tls1.2")]
    Tls12,
    #[serde(rename = "tls1.3")]
    Tls13,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Disabled {
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Debug {
    pub(super) addr: Option<String>,
    pub(super) prometheus: Prometheus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Prometheus {
    pub(super) enabled: Option<bool>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) htpasswd: Option<Htpasswd>,
    pub(super) token: Option<Token>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Htpasswd {
    pub(super) realm: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Token {
    pub(super) realm: Option<String>,
    pub(super) service: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) rootcertbundle: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) signingalgorithms: Vec<String>,
    pub(super) autoredirect: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Health {
    pub(super) storagedriver: Option<StorageDriver>,
    pub(super) file: Vec<HealthFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StorageDriver {
    pub(super) enabled: Option<bool>,
    pub(super) interval: Option<Span>,
    pub(super) threshold: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HealthFile {
    pub(super) file: Option<String>,
    pub(super) interval: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Validation {
    pub(super) disabled: Option<bool>,
}

/// Keys that the registry has and this server does not do, with the reason.
pub(super) const NOT_SUPPORTED: &[(&str, &str)] = &[
    ("proxy", "this server mirrors no other registry"),
    ("redis", "this server keeps its metadata in its database"),
    ("notifications", "this server sends none"),
    ("middleware", "this server has none"),
    ("reporting", "this server reports to its log"),
    ("catalog", "the catalog has a bound of its own"),
    ("log.hooks", "this server sends no mail"),
    ("storage.s3", "content is kept in a folder"),
    ("storage.s3aws", "content is kept in a folder"),
    ("storage.azure", "content is kept in a folder"),
    ("storage.gcs", "content is kept in a folder"),
    ("storage.swift", "content is kept in a folder"),
    ("storage.oss", "content is kept in a folder"),
    ("storage.inmemory", "content is kept in a folder"),
    ("auth.silly", "it lets everybody in who says anything"),
    ("auth.none", "leave `auth` out"),
    ("http.tls.letsencrypt", "certificates come from files, or from this server's own authority"),
    ("http.tls.clientauth", "with `clientcas`, clients must show a certificate"),
    ("health.http", "readiness depends on this server alone"),
    ("health.tcp", "readiness depends on this server alone"),
    ("validation.manifests", "manifests are always checked"),
    ("validation.enabled", "manifests are always checked"),
];

/// Keys that are taken, and that nothing has to be done for.
pub(super) const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("storage.cache", "the database needs none"),
    ("storage.redirect", "content is served from here"),
    ("storage.tag", "the database needs no bound"),
    ("storage.filesystem.maxthreads", "the number of threads is the program's"),
    ("compatibility", "docker's first manifests are not taken"),
    ("validation.disabled", "manifests are always checked"),
    ("log.reportcaller", "lines do not say where in the program they come from"),
    ("http.h2c", "HTTP/2 is spoken over TLS, and over plain HTTP to who knows"),
    ("health.storagedriver", "readiness always depends on the storage"),
];

impl File {
    /// Takes a document apart.
    pub(super) fn of(document: &Node) -> Result<Self, ConfigError> {
        for (path, reason) in NOT_SUPPORTED {
            if let Some((key, node)) = document.find(path)
                && !node.says_nothing()
            {
                let (place, path) = (key.place.clone(), (*path).to_owned());
                return Err(ConfigError::NotSupported { place, path, reason });
            }
        }
        let mut document = document.clone();
        for (path, _) in NOT_SUPPORTED {
            document.remove(path);
        }
        decode::decode(&document, "")
    }
}
