//! A server in this process, and questions to it.

use std::any::Any;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::SignedDuration;
use serde_json::Value;
use sqlx::Connection;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use trust::clock::{Clock, SystemClock, Timestamp};
use trust::server::auth::Auth;
use trust::server::blobs::BlobStore;
use trust::server::meta::{MetaStore, Options};
use trust::server::metrics::Metrics;
use trust::server::signer::{Algorithm, LocalSigner, MasterKey, Signer};
use trust::server::trust::Gate;
use trust::server::{Server, http, notary, registry, service};

use crate::peers::certificates::Authority;
use crate::peers::postgres::{SharedPostgres, psql};

/// A server on a database and a folder of its own.
pub(crate) struct TestServer {
    /// The server itself.
    pub(crate) server: Arc<Server>,
    /// What it runs on.
    pub(crate) runtime: Runtime,
    /// Its folder.
    pub(crate) folder: Arc<TempDir>,
    /// What came in through its port, and the status of each answer.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    database: Option<Arc<PostgresDatabase>>,
}

/// A clock that tests set.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    /// A clock that stands still at the present instant.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemClock.now())))
    }

    /// Moves it by so many hours.
    pub(crate) fn go(&self, hours: i64) {
        self.go_seconds(hours * 3600);
    }

    /// Moves it by so many seconds.
    pub(crate) fn go_seconds(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: ::http::HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl TestServer {
    /// A server that asks nobody for a password and serves everything.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A server changed before it starts.
    pub(crate) fn with(change: impl FnOnce(&mut Server)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database = PostgresDatabase::if_wanted().map(Arc::new);
        Self::on(folder, database, change)
    }

    /// A server on PostgreSQL, wherever the others are: it may have a [`Self::twin`].
    pub(crate) fn on_postgres(change: impl FnOnce(&mut Server)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::on(folder, Some(Arc::new(PostgresDatabase::new())), change)
    }

    /// Another server on the same database and folder, as if in a process of its own.
    pub(crate) fn twin(&self, change: impl FnOnce(&mut Server)) -> Self {
        Self::on(Arc::clone(&self.folder), self.database.clone(), change)
    }

    fn on(
        folder: Arc<TempDir>,
        database: Option<Arc<PostgresDatabase>>,
        change: impl FnOnce(&mut Server),
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let options = options_of(database.as_deref(), &folder);
        let meta = runtime.block_on(MetaStore::open(&options)).unwrap();
        let mut server = server_on(meta, &folder);
        change(&mut server);
        Self { server: Arc::new(server), runtime, folder, log: Arc::default(), database }
    }

    /// Changes the server while nobody asks it anything.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Server)) {
        change(Arc::get_mut(&mut self.server).expect("nobody asks it anything"));
    }

    /// The server that comes next on the same database and folder: it knows nothing else.
    pub(crate) fn restarted(self) -> Self {
        self.restarted_with(|_| ())
    }

    /// The same, changed before it starts.
    pub(crate) fn restarted_with(mut self, change: impl FnOnce(&mut Server)) -> Self {
        let options = options_of(self.database.as_deref(), &self.folder);
        let meta = self.runtime.block_on(async {
            self.server.meta.close().await;
            MetaStore::open(&options).await.unwrap()
        });
        let mut server = server_on(meta, &self.folder);
        change(&mut server);
        self.server = Arc::new(server);
        self
    }

    /// Changes the database behind the server's back; `$1` stands for these bytes, if any.
    pub(crate) fn tamper(&self, statement: &'static str, bytes: Option<&[u8]>) {
        let url = self.database_url();
        self.runtime.block_on(async {
            let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
            let mut change = sqlx::query(statement);
            if let Some(bytes) = bytes {
                change = change.bind(bytes);
            }
            let done = change.execute(&mut connection).await.unwrap();
            assert!(done.rows_affected() > 0, "nothing to tamper with");
            connection.close().await.unwrap();
        });
    }

    /// Where its database is.
    pub(crate) fn database(&self) -> Options {
        options_of(self.database.as_deref(), &self.folder)
    }

    /// Runs a statement on its database, behind its back; how many rows were changed. `$1` and so
    /// on stand for these bytes.
    pub(crate) fn sql(&self, statement: &str, bytes: &[&[u8]]) -> u64 {
        let url = self.database_url();
        self.runtime.block_on(async {
            let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
            for bytes in bytes {
                query = query.bind(bytes.to_vec());
            }
            let done = query.execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            done.rows_affected()
        })
    }

    /// The address of its database, for those who write there by hand.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url.clone(),
            None => format!("sqlite://{}", self.folder.path().join("trust.db").display()),
        }
    }

    /// Sends GET.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    /// Sends a request. The path is sent as it is.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = ::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(http::full_body(body.into())).unwrap())
    }

    /// Sends a request made elsewhere.
    pub(crate) fn send(&self, request: http::Request) -> Answer {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.runtime.block_on(async {
            let response = service::respond(&self.server, request, peer, String::new()).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        })
    }

    /// Listens on a loopback port, plain HTTP/1.1, for as long as this value lives.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen_on(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Listens as [`Self::listen`] does, on a port that is known already.
    pub(crate) fn listen_on(&self, listener: std::net::TcpListener) -> SocketAddr {
        self.accept(listener, None)
    }

    /// Listens on a loopback port, over TLS, with a certificate for `localhost` of this authority.
    pub(crate) fn listen_tls(&self, authority: &Authority) -> SocketAddr {
        let config = authority.server_config(self.folder.path(), "server");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        self.accept(listener, Some(TlsAcceptor::from(config)))
    }

    fn accept(&self, listener: std::net::TcpListener, tls: Option<TlsAcceptor>) -> SocketAddr {
        let (server, log) = (Arc::clone(&self.server), Arc::clone(&self.log));
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = self.runtime.block_on(async { TcpListener::from_std(listener).unwrap() });
        self.runtime.spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else { continue };
                let (server, log) = (Arc::clone(&server), Arc::clone(&log));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(server, log, stream, peer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(server, log, stream, peer).await;
                            }
                        }
                    }
                });
            }
        });
        address
    }
}

