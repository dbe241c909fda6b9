//! A notary server's client: one repository on one server (notary.md §3).

use std::sync::Arc;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;
use uuid::Uuid;

use crate::client::auth::Authenticator;
use crate::client::http::{Answer, Request};
use crate::client::{CredentialSource, HttpClient, TransportError};
use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::crypto::PublicKey;
use crate::limits::{
    MAX_CHANGEFEED_BYTES, MAX_ERROR_BODY_BYTES, MAX_KEY_FILE_BYTES, MAX_TIMESTAMP_BYTES,
};
use crate::tuf::{Gun, RoleName};
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
use crate::wire::form::{FormWriter, content_type};
use crate::wire::import::{Imported, encode as encode_import};
use crate::wire::notary::{
    ALL_CHANGES_PATH, ARCHIVE_HEADER, Changefeed, HEALTH_PATH, NotaryErrorBody, changefeed_path,
    collection_path, file_name, import_path, key_name,
};
use crate::wire::signed_push::{SignedPush, encode, signed_push_path};

pub use crate::wire::notary::FileVersion;

/// One repository on one notary server (notary.md §3).
#[derive(Debug)]
pub struct NotaryClient {
    base: Url,
    server: String,
    gun: Gun,
    actions: String,
    http: HttpClient,
    auth: Authenticator,
    rests_apart: bool,
}

/// What a server said when it was asked for the present timestamp.
#[derive(Debug)]
pub struct Probe {
    /// What time it has, as the head of any answer says; none if it does not.
    pub time: Option<Timestamp>,
    /// What it answered instead of the timestamp.
    pub refused: Option<TransportError>,
    /// Whether it says that the timestamp is another server's, which it cannot renew.
    pub is_archive: bool,
}

/// What a notary server answers instead of doing what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// 404.
    #[error("{server} has no {file} for {gun}{}", seen.remark())]
    NotFound {
        /// The server's host and port.
        server: String,
        /// The repository.
        gun: String,
        /// The file asked for.
        file: String,
        /// What came with the 404.
        seen: NotFoundBody,
    },
    /// Somebody published first (`VERSION`, or `INVALID_UPDATE` naming a root version).
    #[error("{server} has a newer version already: {message}")]
    Conflict {
        /// The server's host and port.
        server: String,
        /// What it says.
        message: String,
    },
    /// A 400 with a code; `name` as `ErrBadRoot`… when given.
    #[error("{server} rejected the update: {message}")]
    Rejected {
        /// The server's host and port.
        server: String,
        /// The code, such as `INVALID_UPDATE`.
        code: String,
        /// Which rule is broken, such as `ErrBadTargets`.
        name: Option<String>,
        /// What it says.
        message: String,
    },
    /// The network, or an answer that is not a notary server's.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// What came with a 404: who answers tells a missing file from a wrong address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFoundBody {
    /// A notary server's own error.
    Notary,
    /// A web page.
    Html,
    /// Something else, or nothing.
    Other,
}

impl NotFoundBody {
    fn of(answer: &Answer) -> Self {
        if NotaryErrorBody::parse(&answer.body).is_some() {
            Self::Notary
        } else if is_html(answer.content_type(), &answer.body) {
            Self::Html
        } else {
            Self::Other
        }
    }

    const fn remark(self) -> &'static str {
        match self {
            Self::Notary => "",
            Self::Html => " (it answered 404 with an HTML page: is this a notary server?)",
            Self::Other => " (it answered 404 without a notary server's error: is it one?)",
        }
    }
}

impl NotaryClient {
    /// Returns a client that connects when it is first used.
    ///
    /// `base` may have a path; `actions` is the token scope: `pull`, `pull,push`, `push,pull` or
    /// `*`. Operations that need `*` ask for it themselves.
    pub fn new(
        base: Url,
        gun: &Gun,
        actions: &str,
        http: HttpClient,
        credentials: Arc<dyn CredentialSource>,
    ) -> Self {
        let base = as_folder(base);
        Self {
            server: server_name(&base),
            base,
            gun: gun.clone(),
            actions: actions.to_owned(),
            http,
            auth: Authenticator::new(credentials),
            rests_apart: false,
        }
    }

