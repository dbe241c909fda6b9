//! The registry's interface (OCI distribution 1.1; docker's registry API v2).

use std::sync::Arc;

use ::http::{Method, StatusCode};
use serde_json::json;

use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::router::Route;
use crate::server::{Refusal, Server};

/// How the registry behaves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Whether manifests, tags and blobs may be deleted.
    pub delete: bool,
    /// Whether nothing may be changed.
    pub read_only: bool,
}

/// Answers a request for one of the registry's routes.
#[expect(clippy::unused_async, reason = "the database is asked")]
pub async fn respond(
    _server: &Arc<Server>,
    route: Route,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    match (&exchange.method, route) {
        (&Method::GET | &Method::HEAD, Route::Base) => Ok(json_answer(StatusCode::OK, &json!({}))),
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "not supported")),
    }
}
