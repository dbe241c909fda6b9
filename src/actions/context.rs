//! What an action works with: the trust directory, the clock, passphrases and connections.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use crate::client::{
    CredentialSource, HttpClient, HttpOptions, Login, NotaryClient, RegistryClient, Timeouts,
};
use crate::clock::Clock;
use crate::crypto::Passphrase;
use crate::crypto::secret::PassphraseSource;
use crate::oci::Reference;
use crate::oci::reference::{DOCKER_HUB, is_loopback_host};
use crate::store::credentials::Credential;
use crate::store::keyring::KeyringEnv;
use crate::store::login_sources::LoginSources;
use crate::store::registry_rules::RegistryRules;
use crate::store::rescue::RescueFolder;
use crate::store::tls_files::TlsFiles;
use crate::store::{StoreError, TrustDir};
use crate::tuf::trusted::Expiry;
use crate::tuf::{Gun, Pinning, Rules};

/// Everything outside the program that an action may touch.
#[derive(Clone)]
pub struct Context {
    /// Keys, cached metadata, staged changes.
    pub trust_dir: TrustDir,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Opens keys and protects new ones.
    pub passphrases: Arc<dyn PassphraseSource + Send + Sync>,
    /// Reaches registries and trust servers.
    pub connections: Connections,
    /// Which roots may be believed on first sight.
    pub pinning: Pinning,
    /// How strictly what servers say is judged.
    pub strictness: Strictness,
    /// Sign with the keys of `keys-example/` for servers that are not on this machine.
    pub example_keys_allowed: bool,
    /// Where the operating system's keyring may be.
    pub keyring: KeyringEnv,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("trust_dir", &self.trust_dir)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// How strictly what servers say is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strictness {
    /// The rules of acceptance.
    pub rules: Rules,
    /// How long ago a server must have confirmed what is cached, where the cache alone answers.
    /// Without it, expiry alone decides.
    pub max_staleness: Option<SignedDuration>,
}

/// How servers are found and reached. Nothing is contacted, and no file read, before it is asked.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    /// Docker's configuration folder: `config.json` and `tls/`.
    pub config_dir: PathBuf,
    /// Which trust server is asked.
    pub server: ServerChoice,
    /// Accept any certificate, and plain HTTP, from every server.
    pub insecure: bool,
    /// More TLS files for every server, besides those in docker's folders.
    pub tls: TlsFiles,
    /// More TLS files for trust servers alone.
    pub trust_server_tls: TlsFiles,
    /// Accept any certificate, and plain HTTP, from trust servers.
    pub insecure_trust_server: bool,
    /// Mirrors of Docker Hub, and registries without TLS.
    pub registries: RegistryRules,
    /// How long servers are waited for.
    pub timeouts: Timeouts,
    /// A login for trust servers that goes before docker's (`NOTARY_AUTH`: user, password).
    pub trust_login: Option<(String, Passphrase)>,
    /// Where logins are looked up besides docker's configuration.
    pub logins: LoginSources,
    /// What was rescued from trust servers, to be asked in their place.
    pub archive: Option<Archive>,
}

/// A rescue folder that answers instead of trust servers.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The folder.
    pub folder: RescueFolder,
    /// What expired metadata does.
    pub expiry: Expiry,
}

/// A trust server, whose connections the clients for several collections share.
#[derive(Debug, Clone)]
pub struct TrustServer {
    url: Url,
    http: HttpClient,
    logins: StoredLogins,
}

impl TrustServer {
    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The client for a collection; `actions` as for [`Connections::notary`].
    pub fn collection(&self, gun: &Gun, actions: &str) -> NotaryClient {
        let logins = Arc::new(self.logins.clone());
        NotaryClient::new(self.url.clone(), gun, actions, self.http.clone(), logins)
    }
}

/// Which trust server is asked about a repository (notary.md §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerChoice {
    /// The registry's own host; docker's for Docker Hub.
    #[default]
    OfTheRegistry,
    /// This one for every repository, as given; it must be an `https` URL.
    Fixed(String),
}

/// Why there is no way to a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Docker's words.
    #[error("valid https URL required for trust server, got {given}")]
    BadServer {
        /// The text as given.
        given: String,
    },
    /// The first segment of the repository's name is no host.
    #[error("`{host}` is not the name of a host, so it has no trust server")]
    BadHost {
        /// The segment.
        host: String,
    },
    /// TLS files cannot be used.
    #[error(transparent)]
    Files(#[from] StoreError),
}

impl Connections {
    /// The trust server's client for a repository; `actions` is the token scope: `pull`,
    /// `pull,push`, `push,pull` or `*`.
    pub fn notary(&self, gun: &Gun, actions: &str) -> Result<NotaryClient, ConnectionError> {
        Ok(self.trust_server(registry_host(gun))?.collection(gun, actions))
    }

    /// Asks this trust server for every repository; one on this machine may do without TLS.
    pub fn ask(&mut self, url: &str) {
        let host = Url::parse(url).ok().map(|url| authority(&url));
        self.insecure_trust_server |= host.is_some_and(|host| is_loopback(&host));
        self.server = ServerChoice::Fixed(url.to_owned());
    }