    /// The same client for whoever asks for much: that the server is busy is an error at once
    /// ([`TransportError::Busy`]), so that all questions can wait as long as it says, not only the
    /// one that was put.
    #[must_use]
    pub fn without_rests(self) -> Self {
        Self { rests_apart: true, ..self }
    }

    /// Fetches a file, its bytes exactly as received, at most `limit` of them (more is
    /// [`TransportError::TooLarge`]).
    pub async fn file(
        &self,
        role: &RoleName,
        version: FileVersion,
        limit: u64,
    ) -> Result<Vec<u8>, NotaryError> {
        let name = file_name(role, version);
        let request = Request::get(self.address(&name)?, limit);
        let answer = self.send(request, &self.actions).await?;
        let answer = self.expect(answer, &name)?;
        // The page of a proxy that wants a login, say, is no file that somebody tampered with.
        if is_html(answer.content_type(), &answer.body) {
            return Err(answer.bad("it is an HTML page").into());
        }
        Ok(answer.body)
    }

    /// Fetches the public key the server signs `snapshot` or `timestamp` with.
    pub async fn server_key(&self, role: &RoleName) -> Result<PublicKey, NotaryError> {
        self.key(Method::GET, role, &self.actions).await
    }

    /// Makes the server use a new key for `snapshot` or `timestamp`, once a root lists it.
    pub async fn rotate_server_key(&self, role: &RoleName) -> Result<PublicKey, NotaryError> {
        self.key(Method::POST, role, ALL_ACTIONS).await
    }

    /// Publishes these files, all or none (notary.md §3.2).
    pub async fn publish(&self, files: &[(RoleName, Vec<u8>)]) -> Result<(), NotaryError> {
        let boundary = Uuid::new_v4().simple().to_string();
        let mut request = form(Method::POST, self.address("")?, &boundary);
        let mut body = FormWriter::new(&boundary);
        body.trust_files(files);
        request.body = body.finish().into();
        let answer = self.send(request, &self.actions).await?;
        self.expect(answer, "collection").map(|_| ())
    }

    /// Publishes these files, and pushes the manifests and the tag that they sign, all or none
    /// (`spec/signed-push.md`). The server must be the image's registry as well.
    pub async fn push(
        &self,
        push: &SignedPush,
        files: &[(RoleName, Vec<u8>)],
    ) -> Result<(), NotaryError> {
        let boundary = Uuid::new_v4().simple().to_string();
        let url = self.join(&signed_push_path(&push.repository))?;
        let mut request = form(Method::POST, url, &boundary);
        request.body = encode(&boundary, &self.gun, push, files).into();
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
        // It is both to the registry and to the notary server.
        let image = repository_scope(&push.repository, "pull,push");
        let scope = format!("{image} {}", repository_scope(self.gun.as_str(), &self.actions));
        let answer = self.auth.send(&self.http, request, &scope).await?;
        self.expect(answer, "image").map(|_| ())
    }

    /// Brings files of a collection as they are, of any versions; `feed` is a page of the changefeed
    /// of where it comes from (`spec/carry-on.md`). A server that does not know this answers
    /// [`NotaryError::NotFound`].
    pub async fn import(
        &self,
        files: &[(RoleName, Vec<u8>)],
        feed: Option<&[u8]>,
    ) -> Result<Imported, NotaryError> {
        let boundary = Uuid::new_v4().simple().to_string();
        let url = self.join(&import_path(&self.gun))?;
        let mut request = form(Method::POST, url, &boundary);
        request.body = encode_import(&boundary, files, feed).into();
        let answer = self.send(request, ALL_ACTIONS).await?;
        let answer = self.expect(answer, "import")?;
        let imported = serde_json::from_slice(&answer.body);
        imported.map_err(|error| answer.bad(format!("it is not well-formed: {error}")).into())
    }

    /// Deletes all of the repository's trust data from the server.
    pub async fn delete(&self) -> Result<(), NotaryError> {
        let request = Request::new(Method::DELETE, self.address("")?, MAX_ERROR_BODY_BYTES);
        let answer = self.send(request, ALL_ACTIONS).await?;
        self.expect(answer, "collection").map(|_| ())
    }

