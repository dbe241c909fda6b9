//! Each part of a server from its part of the configuration: the one place where a key of the
//! configuration meets the module that it is for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::crypto::Passphrase;
use crate::limits::{MAX_KEY_FILE_BYTES, MAX_SERVER_CONFIG_BYTES};
use crate::server::auth::options::NetworkError;
use crate::server::auth::{
    AccountsOptions, HtpasswdOptions, Kind, Network, Options as AuthOptions, TokenServerOptions,
    generate_signing_key,
};
use crate::server::config::{AuthConfig, Config, ConfigError, Listen, Raw, host_text};
use crate::server::files;
use crate::server::signer::{
    Algorithm, LocalSigner, MasterSource, RemoteOptions, RemoteSigner, Signer,
};
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

/// `trust.signer` (spec/server-keys.md §2, §6).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SignerConfig {
    /// Where the master key is: `file:PATH`, `env:NAME` or `pkcs11:…`.
    masterkey: Option<String>,
    /// Where the one before is, while keys are sealed anew.
    previous: Option<String>,
    /// Which keys are made: `ed25519` or `ecdsa`.
    algorithm: Option<String>,
    /// A `notary-signer` that has the keys.
    remote: Option<RemoteConfig>,
}

/// `trust.signer.remote`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteConfig {
    /// Its host and port.
    address: String,
    /// The certificate of its authority.
    ca: PathBuf,
    /// Our certificate.
    certificate: PathBuf,
    /// Our private key.
    key: PathBuf,
}

/// The server's keys. A master key in a file is made if `create` and there is none; `variables`
/// finds variables of the environment.
pub(super) fn signer(
    config: &Config,
    create: bool,
    variables: &dyn Fn(&str) -> Option<Passphrase>,
) -> Result<Option<Signer>, StartError> {
    let raw = config.signer.as_ref();
    let said: SignerConfig = raw.map(Raw::decode).transpose()?.unwrap_or_default();
    let wrong = |key: &str, problem: &str| match raw {
        Some(raw) => StartError::from(raw.wrong(key, problem)),
        None => StartError::MasterKey { path: config.data.join(MASTER_KEY) },
    };
    let algorithm = match said.algorithm.as_deref() {
        None if said.remote.is_some() => Algorithm::Ecdsa,
        None | Some("ed25519") => Algorithm::Ed25519,
        Some("ecdsa") => Algorithm::Ecdsa,
        Some(_) => return Err(wrong("algorithm", "is neither `ed25519` nor `ecdsa`")),
    };
    if let Some(remote) = said.remote {
        if said.masterkey.is_some() || said.previous.is_some() {
            return Err(wrong("remote", "has the keys: there is no master key here"));
        }
        let options = RemoteOptions {
            address: remote.address,
            authorities: contents(&remote.ca)?,
            certificate: contents(&remote.certificate)?,
            key: files::read_secret(&remote.key, MAX_KEY_FILE_BYTES)?,
            algorithm,
        };
        return Ok(Some(Signer::Remote(RemoteSigner::new(&options)?)));
    }
    let source = match &said.masterkey {
        None => MasterSource::File(config.data.join(MASTER_KEY)),
        Some(text) => MasterSource::parse(text)?,
    };
    if create {
        source.create_if_missing()?;
    } else if let MasterSource::File(path) = &source
        && !files::exists(path)
    {
        return Ok(None);
    }
    let local = LocalSigner::new(source.load(variables)?, algorithm);
    let Some(previous) = &said.previous else { return Ok(Some(Signer::Local(local))) };
    let previous = MasterSource::parse(previous)?.load(variables)?;
    Ok(Some(Signer::Local(local.with_previous(vec![previous]))))
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
