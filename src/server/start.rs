//! From a [`Config`] to a server that runs, and what runs beside it until it ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::codec::text::{from_hex, to_hex};
use crate::server::auth::Auth;
use crate::server::blobs::BlobStore;
use crate::server::config::{
    AuthConfig, Config, ConfigError, Listen, Raw, Scheme, certificate_names, host_text,
};
use crate::server::files::{self, FileError, FolderLock};
use crate::server::listen::{Front, FrontOptions, Listener, Socket, debug};
use crate::server::logging;
use crate::server::meta::{MetaError, MetaStore, Options as MetaOptions};
use crate::server::metrics::Metrics;
use crate::server::signer::{Algorithm, LocalSigner, MasterKey, Signer, SignerError};
use crate::server::swap::Swap;
use crate::server::tls::{Authority, Files, Rules, TlsError};
use crate::server::trust::Gate;
use crate::server::{Server, notary, registry};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file cannot be read or written, or another server has the folder.
    #[error(transparent)]
    Files(#[from] FileError),
    /// TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database cannot be used.
    #[error("cannot open the database")]
    Meta(#[from] MetaError),
    /// The signing keys cannot be used.
    #[error("cannot use the signing keys")]
    Signer(#[from] SignerError),
    /// The master key is damaged.
    #[error("{} holds no master key", path.display())]
    MasterKey {
        /// Its file.
        path: PathBuf,
    },
    /// The configuration is wrong in a way that only its reader finds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody can listen there.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// A server that listens, and does not answer before it is run.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    config: Config,
    listener: Listener,
    debug: Option<Listener>,
    tls: Option<Tls>,
    _lock: FolderLock,
}

/// What shows certificates, and where they come from.
#[derive(Debug, Clone)]
struct Tls {
    current: Arc<Swap<Arc<rustls::ServerConfig>>>,
    authority: Option<Authority>,
}

/// What a client must know of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// The host and port that references begin with; a path if it is a socket of this machine.
    pub host: String,
    /// The certificate of the server's own authority, if it has one.
    pub authority: Option<PathBuf>,
}

/// Prepares everything: the folder, the database, the keys, the certificate, the sockets. Nothing is
/// answered before [`Running::run`]; connections made in between wait.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let lock = FolderLock::take(&config.data)?;
    let tls = match &config.http.scheme {
        Scheme::Plain { .. } => None,
        Scheme::Tls { files, rules } => Some(Tls::start(&config, files.as_ref(), rules, &*clock)?),
    };
    if config.database.is_none() {
        // SQLite gives its other files the same rights.
        files::ensure_private(&config.data.join(DATABASE))?;
    }
    let database = match &config.database {
        Some(url) => MetaOptions::Postgres(url.expose().to_owned()),
        None => MetaOptions::Sqlite(config.data.join(DATABASE)),
    };
    let meta = MetaStore::open(&database).await?;
    files::make_folder(&config.content)?;
    let server = Arc::new(Server {
        meta,
        blobs: BlobStore::new(&config.content),
        signer: signer(&config)?,
        auth: auth(&config)?,
        gate: gate(&config)?,
        metrics: Metrics::default(),
        clock,
        registry: registry_options(&config),
        notary: notary_options(&config),
    });
    unwired(&[&config.upkeep, &config.retention, &config.immutable])?;
    let socket = match &config.http.listen {
        Listen::Tcp(address) => Socket::tcp(address).await,
        Listen::Unix(path) => Socket::unix(path),
    };
    let socket = socket.map_err(|cause| not_listening(&config.http.listen, cause))?;
    let front = Front::new(Arc::clone(&server), front_options(&config), config.limits.clone());
    let listener = Listener::new(
        socket,
        Arc::new(front),
        tls.as_ref().map(|tls| Arc::clone(&tls.current)),
        config.limits.clone(),
        config.http.http2,
    );
    let debug = match &config.http.debug {
        None => None,
        Some(options) => {
            let listen = Listen::Tcp(options.address.clone());
            let socket = Socket::tcp(&options.address).await;
            let socket = socket.map_err(|cause| not_listening(&listen, cause))?;
            let front = debug::front(Arc::clone(&server), options, &config);
            Some(Listener::new(socket, Arc::new(front), None, config.limits.clone(), false))
        }
    };
    Ok(Running { server, config, listener, debug, tls, _lock: lock })
}

/// Tells whether a configuration would do, as far as that is known without starting: files are
/// read, and nothing is made.
pub fn check(config: &Config) -> Result<(), StartError> {
    if let Scheme::Tls { files: Some(files), rules } = &config.http.scheme {
        rules.server_config(files)?;
    }
    auth(config)?;
    gate(config)?;
    unwired(&[&config.signer, &config.upkeep, &config.retention, &config.immutable])
}

