//! Searching a registry, by whichever interface it has.

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use crate::client::http::{Answer, Request};
use crate::client::registry::connection::{Ask, RegistryClient};
use crate::client::registry::paging::parse_object;
use crate::client::{RegistryError, TransportError};
use crate::limits::{MAX_ERROR_BODY_BYTES, MAX_PAGE_BYTES};
use crate::oci::Reference;
use crate::oci::reference::DOCKER_HUB;
use crate::wire::search::{
    DISCOVER_PATH, DOCKER_PATH, DOCKER_PING_PATH, DockerAnswer, Extensions, HARBOR_PATH,
    HarborAnswer, Hit, ZOT_PATH, ZotAnswer, zot_question,
};

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchResults {
    /// The repositories, in the registry's order.
    pub found: Vec<Found>,
    /// How many names the registry gave that no repository can have.
    pub left_out: usize,
    /// How it was asked.
    pub interface: SearchInterface,
}

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The repository.
    pub repository: Reference,
    /// What the registry says it is.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether Docker's own people keep it.
    pub official: bool,
}

/// The ways a registry can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchInterface {
    /// Docker's, of version 1.
    Docker,
    /// Zot's.
    Zot,
    /// Harbor's.
    Harbor,
    /// The list of all repositories, gone through here.
    Catalog,
}

impl RegistryClient {
    /// Searches for repositories with this term in their name or, where the registry has that,
    /// description; at most `limit`.
    ///
    /// Docker Hub has docker's interface. Others are asked which they have: zot's, Harbor's,
    /// docker's; where there is none, the names of all repositories are gone through.
    pub async fn search(&self, term: &str, limit: usize) -> Result<SearchResults, RegistryError> {
        if self.domain == DOCKER_HUB {
            return self.search_docker_hub(term, limit).await;
        }
        if let Some(hits) = self.search_zot(term, limit).await? {
            return Ok(self.results(hits, limit, SearchInterface::Zot));
        }
        if let Some(hits) = self.search_harbor(term, limit).await? {
            return Ok(self.results(hits, limit, SearchInterface::Harbor));
        }
        if let Some(hits) = self.search_v1(term, limit).await? {
            return Ok(self.results(hits, limit, SearchInterface::Docker));
        }
        self.search_catalog(term, limit).await
    }