    /// The host of the trust server that is asked for every repository, if there is one: its own
    /// logins are those of a registry of this name.
    pub fn host_of_server(&self) -> Option<String> {
        match &self.server {
            ServerChoice::Fixed(url) => Url::parse(url).ok().map(|url| authority(&url)),
            ServerChoice::OfTheRegistry => None,
        }
    }

    /// The trust server for the repositories of a registry, by the registry's host.
    pub fn trust_server(&self, registry: &str) -> Result<TrustServer, ConnectionError> {
        let insecure = self.insecure || self.insecure_trust_server || is_loopback(registry);
        let url = self.server.for_registry(registry, insecure)?;
        let dirs = [self.config_dir.join("tls")];
        let own = [&self.tls, &self.trust_server_tls];
        let http = self.http(&dirs, &authority(&url), insecure, &own)?;
        let logins = StoredLogins {
            config_dir: self.config_dir.clone(),
            sources: self.logins.clone(),
            host: registry.to_owned(),
            first: self.trust_login.clone(),
        };
        Ok(TrustServer { url, http, logins })
    }

    /// Whether the trust server of an image is its registry itself.
    pub fn is_trust_server(&self, reference: &Reference) -> bool {
        let host = reference.domain();
        let insecure = self.insecure || self.insecure_trust_server || is_loopback(host);
        let server = self.server.for_registry(host, insecure);
        let registry = Url::parse(&format!("https://{host}"));
        let (Ok(server), Ok(registry)) = (server, registry) else { return false };
        // Over whichever scheme each of them is asked.
        let same_port = server.port() == registry.port();
        host != DOCKER_HUB && server.path() == "/" && server.host() == registry.host() && same_port
    }

    /// The name of the user who is logged in to an image's registry.
    pub fn username(&self, reference: &Reference) -> Result<Option<String>, StoreError> {
        let found = self.logins.find(&self.config_dir, reference.domain())?;
        Ok(found.map(|credential| match credential {
            Credential::Basic { username, .. } | Credential::IdentityToken { username, .. } => {
                username
            }
        }))
    }

    /// The registry's client for an image.
    pub fn registry(&self, reference: &Reference) -> Result<RegistryClient, ConnectionError> {
        let logins = Arc::new(StoredLogins {
            config_dir: self.config_dir.clone(),
            sources: self.logins.clone(),
            host: reference.domain().to_owned(),
            first: None,
        });
        self.registry_with(reference, logins)
    }

    /// The registry's client for an image, with logins from elsewhere.
    pub fn registry_with(
        &self,
        reference: &Reference,
        logins: Arc<dyn CredentialSource>,
    ) -> Result<RegistryClient, ConnectionError> {
        let declared =
            || self.registries.complete().map(|rules| rules.is_insecure(reference.domain()));
        let insecure = self.insecure || reference.is_loopback() || declared()?;
        self.registry_over(reference, insecure, logins)
    }

    /// The registries to ask for an image, in this order: mirrors, if there are any of its
    /// registry, and that itself.
    pub fn registry_and_mirrors(
        &self,
        reference: &Reference,
    ) -> Result<Vec<RegistryClient>, ConnectionError> {
        let mut all = Vec::new();
        let rules = self.registries.complete()?;
        if reference.domain() == DOCKER_HUB {
            for mirror in rules.usable_mirrors() {
                let named = format!("{}/{}", mirror.host, reference.path());
                // A host that no image's name could begin with is no mirror's.
                let Ok(there) = Reference::parse(&named) else { continue };
                let insecure = self.insecure
                    || mirror.plain
                    || there.is_loopback()
                    || rules.is_insecure(&mirror.host);
                let logins = Arc::new(StoredLogins {
                    config_dir: self.config_dir.clone(),
                    sources: self.logins.clone(),
                    host: mirror.host,
                    first: None,
                });
                all.push(self.registry_over(&there, insecure, logins)?);
            }
        }
        all.push(self.registry(reference)?);
        Ok(all)
    }

    /// A client for whatever server: without a login, and without our certificate.
    pub fn web(&self) -> HttpClient {
        HttpClient::new(HttpOptions {
            roots_pem: self.tls.roots_pem.clone(),
            insecure: self.insecure,
            connect_timeout: self.timeouts.connect,
            idle_timeout: self.timeouts.idle,
            minimum_rate: self.timeouts.minimum_rate,
            ..HttpOptions::default()
        })
    }

    fn registry_over(
        &self,
        reference: &Reference,
        insecure: bool,
        logins: Arc<dyn CredentialSource>,
    ) -> Result<RegistryClient, ConnectionError> {
        let dirs = [self.config_dir.join("certs.d"), PathBuf::from("/etc/docker/certs.d")];
        let http = self.http(&dirs, reference.domain(), insecure, &[&self.tls])?;
        Ok(RegistryClient::new(reference, http, logins))
    }

