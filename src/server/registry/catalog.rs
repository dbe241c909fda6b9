//! Which repositories there are: `_catalog`, and docker's old search. Each caller sees those that
//! they may pull from.

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::limits::{
    CATALOG_PAGE_ENTRIES, MAX_PAGE_ENTRIES, MAX_SCANNED_REPOSITORIES, MAX_SEARCH_RESULTS,
};
use crate::oci::RepositoryName;
use crate::server::auth::{Action, Caller};
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::meta::MetaError;
use crate::server::registry::pages::{Page, link_next};
use crate::server::registry::wrong_method;
use crate::server::{Refusal, Server};
use crate::wire::registry::CATALOG_PATH;

/// Answers `/v2/_catalog`.
pub(super) async fn respond(server: &Arc<Server>, exchange: Exchange) -> Result<Response, Refusal> {
    only_reads(&exchange)?;
    let page = Page::of(&exchange, CATALOG_PAGE_ENTRIES)?;
    let found = visible(server, &exchange.caller, &page.after, "", page.entries).await?;
    let names: Vec<&str> = found.names.iter().map(RepositoryName::as_str).collect();
    let mut response = json_answer(StatusCode::OK, &json!({"repositories": names}));
    if let Some(last) = found.next_after {
        let entries = page.entries.to_string();
        link_next(&mut response, CATALOG_PATH, &[("last", &last), ("n", &entries)]);
    }
    Ok(response)
}

/// Answers `/v1/_ping`: there is a search.
pub(super) fn ping(exchange: &Exchange) -> Result<Response, Refusal> {
    only_reads(exchange)?;
    let mut response = json_answer(StatusCode::OK, &json!({"standalone": true}));
    response.headers_mut().insert(STANDALONE, HeaderValue::from_static("true"));
    Ok(response)
}

/// Answers `/v1/search`: repositories whose name contains the text.
pub(super) async fn search(server: &Arc<Server>, exchange: Exchange) -> Result<Response, Refusal> {
    only_reads(&exchange)?;
    let asked = exchange.parameter("q").unwrap_or_default();
    let entries = match Page::of(&exchange, DEFAULT_RESULTS)?.entries {
        0 => DEFAULT_RESULTS,
        entries => entries.min(MAX_SEARCH_RESULTS),
    };
    // No name is longer, nor has capitals.
    let wanted = asked.to_ascii_lowercase();
    let found = if wanted.len() > MAX_NAME_BYTES || wanted.contains('\0') {
        Found::default()
    } else {
        visible(server, &exchange.caller, "", &wanted, entries).await?
    };
    let results: Vec<Value> = found.names.iter().map(|name| result(name)).collect();
    let asked: String = asked.chars().take(MAX_NAME_BYTES).collect();
    let answer = json!({"num_results": results.len(), "query": asked, "results": results});
    Ok(json_answer(StatusCode::OK, &answer))
}

fn result(name: &RepositoryName) -> Value {
    json!({
        "name": name.as_str(), "description": "", "star_count": 0, "is_official": false,
        "is_automated": false,
    })
}

fn only_reads(exchange: &Exchange) -> Result<(), Refusal> {
    match exchange.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(wrong_method("GET, HEAD")),
    }
}

#[derive(Default)]
struct Found {
    names: Vec<RepositoryName>,
    /// Where the next page begins, if there may be one.
    next_after: Option<String>,
}

/// Repositories that a caller may pull from.
async fn visible(
    server: &Arc<Server>,
    caller: &Caller,
    after: &str,
    containing: &str,
    entries: usize,
) -> Result<Found, MetaError> {
    let mut found = Found::default();
    if entries == 0 {
        return Ok(found);
    }
    let mut reading = server.meta.read().await?;
    let (mut after, mut scanned) = (after.to_owned(), 0);
    while scanned < MAX_SCANNED_REPOSITORIES {
        let names = reading.repositories(&after, containing, MAX_PAGE_ENTRIES).await?;
        let is_end = names.len() < MAX_PAGE_ENTRIES;
        for name in names {
            scanned += 1;
            let may = caller.may(Action::Pull, name.as_str());
            if may && found.names.len() == entries {
                found.next_after = Some(after);
                return Ok(found);
            }
            name.as_str().clone_into(&mut after);
            if may {
                found.names.push(name);
            }
        }
        if is_end {
            return Ok(found);
        }
    }
    found.next_after = Some(after);
    Ok(found)
}

/// Tells clients of the old interface that users are not kept elsewhere.
const STANDALONE: HeaderName = HeaderName::from_static("x-docker-registry-standalone");
/// Results if the client does not say how many. Docker's.
const DEFAULT_RESULTS: usize = 25;
/// Longest text that a name can contain.
const MAX_NAME_BYTES: usize = 255;
