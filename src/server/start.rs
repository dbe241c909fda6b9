//! From a [`Config`] to a server that runs, and what runs beside it until it ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::crypto::Passphrase;
use crate::server::auth::{Auth, AuthError};
use crate::server::blobs::BlobStore;
use crate::server::config::{Config, ConfigError, Listen, Scheme, certificate_names, host_text};
use crate::server::files::{self, FileError, FolderLock};
use crate::server::listen::{Front, FrontOptions, Listener, Socket, debug};
use crate::server::meta::upkeep::Hosts;
use crate::server::meta::{MetaError, MetaStore, Options as MetaOptions};
use crate::server::metrics::Metrics;
use crate::server::notary::publish::Turns;
use crate::server::signer::SignerError;
use crate::server::swap::Swap;
use crate::server::tls::{Authority, Files, Rules, TlsError};
use crate::server::trust::Gate;
use crate::server::upkeep::{self, gc, renewal};
use crate::server::{Server, assemble, logging};

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
    /// Callers cannot be known as configured.
    #[error("logins cannot be used")]
    Auth(#[from] AuthError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// A server that listens, and does not answer before it is run.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    config: Config,
    upkeep: gc::Options,
    listener: Listener,
    debug: Option<Listener>,
    tls: Option<Tls>,
    _lock: FolderLock,
}

/// A server that nobody can reach.
#[derive(Debug)]
pub struct Opened {
    server: Arc<Server>,
    _lock: FolderLock,
}

impl Opened {
    /// The server itself.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Closes the database.
    pub async fn close(self) {
        self.server.meta.close().await;
    }
}