    /// Fetches one page of this repository's changes (notary.md §3.7).
    ///
    /// `after` is the id of a change, `0` for the oldest on or `-1` for the newest back; a
    /// negative `records` goes backwards.
    pub async fn changefeed(&self, after: &str, records: i32) -> Result<Changefeed, NotaryError> {
        let scope = repository_scope(self.gun.as_str(), &self.actions);
        self.changes(&changefeed_path(&self.gun), after, records, &scope).await
    }

    /// Fetches one page of the changes of all repositories, as [`Self::changefeed`]; few may.
    pub async fn all_changes(&self, after: &str, records: i32) -> Result<Changefeed, NotaryError> {
        self.changes(ALL_CHANGES_PATH, after, records, CATALOG_SCOPE).await
    }

    async fn changes(
        &self,
        path: &str,
        after: &str,
        records: i32,
        scope: &str,
    ) -> Result<Changefeed, NotaryError> {
        let mut url = self.join(path)?;
        url.query_pairs_mut()
            .append_pair("change_id", after)
            .append_pair("records", &records.to_string());
        let request = self.fresh(Request::get(url, MAX_CHANGEFEED_BYTES));
        let answer = self.auth.send(&self.http, request, scope).await?;
        let answer = self.expect(answer, "changefeed")?;
        let feed = Changefeed::parse(&answer.body);
        feed.map_err(|error| {
            answer.bad(format!("the changefeed is not well-formed: {error}")).into()
        })
    }

    /// Asks whether the server is well.
    pub async fn health(&self) -> Result<(), NotaryError> {
        let request = Request::get(self.join(HEALTH_PATH)?, MAX_ERROR_BODY_BYTES);
        let answer = self.http.send(&request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(answer.error().into())
    }

    /// Asks whether the server hands out the present timestamp, and what time it has.
    pub async fn probe(&self) -> Result<Probe, NotaryError> {
        let name = file_name(&RoleName::Timestamp, FileVersion::Current);
        let request = Request::get(self.address(&name)?, MAX_TIMESTAMP_BYTES);
        let answer = self.send(request, &self.actions).await?;
        let date = answer.header(DATE.as_str());
        Ok(Probe {
            time: date.and_then(|date| DATES.parse_timestamp(date).ok()),
            refused: (!answer.status.is_success()).then(|| answer.error()),
            is_archive: answer.header(ARCHIVE_HEADER).is_some(),
        })
    }

    /// The server's host and port, for messages.
    pub fn server(&self) -> &str {
        &self.server
    }

    async fn key(
        &self,
        method: Method,
        role: &RoleName,
        actions: &str,
    ) -> Result<PublicKey, NotaryError> {
        let name = key_name(role);
        let request = Request::new(method, self.address(&name)?, MAX_KEY_FILE_BYTES);
        let answer = self.send(request, actions).await?;
        let answer = self.expect(answer, &name)?;
        let value = Value::parse(&answer.body)
            .map_err(|error| answer.bad(format!("the key is not well-formed: {error}")))?;
        PublicKey::from_json(&value).map_err(|error| answer.bad(error.to_string()).into())
    }

    async fn send(&self, request: Request, actions: &str) -> Result<Answer, TransportError> {
        let scope = repository_scope(self.gun.as_str(), actions);
        self.auth.send(&self.http, self.fresh(request), &scope).await
    }

    /// A proxy's old copy of current metadata would look like a rollback.
    fn fresh(&self, mut request: Request) -> Request {
        request.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
        request.rests_apart = self.rests_apart;
        request
    }

    /// Turns every status but success into its error.
    fn expect(&self, answer: Answer, file: &str) -> Result<Answer, NotaryError> {
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(NotaryError::NotFound {
                server: self.server.clone(),
                gun: self.gun.to_string(),
                file: file.to_owned(),
                seen: NotFoundBody::of(&answer),
            }),
            StatusCode::BAD_REQUEST => Err(self.rejection(&answer)),
            _ => Err(answer.error().into()),
        }
    }

    fn rejection(&self, answer: &Answer) -> NotaryError {
        let server = self.server.clone();
        match NotaryErrorBody::parse(&answer.body) {
            Some(body) if body.is_conflict() => {
                NotaryError::Conflict { server, message: body.message }
            }
            Some(NotaryErrorBody { code, message, name }) => {
                NotaryError::Rejected { server, code, name, message }
            }
            None => answer.error().into(),
        }
    }