    /// Asks Docker Hub, whose index is on a host of its own.
    async fn search_docker_hub(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<SearchResults, RegistryError> {
        let request = docker_hub_request(term, limit)?;
        let answer = self.auth.send(&self.http, request, "").await?;
        if answer.status != StatusCode::OK {
            return Err(answer.error().into());
        }
        let answer: DockerAnswer = parse_object(&answer, RESULTS)?;
        Ok(self.results(answer.hits(), limit, SearchInterface::Docker))
    }

    async fn search_zot(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, TransportError> {
        let extensions: Option<Extensions> = self.probe(DISCOVER_PATH, None).await?;
        if !extensions.is_some_and(|extensions| extensions.have_zot_search()) {
            return Ok(None);
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("query", &zot_question(term, limit)).finish();
        let answer: Option<ZotAnswer> = self.probe(ZOT_PATH, Some(&query)).await?;
        Ok(answer.map(ZotAnswer::hits))
    }

    async fn search_harbor(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, TransportError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", term).append_pair("page_size", &limit.to_string());
        let answer: Option<HarborAnswer> = self.probe(HARBOR_PATH, Some(&query.finish())).await?;
        Ok(answer.map(HarborAnswer::hits))
    }

    async fn search_v1(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, TransportError> {
        let ping = self.get(DOCKER_PING_PATH, None, MAX_ERROR_BODY_BYTES).await;
        match ping {
            Ok(answer) if answer.status == StatusCode::OK => {}
            Ok(_) => return Ok(None),
            Err(error) if is_no(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        let answer: Option<DockerAnswer> =
            self.probe(DOCKER_PATH, Some(&docker_query(term, limit))).await?;
        Ok(answer.map(DockerAnswer::hits))
    }

    /// Goes through all names: the very name first, then those that have the term in them.
    async fn search_catalog(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<SearchResults, RegistryError> {
        let term = term.to_lowercase();
        let repositories = self.catalog(|name| name.contains(&term)).await?;
        let mut names = repositories.names;
        names.sort_by_key(|name| name.path() != term);
        let hits = names.into_iter().take(limit);
        let found = hits.map(|repository| Found {
            repository,
            description: String::new(),
            stars: 0,
            official: false,
        });
        Ok(SearchResults {
            found: found.collect(),
            left_out: repositories.left_out,
            interface: SearchInterface::Catalog,
        })
    }

    /// Asks for a JSON object that only some registries have; `None` if this one has not.
    async fn probe<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Option<&str>,
    ) -> Result<Option<T>, TransportError> {
        match self.get(path, query, MAX_PAGE_BYTES).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                Ok(parse_object(&answer, RESULTS).ok())
            }
            Ok(_) => Ok(None),
            Err(error) if is_no(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(
        &self,
        path: &str,
        query: Option<&str>,
        limit: u64,
    ) -> Result<Answer, TransportError> {
        let ask = Ask { method: Method::GET, path, query, scope: "", limit };
        self.ask(&ask, &|request| request.headers.extend(json_headers())).await
    }

    fn results(&self, hits: Vec<Hit>, limit: usize, interface: SearchInterface) -> SearchResults {
        let mut results = SearchResults { found: Vec::new(), left_out: 0, interface };
        for hit in hits {
            let name = if self.domain == DOCKER_HUB && !hit.name.contains('/') {
                format!("{OFFICIAL}{}", hit.name)
            } else {
                hit.name
            };
            match self.repository(&name) {
                None => results.left_out += 1,
                Some(_) if results.found.len() >= limit => {}
                Some(repository) => results.found.push(Found {
                    repository,
                    description: hit.description,
                    stars: hit.stars,
                    official: hit.official,
                }),
            }
        }
        results
    }
}

/// Whether a failure means that the registry has no such interface, or not for us: the next may do.
fn is_no(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Unauthorized { .. }
            | TransportError::Forbidden { .. }
            | TransportError::Realm { .. }
            | TransportError::Redirect { .. }
            | TransportError::Status { .. }
    )
}

/// The question to Docker Hub. A login is sent if it is asked for.
fn docker_hub_request(term: &str, limit: usize) -> Result<Request, TransportError> {
    let text = format!("{DOCKER_INDEX}{DOCKER_PATH}?{}", docker_query(term, limit));
    let url = Url::parse(&text)
        .map_err(|error| TransportError::Request { url: text, cause: Box::new(error) })?;
    let mut request = Request::get(url, MAX_PAGE_BYTES);
    request.headers = json_headers();
    request.headers.insert(X_DOCKER_TOKEN, HeaderValue::from_static("true"));
    Ok(request)
}

fn docker_query(term: &str, limit: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("q", term).append_pair("n", &limit.to_string()).finish()
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

/// Docker Hub's index.
const DOCKER_INDEX: &str = "https://index.docker.io";
/// Says to the index that we know token authentication, as docker says it.
const X_DOCKER_TOKEN: HeaderName = HeaderName::from_static("x-docker-token");
/// Where Docker Hub keeps what Docker's own people keep.
const OFFICIAL: &str = "library/";
const RESULTS: &str = "the search results";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::client::testing::{Reply, Server, impatient, registry, reply};
    use crate::client::{HttpClient, HttpOptions};

    const DISCOVERED: &str =
        r#"{"extensions":[{"name":"_zot","endpoints":["/v2/_zot/ext/search"]}]}"#;

    /// A registry with the interfaces named in `has`.
    fn server(has: &'static [&'static str]) -> Server {
        Server::start(move |request| {
            let path = request.target.split('?').next().unwrap().to_owned();
            if !has.contains(&path.as_str()) {
                return reply(404, "404 page not found");
            }
            answer(&path)
        })
    }

    fn answer(path: &str) -> Reply {
        match path {
            "/v2/_oci/ext/discover" => reply(200, DISCOVERED),
            "/v2/_zot/ext/search" => {
                reply(200, r#"{"data":{"GlobalSearch":{"Repos":[{"Name":"from/zot"}]}}}"#)
            }
            "/api/v2.0/search" => {
                reply(200, r#"{"repository":[{"repository_name":"from/harbor"}]}"#)
            }
            "/v1/_ping" => reply(200, "true"),
            "/v1/search" => reply(
                200,
                r#"{"results":[{"name":"from/v1","star_count":3,"is_official":true},
                    {"name":"b\u001b[2J"},{"name":"http://evil.example/x"},{"name":"c"},{"name":"d"}]}"#,
            ),
            "/v2/_catalog" => {
                reply(200, r#"{"repositories":["my/app","application","app","other"]}"#)
            }
            _ => reply(500, ""),
        }
    }

    fn paths(results: &SearchResults) -> Vec<&str> {
        results.found.iter().map(|found| found.repository.path()).collect()
    }

    #[test_case(&["/v2/_oci/ext/discover", "/v2/_zot/ext/search", "/api/v2.0/search", "/v2/_catalog"], SearchInterface::Zot, &["from/zot"])]
    #[test_case(&["/api/v2.0/search", "/v1/_ping", "/v1/search", "/v2/_catalog"], SearchInterface::Harbor, &["from/harbor"])]
    #[test_case(&["/v2/_catalog"], SearchInterface::Catalog, &["app", "my/app", "application"])]
    // What does not answer at all is not there.
    #[test_case(&["/v2/_oci/ext/discover", "/v1/_ping", "/v2/_catalog"], SearchInterface::Catalog, &["app", "my/app", "application"])]
    #[tokio::test]
    async fn each_interface_is_found(
        has: &'static [&'static str],
        interface: SearchInterface,
        expected: &[&str],
    ) {
        let server = server(has);
        let results = registry(&server).search("app", 3).await.unwrap();
        assert_eq!(results.interface, interface);
        assert_eq!(paths(&results), expected);
    }

    #[test]
    fn docker_hub_is_asked_as_docker_asks_it() {
        let request = docker_hub_request("a b/c&d", 25).unwrap();
        let url = "https://index.docker.io/v1/search?q=a+b%2Fc%26d&n=25";
        assert_eq!(request.url.as_str(), url);
        assert_eq!(request.headers["x-docker-token"], "true");
        let hub = Reference::parse("alpine").unwrap();
        let client = HttpClient::new(HttpOptions::default());
        let logins = crate::client::testing::Logins::none();
        let registry = RegistryClient::new(&hub, client, logins);
        let hit = |name: &str| Hit { name: name.to_owned(), ..Hit::default() };
        let hits = vec![hit("alpine"), hit("library/debian"), hit("a/b"), hit("evil.example/x/y")];
        let results = registry.results(hits, 10, SearchInterface::Docker);
        let names: Vec<String> =
            results.found.iter().map(|found| found.repository.familiar_name()).collect();
        assert_eq!(names, ["alpine", "debian", "a/b"]);
        assert_eq!(results.left_out, 1, "its short form is on another registry");
    }

    #[tokio::test]
    async fn hostile_names_are_left_out_and_more_than_asked_for_cut() {
        let server = server(&["/v1/_ping", "/v1/search"]);
        let results = registry(&server).search("a b&c", 2).await.unwrap();
        assert_eq!(results.interface, SearchInterface::Docker);
        assert_eq!(paths(&results), ["from/v1", "c"]);
        assert_eq!(results.left_out, 2);
        assert!(results.found[0].official && results.found[0].stars == 3);
        assert_eq!(results.found[0].repository.domain(), server.host());
        let log = server.log();
        assert_eq!(log.last().unwrap(), "GET /v1/search?q=a+b%26c&n=2");
        let accept = server.requests().last().unwrap().header("accept").unwrap().to_owned();
        assert_eq!(accept, "application/json");
    }

    #[tokio::test]
    async fn a_server_that_answers_everything_with_a_web_page_is_told() {
        let server =
            Server::start(|_| reply(200, "<!doctype html>").with("Content-Type", "text/html"));
        let error = registry(&server).search("app", 3).await.unwrap_err();
        let RegistryError::Transport(TransportError::BadAnswer { problem, .. }) = error else {
            panic!("{error}")
        };
        assert!(problem.contains("web page"), "{problem}");
    }

    #[tokio::test]
    async fn a_registry_that_wants_a_login_says_so_in_the_end() {
        let server =
            Server::start(|_| reply(401, "").with("WWW-Authenticate", r#"Basic realm="r""#));
        let error = registry(&server).search("app", 3).await.unwrap_err();
        let RegistryError::Transport(TransportError::Unauthorized { .. }) = error else {
            panic!("{error}")
        };
    }

    #[tokio::test]
    async fn a_registry_that_does_not_answer_is_asked_once() {
        let server = Server::start(|_| Reply::Silence);
        let reference = Reference::parse(&format!("{}/a", server.host())).unwrap();
        let options = HttpOptions { insecure: true, ..impatient() };
        let logins = crate::client::testing::Logins::none();
        let registry = RegistryClient::new(&reference, HttpClient::new(options), logins);
        let error = registry.search("app", 3).await.unwrap_err();
        assert!(
            matches!(&error, RegistryError::Transport(error) if error.is_offline()
                || matches!(error, TransportError::Tls { .. })),
            "{error}"
        );
        assert!(server.log().iter().all(|line| line.contains("/discover")), "{:?}", server.log());
    }
}