impl Running {
    /// The address of the listener, if it is TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    /// What a client must know.
    pub fn reach(&self) -> Reach {
        let host = match (self.address(), &self.config.http.listen) {
            (Some(address), listen) => host_text(address, listen),
            (None, Listen::Unix(path)) => path.display().to_string(),
            (None, Listen::Tcp(address)) => address.clone(),
        };
        let authority = self.tls.as_ref().and_then(|tls| tls.authority.as_ref());
        Reach {
            scheme: if self.tls.is_some() { "https" } else { "http" },
            host,
            authority: authority.map(Authority::certificate),
        }
    }

    /// The server itself.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Answers until SIGTERM or SIGINT, and then until what is in flight has ended. At SIGHUP the
    /// configuration is read again with `read`.
    pub async fn run(
        self,
        read: impl Fn() -> Result<Config, ConfigError> + Send,
    ) -> Result<(), StartError> {
        let on = |kind| signal(kind).map_err(StartError::Signals);
        let (mut hangup, mut terminate, mut interrupt) =
            (on(SignalKind::hangup())?, on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let (stop, stopped) = watch::channel(false);
        let (server, tls, config) =
            (Arc::clone(&self.server), self.tls.clone(), self.config.clone());
        let mut serving = std::pin::pin!(self.run_until(stopped));
        loop {
            tokio::select! {
                () = serving.as_mut() => return Ok(()),
                _ = hangup.recv() => reload(&server, tls.as_ref(), &config, &read),
                () = either(&mut terminate, &mut interrupt) => break,
            }
        }
        tracing::info!("told to end: no further connection is taken");
        stop.send_replace(true);
        tokio::select! {
            () = serving.as_mut() => {}
            () = either(&mut terminate, &mut interrupt) => {
                tracing::warn!("told to end again: what is in flight is given up");
            }
        }
        Ok(())
    }

    /// Answers until `stopped` is true, and then until what is in flight has ended.
    pub async fn run_until(self, stopped: watch::Receiver<bool>) {
        let Self { server, config, listener, debug, tls, _lock } = self;
        let drain = config.http.drain;
        let mut beside = beside(&server, &config, tls);
        if let Some(debug) = debug {
            // Whoever watches learns of the end as well, but is not waited for.
            beside.spawn(debug.run(stopped.clone(), Duration::ZERO));
        }
        listener.run(stopped, drain).await;
        beside.shutdown().await;
        server.meta.close().await;
    }
}

/// What runs beside the answers: the one list of it.
fn beside(server: &Arc<Server>, config: &Config, tls: Option<Tls>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let (Some(tls), Scheme::Tls { rules, .. }) = (tls, &config.http.scheme) {
        tasks.spawn(renew_certificate(Arc::clone(server), tls, rules.clone()));
    }
    tasks
}

/// Renews the certificate of the server's own authority ahead of its end.
async fn renew_certificate(server: Arc<Server>, tls: Tls, rules: Rules) {
    let Some(authority) = tls.authority.clone() else { return };
    loop {
        tokio::time::sleep(CERTIFICATE_LOOK).await;
        match authority.renew(server.clock.now()) {
            Ok(false) => {}
            Ok(true) => {
                let shown = tls.show(&authority.files(), &rules);
                server.metrics.renewed("certificate", shown.is_ok());
                match shown {
                    Ok(()) => tracing::info!("the server's certificate was renewed"),
                    Err(error) => log(&error, "the renewed certificate cannot be shown"),
                }
            }
            Err(error) => {
                server.metrics.renewed("certificate", false);
                log(&error, "the server's certificate cannot be renewed");
            }
        }
    }
}

/// Takes what can change while a server runs from its configuration, read anew: certificates,
/// logins, policy and the log's level. What is wrong stays as it was.
fn reload(
    server: &Arc<Server>,
    tls: Option<&Tls>,
    running: &Config,
    read: &(impl Fn() -> Result<Config, ConfigError> + Send),
) {
    let config = match read() {
        Ok(config) => config,
        Err(error) => {
            server.metrics.reloaded(false);
            return log(&error, "the configuration was not reloaded: it is as before");
        }
    };
    logging::set_level(config.log.level);
    let mut worked = true;
    if let (Some(tls), Scheme::Tls { files, rules }) = (tls, &config.http.scheme) {
        let files = files.clone().or_else(|| tls.authority.as_ref().map(Authority::files));
        let shown = files.map_or(Ok(()), |files| tls.show(&files, rules));
        if let Err(error) = shown {
            worked = false;
            log(&error, "the certificate was not reloaded: it is as before");
        }
    }
    if let Err(error) = auth(&config) {
        worked = false;
        log(&error, "logins were not reloaded: they are as before");
    }
    if let Err(error) = gate(&config) {
        worked = false;
        log(&error, "the policy was not reloaded: it is as before");
    }
    if config.http.listen != running.http.listen || config.data != running.data {
        tracing::warn!("addresses and folders change with the next start only");
    }
    server.metrics.reloaded(worked);
    tracing::info!(worked, "the configuration was read again");
}

fn log(error: &(dyn std::error::Error + 'static), words: &'static str) {
    tracing::error!(error, "{words}");
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

impl Tls {
    fn start(
        config: &Config,
        files: Option<&Files>,
        rules: &Rules,
        clock: &dyn Clock,
    ) -> Result<Self, StartError> {
        let (files, authority) = if let Some(files) = files {
            (files.clone(), None)
        } else {
            let names = certificate_names(&names_of(config));
            let authority = Authority::new(&config.data, &names);
            authority.renew(clock.now())?;
            (authority.files(), Some(authority))
        };
        let current = rules.server_config(&files)?;
        Ok(Self { current: Arc::new(Swap::new(Arc::new(current))), authority })
    }

    fn show(&self, files: &Files, rules: &Rules) -> Result<(), TlsError> {
        self.current.store(Arc::new(rules.server_config(files)?));
        Ok(())
    }
}

/// The names of a server, that it listens on among them if it is one.
fn names_of(config: &Config) -> Vec<String> {
    let mut names = config.hosts.clone();
    if let Listen::Tcp(address) = &config.http.listen
        && let Some((host, _)) = address.rsplit_once(':')
    {
        let host = host.trim_matches(['[', ']']);
        let is_any = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if !host.is_empty() && !is_any {
            names.push(host.to_owned());
        }
    }
    names
}

fn signer(config: &Config) -> Result<Signer, StartError> {
    unwired(&[&config.signer])?;
    let path = config.data.join(MASTER_KEY);
    if !files::exists(&path) {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key).map_err(|_| SignerError::Random)?;
        let text = Zeroizing::new(format!("{}\n", to_hex(&*key)));
        files::create_secret(&path, text.as_bytes())?;
    }
    let text = files::read_secret(&path, MASTER_KEY_BYTES)?;
    let wrong = || StartError::MasterKey { path: path.clone() };
    let text = std::str::from_utf8(&text).map_err(|_| wrong())?;
    let key = Zeroizing::new(from_hex(text.trim_end()).map_err(|_| wrong())?);
    let key: &[u8; 32] = key.as_slice().try_into().map_err(|_| wrong())?;
    Ok(Signer::Local(LocalSigner::new(MasterKey::new(key)?, Algorithm::default())))
}

fn auth(config: &Config) -> Result<Auth, StartError> {
    unwired(&[&config.accounts])?;
    match &config.auth {
        AuthConfig::Open => Ok(Auth::open()),
        AuthConfig::Htpasswd { path, .. } => {
            files::read(path, crate::limits::MAX_SERVER_CONFIG_BYTES)?;
            Err(not_supported("auth.htpasswd"))
        }
        AuthConfig::Token(_) => Err(not_supported("auth.token")),
    }
}

fn gate(config: &Config) -> Result<Gate, StartError> {
    unwired(&[&config.policy])?;
    Ok(Gate::default())
}

fn registry_options(config: &Config) -> registry::Options {
    registry::Options {
        delete: config.registry.delete,
        read_only: config.registry.read_only,
        ..registry::Options::default()
    }
}

fn notary_options(config: &Config) -> notary::Options {
    notary::Options { gun_prefixes: config.gun_prefixes.clone(), ..notary::Options::default() }
}

fn front_options(config: &Config) -> FrontOptions {
    let mut headers = Vec::new();
    for (name, values) in &config.http.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let values = values.iter().map(|value| HeaderValue::from_str(value));
        // What cannot be sent was refused when the configuration was read.
        let Ok(name) = name else { continue };
        headers.extend(values.flatten().map(|value| (name.clone(), value)));
    }
    FrontOptions {
        links: config.http.links.clone(),
        headers,
        metrics: config.http.metrics,
        metrics_path: None,
        health_only: false,
        access_log: config.access_log,
        proxies: config.http.proxies.clone(),
    }
}

/// Refuses sections that nobody reads: to pass over them in silence would be worse.
fn unwired(sections: &[&Option<Raw>]) -> Result<(), StartError> {
    match sections.iter().find_map(|section| section.as_ref()) {
        Some(section) => Err(section.wrong("", "is not supported").into()),
        None => Ok(()),
    }
}

fn not_supported(path: &'static str) -> StartError {
    ConfigError::Missing { path, reason: "it is not supported" }.into()
}

fn not_listening(listen: &Listen, cause: std::io::Error) -> StartError {
    let address = match listen {
        Listen::Tcp(address) => address.clone(),
        Listen::Unix(path) => path.display().to_string(),
    };
    StartError::Listen { address, cause }
}

/// Where the server's small files are, below its folder of data.
const DATABASE: &str = "trust.db";
const MASTER_KEY: &str = "master.key";
/// More than a key in hex, in bytes.
const MASTER_KEY_BYTES: u64 = 128;
/// How often is looked whether the certificate ends soon.
const CERTIFICATE_LOOK: Duration = Duration::from_hours(6);