    fn http(
        &self,
        dirs: &[PathBuf],
        host: &str,
        insecure: bool,
        given: &[&TlsFiles],
    ) -> Result<HttpClient, ConnectionError> {
        let mut files = TlsFiles::load(dirs, host)?;
        files.roots_pem.extend(given.iter().flat_map(|given| &given.roots_pem).cloned());
        let client = given.iter().find_map(|given| given.client.clone()).or(files.client);
        let options = HttpOptions {
            roots_pem: files.roots_pem,
            client_pem: client.map(|pair| (pair.certificate_pem, pair.key_pem)),
            insecure,
            connect_timeout: self.timeouts.connect,
            idle_timeout: self.timeouts.idle,
            minimum_rate: self.timeouts.minimum_rate,
            ..HttpOptions::default()
        };
        Ok(HttpClient::new(options))
    }
}

impl ServerChoice {
    /// The trust server for the repositories of a registry. `insecure` allows plain HTTP to a
    /// server named with `http://`, which docker never does.
    pub fn for_registry(&self, registry: &str, insecure: bool) -> Result<Url, ConnectionError> {
        match self {
            Self::Fixed(given) => fixed_server(given, insecure),
            Self::OfTheRegistry => {
                let host = match registry {
                    "docker.io" | "index.docker.io" => "notary.docker.io",
                    other => other,
                };
                Url::parse(&format!("https://{host}"))
                    .ok()
                    .filter(|url| url.path() == "/" && url.username().is_empty())
                    .ok_or_else(|| ConnectionError::BadHost { host: host.to_owned() })
            }
        }
    }
}

fn fixed_server(given: &str, insecure: bool) -> Result<Url, ConnectionError> {
    let wrong = || ConnectionError::BadServer { given: without_login(given) };
    let url = Url::parse(given).map_err(|_| wrong())?;
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && insecure);
    if allowed && url.has_host() { Ok(url) } else { Err(wrong()) }
}

/// The URL without the user and password that may stand in it.
fn without_login(given: &str) -> String {
    match (given.split_once("://"), given.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => given.to_owned(),
    }
}

/// The registry a repository is on: the first segment of its name.
pub(super) fn registry_host(gun: &Gun) -> &str {
    gun.segments().next().unwrap_or_default()
}

/// Whether a `host` or `host:port` is this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    is_loopback_host(host)
}

/// `host` or `host:port`, as docker names the folder of its TLS files.
fn authority(server: &Url) -> String {
    let host = server.host_str().unwrap_or_default();
    server.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The stored login for a registry; read when a server asks for it, not before.
#[derive(Clone)]
struct StoredLogins {
    config_dir: PathBuf,
    sources: LoginSources,
    host: String,
    first: Option<(String, Passphrase)>,
}

impl CredentialSource for StoredLogins {
    fn login(&self) -> Result<Option<Login>, Box<dyn Error + Send + Sync>> {
        if let Some((username, password)) = self.first.clone() {
            return Ok(Some(Login::Basic { username, password }));
        }
        let found = self.sources.find(&self.config_dir, &self.host)?;
        Ok(found.map(|credential| match credential {
            Credential::Basic { username, password } => Login::Basic { username, password },
            Credential::IdentityToken { username, token } => {
                Login::IdentityToken { username, token }
            }
        }))
    }
}

impl fmt::Debug for StoredLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLogins").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("docker.io", "https://notary.docker.io/")]
    #[test_case("index.docker.io", "https://notary.docker.io/")]
    #[test_case("localhost:5000", "https://localhost:5000/")]
    #[test_case("registry.example.com", "https://registry.example.com/")]
    fn a_registry_has_its_trust_server(registry: &str, expected: &str) {
        let server = ServerChoice::OfTheRegistry.for_registry(registry, false).unwrap();
        assert_eq!(server.as_str(), expected);
    }

    #[test]
    fn a_named_server_serves_every_registry_and_keeps_its_path() {
        let choice = ServerChoice::Fixed("https://notary.example.com:4443/sub".to_owned());
        let server = choice.for_registry("docker.io", false).unwrap();
        assert_eq!(server.as_str(), "https://notary.example.com:4443/sub");
        assert_eq!(authority(&server), "notary.example.com:4443");
    }

    #[test_case("http://notary.example.com")]
    #[test_case("notary.example.com")]
    #[test_case("")]
    #[test_case("ftp://x")]
    fn a_named_server_must_be_https(given: &str) {
        let error = ServerChoice::Fixed(given.to_owned()).for_registry("x", false).unwrap_err();
        let words = format!("valid https URL required for trust server, got {given}");
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn a_password_in_a_refused_url_is_not_repeated() {
        let choice = ServerChoice::Fixed("http://user:secret@host/".to_owned());
        let words = choice.for_registry("x", false).unwrap_err().to_string();
        assert!(!words.contains("secret"), "{words}");
    }

    #[test_case("127.0.0.1:5000", true)]
    #[test_case("127.9.9.9", true)]
    #[test_case("localhost", true)]
    #[test_case("[::1]:5000", true)]
    #[test_case("localhost.example.com", false)]
    #[test_case("127.0.0.1.example.com", false)]
    #[test_case("128.0.0.1", false)]
    #[test_case("", false)]
    fn only_this_machine_is_loopback(host: &str, expected: bool) {
        assert_eq!(is_loopback(host), expected);
    }
}
