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
use crate::client::http::Answer;
use crate::client::registry::connection::{PULL, Question, RegistryClient, expect};
use crate::client::registry::paging::Pages;
use crate::limits::{MAX_ERROR_BODY_BYTES, MAX_MANIFEST_BYTES, MAX_REFERRERS};
use crate::oci::manifest::{OCI_INDEX, bare_media_type};
use crate::oci::{Digest, Reference};
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
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
        let mut found = match self.referrers_of_api(&reference, subject, artifact_type).await? {
            Some(found) => found,
            None => {
                let list = self.kept_list(repository, subject).await?.list;
                let (entries, left_out) = list.entries();
                Referrers { entries, left_out, keeper: Keeper::Clients }
            }
        };
        // Whether the registry did it or not (`OCI-Filters-Applied`): it may have been told wrong.
        if let Some(wanted) = artifact_type {
            found.entries.retain(|entry| entry.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    /// Puts a manifest that was just pushed on the list of its subject's referrers, which the
    /// registry does not keep: its answer to the push had no `OCI-Subject`.
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
        let mut changed = false;
        for _ in 0..MAX_ATTEMPTS {
            let KeptList { mut list, etag } = self.kept_list(repository, subject).await?;
            if is_done(&list) {
                return Ok(changed);
            }
            let unfit = |error| unfit(&tag, &error);
            change(&mut list).map_err(unfit)?;
            let bytes = list.to_bytes().map_err(unfit)?;
            let answer = self.put_list(&tag, bytes, etag).await?;
            // Somebody else was faster.
            let lost = answer.status == StatusCode::PRECONDITION_FAILED;
            if !lost {
                expect(answer, &tag)?;
                changed = true;
            }
        }
        match is_done(&self.kept_list(repository, subject).await?.list) {
            true => Ok(changed),
            false => Err(RegistryError::ReferrersContended { reference: tag.familiar() }),
        }
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
        let question = Question {
            method: Method::PUT,
            path: &path,
            query: None,
            scope: &scope,
            limit: MAX_ERROR_BODY_BYTES,
            headers,
            body: Bytes::from(bytes),
        };
        Ok(self.ask(&question).await?)
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
