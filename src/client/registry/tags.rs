//! A repository's tags.

use url::form_urlencoded;

use crate::client::RegistryError;
use crate::client::registry::connection::{PULL, RegistryClient, expect};
use crate::client::registry::paging::{Pages, parse_object};
use crate::limits::MAX_TAGS;
use crate::oci::Reference;
use crate::wire::auth::repository_scope;
use crate::wire::registry::{TagList, tags_path};

/// Some tags of a repository, in the registry's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagPage {
    /// The tags.
    pub tags: Vec<String>,
    /// How many names the registry gave that no tag can have.
    pub left_out: usize,
    /// Whether there are more behind them.
    pub more: bool,
}

impl RegistryClient {
    /// Lists a repository's tags, all pages, in the registry's order.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        Ok(self.tags_after(repository, None, None).await?.tags)
    }

    /// Lists the tags behind `last`, at most `limit`, in the registry's order.
    ///
    /// Some registries (docker's, up to 2.8) send all tags whatever they are asked: both are held
    /// to here, too.
    pub async fn tags_after(
        &self,
        repository: &str,
        last: Option<&str>,
        limit: Option<usize>,
    ) -> Result<TagPage, RegistryError> {
        let reference = Reference::parse(&format!("{}/{repository}", self.domain))?;
        let scope = repository_scope(reference.path(), PULL);
        let count = limit.map_or(TAGS_A_PAGE, |limit| limit.clamp(1, TAGS_A_PAGE));
        let mut query = form_urlencoded::Serializer::new(format!("n={count}"));
        if let Some(last) = last {
            query.append_pair("last", reference.with_tag(last)?.tag().unwrap_or_default());
        }
        let mut pages =
            Pages::new(self, "tags", tags_path(reference.path()), Some(query.finish()), scope);
        let mut page = TagPage::default();
        let mut first = true;
        while let Some(answer) = pages.next().await? {
            let answer = expect(answer, &reference)?;
            let mut tags = parse_object::<TagList>(&answer, "the tags")?.tags.unwrap_or_default();
            if let Some(last) = last.filter(|_| first) {
                tags = behind(tags, last);
            }
            first = false;
            for tag in tags {
                if reference.with_tag(&tag).is_err() {
                    page.left_out += 1;
                } else if limit.is_some_and(|limit| page.tags.len() >= limit) {
                    page.more = true;
                    return Ok(page);
                } else {
                    page.tags.push(tag);
                }
                if page.tags.len() + page.left_out > MAX_TAGS {
                    let repository = reference.familiar_name();
                    return Err(RegistryError::TooManyTags { repository, limit: MAX_TAGS });
                }
            }
            if limit.is_some_and(|limit| page.tags.len() >= limit) {
                page.more = pages.has_more();
                return Ok(page);
            }
        }
        Ok(page)
    }
}

/// Those behind `last`: in the order of bytes, which the specification asks for, or, where the
/// registry has another one, behind its place.
fn behind(tags: Vec<String>, last: &str) -> Vec<String> {
    if tags.is_sorted() {
        return tags.into_iter().filter(|tag| tag.as_str() > last).collect();
    }
    match tags.iter().position(|tag| tag == last) {
        Some(place) => tags.into_iter().skip(place + 1).collect(),
        None => tags,
    }
}

/// Tags asked for at a time: what most registries allow at most.
const TAGS_A_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::{Server, registry, reply};

    #[test]
    fn what_is_behind_a_tag() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(behind(list("a b c"), "b"), list("c"));
        assert_eq!(behind(list("a c d"), "b"), list("c d"));
        assert_eq!(behind(list("a B c"), "B"), list("c"));
        assert_eq!(behind(list("c B d"), "a"), list("c B d"));
    }

    #[tokio::test]
    async fn a_page_of_tags_from_a_registry_that_pages_and_one_that_does_not() {
        let server = Server::start(|request| match request.target.as_str() {
            // This one sends all, in no order.
            "/v2/a/all/tags/list?n=2&last=c" | "/v2/a/all/tags/list?n=2" => {
                reply(200, r#"{"tags":["d","c","b","\u001bx","a","-"]}"#)
            }
            "/v2/a/paged/tags/list?n=2&last=c" => {
                let next = "</v2/a/paged/tags/list?n=2&last=e>; rel=next";
                reply(200, r#"{"tags":["d","e"]}"#).with("Link", next)
            }
            _ => reply(500, ""),
        });
        let registry = registry(&server);
        let page = registry.tags_after("a/all", Some("c"), Some(2)).await.unwrap();
        assert_eq!((page.tags.join(" ").as_str(), page.left_out, page.more), ("b a", 2, false));
        let page = registry.tags_after("a/all", None, Some(2)).await.unwrap();
        assert_eq!((page.tags.join(" ").as_str(), page.left_out, page.more), ("d c", 0, true));
        let page = registry.tags_after("a/paged", Some("c"), Some(2)).await.unwrap();
        assert_eq!((page.tags.join(" ").as_str(), page.left_out, page.more), ("d e", 0, true));
        let error = registry.tags_after("a/paged", Some("&n=5"), None).await.unwrap_err();
        assert!(matches!(error, RegistryError::Reference(_)), "{error}");
    }
}
