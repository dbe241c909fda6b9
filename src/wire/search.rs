//! What registries answer that can be searched: docker's index (v1), zot, Harbor.

use serde::Deserialize;

/// The path of docker's old search.
pub const DOCKER_PATH: &str = "/v1/search";
/// The path that tells whether a server knows docker's old interface.
pub const DOCKER_PING_PATH: &str = "/v1/_ping";
/// The path of Harbor's search.
pub const HARBOR_PATH: &str = "/api/v2.0/search";
/// The path that lists a registry's extensions.
pub const DISCOVER_PATH: &str = "/v2/_oci/ext/discover";
/// The path of zot's search.
pub const ZOT_PATH: &str = "/v2/_zot/ext/search";

/// One repository found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hit {
    /// The repository on its registry, as sent.
    pub name: String,
    /// What it is, as sent.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether Docker's own people keep it.
    pub official: bool,
}

/// Docker's answer.
#[derive(Debug, Deserialize)]
pub struct DockerAnswer {
    results: Vec<DockerHit>,
}

#[derive(Debug, Deserialize)]
struct DockerHit {
    name: String,
    description: Option<String>,
    star_count: Option<i64>,
    #[serde(default)]
    is_official: bool,
}

impl DockerAnswer {
    /// The repositories found.
    pub fn hits(self) -> Vec<Hit> {
        let hit = |hit: DockerHit| Hit {
            name: hit.name,
            description: hit.description.unwrap_or_default(),
            stars: count(hit.star_count),
            official: hit.is_official,
        };
        self.results.into_iter().map(hit).collect()
    }
}

/// Harbor's answer; descriptions it has none.
#[derive(Debug, Deserialize)]
pub struct HarborAnswer {
    repository: Option<Vec<HarborHit>>,
}

#[derive(Debug, Deserialize)]
struct HarborHit {
    repository_name: String,
}

impl HarborAnswer {
    /// The repositories found.
    pub fn hits(self) -> Vec<Hit> {
        let hit = |hit: HarborHit| Hit { name: hit.repository_name, ..Hit::default() };
        self.repository.into_iter().flatten().map(hit).collect()
    }
}

/// A registry's extensions.
#[derive(Debug, Deserialize)]
pub struct Extensions {
    extensions: Option<Vec<Extension>>,
}

#[derive(Debug, Deserialize)]
struct Extension {
    #[serde(default)]
    endpoints: Vec<String>,
}

impl Extensions {
    /// Whether zot's search is among them.
    pub fn have_zot_search(&self) -> bool {
        let extensions = self.extensions.iter().flatten();
        extensions.flat_map(|extension| &extension.endpoints).any(|path| path == ZOT_PATH)
    }
}

/// The question to zot's search, in GraphQL.
pub fn zot_question(term: &str, limit: usize) -> String {
    // GraphQL writes strings as JSON does.
    let term = serde_json::Value::from(term);
    format!(
        "{{GlobalSearch(query:{term},requestedPage:{{limit:{limit},offset:0,sortBy:RELEVANCE}})\
         {{Repos{{Name StarCount NewestImage{{Description}}}}}}}}"
    )
}

/// Zot's answer.
#[derive(Debug, Deserialize)]
pub struct ZotAnswer {
    data: ZotData,
}

#[derive(Debug, Deserialize)]
struct ZotData {
    #[serde(rename = "GlobalSearch")]
    global_search: ZotSearch,
}

#[derive(Debug, Deserialize)]
struct ZotSearch {
    #[serde(rename = "Repos")]
    repos: Option<Vec<ZotHit>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ZotHit {
    name: String,
    star_count: Option<i64>,
    newest_image: Option<ZotImage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ZotImage {
    description: Option<String>,
}

impl ZotAnswer {
    /// The repositories found.
    pub fn hits(self) -> Vec<Hit> {
        let hit = |hit: ZotHit| Hit {
            name: hit.name,
            description: hit.newest_image.and_then(|image| image.description).unwrap_or_default(),
            stars: count(hit.star_count),
            official: false,
        };
        self.data.global_search.repos.into_iter().flatten().map(hit).collect()
    }
}

fn count(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(name: &str, description: &str, stars: u64, official: bool) -> Hit {
        Hit { name: name.to_owned(), description: description.to_owned(), stars, official }
    }

    #[test]
    fn dockers_answer() {
        let answer: DockerAnswer = serde_json::from_str(
            r#"{"num_results":2,"query":"a","results":[
                {"name":"alpine","description":"small","star_count":7,"is_official":true,"is_automated":false},
                {"name":"x/y","description":null,"star_count":-1}]}"#,
        )
        .unwrap();
        assert_eq!(answer.hits(), [hit("alpine", "small", 7, true), hit("x/y", "", 0, false)]);
    }

    #[test]
    fn harbors_answer() {
        let answer: HarborAnswer = serde_json::from_str(
            r#"{"chart":[],"project":[{"name":"p"}],"repository":[{"repository_name":"p/a","pull_count":1}]}"#,
        )
        .unwrap();
        assert_eq!(answer.hits(), [hit("p/a", "", 0, false)]);
        let none: HarborAnswer = serde_json::from_str(r#"{"repository":null}"#).unwrap();
        assert_eq!(none.hits(), []);
    }

    #[test]
    fn zots_answer() {
        let discovered: Extensions = serde_json::from_str(
            r#"{"extensions":[{"name":"_zot","endpoints":["/v2/_zot/ext/search","/v2/_zot/ext/mgmt"]}]}"#,
        )
        .unwrap();
        assert!(discovered.have_zot_search());
        let none: Extensions = serde_json::from_str(r#"{"extensions":null}"#).unwrap();
        assert!(!none.have_zot_search());
        let answer: ZotAnswer = serde_json::from_str(
            r#"{"data":{"GlobalSearch":{"Repos":[{"Name":"a","StarCount":2,"NewestImage":{"Description":"d"}},{"Name":"b"}]}}}"#,
        )
        .unwrap();
        assert_eq!(answer.hits(), [hit("a", "d", 2, false), hit("b", "", 0, false)]);
    }

    #[test]
    fn a_term_cannot_leave_its_place_in_the_question() {
        let question = zot_question("a\"){x}\n", 5);
        assert!(question.starts_with(r#"{GlobalSearch(query:"a\"){x}\n",requestedPage:{limit:5"#));
    }
}
