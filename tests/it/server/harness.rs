//! A server in this process, and questions to it.

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
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use trust::clock::{Clock, SystemClock, Timestamp};
use trust::server::auth::Auth;
use trust::server::blobs::BlobStore;
use trust::server::meta::{MetaStore, Options};
use trust::server::metrics::Metrics;
use trust::server::signer::{Algorithm, LocalSigner, MasterKey, Signer};
use trust::server::trust::Gate;
use trust::server::{Server, http, notary, registry, service};

use crate::peers::postgres::{SharedPostgres, psql};

/// A server on a database and a folder of its own.
pub(crate) struct TestServer {
    /// The server itself.
    pub(crate) server: Arc<Server>,
    /// What it runs on.
    pub(crate) runtime: Runtime,
    /// Its folder.
    pub(crate) folder: TempDir,
    database: Option<PostgresDatabase>,
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
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_hours(hours)).unwrap();
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
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let database = PostgresDatabase::if_wanted();
        let options = match &database {
            Some(database) => Options::Postgres(database.url.clone()),
            None => Options::Sqlite(folder.path().join("trust.db")),
        };
        let meta = runtime.block_on(MetaStore::open(&options)).unwrap();
        let master = MasterKey::new(&[7; 32]).unwrap();
        let mut server = Server {
            meta,
            blobs: BlobStore::new(&folder.path().join("content")),
            signer: Signer::Local(LocalSigner::new(master, Algorithm::Ed25519)),
            auth: Auth::open(),
            gate: Gate::default(),
            metrics: Metrics::default(),
            clock: Arc::new(SystemClock),
            registry: registry::Options::default(),
            notary: notary::Options::default(),
        };
        change(&mut server);
        Self { server: Arc::new(server), runtime, folder, database }
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
        let server = Arc::clone(&self.server);
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        self.runtime.spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else { continue };
                let server = Arc::clone(&server);
                let answer = move |request: ::http::Request<Incoming>| {
                    let server = Arc::clone(&server);
                    async move {
                        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                        let answer =
                            service::respond(&server, request, peer.ip(), String::new()).await;
                        Ok::<_, Infallible>(answer)
                    }
                };
                tokio::spawn(async move {
                    let connection =
                        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    connection
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                        .await
                        .ok();
                });
            }
        });
        address
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
        if std::env::var("TRUST_TEST_DATABASE").ok()? != "postgres" {
            return None;
        }
        let (admin, cluster) = match std::env::var("TRUST_TEST_POSTGRES") {
            Ok(address) => (address, None),
            Err(_) => {
                let cluster = SharedPostgres::get();
                (cluster.address().to_owned(), Some(cluster))
            }
        };
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        psql(&admin, &format!("CREATE DATABASE {name}"));
        Some(Self { url: format!("{admin}/{name}"), name, admin, _cluster: cluster })
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        psql(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}
