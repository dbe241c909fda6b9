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

    /// The repository of a name that a registry gave; `None` if it is no name, or more than one.
    pub(super) fn repository(&self, name: &str) -> Option<Reference> {
        let reference = Reference::parse(&format!("{}/{name}", self.domain)).ok()?;
        let bare = reference.tag().is_none() && reference.digest().is_none();
        (bare && reference.domain() == self.domain).then_some(reference)
    }
}

const SCOPE: &str = "registry:catalog:*";
/// Names asked for at a time: what most registries allow at most.
const NAMES_A_PAGE: usize = 1000;
