//! From a request to an answer: what its path means, who asks and whether they may, and whose
//! business it is.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::{HeaderName, HeaderValue};
use ::http::{Method, StatusCode};

use crate::server::auth::{Action, Need, Scope};
use crate::server::http::{Exchange, Request, Response, empty, json as json_answer};
use crate::server::router::{Route, RouteError, route};
use crate::server::trust::{answer, signed_push};
use crate::server::{Refusal, Server, import, notary, registry};

/// Answers a request. Whatever comes in, something goes out.
pub async fn respond(
    server: &Arc<Server>,
    request: Request,
    peer: IpAddr,
    base: String,
) -> Response {
    let is_head = request.method() == Method::HEAD;
    let response = match answer(server, request, peer, base).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let mut response = if is_head { without_body(response) } else { response };
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

async fn answer(
    server: &Arc<Server>,
    request: Request,
    peer: IpAddr,
    base: String,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let route = route(parts.uri.path()).map_err(refusal_of)?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let need = need(&route, &parts.method, &query);
    let caller = match &need {
        Some(need) => server.auth.authorize(&parts.headers, peer, &base, need).await?,
        None => crate::server::auth::Caller::granted(None, Vec::new()),
    };
    let exchange =
        Exchange { method: parts.method, query, headers: parts.headers, body, caller, peer, base };
    match route {
        Route::TrustFiles(_)
        | Route::TrustFile(..)
        | Route::TrustKey(..)
        | Route::Changefeed(_)
        | Route::AllChanges
        | Route::NotaryHealth => notary::respond(server, route, exchange).await,
        Route::Live => Ok(json_answer(StatusCode::OK, &serde_json::json!({}))),
        Route::Ready => {
            server.meta.ping().await?;
            server.signer.check().await.map_err(|error| Refusal::unavailable(&error))?;
            Ok(json_answer(StatusCode::OK, &serde_json::json!({})))
        }
        Route::Verdict => answer::respond(server, exchange).await,
        Route::SignedPush(name) => signed_push::respond(server, name, exchange).await,
        Route::TrustImport(gun) => import::request::respond(server, gun, exchange).await,
        Route::Token => server.auth.token(exchange).await,
        _ => registry::respond(server, route, exchange).await,
    }
}

/// What a request needs; `None` if anybody may ask.
fn need(route: &Route, method: &Method, query: &str) -> Option<Need> {
    let repository = |name: &str, actions: &[Action]| {
        Some(Need { scope: Scope::Repository(name.to_owned()), actions: actions.to_vec() })
    };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let content = |name: &str| match *method {
        Method::GET | Method::HEAD => repository(name, &[Action::Pull]),
        Method::DELETE => repository(name, &[Action::Delete]),
        _ => repository(name, &[Action::Pull, Action::Push]),
    };
    match route {
        Route::Base => Some(Need { scope: Scope::Base, actions: Vec::new() }),
        Route::Catalog | Route::AllChanges => {
            Some(Need { scope: Scope::Catalog, actions: Vec::new() })
        }
        Route::Search => Some(Need { scope: Scope::Search, actions: Vec::new() }),
        Route::Tags(name)
        | Route::Referrers(name, _)
        | Route::Manifest(name, _)
        | Route::Blob(name, _) => content(name.as_str()),
        // Looking after an upload, and giving it up, belongs to pushing.
        Route::Uploads(name) | Route::Upload(name, _) => {
            repository(name.as_str(), &[Action::Pull, Action::Push])
        }
        Route::SignedPush(name) => {
            repository(name.as_str(), &[Action::Pull, Action::Push, Action::Sign])
        }
        Route::TrustFiles(gun) if *method == Method::DELETE => {
            repository(gun.as_str(), &[Action::Admin])
        }
        Route::TrustFiles(gun) => repository(gun.as_str(), &[Action::Pull, Action::Sign]),
        Route::TrustFile(gun, ..) | Route::Changefeed(gun) => {
            repository(gun.as_str(), &[Action::Pull])
        }
        Route::TrustKey(gun, _) if reads => repository(gun.as_str(), &[Action::Pull, Action::Sign]),
        Route::TrustImport(gun) | Route::TrustKey(gun, _) => {
            repository(gun.as_str(), &[Action::Admin])
        }
        // Whoever may pull it may know why they cannot; what is no name is told to anybody.
        Route::Verdict => {
            answer::repository_of(query).and_then(|name| repository(name.as_str(), &[Action::Pull]))
        }
        Route::NotaryHealth
        | Route::Metrics
        | Route::Live
        | Route::Ready
        | Route::SearchPing
        | Route::Token => None,
    }
}

fn refusal_of(error: RouteError) -> Refusal {
    let (status, code, message) = match error {
        RouteError::Unknown => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path")
        }
        RouteError::UnknownTrust => (
            StatusCode::NOT_FOUND,
            "METADATA_NOT_FOUND",
            "You have requested metadata that does not exist.",
        ),
        RouteError::Name => {
            (StatusCode::BAD_REQUEST, "NAME_INVALID", "the path has no valid repository name")
        }
        RouteError::Gun => (StatusCode::BAD_REQUEST, "INVALID_GUN", "the path has no valid GUN"),
        RouteError::Digest => {
            (StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the path has no valid digest")
        }
        RouteError::Tag => (StatusCode::BAD_REQUEST, "TAG_INVALID", "the path has no valid tag"),
    };
    Refusal::new(status, code, message)
}

/// The answer to HEAD is that to GET, without its body.
fn without_body(response: Response) -> Response {
    let (parts, _) = response.into_parts();
    let mut bare = empty(parts.status);
    *bare.headers_mut() = parts.headers;
    bare
}

/// What registries of docker's API say of themselves.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
