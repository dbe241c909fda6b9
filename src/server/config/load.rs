//! From a file, variables and flags to a [`Config`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::crypto::secret::Passphrase;
use crate::limits::{MAX_DRAIN_SECONDS, MAX_SERVER_CONFIG_BYTES};
use crate::server::config::document::{Node, Value, parse};
use crate::server::config::duration::Span;
use crate::server::config::error::Place;
use crate::server::config::file::{File, Formatter, Level, Minimum, Net, WITHOUT_MEANING};
use crate::server::config::{
    AuthConfig, Config, ConfigError, Debug, Health, Http, Listen, Purge, Raw, RegistryConfig,
    Scheme, TokenConfig, environment,
};
use crate::server::files;
use crate::server::listen::Limits;
use crate::server::listen::base::Links;
use crate::server::logging::{LogFormat, LogLevel, LogOptions};
use crate::server::tls::{Files, MinimumVersion, Rules};

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file; without one the server is for this machine.
    pub file: Option<PathBuf>,
    /// The variables `REGISTRY_…`.
    pub variables: BTreeMap<String, String>,
    /// What was typed, which goes before both.
    pub flags: Flags,
    /// Where data is kept if nobody says.
    pub default_data: Option<PathBuf>,
}

/// What can be typed.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Listen here.
    pub listen: Option<String>,
    /// Keep everything in this folder.
    pub data: Option<PathBuf>,
    /// Names by which clients know this server.
    pub hosts: Vec<String>,
    /// The certificate to show.
    pub tls: Option<Files>,
    /// Plain HTTP.
    pub http: bool,
}

/// Reads everything, and says what it means together. A file named in a configuration is not opened
/// yet, only looked for where a mistake would show late.
pub fn load(source: &Source) -> Result<Config, ConfigError> {
    let text = match &source.file {
        Some(path) => files::read_text(path, MAX_SERVER_CONFIG_BYTES)?,
        None => String::new(),
    };
    let mut document = parse(&text, None)?;
    if source.file.is_some() && document.says_nothing() {
        return Err(ConfigError::Missing { path: "version", reason: "the file is empty" });
    }
    let mut notes = environment::overlay(&mut document, &source.variables)?;
    if document.find("storage.filesystem").is_some_and(|(_, node)| node.value == Value::Null) {
        // The registry takes this for the file system with its defaults.
        let place = document.place.clone();
        let node = Node { place: place.clone(), value: Value::Map(Vec::new()) };
        document.put(&["storage", "filesystem"], &place, node);
    }
    let file = File::of(&document)?;
    for (path, reason) in WITHOUT_MEANING {
        if let Some((key, _)) = document.find(path) {
            notes.push(format!("{}: `{path}` has no meaning here: {reason}", key.place));
        }
    }
    Reading { source, document: &document, file, notes }.config()
}

struct Reading<'a> {
    source: &'a Source,
    document: &'a Node,
    file: File,
    notes: Vec<String>,
}