/// The signals that a server obeys.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Waits for them from now on: none that comes before [`Running::run`] is lost, or ends the
    /// process.
    pub fn new() -> Result<Self, StartError> {
        let on = |kind| signal(kind).map_err(StartError::Signals);
        Ok(Self {
            hangup: on(SignalKind::hangup())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    /// Waits until the process is told to end.
    pub async fn told_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
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
///
/// `variables` finds variables of the environment that the configuration names.
pub async fn start(
    config: Config,
    clock: Arc<dyn Clock>,
    variables: &(dyn Fn(&str) -> Option<Passphrase> + Sync),
) -> Result<Running, StartError> {
    let lock = FolderLock::take(&config.data)?;
    let tls = match &config.http.scheme {
        Scheme::Plain { .. } => None,
        Scheme::Tls { files, rules } => Some(Tls::start(&config, files.as_ref(), rules, &*clock)?),
    };
    let mut upkeep = upkeep::config::options(&config)?;
    let socket = match &config.http.listen {
        Listen::Tcp(address) => Socket::tcp(address).await,
        Listen::Unix(path) => Socket::unix(path),
    };
    let socket = socket.map_err(|cause| not_listening(&config.http.listen, cause))?;
    let hosts = assemble::hosts(&config, socket.address());
    upkeep.hosts = Hosts(hosts.clone());
    let server = Arc::new(server_of(&config, &hosts, clock, variables).await?);
    let front = Front::new(Arc::clone(&server), front_options(&config)?, config.limits.clone());
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
    Ok(Running { server, config, upkeep, listener, debug, tls, _lock: lock })
}

/// The server of a configuration: its database, its content, its keys.
async fn server_of(
    config: &Config,
    hosts: &[String],
    clock: Arc<dyn Clock>,
    variables: &(dyn Fn(&str) -> Option<Passphrase> + Sync),
) -> Result<Server, StartError> {
    if config.database.is_none() {
        // SQLite gives its other files the same rights.
        files::ensure_private(&config.data.join(DATABASE))?;
    }
    let database = match &config.database {
        Some(url) => MetaOptions::Postgres(url.expose().to_owned()),
        None => MetaOptions::Sqlite(config.data.join(DATABASE)),
    };
    let meta = MetaStore::open(&database).await?.with_answers_in_memory();
    files::make_folder(&config.content)?;
    Ok(Server {
        meta,
        blobs: BlobStore::new(&config.content),
        signer: assemble::signer(config, true, variables)?.ok_or(SignerError::Missing)?,
        auth: Auth::new(assemble::auth_options(config, hosts, true)?, Arc::clone(&clock))?,
        gate: Gate::new(assemble::policy(config)?, hosts.to_vec()).with_clock(Arc::clone(&clock)),
        metrics: Metrics::default(),
        clock,
        registry: assemble::registry_options(config),
        notary: assemble::notary_options(config),
        turns: Turns::default(),
    })
}

/// Opens what a server has stored, and its keys, without listening: for what is done to it while
/// nobody is served. The folder is locked as long as it is open.
pub async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    variables: &(dyn Fn(&str) -> Option<Passphrase> + Sync),
) -> Result<Opened, StartError> {
    let lock = FolderLock::take(&config.data)?;
    let hosts = assemble::hosts(config, None);
    let server = Arc::new(server_of(config, &hosts, clock, variables).await?);
    Ok(Opened { server, _lock: lock })
}

/// Tells whether a configuration would do, as far as that is known without starting: files are
/// read, and nothing is made.
pub fn check(
    config: &Config,
    variables: &dyn Fn(&str) -> Option<Passphrase>,
) -> Result<(), StartError> {
    if let Scheme::Tls { files: Some(files), rules } = &config.http.scheme {
        rules.server_config(files)?;
    }
    Auth::new(assemble::auth_options(config, &config.hosts, false)?, Arc::new(SystemClock))?;
    assemble::policy(config)?;
    assemble::proxies(config)?;
    assemble::signer(config, false, variables)?;
    upkeep::config::options(config)?;
    Ok(())
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
        signals: Signals,
        read: impl Fn() -> Result<Config, ConfigError> + Send,
    ) -> Result<(), StartError> {
        let Signals { mut hangup, mut terminate, mut interrupt } = signals;
        let (stop, stopped) = watch::channel(false);
        let (server, tls, config) =
            (Arc::clone(&self.server), self.tls.clone(), self.config.clone());
        let hosts = assemble::hosts(&config, self.address());
        let mut serving = std::pin::pin!(self.run_until(stopped));
        loop {
            tokio::select! {
                () = serving.as_mut() => return Ok(()),
                _ = hangup.recv() => {
                    reload(&server, tls.as_ref(), &config, &hosts, &read);
                }
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
        let Self { server, config, upkeep, listener, debug, tls, _lock } = self;
        let drain = config.http.drain;
        let mut beside = beside(&server, &config, upkeep, tls);
        if let Some(debug) = debug {
            if let Some(address) = debug.address() {
                tracing::info!(%address, "health and metrics are at an address of their own");
            }
            // Whoever watches learns of the end as well, but is not waited for.
            beside.spawn(debug.run(stopped.clone(), Duration::ZERO));
        }
        listener.run(stopped, drain).await;
        beside.shutdown().await;
        server.meta.close().await;
    }
}

/// What runs beside the answers: the one list of it.
fn beside(
    server: &Arc<Server>,
    config: &Config,
    upkeep: gc::Options,
    tls: Option<Tls>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let (Some(tls), Scheme::Tls { rules, .. }) = (tls, &config.http.scheme) {
        tasks.spawn(renew_certificate(Arc::clone(server), tls, rules.clone()));
    }
    tasks.spawn(renewal::run(Arc::clone(server)));
    if !config.registry.read_only {
        tasks.spawn(gc::run_forever(Arc::clone(server), upkeep));
    }
    tasks.spawn(return_tags(Arc::clone(server)));
    tasks
}

/// Sets tags back that were not signed in time.
async fn return_tags(server: Arc<Server>) {
    loop {
        tokio::time::sleep(TAGS_LOOK).await;
        match server.gate.return_tags(&server.meta).await {
            Ok(0) => {}
            Ok(returned) => tracing::info!(returned, "tags were set back: nobody signed them"),
            Err(error) => log(&error, "tags that nobody signed are not set back"),
        }
    }
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
    hosts: &[String],
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
    let logins = assemble::auth_options(&config, hosts, true);
    if let Err(error) = logins.and_then(|options| Ok(server.auth.reload(options)?)) {
        worked = false;
        log(&error, "logins were not reloaded: they are as before");
    }
    match assemble::policy(&config) {
        Ok(policy) => server.gate.reload(policy),
        Err(error) => {
            worked = false;
            log(&error, "the policy was not reloaded: it is as before");
        }
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

fn front_options(config: &Config) -> Result<FrontOptions, StartError> {
    let mut headers = Vec::new();
    for (name, values) in &config.http.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let values = values.iter().map(|value| HeaderValue::from_str(value));
        // What cannot be sent was refused when the configuration was read.
        let Ok(name) = name else { continue };
        headers.extend(values.flatten().map(|value| (name.clone(), value)));
    }
    Ok(FrontOptions {
        links: config.http.links.clone(),
        headers,
        metrics: config.http.metrics,
        metrics_path: None,
        unready_files: config.health.files.clone(),
        health_only: false,
        access_log: config.access_log,
        proxies: assemble::proxies(config)?,
    })
}

fn not_listening(listen: &Listen, cause: std::io::Error) -> StartError {
    StartError::Listen { address: assemble::place(listen), cause }
}

/// Where the server's small files are, below its folder of data.
const DATABASE: &str = "trust.db";
/// How often is looked whether tags wait too long for a signature.
const TAGS_LOOK: Duration = Duration::from_mins(1);
/// How often is looked whether the certificate ends soon.
const CERTIFICATE_LOOK: Duration = Duration::from_hours(6);
