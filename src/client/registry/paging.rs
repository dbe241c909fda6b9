//! Listings that come in pages.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::client::TransportError;
use crate::client::http::Answer;
use crate::client::registry::connection::{RegistryClient, next_page};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGES};
use crate::wire::errors::is_html;

/// The pages of one listing, fetched one by one from the registry itself, wherever its links lead.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    registry: &'a RegistryClient,
    what: &'static str,
    scope: String,
    next: Option<Address>,
    seen: BTreeSet<Address>,
}

/// Path and query of a page.
type Address = (String, Option<String>);

impl<'a> Pages<'a> {
    /// Begins at a path and query; `what` is what is listed, as complaints name it.
    pub(super) fn new(
        registry: &'a RegistryClient,
        what: &'static str,
        path: String,
        query: Option<String>,
        scope: String,
    ) -> Self {
        Self { registry, what, scope, next: Some((path, query)), seen: BTreeSet::new() }
    }

    /// Fetches the next page, whatever its status; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, TransportError> {
        let Some((path, query)) = self.next.take() else { return Ok(None) };
        let answer =
            self.registry.send(Method::GET, &path, query.as_deref(), &self.scope, MAX_PAGE_BYTES);
        let answer = answer.await?;
        if !self.seen.insert((path, query)) || self.seen.len() > MAX_PAGES {
            return Err(answer.bad(format!("the list of {} has no end", self.what)));
        }
        if answer.status.is_success() {
            let next = next_page(&answer)?;
            self.next = next.map(|url| (url.path().to_owned(), url.query().map(ToOwned::to_owned)));
        }
        Ok(Some(answer))
    }

    /// Whether the last page said that there is another.
    pub(super) fn has_more(&self) -> bool {
        self.next.is_some()
    }
}

/// Reads the JSON object of a good answer; `what` is what it should hold.
pub(super) fn parse_object<T: DeserializeOwned>(
    answer: &Answer,
    what: &str,
) -> Result<T, TransportError> {
    if is_html(answer.content_type(), &answer.body) {
        return Err(answer.bad(format!("a web page where {what} should be")));
    }
    if !answer.body.trim_ascii_start().starts_with(b"{") {
        return Err(answer.bad(format!("{what} are not a JSON object")));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| answer.bad(format!("{what} are not well-formed: {error}")))
}