impl Reading<'_> {
    fn config(mut self) -> Result<Config, ConfigError> {
        self.check_version()?;
        let (data, content) = self.folders()?;
        let http = self.http()?;
        let auth = self.auth()?;
        let limits = self.limits()?;
        let hosts = self.hosts()?;
        let file = &self.file;
        let level = file.log.level.or(file.loglevel).unwrap_or(Level::Info);
        let purging = &file.storage.maintenance.uploadpurging;
        let defaults = Purge::default();
        let of = |span: Option<Span>, other: Duration| span.map_or(other, |Span(span)| span);
        let storage = &file.storage;
        Ok(Config {
            log: LogOptions {
                level: match level {
                    Level::Error => LogLevel::Error,
                    Level::Warn | Level::Warning => LogLevel::Warn,
                    Level::Info => LogLevel::Info,
                    Level::Debug | Level::Trace => LogLevel::Debug,
                },
                format: match file.log.formatter {
                    None | Some(Formatter::Text) => LogFormat::Text,
                    Some(Formatter::Json) => LogFormat::Json,
                    Some(Formatter::Logstash) => LogFormat::Logstash,
                },
                fields: file.log.fields.clone(),
            },
            access_log: !file.log.accesslog.disabled.unwrap_or(false),
            data,
            content,
            database: file.trust.database.clone().map(Passphrase::new),
            hosts,
            http,
            registry: RegistryConfig {
                // Alone on a machine, nobody is kept from deleting what is theirs.
                delete: storage.delete.enabled.unwrap_or(self.source.file.is_none()),
                read_only: storage.maintenance.readonly.enabled.unwrap_or(false),
                purge: Purge {
                    enabled: purging.enabled.unwrap_or(defaults.enabled),
                    age: of(purging.age, defaults.age),
                    interval: of(purging.interval, defaults.interval),
                    dry_run: purging.dryrun.unwrap_or(defaults.dry_run),
                },
            },
            auth,
            health: Health {
                files: file
                    .health
                    .file
                    .iter()
                    .filter_map(|file| file.file.as_ref())
                    .map(PathBuf::from)
                    .collect(),
            },
            limits,
            gun_prefixes: file.trust.gunprefixes.clone(),
            accounts: self.raw("accounts"),
            policy: self.raw("policy"),
            signer: self.raw("signer"),
            upkeep: self.raw("upkeep"),
            retention: self.raw("retention"),
            immutable: self.raw("immutable"),
            notes: std::mem::take(&mut self.notes),
        })
    }

    fn check_version(&self) -> Result<(), ConfigError> {
        match self.file.version.as_deref() {
            Some("0.1") => Ok(()),
            Some(other) => {
                Err(self.wrong("version", format!("is {other}, and 0.1 is what is known here")))
            }
            None if self.source.file.is_none() => Ok(()),
            None => Err(ConfigError::Missing {
                path: "version",
                reason: "it says which keys there are, and 0.1 is what is known here",
            }),
        }
    }

    fn folders(&self) -> Result<(PathBuf, PathBuf), ConfigError> {
        if let Some(data) = &self.source.flags.data {
            return Ok((data.clone(), data.join(CONTENT)));
        }
        let root = self.file.storage.filesystem.as_ref();
        let root = root.map(|found| found.rootdirectory.as_deref().unwrap_or(REGISTRY_FOLDER));
        let root = root.map(PathBuf::from);
        let own = self.file.trust.data.as_ref().map(PathBuf::from);
        match (own, root) {
            (Some(data), Some(root)) => Ok((data, root.join(CONTENT))),
            (Some(data), None) | (None, Some(data)) => Ok((data.clone(), data.join(CONTENT))),
            (None, None) if self.source.file.is_some() && !self.is_ours() => {
                Err(ConfigError::Missing {
                    path: "storage.filesystem",
                    reason: "content needs a folder",
                })
            }
            (None, None) => {
                let data = self.source.default_data.clone().ok_or(ConfigError::NoFolder)?;
                Ok((data.clone(), data.join(CONTENT)))
            }
        }
    }

    fn http(&mut self) -> Result<Http, ConfigError> {
        let listen = self.listen()?;
        let scheme = self.scheme(&listen)?;
        let http = &self.file.http;
        if let Some(host) = &http.host {
            let is_base = url::Url::parse(host)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
            if !is_base {
                return Err(self.wrong("http.host", "is no address such as https://host:port"));
            }
        }
        let prefix = http.prefix.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(self.wrong("http.prefix", "does not begin with a slash"));
        }
        for (name, values) in &http.headers {
            let good = ::http::HeaderName::from_bytes(name.as_bytes()).is_ok()
                && values.iter().all(|value| ::http::HeaderValue::from_str(value).is_ok());
            if !good {
                let path = format!("http.headers.{name}");
                return Err(self.wrong(&path, "is no header field that can be sent"));
            }
        }
        let debug = &http.debug;
        let prometheus = debug.prometheus.enabled.unwrap_or(false);
        let path = debug.prometheus.path.clone().unwrap_or_else(|| "/metrics".to_owned());
        let drain = match http.draintimeout {
            Some(Span(drain)) if drain > Duration::ZERO => drain,
            _ => Duration::from_secs(MAX_DRAIN_SECONDS),
        };
        Ok(Http {
            listen,
            scheme,
            links: Links {
                fixed: http.host.clone(),
                relative: http.relativeurls.unwrap_or(false),
                prefix,
            },
            headers: http.headers.clone(),
            secret: http.secret.clone().map(Passphrase::new),
            drain,
            http2: !http.http2.disabled.unwrap_or(false),
            debug: debug
                .addr
                .clone()
                .map(|address| Debug { address, metrics: prometheus.then_some(path) }),
            metrics: self.file.trust.metrics.unwrap_or(false),
            proxies: self.file.trust.proxies.clone(),
        })
    }

    fn listen(&self) -> Result<Listen, ConfigError> {
        if let Some(listen) = &self.source.flags.listen {
            return Ok(Listen::Tcp(listen.clone()));
        }
        let http = &self.file.http;
        match (&http.addr, http.net) {
            (Some(path), Some(Net::Unix)) => Ok(Listen::Unix(PathBuf::from(path))),
            (None, Some(Net::Unix)) => {
                Err(ConfigError::Missing { path: "http.addr", reason: "a socket has a path" })
            }
            (Some(address), _) => {
                let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(_))) {
                    return Err(self.wrong("http.addr", "is no address such as :5000"));
                }
                Ok(Listen::Tcp(address.clone()))
            }
            (None, _) => Ok(Listen::Tcp(DEFAULT_ADDRESS.to_owned())),
        }
    }

    fn scheme(&mut self, listen: &Listen) -> Result<Scheme, ConfigError> {
        let tls = &self.file.http.tls;
        let anywhere = self.file.trust.plainhttp.unwrap_or(false);
        let alone = self.source.file.is_none();
        // A configuration that is the registry's and no more means what it means there.
        let own = self.file.trust.ownauthority.unwrap_or(alone || self.is_ours()) && !anywhere;
        let files = match (&self.source.flags.tls, &tls.certificate, &tls.key) {
            (Some(files), ..) => Some(files.clone()),
            (None, Some(certificate), Some(key)) => {
                Some(Files { certificate: PathBuf::from(certificate), key: PathBuf::from(key) })
            }
            (None, None, None) => None,
            (None, None, Some(_)) => {
                return Err(ConfigError::Missing {
                    path: "http.tls.certificate",
                    reason: "`http.tls.key` is there",
                });
            }
            (None, Some(_), None) => {
                return Err(ConfigError::Missing {
                    path: "http.tls.key",
                    reason: "`http.tls.certificate` is there",
                });
            }
        };
        let plain = self.source.flags.http || (files.is_none() && !own);
        if plain {
            if !anywhere && !listen.is_local() {
                let address = match listen {
                    Listen::Tcp(address) => address.clone(),
                    Listen::Unix(path) => path.display().to_string(),
                };
                return Err(ConfigError::PlainHttp { address });
            }
            return Ok(Scheme::Plain { anywhere });
        }
        let minimum = match tls.minimumtls {
            Some(Minimum::Tls13) => MinimumVersion::Tls13,
            Some(Minimum::Tls12) | None => MinimumVersion::Tls12,
            Some(Minimum::Tls10 | Minimum::Tls11) => {
                self.notes.push("`http.tls.minimumtls`: TLS before 1.2 is not spoken".to_owned());
                MinimumVersion::Tls12
            }
        };
        let rules = Rules {
            minimum,
            cipher_suites: tls.ciphersuites.clone(),
            client_authorities: tls.clientcas.iter().map(PathBuf::from).collect(),
            http2: !self.file.http.http2.disabled.unwrap_or(false),
        };
        // Wrong names are found now, not when the first client comes.
        if let Err(error) = rules.check() {
            return Err(self.wrong("http.tls.ciphersuites", format!("is wrong: {error}")));
        }
        Ok(Scheme::Tls { files, rules })
    }

    /// Whether the file has a section that only this server knows.
    fn is_ours(&self) -> bool {
        self.document.get("trust").is_some()
    }

    fn auth(&self) -> Result<AuthConfig, ConfigError> {
        let needed = |value: &Option<String>, path, reason| {
            value.clone().ok_or(ConfigError::Missing { path, reason })
        };
        match (&self.file.auth.htpasswd, &self.file.auth.token) {
            (None, None) => Ok(AuthConfig::Open),
            (Some(_), Some(_)) => Err(self.wrong("auth", "has more than one way to log in")),
            (Some(htpasswd), None) => Ok(AuthConfig::Htpasswd {
                realm: needed(&htpasswd.realm, "auth.htpasswd.realm", "clients show it")?,
                path: needed(&htpasswd.path, "auth.htpasswd.path", "passwords are there")?.into(),
            }),
            (None, Some(token)) => {
                let root_cert_bundle = token.rootcertbundle.as_ref().map(PathBuf::from);
                let jwks = token.jwks.as_ref().map(PathBuf::from);
                if root_cert_bundle.is_none() && jwks.is_none() {
                    return Err(ConfigError::Missing {
                        path: "auth.token.rootcertbundle",
                        reason: "tokens are signed under it, or by the keys in `jwks`",
                    });
                }
                Ok(AuthConfig::Token(TokenConfig {
                    realm: needed(&token.realm, "auth.token.realm", "tokens are had there")?,
                    service: needed(&token.service, "auth.token.service", "tokens name it")?,
                    issuer: needed(&token.issuer, "auth.token.issuer", "tokens name it")?,
                    root_cert_bundle,
                    jwks,
                    algorithms: token.signingalgorithms.clone(),
                    auto_redirect: token.autoredirect.unwrap_or(false),
                }))
            }
        }
    }

    fn limits(&self) -> Result<Limits, ConfigError> {
        let own = &self.file.trust.limits;
        let mut limits = Limits::default();
        let times = [
            (own.head, &mut limits.head, "head"),
            (own.idle, &mut limits.idle, "idle"),
            (own.wait, &mut limits.window, "wait"),
        ];
        for (given, limit, name) in times {
            let Some(Span(given)) = given else { continue };
            if given.is_zero() {
                return Err(self.wrong(&format!("trust.limits.{name}"), "is no time at all"));
            }
            *limit = given;
        }
        if let Some(rate) = own.rate {
            limits.rate = rate;
        }
        let counts = [
            (own.connections, &mut limits.connections, "connections"),
            (own.peerconnections, &mut limits.peer_connections, "peerconnections"),
        ];
        for (given, limit, name) in counts {
            let Some(given) = given else { continue };
            if !(1..=MOST_CONNECTIONS).contains(&given) {
                let path = format!("trust.limits.{name}");
                return Err(self.wrong(&path, format!("is not from 1 to {MOST_CONNECTIONS}")));
            }
            *limit = given;
        }
        Ok(limits)
    }

    fn hosts(&self) -> Result<Vec<String>, ConfigError> {
        let own = &self.file.trust.hosts;
        let fixed = self.file.http.host.as_ref().and_then(|host| {
            let url = url::Url::parse(host).ok()?;
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        let mut hosts: Vec<String> = Vec::new();
        for host in self.source.flags.hosts.iter().chain(own).chain(&fixed) {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            if host.is_empty() || !host.bytes().all(good) {
                return Err(self.wrong("trust.hosts", format!("has `{host}`, which is no host")));
            }
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        Ok(hosts)
    }

    fn raw(&self, name: &str) -> Option<Raw> {
        let path = format!("trust.{name}");
        let (_, node) = self.document.find(&path)?;
        (node.value != Value::Null).then(|| Raw::new(&path, node.clone()))
    }

    fn wrong(&self, path: &str, problem: impl Into<String>) -> ConfigError {
        let place = self.document.find(path).map(|(key, _)| key.place.clone());
        let place = place.unwrap_or(Place::File { line: 1, column: 1 });
        ConfigError::Wrong { place, path: path.to_owned(), problem: problem.into() }
    }
}

/// Names for a certificate: hosts without their ports.
pub fn certificate_names(hosts: &[String]) -> Vec<String> {
    let without_port = |host: &String| match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default().to_owned(),
        None => host.split(':').next().unwrap_or_default().to_owned(),
    };
    hosts.iter().map(without_port).collect()
}

/// Where a server for one machine listens.
pub const DEFAULT_ADDRESS: &str = "localhost:5000";
/// The registry's folder if none is named.
const REGISTRY_FOLDER: &str = "/var/lib/registry";
/// Content, below the folder of data.
const CONTENT: &str = "content";
/// Most connections that can be asked for: more than a process has descriptors.
const MOST_CONNECTIONS: usize = 1 << 20;
