//! A repository's tags.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::client::RegistryError;
use crate::client::registry::connection::{PULL, RegistryClient, expect, next_page};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGES, MAX_TAGS};
use crate::oci::Reference;
use crate::wire::auth::repository_scope;
use crate::wire::registry::{TagList, tags_path};

impl RegistryClient {
    /// Lists a repository's tags, all pages, in the registry's order.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        let reference = Reference::parse(&format!("{}/{repository}", self.domain))?;
        let scope = repository_scope(reference.path(), PULL);
        let mut path = tags_path(reference.path());
        let mut query = Some(format!("n={TAGS_A_PAGE}"));
        let mut seen = BTreeSet::new();
        let mut tags = Vec::new();
        loop {
            let question = (path.clone(), query.clone());
            let answer = self.send(Method::GET, &path, query.as_deref(), &scope, MAX_PAGE_BYTES);
            let answer = expect(answer.await?, &reference)?;
            if !seen.insert(question) || seen.len() > MAX_PAGES {
                return Err(answer.bad("the list of tags has no end").into());
            }
            let page = TagList::parse(&answer.body)
                .map_err(|error| answer.bad(format!("the tags are not well-formed: {error}")))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                let repository = reference.familiar_name();
                return Err(RegistryError::TooManyTags { repository, limit: MAX_TAGS });
            }
            let Some(next) = next_page(&answer)? else { return Ok(tags) };
            next.path().clone_into(&mut path);
            query = next.query().map(ToOwned::to_owned);
        }
    }
}

/// Tags asked for at a time: what most registries allow at most.
const TAGS_A_PAGE: usize = 1000;