    fn address(&self, name: &str) -> Result<Url, TransportError> {
        self.join(&format!("{}{name}", collection_path(&self.gun)))
    }

    fn join(&self, path: &str) -> Result<Url, TransportError> {
        self.base.join(path).map_err(|error| TransportError::Request {
            url: self.base.to_string(),
            cause: Box::new(error),
        })
    }
}

/// HTTP writes dates as mail does (RFC 9110 §5.6.7).
static DATES: DateTimeParser = DateTimeParser::new();

/// An address below which paths are joined: no user, no query, a slash at the end.
fn as_folder(mut base: Url) -> Url {
    // Addresses that refuse have no user to take away.
    base.set_username("").and_then(|()| base.set_password(None)).unwrap_or_default();
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base
}

fn server_name(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A request whose body is a form with this boundary.
fn form(method: Method, url: Url, boundary: &str) -> Request {
    let content_type = HeaderValue::from_str(&content_type(boundary));
    let mut request = Request::new(method, url, MAX_ERROR_BODY_BYTES);
    request.headers.extend(content_type.ok().map(|value| (CONTENT_TYPE, value)));
    request
}

/// The scope of a token that may see what repositories there are.
const CATALOG_SCOPE: &str = "registry:catalog:*";
/// The actions of a token that may rotate keys and delete.
const ALL_ACTIONS: &str = "*";
#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::{Logins, Received, Reply, Server, client, reply};
    use crate::crypto::Sha256Hash;

    fn notary(server: &Server, base: &str) -> NotaryClient {
        let gun = Gun::parse("docker.io/library/alpine").unwrap();
        NotaryClient::new(server.url(base), &gun, "pull", client(), Logins::none())
    }

    async fn root(
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Result<Vec<u8>, NotaryError> {
        let server = Server::start(script);
        notary(&server, "/").file(&RoleName::Root, FileVersion::Current, 100).await
    }

    async fn publish(status: u16, body: &'static str) -> NotaryError {
        let server = Server::start(move |_| reply(status, body));
        let outcome = notary(&server, "/").publish(&[(RoleName::Root, b"{}".to_vec())]).await;
        assert_eq!(server.log().len(), 1, "a publication is never repeated");
        outcome.unwrap_err()
    }

    #[tokio::test]
    async fn every_route_below_a_base_with_a_path() {
        let server = Server::start(|_| reply(200, r#"{"count":0,"records":null}"#));
        let notary = notary(&server, "/trust/here");
        let hash = FileVersion::Hash(Sha256Hash([0x11; 32]));
        notary.file(&RoleName::releases(), FileVersion::Current, 100).await.unwrap();
        notary.file(&RoleName::Snapshot, hash, 100).await.unwrap();
        notary.file(&RoleName::Root, FileVersion::Number(2), 100).await.unwrap();
        notary.delete().await.unwrap();
        notary.health().await.unwrap();
        assert_eq!(notary.changefeed("-1", -5).await.unwrap().records, []);
        let collection = "/trust/here/v2/docker.io/library/alpine/_trust";
        assert_eq!(
            server.log(),
            [
                format!("GET {collection}/tuf/targets/releases.json"),
                format!("GET {collection}/tuf/snapshot.{}.json", "11".repeat(32)),
                format!("GET {collection}/tuf/2.root.json"),
                format!("DELETE {collection}/tuf/"),
                "GET /trust/here/_notary_server/health".to_owned(),
                format!("GET {collection}/changefeed?change_id=-1&records=-5"),
            ]
        );
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn uploads_are_multipart() {
        let server = Server::start(|_| reply(200, ""));
        let files = [(RoleName::Root, b"r\r\n".to_vec()), (RoleName::releases(), b"t".to_vec())];
        notary(&server, "/").publish(&files).await.unwrap();
        let request = &server.requests()[0];
        assert_eq!(server.log(), ["POST /v2/docker.io/library/alpine/_trust/tuf/"]);
        let boundary = request.header("content-type").unwrap();
        let boundary = boundary.strip_prefix("multipart/form-data; boundary=").unwrap();
        let part = |role: &str, body: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n{body}\r\n"
            )
        };
        let expected = part("root", "r\r\n") + &part("targets/releases", "t");
        assert_eq!(String::from_utf8_lossy(&request.body), format!("{expected}--{boundary}--\r\n"));
    }

    #[tokio::test]
    async fn what_comes_with_a_404_is_told() {
        let own = r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"none","detail":{}}]}"#;
        for (body, expected) in [
            (own, NotFoundBody::Notary),
            ("<!DOCTYPE html><h1>no</h1>", NotFoundBody::Html),
            ("404 page not found", NotFoundBody::Other),
        ] {
            let error = root(move |_| reply(404, body)).await.unwrap_err();
            let NotaryError::NotFound { seen, file, .. } = &error else { panic!("{error}") };
            assert_eq!((*seen, file.as_str()), (expected, "root.json"));
            assert_eq!(error.to_string().contains("HTML"), expected == NotFoundBody::Html);
        }
    }

    #[tokio::test]
    async fn a_web_page_with_200_is_no_metadata() {
        let error = root(|_| reply(200, "<html>hello")).await.unwrap_err();
        assert!(matches!(error, NotaryError::Transport(TransportError::BadAnswer { .. })));
    }

    #[tokio::test]
    async fn other_statuses() {
        let error = |status| async move {
            match root(move |_| reply(status, "why").with("Retry-After", "3600")).await {
                Err(NotaryError::Transport(error)) => error,
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(error(401).await, TransportError::Unauthorized { .. }));
        assert!(matches!(error(403).await, TransportError::Forbidden { .. }));
        assert!(matches!(error(500).await, TransportError::Status { status: 500, .. }));
        assert!(matches!(error(400).await, TransportError::Status { status: 400, .. }));
        let TransportError::Busy { retry_after, status: 503, .. } = error(503).await else {
            panic!()
        };
        assert_eq!(retry_after.unwrap().as_secs(), 3600);
    }

    #[tokio::test]
    async fn refused_updates() {
        let late = publish(400, r#"{"errors":[{"code":"VERSION","message":"newer","detail":{}}]}"#);
        assert!(matches!(late.await, NotaryError::Conflict { .. }));
        let bad = publish(
            400,
            r#"{"errors":[{"code":"INVALID_UPDATE","message":"m","detail":{"Name":"ErrBadTargets","Error":{"Msg":"expired"}}}]}"#,
        );
        let NotaryError::Rejected { code, name, message, .. } = bad.await else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("INVALID_UPDATE", "expired"));
        assert_eq!(name.as_deref(), Some("ErrBadTargets"));
        let busy = publish(503, "");
        assert!(matches!(busy.await, NotaryError::Transport(TransportError::Busy { .. })));
    }

    #[tokio::test]
    async fn rotation_and_deletion_ask_for_every_action() {
        let server = Server::start(|request| {
            if request.target.starts_with("/token") {
                return reply(200, r#"{"token":"good"}"#);
            }
            if request.authorization().is_some() {
                let key = r#"{"keytype":"ecdsa","keyval":{"public":"AAAA","private":null}}"#;
                return reply(
                    200,
                    if request.target.ends_with("/snapshot.key") { key } else { "" },
                );
            }
            let host = request.header("host").unwrap();
            reply(401, "")
                .with("WWW-Authenticate", format!(r#"Bearer realm="http://{host}/token""#))
        });
        let every_action = "GET /token?scope=repository%3Adocker.io%2Flibrary%2Falpine%3A*";
        notary(&server, "/").delete().await.unwrap();
        assert_eq!(server.log()[1], every_action);
        let key = notary(&server, "/").rotate_server_key(&RoleName::Snapshot).await.unwrap();
        assert_eq!(key.public(), [0, 0, 0]);
        let asked = server.log();
        assert_eq!(asked.iter().filter(|line| *line == every_action).count(), 2);
        assert!(asked.last().is_some_and(|line| line.starts_with("POST ")), "{asked:?}");
        assert!(asked.last().is_some_and(|line| line.ends_with("/snapshot.key")), "{asked:?}");
    }
}
