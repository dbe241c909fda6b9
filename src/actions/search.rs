//! Searching a registry for repositories.

use crate::actions::context::Context;
use crate::actions::image::ImageError;
use crate::client::registry::SearchResults;
use crate::client::registry::search::Found;
use crate::oci::Reference;
use crate::oci::reference::DOCKER_HUB;

/// What to search for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Any repository of the registry.
    pub registry: Reference,
    /// What names, and where the registry has them descriptions, should have in them.
    pub term: String,
    /// At most this many, before those that are not wanted are left out.
    pub limit: usize,
    /// Only those with so many stars.
    pub min_stars: u64,
    /// Only those that Docker's own people keep, or only the others.
    pub official: Option<bool>,
}

/// Searches; what is found is in the registry's order, which is its idea of what is wanted most.
pub async fn search(context: &Context, request: &Request) -> Result<SearchResults, ImageError> {
    let registry = context.connections.registry(&request.registry)?;
    let mut results = registry.search(&request.term, request.limit).await?;
    let wanted = |found: &Found| {
        found.stars >= request.min_stars
            && request.official.is_none_or(|official| found.official == official)
    };
    results.found.retain(wanted);
    Ok(results)
}

/// Splits `HOST/TERM` as docker does: what is before the first slash is a host if it has a dot or
/// a colon or is `localhost`. The host is Docker Hub's if there is none.
pub fn split_term(text: &str) -> (&str, &str) {
    let (host, term) = match text.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
        _ => (DOCKER_HUB, text),
    };
    match host {
        DOCKER_HUB | "index.docker.io" => {
            (DOCKER_HUB, term.strip_prefix("library/").unwrap_or(term))
        }
        host => (host, term),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("alpine", DOCKER_HUB, "alpine")]
    #[test_case("library/alpine", DOCKER_HUB, "alpine")]
    #[test_case("docker.io/library/alpine", DOCKER_HUB, "alpine")]
    #[test_case("index.docker.io/a/b", DOCKER_HUB, "a/b")]
    #[test_case("team/app", DOCKER_HUB, "team/app")]
    #[test_case("localhost/app", "localhost", "app")]
    #[test_case("localhost:5000/a/b", "localhost:5000", "a/b")]
    #[test_case("registry.example.com/", "registry.example.com", "")]
    fn a_term_may_begin_with_a_host(text: &str, host: &str, term: &str) {
        assert_eq!(split_term(text), (host, term));
    }
}
