//! The notary server's interface (notary.md §3, `spec/notary-server.md`).
//!
//! Reading order: [`files`] (what readers get), [`multipart`] and [`publish`] (from an upload to a
//! transaction), [`validate`] and [`stored`] (the rules, pure), [`signing`] and [`renewal`] (what
//! the server signs itself), [`keys`], [`changefeed`], [`delete`].

pub mod bump;
pub mod changefeed;
pub mod delete;
pub mod files;
pub mod invalid;
pub mod keys;
pub mod multipart;
pub mod publish;
pub mod renewal;
pub mod signing;
pub mod stored;
pub mod validate;

pub use invalid::Invalid;
pub use multipart::MultipartError;
pub use renewal::RenewalError;
pub use signing::SigningError;

use std::sync::Arc;

use ::bytes::Bytes;
use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ::http::{Method, StatusCode};
use serde_json::json;

use crate::limits::MAX_PUBLICATION_BYTES;
use crate::server::http::{Exchange, Response, bytes, empty, json as json_answer};
use crate::server::notary::changefeed::Question;
use crate::server::router::Route;
use crate::server::{Refusal, Server};
use crate::tuf::Gun;
use crate::wire::notary::ErrorCode;

/// How the notary server behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Beginnings of GUNs, each with a final `/`, outside of which nothing is published; none for
    /// no bound.
    pub gun_prefixes: Vec<String>,
    /// How long caches may keep a current file, in seconds; 0 for not at all.
    pub current_max_age: u32,
    /// How long caches may keep a file that is asked for by hash or version, in seconds; 0 for not
    /// at all.
    pub consistent_max_age: u32,
    /// Largest upload, in bytes.
    pub max_publication_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gun_prefixes: Vec::new(),
            current_max_age: 300,
            consistent_max_age: 2_592_000,
            max_publication_bytes: MAX_PUBLICATION_BYTES,
        }
    }
}

impl Options {
    /// Whether a collection of this name may be here.
    pub(super) fn holds(&self, gun: &Gun) -> bool {
        let mut prefixes = self.gun_prefixes.iter();
        self.gun_prefixes.is_empty()
            || prefixes.any(|prefix| gun.as_str().starts_with(prefix.as_str()))
    }
}

/// Answers a request for one of the notary server's routes.
pub async fn respond(
    server: &Arc<Server>,
    route: Route,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    let reads = matches!(exchange.method, Method::GET | Method::HEAD);
    let (posts, deletes) = (exchange.method == Method::POST, exchange.method == Method::DELETE);
    match route {
        Route::TrustFiles(gun) if posts => {
            is_held(server, &gun)?;
            post(server, &gun, exchange).await
        }
        Route::TrustFiles(gun) if deletes => {
            is_held(server, &gun)?;
            if server.registry.read_only {
                return Err(Refusal::read_only());
            }
            delete::delete(server, &gun, exchange.caller.label()).await?;
            Ok(empty(StatusCode::OK))
        }
        Route::TrustFiles(_) => Err(Refusal::wrong_method("POST, DELETE")),
        Route::TrustFile(gun, role, version) if reads => {
            is_served(server, &gun)?;
            files::file(server, &gun, &role, version).await
        }
        Route::TrustKey(gun, role) if reads => {
            is_served(server, &gun)?;
            keys::current(server, &gun, &role).await
        }
        Route::TrustKey(gun, role) if posts => {
            is_held(server, &gun)?;
            keys::rotate(server, &gun, &role).await
        }
        Route::TrustKey(..) => Err(Refusal::wrong_method("GET, HEAD, POST")),
        Route::Changefeed(gun) if reads => {
            is_served(server, &gun)?;
            let question = Question::of(&exchange)?;
            changefeed::changes(server, Some(&gun), question, &exchange.caller).await
        }
        Route::AllChanges if reads => {
            let question = Question::of(&exchange)?;
            changefeed::changes(server, None, question, &exchange.caller).await
        }
        Route::NotaryHealth if reads => Ok(health(server).await),
        _ => Err(Refusal::wrong_method("GET, HEAD")),
    }
}

/// Refuses to change what this server does not hold.
fn is_held(server: &Server, gun: &Gun) -> Result<(), Refusal> {
    if server.notary.holds(gun) {
        return Ok(());
    }
    let message = "The server does not support actions on images of this name.";
    Err(Refusal::notary(ErrorCode::InvalidGun, message))
}

/// What this server does not hold is not there.
fn is_served(server: &Server, gun: &Gun) -> Result<(), Refusal> {
    if server.notary.holds(gun) {
        return Ok(());
    }
    let nowhere = Refusal::no_metadata();
    Err(Refusal { detail: None, ..nowhere })
}

async fn post(
    server: &Arc<Server>,
    gun: &Gun,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    let body = uploaded(server, &mut exchange, server.notary.max_publication_bytes).await?;
    let content_type = exchange.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let files = multipart::files(content_type, body).await?;
    publish::publish(server, gun, &files, exchange.caller.label()).await?;
    Ok(empty(StatusCode::OK))
}

/// Reads the body of a request that changes something, of at most `limit` bytes.
pub async fn uploaded(
    server: &Server,
    exchange: &mut Exchange,
    limit: u64,
) -> Result<Bytes, Refusal> {
    if server.registry.read_only {
        return Err(Refusal::read_only());
    }
    if exchange.headers.contains_key(CONTENT_ENCODING) {
        let message = "the body of the request must not be encoded";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "MALFORMED_UPLOAD", message));
    }
    exchange.bytes(limit).await
}

/// Whether the database answers.
async fn health(server: &Server) -> Response {
    match server.meta.ping().await {
        Ok(()) => bytes(StatusCode::OK, "application/json; charset=utf-8", "{}"),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the database is not well");
            let body = json!({"DB operational": "the database does not answer"});
            json_answer(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}