async fn serve(
    server: Arc<Server>,
    log: Arc<Mutex<Vec<String>>>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
) {
    let answer = move |request: ::http::Request<Incoming>| {
        let (server, log) = (Arc::clone(&server), Arc::clone(&log));
        async move {
            let asked = format!("{} {}", request.method(), request.uri().path());
            let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
            let answer = service::respond(&server, request, peer.ip(), String::new()).await;
            log.lock().unwrap().push(format!("{asked} {}", answer.status().as_u16()));
            Ok::<_, Infallible>(answer)
        }
    };
    let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
}

fn options_of(database: Option<&PostgresDatabase>, folder: &TempDir) -> Options {
    match database {
        Some(database) => Options::Postgres(database.url.clone()),
        None => Options::Sqlite(folder.path().join("trust.db")),
    }
}

fn server_on(meta: MetaStore, folder: &TempDir) -> Server {
    let master = MasterKey::new(&[7; 32]).unwrap();
    Server {
        meta,
        blobs: BlobStore::new(&folder.path().join("content")),
        signer: Signer::Local(LocalSigner::new(master, Algorithm::Ed25519)),
        auth: Auth::open(),
        gate: Gate::default(),
        metrics: Metrics::default(),
        clock: Arc::new(SystemClock),
        registry: registry::Options::default(),
        notary: notary::Options::default(),
        turns: notary::publish::Turns::default(),
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.runtime.block_on(async {
            // Whoever still asks is not waited for.
            tokio::time::timeout(std::time::Duration::from_secs(2), self.server.meta.close())
                .await
                .ok();
        });
        drop(self.database.take());
    }
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The code of the first error; `None` if the body is no error's.
    pub(crate) fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body["errors"][0]["code"].as_str()?.to_owned())
    }
}

/// A database of one test on the PostgreSQL that `TRUST_TEST_POSTGRES` names, or on one that runs
/// for this process alone.
struct PostgresDatabase {
    url: String,
    name: String,
    admin: String,
    _cluster: Option<Arc<SharedPostgres>>,
}

impl PostgresDatabase {
    fn if_wanted() -> Option<Self> {
        let wanted = std::env::var("TRUST_TEST_DATABASE").ok()?;
        (wanted == "postgres").then(Self::new)
    }

    fn new() -> Self {
        let (admin, cluster) = if let Ok(address) = std::env::var("TRUST_TEST_POSTGRES") {
            (address, None)
        } else {
            let cluster = SharedPostgres::get();
            (cluster.address().to_owned(), Some(cluster))
        };
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        psql(&admin, &format!("CREATE DATABASE {name}"));
        Self { url: format!("{admin}/{name}"), name, admin, _cluster: cluster }
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        psql(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A new PostgreSQL database, for as long as the second value lives.
pub(crate) fn new_postgres() -> (Options, Box<dyn Any>) {
    let database = PostgresDatabase::new();
    (Options::Postgres(database.url.clone()), Box::new(database))
}
