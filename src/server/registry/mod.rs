//! The registry's interface (OCI distribution 1.1; docker's registry API v2): spec/registry.md.
//!
//! Every way to read content ends in the gate, inside the snapshot in which the content was looked
//! up. Content is written before it is referred to, and referred to by one transaction.

pub mod blobs;
pub mod catalog;
pub mod manifests;
pub mod pages;
pub mod range;
pub mod referrers;
pub mod tags;
pub mod transaction;
pub mod upload_name;
pub mod uploads;

use std::sync::Arc;
use std::time::Duration;

use ::http::header::ALLOW;
use ::http::{HeaderValue, Method, StatusCode};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::oci::{RepositoryName, TagName};
use crate::server::auth::caller::matches;
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::router::Route;
use crate::server::{Refusal, Server};

/// How the registry behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Whether manifests, tags and blobs may be deleted.
    pub delete: bool,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Which manifests may refer to what the repository does not have.
    pub sparse: Sparse,
    /// Patterns of `repository:tag`; a tag that fits one is set once and neither moved nor deleted.
    pub immutable_tags: Vec<String>,
    /// Whether tags that are signed are neither moved nor deleted.
    pub signed_tags_immutable: bool,
    /// The shortest chunk of an upload that clients are asked to send, in bytes; 0 to ask for none.
    pub chunk_min_bytes: u64,
    /// How long ago somebody must have relied on content for that to be noted again.
    pub touch_after: Duration,
}

/// Which manifests may refer to what their repository does not have. What they are statements of
/// (`subject`), and layers that no registry need keep, may always be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sparse {
    /// None: what is there is whole.
    #[default]
    Nothing,
    /// Indexes: some platforms of an image may be left out.
    Indexes,
    /// All.
    Everything,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delete: false,
            read_only: false,
            sparse: Sparse::default(),
            immutable_tags: Vec::new(),
            signed_tags_immutable: false,
            chunk_min_bytes: 0,
            touch_after: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// Whether a tag is set once and neither moved nor deleted.
    pub fn is_immutable(&self, repository: &RepositoryName, tag: &TagName) -> bool {
        let name = format!("{repository}:{tag}");
        self.immutable_tags.iter().any(|pattern| matches(pattern, &name))
    }

    /// Refuses to change anything on a server that is read only.
    fn writable(&self) -> Result<(), Refusal> {
        if self.read_only {
            return Err(unsupported("the registry is read only"));
        }
        Ok(())
    }

    /// Refuses to delete where nothing may be deleted.
    fn deletable(&self) -> Result<(), Refusal> {
        self.writable()?;
        if !self.delete {
            return Err(unsupported("the registry does not delete"));
        }
        Ok(())
    }
}

/// Answers a request for one of the registry's routes.
pub async fn respond(
    server: &Arc<Server>,
    route: Route,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    let answer: BoxFuture<'_, Result<Response, Refusal>> = match route {
        Route::Base => return base(&exchange),
        Route::SearchPing => return catalog::ping(&exchange),
        Route::Catalog => Box::pin(catalog::respond(server, exchange)),
        Route::Search => Box::pin(catalog::search(server, exchange)),
        Route::Tags(name) => Box::pin(tags::respond(server, name, exchange)),
        Route::Manifest(name, wanted) => {
            Box::pin(manifests::respond(server, name, wanted, exchange))
        }
        Route::Referrers(name, subject) => {
            Box::pin(referrers::respond(server, name, subject, exchange))
        }
        Route::Blob(name, digest) => Box::pin(blobs::respond(server, name, digest, exchange)),
        Route::Uploads(name) => Box::pin(uploads::begin(server, name, exchange)),
        Route::Upload(name, id) => Box::pin(uploads::respond(server, name, id, exchange)),
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "not supported")),
    };
    answer.await
}

/// Answers `/v2/`.
fn base(exchange: &Exchange) -> Result<Response, Refusal> {
    match exchange.method {
        Method::GET | Method::HEAD => Ok(json_answer(StatusCode::OK, &json!({}))),
        _ => Err(wrong_method("GET, HEAD")),
    }
}

/// The method is not one of this path.
fn wrong_method(allowed: &'static str) -> Refusal {
    let message = format!("this path answers {allowed}");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
        .with_header(ALLOW, HeaderValue::from_static(allowed))
}

/// The method is one of this path, but not on this server.
fn unsupported(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}

/// There is no such repository, or not for this caller.
fn unknown_repository(name: &RepositoryName) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "the repository is not known here")
        .with_detail(json!({"name": name.as_str()}))
}

/// A header made of what cannot be invalid in one.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
