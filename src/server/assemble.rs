//! Each part of a server from its part of the configuration: the one place where a key of the
//! configuration meets the module that it is for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::codec::text::{from_hex, to_hex};
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_SERVER_CONFIG_BYTES};
use crate::server::auth::options::NetworkError;
use crate::server::auth::{
    AccountsOptions, HtpasswdOptions, Kind, Network, Options as AuthOptions, TokenServerOptions,
    generate_signing_key,
};
use crate::server::config::{AuthConfig, Config, ConfigError, Listen, Raw, host_text};
use crate::server::files;
use crate::server::signer::{Algorithm, LocalSigner, MasterKey, Signer, SignerError};
use crate::server::start::StartError;
use crate::server::trust::policy::{Policy, PolicyConfig};
use crate::server::{notary, registry};

/// `trust.accounts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsConfig {
    /// The accounts file.
    file: PathBuf,
    /// What this server is called in tokens.
    service: Option<String>,
    /// Where clients get tokens, if not from this server by the name that they have for it.
    realm: Option<String>,
}

/// The names that a server goes by in the names of collections.
pub(super) fn hosts(config: &Config, address: Option<SocketAddr>) -> Vec<String> {
    let mut hosts = config.hosts.clone();
    if let Some(address) = address {
        let own = host_text(address, &config.http.listen);
        let port = address.port();
        let local = config.http.listen.is_local() || address.ip().is_unspecified();
        let names = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
        let locals = names.into_iter().filter(|_| local);
        for host in std::iter::once(own).chain(locals) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

/// How callers are known. Files are read; a key that tokens are signed with is made if `create` and
/// there is none.
pub(super) fn auth_options(
    config: &Config,
    hosts: &[String],
    create: bool,
) -> Result<AuthOptions, StartError> {
    // Who asks through a proxy was found out before a request comes to its handlers.
    let proxies = Vec::new();
    if let Some(raw) = &config.accounts {
        if config.auth != AuthConfig::Open {
            return Err(raw.wrong("", "is one way to log in, and `auth` another").into());
        }
        let kind = Kind::Accounts(accounts(config, raw, hosts, create)?);
        return Ok(AuthOptions { kind, proxies });
    }
    let kind = match &config.auth {
        AuthConfig::Open => Kind::Open,
        AuthConfig::Htpasswd { realm, path } => Kind::Htpasswd(HtpasswdOptions {
            realm: realm.clone(),
            file: contents(path)?,
            grants: None,
            hosts: hosts.to_vec(),
        }),
        AuthConfig::Token(token) => {
            let path = || url::Url::parse(&token.realm).ok().map(|url| url.path().to_owned());
            let read = |path: &Option<PathBuf>| path.as_deref().map(contents).transpose();
            Kind::TokenServer(TokenServerOptions {
                realm: token.realm.clone(),
                redirect_here: if token.auto_redirect { path() } else { None },
                service: token.service.clone(),
                issuer: token.issuer.clone(),
                root_certificates: read(&token.root_cert_bundle)?,
                key_set: read(&token.jwks)?,
                algorithms: token.algorithms.clone(),
            })
        }
    };
    Ok(AuthOptions { kind, proxies })
}

fn accounts(
    config: &Config,
    raw: &Raw,
    hosts: &[String],
    create: bool,
) -> Result<AccountsOptions, StartError> {
    let accounts: AccountsConfig = raw.decode()?;
    let path = config.data.join(TOKEN_KEY);
    let signing_key = if files::exists(&path) {
        files::read_secret(&path, MAX_KEY_FILE_BYTES)?
    } else {
        let key = generate_signing_key()?;
        if create {
            files::create_secret(&path, &key)?;
        }
        key
    };
    let service = accounts.service.or_else(|| hosts.first().cloned());
    Ok(AccountsOptions {
        file: contents(&accounts.file)?,
        signing_key,
        service: service.unwrap_or_else(|| DEFAULT_SERVICE.to_owned()),
        realm: accounts.realm,
        hosts: hosts.to_vec(),
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, StartError> {
    Ok(files::read(path, MAX_SERVER_CONFIG_BYTES)?.to_vec())
}

/// What must be signed, and by whom. Files that it names are read.
pub(super) fn policy(config: &Config) -> Result<Policy, StartError> {
    let Some(raw) = &config.policy else { return Ok(Policy::default()) };
    let mut policy: PolicyConfig = raw.decode()?;
    let wrong = |error: crate::server::trust::policy::PolicyError| {
        raw.wrong(&error.member, format!("is wrong: {}", error.problem))
    };
    let read =
        |path: &Path| files::read_text(path, MAX_KEY_FILE_BYTES).map_err(std::io::Error::other);
    policy.read_files(read).map_err(wrong)?;
    Ok(Policy::from_config(&policy).map_err(wrong)?)
}

/// The server's keys.
pub(super) fn signer(config: &Config) -> Result<Signer, StartError> {
    unread(&[&config.signer])?;
    let path = config.data.join(MASTER_KEY);
    if !files::exists(&path) {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key).map_err(|_| SignerError::Random)?;
        let text = Zeroizing::new(format!("{}\n", to_hex(&*key)));
        files::create_secret(&path, text.as_bytes())?;
    }
    let text = files::read_secret(&path, MAX_KEY_FILE_BYTES)?;
    let wrong = || StartError::MasterKey { path: path.clone() };
    let text = std::str::from_utf8(&text).map_err(|_| wrong())?;
    let key = Zeroizing::new(from_hex(text.trim_end()).map_err(|_| wrong())?);
    let key: &[u8; 32] = key.as_slice().try_into().map_err(|_| wrong())?;
    Ok(Signer::Local(LocalSigner::new(MasterKey::new(key)?, Algorithm::default())))
}

/// How the registry behaves.
pub(super) fn registry_options(config: &Config) -> registry::Options {
    registry::Options {
        delete: config.registry.delete,
        read_only: config.registry.read_only,
        sparse: config.registry.sparse,
        immutable_tags: config.registry.immutable_tags.clone(),
        chunk_min_bytes: config.registry.chunk_min_bytes,
        ..registry::Options::default()
    }
}

/// How the notary server behaves.
pub(super) fn notary_options(config: &Config) -> notary::Options {
    notary::Options { gun_prefixes: config.gun_prefixes.clone(), ..notary::Options::default() }
}

/// Proxies whose word on the client's address is taken.
pub(super) fn proxies(config: &Config) -> Result<Vec<Network>, StartError> {
    let read = config.http.proxies.iter().map(|text| Network::parse(text));
    read.collect::<Result<_, _>>().map_err(|NetworkError { text }| {
        let problem =
            format!("has `{text}`, which is no network such as 10.0.0.0/8, and no address");
        ConfigError::of_list("trust.proxies", problem).into()
    })
}

/// Refuses sections that nobody reads: to pass over them in silence would be worse.
pub(super) fn unread(sections: &[&Option<Raw>]) -> Result<(), StartError> {
    match sections.iter().find_map(|section| section.as_ref()) {
        Some(section) => Err(section.wrong("", "is not supported").into()),
        None => Ok(()),
    }
}

/// Where a listener is, for an error.
pub(super) fn place(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => address.clone(),
        Listen::Unix(path) => path.display().to_string(),
    }
}

/// Where the server's small files are, below its folder of data.
const MASTER_KEY: &str = "master.key";
const TOKEN_KEY: &str = "token.key";
/// What a server without a name is called in its tokens.
const DEFAULT_SERVICE: &str = "trust";
