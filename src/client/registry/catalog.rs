//! The names of a registry's repositories.

use crate::client::RegistryError;
use crate::client::registry::connection::RegistryClient;
use crate::client::registry::paging::{Pages, parse_object};
use crate::limits::MAX_REPOSITORIES;
use crate::oci::Reference;
use crate::wire::registry::{CATALOG_PATH, Catalog};

/// Repositories of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repositories {
    /// Their names, in the registry's order.
    pub names: Vec<Reference>,
    /// How many names the registry gave that no repository can have.
    pub left_out: usize,
}

impl RegistryClient {
    /// Goes through the names of all repositories and keeps those that `wanted` likes; it is given
    /// the name without the registry.
    pub async fn catalog(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Repositories, RegistryError> {
        let query = Some(format!("n={NAMES_A_PAGE}"));
        let (path, scope) = (CATALOG_PATH.to_owned(), SCOPE.to_owned());
        let mut pages = Pages::new(self, "repositories", path, query, scope);
        let mut found = Repositories::default();
        let mut seen = 0_usize;
        while let Some(answer) = pages.next().await? {
            if !answer.status.is_success() {
                return Err(answer.error().into());
            }
            let page: Catalog = parse_object(&answer, "the repositories")?;
            let names = page.repositories.unwrap_or_default();
            seen = seen.saturating_add(names.len());
            if seen > MAX_REPOSITORIES {
                let (registry, limit) = (self.domain.clone(), MAX_REPOSITORIES);
                return Err(RegistryError::TooManyRepositories { registry, limit });
            }
            for name in names {
                match self.repository(&name) {
                    Some(repository) if wanted(repository.path()) => found.names.push(repository),
                    Some(_) => {}
                    None => found.left_out += 1,
                }
            }
        }
        Ok(found)
    }

    /// The repository of a name that a registry gave; `None` if it is no name, or more than one, or
    /// if its short form would name a repository elsewhere (`evil.example/x` on Docker Hub).
    pub(super) fn repository(&self, name: &str) -> Option<Reference> {
        let reference = Reference::parse(&format!("{}/{name}", self.domain)).ok()?;
        let bare = reference.tag().is_none() && reference.digest().is_none();
        let returns = Reference::parse(&reference.familiar_name()).as_ref() == Ok(&reference);
        (bare && returns && reference.domain() == self.domain).then_some(reference)
    }
}

const SCOPE: &str = "registry:catalog:*";
/// Names asked for at a time: what most registries allow at most.
const NAMES_A_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::client::TransportError;
    use crate::client::testing::{Server, registry, reply};

    #[tokio::test]
    async fn all_pages_of_names_without_those_that_are_none() {
        let server = Server::start(|request| match request.target.as_str() {
            "/v2/_catalog?n=1000" => {
                let names =
                    r#"{"repositories":["a/b","c","\u001b[2J","evil.example/x:1","UP","../d"]}"#;
                reply(200, names).with("Link", "</v2/_catalog?n=1000&last=x>; rel=\"next\"")
            }
            "/v2/_catalog?n=1000&last=x" => reply(200, r#"{"repositories":["a","x@y",""]}"#),
            _ => reply(500, ""),
        });
        let all = registry(&server).catalog(|_| true).await.unwrap();
        let names: Vec<String> = all.names.iter().map(ToString::to_string).collect();
        let host = server.host();
        assert_eq!(names, [format!("{host}/a/b"), format!("{host}/c"), format!("{host}/a")]);
        assert_eq!(all.left_out, 6);
        let some = registry(&server).catalog(|name| name.contains('a')).await.unwrap();
        assert_eq!(some.names.len(), 2);
    }

    #[tokio::test]
    async fn a_name_that_looks_like_a_host_stays_on_its_registry() {
        let server = Server::start(|_| reply(200, r#"{"repositories":["evil.example/x"]}"#));
        let all = registry(&server).catalog(|_| true).await.unwrap();
        assert_eq!(all.names[0].domain(), server.host());
    }

    #[test_case("<html>" ; "web page")]
    #[test_case("[]" ; "array")]
    #[test_case(r#"[["a"]]"# ; "array in an array")]
    #[test_case(r#"{"repositories":"a"}"# ; "no list")]
    #[tokio::test]
    async fn no_catalogs(body: &'static str) {
        let server = Server::start(move |_| reply(200, body));
        let error = registry(&server).catalog(|_| true).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
            "{error}"
        );
    }

    #[test_case("</v2/_catalog?n=1000>; rel=next" ; "itself")]
    #[test_case("<https://elsewhere.invalid/v2/_catalog>; rel=next" ; "another host")]
    #[tokio::test]
    async fn pages_that_lead_nowhere(link: &'static str) {
        let server = Server::start(move |_| reply(200, "{}").with("Link", link));
        let error = registry(&server).catalog(|_| true).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
            "{error}"
        );
        assert!(server.log().len() <= 2);
    }

    #[tokio::test]
    async fn an_endless_catalog() {
        let page = format!(r#"{{"repositories":[{}]}}"#, vec![r#""a""#; 400_000].join(","));
        let server = Server::start(move |request| {
            let next = format!("<{}1>; rel=next", request.target);
            reply(200, page.clone()).with("Link", next)
        });
        let error = registry(&server).catalog(|_| false).await.unwrap_err();
        assert!(matches!(error, RegistryError::TooManyRepositories { .. }), "{error}");
        assert_eq!(server.log().len(), 3);
    }
}
