//! Which manifests refer to one, and keeping that list where the registry does not keep it itself.
//!
//! A registry without the referrers API keeps the list in a tag that clients maintain (OCI
//! distribution 1.1, "Referrers Tag Schema"). Two clients that write it at once can lose each
//! other's entry; ours is looked for afterwards, and written again.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode};
use url::form_urlencoded;

use crate::client::RegistryError;
use crate::client::http::{Answer, Request};
use crate::client::registry::connection::{Ask, PULL, RegistryClient, expect};
use crate::client::registry::paging::Pages;
use crate::limits::{MAX_ERROR_BODY_BYTES, MAX_MANIFEST_BYTES, MAX_REFERRERS};
use crate::oci::manifest::{OCI_INDEX, bare_media_type};
use crate::oci::{Digest, Reference};
use crate::wire::auth::repository_scope;
use crate::wire::errors::{ApiError, is_html};
use crate::wire::referrers::{Referrer, ReferrersError, ReferrersList};
use crate::wire::registry::{manifest_path, referrers_path, referrers_tag};

/// The manifests that refer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// What the list says of them; nothing of it is checked.
    pub entries: Vec<Referrer>,
    /// How many entries of the list describe no manifest.
    pub left_out: usize,
    /// Who keeps the list.
    pub keeper: Keeper,
}

/// Who keeps the list of referrers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The registry.
    Registry,
    /// Those who push, in a tag.
    Clients,
}

