//! The notary server's interface (notary.md §3).

use std::sync::Arc;

use ::http::StatusCode;

use crate::server::http::{Exchange, Response};
use crate::server::router::Route;
use crate::server::{Refusal, Server};

/// How the notary server behaves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Beginnings of GUNs, each with a final `/`, outside of which nothing is published; none for
    /// no bound.
    pub gun_prefixes: Vec<String>,
}

/// Answers a request for one of the notary server's routes.
#[expect(clippy::unused_async, reason = "the database is asked")]
pub async fn respond(
    _server: &Arc<Server>,
    _route: Route,
    _exchange: Exchange,
) -> Result<Response, Refusal> {
    let message = "You have requested metadata that does not exist.";
    Err(Refusal::new(StatusCode::NOT_FOUND, "METADATA_NOT_FOUND", message))
}
