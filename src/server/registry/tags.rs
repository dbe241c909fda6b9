//! The tags of a repository.

use std::sync::Arc;

use ::http::{Method, StatusCode};
use serde_json::json;

use crate::limits::MAX_PAGE_ENTRIES;
use crate::oci::RepositoryName;
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::registry::pages::{Page, link_next};
use crate::server::registry::{unknown_repository, wrong_method};
use crate::server::{Refusal, Server};
use crate::wire::registry::tags_path;

/// Answers `/v2/{name}/tags/list`.
pub(super) async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    if !matches!(exchange.method, Method::GET | Method::HEAD) {
        return Err(wrong_method("GET, HEAD"));
    }
    let page = Page::of(&exchange, MAX_PAGE_ENTRIES)?;
    let mut reading = server.meta.read().await?;
    let Some(repository) = reading.repository(&name).await? else {
        return Err(unknown_repository(&name));
    };
    let mut tags = if page.entries == 0 {
        Vec::new()
    } else {
        reading.tags(repository.id, &page.after, page.entries.saturating_add(1)).await?
    };
    let goes_on = tags.len() > page.entries;
    tags.truncate(page.entries);
    let mut response = json_answer(StatusCode::OK, &json!({"name": name.as_str(), "tags": tags}));
    if let (true, Some(last)) = (goes_on, tags.last()) {
        let entries = page.entries.to_string();
        link_next(&mut response, &tags_path(name.as_str()), &[("last", last), ("n", &entries)]);
    }
    Ok(response)
}