impl RegistryClient {
    /// Lists the manifests that refer to `subject`, only those of this type if one is given.
    pub async fn referrers(
        &self,
        repository: &str,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, RegistryError> {
        let reference = self.reference(repository, subject.as_str())?;
        let of_api = self.referrers_of_api(&reference, subject, artifact_type).await?;
        let mut found = if let Some(found) = of_api {
            found
        } else {
            let (entries, left_out) = self.kept_list(repository, subject).await?.list.entries();
            Referrers { entries, left_out, keeper: Keeper::Clients }
        };
        // Whether the registry did it or not (`OCI-Filters-Applied`): it may have been told wrong.
        if let Some(wanted) = artifact_type {
            found.entries.retain(|entry| entry.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    /// Puts a manifest that was just pushed on the list of its subject's referrers, which the
    /// registry does not keep: its answer to the push had no `OCI-Subject`.
    /// [`Referrer::of_manifest`] makes what is needed of the manifest.
    pub async fn announce_referrer(
        &self,
        repository: &str,
        subject: &Digest,
        referrer: &Referrer,
    ) -> Result<(), RegistryError> {
        let change = |list: &mut ReferrersList| list.put(referrer).map(|()| true);
        self.change_list(repository, subject, change, |list| list.has(referrer)).await.map(drop)
    }

    /// Takes a manifest that was just deleted off the list of its subject's referrers, if the
    /// registry does not keep that itself; whether it was on it.
    pub async fn withdraw_referrer(
        &self,
        repository: &str,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<bool, RegistryError> {
        let reference = self.reference(repository, subject.as_str())?;
        if self.referrers_of_api(&reference, subject, None).await?.is_some() {
            return Ok(false);
        }
        let change = |list: &mut ReferrersList| list.remove(referrer);
        self.change_list(repository, subject, change, |list| !list.names(referrer)).await
    }

    /// Asks the registry's own list; `None` if it keeps none.
    async fn referrers_of_api(
        &self,
        reference: &Reference,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Referrers>, RegistryError> {
        let path = referrers_path(reference.path(), subject);
        let query = artifact_type.map(|wanted| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("artifactType", wanted).finish()
        });
        let scope = repository_scope(reference.path(), PULL);
        let mut pages = Pages::new(self, "referrers", path, query, scope);
        let mut found = Referrers { entries: Vec::new(), left_out: 0, keeper: Keeper::Registry };
        let mut first = true;
        while let Some(answer) = pages.next().await? {
            if first && has_no_api(&answer) {
                return Ok(None);
            }
            first = false;
            let answer = expect(answer, reference)?;
            if is_html(answer.content_type(), &answer.body) {
                return Err(answer.bad("a web page where referrers should be").into());
            }
            let page = ReferrersList::parse(&answer.body)
                .map_err(|error| answer.bad(error.to_string()))?;
            let (entries, left_out) = page.entries();
            found.entries.extend(entries);
            found.left_out = found.left_out.saturating_add(left_out);
            if found.entries.len().saturating_add(found.left_out) > MAX_REFERRERS {
                let (reference, limit) = (reference.familiar(), MAX_REFERRERS);
                return Err(RegistryError::TooManyReferrers { reference, limit });
            }
        }
        Ok(Some(found))
    }

    /// Changes the list in the tag until the change is seen there; whether there was one to make.
    async fn change_list(
        &self,
        repository: &str,
        subject: &Digest,
        change: impl Fn(&mut ReferrersList) -> Result<bool, ReferrersError>,
        is_done: impl Fn(&ReferrersList) -> bool,
    ) -> Result<bool, RegistryError> {
        let tag = self.reference(repository, &referrers_tag(subject))?;
        let (mut changed, mut prunes) = (false, false);
        for _ in 0..MAX_ATTEMPTS {
            let KeptList { mut list, etag } = self.kept_list(repository, subject).await?;
            if is_done(&list) {
                return Ok(changed);
            }
            if prunes {
                self.drop_missing(repository, &tag, &mut list).await?;
            }
            let unfit = |error| unfit(&tag, &error);
            change(&mut list).map_err(unfit)?;
            let bytes = list.to_bytes().map_err(unfit)?;
            let answer = self.put_list(&tag, bytes, etag).await?;
            // Somebody else was faster.
            if answer.status == StatusCode::PRECONDITION_FAILED {
                continue;
            }
            // Docker's registry takes no list that names what is not there, and others delete
            // without taking it off the list.
            if !prunes && names_missing(&answer) {
                prunes = true;
                continue;
            }
            expect(answer, &tag)?;
            changed = true;
        }
        if is_done(&self.kept_list(repository, subject).await?.list) {
            return Ok(changed);
        }
        Err(RegistryError::ReferrersContended { reference: tag.familiar() })
    }

    /// Takes what is not in the registry any more off a list.
    async fn drop_missing(
        &self,
        repository: &str,
        tag: &Reference,
        list: &mut ReferrersList,
    ) -> Result<(), RegistryError> {
        for entry in list.entries().0 {
            if !self.manifest_exists(repository, &entry.digest).await? {
                list.remove(&entry.digest).map_err(|error| unfit(tag, &error))?;
            }
        }
        Ok(())
    }

    /// Reads the list in the tag; an empty one if there is no such tag.
    async fn kept_list(
        &self,
        repository: &str,
        subject: &Digest,
    ) -> Result<KeptList, RegistryError> {
        let tag = referrers_tag(subject);
        let reference = self.reference(repository, &tag)?;
        let path = manifest_path(reference.path(), &tag);
        let scope = repository_scope(reference.path(), PULL);
        let answer = self.send(Method::GET, &path, None, &scope, MAX_MANIFEST_BYTES).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(KeptList { list: ReferrersList::empty(), etag: None });
        }
        let answer = expect(answer, &reference)?;
        if is_html(answer.content_type(), &answer.body) {
            return Err(answer.bad("a web page where a manifest should be").into());
        }
        let no_list = || RegistryError::NoReferrersList { reference: reference.familiar() };
        if bare_media_type(answer.content_type()) != OCI_INDEX {
            return Err(no_list());
        }
        let list = ReferrersList::parse(&answer.body).map_err(|_| no_list())?;
        Ok(KeptList { list, etag: answer.headers.get(ETAG).cloned() })
    }

    async fn put_list(
        &self,
        tag: &Reference,
        bytes: Vec<u8>,
        etag: Option<HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let path = manifest_path(tag.path(), tag.tag().unwrap_or_default());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        headers.extend(etag.map(|etag| (IF_MATCH, etag)));
        let scope = repository_scope(tag.path(), PUSH);
        let (method, limit) = (Method::PUT, MAX_ERROR_BODY_BYTES);
        let ask = Ask { method, path: &path, query: None, scope: &scope, limit };
        let body = Bytes::from(bytes);
        let complete = |request: &mut Request| {
            request.headers.extend(headers.clone());
            request.body = body.clone().into();
        };
        Ok(self.ask(&ask, &complete).await?)
    }
}

/// The list in a tag, and the version of it that was read, if the registry tells versions apart.
struct KeptList {
    list: ReferrersList,
    etag: Option<HeaderValue>,
}

fn unfit(tag: &Reference, error: &ReferrersError) -> RegistryError {
    let reference = tag.familiar();
    match error {
        ReferrersError::Full => RegistryError::TooManyReferrers { reference, limit: MAX_REFERRERS },
        ReferrersError::NotAnIndex => RegistryError::NoReferrersList { reference },
    }
}

/// Whether a registry refuses a list because of something that it names.
fn names_missing(answer: &Answer) -> bool {
    let is_missing = |code: &str| matches!(code, "MANIFEST_BLOB_UNKNOWN" | "MANIFEST_UNKNOWN");
    !answer.status.is_success()
        && ApiError::parse_all(&answer.body).iter().any(|error| is_missing(&error.code))
}

/// 404, as the specification has it, and what registries answer that know no such path.
fn has_no_api(answer: &Answer) -> bool {
    matches!(
        answer.status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// Times a list is written before giving up: others that write it as well are few, and quick.
const MAX_ATTEMPTS: u32 = 5;
const PUSH: &str = "pull,push";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use test_case::test_case;

    use super::*;
    use crate::client::TransportError;
    use crate::client::testing::{Received, Reply, Server, registry, reply};
    use crate::oci::manifest::OCI_MANIFEST;

    fn subject() -> Digest {
        Digest::sha256_of(b"subject")
    }

    fn referrer(content: &str, artifact_type: &str) -> Referrer {
        Referrer {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::sha256_of(content.as_bytes()),
            size: 7,
            artifact_type: Some(artifact_type.to_owned()),
            annotations: BTreeMap::from([("made.by".to_owned(), "a test".to_owned())]),
        }
    }

    fn index(referrers: &[Referrer]) -> Vec<u8> {
        let mut list = ReferrersList::empty();
        for referrer in referrers {
            list.put(referrer).unwrap();
        }
        list.to_bytes().unwrap()
    }

    fn index_reply(referrers: &[Referrer]) -> Reply {
        reply(200, index(referrers)).with("Content-Type", OCI_INDEX)
    }

    /// A registry without the API: a tag that can be read and written. `twist` may answer instead.
    fn keeping(
        begin: Option<Vec<u8>>,
        twist: impl Fn(&Received, &mut Option<Vec<u8>>) -> Option<Reply> + Send + Sync + 'static,
    ) -> (Server, Arc<Mutex<Option<Vec<u8>>>>) {
        let kept = Arc::new(Mutex::new(begin));
        let shared = Arc::clone(&kept);
        let tag = format!("/v2/a/b/manifests/{}", referrers_tag(&subject()));
        let server = Server::start(move |request| {
            let mut kept = shared.lock().unwrap();
            if let Some(reply) = twist(request, &mut kept) {
                return reply;
            }
            match (request.method.as_str(), kept.clone()) {
                _ if request.target != tag => reply(404, ""),
                ("PUT", _) => {
                    *kept = Some(request.body.clone());
                    reply(201, "")
                }
                (_, Some(body)) => {
                    let etag = format!("\"{}\"", Digest::sha256_of(&body));
                    reply(200, body).with("Content-Type", OCI_INDEX).with("ETag", etag)
                }
                (_, None) => reply(404, ""),
            }
        });
        (server, kept)
    }

    #[tokio::test]
    async fn the_registrys_own_list_in_pages() {
        let first = referrer("1", "text/a");
        let (other, last) = (referrer("2", "text/b"), referrer("3", "text/a"));
        let all = [first.clone(), other, last.clone()];
        let server = Server::start(move |request| {
            let path = format!("/v2/a/b/referrers/{}", subject());
            let next = format!("<{path}?page=2>; rel=\"next\"");
            if request.target == format!("{path}?artifactType=text%2Fa") {
                // It does not filter, and says so by saying nothing.
                return index_reply(&all[..2]).with("Link", next);
            }
            if request.target == format!("{path}?page=2") {
                index_reply(&all[2..])
            } else {
                reply(500, "")
            }
        });
        let found = registry(&server).referrers("a/b", &subject(), Some("text/a")).await.unwrap();
        assert_eq!(found.keeper, Keeper::Registry);
        assert_eq!(found.entries, [first, last]);
    }

    #[test_case(404)]
    #[test_case(405)]
    #[tokio::test]
    async fn the_list_in_the_tag(status: u16) {
        let one = referrer("1", "text/a");
        let (server, _) = keeping(Some(index(std::slice::from_ref(&one))), move |request, _| {
            request.target.contains("/referrers/").then(|| reply(status, ""))
        });
        let found = registry(&server).referrers("a/b", &subject(), None).await.unwrap();
        assert_eq!((found.keeper, found.entries), (Keeper::Clients, vec![one]));
        let (server, _) = keeping(None, |_, _| None);
        let found = registry(&server).referrers("a/b", &subject(), None).await.unwrap();
        assert_eq!(found.entries, []);
    }

    #[tokio::test]
    async fn lists_that_are_none() {
        let server = Server::start(|_| reply(200, "<html>").with("Content-Type", "text/html"));
        let error = registry(&server).referrers("a/b", &subject(), None).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Transport(TransportError::BadAnswer { .. })),
            "{error}"
        );
        let (server, _) = keeping(None, |request, _| {
            let image = reply(200, "{}").with("Content-Type", OCI_MANIFEST);
            (!request.target.contains("/referrers/")).then_some(image)
        });
        let error = registry(&server).referrers("a/b", &subject(), None).await.unwrap_err();
        assert!(matches!(error, RegistryError::NoReferrersList { .. }), "{error}");
        let one = referrer("1", "text/a");
        let error = registry(&server).announce_referrer("a/b", &subject(), &one).await.unwrap_err();
        assert!(matches!(error, RegistryError::NoReferrersList { .. }), "{error}");
        assert!(server.log().iter().all(|line| !line.starts_with("PUT")));
    }

    #[tokio::test]
    async fn a_list_without_end() {
        let entry = referrer("1", "text/a");
        let mut list = ReferrersList::empty();
        for number in 0..4000 {
            let digest = Digest::sha256_of(format!("{number}").as_bytes());
            list.put(&Referrer { digest, ..entry.clone() }).unwrap();
        }
        let page = list.to_bytes().unwrap();
        let server = Server::start(move |request| {
            let next = format!("<{}?x>; rel=next", request.target);
            reply(200, page.clone()).with("Content-Type", OCI_INDEX).with("Link", next)
        });
        let error = registry(&server).referrers("a/b", &subject(), None).await.unwrap_err();
        assert!(matches!(error, RegistryError::TooManyReferrers { .. }), "{error}");
        assert_eq!(server.log().len(), 3);
    }

    #[tokio::test]
    async fn a_referrer_is_announced_changed_and_withdrawn() {
        let (server, kept) = keeping(None, |_, _| None);
        let registry = registry(&server);
        let (one, two) = (referrer("1", "text/a"), referrer("2", "text/b"));
        for referrer in [&one, &two, &two] {
            registry.announce_referrer("a/b", &subject(), referrer).await.unwrap();
        }
        let found = registry.referrers("a/b", &subject(), None).await.unwrap();
        assert_eq!(found.entries, [one.clone(), two.clone()]);
        let puts: Vec<Received> =
            server.requests().into_iter().filter(|request| request.method == "PUT").collect();
        assert_eq!(puts.len(), 2, "what is announced already is not written again");
        assert_eq!(puts[0].header("content-type"), Some(OCI_INDEX));
        assert_eq!(puts[0].header("if-match"), None);
        let etag = format!("\"{}\"", Digest::sha256_of(&index(std::slice::from_ref(&one))));
        assert_eq!(puts[1].header("if-match"), Some(etag.as_str()));
        assert!(registry.withdraw_referrer("a/b", &subject(), &one.digest).await.unwrap());
        assert!(!registry.withdraw_referrer("a/b", &subject(), &one.digest).await.unwrap());
        assert_eq!(kept.lock().unwrap().as_deref(), Some(index(&[two]).as_slice()));
    }

    #[tokio::test]
    async fn somebody_elses_entry_is_not_lost_where_versions_are_told_apart() {
        let theirs = referrer("theirs", "text/a");
        let sneaked = theirs.clone();
        let first = Mutex::new(true);
        let (server, kept) = keeping(None, move |request, kept| {
            let is_first = request.method == "PUT" && std::mem::take(&mut *first.lock().unwrap());
            is_first.then(|| {
                *kept = Some(index(std::slice::from_ref(&sneaked)));
                reply(412, "")
            })
        });
        let mine = referrer("mine", "text/b");
        registry(&server).announce_referrer("a/b", &subject(), &mine).await.unwrap();
        assert_eq!(kept.lock().unwrap().as_deref(), Some(index(&[theirs, mine]).as_slice()));
    }

    #[tokio::test]
    async fn an_entry_that_others_overwrite_is_written_again() {
        let overwritten = Mutex::new(false);
        let (server, kept) = keeping(None, move |request, kept| {
            let mut overwritten = overwritten.lock().unwrap();
            let now = request.method == "PUT" && !*overwritten;
            *overwritten |= now;
            now.then(|| {
                *kept = Some(index(&[referrer("theirs", "text/a")]));
                reply(201, "")
            })
        });
        let mine = referrer("mine", "text/b");
        registry(&server).announce_referrer("a/b", &subject(), &mine).await.unwrap();
        let expected = index(&[referrer("theirs", "text/a"), mine]);
        assert_eq!(kept.lock().unwrap().as_deref(), Some(expected.as_slice()));
    }

    #[tokio::test]
    async fn it_is_given_up_in_the_end() {
        let (server, _) =
            keeping(None, |request, _| (request.method == "PUT").then(|| reply(201, "")));
        let mine = referrer("mine", "text/b");
        let error =
            registry(&server).announce_referrer("a/b", &subject(), &mine).await.unwrap_err();
        assert!(matches!(error, RegistryError::ReferrersContended { .. }), "{error}");
        let puts = server.log().iter().filter(|line| line.starts_with("PUT")).count();
        assert_eq!(puts, 5);
    }

    #[tokio::test]
    async fn a_registry_that_keeps_the_list_is_left_to_it() {
        let server = Server::start(|_| index_reply(&[]));
        let gone = Digest::sha256_of(b"gone");
        assert!(!registry(&server).withdraw_referrer("a/b", &subject(), &gone).await.unwrap());
        assert_eq!(server.log(), [format!("GET /v2/a/b/referrers/{}", subject())]);
    }
}
