//! The verdict as an answer, for admission controllers and other machines
//! (`spec/enforcement.md` §7).

use std::sync::Arc;

use ::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::oci::{Digest, RepositoryName};
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::meta::MetaError;
use crate::server::router::{ManifestName, manifest_name};
use crate::server::trust::gate::{Gate, Subject};
use crate::server::trust::policy::Mode;
use crate::server::trust::verdict::{Admission, Objection};
use crate::server::{Refusal, Server};

/// The repository that a request for a verdict is about, from its query.
pub fn repository_of(query: &str) -> Option<RepositoryName> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, name) = pairs.find(|(name, _)| name == "repo")?;
    RepositoryName::parse(&name).ok()
}

/// Answers `/v2/_trust/verdict?repo=&ref=`.
pub async fn respond(server: &Arc<Server>, exchange: Exchange) -> Result<Response, Refusal> {
    if !matches!(exchange.method, Method::GET | Method::HEAD) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal::new(status, "UNSUPPORTED", "a verdict is asked for with GET"));
    }
    let repository = repository_of(&exchange.query).ok_or_else(|| {
        let message = "`repo` is not the name of a repository";
        Refusal::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
    })?;
    let reference = exchange.parameter("ref").unwrap_or_default();
    let name = manifest_name(&reference).map_err(|_| {
        let message = "`ref` is neither a tag nor a digest";
        Refusal::new(StatusCode::BAD_REQUEST, "TAG_INVALID", message)
    })?;
    match server.gate.verdict(server, &repository, &name).await? {
        Some(verdict) => Ok(json_answer(StatusCode::OK, &verdict)),
        None => {
            let message = "the registry has no such manifest";
            Err(Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message))
        }
    }
}

impl Gate {
    /// What those who do not push get, and what trust says of it; `None` if there is nothing.
    async fn verdict(
        &self,
        server: &Server,
        repository: &RepositoryName,
        name: &ManifestName,
    ) -> Result<Option<Value>, MetaError> {
        let policy = self.policy();
        let rule = policy.rule(repository.as_str());
        let mut reading = server.meta.read().await?;
        let mut evidence = reading.evidence();
        let any = Digest::sha256_of(b"");
        let asked = match name {
            ManifestName::Tag(_) => &any,
            ManifestName::Digest(digest) => digest,
        };
        let state = self.state(&mut evidence, repository, asked).await?;
        let Some(there) = state.repository else { return Ok(None) };
        let digest = match name {
            ManifestName::Tag(tag) => evidence.tag(there.id, tag).await?,
            ManifestName::Digest(digest) => state.size.map(|_| digest.clone()),
        };
        let Some(digest) = digest else { return Ok(None) };
        let (reference, mode) = match name {
            ManifestName::Tag(tag) => (tag.to_string(), rule.map(|rule| rule.pull)),
            ManifestName::Digest(digest) => (digest.to_string(), rule.map(|rule| rule.pull)),
        };
        let (serves, verdict) = match (rule.filter(|rule| rule.is_pinned()), name) {
            (None, _) => (Some(digest.clone()), None),
            (Some(rule), ManifestName::Tag(tag)) => {
                let look =
                    self.look(&mut evidence, &policy, rule, repository, tag, &digest).await?;
                (look.serves, Some(look.verdict))
            }
            (Some(rule), ManifestName::Digest(_)) => {
                let subject = Subject::Manifest(&digest);
                let verdict =
                    self.decide(&mut evidence, &policy, rule, repository, subject).await?;
                let served = verdict.is_ok() || rule.pull != Mode::Enforce;
                (served.then(|| digest.clone()), Some(verdict))
            }
        };
        Ok(Some(document(repository, &reference, mode, &digest, serves.as_ref(), verdict)))
    }
}

fn document(
    repository: &RepositoryName,
    reference: &str,
    mode: Option<Mode>,
    digest: &Digest,
    serves: Option<&Digest>,
    verdict: Option<Result<Admission, Objection>>,
) -> Value {
    let mut members = Map::new();
    members.insert("repository".to_owned(), json!(repository.as_str()));
    members.insert("reference".to_owned(), json!(reference));
    members.insert("pull".to_owned(), json!(mode.unwrap_or_default()));
    members.insert("served".to_owned(), json!(serves.is_some()));
    members.insert("digest".to_owned(), json!(serves.map(Digest::as_str)));
    members.insert("registry_digest".to_owned(), json!(digest.as_str()));
    match verdict {
        None => drop(members.insert("signed".to_owned(), Value::Null)),
        Some(Ok(admission)) => {
            let roles: Vec<&str> = admission.roles.iter().map(|role| role.as_str()).collect();
            members.insert("signed".to_owned(), json!(true));
            members.insert("gun".to_owned(), json!(admission.gun.as_str()));
            members.insert("roles".to_owned(), json!(roles));
            members.insert("expires".to_owned(), json!(admission.expires.to_string()));
            if let Some(size) = admission.size {
                members.insert("size".to_owned(), json!(size));
            }
        }
        Some(Err(objection)) => {
            members.insert("signed".to_owned(), json!(false));
            members.insert("message".to_owned(), json!(objection.message));
            if let Value::Object(detail) = objection.detail() {
                members.extend(detail);
            }
        }
    }
    Value::Object(members)
}
